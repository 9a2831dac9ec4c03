// SPDX-License-Identifier: Apache-2.0
//
// The report as a document; measure/page.h draws it. Everything in it can be read without heed:
// figures have scikit-learn's names, texts stand in both languages.
#include <math.h>
#include <sodium.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/time.h"
#include "classic/classifier.h"
#include "recipe/blended.h"
#include "recipe/diagnose.h"
#include "recipe/language.h"

static const char *const task_words[] = {"classes", "values", "language"};
static const char *const part_words[] = {"train", "validation", "test"};

heed_err hd_both_languages(hd_text text, json_t **out) {
    return hd_json_pack(out, "{s:s, s:s}", "en", text.en, "zh", text.zh);
}

static heed_err set_words(json_t *object, const char *key, const json_t *words,
                          const char *otherwise) {
    json_t *both = NULL;
    const char *en = hd_recipe_words(words, HEED_EN), *zh = hd_recipe_words(words, HEED_ZH);
    const hd_text text = {en[0] ? en : otherwise, zh[0] ? zh : otherwise};
    HD_TRY(hd_both_languages(text, &both));
    return hd_json_set(object, key, both);
}

// ── Data ──

static void hash_part(crypto_generichash_state *state, const hd_rows *rows) {
    for (size_t c = 0; c < rows->n_columns; c++) {
        const hd_rows_column *column = &rows->columns[c];
        uint64_t n = rows->n;
        crypto_generichash_update(state, (const unsigned char *)column->name,
                                  strlen(column->name) + 1);
        crypto_generichash_update(state, (const unsigned char *)&n, sizeof n);
        for (size_t i = 0; i < rows->n; i++) {
            uint64_t length = column->cells[i].p ? column->cells[i].n : UINT64_MAX;
            crypto_generichash_update(state, (const unsigned char *)&length, sizeof length);
            if (column->cells[i].p)
                crypto_generichash_update(state, (const unsigned char *)column->cells[i].p,
                                          column->cells[i].n);
        }
    }
}

// Of everything that was read: names of columns and cells, part by part.
static void hash_rows(const hd_run *run, char out[65]) {
    unsigned char digest[32];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    for (int part = 0; part < HD_PARTS; part++) hash_part(&state, &run->raw.rows[part]);
    hash_part(&state, &run->raw.unlabelled);
    crypto_generichash_final(&state, digest, sizeof digest);
    sodium_bin2hex(out, 65, digest, sizeof digest);
}

static heed_err add_files_of(const hd_rows *rows, const char *part, json_t *list) {
    for (size_t f = 0; f < rows->n_files; f++) {
        json_t *file = NULL;
        size_t n = 0;
        if (!rows->files[f][0]) continue; // where rows from nowhere stand
        for (size_t i = 0; i < rows->n; i++) {
            n += rows->place[i] != 0 && (rows->place[i] >> 32) == f;
        }
        HD_TRY(hd_json_pack(&file, "{s:s, s:s, s:I}", "name", rows->files[f], "part", part, "rows",
                            (json_int_t)n));
        HD_TRY(hd_json_append(list, file));
    }
    return HEED_OK;
}

static heed_err add_files(const hd_run *run, json_t *list) {
    for (int part = 0; part < HD_PARTS; part++)
        HD_TRY(add_files_of(&run->raw.rows[part], part_words[part], list));
    return add_files_of(&run->raw.unlabelled, "unlabelled", list);
}

// How many rows of each class each part has.
static heed_err add_counts(const hd_run *run, json_t *out) {
    const hd_target *target = &run->prepared.target;
    size_t k = target->k;
    if (target->task != HD_RECIPE_CLASSES || k > 1000) return HEED_OK;
    for (int part = 0; part < HD_PARTS; part++) {
        json_t *list = json_array();
        HD_TRY(hd_json_set(out, part_words[part], list));
        const int32_t *labels =
            part == HD_PART_TRAIN ? run->prepared.labels[part] : run->labels[part];
        size_t n = part == HD_PART_TRAIN ? run->prepared.samples[part].n : run->n[part];
        for (size_t c = 0; c < k; c++) {
            json_int_t count = 0;
            for (size_t i = 0; labels && i < n; i++) count += labels[i] == (int32_t)c;
            HD_TRY(hd_json_append(list, json_integer(count)));
        }
    }
    return HEED_OK;
}

