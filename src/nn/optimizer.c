// SPDX-License-Identifier: Apache-2.0
//
// Weights are cut into pieces of at most PIECE values, small weights are pieces of their own, and
// pieces are gathered into chunks of about CHUNK values for the pool: all by sizes alone. Norms are
// sums of each piece's squares (f32 in a fixed tree), added up in double in the order of pieces.
//
// Adam: Kingma, Ba 2015; AdamW: Loshchilov, Hutter 2019; LAMB: You et al. 2020, which scales each
// weight's step by |w| / |u|: a second pass. Rejected: Adafactor, which saves the memory of v
// alone.
#include "nn/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/float.h"
#include "base/mem.h"
#include "kernel/kernels.h"

enum { PIECE = 65536, CHUNK = 16384, ALONE = 32768 };

typedef struct hd_piece {
    size_t item, from, n;
} hd_piece;

// ── Options ──

typedef struct common_options {
    double rate, weight_decay, l1, l2;
    int decay;
    const json_t *groups;
} common_options;
static const char *const decay_words[] = {"all", "matrices", NULL};
enum { DECAY_ALL, DECAY_MATRICES };
static const hd_option common_rows[] = {
    {.name = "weight_decay",
     .type = HD_OPTION_REAL,
     .at = offsetof(common_options, weight_decay),
     .initial = -1,
     .min = -1,
     .max = 1e6,
     .doc = HD_TEXT("each step takes rate times this part off the weights; −1: the kind's default",
                    "每步从权重中减去 学习率 × 此值；−1：取该优化器的默认值")},
    {.name = "decay",
     .type = HD_OPTION_WORD,
     .at = offsetof(common_options, decay),
     .words = decay_words,
     .doc = HD_TEXT("whether weight_decay, l1 and l2 are for all weights, or for those of two "
                    "dimensions and more",
                    "weight_decay、l1、l2 作用于全部权重，还是只作用于二维及以上的权重")},
    {.name = "l1",
     .type = HD_OPTION_REAL,
     .at = offsetof(common_options, l1),
     .min = 0,
     .max = 1e6,
     .doc = HD_TEXT("adds l1·Σ|w| to the loss", "在损失中加 l1·Σ|w|")},
    {.name = "l2",
     .type = HD_OPTION_REAL,
     .at = offsetof(common_options, l2),
     .min = 0,
     .max = 1e6,
     .doc = HD_TEXT("adds l2·Σw² to the loss", "在损失中加 l2·Σw²")},
    {.name = "groups",
     .type = HD_OPTION_JSON,
     .at = offsetof(common_options, groups),
     .doc =
         HD_TEXT("other values for weights whose path matches: {match, rate_factor, "
                 "weight_decay, l1, l2, frozen}",
                 "为路径匹配的权重另设取值：{match, rate_factor, weight_decay, l1, l2, frozen}")},
    {.name = NULL}};

typedef struct group_options {
    const char *match;
    double rate_factor, weight_decay, l1, l2;
    bool frozen;
} group_options;
static const hd_option group_rows[] = {
    {.name = "match",
     .type = HD_OPTION_TEXT,
     .at = offsetof(group_options, match),
     .required = true,
     .doc = HD_TEXT("pattern of paths; * is anything", "路径模式；* 表示任意内容")},
    {.name = "rate_factor",
     .type = HD_OPTION_REAL,
     .at = offsetof(group_options, rate_factor),
     .initial = 1,
     .min = 0,
     .max = 1e6,
     .doc = HD_TEXT("of the rate", "学习率的倍数")},
    {.name = "weight_decay",
     .type = HD_OPTION_REAL,
     .at = offsetof(group_options, weight_decay),
     .initial = -1,
     .min = -1,
     .max = 1e6,
     .doc = HD_TEXT("instead of the optimiser's", "代替优化器的取值")},
    {.name = "l1",
     .type = HD_OPTION_REAL,
     .at = offsetof(group_options, l1),
     .initial = -1,
     .min = -1,
     .max = 1e6,
     .doc = HD_TEXT("instead of the optimiser's", "代替优化器的取值")},
    {.name = "l2",
     .type = HD_OPTION_REAL,
     .at = offsetof(group_options, l2),
     .initial = -1,
     .min = -1,
     .max = 1e6,
     .doc = HD_TEXT("instead of the optimiser's", "代替优化器的取值")},
    {.name = "frozen",
     .type = HD_OPTION_BOOL,
     .at = offsetof(group_options, frozen),
     .doc = HD_TEXT("not trained", "不训练")},
    {.name = NULL}};

