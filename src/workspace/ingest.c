// SPDX-License-Identifier: Apache-2.0
//
// Taking posted records in. A request is small and there are thousands a second, so what an import
// makes for each file is kept with the workspace: the readers of each kind of record, the finder of
// personal data, the number of the batch.
//
// Every row belongs to a batch, because undoing an import must know what it may not touch. A batch
// per request would be a row per request; instead the API has one a day and kind, found by a name
// in the place of the hash, which for a file is that of its bytes. It can be taken back like any
// other.
//
// A record that gives several rows (an order with its products) stands or falls as a whole: a
// savepoint around it. One that gives a single row needs none, since what the doors refuse they
// leave no trace of.
#include "workspace/ingest.h"

#include "base/mem.h"
#include "heed/import.h"
#include "prepare/posted.h"
#include "store/batch.h"
#include "workspace/put.h"

typedef struct reader {
    hd_kind kind;
    const char *preset, *call; // in the arena, or NULL
    hd_posted *posted;
} reader;

struct hd_intake {
    hd_arena arena;
    reader *readers;
    size_t n, cap;
    hd_redactor redactor;
    const char *redacting;   // the setting that it was made for, in the arena; NULL: not made yet
    int64_t batch[HD_KINDS]; // today's, 0: not known, while the store's epoch is `epoch`
    int64_t day;
    uint64_t epoch;
};

void hd_intake_free(struct hd_intake *intake) {
    if (!intake) return;
    for (size_t i = 0; i < intake->n; i++) hd_posted_close(intake->readers[i].posted);
    hd_free(intake->readers);
    hd_redactor_clear(&intake->redactor);
    hd_arena_clear(&intake->arena);
    hd_free(intake);
}

static heed_err need_intake(heed_workspace *ws) {
    if (ws->intake) return HEED_OK;
    ws->intake = hd_calloc(1, sizeof *ws->intake);
    if (!ws->intake) return HD_FAIL_MEMORY(sizeof *ws->intake);
    hd_arena_init(&ws->intake->arena);
    return HEED_OK;
}

// ── What is kept ──

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static heed_err keep_text(hd_arena *arena, const char *text, const char **out) {
    *out = text ? hd_arena_strdup(arena, text) : NULL;
    return text && !*out ? HD_FAIL_MEMORY(0) : HEED_OK;
}

static heed_err open_reader(heed_workspace *ws, const hd_ingest_params *params, reader *out) {
    const char *currency = hd_settings_text(ws->settings, "currency");
    const hd_posted_params posted = {.kind = params->kind,
                                     .preset = params->preset,
                                     .call = params->call,
                                     .zone = hd_settings_text(ws->settings, "time.zone"),
                                     .currency = currency[0] ? currency : NULL};
    out->kind = params->kind;
    HD_TRY(keep_text(&ws->intake->arena, params->preset, &out->preset));
    HD_TRY(keep_text(&ws->intake->arena, params->call, &out->call));
    return hd_posted_open(&posted, &out->posted);
}

static heed_err find_reader(heed_workspace *ws, const hd_ingest_params *params, hd_posted **out) {
    struct hd_intake *in = ws->intake;
    for (size_t i = 0; i < in->n; i++) {
        const reader *r = &in->readers[i];
        *out = r->posted;
        if (r->kind == params->kind && same_text(r->preset, params->preset) &&
            same_text(r->call, params->call))
            return HEED_OK;
    }
    HD_TRY(hd_grow(&in->readers, &in->cap, in->n + 1, sizeof *in->readers));
    HD_TRY(open_reader(ws, params, &in->readers[in->n]));
    *out = in->readers[in->n++].posted;
    return HEED_OK;
}

// The setting may change while a handle lives.
static heed_err need_redactor(heed_workspace *ws) {
    struct hd_intake *in = ws->intake;
    const char *mode = hd_settings_text(ws->settings, "privacy.text");
    if (in->redacting && strcmp(in->redacting, mode) == 0) return HEED_OK;
    hd_redactor_clear(&in->redactor);
    in->redacting = NULL;
    HD_TRY(hd_redactor_init(&in->redactor, ws));
    return keep_text(&in->arena, mode, &in->redacting);
}

// ── The batch ──

static heed_err find_batch(heed_workspace *ws, hd_kind kind, hd_time now, int64_t *id) {
    hd_civil day;
    hd_batch batch = {.kind = hd_kind_name(kind), .source = "api", .preset = "", .started = now};
    bool found;
    hd_time_civil(now, NULL, &day);
    snprintf(batch.hash, sizeof batch.hash, "api-%s-%04d-%02d-%02d", batch.kind, day.year,
             day.month, day.day);
    HD_TRY(hd_batch_find_hash(ws->store, batch.hash, batch.kind, id, &found));
    if (found) return HEED_OK;
    HD_TRY(hd_batch_begin(ws->store, &batch));
    *id = batch.id;
    return HEED_OK;
}