static heed_err add_notes(const hd_run *run, json_t *notes) {
    json_t *note = NULL;
    const hd_input_common *common = run->recipe->input.common;
    if (common->made) {
        HD_TRY(hd_both_languages(
            (hd_text)HD_TEXT("the rows are generated, not real data", "数据为生成的，并非真实数据"),
            &note));
        HD_TRY(hd_json_append(notes, note));
    }
    if (run->recipe->task == HD_RECIPE_LANGUAGE && hd_language_part(run) == HD_PART_VALIDATION) {
        HD_TRY(hd_both_languages(
            (hd_text)HD_TEXT("there is no test part: figures are of the validation rows",
                             "没有测试部分：指标取自验证行"),
            &note));
        HD_TRY(hd_json_append(notes, note));
    }
    if (run->refit) {
        HD_TRY(hd_both_languages(
            (hd_text)HD_TEXT("when everything was chosen, all models were trained again on the "
                             "training and validation rows together",
                             "一切选定之后，所有模型用训练行与验证行一起重新训练"),
            &note));
        HD_TRY(hd_json_append(notes, note));
    }
    HD_TRY(hd_self_training_report(run, notes));
    if (run->recipe->split.folds > 0) {
        HD_TRY(hd_both_languages(
            (hd_text)HD_TEXT("cross-validated: each row was a test row once, for a model that had "
                             "not seen it; the registered model was trained on all rows",
                             "交叉验证：每行都曾作为未见过的测试行一次；注册的模型用全部行训练"),
            &note));
        HD_TRY(hd_json_append(notes, note));
    }
    return HEED_OK;
}

// What errors are measured in, where it isn't what the file has; and what intervals draw together.
static heed_err add_measure(const hd_run *run, json_t *data) {
    const hd_input_forecast *forecast = run->prepared.kind->forecast;
    const size_t block = run->prepared.samples[HD_PART_TEST].block;
    json_t *both = NULL;
    if (!forecast) return HEED_OK;
    const hd_text unit = forecast->unit(run->prepared.fitted);
    if (unit.en) HD_TRY(hd_both_languages(unit, &both));
    if (both) HD_TRY(hd_json_set(data, "unit", both));
    return hd_json_set(data, "block", json_integer((json_int_t)block));
}

static heed_err fill_data(const hd_run *run, json_t *data) {
    const hd_target *target = &run->prepared.target;
    json_t *files = json_array(), *rows = json_object(), *classes = json_array();
    json_t *notes = json_array(), *counts = json_object();
    char hash[65];
    heed_err errs[] = {hd_json_set(data, "files", files), hd_json_set(data, "rows", rows),
                       hd_json_set(data, "classes", classes), hd_json_set(data, "notes", notes),
                       hd_json_set(data, "class_counts", counts)};
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) HD_TRY(errs[i]);
    HD_TRY(add_files(run, files));
    hash_rows(run, hash);
    HD_TRY(hd_json_set(data, "hash", json_string(hash)));
    for (int part = 0; part < HD_PARTS; part++) {
        HD_TRY(hd_json_set(rows, part_words[part], json_integer((json_int_t)run->rows[part])));
    }
    for (size_t c = 0; c < target->k; c++)
        HD_TRY(hd_json_append(classes, json_string(target->names[c])));
    HD_TRY(add_counts(run, counts));
    HD_TRY(hd_json_set(data, "features", json_integer((json_int_t)run->features)));
    HD_TRY(add_measure(run, data));
    return add_notes(run, notes);
}

// ── Models ──

static heed_err seeds_json(const hd_run *run, const hd_run_model *model, json_t *out) {
    size_t n;
    const char *const *names = hd_run_figures(run, &n);
    HD_TRY(hd_json_set(out, "n", json_integer((json_int_t)model->n_seeds)));
    for (size_t f = 0; f < n; f++) {
        json_t *spread = json_object(), *each;
        double sum = 0, squares = 0;
        HD_TRY(hd_json_set(out, names[f], spread));
        HD_TRY(hd_json_set(spread, "each", json_array()));
        each = json_object_get(spread, "each");
        for (size_t s = 0; s < model->n_seeds; s++) {
            sum += model->figures[f][s];
            HD_TRY(hd_json_append(each, hd_json_real(model->figures[f][s])));
        }
        double mean = sum / (double)model->n_seeds;
        for (size_t s = 0; s < model->n_seeds; s++)
            squares += (model->figures[f][s] - mean) * (model->figures[f][s] - mean);
        double sd = model->n_seeds > 1 ? sqrt(squares / (double)(model->n_seeds - 1)) : 0;
        HD_TRY(hd_json_set(spread, "mean", hd_json_real(mean)));
        HD_TRY(hd_json_set(spread, "sd", hd_json_real(sd)));
    }
    return HEED_OK;
}