// Every kind's options begin with this.
typedef struct rate_options {
    double rate;
} rate_options;
#define RATE_ROW(struct_name, initial_rate)                                                        \
    {                                                                                              \
        .name = "rate", .type = HD_OPTION_REAL, .at = offsetof(struct_name, rate),                 \
        .initial = (initial_rate), .min = 0, .max = 1e6, .doc = HD_TEXT("learning rate", "学习率") \
    }
#define REAL_ROW(struct_name, field, start, low, high, en, zh)                      \
    {                                                                               \
        .name = #field, .type = HD_OPTION_REAL, .at = offsetof(struct_name, field), \
        .initial = (start), .min = (low), .max = (high), .doc = HD_TEXT(en, zh)     \
    }

// ── sgd ──

typedef struct sgd_options {
    rate_options rate;
    double momentum;
    bool nesterov;
} sgd_options;
static const hd_option sgd_rows[] = {RATE_ROW(sgd_options, 0.01),
                                     REAL_ROW(sgd_options, momentum, 0, 0, 0.9999,
                                              "part of the last step that is kept",
                                              "保留上一步的比例"),
                                     {.name = "nesterov",
                                      .type = HD_OPTION_BOOL,
                                      .at = offsetof(sgd_options, nesterov),
                                      .doc = HD_TEXT("looks one step ahead", "先向前看一步")},
                                     {.name = NULL}};

static void sgd_prepare(const void *options, uint64_t t, hd_optim_args *args) {
    (void)t;
    args->momentum = (float)((const sgd_options *)options)->momentum;
}

static hd_optim_fn sgd_step(const void *options, const hd_optim_kernels *kernels) {
    const sgd_options *o = options;
    if (o->momentum == 0) return kernels->sgd;
    return o->nesterov ? kernels->nesterov : kernels->momentum;
}

static const hd_optimizer_kind sgd = {
    .kind = {.name = "sgd",
             .size = sizeof(sgd_options),
             .options = sgd_rows,
             .doc = HD_TEXT("gradient descent, with momentum or Nesterov's",
                            "梯度下降，可加动量或 Nesterov 动量")},
    .has_m = true,
    .prepare = sgd_prepare,
    .step = sgd_step};

// ── rmsprop ──

typedef struct rmsprop_options {
    rate_options rate;
    double decay_rate, momentum, epsilon;
} rmsprop_options;
static const hd_option rmsprop_rows[] = {
    RATE_ROW(rmsprop_options, 0.01),
    REAL_ROW(rmsprop_options, decay_rate, 0.99, 0, 0.999999, "of the mean square", "均方的衰减率"),
    REAL_ROW(rmsprop_options, momentum, 0, 0, 0.9999, "part of the last step that is kept",
             "保留上一步的比例"),
    REAL_ROW(rmsprop_options, epsilon, 1e-8, 1e-20, 1, "keeps divisors from 0", "防止除以 0"),
    {.name = NULL}};

static void rmsprop_prepare(const void *options, uint64_t t, hd_optim_args *args) {
    const rmsprop_options *o = options;
    (void)t;
    args->beta2 = (float)o->decay_rate;
    args->momentum = (float)o->momentum;
    args->epsilon = (float)o->epsilon;
}

static hd_optim_fn rmsprop_step(const void *options, const hd_optim_kernels *kernels) {
    (void)options;
    return kernels->rmsprop;
}

