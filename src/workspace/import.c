// SPDX-License-Identifier: Apache-2.0
//
// Import. One transaction holds all files of a command: rows are staged in it and nobody sees them
// until the last one was accepted. Each file is a batch of its own, so that one can be taken back.
//
// Files are read in the order of their kinds (users, items, then what refers to them) whatever
// order they were named in. Committing file by file was rejected: a bad third file would leave a
// workspace that is neither the old nor the new one.
//
// A file that was imported before is known by the hash of its bytes. For a regular file that is
// checked before the first row; for a stream it can only be checked at its end, before the commit.
#include "workspace/import.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/batch.h"
#include "workspace/auditing.h"
#include "workspace/put.h"
#include "workspace/rejects.h"

enum { ROWS_PER_LOOK = 1024 }; // between two looks at the stop flag and two progress reports

typedef struct import_result {
    heed_import_result public; // first: the caller's pointer is this one
    hd_arena arena;
} import_result;

typedef struct import_file {
    hd_importer *in;
    const char *path;
    const char *name; // for progress: without its folders
    hd_import_map *maps;
    char hash[65];
    hd_batch batch;
    hd_rejects rejects;
    int64_t redacted[HD_PII_TYPES];
    hd_text telling;
} import_file;

typedef struct import_run {
    heed_workspace *ws;
    const heed_import_params *params;
    hd_arena *arena;
    import_file *files; // (n), by kind once opened
    size_t n;
    hd_redactor redactor;
} import_run;

heed_import_params heed_import_default(void) {
    return (heed_import_params){.header = -1};
}

// ── Opening ──

static heed_err parse_maps(import_run *run, hd_import_map **out) {
    size_t bytes = (run->params->n_maps + 1) * sizeof **out;
    hd_import_map *maps = hd_arena_alloc(run->arena, bytes);
    if (!maps) return HD_FAIL_MEMORY(bytes);
    for (size_t i = 0; i < run->params->n_maps; i++) {
        const char *text = run->params->maps[i];
        const char *eq = strrchr(text, '=');
        if (!eq || eq == text)
            return HD_FAIL(HEED_USAGE, "--map: '%s' is not COLUMN=FIELD",
                           "--map：“%s”不是 列=字段 的形式", text);
        maps[i].column = hd_arena_strndup(run->arena, text, (size_t)(eq - text));
        maps[i].field = eq + 1;
        if (!maps[i].column) return HD_FAIL_MEMORY(0);
    }
    *out = maps;
    return HEED_OK;
}

static heed_err find_kind(const char *name, int *out) {
    hd_kind kind;
    *out = -1;
    if (!name) return HEED_OK;
    if (!hd_kind_find(hd_slice_of(name), &kind))
        return HD_FAIL(HEED_USAGE,
                       "unknown kind '%s': it is users, items, events, reviews, tickets "
                       "or documents",
                       "没有“%s”这个种类：可用 users、items、events、reviews、tickets、documents",
                       name);
    *out = (int)kind;
    return HEED_OK;
}

static heed_err open_file(import_run *run, import_file *file, int kind, hd_import_map *maps) {
    const heed_import_params *params = run->params;
    const hd_settings *settings = run->ws->settings;
    const char *currency = hd_settings_text(settings, "currency");
    const hd_importer_params in = {
        .path = file->path,
        .kind = kind,
        .preset = params->preset,
        .maps = maps,
        .n_maps = params->n_maps,
        .encoding = params->encoding,
        .delimiter = params->delimiter,
        .header = params->header,
        .time_format = params->time_format,
        .zone = hd_settings_text(settings, "time.zone"),
        .currency = currency[0] ? currency : NULL,
        .max_line = (size_t)hd_settings_int(settings, "import.max_line"),
        .now = hd_time_now(),
    };
    const char *slash = strrchr(file->path, '/');
    file->name = slash && slash[1] ? slash + 1 : file->path;
    file->telling.en = hd_arena_printf(run->arena, "importing %s", file->name);
    file->telling.zh = hd_arena_printf(run->arena, "正在导入 %s", file->name);
    if (!file->telling.en || !file->telling.zh) return HD_FAIL_MEMORY(0);
    return hd_importer_open(&in, &file->in);
}