// "svm" of "svm" and of {svm: {C: 1}}.
static const char *kind_name(const hd_recipe_classic *classic) {
    const json_t *value = classic->value;
    const char *name = json_is_object(value)
                           ? json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value))
                           : json_string_value(value);
    return name ? name : classic->name;
}

static bool label_of_kind(const hd_recipe_classic *classic, hd_text *out) {
    const hd_spec_kind *kind = hd_spec_find(&hd_classic_kinds, kind_name(classic));
    const hd_spec_kind *counts = hd_spec_find(&hd_language_kinds, kind_name(classic));
    if (kind) *out = hd_classic_label(kind);
    if (!kind && counts) *out = counts->doc;
    return kind || counts;
}

static heed_err add_label(const hd_run_model *model, json_t *out) {
    json_t *both = NULL;
    if (model->label) return set_words(out, "label", model->label, model->name);
    if (model->network) {
        const hd_text label = HD_TEXT("network", "神经网络");
        if (strcmp(model->name, "network") != 0) return HEED_OK;
        HD_TRY(hd_both_languages(label, &both));
        return hd_json_set(out, "label", both);
    }
    if (model->blend) {
        HD_TRY(hd_both_languages((hd_text)HD_TEXT("blend", "混合"), &both));
        return hd_json_set(out, "label", both);
    }
    hd_text label;
    if (!label_of_kind(model->classic, &label)) return HEED_OK;
    if (strcmp(model->name, kind_name(model->classic)) == 0) {
        HD_TRY(hd_both_languages(label, &both));
        return hd_json_set(out, "label", both);
    }
    char en[160], zh[160]; // of a name of its own: both
    hd_snprintf(en, sizeof en, "%s (%s)", label.en, model->name);
    hd_snprintf(zh, sizeof zh, "%s（%s）", label.zh, model->name);
    HD_TRY(hd_both_languages((hd_text){en, zh}, &both));
    return hd_json_set(out, "label", both);
}

static heed_err add_cost(const hd_run_model *model, json_t *out) {
    double each =
        model->predicted > 0 ? model->predict_seconds * 1e6 / (double)model->predicted : NAN;
    HD_TRY(hd_json_set(out, "parameters", json_integer((json_int_t)model->parameters)));
    HD_TRY(hd_json_set(out, "bytes", json_integer((json_int_t)model->bytes)));
    HD_TRY(hd_json_set(out, "memory_bytes", json_integer((json_int_t)model->memory)));
    HD_TRY(hd_json_set(out, "fit_seconds", hd_json_real(model->seconds)));
    return hd_json_set(out, "predict_ms_per_1000", hd_json_real(each));
}

// As the recipe says, and what it left to cross-validation: of folds, in the last one.
static heed_err classic_settings(const hd_run_model *model, json_t *settings) {
    const hd_classic *fitted = model->fitted.scorer.classic;
    HD_TRY(hd_json_set(settings, "model", json_incref((json_t *)(uintptr_t)model->classic->value)));
    if (!fitted) return HEED_OK;
    const hd_classic_facts facts = hd_classic_describe(fitted);
    if (!facts.chosen[0]) return HEED_OK;
    return hd_json_set(settings, "chosen", json_string(facts.chosen));
}

static heed_err add_settings(const hd_run_model *model, json_t *out) {
    json_t *settings = json_object();
    HD_TRY(hd_json_set(out, "settings", settings));
    if (model->blend) {
        json_t *blend = NULL;
        HD_TRY(hd_blended_json(model->fitted.scorer.blended, &blend));
        return hd_json_set(settings, "blend", blend);
    }
    if (!model->network) return classic_settings(model, settings);
    const hd_recipe_train *t = &model->network->train;
    const json_t *given[] = {t->loss, t->optimizer, t->schedule, t->batch_schedule};
    const char *const names[] = {"loss", "optimizer", "schedule", "batch_schedule"};
    HD_TRY(
        hd_json_set(settings, "layers", json_incref((json_t *)(uintptr_t)model->network->layers)));
    for (size_t i = 0; i < 4; i++) {
        if (given[i])
            HD_TRY(hd_json_set(settings, names[i], json_incref((json_t *)(uintptr_t)given[i])));
    }
    if (t->epochs > 0 || t->steps == 0)
        HD_TRY(hd_json_set(settings, "epochs", json_integer((json_int_t)t->epochs)));
    if (t->steps > 0) HD_TRY(hd_json_set(settings, "steps", json_integer((json_int_t)t->steps)));
    if (t->members > 1)
        HD_TRY(hd_json_set(settings, "members", json_integer((json_int_t)t->members)));
    return hd_json_set(settings, "batch", json_integer((json_int_t)t->batch));
}