static const hd_optimizer_kind rmsprop = {
    .kind = {.name = "rmsprop",
             .size = sizeof(rmsprop_options),
             .options = rmsprop_rows,
             .doc =
                 HD_TEXT("divides by the root of a running mean square", "除以滑动均方的平方根")},
    .has_m = true,
    .has_v = true,
    .prepare = rmsprop_prepare,
    .step = rmsprop_step};

// ── adagrad ──

typedef struct adagrad_options {
    rate_options rate;
    double epsilon;
} adagrad_options;
static const hd_option adagrad_rows[] = {
    RATE_ROW(adagrad_options, 0.01),
    REAL_ROW(adagrad_options, epsilon, 1e-10, 1e-20, 1, "keeps divisors from 0", "防止除以 0"),
    {.name = NULL}};

static void adagrad_prepare(const void *options, uint64_t t, hd_optim_args *args) {
    (void)t;
    args->epsilon = (float)((const adagrad_options *)options)->epsilon;
}

static hd_optim_fn adagrad_step(const void *options, const hd_optim_kernels *kernels) {
    (void)options;
    return kernels->adagrad;
}

static const hd_optimizer_kind adagrad = {
    .kind = {.name = "adagrad",
             .size = sizeof(adagrad_options),
             .options = adagrad_rows,
             .doc = HD_TEXT("divides by the root of the sum of all squares so far",
                            "除以迄今平方和的平方根")},
    .has_v = true,
    .prepare = adagrad_prepare,
    .step = adagrad_step};

// ── adam, adamw, lamb ──

typedef struct adam_options {
    rate_options rate;
    double beta1, beta2, epsilon;
} adam_options;
#define ADAM_ROWS(start_epsilon)                                                                  \
    {                                                                                             \
        RATE_ROW(adam_options, 0.001),                                                            \
            REAL_ROW(adam_options, beta1, 0.9, 0, 0.999999, "decay of the mean", "均值的衰减率"), \
            REAL_ROW(adam_options, beta2, 0.999, 0, 0.9999999, "decay of the mean square",        \
                     "均方的衰减率"),                                                             \
            REAL_ROW(adam_options, epsilon, start_epsilon, 1e-20, 1, "keeps divisors from 0",     \
                     "防止除以 0"),                                                               \
        {                                                                                         \
            .name = NULL                                                                          \
        }                                                                                         \
    }
static const hd_option adam_rows[] = ADAM_ROWS(1e-8);
static const hd_option lamb_rows[] = ADAM_ROWS(1e-6);

static void adam_prepare(const void *options, uint64_t t, hd_optim_args *args) {
    const adam_options *o = options;
    args->beta1 = (float)o->beta1;
    args->beta2 = (float)o->beta2;
    args->epsilon = (float)o->epsilon;
    args->c1 = (float)(1 - pow(o->beta1, (double)t));
    args->c2 = (float)(1 - pow(o->beta2, (double)t));
}

static hd_optim_fn adam_step(const void *options, const hd_optim_kernels *kernels) {
    (void)options;
    return kernels->adam;
}

static hd_optim_fn lamb_step(const void *options, const hd_optim_kernels *kernels) {
    (void)options;
    return kernels->lamb;
}

#define ADAM_KIND(id, rows_of, step_of, norm, en, zh)                           \
    static const hd_optimizer_kind id = {.kind = {.name = #id,                  \
                                                  .size = sizeof(adam_options), \
                                                  .options = (rows_of),         \
                                                  .doc = HD_TEXT(en, zh)},      \
                                         .has_m = true,                         \
                                         .has_v = true,                         \
                                         .prepare = adam_prepare,               \
                                         .step = (step_of),                     \
                                         .by_norm = (norm)}
ADAM_KIND(adam, adam_rows, adam_step, false, "running means of gradient and square",
          "梯度与平方的滑动均值");
ADAM_KIND(adamw, adam_rows, adam_step, false, "adam with weight decay of 0.01",
          "带 0.01 权重衰减的 adam");
