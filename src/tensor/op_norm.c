// SPDX-License-Identifier: Apache-2.0
//
// Normalisation over kernel/norm.h. batch_norm and group_norm are one function: of each group of
// channels over the places of an image, or of each channel over all places of the batch; "+
// residual" and ReLU are done in the same pass, and undone in the same pass of the backward, which
// finds the sign of y again from x unless a residual was added. layer_norm and rms_norm go by rows.
//
// In training batch_norm moves the running statistics as PyTorch does: running += momentum·(batch −
// running), with the variance by n − 1; y itself is made with the variance by n.
#include <math.h>
#include <string.h>

#include "kernel/norm.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { X, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR, RESIDUAL };
enum { Y, MEAN, SCALE };
enum { BX, BDY, BGAMMA, BBETA, BY, BMEAN, BSCALE };  // inputs of the backward
enum { AMEAN = RUNNING_MEAN, ASCALE = RUNNING_VAR }; // inputs of y made again

typedef struct norm_attrs {
    size_t groups; // per image; 0: batch norm
    float eps, momentum;
    bool relu;
    bool known;    // running statistics rather than the batch's
    bool residual; // of the backward: dy passes on to one
} norm_attrs;

static hd_norm norm_of(const norm_attrs *a, const hd_tensor *x) {
    const size_t c = x->shape[x->n_dims - 1];
    hd_norm n = {.n = 1, .c = c, .groups = c, .eps = a->eps, .relu = a->relu};
    if (a->groups > 0) n.n = x->shape[0], n.groups = a->groups;
    n.rows = n.n * c > 0 ? x->count / (n.n * c) : 0;
    return n;
}

static heed_err vector_check(const hd_node *node, int i, size_t c) {
    if (!node->in[i]) return HEED_OK;
    HD_TRY(hd_in_is(node, i, HD_F32, 1));
    if (node->in[i]->count == c) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "one value per channel is needed: the input is %s, the weight %s",
                   "每个通道需要一个值：输入为 %s，权重为 %s", hd_tensor_shape(node->in[X]).text,
                   hd_tensor_shape(node->in[i]).text);
}

static heed_err norm_shape(hd_node *node) {
    const norm_attrs *a = node->attrs;
    const hd_tensor *x = node->in[X];
    HD_TRY(hd_in_is(node, X, HD_F32, -1));
    if (x->n_dims < 2)
        return HD_FAIL(HEED_INPUT, "rows of channels are needed, not the shape %s",
                       "需要由通道组成的行，而形状为 %s", hd_tensor_shape(x).text);
    const size_t c = x->shape[x->n_dims - 1];
    for (int i = GAMMA; i <= RUNNING_VAR; i++) HD_TRY(vector_check(node, i, c));
    if (a->groups > 0 && c % a->groups != 0)
        return HD_FAIL(HEED_INPUT, "%zu channels can't be cut into %zu groups",
                       "%zu 个通道无法分成 %zu 组", c, a->groups);
    if (node->in[RESIDUAL] && node->in[RESIDUAL]->count != x->count)
        return HD_FAIL(HEED_INPUT, "the residual has the shape %s, the result %s",
                       "残差的形状为 %s，结果为 %s", hd_tensor_shape(node->in[RESIDUAL]).text,
                       hd_tensor_shape(x).text);
    if (a->known && (!node->in[RUNNING_MEAN] || !node->in[RUNNING_VAR]))
        return HD_FAIL(HEED_INPUT, "running statistics are needed", "需要滑动统计量");
    const hd_norm n = norm_of(a, x);
    HD_TRY(hd_out_like(node, Y, x));
    HD_TRY(hd_out_set(node, MEAN, HD_F32, 1, (size_t[]){n.n * n.groups}));
    return hd_out_set(node, SCALE, HD_F32, 1, (size_t[]){n.n * n.groups});
}

static size_t norm_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    const hd_norm n = norm_of(node->attrs, node->in[X]);
    return hd_norm_workspace(&n);
}

