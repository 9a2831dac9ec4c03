// SPDX-License-Identifier: Apache-2.0
//
// Made-up events for benchmarks: the same numbers give the same events. A tenth as many users as
// events, some busy and most not, 20,000 items of which a few are popular, times that grow.
//
//     bench_events csv  N IDS FILE    writes a file (IDS: 1 with event ids, 0 without)
//     bench_events jsonl N IDS FILE
//     bench_events door N IDS DB      puts the events through the catalogue and the door
//     bench_events scan DB            reads them all back, as a snapshot
//     bench_events schema             prints the SQL of the tables that an import writes
//
// door and scan print one line of JSON: rows, seconds, and the process's peak of memory.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/rng.h"
#include "base/fs.h"
#include "base/time.h"
#include "catalog/catalog.h"
#include "privacy/door.h"
#include "store/batch.h"
#include "store/open.h"

enum { ITEMS = 20000, CACHE_BYTES = 32 << 20 };

typedef struct maker {
    hd_rng rng;
    uint64_t users;
    bool ids;
    hd_time time;
    char event_id[24], user[24], item[24];
    const char *type;
    double value; // NaN: none
} maker;

static maker maker_make(uint64_t n, bool ids) {
    return (maker){.rng = hd_rng_make(1, 0),
                   .users = n / 10 ? n / 10 : 1,
                   .ids = ids,
                   .time = INT64_C(1600000000000)};
}

static void maker_next(maker *m) {
    static const char *const types[] = {"view", "view", "view", "view", "view",    "view",
                                        "view", "view", "cart", "cart", "purchase"};
    double u = hd_rng_uniform(&m->rng), i = hd_rng_uniform(&m->rng);
    m->time += (hd_time)hd_rng_below(&m->rng, 2000);
    m->type = types[hd_rng_below(&m->rng, 11)];
    bool bought = m->type[0] == 'p';
    m->value = bought ? (double)hd_rng_below(&m->rng, 10000) / 100 : (double)NAN;
    snprintf(m->event_id, sizeof m->event_id, "%016" PRIx64, hd_rng_u64(&m->rng));
    snprintf(m->user, sizeof m->user, "user-%07" PRIu64,
             (uint64_t)((double)m->users * u * sqrt(u)));
    snprintf(m->item, sizeof m->item, "item-%06u", (unsigned)(ITEMS * i * i * i));
}

static int fail(void) {
    fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
    return 1;
}

static int write_file(uint64_t n, bool ids, const char *path, bool json) {
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        return 1;
    }
    maker m = maker_make(n, ids);
    if (!json) fprintf(f, "%suser_id,item_id,event_type,value,time\n", ids ? "event_id," : "");
    for (uint64_t i = 0; i < n; i++) {
        maker_next(&m);
        char value[32] = "";
        if (!isnan(m.value)) snprintf(value, sizeof value, "%.2f", m.value);
        if (json) {
            fputc('{', f);
            if (ids) fprintf(f, "\"event_id\":\"%s\",", m.event_id);
            fprintf(f, "\"user_id\":\"%s\",\"item_id\":\"%s\",\"event_type\":\"%s\",", m.user,
                    m.item, m.type);
            if (value[0]) fprintf(f, "\"value\":%s,", value);
            fprintf(f, "\"time\":%" PRId64 "}\n", m.time);
        } else {
            if (ids) fprintf(f, "%s,", m.event_id);
            fprintf(f, "%s,%s,%s,%s,%" PRId64 "\n", m.user, m.item, m.type, value, m.time);
        }
    }
    return fclose(f) == 0 ? 0 : 1;
}

static void report(const char *what, int64_t rows, int64_t started) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"what\":\"%s\",\"rows\":%" PRId64 ",\"seconds\":%.3f,\"peak_mb\":%ld}\n", what, rows,
           (double)(hd_time_monotonic() - started) / 1000, usage.ru_maxrss / 1024);
}

static hd_store *subjects;
static hd_keyring *keyring;

// Keys in a folder beside the database.
static heed_err open_keys(const char *path, hd_store_mode mode) {
    char folder[512], db[600];
    snprintf(folder, sizeof folder, "%s-keys", path);
    snprintf(db, sizeof db, "%s/subjects.db", folder);
    HD_TRY(hd_fs_mkdirs(folder, 0700));
    HD_TRY(hd_store_open(db, mode, 4 << 20, NULL, &subjects));
    const hd_keyring_params params = {
        .folder = folder, .subjects = subjects, .write = mode != HD_STORE_READ};
    return hd_keyring_exists(folder) ? hd_keyring_open(&params, &keyring)
                                     : hd_keyring_create(&params, &keyring);
}