ADAM_KIND(lamb, lamb_rows, lamb_step, true,
          "adam whose steps are scaled weight by weight, for large "
          "batches",
          "按权重缩放步长的 adam，适合大批量");

// ── The list ──

static const hd_spec_kind *const rows[] = {
    &sgd.kind, &rmsprop.kind, &adagrad.kind, &adam.kind, &adamw.kind, &lamb.kind,
};
const hd_spec_kinds hd_optimizer_kinds = {.what = HD_TEXT("optimiser", "优化器"),
                                          .rows = rows,
                                          .n = sizeof rows / sizeof rows[0],
                                          .common = common_rows,
                                          .common_size = sizeof(common_options)};

static const hd_optimizer_kind *kind_of(const hd_optimizer *o) {
    return (const hd_optimizer_kind *)(const void *)o->choice.kind;
}

heed_err hd_optimizer_read(const json_t *value, const hd_where *where, hd_arena *arena,
                           hd_optimizer *out) {
    *out = (hd_optimizer){.n = 0};
    HD_TRY(hd_spec_read(&hd_optimizer_kinds, value, where, arena, &out->choice));
    common_options *common = out->choice.common;
    if (common->weight_decay < 0) common->weight_decay = kind_of(out) == &adamw ? 0.01 : 0;
    out->rate = ((const rate_options *)out->choice.options)->rate;
    return HEED_OK;
}

// ── Weights ──

// Calls `with` for each group that matches the weight.
static heed_err read_group(const hd_optimizer *o, size_t i, group_options *out) {
    const json_t *groups = ((const common_options *)o->choice.common)->groups;
    hd_where list = hd_where_key(&o->choice.where, "groups"), at = hd_where_at(&list, i);
    if (!json_is_array(groups) || !json_is_object(json_array_get(groups, i))) {
        hd_where_words place = hd_where_text(&at);
        return HD_FAIL(HEED_INPUT, "%s: must be a list of groups {match: …}",
                       "%s：应为分组列表 {match: …}", place.text);
    }
    return hd_options_read(group_rows, json_array_get(groups, i), &at, out);
}

static size_t n_groups(const hd_optimizer *o) {
    const json_t *groups = ((const common_options *)o->choice.common)->groups;
    return json_is_array(groups) ? json_array_size(groups) : groups != NULL;
}

heed_err hd_optimizer_freeze(const hd_optimizer *o, hd_weights *weights) {
    for (size_t g = 0; g < n_groups(o); g++) {
        group_options group;
        size_t hits = 0;
        HD_TRY(read_group(o, g, &group));
        for (size_t i = 0; i < weights->n; i++) {
            hd_weight *w = &weights->at[i]->weight;
            if (weights->at[i]->state || !hd_path_match(group.match, w->name)) continue;
            hits++;
            if (group.frozen) w->frozen = true;
        }
        if (hits > 0) continue;
        hd_where_words place = hd_where_text(&o->choice.where);
        return HD_FAIL(HEED_INPUT, "%s: group '%s' matches no weight",
                       "%s：分组“%s”没有匹配任何权重", place.text, group.match);
    }
    return HEED_OK;
}

static heed_err set_item(const hd_optimizer *o, hd_weight *w, hd_moments *item) {
    const common_options *common = o->choice.common;
    bool regular = common->decay == DECAY_ALL || w->n_dims >= 2;
    *item = (hd_moments){.weight = w, .rate_factor = 1};
    if (regular) {
        item->decay = (float)common->weight_decay;
        item->l1 = (float)common->l1;
        item->l2 = (float)(2 * common->l2);
    }
    for (size_t g = 0; g < n_groups(o); g++) {
        group_options group;
        HD_TRY(read_group(o, g, &group));
        if (!hd_path_match(group.match, w->name)) continue;
        item->rate_factor = (float)group.rate_factor;
        if (group.weight_decay >= 0) item->decay = (float)group.weight_decay;
        if (group.l1 >= 0) item->l1 = (float)group.l1;
        if (group.l2 >= 0) item->l2 = (float)(2 * group.l2);
    }
    bool plain = kind_of(o) == &sgd && ((const sgd_options *)o->choice.options)->momentum == 0;
    if (kind_of(o)->has_m && !plain && !(item->m = hd_alloc_aligned(w->count, sizeof(float)))) {
        return HD_FAIL_MEMORY(w->count * sizeof(float));
    }
    if (kind_of(o)->has_v && !(item->v = hd_alloc_aligned(w->count, sizeof(float)))) {
        return HD_FAIL_MEMORY(w->count * sizeof(float));
    }
    return HEED_OK;
}