static heed_err model_json(const hd_run *run, const hd_run_model *model, json_t *out) {
    HD_TRY(hd_json_set(out, "name", json_string(model->name)));
    HD_TRY(hd_json_set(out, "kind", json_string(hd_run_kind(model))));
    HD_TRY(add_label(model, out));
    if (model->why.code != HEED_OK) {
        json_t *why = NULL;
        const hd_text text = {model->why.text[HEED_EN], model->why.text[HEED_ZH]};
        HD_TRY(hd_both_languages(text, &why));
        return hd_json_set(out, "error", why);
    }
    HD_TRY(add_cost(model, out));
    HD_TRY(add_settings(model, out));
    if (model->evaluation) HD_TRY(hd_json_set(out, "evaluation", json_incref(model->evaluation)));
    if (model->versus) HD_TRY(hd_json_set(out, "versus", json_incref(model->versus)));
    if (model->n_seeds < 2) return HEED_OK;
    json_t *seeds = json_object();
    HD_TRY(hd_json_set(out, "seeds", seeds));
    return seeds_json(run, model, seeds);
}

// ── Curves ──
// {steps[], train_loss[], validation_loss[], rate[], gradient_norm[], metrics{name: []}}, all as
// long as steps, null where a step has no such value.

static const char *const curve_names[][2] = {{"train/loss", "train_loss"},
                                             {"validation/loss", "validation_loss"},
                                             {"train/rate", "rate"},
                                             {"train/gradient_norm", "gradient_norm"}};

static heed_err pad(json_t *curve, size_t n) {
    while (json_array_size(curve) < n) HD_TRY(hd_json_append(curve, json_null()));
    return HEED_OK;
}

// The curve that a name of the lines goes into; NULL: none.
static heed_err curve_of(json_t *curves, const char *key, json_t **out) {
    json_t *in = curves;
    const char *name = NULL;
    *out = NULL;
    for (size_t i = 0; i < sizeof curve_names / sizeof curve_names[0]; i++) {
        if (strcmp(curve_names[i][0], key) == 0) name = curve_names[i][1];
    }
    if (!name && strncmp(key, "validation/", 11) == 0) {
        name = key + 11;
        in = json_object_get(curves, "metrics");
    }
    if (!name) return HEED_OK;
    if (!json_object_get(in, name)) HD_TRY(hd_json_set(in, name, json_array()));
    *out = json_object_get(in, name);
    return HEED_OK;
}

static heed_err add_point(const json_t *point, json_t *curves) {
    const char *key;
    json_t *value, *curve, *steps = json_object_get(curves, "steps");
    const json_t *step = json_object_get(point, "step");
    size_t n = json_array_size(steps);
    if (n == 0 || json_integer_value(json_array_get(steps, n - 1)) != json_integer_value(step)) {
        HD_TRY(hd_json_append(steps, json_incref((json_t *)(uintptr_t)step)));
        n++;
    }
    json_object_foreach((json_t *)(uintptr_t)point, key, value) {
        HD_TRY(curve_of(curves, key, &curve));
        if (!curve) continue;
        HD_TRY(pad(curve, n - 1));
        if (json_array_size(curve) < n) HD_TRY(hd_json_append(curve, json_incref(value)));
    }
    return HEED_OK;
}

static heed_err pad_all(json_t *curves) {
    const char *key;
    json_t *curve;
    size_t n = json_array_size(json_object_get(curves, "steps"));
    json_object_foreach(curves, key, curve) {
        if (json_is_array(curve)) HD_TRY(pad(curve, n));
    }
    json_object_foreach(json_object_get(curves, "metrics"), key, curve) HD_TRY(pad(curve, n));
    return HEED_OK;
}