// The variance comes back from scale = 1/√(var + eps).
static void running_move(const hd_node *node, const hd_norm *n) {
    const norm_attrs *a = node->attrs;
    if (!node->in[RUNNING_MEAN] || !node->in[RUNNING_VAR] || n->rows == 0) return;
    float *mean = node->in[RUNNING_MEAN]->data, *var = node->in[RUNNING_VAR]->data;
    const float *m = hd_out_f32(node, MEAN), *s = hd_out_f32(node, SCALE);
    const double by = n->rows > 1 ? (double)n->rows / (double)(n->rows - 1) : 1;
    for (size_t i = 0; i < n->c; i++) {
        const double v = 1 / ((double)s[i] * (double)s[i]) - (double)n->eps;
        mean[i] += a->momentum * (m[i] - mean[i]);
        var[i] += a->momentum * ((float)((v > 0 || isnan(v) ? v : 0) * by) - var[i]);
    }
}

// Values in and out, as they are kept.
static void *kept(const hd_tensor *t, hd_dtype *type) {
    *type = t ? t->dtype : HD_F32;
    return t ? t->data : NULL;
}

static heed_err norm_forward(const hd_node *node, const hd_run *run) {
    const norm_attrs *a = node->attrs;
    hd_norm n = norm_of(a, node->in[X]);
    const void *x = kept(node->in[X], &n.x_type);
    const void *residual = kept(node->in[RESIDUAL], &n.residual_type);
    void *y = kept(node->out[Y], &n.y_type);
    float *mean = hd_out_f32(node, MEAN), *scale = hd_out_f32(node, SCALE);
    if (a->known) {
        const float *m = hd_in_f32(node, RUNNING_MEAN), *v = hd_in_f32(node, RUNNING_VAR);
        for (size_t i = 0; i < n.c; i++) {
            mean[i] = m[i];
            scale[i] = (float)(1 / sqrt((double)v[i] + (double)n.eps));
        }
        return hd_norm_apply(run->pool, &n, x, hd_in_f32(node, GAMMA), hd_in_f32(node, BETA), mean,
                             scale, residual, y, run->workspace);
    }
    HD_TRY(hd_norm_forward(run->pool, &n, x, hd_in_f32(node, GAMMA), hd_in_f32(node, BETA),
                           residual, y, mean, scale, run->workspace));
    if (!node->again) running_move(node, &n);
    return HEED_OK;
}

// Channels [c0, c0 + width) of an image.
static void moments(const double *x, const hd_norm *n, size_t image, size_t c0, size_t width,
                    double *mean, double *var) {
    const double count = (double)(n->rows * width);
    *mean = *var = 0;
    for (int pass = 0; pass < 2 && count > 0; pass++) {
        double sum = 0;
        for (size_t i = 0; i < n->rows * width; i++) {
            double v = x[(image * n->rows + i / width) * n->c + c0 + i % width] - *mean;
            sum += pass == 0 ? v : v * v;
        }
        *(pass == 0 ? mean : var) = sum / count;
    }
}

static void norm_reference(const hd_node *node, const double *const *in, double *const *out) {
    const norm_attrs *a = node->attrs;
    const hd_norm n = norm_of(a, node->in[X]);
    const size_t width = n.c / n.groups;
    for (size_t g = 0; g < n.n * n.groups; g++) {
        double mean, var;
        moments(in[X], &n, g / n.groups, g % n.groups * width, width, &mean, &var);
        if (a->known) mean = in[RUNNING_MEAN][g], var = in[RUNNING_VAR][g];
        out[MEAN][g] = mean;
        out[SCALE][g] = 1 / sqrt(var + (double)n.eps);
    }
    for (size_t i = 0; i < node->in[X]->count; i++) {
        const size_t k = i % n.c, g = i / (n.rows * n.c) * n.groups + k / width;
        double y = (in[X][i] - out[MEAN][g]) * out[SCALE][g];
        y = y * (in[GAMMA] ? in[GAMMA][k] : 1) + (in[BETA] ? in[BETA][k] : 0);
        if (in[RESIDUAL]) y += in[RESIDUAL][i];
        out[Y][i] = a->relu && y < 0 ? 0 : y;
    }
}

