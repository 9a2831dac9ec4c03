// SPDX-License-Identifier: Apache-2.0
//
// What all kinds have in common: checks before a fit, prediction in pieces of rows (their number
// depends on the rows alone), files.
//
// A file is "heed.classic", a version, the kind's name, the shape, and what the kind writes.
// Rejected: the formats of liblinear and XGBoost, whose readers trust what they read.
#include "classic/classifier.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/kind.h"

static const char MAGIC[] = "heed.classic";
enum { VERSION = 1, NAME_MAX_BYTES = 32, PIECE = 64 };

struct hd_classic {
    const hd_classic_kind *kind;
    hd_classic_shape shape;
    char chosen[64];
    void *model;
};

// A descriptor by its hd_spec_kind, which is its first member.
static const hd_classic_kind *kind_of(const hd_spec_kind *kind) {
    return (const hd_classic_kind *)(const void *)kind;
}

bool hd_classic_does(const hd_spec_kind *kind, bool classes) {
    return classes ? kind_of(kind)->classes : kind_of(kind)->values;
}

hd_text hd_classic_label(const hd_spec_kind *kind) {
    return kind_of(kind)->label;
}

heed_err hd_classic_reserve(size_t bytes) {
    void *room = hd_alloc(bytes);
    if (!room) return HD_FAIL_MEMORY(bytes);
    hd_free(room);
    return HEED_OK;
}

double hd_row_dot(const hd_matrix *x, size_t i, const float *weights) {
    double sum = 0;
    if (x->dense) {
        const float *row = x->dense + i * x->m;
        for (size_t j = 0; j < x->m; j++) sum += (double)row[j] * (double)weights[j];
        return sum;
    }
    for (size_t e = x->start[i]; e < x->start[i + 1]; e++) {
        sum += (double)x->value[e] * (double)weights[x->column[e]];
    }
    return sum;
}

// ── Fitting ──

static heed_err check_labels(const hd_classic_kind *kind, const hd_classic_data *data) {
    bool two = false;
    for (size_t i = 0; i < data->x->n; i++) {
        if (data->labels[i] < 0 || (size_t)data->labels[i] >= data->k) {
            return HD_FAIL(HEED_INPUT,
                           "row %zu: label %d is out of range: there are %zu classes, from 0",
                           "第 %zu 行：标签 %d 超出范围：共 %zu 类，从 0 起", i + 1,
                           (int)data->labels[i], data->k);
        }
        two = two || data->labels[i] != data->labels[0];
    }
    if (two || kind->one_class) return HEED_OK;
    return HD_FAIL(HEED_INPUT,
                   "%s: all %zu training rows are of one class; it takes rows of two to learn to "
                   "tell them apart",
                   "%s：%zu 行训练数据都属于同一类；至少要有两类才能学会区分", kind->kind.name,
                   data->x->n);
}

static heed_err check_data(const hd_classic_kind *kind, const hd_classic_data *data) {
    bool classes = data->labels != NULL;
    if (!(classes ? kind->classes : kind->values)) {
        return HD_FAIL(HEED_INPUT, "'%1$s' does not predict %2$s%3$.0s", "“%1$s”不能预测%2$.0s%3$s",
                       kind->kind.name, classes ? "classes" : "values", classes ? "类别" : "数值");
    }
    if (data->x->n == 0 || data->x->m == 0) {
        return HD_FAIL(HEED_INPUT, "%s: there are no rows or no features to learn from",
                       "%s：没有可供学习的行或特征", kind->kind.name);
    }
    if (data->x->m > INT32_MAX - 2 || data->x->n > INT32_MAX - 2) {
        return HD_FAIL(HEED_INPUT, "%s: %zu rows of %zu features are more than it can hold",
                       "%s：%zu 行 %zu 个特征超出其容量", kind->kind.name, data->x->n, data->x->m);
    }
    HD_TRY(hd_matrix_check(data->x));
    if (classes) return check_labels(kind, data);
    for (size_t i = 0; i < data->x->n * data->k; i++) {
        if (isfinite(data->targets[i])) continue;
        return HD_FAIL(HEED_INPUT, "row %zu: the target is not a finite number",
                       "第 %zu 行：目标值不是有限的数", i / data->k + 1);
    }
    return HEED_OK;
}

