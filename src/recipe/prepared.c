// SPDX-License-Identifier: Apache-2.0
//
// Preparation is learned from the training rows alone, then the same apply makes samples of every
// part (and of a request: recipe/predictor.c). Networks get their samples as a source whose inputs
// are borrowed, so that several networks train on one copy.
#include "recipe/prepared.h"

#include "base/mem.h"

// ── Truth ──

// Samples that stand for some rows only have the truth of those.
static heed_err pick(const hd_samples *samples, const hd_rows *rows, size_t width, void **values) {
    if (!samples->row) return HEED_OK;
    uint32_t *picked = hd_calloc(samples->n * width + 1, sizeof *picked);
    if (!picked) return HD_FAIL_MEMORY(samples->n * width * sizeof *picked);
    for (size_t i = 0; i < samples->n; i++) {
        size_t row = samples->row[i] - rows->first;
        memcpy(picked + i * width, (uint32_t *)*values + row * width, width * sizeof *picked);
    }
    hd_free(*values);
    *values = picked;
    return HEED_OK;
}

static heed_err add_truth(hd_prepared *p, hd_part part) {
    const hd_rows *rows = &p->parts.rows[part];
    hd_samples *samples = &p->samples[part];
    if (p->kind->own_targets) {
        p->values[part] = samples->targets;
        samples->targets = NULL;
        return HEED_OK;
    }
    void *truth = NULL;
    if (p->target.task == HD_RECIPE_CLASSES) {
        HD_TRY(hd_target_labels(&p->target, rows, &p->labels[part]));
        truth = p->labels[part];
        HD_TRY(pick(samples, rows, 1, &truth));
        p->labels[part] = truth;
    } else {
        HD_TRY(hd_target_values(&p->target, rows, &p->values[part]));
        truth = p->values[part];
        HD_TRY(pick(samples, rows, p->target.k, &truth));
        p->values[part] = truth;
    }
    return HEED_OK;
}

heed_err hd_prepared_apply(hd_prepared *p, hd_part part) {
    const hd_rows *rows = &p->parts.rows[part];
    if (rows->n == rows->first) return HEED_OK;
    unsigned wanted = p->wanted | (p->kind->own_targets ? HD_WANT_TARGETS : 0) |
                      (part != HD_PART_TRAIN ? HD_WANT_APART : 0);
    HD_TRY(p->kind->apply(p->fitted, rows, wanted, &p->samples[part]));
    if (part == HD_PART_TRAIN && p->kind->own_targets)
        HD_TRY(hd_target_fit_own(p->recipe, p->samples[part].k,
                                 p->kind->forecast ? p->kind->forecast->step : NULL, p->fitted,
                                 &p->target));
    return add_truth(p, part);
}

// ── Fitting ──

static heed_err hidden_columns(const hd_prepared *p, hd_arena *arena, const char *const **out,
                               size_t *n) {
    const hd_input_common *common = p->recipe->input.common;
    const char *const *drop, *const *targets;
    size_t n_drop, n_targets;
    hd_where where = hd_where_key(&p->recipe->input.where, "drop");
    hd_rows_column *found;
    HD_TRY(hd_input_texts(common->drop, &where, arena, &drop, &n_drop));
    for (size_t i = 0; i < n_drop; i++) {
        heed_err err = hd_rows_need(&p->parts.rows[HD_PART_TRAIN], drop[i], &found);
        if (err == HEED_INPUT) {
            hd_where_words place = hd_where_text(&where);
            err = hd_error_prefix(err, "%s", "%s", place.text);
        }
        HD_TRY(err);
    }
    where = hd_where_key(&p->recipe->input.where, "target");
    HD_TRY(hd_input_texts(common->target, &where, arena, &targets, &n_targets));
    const char **all = hd_arena_calloc(arena, n_drop + n_targets + 1, sizeof *all);
    if (!all) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < n_drop; i++) all[i] = drop[i];
    for (size_t i = 0; i < n_targets; i++) all[n_drop + i] = targets[i];
    *out = all;
    *n = n_drop + n_targets;
    return HEED_OK;
}

static heed_err fit_input(hd_prepared *p, hd_arena *arena) {
    const hd_recipe *recipe = p->recipe;
    const hd_rows *train = &p->parts.rows[HD_PART_TRAIN], *more = &p->parts.unlabelled;
    int32_t *labels = NULL;
    hd_input_fit in = {.rows = train,
                       .more = more->n > 0 ? more : NULL,
                       .options = recipe->input.options,
                       .common = recipe->input.common,
                       .prepare = recipe->prepare,
                       .features = recipe->features,
                       .prepare_where = hd_where_of(&recipe->spec, "prepare"),
                       .features_where = hd_where_of(&recipe->spec, "features"),
                       .seed = (uint64_t)recipe->seed};
    HD_TRY(hidden_columns(p, arena, &in.hidden, &in.n_hidden));
    if (!p->kind->own_targets) {
        heed_err err = hd_target_fit(recipe, train, &p->target);
        if (err == HEED_INPUT) {
            hd_where where = hd_where_key(&recipe->input.where, "target");
            hd_where_words place = hd_where_text(&where);
            err = hd_error_prefix(err, "%s", "%s", place.text);
        }
        HD_TRY(err);
        if (p->target.task == HD_RECIPE_CLASSES)
            HD_TRY(hd_target_labels(&p->target, train, &labels));
    }
    in.labels = labels;
    heed_err err = p->kind->fit(&in, &p->fitted);
    hd_free(labels);
    return err;
}