static heed_err cut(hd_optimizer *o) {
    size_t in_chunk = CHUNK;
    for (size_t i = 0; i < o->n; i++) {
        size_t count = o->at[i].weight->count;
        o->total += count;
        for (size_t from = 0, n; from < count; from += n) {
            n = count - from < PIECE ? count - from : PIECE;
            if (in_chunk >= CHUNK) {
                HD_TRY(hd_grow(&o->chunks, &o->chunks_cap, o->n_chunks + 2, sizeof *o->chunks));
                o->chunks[o->n_chunks++] = o->n_pieces;
                in_chunk = 0;
            }
            HD_TRY(hd_grow(&o->pieces, &o->pieces_cap, o->n_pieces + 1, sizeof *o->pieces));
            o->pieces[o->n_pieces++] = (hd_piece){i, from, n};
            in_chunk += n;
        }
    }
    if (o->n_chunks > 0) o->chunks[o->n_chunks] = o->n_pieces;
    o->partial = hd_calloc(o->n_pieces + 1, sizeof *o->partial);
    return o->partial ? HEED_OK : HD_FAIL_MEMORY(o->n_pieces * sizeof *o->partial);
}

heed_err hd_optimizer_bind(hd_optimizer *o, hd_weights *weights) {
    o->at = hd_calloc(weights->n + 1, sizeof *o->at);
    if (!o->at) return HD_FAIL_MEMORY(weights->n * sizeof *o->at);
    for (size_t i = 0; i < weights->n; i++) {
        hd_weight *w = &weights->at[i]->weight;
        if (weights->at[i]->state || w->frozen) continue;
        HD_TRY(hd_weight_need_grad(w));
        HD_TRY(set_item(o, w, &o->at[o->n++]));
    }
    if (o->n == 0) {
        return HD_FAIL(HEED_INPUT,
                       "the network has no weight to train: add a layer with weights, or unfreeze "
                       "one",
                       "网络没有可训练的权重：请添加带权重的层，或解除冻结");
    }
    return cut(o);
}

void hd_optimizer_clear(hd_optimizer *o) {
    for (size_t i = 0; o->at && i < o->n; i++) {
        hd_free(o->at[i].m);
        hd_free(o->at[i].v);
    }
    hd_free(o->at);
    hd_free(o->pieces);
    hd_free(o->chunks);
    hd_free(o->partial);
    *o = (hd_optimizer){.n = 0};
}

size_t hd_optimizer_bytes(const hd_optimizer *o) {
    size_t each = (size_t)kind_of(o)->has_m + (size_t)kind_of(o)->has_v;
    return o->total * each * sizeof(float);
}

// ── Steps ──

typedef struct pass {
    hd_optimizer *o;
    const hd_optim_kernels *kernels;
    hd_optim_fn fn;
    hd_optim_args args;
    float *const *averages;
    void (*piece)(struct pass *pass, size_t i);
} pass;

static heed_err run_chunk(void *ctx, size_t chunk) {
    pass *p = ctx;
    for (size_t i = p->o->chunks[chunk]; i < p->o->chunks[chunk + 1]; i++) p->piece(p, i);
    return HEED_OK;
}

// A small network is done here: waking threads would take longer. By size alone.
static heed_err run(pass *p, hd_pool *pool) {
    return hd_pool_run(p->o->total > ALONE ? pool : NULL, p->o->n_chunks, run_chunk, p);
}

