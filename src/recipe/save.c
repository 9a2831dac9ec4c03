// SPDX-License-Identifier: Apache-2.0
//
// The folder of a run, written under another name and put in place by one rename.
#include "base/fs.h"
#include "base/mem.h"
#include "base/time.h"
#include "classic/classifier.h"
#include "measure/page.h"
#include "recipe/predictor.h"
#include "recipe/run_own.h"
#include "recipe/save.h"
#include "recipe/blended.h"

static heed_err path_in(const hd_run *run, const char *name, hd_arena *arena, char **out) {
    *out = hd_fs_join(arena, run->folder, name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err write_json(hd_run *run, const char *name, const json_t *json) {
    char *path;
    hd_str text;
    HD_TRY(path_in(run, name, &run->arena, &path));
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    hd_str_addc(&text, '\n');
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_fs_write(path, text.data, text.len, 0644);
    hd_str_clear(&text);
    return err;
}

// ── Predictions ──

static heed_err add_row(const hd_run *run, size_t i, hd_str *out) {
    size_t k = run->prepared.target.k;
    char number[32];
    hd_str_add(out, "{\"row\":");
    hd_json_quote(out, run->places[i], strlen(run->places[i]));
    if (run->labels[HD_PART_TEST]) {
        hd_str_addf(out, ",\"truth\":%d", (int)run->labels[HD_PART_TEST][i]);
    } else {
        hd_str_add(out, ",\"truth\":[");
        for (size_t c = 0; c < k; c++) {
            hd_json_number(hd_json_decimal(run->values[HD_PART_TEST][i * k + c]), number);
            hd_str_addf(out, "%s%s", c ? "," : "", number);
        }
        hd_str_add(out, "]");
    }
    hd_str_add(out, ",\"scores\":{");
    const char *comma = "";
    for (size_t m = 0; m < run->n_models; m++) {
        const hd_run_model *model = &run->models[m];
        if (model->test.n == 0) continue;
        hd_str_addf(out, "%s\"%s\":[", comma, model->name);
        for (size_t c = 0; c < k; c++) {
            hd_json_number(hd_json_decimal(model->test.at[i * k + c]), number);
            hd_str_addf(out, "%s%s", c ? "," : "", number);
        }
        hd_str_add(out, "]");
        comma = ",";
    }
    hd_str_add(out, "}}\n");
    return hd_str_check(out);
}

// A line a row: where it stood, its truth (a class's number, or values), every model's scores.
static heed_err write_predictions(hd_run *run) {
    char *path;
    hd_file *file = NULL;
    hd_str text;
    if (run->n[HD_PART_TEST] == 0 || !run->places || run->recipe->task == HD_RECIPE_LANGUAGE)
        return HEED_OK;
    HD_TRY(path_in(run, "predictions.jsonl", &run->arena, &path));
    HD_TRY(hd_file_create(path, 0600, &file));
    heed_err err = HEED_OK;
    hd_str_init(&text);
    for (size_t i = 0; err == HEED_OK && i < run->n[HD_PART_TEST]; i++) {
        err = add_row(run, i, &text);
        if (err == HEED_OK && text.len > 1 << 16) {
            err = hd_file_write(file, text.data, text.len);
            hd_str_reset(&text);
        }
    }
    if (err == HEED_OK) err = hd_file_write(file, hd_str_get(&text), text.len);
    hd_str_clear(&text);
    if (err == HEED_OK) return hd_file_commit(file);
    hd_file_abort(file);
    return err;
}

// ── The model ──

heed_err hd_scorer_write(const hd_scorer *scorer, const char *path) {
    hd_str bytes;
    if (scorer->net) return hd_net_save(scorer->net, path);
    hd_str_init(&bytes);
    heed_err err = hd_classic_save(scorer->classic, &bytes);
    if (err == HEED_OK) err = hd_fs_write(path, bytes.data, bytes.len, 0644);
    hd_str_clear(&bytes);
    return err;
}

static heed_err write_model(hd_run *run) {
    const hd_scorer *scorer = &run->main->fitted.scorer;
    char *path;
    if (scorer->blended) return hd_blended_write(scorer->blended, run->folder);
    HD_TRY(path_in(run, scorer->net ? HD_MODEL_NET : HD_MODEL_CLASSIC, &run->arena, &path));
    return hd_scorer_write(scorer, path);
}

static heed_err write_preparation(hd_run *run) {
    json_t *json;
    HD_TRY(hd_predictor_preparation(&run->prepared, &run->main->fitted.scorer, &json));
    heed_err err = write_json(run, HD_MODEL_PREPARATION, json);
    json_decref(json);
    return err;
}

static heed_err write_manifest(hd_run *run, const json_t *report) {
    const hd_run_model *main = run->main;
    json_t *manifest = NULL;
    HD_TRY(hd_json_pack(
        &manifest, "{s:s, s:s, s:s, s:s, s:s?, s:O, s:O, s:s, s:s, s:I, s:I, s:I}", "heed",
        HEED_VERSION_TEXT, "format", HD_MODEL_FORMAT, "task", "recipe", "method", run->recipe->name,
        "version", run->opts->version, "created", json_object_get(report, "created"), "data_hash",
        json_object_get(json_object_get(report, "data"), "hash"), "model", main->name, "kind",
        hd_run_kind(main), "parameters", (json_int_t)main->fitted.parameters, "bytes",
        (json_int_t)main->fitted.bytes, "seed", (json_int_t)run->seed));
    heed_err err = HEED_OK;
    const json_t *title = run->recipe->title;
    if (title) err = hd_json_set(manifest, "title", json_incref((json_t *)(uintptr_t)title));
    const char *figure = json_string_value(json_object_get(report, "main_figure"));
    const json_t *value = json_object_get(main->evaluation, figure ? figure : "");
    if (err == HEED_OK && figure) err = hd_json_set(manifest, "figure", json_string(figure));
    if (err == HEED_OK && json_is_number(value))
        err = hd_json_set(manifest, "value", json_incref((json_t *)(uintptr_t)value));
    if (err == HEED_OK) err = write_json(run, HD_MODEL_MANIFEST, manifest);
    json_decref(manifest);
    return err;
}

// Both languages in one file; the report's own is what it opens in.
static heed_err write_page(hd_run *run, const json_t *report) {
    char *path;
    hd_str page;
    HD_TRY(path_in(run, "report.html", &run->arena, &path));
    hd_str_init(&page);
    heed_err err = hd_report_html(report, &page);
    // It shows rows of the data: as private as the predictions.
    if (err == HEED_OK) err = hd_fs_write(path, page.data, page.len, 0600);
    hd_str_clear(&page);
    return err;
}

// ── In place ──

// What stood there: an earlier run's folder goes, anything else stays and is told.
static heed_err make_way(hd_run *run, char **old) {
    const char *out = run->opts->out;
    *old = NULL;
    if (!hd_fs_exists(out)) return HEED_OK;
    char *manifest = hd_fs_join(&run->arena, out, HD_MODEL_MANIFEST);
    *old = hd_arena_printf(&run->arena, "%s.old", out);
    if (!manifest || !*old) return HD_FAIL_MEMORY(0);
    if (!hd_fs_exists(manifest)) {
        return HD_FAIL(HEED_INPUT,
                       "'%s' is there already and holds no earlier run; name another folder",
                       "“%s”已存在且不是以前的运行结果；请另选文件夹", out);
    }
    HD_TRY(hd_fs_remove(*old));
    return hd_fs_rename(out, *old);
}

heed_err hd_run_save(hd_run *run, const json_t *report) {
    char *old;
    HD_TRY(write_predictions(run));
    HD_TRY(write_model(run));
    HD_TRY(write_preparation(run));
    HD_TRY(write_json(run, "recipe.json", hd_recipe_json(run->recipe)));
    HD_TRY(write_json(run, "report.json", report));
    HD_TRY(write_page(run, report));
    HD_TRY(write_manifest(run, report)); // last: its being there says that all is
    HD_TRY(make_way(run, &old));
    HD_TRY(hd_fs_rename(run->folder, run->opts->out));
    return old ? hd_fs_remove(old) : HEED_OK;
}