static heed_err read_curves(const hd_run *run, hd_run_model *model) {
    hd_str text;
    char *path = hd_arena_printf((hd_arena *)(uintptr_t)&run->arena, "%s/runs/%s/curves.jsonl",
                                 run->folder, model->name);
    if (!path) return HD_FAIL_MEMORY(0);
    if (!hd_fs_exists(path)) return HEED_OK;
    model->curves = json_object();
    if (!model->curves) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_json_set(model->curves, "steps", json_array()));
    HD_TRY(hd_json_set(model->curves, "metrics", json_object()));
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, 0, &text);
    for (const char *at = hd_str_get(&text); err == HEED_OK && *at;) {
        json_t *point = NULL;
        const char *end = strchr(at, '\n');
        size_t n = end ? (size_t)(end - at) : strlen(at);
        err = hd_json_parse(at, n, "curves.jsonl", &point);
        if (err == HEED_OK) err = add_point(point, model->curves);
        json_decref(point);
        at += n + (end != NULL);
    }
    if (err == HEED_OK) err = pad_all(model->curves);
    hd_str_clear(&text);
    return err;
}

// Of the registered model, or of the first network: {layer: [norm, …]}.
static heed_err add_gradients(const hd_run *run, json_t *report, json_t *out) {
    const hd_run_model *shown = run->main->network ? run->main : NULL;
    size_t i;
    json_t *layer;
    for (i = 0; !shown && i < run->n_models; i++) {
        if (run->models[i].fitted.gradients) shown = &run->models[i];
    }
    if (!shown) return HEED_OK;
    HD_TRY(hd_json_set(report, "gradients_of", json_string(shown->name)));
    json_array_foreach(json_object_get(shown->fitted.gradients, "layers"), i, layer) {
        const char *name = json_string_value(json_object_get(layer, "name"));
        HD_TRY(hd_json_set(out, name, json_incref(json_object_get(layer, "gradient"))));
    }
    return HEED_OK;
}

static heed_err fill_curves(hd_run *run, json_t *report, json_t *curves, json_t *gradients) {
    for (size_t i = 0; i < run->n_models; i++) {
        hd_run_model *model = &run->models[i];
        if (!model->network || model->why.code != HEED_OK) continue;
        HD_TRY(read_curves(run, model));
        if (model->curves) HD_TRY(hd_json_set(curves, model->name, json_incref(model->curves)));
    }
    return add_gradients(run, report, gradients);
}

// ── Forecasts ──

static heed_err values_json(const float *values, size_t k, json_t **out) {
    *out = json_array();
    if (!*out) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < k; i++) {
        HD_TRY(hd_json_append(*out, hd_json_real(hd_json_decimal(values[i]))));
    }
    return HEED_OK;
}

// Sample i's values as the file has them: of its first series, where it is of several, which take
// turns.
static heed_err own_values(const hd_run *run, size_t i, const float *values, const char *key,
                           json_t *out) {
    const hd_prepared *p = &run->prepared;
    const size_t k = p->target.k, width = p->kind->forecast->width(p->fitted);
    json_t *list = NULL;
    float *own;
    HD_TRY(hd_run_own_values(run, i, values + i * k, &own));
    for (size_t j = 1; j < k / width; j++) own[j] = own[j * width];
    heed_err err = values_json(own, k / width, &list);
    heed_err other = hd_json_set(out, key, list);
    hd_free(own);
    return err == HEED_OK ? other : err;
}

static heed_err add_forecast(const hd_run *run, size_t i, json_t *list) {
    const hd_prepared *p = &run->prepared;
    const hd_input_forecast *forecast = p->kind->forecast;
    json_t *one = json_object();
    HD_TRY(hd_json_append(list, one));
    HD_TRY(own_values(run, i, run->values[HD_PART_TEST], "truth", one));
    HD_TRY(own_values(run, i, run->main->test.at, "predicted", one));
    return forecast->before(p->fitted, &p->parts.rows[HD_PART_TEST], i,
                            p->samples[HD_PART_TEST].row[i], one);
}