extern const hd_operator hd_operator_norm_back, hd_operator_row_norm_back;

static heed_err norm_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    norm_attrs a = *(const norm_attrs *)node->attrs;
    hd_tensor *residual = node->in[RESIDUAL];
    if (!grad_out[Y]) return HEED_OK;
    a.residual = residual && residual->needs_grad;
    hd_tensor *y = a.relu && residual ? node->out[Y] : NULL;
    hd_tensor *in[] = {node->in[X], grad_out[Y],     node->in[GAMMA], node->in[BETA],
                       y,           node->out[MEAN], node->out[SCALE]};
    hd_tensor *dx = hd_operator_apply(node->in[X]->graph, &hd_operator_norm_back, 7, in, &a);
    grad_in[X] = dx;
    if (node->in[GAMMA]) grad_in[GAMMA] = hd_tensor_output(dx, 1);
    if (node->in[BETA]) grad_in[BETA] = hd_tensor_output(dx, 2);
    if (a.residual) grad_in[RESIDUAL] = hd_tensor_output(dx, 3);
    return HEED_OK;
}

static double norm_flops(const hd_node *node) {
    return 8 * (double)node->in[X]->count;
}

#define DIFF(...) \
    { .kind = HD_SAMPLE_DIFF, __VA_ARGS__ }

static void norm_samples(hd_samples *samples, size_t groups) {
    const size_t shapes[][4] = {{2, 3, 5, 6}, {3, 2, 2, 18}, {1, 7, 1, 2}, {4, 5, 1, 34}};
    for (int i = 0; i < 4; i++) {
        hd_sample_in in[] = {DIFF(.n_dims = 4),
                             DIFF(.n_dims = 1, .shape = {shapes[i][3]}),
                             DIFF(.n_dims = 1, .shape = {shapes[i][3]}),
                             {.kind = groups ? HD_SAMPLE_NONE : HD_SAMPLE_STATE,
                              .n_dims = 1,
                              .shape = {shapes[i][3]}},
                             {.kind = groups ? HD_SAMPLE_NONE : HD_SAMPLE_STATE,
                              .n_dims = 1,
                              .shape = {shapes[i][3]},
                              .low = 0.5,
                              .high = 2},
                             DIFF(.n_dims = 4)};
        memcpy(in[X].shape, shapes[i], sizeof shapes[i]);
        memcpy(in[RESIDUAL].shape, shapes[i], sizeof shapes[i]);
        if (i % 2 == 0) in[RESIDUAL].kind = HD_SAMPLE_NONE;
        if (i == 2) in[GAMMA].kind = HD_SAMPLE_NONE;
        norm_attrs a = {.groups = groups, .eps = 1e-3F, .momentum = 0.1F, .relu = i >= 2};
        hd_sample_add(samples, 6, in, &a, 2e-5);
        if (i != 3 || groups > 0) continue;
        a.known = true;
        hd_sample_add(samples, 6, in, &a, 2e-5);
    }
}

static void batch_norm_samples(hd_samples *samples) {
    norm_samples(samples, 0);
}
static void group_norm_samples(hd_samples *samples) {
    norm_samples(samples, 2);
}

static hd_node *norm_remake(hd_node *node);