heed_err hd_classic_fit(const hd_choice *choice, const hd_classic_data *data, hd_classic **out) {
    const hd_classic_kind *kind = kind_of(choice->kind);
    *out = NULL;
    HD_TRY(check_data(kind, data));
    hd_classic *model = hd_calloc(1, sizeof *model);
    if (!model) return HD_FAIL_MEMORY(sizeof *model);
    *model = (hd_classic){.kind = kind, .shape = {data->labels != NULL, data->x->m, data->k}};
    heed_err err = kind->fit(choice->options, data, model->chosen, &model->model);
    if (err != HEED_OK) {
        hd_free(model);
        return err;
    }
    *out = model;
    return HEED_OK;
}

void hd_classic_free(hd_classic *model) {
    if (!model) return;
    if (model->model) model->kind->free(model->model);
    hd_free(model);
}

// ── Predicting ──

typedef struct prediction {
    const hd_classic_kind *kind;
    const void *model;
    const hd_classic_shape *shape;
    const hd_matrix *x;
    float *scores;
} prediction;

static heed_err predict_piece(void *ctx, size_t piece) {
    const prediction *p = ctx;
    size_t from = piece * PIECE, to = from + PIECE < p->x->n ? from + PIECE : p->x->n;
    float *scratch = hd_calloc(p->shape->m, sizeof *scratch);
    if (!scratch) return HD_FAIL_MEMORY(p->shape->m * sizeof *scratch);
    heed_err err = p->kind->predict(p->model, p->shape, p->x, from, to, scratch,
                                    p->scores + from * p->shape->k);
    hd_free(scratch);
    return err;
}

static heed_err predict(const hd_classic_kind *kind, const void *model,
                        const hd_classic_shape *shape, const hd_matrix *x, hd_pool *pool,
                        float *scores) {
    prediction p = {kind, model, shape, x, scores};
    return hd_pool_run(pool, (x->n + PIECE - 1) / PIECE, predict_piece, &p);
}

heed_err hd_classic_predict(const hd_classic *model, const hd_matrix *x, hd_pool *pool,
                            float *scores) {
    if (x->m != model->shape.m) {
        return HD_FAIL(HEED_INPUT, "rows have %zu features; the model was trained on %zu",
                       "每行有 %zu 个特征；模型训练时为 %zu 个", x->m, model->shape.m);
    }
    HD_TRY(hd_matrix_check(x));
    return predict(model->kind, model->model, &model->shape, x, pool, scores);
}

hd_classic_facts hd_classic_describe(const hd_classic *model) {
    hd_classic_facts facts = {.name = model->kind->kind.name,
                              .label = model->kind->label,
                              .classes = model->shape.classes,
                              .m = model->shape.m,
                              .k = model->shape.k};
    facts.parameters = model->kind->parameters(model->model, &model->shape, &facts.bytes);
    memcpy(facts.chosen, model->chosen, sizeof facts.chosen);
    return facts;
}

// ── Choosing a setting ──

typedef struct fold_data {
    hd_matrix train, held;
    int32_t *labels, *held_labels;
    float *targets, *held_targets;
    float *scores;
} fold_data;

static void fold_clear(fold_data *f) {
    hd_matrix_clear(&f->train);
    hd_matrix_clear(&f->held);
    hd_free(f->labels);
    hd_free(f->held_labels);
    hd_free(f->targets);
    hd_free(f->held_targets);
    hd_free(f->scores);
}