// Of series that are forecast some steps ahead: a few windows from first to last, as they were
// said and as they came.
static heed_err add_forecasts(const hd_run *run, json_t *out) {
    enum { SHOWN = 4 };
    size_t n = run->main->test.n, k = run->prepared.target.k;
    if (!run->prepared.kind->forecast || run->recipe->task != HD_RECIPE_VALUES || k < 2 ||
        n < SHOWN || n != run->n[HD_PART_TEST] || n != run->prepared.samples[HD_PART_TEST].n)
        return HEED_OK;
    json_t *list = json_array();
    HD_TRY(hd_json_set(out, "forecast", list));
    // Several series stand side by side at each moment: another one in each drawing.
    const size_t *row = run->prepared.samples[HD_PART_TEST].row;
    size_t beside = 1;
    while (beside < n && row[beside] == row[0]) beside++;
    const size_t moments = n / beside;
    for (size_t i = 0; i < SHOWN; i++) {
        const size_t moment = i * (moments - 1) / (SHOWN - 1);
        HD_TRY(add_forecast(run, moment * beside + i * (beside - 1) / (SHOWN - 1), list));
    }
    return HEED_OK;
}

// ── The whole ──

static heed_err fill_head(const hd_run *run, json_t *out) {
    char now[32];
    hd_time_format(hd_time_now(), NULL, now);
    HD_TRY(hd_json_set(out, "heed", json_string(HEED_VERSION_TEXT)));
    HD_TRY(hd_json_set(out, "recipe", json_string(run->recipe->name)));
    HD_TRY(set_words(out, "title", run->recipe->title, run->recipe->name));
    if (run->recipe->about) HD_TRY(set_words(out, "about", run->recipe->about, ""));
    HD_TRY(hd_json_set(out, "lang", json_string(run->opts->lang == HEED_ZH ? "zh" : "en")));
    HD_TRY(hd_json_set(out, "created", json_string(now)));
    HD_TRY(hd_json_set(out, "task", json_string(task_words[run->recipe->task])));
    HD_TRY(hd_json_set(out, "seed", json_integer((json_int_t)run->seed)));
    HD_TRY(hd_json_set(out, "main", json_string(run->main->name)));
    return hd_json_set(out, "main_figure", json_string(hd_run_figure(run)));
}

// Whether the baseline is better, beyond the comparison's interval.
static bool is_behind(const hd_run *run, const hd_run_model *model) {
    const char *figure = json_string_value(json_object_get(model->versus, "metric"));
    bool higher;
    if (!figure || run->recipe->task == HD_RECIPE_LANGUAGE ||
        hd_evaluation_higher(run->recipe->task == HD_RECIPE_CLASSES ? HD_TASK_CLASSES
                                                                    : HD_TASK_VALUES,
                             figure, &higher) != HEED_OK)
        return false;
    return higher ? json_number_value(json_object_get(model->versus, "high")) < 0
                  : json_number_value(json_object_get(model->versus, "low")) > 0;
}

static heed_err diagnose(const hd_run *run, const hd_run_model *model, json_t *diagnosis) {
    const hd_recipe_train *train = &model->network->train;
    const hd_training training = {.model = model->name,
                                  .curves = model->curves,
                                  .gradients = model->fitted.gradients,
                                  .evaluation = model->evaluation,
                                  .behind = is_behind(run, model) ? model->versus : NULL,
                                  .by_steps = train->steps > 0,
                                  .best_kept = train->restore_best,
                                  .clipped = train->clip_norm > 0 || train->clip_value > 0};
    return hd_diagnose(&training, diagnosis);
}

static heed_err fill(hd_run *run, json_t *out) {
    HD_TRY(fill_head(run, out));
    json_t *data = json_object(), *models = json_array(), *curves = json_object();
    json_t *gradients = json_object(), *diagnosis = json_array();
    heed_err errs[] = {hd_json_set(out, "data", data), hd_json_set(out, "models", models),
                       hd_json_set(out, "curves", curves), hd_json_set(out, "gradients", gradients),
                       hd_json_set(out, "diagnosis", diagnosis)};
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) HD_TRY(errs[i]);
    HD_TRY(fill_data(run, data));
    for (size_t i = 0; i < run->n_models; i++) {
        json_t *model = json_object();
        HD_TRY(hd_json_append(models, model));
        HD_TRY(model_json(run, &run->models[i], model));
    }
    HD_TRY(fill_curves(run, out, curves, gradients));
    for (size_t i = 0; i < run->n_models; i++) {
        const hd_run_model *model = &run->models[i];
        if (!model->curves) continue;
        HD_TRY(diagnose(run, model, diagnosis));
    }
    HD_TRY(add_forecasts(run, out));
    if (run->samples) HD_TRY(hd_json_set(out, "samples", json_incref(run->samples)));
    return run->worst ? hd_json_set(out, "worst", json_incref(run->worst)) : HEED_OK;
}

heed_err hd_run_report(hd_run *run, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = fill(run, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}
