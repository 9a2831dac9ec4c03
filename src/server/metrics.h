// SPDX-License-Identifier: Apache-2.0
//
// What a server counts of itself, in Prometheus' text format 0.0.4: requests by operation and class
// of status, how long they took. No personal value is a label.
//
// Threads: any; counting is a relaxed addition.
#ifndef HD_SERVER_METRICS_H
#define HD_SERVER_METRICS_H

#include "api/op.h"

typedef struct hd_metrics hd_metrics;

heed_err hd_metrics_new(hd_metrics **out) HEED_CHECK;
void hd_metrics_free(hd_metrics *metrics);
// op NULL: what isn't an operation (health, unknown paths).
void hd_metrics_add(hd_metrics *metrics, const hd_op *op, int status, double seconds);
void hd_metrics_write(hd_metrics *metrics, hd_str *out);

// A line with its help and type, for figures that others keep.
void hd_metrics_line(hd_str *out, const char *name, const char *type, const char *help,
                     double value);

#endif