#define NORM_OPERATOR(id, moves)                                                                \
    const hd_operator hd_operator_##id = {                                                      \
        .name = #id,                                                                            \
        .n_in = 6,                                                                              \
        .n_out = 3,                                                                             \
        .attrs_size = sizeof(norm_attrs),                                                       \
        .optional =                                                                             \
            1U << GAMMA | 1U << BETA | 1U << RUNNING_MEAN | 1U << RUNNING_VAR | 1U << RESIDUAL, \
        .shape = norm_shape,                                                                    \
        .forward = norm_forward,                                                                \
        .reference = norm_reference,                                                            \
        .backward = norm_backward,                                                              \
        .workspace = norm_workspace,                                                            \
        .flops = norm_flops,                                                                    \
        .no_grad = 1U << MEAN | 1U << SCALE,                                                    \
        .effect = moves,                                                                        \
        .in_place = 1U << X | 1U << RESIDUAL,                                                   \
        .reads_bf16 = 1U << X | 1U << RESIDUAL,                                                 \
        .writes_bf16 = 1U << Y,                                                                 \
        .remake = norm_remake,                                                                  \
        .samples = id##_samples,                                                                \
    }
NORM_OPERATOR(batch_norm, true);
NORM_OPERATOR(group_norm, false);

// ── norm_again: y once more, of what the backward keeps anyway: x, mean and scale ──

static heed_err again_shape(hd_node *node) {
    return hd_out_like(node, Y, node->in[X]);
}

static heed_err again_forward(const hd_node *node, const hd_run *run) {
    hd_norm n = norm_of(node->attrs, node->in[X]);
    const void *x = kept(node->in[X], &n.x_type);
    const void *residual = kept(node->in[RESIDUAL], &n.residual_type);
    void *y = kept(node->out[Y], &n.y_type);
    return hd_norm_apply(run->pool, &n, x, hd_in_f32(node, GAMMA), hd_in_f32(node, BETA),
                         hd_in_f32(node, AMEAN), hd_in_f32(node, ASCALE), residual, y,
                         run->workspace);
}

static void again_reference(const hd_node *node, const double *const *in, double *const *out) {
    const norm_attrs *a = node->attrs;
    const hd_norm n = norm_of(a, node->in[X]);
    for (size_t i = 0; i < node->in[X]->count; i++) {
        const size_t k = i % n.c, g = i / (n.rows * n.c) * n.groups + k / (n.c / n.groups);
        double y = (in[X][i] - in[AMEAN][g]) * in[ASCALE][g];
        y = y * (in[GAMMA] ? in[GAMMA][k] : 1) + (in[BETA] ? in[BETA][k] : 0);
        if (in[RESIDUAL]) y += in[RESIDUAL][i];
        out[Y][i] = a->relu && y < 0 ? 0 : y;
    }
}

static void again_samples(hd_samples *samples) {
    const hd_sample_in x = {.kind = HD_SAMPLE_FIXED, .n_dims = 3, .shape = {2, 5, 6}};
    hd_sample_in vector = {.kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {6}};
    hd_sample_in in[] = {x, vector, vector, vector, vector, x};
    hd_sample_add(samples, 6, in, &(norm_attrs){.groups = 3, .relu = true}, 2e-5);
    in[RESIDUAL].kind = in[GAMMA].kind = HD_SAMPLE_NONE;
    hd_sample_add(samples, 6, in, &(norm_attrs){.groups = 0}, 2e-5);
}

const hd_operator hd_operator_norm_again = {
    .name = "norm_again",
    .n_in = 6,
    .n_out = 1,
    .attrs_size = sizeof(norm_attrs),
    .optional = 1U << GAMMA | 1U << BETA | 1U << RESIDUAL,
    .shape = again_shape,
    .forward = again_forward,
    .reference = again_reference,
    .workspace = norm_workspace, // (flops: counted once, where y is made first)
    .in_place = 1U << X | 1U << RESIDUAL,
    .reads_bf16 = 1U << X | 1U << RESIDUAL,
    .writes_bf16 = 1U << Y,
    .samples = again_samples,
};

// Whether the residual stands when y is made again. One that is itself made again of another one
// doesn't: the first to be asked for would call up all of a net's, and all would live at once. So
// every second sum along a shortcut is kept.
static bool residual_stands(hd_tensor *t) {
    const hd_tensor *twin = t->plan->twin;
    if (!twin) return !hd_tensor_root(t)->node || hd_tensor_root(t)->plan->held;
    return twin->node->op == &hd_operator_norm_again && !twin->node->in[RESIDUAL];
}

