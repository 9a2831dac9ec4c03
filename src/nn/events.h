// SPDX-License-Identifier: Apache-2.0
//
// Curves in files: a line of JSON per point (curves.jsonl) and TensorBoard's event file, side by
// side in one folder. A point is on the disk (as far as the system's cache) when hd_curves_add
// returns, so that a running training can be watched.
#ifndef HD_NN_EVENTS_H
#define HD_NN_EVENTS_H

#include <stdint.h>

#include "base/str.h"

typedef struct hd_curves hd_curves;

// folder: made when it isn't there. resume: goes on behind what stands there, dropping points of
// later steps than `step` (those of a run that was killed after its last checkpoint); else begins
// anew. wall: seconds since 1970, the time stamped on the file.
heed_err hd_curves_open(const char *folder, bool resume, uint64_t step, double wall,
                        hd_curves **out) HEED_CHECK;
void hd_curves_close(hd_curves *curves);

// One moment's values, by names as "train/loss" (n).
typedef struct hd_point {
    const char *name;
    double value;
} hd_point;
heed_err hd_curves_add(hd_curves *curves, uint64_t step, double epoch, double wall,
                       const hd_point *points, size_t n) HEED_CHECK;

// The bytes of one TensorBoard record (length, masked CRC, payload, masked CRC), appended: for
// tests, which have their own reader.
void hd_event_version(double wall, hd_str *out);
void hd_event_scalars(double wall, uint64_t step, const hd_point *points, size_t n, hd_str *out);
// CRC-32C (Castagnoli), as TFRecord uses it.
uint32_t hd_crc32c(const void *data, size_t n);

#endif
