// SPDX-License-Identifier: Apache-2.0
//
// What one GET /api/v1/recommend/{user} costs without the network: the operation's handler and its
// result as JSON text, for random users of a workspace that has a model, on one long-lived handle.
//
//     bench_recommend WORKSPACE N [why]
//
// Prints one line of JSON: requests, and microseconds of this thread's processor time: mean and
// percentiles. Processor time, so that a busy machine changes it little. digest: of all answers, so
// that two programs can be seen to say the same.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <sodium.h>

#include "api/call.h"
#include "api/list.h"
#include "api/start.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

enum { USERS_MAX = 100000 };

static int fail(void) {
    fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
    return 1;
}

static heed_err lend(void *ctx, heed_mode mode, heed_workspace **out) {
    (void)mode;
    *out = ctx;
    return HEED_OK;
}

static void take_back(void *ctx, heed_workspace *ws) {
    (void)ctx, (void)ws;
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static heed_err ask(hd_call *call, const char *user, bool why, hd_str *text) {
    json_t *result = NULL;
    hd_str_reset(text);
    HD_TRY(hd_json_pack(&call->params, "{s:s, s:i, s:b}", "user", user, "n", 10, "why", why));
    heed_err err = hd_op_recommend.run(call, &result);
    if (err == HEED_OK) err = hd_json_dump(result, false, text);
    json_decref(result);
    json_decref(call->params);
    return err;
}

static heed_err measure(hd_call *call, char **users, size_t n_users, size_t n, bool why,
                        double *took, char digest[65]) {
    hd_rng rng = hd_rng_make(1, 0);
    hd_str text = {0};
    crypto_generichash_state state;
    unsigned char hash[32];
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    heed_err err = ask(call, users[0], why, &text); // loads the model
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        const char *user = users[hd_rng_below(&rng, n_users)];
        double before = now_us();
        err = ask(call, user, why, &text);
        took[i] = now_us() - before;
        crypto_generichash_update(&state, (const unsigned char *)hd_str_get(&text), text.len);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(digest, 65, hash, sizeof hash);
    hd_str_clear(&text);
    return err;
}

static void report(double *took, size_t n, const char *digest) {
    struct rusage usage;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += took[i];
    qsort(took, n, sizeof *took, rising);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"requests\":%zu,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"peak_mb\":%ld,\"digest\":\"%.16s\"}\n",
           n, sum / (double)n, took[n / 2], took[n * 99 / 100], took[n - 1], usage.ru_maxrss / 1024,
           digest);
}

int main(int argc, char **argv) {
    size_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, n_users = 0;
    if (n == 0) {
        fprintf(stderr, "usage: bench_recommend WORKSPACE N [why]\n");
        return 2;
    }
    hd_arena arena;
    hd_arena_init(&arena);
    heed_workspace *ws = NULL;
    char **users = NULL;
    char digest[65] = "";
    double *took = hd_calloc(n, sizeof *took);
    heed_err err = hd_mem_adopt_libraries();
    if (err == HEED_OK) err = heed_workspace_open(argv[1], HEED_READ, &ws);
    if (err == HEED_OK) err = hd_workspace_busiest(ws, USERS_MAX, &arena, &users, &n_users);
    if (err == HEED_OK && n_users > 0 && took) {
        hd_lender lender = {.open = lend, .close = take_back, .ctx = ws};
        hd_call call = {.workspace = argv[1], .lender = &lender, .caller = {"bench", ~0U}};
        err = measure(&call, users, n_users, n, argc > 3, took, digest);
        if (err == HEED_OK) report(took, n, digest);
    }
    heed_workspace_close(ws);
    hd_arena_clear(&arena);
    hd_free(took);
    return err == HEED_OK ? 0 : fail();
}