static hd_node *norm_remake(hd_node *node) {
    hd_tensor *x = node->in[X], *residual = node->in[RESIDUAL], *y = node->out[Y];
    if (!hd_tensor_root(x)->plan->held || x->plan->twin) return NULL;
    if (!node->out[MEAN]->plan->held || !node->out[SCALE]->plan->held) return NULL;
    if (residual && !residual_stands(residual)) return NULL;
    hd_tensor *in[] = {x,
                       node->in[GAMMA],
                       node->in[BETA],
                       node->out[MEAN],
                       node->out[SCALE],
                       residual && residual->plan->twin ? residual->plan->twin : residual};
    hd_node *again = hd_node_new(y->graph, &hd_operator_norm_again, 6, in, node->attrs);
    if (!again || again_shape(again) != HEED_OK) return NULL;
    again->scope = node->scope;
    y->plan->twin = again->out[Y];
    return again;
}

// ── norm_back: dx, dgamma, dbeta, and what passes to the residual ──

static heed_err norm_back_shape(hd_node *node) {
    const norm_attrs *a = node->attrs;
    const hd_tensor *x = node->in[BX];
    const size_t c = x->shape[x->n_dims - 1];
    node->n_out = a->residual ? 4 : 3;
    HD_TRY(hd_out_like(node, 0, x));
    for (int i = 1; i < 3; i++) HD_TRY(hd_out_set(node, i, HD_F32, 1, &c));
    return a->residual ? hd_out_like(node, 3, x) : HEED_OK;
}

static heed_err norm_back_forward(const hd_node *node, const hd_run *run) {
    const norm_attrs *a = node->attrs;
    hd_norm n = norm_of(a, node->in[BX]);
    const void *x = kept(node->in[BX], &n.x_type), *y = kept(node->in[BY], &n.y_type);
    const void *dy = kept(node->in[BDY], &n.dy_type);
    const hd_norm_grads out = {kept(node->out[0], &n.dx_type), hd_out_f32(node, 1),
                               hd_out_f32(node, 2),
                               kept(node->n_out > 3 ? node->out[3] : NULL, &n.residual_type)};
    return hd_norm_backward(run->pool, &n, a->known, x, hd_in_f32(node, BGAMMA),
                            hd_in_f32(node, BBETA), y, hd_in_f32(node, BMEAN),
                            hd_in_f32(node, BSCALE), dy, out, run->workspace);
}

static void norm_back_reference(const hd_node *node, const double *const *in, double *const *out) {
    const norm_attrs *a = node->attrs;
    const hd_norm n = norm_of(a, node->in[BX]);
    const size_t width = n.c / n.groups, all = node->in[BX]->count;
    const double count = (double)(n.rows * width);
    memset(out[1], 0, n.c * sizeof(double));
    memset(out[2], 0, n.c * sizeof(double));
    for (size_t g = 0; g < n.n * n.groups; g++) {
        const double mean = in[BMEAN][g], scale = in[BSCALE][g];
        double m1 = 0, m2 = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < all; i++) {
                const size_t k = i % n.c;
                if (i / (n.rows * n.c) * n.groups + k / width != g) continue;
                const double gamma = in[BGAMMA] ? in[BGAMMA][k] : 1,
                             hat = (in[BX][i] - mean) * scale;
                const double y = in[BY] ? in[BY][i] : hat * gamma + (in[BBETA] ? in[BBETA][k] : 0);
                const double d = a->relu && y <= 0 ? 0 : in[BDY][i];
                if (pass == 0) {
                    out[1][k] += d * hat;
                    out[2][k] += d;
                    m1 += d * gamma, m2 += d * gamma * hat;
                    continue;
                }
                const double away = a->known ? 0 : (m1 + hat * m2) / count;
                out[0][i] = scale * (d * gamma - away);
                if (node->n_out > 3) out[3][i] = d;
            }
        }
    }
}