// Whether every test row has a truth that the training rows know: told now, and not when all is
// trained.
static heed_err check_truth(const hd_prepared *p) {
    const hd_rows *test = &p->parts.rows[HD_PART_TEST];
    int32_t *labels = NULL;
    float *values = NULL;
    if (p->kind->own_targets || test->n == test->first) return HEED_OK;
    heed_err err = p->target.task == HD_RECIPE_CLASSES
                       ? hd_target_labels(&p->target, test, &labels)
                       : hd_target_values(&p->target, test, &values);
    hd_free(labels);
    hd_free(values);
    return err;
}

static heed_err fit(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold, bool whole,
                    unsigned wanted, hd_prepared *out) {
    hd_arena arena;
    *out = (hd_prepared){.recipe = recipe, .kind = hd_recipe_input(recipe), .wanted = wanted};
    hd_target_init(&out->target);
    hd_input_parts_init(&out->parts);
    hd_arena_init(&arena);
    heed_err err = hd_parts_split(recipe, raw, fold, whole, &out->parts);
    if (err == HEED_OK) err = fit_input(out, &arena);
    if (err == HEED_OK) err = hd_prepared_apply(out, HD_PART_TRAIN);
    if (err == HEED_OK) err = check_truth(out);
    if (err == HEED_OK) err = hd_prepared_apply(out, HD_PART_VALIDATION);
    hd_arena_clear(&arena);
    if (err != HEED_OK) hd_prepared_clear(out);
    return err;
}

heed_err hd_prepared_fit(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold,
                         unsigned wanted, hd_prepared *out) {
    return fit(recipe, raw, fold, false, wanted, out);
}

heed_err hd_prepared_whole(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold,
                           unsigned wanted, hd_prepared *out) {
    return fit(recipe, raw, fold, true, wanted, out);
}

void hd_prepared_forget(hd_prepared *p, hd_part part) {
    hd_input_samples_clear(&p->samples[part]);
    hd_free(p->labels[part]);
    hd_free(p->values[part]);
    p->labels[part] = NULL;
    p->values[part] = NULL;
}

void hd_prepared_clear(hd_prepared *p) {
    for (int part = 0; part < HD_PARTS; part++) hd_prepared_forget(p, (hd_part)part);
    hd_input_samples_clear(&p->taught);
    hd_free(p->taught_labels);
    p->taught_labels = NULL;
    if (p->fitted) p->kind->free(p->fitted);
    p->fitted = NULL;
    hd_target_clear(&p->target);
    hd_input_parts_clear(&p->parts);
}

// ── Sources ──

// A 1 among zeros, one value of two classes, or the values as the network learns them.
static heed_err truth_values(const hd_prepared *p, hd_part part, hd_truth truth, float **out) {
    size_t n = p->samples[part].n, k = truth == HD_TRUTH_ONE ? 1 : p->target.k;
    float *values = hd_calloc(n * k + 1, sizeof *values);
    if (!values) return HD_FAIL_MEMORY(n * k * sizeof *values);
    if (p->labels[part]) {
        for (size_t i = 0; i < n; i++) {
            int32_t label = p->labels[part][i];
            if (truth == HD_TRUTH_ONE)
                values[i] = (float)label;
            else
                values[i * k + (size_t)label] = 1;
        }
    } else {
        memcpy(values, p->values[part], n * k * sizeof *values);
        hd_target_scale(&p->target, values, n);
    }
    *out = values;
    return HEED_OK;
}

static int borrowed_inputs(const hd_samples *samples, hd_data_column *columns) {
    for (int i = 0; i < samples->n_inputs; i++) {
        columns[i] = samples->inputs[i];
        columns[i].own = false;
    }
    return samples->n_inputs;
}

// A source of the input's own, lent: freeing the lent one leaves it.
typedef struct lent_data {
    hd_data base;
    hd_data *from;
} lent_data;

static heed_err lent_read(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                          void *const *out) {
    hd_data *from = ((lent_data *)(void *)data)->from;
    return from->read(from, n, index, draw, out);
}

static void lent_free(hd_data *data) {
    hd_free(data);
}

static heed_err lend(hd_data *from, hd_data **out) {
    lent_data *lent = hd_calloc(1, sizeof *lent);
    if (!lent) return HD_FAIL_MEMORY(sizeof *lent);
    lent->base = *from;
    lent->base.read = lent_read;
    lent->base.free = lent_free;
    lent->from = from;
    *out = &lent->base;
    return HEED_OK;
}

heed_err hd_samples_data(const hd_samples *samples, hd_data **out) {
    hd_data_column columns[HD_FIELDS];
    if (samples->data) return lend(samples->data, out);
    return hd_data_memory(samples->n, borrowed_inputs(samples, columns), columns, out);
}

heed_err hd_prepared_data(const hd_prepared *p, hd_part part, hd_truth truth, hd_data **out) {
    const hd_samples *samples = &p->samples[part];
    hd_data_column columns[HD_FIELDS];
    if (samples->data || truth == HD_TRUTH_NONE) return hd_samples_data(samples, out);
    int n = borrowed_inputs(samples, columns);
    hd_data_column *target = &columns[n];
    *target = (hd_data_column){.field = {.name = "target", .role = HD_ROLE_TARGET}};
    if (truth == HD_TRUTH_LABELS) {
        target->field.dtype = target->dtype = HD_I32;
        target->data = p->labels[part];
    } else {
        float *values = NULL;
        HD_TRY(truth_values(p, part, truth, &values));
        target->field.dtype = target->dtype = HD_F32;
        target->field.n_dims = 1;
        target->field.shape[0] = truth == HD_TRUTH_ONE ? 1 : p->target.k;
        target->data = values;
        target->own = true;
    }
    return hd_data_memory(samples->n, n + 1, columns, out);
}