heed_err hd_ingest_batch(heed_workspace *ws, hd_kind kind, int64_t *batch) {
    HD_TRY(need_intake(ws));
    struct hd_intake *in = ws->intake;
    hd_time now = hd_time_now();
    int64_t day = now / HD_DAY_MS;
    uint64_t epoch = hd_store_epoch(ws->store);
    if (in->epoch != epoch || in->day != day) memset(in->batch, 0, sizeof in->batch);
    in->epoch = epoch;
    in->day = day;
    if (in->batch[kind] == 0) HD_TRY(find_batch(ws, kind, now, &in->batch[kind]));
    *batch = in->batch[kind];
    return HEED_OK;
}

// ── Records ──

typedef struct intake_run {
    heed_workspace *ws;
    const hd_ingest_params *params;
    hd_posted *posted;
    hd_time now;
    hd_batch batch; // its number and what is to be added to its counts
    int64_t accepted, repeated, ignored, rejected;
    int64_t redacted[HD_PII_TYPES];
    json_t *errors;
    hd_str pointer;
    char first[2][HD_ERROR_MAX]; // what was wrong with the first bad one, by heed_lang
} intake_run;

static heed_err refuse(intake_run *run, size_t index, const char *const reason[2]) {
    json_t *error = NULL;
    if (run->rejected++ == 0)
        for (size_t lang = 0; lang < 2; lang++)
            snprintf(run->first[lang], sizeof run->first[lang], "%s", reason[lang]);
    if (json_array_size(run->errors) >= HD_INGEST_ERRORS) return HEED_OK;
    hd_str_reset(&run->pointer);
    hd_str_add(&run->pointer, run->params->pointer ? run->params->pointer : "");
    if (json_is_array(run->params->records)) hd_str_addf(&run->pointer, "/%zu", index);
    hd_posted_pointer(run->posted, &run->pointer);
    HD_TRY(hd_str_check(&run->pointer));
    HD_TRY(hd_json_pack(&error, "{s:I, s:s, s:s}", "index", (json_int_t)index, "pointer",
                        hd_str_get(&run->pointer), "detail", reason[run->params->lang]));
    return hd_json_append(run->errors, error);
}

// What has no time of its own happened now. A review keeps none: its time is part of what it is
// known by again, and a repeated one must not become another.
static void date_record(hd_record *record, hd_time now) {
    if (record->kind == HD_KIND_EVENTS && record->event.time == HD_TIME_NONE)
        record->event.time = now;
    if (record->kind == HD_KIND_TICKETS && record->ticket.time == HD_TIME_NONE)
        record->ticket.time = now;
}

// The address may name the record, and the body another one.
static heed_err check_id(const intake_run *run, const hd_record *record) {
    const char *id = run->params->id;
    if (!id) return HEED_OK;
    const hd_slice given = record->kind == HD_KIND_USERS   ? record->user.id
                           : record->kind == HD_KIND_ITEMS ? record->item.id
                                                           : record->ticket.id;
    if (hd_slice_eq(given, id)) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "the address says '%s' and the body '%.*s': leave the latter out",
                   "地址中是“%s”，正文中却是“%.*s”：请去掉后者", id, (int)given.n, given.p);
}

static heed_err put_rows(intake_run *run, hd_import_row *row, bool *news) {
    do {
        hd_put what;
        HD_TRY(check_id(run, &row->record));
        date_record(&row->record, run->now);
        HD_TRY(hd_put_record(run->ws, &run->ws->intake->redactor, run->batch.id, &row->record,
                             run->redacted, &what));
        run->batch.rows_new += what == HD_PUT_NEW;
        run->batch.rows_changed += what == HD_PUT_CHANGED;
        run->batch.rows_same += what == HD_PUT_SAME;
        *news |= what != HD_PUT_SAME;
    } while (hd_posted_next(run->posted, row));
    return HEED_OK;
}

static heed_err put_whole(intake_run *run, hd_import_row *row, bool *news) {
    if (hd_posted_count(run->posted) < 2) return put_rows(run, row, news);
    const hd_batch before = run->batch;
    HD_TRY(hd_store_begin(run->ws->store));
    heed_err err = put_rows(run, row, news);
    if (err == HEED_OK) return hd_store_commit(run->ws->store);
    hd_store_rollback(run->ws->store);
    run->batch = before;
    return err;
}

static heed_err take_one(intake_run *run, size_t index, const json_t *value) {
    hd_import_row row;
    bool news = false;
    HD_TRY(hd_posted_take(run->posted, value, run->now, &row));
    if (row.state == HD_ROW_BAD)
        return refuse(run, index, (const char *const[]){row.reason[0], row.reason[1]});
    run->ignored += row.state == HD_ROW_END;
    if (row.state == HD_ROW_END) return HEED_OK;
    heed_err err = put_whole(run, &row, &news);
    if (err == HEED_INPUT) {
        hd_error failure;
        hd_error_get(&failure);
        return refuse(run, index, (const char *const[]){failure.text[0], failure.text[1]});
    }
    run->accepted += err == HEED_OK && news;
    run->repeated += err == HEED_OK && !news;
    return err;
}