static void norm_back_samples(hd_samples *samples) {
    const hd_sample_in x = {.kind = HD_SAMPLE_FIXED, .n_dims = 3, .shape = {2, 5, 6}};
    const hd_sample_in vector = {.kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {6}};
    hd_sample_in scale = vector;
    scale.low = 0.5, scale.high = 2;
    hd_sample_in in[] = {x, x, vector, vector, x, vector, scale};
    hd_sample_add(samples, 7, in, &(norm_attrs){.groups = 3, .relu = true, .residual = true}, 2e-5);
    in[BY].kind = HD_SAMPLE_NONE;
    hd_sample_add(samples, 7, in, &(norm_attrs){.groups = 0}, 2e-5);
}

const hd_operator hd_operator_norm_back = {
    .name = "norm_back",
    .n_in = 7,
    .n_out = 4,
    .attrs_size = sizeof(norm_attrs),
    .optional = 1U << BGAMMA | 1U << BBETA | 1U << BY,
    .in_place = 1U << BX | 1U << BDY | 1U << BY,
    .takes = {[3] = 1U << BDY | 1U << BY},
    .reads_bf16 = 1U << BX | 1U << BDY | 1U << BY,
    .writes_bf16 = 1U << 0 | 1U << 3,
    .shape = norm_back_shape,
    .forward = norm_back_forward,
    .reference = norm_back_reference,
    .workspace = norm_workspace,
    .flops = norm_flops,
    .samples = norm_back_samples,
};

static hd_tensor *channel_norm(const hd_operator *op, hd_tensor *x, hd_tensor *gamma,
                               hd_tensor *beta, hd_tensor *mean, hd_tensor *var,
                               hd_tensor *residual, const norm_attrs *attrs) {
    hd_tensor *in[] = {x, gamma, beta, mean, var, residual};
    return hd_operator_apply(hd_graph_of(x), op, 6, in, attrs);
}

hd_tensor *hd_tensor_batch_norm(hd_tensor *x, hd_tensor *gamma, hd_tensor *beta,
                                hd_tensor *running_mean, hd_tensor *running_var, float eps,
                                float momentum, hd_tensor *residual, bool relu) {
    norm_attrs a = {.eps = eps, .momentum = momentum, .relu = relu};
    a.known = x && !hd_graph_of(x)->opts.training && running_mean && running_var;
    return channel_norm(&hd_operator_batch_norm, x, gamma, beta, running_mean, running_var,
                        residual, &a);
}

hd_tensor *hd_tensor_group_norm(hd_tensor *x, size_t groups, hd_tensor *gamma, hd_tensor *beta,
                                float eps) {
    const norm_attrs a = {.groups = groups > 0 ? groups : 1, .eps = eps};
    return channel_norm(&hd_operator_group_norm, x, gamma, beta, NULL, NULL, NULL, &a);
}

// ── layer_norm, rms_norm ──

enum { RX, RDY, RGAMMA, RMEAN, RSCALE };

typedef struct row_attrs {
    float eps;
    bool rms;
} row_attrs;

static hd_row_norm rows_of(const row_attrs *a, const hd_tensor *x) {
    const size_t d = x->shape[x->n_dims - 1];
    return (hd_row_norm){
        .rows = d > 0 ? x->count / d : 0, .d = d, .eps = a->eps, .rms = a->rms, .x_type = x->dtype};
}

static heed_err row_shape(hd_node *node) {
    const hd_tensor *x = node->in[X];
    HD_TRY(hd_in_is(node, X, HD_F32, -1));
    if (x->n_dims < 1)
        return HD_FAIL(HEED_INPUT, "rows are needed, not a single value", "需要行，而不是单个值");
    for (int i = GAMMA; i <= BETA; i++) HD_TRY(vector_check(node, i, x->shape[x->n_dims - 1]));
    const size_t rows = rows_of(node->attrs, x).rows;
    HD_TRY(hd_out_like(node, Y, x));
    HD_TRY(hd_out_set(node, MEAN, HD_F32, 1, &rows));
    return hd_out_set(node, SCALE, HD_F32, 1, &rows);
}