// Insertion sort by kind: stable, and the files are few.
static void sort_files(import_file *files, size_t n) {
    for (size_t i = 1; i < n; i++) {
        import_file file = files[i];
        size_t k = i;
        hd_kind kind = hd_importer_guess(file.in)->kind;
        for (; k > 0 && hd_importer_guess(files[k - 1].in)->kind > kind; k--)
            files[k] = files[k - 1];
        files[k] = file;
    }
}

static heed_err open_files(import_run *run) {
    int kind;
    hd_import_map *maps = NULL;
    HD_TRY(find_kind(run->params->kind, &kind));
    HD_TRY(parse_maps(run, &maps));
    run->n = run->params->n_paths;
    run->files = hd_arena_calloc(run->arena, run->n + 1, sizeof *run->files);
    if (!run->files) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < run->n; i++) {
        run->files[i].path = run->params->paths[i];
        HD_TRY(open_file(run, &run->files[i], kind, maps));
    }
    sort_files(run->files, run->n);
    return HEED_OK;
}

// ── Rows ──

// A record that the doors don't take is a bad row like any other; a failing disk is not.
static heed_err put_row(import_run *run, import_file *file, hd_import_row *row) {
    hd_put what;
    heed_err err =
        hd_put_record(run->ws, &run->redactor, file->batch.id, &row->record, file->redacted, &what);
    file->batch.rows_new += err == HEED_OK && what == HD_PUT_NEW;
    file->batch.rows_changed += err == HEED_OK && what == HD_PUT_CHANGED;
    file->batch.rows_same += err == HEED_OK && what == HD_PUT_SAME;
    if (err != HEED_INPUT) return err;
    hd_error failure;
    hd_error_get(&failure);
    return hd_rejects_add(&file->rejects, row->line, failure.text[HEED_EN], failure.text[HEED_ZH],
                          row->raw);
}

static heed_err look_around(import_run *run, import_file *file) {
    uint64_t total = hd_importer_bytes_total(file->in);
    double share = total ? (double)hd_importer_bytes(file->in) / (double)total : -1;
    hd_workspace_tell(run->ws, file->telling, share);
    return hd_stop_check(run->ws->stop);
}

static heed_err read_rows(import_run *run, import_file *file) {
    uint64_t last_line = 0;
    hd_import_row row;
    for (uint64_t i = 0;; i++) {
        if (i % ROWS_PER_LOOK == 0) HD_TRY(look_around(run, file));
        HD_TRY(hd_importer_next(file->in, &row));
        if (row.state == HD_ROW_END) return HEED_OK;
        file->batch.rows_read += row.line != last_line;
        last_line = row.line;
        if (row.state == HD_ROW_BAD) {
            HD_TRY(hd_rejects_add(&file->rejects, row.line, row.reason[HEED_EN],
                                  row.reason[HEED_ZH], row.raw));
        } else {
            HD_TRY(put_row(run, file, &row));
        }
    }
}

// ── Files ──

static heed_err check_again(import_run *run, import_file *file) {
    int64_t before = 0;
    bool found = false;
    HD_TRY(hd_importer_hash(file->in, file->batch.hash));
    HD_TRY(hd_batch_find_hash(run->ws->store, file->batch.hash, file->batch.kind, &before, &found));
    if (!found || before == file->batch.id || run->params->again) return HEED_OK;
    return HD_FAIL(
        HEED_CONFLICT, "'%s' was imported before, as import %lld; --again takes it once more",
        "“%s”已经导入过（第 %lld 次导入）；加 --again 可再次导入", file->path, (long long)before);
}

// Refused imports have no lasting number: their rejects go by the name of the file.
static heed_err open_rejects(import_run *run, import_file *file) {
    char *name = NULL;
    if (!run->params->dry_run) {
        name = run->params->allow_rejects
                   ? hd_arena_printf(run->arena, "%lld", (long long)file->batch.id)
                   : hd_arena_printf(run->arena, "refused-%s",
                                     strcmp(file->path, "-") ? file->name : "stdin");
        if (!name) return HD_FAIL_MEMORY(0);
    }
    return hd_rejects_init(&file->rejects, run->ws, &run->redactor, run->arena, name);
}