// (A gradient whose squares were counted when it was made isn't read again: a fifteenth of a step
// of a large network on few samples.)
static void square_piece(pass *p, size_t i) {
    const hd_piece *piece = &p->o->pieces[i];
    const hd_weight *w = p->o->at[piece->item].weight;
    p->o->partial[i] =
        w->has_squares ? 0 : (double)p->kernels->squares(piece->n, w->grad + piece->from);
}

heed_err hd_optimizer_norm(hd_optimizer *o, hd_pool *pool, float scale, double *out) {
    pass p = {.o = o, .kernels = hd_kernels_get()->optim, .piece = square_piece};
    double sum = 0;
    HD_TRY(run(&p, pool));
    for (size_t i = 0; i < o->n_pieces; i++) sum += o->partial[i];
    for (size_t i = 0; i < o->n; i++)
        sum += o->at[i].weight->has_squares ? o->at[i].weight->squares : 0;
    *out = sqrt(sum) * fabs((double)scale);
    return HEED_OK;
}

static void step_piece(pass *p, size_t i) {
    const hd_piece *piece = &p->o->pieces[i];
    const hd_moments *item = &p->o->at[piece->item];
    hd_optim_args args = p->args;
    args.rate *= item->rate_factor;
    args.decay = item->decay;
    args.l1 = item->l1;
    args.l2 = item->l2;
    p->fn(piece->n, item->weight->data + piece->from, item->weight->grad + piece->from,
          item->m ? item->m + piece->from : NULL, item->v ? item->v + piece->from : NULL, &args);
}

// LAMB's second pass: the step stands in the gradient; partial holds |w|² and then |u|².
static float trust(const hd_optimizer *o, const hd_optim_kernels *kernels, size_t item) {
    const hd_weight *w = o->at[item].weight;
    double weights = 0, steps = 0;
    for (size_t from = 0, n; from < w->count; from += n) {
        n = w->count - from < PIECE ? w->count - from : PIECE;
        weights += (double)kernels->squares(n, w->data + from);
        steps += (double)kernels->squares(n, w->grad + from);
    }
    return weights > 0 && steps > 0 ? (float)sqrt(weights / steps) : 1;
}

static heed_err scaled_item(void *ctx, size_t item) {
    const pass *p = ctx;
    const hd_moments *m = &p->o->at[item];
    float rate = p->args.rate * m->rate_factor * trust(p->o, p->kernels, item);
    p->kernels->step(m->weight->count, m->weight->data, m->weight->grad, rate);
    return HEED_OK;
}

heed_err hd_optimizer_step(hd_optimizer *o, hd_pool *pool, double rate, double scale, double clip) {
    const hd_optimizer_kind *kind = kind_of(o);
    pass p = {.o = o, .kernels = hd_kernels_get()->optim, .piece = step_piece};
    p.fn = kind->step(o->choice.options, p.kernels);
    p.args = (hd_optim_args){
        .rate = (float)rate, .scale = (float)scale, .clip = (float)clip, .c1 = 1, .c2 = 1};
    kind->prepare(o->choice.options, ++o->t, &p.args);
    hd_float_mode before = hd_float_flush();
    heed_err err = run(&p, pool);
    if (err == HEED_OK && kind->by_norm)
        err = hd_pool_run(o->total > ALONE ? pool : NULL, o->n, scaled_item, &p);
    hd_float_set(before);
    return err;
}

static void average_piece(pass *p, size_t i) {
    const hd_piece *piece = &p->o->pieces[i];
    p->kernels->average(piece->n, p->averages[piece->item] + piece->from,
                        p->o->at[piece->item].weight->data + piece->from, p->args.momentum);
}

heed_err hd_optimizer_average(hd_optimizer *o, hd_pool *pool, float *const *averages, double keep) {
    pass p = {.o = o,
              .kernels = hd_kernels_get()->optim,
              .piece = average_piece,
              .averages = averages,
              .args = {.momentum = (float)keep}};
    return run(&p, pool);
}