static heed_err take_all(intake_run *run, size_t n) {
    int64_t repeats; // none: they are told at once
    HD_TRY(hd_ingest_batch(run->ws, run->params->kind, &run->batch.id));
    hd_door_put_begin(run->ws->door, HD_LOAD_STEADY);
    bool list = json_is_array(run->params->records);
    for (size_t i = 0; i < n; i++)
        HD_TRY(take_one(run, i,
                        list ? json_array_get(run->params->records, i) : run->params->records));
    run->batch.rows_read = (int64_t)n;
    run->batch.rows_rejected = run->rejected;
    HD_TRY(hd_door_put_end(run->ws->door, run->batch.id, &repeats));
    return hd_batch_add(run->ws->store, &run->batch);
}

// ── The whole ──

static heed_err describe(intake_run *run, json_t **out) {
    int64_t redacted = 0;
    for (size_t t = 0; t < HD_PII_TYPES; t++) redacted += run->redacted[t];
    return hd_json_pack(out, "{s:I, s:I, s:I, s:I, s:I, s:O}", "accepted",
                        (json_int_t)run->accepted, "repeated", (json_int_t)run->repeated, "ignored",
                        (json_int_t)run->ignored, "rejected", (json_int_t)run->rejected, "redacted",
                        (json_int_t)redacted, "errors", run->errors);
}

// One bad record is told of in full, many by the first of them.
static heed_err judge(const intake_run *run, size_t n) {
    if (run->rejected == 0) return HEED_OK;
    if (n == 1)
        return HD_FAIL(HEED_INPUT, "%s%.0s", "%.0s%s", run->first[HEED_EN], run->first[HEED_ZH]);
    if ((size_t)run->rejected == n)
        return HD_FAIL(HEED_INPUT, "none of the %1$zu records was taken; the first: %2$s%3$.0s",
                       "%1$zu 条记录均未载入；第一条的原因：%3$s%2$.0s", n, run->first[HEED_EN],
                       run->first[HEED_ZH]);
    return HD_FAIL(HEED_PARTIAL, "%lld of %zu records were left out; 'errors' says why",
                   "有 %lld 条记录（共 %zu 条）被略去，原因见 errors", (long long)run->rejected, n);
}

static heed_err check_use(heed_workspace *ws, size_t n) {
    HD_TRY(hd_workspace_need_write(ws));
    if (n <= HD_INGEST_MAX) return HEED_OK;
    return HD_FAIL(HEED_INPUT,
                   "%zu records at once: it takes %d at most; send them in parts, or import a file",
                   "一次 %zu 条记录：最多 %d 条；请分批发送，或以文件导入", n, (int)HD_INGEST_MAX);
}

static heed_err run_within(intake_run *run, size_t n, json_t **out) {
    HD_TRY(need_intake(run->ws));
    HD_TRY(find_reader(run->ws, run->params, &run->posted));
    HD_TRY(need_redactor(run->ws));
    run->errors = json_array();
    if (!run->errors) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_store_begin(run->ws->store));
    heed_err err = take_all(run, n);
    if (err == HEED_OK) err = describe(run, out); // after the commit nothing may fail
    if (err == HEED_OK) return hd_store_commit(run->ws->store);
    hd_store_rollback(run->ws->store);
    return err;
}

heed_err hd_ingest(heed_workspace *ws, const hd_ingest_params *params, json_t **out) {
    *out = NULL;
    size_t n = json_is_array(params->records) ? json_array_size(params->records) : 1;
    HD_TRY(check_use(ws, n));
    intake_run run = {.ws = ws, .params = params, .now = hd_time_now()};
    hd_str_init(&run.pointer);
    heed_err err = run_within(&run, n, out);
    hd_str_clear(&run.pointer);
    json_decref(run.errors);
    if (err != HEED_OK) {
        hd_json_drop(out);
        return err;
    }
    return judge(&run, n);
}

// ── For callers of the library ──

static heed_err find_kind(const char *name, hd_ingest_params *out) {
    bool message = strcmp(name, "segment") == 0 || strcmp(name, "posthog") == 0;
    *out = (hd_ingest_params){.kind = HD_KIND_EVENTS, .preset = message ? name : NULL};
    if (message || hd_kind_find(hd_slice_of(name), &out->kind)) return HEED_OK;
    return HD_FAIL(
        HEED_USAGE,
        "unknown kind '%s': it is users, items, events, reviews, tickets, documents, "
        "segment or posthog",
        "没有“%s”这个种类：可用 users、items、events、reviews、tickets、documents、segment、"
        "posthog",
        name);
}

heed_err heed_ingest(heed_workspace *ws, const char *kind, const char *records, char **json) {
    hd_ingest_params params;
    json_t *parsed = NULL, *result = NULL;
    hd_error failure;
    *json = NULL;
    HD_TRY(find_kind(kind, &params));
    HD_TRY(hd_json_parse(records, strlen(records), "records", &parsed));
    params.records = parsed;
    heed_err err = hd_ingest(ws, &params, &result);
    json_decref(parsed);
    if (!result) return err;
    if (err != HEED_OK) hd_error_get(&failure);
    HD_TRY(hd_workspace_text(result, json));
    return err == HEED_OK ? HEED_OK : hd_error_restore(&failure);
}
