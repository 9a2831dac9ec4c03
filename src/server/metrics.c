// SPDX-License-Identifier: Apache-2.0
//
// A row of counters per operation, found by the operation's place in the list. Buckets of latency
// are those a p99 of milliseconds can be read from.
#include "server/metrics.h"

#include <stdatomic.h>

#include "base/mem.h"

static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                0.05,   0.1,   0.25,   0.5,   1,    5};
enum { N_BOUNDS = sizeof bounds / sizeof bounds[0], N_CLASSES = 5 };

typedef struct row {
    _Atomic uint64_t by_class[N_CLASSES]; // 1xx .. 5xx
    _Atomic uint64_t bucket[N_BOUNDS];    // up to the bound, not those below it
    _Atomic uint64_t count;
    _Atomic uint64_t microseconds;
} row;

struct hd_metrics {
    size_t n; // operations; one row more for the rest
    row rows[];
};

static size_t count_ops(void) {
    size_t n = 0;
    while (hd_ops[n]) n++;
    return n;
}

heed_err hd_metrics_new(hd_metrics **out) {
    size_t n = count_ops();
    size_t bytes = sizeof(hd_metrics) + (n + 1) * sizeof(row);
    hd_metrics *metrics = hd_calloc(1, bytes);
    if (!metrics) return HD_FAIL_MEMORY(bytes);
    metrics->n = n;
    *out = metrics;
    return HEED_OK;
}

void hd_metrics_free(hd_metrics *metrics) {
    hd_free(metrics);
}

static void add(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void hd_metrics_add(hd_metrics *metrics, const hd_op *op, int status, double seconds) {
    size_t i = 0;
    while (i < metrics->n && hd_ops[i] != op) i++;
    row *at = &metrics->rows[i];
    int class = status / 100 - 1;
    if (class >= 0 && class < N_CLASSES) add(&at->by_class[class], 1);
    size_t b = 0;
    while (b < N_BOUNDS && seconds > bounds[b]) b++;
    if (b < N_BOUNDS) add(&at->bucket[b], 1);
    add(&at->count, 1);
    add(&at->microseconds, (uint64_t)(seconds * 1e6));
}

void hd_metrics_line(hd_str *out, const char *name, const char *type, const char *help,
                     double value) {
    hd_str_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static const char *name_of(const hd_metrics *metrics, size_t i) {
    return i < metrics->n ? hd_ops[i]->name : "other";
}

static void write_requests(hd_metrics *metrics, hd_str *out) {
    hd_str_add(out, "# HELP heed_requests_total requests by operation and class of status\n"
                    "# TYPE heed_requests_total counter\n");
    for (size_t i = 0; i <= metrics->n; i++)
        for (size_t c = 0; c < N_CLASSES; c++) {
            uint64_t n = get(&metrics->rows[i].by_class[c]);
            if (n)
                hd_str_addf(out, "heed_requests_total{operation=\"%s\",status=\"%zuxx\"} %llu\n",
                            name_of(metrics, i), c + 1, (unsigned long long)n);
        }
}

static void write_seconds(hd_metrics *metrics, hd_str *out) {
    hd_str_add(out, "# HELP heed_request_seconds time from a whole request to its answer\n"
                    "# TYPE heed_request_seconds histogram\n");
    for (size_t i = 0; i <= metrics->n; i++) {
        row *at = &metrics->rows[i];
        const char *name = name_of(metrics, i);
        unsigned long long count = get(&at->count);
        unsigned long long below = 0;
        if (!count) continue;
        for (size_t b = 0; b < N_BOUNDS; b++) {
            below += get(&at->bucket[b]);
            hd_str_addf(out, "heed_request_seconds_bucket{operation=\"%s\",le=\"%.15g\"} %llu\n",
                        name, bounds[b], below);
        }
        hd_str_addf(out,
                    "heed_request_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n"
                    "heed_request_seconds_sum{operation=\"%s\"} %.15g\n"
                    "heed_request_seconds_count{operation=\"%s\"} %llu\n",
                    name, count, name, (double)get(&at->microseconds) / 1e6, name, count);
    }
}

void hd_metrics_write(hd_metrics *metrics, hd_str *out) {
    write_requests(metrics, out);
    write_seconds(metrics, out);
}
