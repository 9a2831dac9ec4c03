// SPDX-License-Identifier: Apache-2.0
//
// Posting events as a server does it: bodies of a hundred events, as JSON text, read and put in by
// one thread, some of them in one transaction.
//
//     bench_ingest FOLDER N [PER_BODY [BODIES_PER_COMMIT]]
//
// FOLDER is made anew as a workspace. A tenth as many users as events, 20,000 items, every event
// with an id and two properties. Prints a line of JSON: events, seconds of processor time in all
// and for reading JSON, events per second of it, seconds by the clock, waiting for the disk
// included, and of the slowest commit: its last event, seconds by the clock and of the processor.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/rng.h"
#include "heed/heed.h"
#include "workspace/ingest.h"

enum { ITEMS = 20000 };

static const char *const types[] = {"view", "view", "view", "view", "cart", "purchase"};

// Processor time of this thread, so that a busy machine changes it little.
static int64_t cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void make_body(hd_rng *rng, uint64_t users, size_t n, hd_str *out) {
    hd_str_reset(out);
    hd_str_add(out, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        double item = hd_rng_uniform(rng);
        hd_str_addf(out,
                    "%s{\"event_id\":\"%016" PRIx64 "\",\"user\":\"user-%07" PRIu64
                    "\",\"item\":\"item-%06u\",\"type\":\"%s\",\"time\":%" PRIu64
                    ",\"value\":%u,\"session\":\"s%" PRIu64
                    "\",\"properties\":{\"page\":\"list\",\"rank\":%u}}",
                    i ? "," : "", hd_rng_u64(rng), hd_rng_below(rng, users),
                    (unsigned)(ITEMS * item * item * item), types[hd_rng_below(rng, 6)],
                    UINT64_C(1760000000000) + hd_rng_below(rng, 10000000),
                    (unsigned)hd_rng_below(rng, 100), hd_rng_below(rng, users),
                    (unsigned)hd_rng_below(rng, 50));
    }
    hd_str_add(out, "]}");
}

static heed_err post(heed_workspace *ws, const hd_str *body, int64_t *parsing) {
    json_t *json = NULL, *result = NULL;
    int64_t start = cpu_us();
    HD_TRY(hd_json_parse(body->data, body->len, "body", &json));
    *parsing += cpu_us() - start;
    const hd_ingest_params params = {
        .kind = HD_KIND_EVENTS, .records = json_object_get(json, "events"), .pointer = "/events"};
    heed_err err = hd_ingest(ws, &params, &result);
    json_decref(result);
    json_decref(json);
    return err;
}

typedef struct plan {
    uint64_t n, per_body, per_commit;
} plan;

typedef struct slow {
    uint64_t at; // the last event
    int64_t us, cpu;
} slow;

static int64_t clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static heed_err run(heed_workspace *ws, const plan *p, int64_t *total, int64_t *parsing,
                    slow *slowest) {
    hd_rng rng = hd_rng_make(1, 0);
    hd_str body;
    hd_str_init(&body);
    heed_err err = HEED_OK;
    *total = *parsing = 0;
    for (uint64_t at = 0; err == HEED_OK && at < p->n;) {
        int64_t making = 0, start = cpu_us(), begun = clock_us();
        err = hd_store_begin(ws->store);
        for (uint64_t k = 0; err == HEED_OK && k < p->per_commit; k++, at += p->per_body) {
            int64_t made = cpu_us();
            make_body(&rng, p->n / 10 + 1, p->per_body, &body);
            making += cpu_us() - made;
            err = post(ws, &body, parsing);
        }
        if (err == HEED_OK) err = hd_store_commit(ws->store);
        slow one = {at, clock_us() - begun, cpu_us() - start - making};
        if (one.us > slowest->us) *slowest = one;
        *total += one.cpu;
    }
    hd_str_clear(&body);
    return err;
}

int main(int argc, char **argv) {
    plan p = {.per_body = 100, .per_commit = 10};
    heed_workspace *ws = NULL;
    int64_t total, parsing;
    slow slowest = {0};
    if (argc < 3) return 2;
    p.n = strtoull(argv[2], NULL, 10);
    if (argc > 3) p.per_body = strtoull(argv[3], NULL, 10);
    if (argc > 4) p.per_commit = strtoull(argv[4], NULL, 10);
    int64_t start = hd_time_monotonic();
    heed_err err = heed_workspace_init(argv[1], HEED_EN);
    if (err == HEED_OK) err = heed_workspace_open(argv[1], HEED_WRITE, &ws);
    if (err == HEED_OK) err = run(ws, &p, &total, &parsing, &slowest);
    heed_workspace_close(ws);
    if (err != HEED_OK) {
        fprintf(stderr, "bench_ingest: %s\n", heed_error_message(HEED_EN));
        return 1;
    }
    printf("{\"events\": %" PRIu64 ", \"seconds\": %.3f, \"parsing\": %.3f, \"per_second\": %.0f, "
           "\"by_the_clock\": %.3f, \"slowest\": [%" PRIu64 ", %.3f, %.3f]}\n",
           p.n, (double)total / 1e6, (double)parsing / 1e6, (double)p.n * 1e6 / (double)total,
           (double)(hd_time_monotonic() - start) / 1000, slowest.at, (double)slowest.us / 1e6,
           (double)slowest.cpu / 1e6);
    return 0;
}