static heed_err finish_file(import_run *run, import_file *file) {
    int64_t repeats = 0;
    HD_TRY(hd_door_put_end(run->ws->door, file->batch.id, &repeats));
    file->batch.rows_new -= repeats;
    file->batch.rows_same += repeats;
    file->batch.rows_rejected = file->rejects.count;
    return hd_batch_finish(run->ws->store, &file->batch);
}

static heed_err import_one(import_run *run, import_file *file) {
    const hd_import_guess *guess = hd_importer_guess(file->in);
    file->batch = (hd_batch){.kind = hd_kind_name(guess->kind),
                             .source = file->name,
                             .preset = run->params->preset ? run->params->preset : "",
                             .started = hd_time_now()};
    bool stream = hd_importer_bytes_total(file->in) == 0;
    if (!stream) HD_TRY(check_again(run, file));
    HD_TRY(hd_batch_begin(run->ws->store, &file->batch));
    hd_door_put_begin(run->ws->door, HD_LOAD_BULK);
    HD_TRY(open_rejects(run, file));
    HD_TRY(read_rows(run, file));
    if (stream) HD_TRY(check_again(run, file));
    return finish_file(run, file);
}

// ── The result ──

static heed_err describe_columns(import_run *run, const hd_import_guess *guess,
                                 heed_import_file *out) {
    heed_import_column *columns = hd_arena_alloc(run->arena, (guess->n_maps + 1) * sizeof *columns);
    if (!columns) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < guess->n_maps; i++) {
        columns[i].column = hd_arena_strdup(run->arena, guess->maps[i].column);
        columns[i].field = hd_arena_strdup(run->arena, guess->maps[i].field);
        if (!columns[i].column || !columns[i].field) return HD_FAIL_MEMORY(0);
    }
    out->columns = columns;
    out->n_columns = guess->n_maps;
    return HEED_OK;
}

static heed_err describe_file(import_run *run, import_file *file, bool kept,
                              heed_import_file *out) {
    const hd_import_guess *guess = hd_importer_guess(file->in);
    const hd_batch *batch = &file->batch;
    const hd_rejects *rejects = &file->rejects;
    bool has_file = rejects->path && rejects->count > 0;
    *out = (heed_import_file){
        .path = hd_arena_strdup(run->arena, file->path),
        .batch = kept ? batch->id : 0,
        .kind = batch->kind,
        .format = hd_arena_strdup(run->arena, guess->format),
        .packing = hd_arena_strdup(run->arena, guess->packing),
        .encoding = hd_encoding_name(guess->encoding),
        .delimiter = guess->delimiter,
        .header = guess->header,
        .time_format = hd_arena_strdup(run->arena, guess->time_format),
        .time_ambiguous = guess->time_ambiguous,
        .rows = batch->rows_read,
        .added = batch->rows_new,
        .changed = batch->rows_changed,
        .same = batch->rows_same,
        .rejected = rejects->count,
        .rejects = rejects->shown,
        .n_rejects = rejects->n_shown,
        .reject_file = has_file ? rejects->path : "",
    };
    if (!out->path || !out->format || !out->packing || !out->time_format) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_redactor_list(file->redacted, run->arena, out));
    return describe_columns(run, guess, out);
}

static heed_err describe(import_run *run, bool kept, heed_import_result *out) {
    out->files = hd_arena_alloc(run->arena, (run->n + 1) * sizeof *out->files);
    if (!out->files) return HD_FAIL_MEMORY(0);
    out->kept = kept;
    for (size_t i = 0; i < run->n; i++)
        HD_TRY(describe_file(run, &run->files[i], kept, &out->files[i]));
    out->n_files = run->n;
    return HEED_OK;
}

// ── The whole ──

static int64_t count_rejects(const import_run *run) {
    int64_t n = 0;
    for (size_t i = 0; i < run->n; i++) n += run->files[i].rejects.count;
    return n;
}

static heed_err commit_rejects(import_run *run) {
    for (size_t i = 0; i < run->n; i++) HD_TRY(hd_rejects_commit(&run->files[i].rejects));
    return HEED_OK;
}