static heed_err row_forward(const hd_node *node, const hd_run *run) {
    hd_row_norm n = rows_of(node->attrs, node->in[X]);
    n.y_type = node->out[Y]->dtype;
    return hd_row_norm_forward(run->pool, &n, node->in[X]->data, hd_in_f32(node, GAMMA),
                               hd_in_f32(node, BETA), node->out[Y]->data, hd_out_f32(node, MEAN),
                               hd_out_f32(node, SCALE));
}

static void row_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_row_norm n = rows_of(node->attrs, node->in[X]);
    for (size_t r = 0; r < n.rows; r++) {
        const double *x = in[X] + r * n.d;
        double mean = 0, var = 0;
        for (size_t i = 0; i < n.d && !n.rms; i++) mean += x[i] / (double)n.d;
        for (size_t i = 0; i < n.d; i++) var += (x[i] - mean) * (x[i] - mean) / (double)n.d;
        out[MEAN][r] = mean;
        out[SCALE][r] = 1 / sqrt(var + (double)n.eps);
        for (size_t i = 0; i < n.d; i++) {
            double y = (x[i] - mean) * out[SCALE][r] * (in[GAMMA] ? in[GAMMA][i] : 1);
            out[Y][r * n.d + i] = y + (in[BETA] ? in[BETA][i] : 0);
        }
    }
}

static heed_err row_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    if (!grad_out[Y]) return HEED_OK;
    hd_tensor *in[] = {node->in[X], grad_out[Y], node->in[GAMMA], node->out[MEAN],
                       node->out[SCALE]};
    hd_tensor *dx =
        hd_operator_apply(node->in[X]->graph, &hd_operator_row_norm_back, 5, in, node->attrs);
    grad_in[X] = dx;
    if (node->in[GAMMA]) grad_in[GAMMA] = hd_tensor_output(dx, 1);
    if (node->in[BETA]) grad_in[BETA] = hd_tensor_output(dx, 2);
    return HEED_OK;
}

static void row_samples(hd_samples *samples, bool rms) {
    const size_t shapes[][2] = {{5, 7}, {3, 64}, {130, 33}, {1, 1}, {0, 5}};
    for (int i = 0; i < 5; i++) {
        hd_sample_in in[] = {DIFF(.n_dims = 2, .shape = {shapes[i][0], shapes[i][1]}),
                             DIFF(.n_dims = 1, .shape = {shapes[i][1]}),
                             DIFF(.n_dims = 1, .shape = {shapes[i][1]})};
        if (i == 0) in[GAMMA].kind = HD_SAMPLE_NONE;
        if (i <= 1) in[BETA].kind = HD_SAMPLE_NONE;
        hd_sample_add(samples, 3, in, &(row_attrs){1e-2F, rms}, 5e-6);
    }
}
static void layer_norm_samples(hd_samples *samples) {
    row_samples(samples, false);
}
static void rms_norm_samples(hd_samples *samples) {
    row_samples(samples, true);
}

#define ROW_OPERATOR(id)                      \
    const hd_operator hd_operator_##id = {    \
        .name = #id,                          \
        .n_in = 3,                            \
        .n_out = 3,                           \
        .attrs_size = sizeof(row_attrs),      \
        .optional = 1U << GAMMA | 1U << BETA, \
        .shape = row_shape,                   \
        .forward = row_forward,               \
        .reference = row_reference,           \
        .backward = row_backward,             \
        .flops = norm_flops,                  \
        .no_grad = 1U << MEAN | 1U << SCALE,  \
        .cheap = true,                        \
        .reads_bf16 = 1U << X,                \
        .writes_bf16 = 1U << Y,               \
        .samples = id##_samples,              \
    }
ROW_OPERATOR(layer_norm);
ROW_OPERATOR(rms_norm);