static heed_err open_all(const char *path, hd_store_mode mode, hd_store **store,
                         hd_catalog **catalog, hd_door **door) {
    HD_TRY(hd_store_open(path, mode, CACHE_BYTES, NULL, store));
    if (mode != HD_STORE_READ) {
        HD_TRY(hd_store_migrate(*store, hd_privacy_migrations, hd_privacy_n_migrations));
        HD_TRY(hd_store_migrate(*store, hd_catalog_migrations, hd_catalog_n_migrations));
    }
    HD_TRY(hd_catalog_open(*store, catalog));
    HD_TRY(open_keys(path, mode));
    return hd_door_open(*store, keyring, door);
}

static heed_err load(hd_store *store, hd_catalog *catalog, hd_door *door, uint64_t n, bool ids) {
    maker m = maker_make(n, ids);
    int64_t item_key, repeats;
    hd_put what;
    HD_TRY(hd_store_begin(store));
    for (uint64_t i = 0; i < n; i++) {
        maker_next(&m);
        hd_record r = {.kind = HD_KIND_EVENTS,
                       .event = {.event_id = hd_slice_of(ids ? m.event_id : NULL),
                                 .user = hd_slice_of(m.user),
                                 .type = hd_slice_of(m.type),
                                 .value = m.value,
                                 .quantity = (double)NAN,
                                 .time = m.time}};
        HD_TRY(hd_catalog_item_key(catalog, hd_slice_of(m.item), 1, &item_key));
        HD_TRY(hd_door_put(door, 1, &r, item_key, &what));
    }
    HD_TRY(hd_door_put_end(door, 1, &repeats));
    return hd_store_commit(store);
}

static double weight(void *ctx, const char *type, double value) {
    (void)ctx, (void)type, (void)value;
    return 1;
}

static heed_err scan(hd_store *store, hd_door *door, int64_t *rows) {
    static int64_t items[ITEMS]; // keys count up from 1
    for (int i = 0; i < ITEMS; i++) items[i] = i + 1;
    hd_snapshot snapshot;
    (void)store;
    HD_TRY(hd_door_snapshot(door, HD_PURPOSE_TRAIN, items, ITEMS, (hd_signals){weight, NULL},
                            &snapshot));
    *rows = (int64_t)snapshot.events.n;
    hd_snapshot_clear(&snapshot);
    return HEED_OK;
}

static int run_door(uint64_t n, bool ids, const char *path, bool read) {
    hd_store *store = NULL;
    hd_catalog *catalog = NULL;
    hd_door *door = NULL;
    int64_t started = hd_time_monotonic(), rows = (int64_t)n;
    heed_err err = open_all(path, read ? HD_STORE_READ : HD_STORE_CREATE, &store, &catalog, &door);
    if (err == HEED_OK) {
        err = read ? scan(store, door, &rows) : load(store, catalog, door, n, ids);
    }
    hd_door_close(door);
    hd_catalog_close(catalog);
    hd_store_close(store);
    hd_keyring_close(keyring);
    hd_store_close(subjects);
    if (err != HEED_OK) return fail();
    report(read ? "scan" : "door", rows, started);
    return 0;
}

static int print_schema(void) {
    puts(hd_privacy_migrations[0].sql); // its texts are what a database takes without heed
    for (size_t i = 0; i < hd_catalog_n_migrations; i++) puts(hd_catalog_migrations[i].sql);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "schema") == 0) return print_schema();
    if (argc == 3 && strcmp(argv[1], "scan") == 0) return run_door(0, false, argv[2], true);
    if (argc != 5) {
        fprintf(stderr, "usage: bench_events csv|jsonl|door N IDS FILE | scan DB | schema\n");
        return 2;
    }
    uint64_t n = strtoull(argv[2], NULL, 10);
    bool ids = argv[3][0] == '1';
    if (strcmp(argv[1], "csv") == 0) return write_file(n, ids, argv[4], false);
    if (strcmp(argv[1], "jsonl") == 0) return write_file(n, ids, argv[4], true);
    if (strcmp(argv[1], "door") == 0) return run_door(n, ids, argv[4], false);
    return 2;
}