static heed_err fail_rejects(import_run *run, int64_t rejects) {
    if (run->params->dry_run)
        return HD_FAIL(HEED_INPUT, "%lld bad rows: as it stands, the import would load nothing",
                       "有 %lld 行有误：照现在这样，导入不会载入任何内容", (long long)rejects);
    return HD_FAIL(HEED_INPUT,
                   "%lld bad rows, so nothing was loaded; mend them, or load the rest with "
                   "--allow-rejects",
                   "有 %lld 行有误，未载入任何内容；请改正，或用 --allow-rejects 载入其余的行",
                   (long long)rejects);
}

// Reads all files within the open transaction, and says whether it may be committed.
static heed_err import_all(import_run *run, int64_t *rejects) {
    for (size_t i = 0; i < run->n; i++) HD_TRY(import_one(run, &run->files[i]));
    HD_TRY(hd_stop_check(run->ws->stop));
    *rejects = count_rejects(run);
    return HEED_OK;
}

// An entry a file: what came in, as an import's number and its rows.
static heed_err record_imports(import_run *run) {
    for (size_t i = 0; i < run->n; i++) {
        const hd_batch *batch = &run->files[i].batch;
        char object[64];
        hd_snprintf(object, sizeof object, "import %lld %s", (long long)batch->id, batch->kind);
        HD_TRY(hd_workspace_record(
            run->ws, &(hd_audit_entry){.what = HD_AUDIT_IMPORT,
                                       .object = object,
                                       .count = batch->rows_new + batch->rows_changed}));
    }
    return HEED_OK;
}

static void log_done(const import_run *run) {
    for (size_t i = 0; i < run->n; i++) {
        const hd_batch *batch = &run->files[i].batch;
        HD_LOG(HD_LOG_INFO, "import", "done", HD_KV_INT("batch", batch->id),
               HD_KV_STR("kind", batch->kind), HD_KV_INT("rows", batch->rows_read),
               HD_KV_INT("new", batch->rows_new), HD_KV_INT("changed", batch->rows_changed),
               HD_KV_INT("same", batch->rows_same), HD_KV_INT("rejected", batch->rows_rejected));
    }
}

static heed_err run_import(import_run *run, heed_import_result *out, bool *told) {
    int64_t rejects = 0;
    HD_TRY(hd_workspace_need_write(run->ws));
    HD_TRY(open_files(run));
    HD_TRY(hd_redactor_init(&run->redactor, run->ws));
    HD_TRY(hd_rejects_expire(run->ws));
    HD_TRY(hd_store_begin(run->ws->store));
    heed_err err = import_all(run, &rejects);
    bool keep =
        err == HEED_OK && !run->params->dry_run && (rejects == 0 || run->params->allow_rejects);
    if (err == HEED_OK && keep) err = record_imports(run);
    if (err == HEED_OK) err = commit_rejects(run);
    if (err == HEED_OK) err = describe(run, keep, out); // after the commit nothing may fail
    if (err == HEED_OK && keep) {
        err = hd_store_commit(run->ws->store); // rolls back when it fails
    } else {
        hd_store_rollback(run->ws->store);
    }
    hd_workspace_items_drop(run->ws);
    HD_TRY(err);
    if (keep) log_done(run);
    *told = true;
    if (rejects == 0) return HEED_OK;
    if (!run->params->allow_rejects) return fail_rejects(run, rejects);
    return HD_FAIL(HEED_PARTIAL, "%lld bad rows were left out", "有 %lld 行有误，已略去",
                   (long long)rejects);
}

static void close_files(import_run *run) {
    for (size_t i = 0; run->files && i < run->n; i++) {
        hd_importer_close(run->files[i].in);
        hd_rejects_clear(&run->files[i].rejects);
    }
    hd_redactor_clear(&run->redactor);
}