static heed_err fold_answers(const hd_classic_data *data, const size_t *rows, size_t n,
                             int32_t **labels, float **targets) {
    if (data->labels) {
        *labels = hd_calloc(n, sizeof **labels);
        if (!*labels) return HD_FAIL_MEMORY(n * sizeof **labels);
        for (size_t i = 0; i < n; i++) (*labels)[i] = data->labels[rows[i]];
        return HEED_OK;
    }
    *targets = hd_calloc(n * data->k, sizeof **targets);
    if (!*targets) return HD_FAIL_MEMORY(n * data->k * sizeof **targets);
    for (size_t i = 0; i < n; i++) {
        memcpy(*targets + i * data->k, data->targets + rows[i] * data->k,
               data->k * sizeof **targets);
    }
    return HEED_OK;
}

// order: rows shuffled; those of the fold stand at [from, to).
static heed_err fold_fill(const hd_classic_data *data, const size_t *order, size_t from, size_t to,
                          fold_data *f) {
    heed_err err = HEED_OK;
    size_t n = data->x->n, rest = n - (to - from);
    size_t *rows = hd_calloc(n, sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(n * sizeof *rows);
    memcpy(rows, order, from * sizeof *rows);
    memcpy(rows + from, order + to, (n - to) * sizeof *rows);
    HD_TRY_OUT(hd_matrix_pick(data->x, rows, rest, &f->train));
    HD_TRY_OUT(hd_matrix_pick(data->x, order + from, to - from, &f->held));
    HD_TRY_OUT(fold_answers(data, rows, rest, &f->labels, &f->targets));
    HD_TRY_OUT(fold_answers(data, order + from, to - from, &f->held_labels, &f->held_targets));
    f->scores = hd_calloc((to - from) * data->k, sizeof *f->scores);
    if (!f->scores) err = HD_FAIL_MEMORY((to - from) * data->k * sizeof *f->scores);
out:
    hd_free(rows);
    return err;
}

static double row_error(const float *row, const float *targets, size_t k) {
    double sum = 0;
    for (size_t j = 0; j < k; j++) {
        double miss = (double)row[j] - (double)targets[j];
        sum += miss * miss;
    }
    return sum;
}

static bool row_right(const float *row, size_t label, size_t k) {
    size_t best = 0;
    for (size_t j = 1; j < k; j++) best = row[j] > row[best] ? j : best;
    return best == label;
}

static double fold_score(const fold_data *f, size_t k, bool by_loss) {
    static const double LEAST = 1e-15; // of a probability, so that a loss stays finite
    double sum = 0;
    for (size_t i = 0; i < f->held.n; i++) {
        const float *row = f->scores + i * k;
        if (!f->held_labels) {
            sum -= row_error(row, f->held_targets + i * k, k);
            continue;
        }
        size_t label = (size_t)f->held_labels[i];
        sum += by_loss ? log(fmax((double)row[label], LEAST)) : row_right(row, label, k);
    }
    return sum;
}

static heed_err fold_try(const hd_classic_trial *t, const hd_classic_data *data, const fold_data *f,
                         double *score) {
    hd_classic_data part = *data;
    hd_classic_shape shape = {data->labels != NULL, data->x->m, data->k};
    part.x = &f->train;
    part.labels = f->labels;
    part.targets = f->targets;
    for (size_t s = 0; s < t->n_settings; s++) {
        void *model = NULL;
        HD_TRY(t->fit(t->options, s, &part, &model));
        heed_err err = predict(t->kind, model, &shape, &f->held, data->pool, f->scores);
        t->kind->free(model);
        if (err != HEED_OK) return err;
        score[s] += fold_score(f, data->k, data->by_loss);
    }
    return HEED_OK;
}

heed_err hd_classic_choose(const hd_classic_trial *t, const hd_classic_data *data, size_t *best) {
    static const uint64_t STREAM = UINT64_C(0x666f6c6473000000); // "folds"
    heed_err err = HEED_OK;
    size_t n = data->x->n, folds = t->folds < n ? t->folds : n;
    size_t *order = hd_calloc(n, sizeof *order);
    double *score = hd_calloc(t->n_settings, sizeof *score);
    *best = 0;
    if (!order || !score) {
        err = HD_FAIL_MEMORY(n * sizeof *order);
        goto out;
    }
    hd_rng rng = hd_rng_make(data->seed, STREAM);
    for (size_t i = 0; i < n; i++) order[i] = i;
    hd_rng_shuffle(&rng, order, n, sizeof *order);
    for (size_t f = 0; f < folds && n >= 2; f++) {
        fold_data fold = {.labels = NULL};
        err = fold_fill(data, order, n * f / folds, n * (f + 1) / folds, &fold);
        if (err == HEED_OK) err = fold_try(t, data, &fold, score);
        fold_clear(&fold);
        if (err != HEED_OK) goto out;
    }
    for (size_t s = 1; s < t->n_settings; s++) *best = score[s] > score[*best] ? s : *best;
out:
    hd_free(order);
    hd_free(score);
    return err;
}

// ── Files ──

heed_err hd_classic_save(const hd_classic *model, hd_str *out) {
    const char *name = model->kind->kind.name;
    hd_str_addn(out, MAGIC, sizeof MAGIC);
    hd_bytes_u32(out, VERSION);
    hd_bytes_u32(out, (uint32_t)strlen(name));
    hd_str_add(out, name);
    hd_bytes_u32(out, model->shape.classes);
    hd_bytes_u64(out, model->shape.m);
    hd_bytes_u64(out, model->shape.k);
    model->kind->save(model->model, &model->shape, out);
    return hd_str_check(out);
}

static heed_err load_head(hd_bytes *in) {
    if (in->n < sizeof MAGIC || memcmp(in->p, MAGIC, sizeof MAGIC) != 0) return hd_bytes_damaged();
    in->p += sizeof MAGIC;
    in->n -= sizeof MAGIC;
    uint32_t version = hd_bytes_get_u32(in);
    if (version <= VERSION) return version == 0 ? hd_bytes_damaged() : HEED_OK;
    return HD_FAIL(HEED_VERSION, "the saved model has format %u; this heed reads up to %d",
                   "保存的模型格式为 %u；此版本的 heed 最高可读 %d", version, VERSION);
}

static const hd_classic_kind *load_name(hd_bytes *in) {
    char name[NAME_MAX_BYTES] = "";
    size_t length = hd_bytes_get_u32(in);
    if (in->failed || length >= sizeof name || length > in->n) return NULL;
    memcpy(name, in->p, length);
    in->p += length;
    in->n -= length;
    const hd_spec_kind *kind = hd_spec_find(&hd_classic_kinds, name);
    return kind ? kind_of(kind) : NULL;
}

heed_err hd_classic_load(const void *bytes, size_t n, hd_classic **out) {
    hd_bytes in = {.p = bytes, .n = n};
    *out = NULL;
    HD_TRY(load_head(&in));
    const hd_classic_kind *kind = load_name(&in);
    bool classes = hd_bytes_get_u32(&in) != 0;
    uint64_t m = hd_bytes_get_u64(&in), k = hd_bytes_get_u64(&in);
    if (!kind || in.failed || m == 0 || m > INT32_MAX || k == 0 || k > INT32_MAX ||
        !(classes ? kind->classes : kind->values) || (classes && k < 2)) {
        return hd_bytes_damaged();
    }
    hd_classic *model = hd_calloc(1, sizeof *model);
    if (!model) return HD_FAIL_MEMORY(sizeof *model);
    *model = (hd_classic){.kind = kind, .shape = {classes, (size_t)m, (size_t)k}};
    heed_err err = kind->load(&in, &model->shape, &model->model);
    if (err == HEED_OK && (in.failed || in.n > 0)) err = hd_bytes_damaged();
    if (err != HEED_OK) {
        hd_classic_free(model);
        return err;
    }
    *out = model;
    return HEED_OK;
}