static heed_err row_back_shape(hd_node *node) {
    const hd_tensor *x = node->in[RX];
    HD_TRY(hd_out_like(node, 0, x));
    HD_TRY(hd_out_set(node, 1, HD_F32, 1, &x->shape[x->n_dims - 1]));
    return hd_out_set(node, 2, HD_F32, 1, &x->shape[x->n_dims - 1]);
}

static size_t row_back_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    const hd_row_norm n = rows_of(node->attrs, node->in[RX]);
    return hd_row_norm_workspace(&n);
}

static heed_err row_back_forward(const hd_node *node, const hd_run *run) {
    hd_row_norm n = rows_of(node->attrs, node->in[RX]);
    n.dy_type = node->in[RDY]->dtype;
    n.dx_type = node->out[0]->dtype;
    const hd_norm_grads out = {node->out[0]->data, hd_out_f32(node, 1), hd_out_f32(node, 2), NULL};
    return hd_row_norm_backward(run->pool, &n, node->in[RX]->data, hd_in_f32(node, RGAMMA),
                                hd_in_f32(node, RMEAN), hd_in_f32(node, RSCALE),
                                node->in[RDY]->data, out, run->workspace);
}

static void row_back_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_row_norm n = rows_of(node->attrs, node->in[RX]);
    memset(out[1], 0, n.d * sizeof(double));
    memset(out[2], 0, n.d * sizeof(double));
    for (size_t r = 0; r < n.rows; r++) {
        const double *x = in[RX] + r * n.d, *dy = in[RDY] + r * n.d;
        double m1 = 0, m2 = 0;
        for (size_t i = 0; i < n.d; i++) {
            const double hat = (x[i] - in[RMEAN][r]) * in[RSCALE][r];
            const double g = dy[i] * (in[RGAMMA] ? in[RGAMMA][i] : 1);
            m1 += g / (double)n.d, m2 += g * hat / (double)n.d;
            out[1][i] += dy[i] * hat;
            out[2][i] += dy[i];
        }
        for (size_t i = 0; i < n.d; i++) {
            const double hat = (x[i] - in[RMEAN][r]) * in[RSCALE][r];
            const double g = dy[i] * (in[RGAMMA] ? in[RGAMMA][i] : 1);
            out[0][r * n.d + i] = in[RSCALE][r] * (g - (n.rms ? 0 : m1) - hat * m2);
        }
    }
}

static void row_back_samples(hd_samples *samples) {
    hd_sample_in in[] = {{.kind = HD_SAMPLE_FIXED, .n_dims = 2, .shape = {9, 21}},
                         {.kind = HD_SAMPLE_FIXED, .n_dims = 2, .shape = {9, 21}},
                         {.kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {21}},
                         {.kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {9}},
                         {.kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {9}}};
    hd_sample_add(samples, 5, in, &(row_attrs){1e-5F, false}, 1e-5);
}

const hd_operator hd_operator_row_norm_back = {
    .name = "row_norm_back",
    .n_in = 5,
    .n_out = 3,
    .attrs_size = sizeof(row_attrs),
    .optional = 1U << RGAMMA,
    .shape = row_back_shape,
    .forward = row_back_forward,
    .reference = row_back_reference,
    .workspace = row_back_workspace,
    .flops = norm_flops,
    .reads_bf16 = 1U << RX | 1U << RDY,
    .writes_bf16 = 1,
    .samples = row_back_samples,
};

hd_tensor *hd_tensor_layer_norm(hd_tensor *x, hd_tensor *gamma, hd_tensor *beta, float eps) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_layer_norm, 3,
                             (hd_tensor *[]){x, gamma, beta}, &(row_attrs){eps, false});
}

hd_tensor *hd_tensor_rms_norm(hd_tensor *x, hd_tensor *gamma, float eps) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_rms_norm, 3,
                             (hd_tensor *[]){x, gamma, NULL}, &(row_attrs){eps, true});
}