heed_err heed_import(heed_workspace *ws, const heed_import_params *params,
                     heed_import_result **result) {
    if (result) *result = NULL;
    int64_t start = hd_time_monotonic();
    import_result *out = hd_calloc(1, sizeof *out);
    if (!out) return HD_FAIL_MEMORY(sizeof *out);
    hd_arena_init(&out->arena);
    import_run run = {.ws = ws, .params = params, .arena = &out->arena};
    bool told = false;
    heed_err err = run_import(&run, &out->public, &told);
    close_files(&run);
    out->public.seconds = (double)(hd_time_monotonic() - start) / 1000;
    if (told && result) {
        *result = &out->public;
    } else {
        heed_import_result_free(&out->public);
    }
    return err;
}

void heed_import_result_free(heed_import_result *result) {
    if (!result) return;
    import_result *whole = (import_result *)result;
    hd_arena_clear(&whole->arena);
    hd_free(whole);
}

// ── Batches ──

static heed_err item_used(void *ctx, int64_t item_key, bool *out) {
    heed_workspace *ws = ctx;
    return hd_door_item_used(ws->door, item_key, out);
}

static heed_err record_undo(heed_workspace *ws, int64_t batch, int64_t rows) {
    char object[64];
    hd_snprintf(object, sizeof object, "import %lld", (long long)batch);
    return hd_workspace_record(
        ws, &(hd_audit_entry){.what = HD_AUDIT_IMPORT_UNDO, .object = object, .count = rows});
}

static heed_err undo_in(heed_workspace *ws, int64_t batch, int64_t *rows) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_batch row;
    int64_t personal = 0;
    int64_t catalog = 0;
    heed_err err = hd_batch_get(ws->store, batch, &arena, &row);
    if (err == HEED_OK && row.undone)
        err = HD_FAIL(HEED_CONFLICT, "import %lld was undone already", "第 %lld 次导入已经撤销过",
                      (long long)batch);
    // The personal rows first: an item that only they referred to can then go as well.
    if (err == HEED_OK) err = hd_door_undo(ws->door, batch, &personal);
    if (err == HEED_OK) err = hd_catalog_undo(ws->catalog, batch, item_used, ws, &catalog);
    if (err == HEED_OK) err = hd_batch_mark_undone(ws->store, batch);
    if (err == HEED_OK) err = record_undo(ws, batch, personal + catalog);
    hd_arena_clear(&arena);
    *rows = personal + catalog;
    return err;
}

heed_err heed_import_undo(heed_workspace *ws, int64_t batch, int64_t *rows) {
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_store_begin(ws->store));
    heed_err err = undo_in(ws, batch, rows);
    if (err != HEED_OK) {
        hd_store_rollback(ws->store);
        return err;
    }
    hd_workspace_items_drop(ws);
    return hd_store_commit(ws->store);
}

static heed_err batch_json(const hd_batch *batch, json_t **out) {
    char started[32];
    hd_time_format(batch->started, NULL, started);
    return hd_json_pack(out, "{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b}",
                        "batch", (json_int_t)batch->id, "kind", batch->kind, "source",
                        batch->source, "preset", batch->preset, "hash", batch->hash, "started",
                        started, "rows", (json_int_t)batch->rows_read, "new",
                        (json_int_t)batch->rows_new, "changed", (json_int_t)batch->rows_changed,
                        "same", (json_int_t)batch->rows_same, "rejected",
                        (json_int_t)batch->rows_rejected, "undone", batch->undone);
}

heed_err hd_import_list(heed_workspace *ws, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_batch *batches = NULL;
    size_t n = 0;
    json_t *list = json_array();
    heed_err err = list ? hd_batch_list(ws->store, &arena, &batches, &n) : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        json_t *entry = NULL;
        err = batch_json(&batches[i], &entry);
        if (err == HEED_OK) err = hd_json_append(list, entry);
    }
    hd_arena_clear(&arena);
    if (err != HEED_OK) {
        json_decref(list);
        return err;
    }
    *out = list;
    return HEED_OK;
}

heed_err hd_import_show(heed_workspace *ws, int64_t batch, json_t **out) {
    hd_batch row;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = hd_batch_get(ws->store, batch, &arena, &row);
    if (err == HEED_OK) err = batch_json(&row, out);
    hd_arena_clear(&arena);
    return err;
}

heed_err heed_import_list(heed_workspace *ws, char **json) {
    json_t *list = NULL;
    HD_TRY(hd_import_list(ws, &list));
    return hd_workspace_text(list, json);
}
