// SPDX-License-Identifier: Apache-2.0
//
// Shapes: reshape is another name for the same memory, and so is a slice that is one run of it; the
// others copy. A copy is a set of runs: rows of `width` bytes at strides.
#include <string.h>

#include "tensor/ops.h"
#include "tensor/own.h"

enum { COPY_CHUNK = 65536, TILE = 16 };

typedef struct shape_attrs {
    int n_dims;
    size_t shape[HD_MAX_DIMS];
    size_t after[HD_MAX_DIMS]; // pad
} shape_attrs;

typedef struct cut_attrs {
    int dim;
    size_t from, length;
} cut_attrs;

static size_t product(const hd_tensor *t, int from, int end) {
    size_t n = 1;
    for (int i = from; i < end; i++) n *= t->shape[i];
    return n;
}

#define DIFF(...) \
    { .kind = HD_SAMPLE_DIFF, __VA_ARGS__ }

// ── Runs of bytes ──

typedef struct rows_copy {
    const unsigned char *from;
    unsigned char *to;
    size_t rows, width, from_step, to_step, per_chunk;
} rows_copy;

static heed_err copy_chunk(void *ctx, size_t chunk) {
    const rows_copy *c = ctx;
    size_t end = (chunk + 1) * c->per_chunk;
    if (end > c->rows) end = c->rows;
    for (size_t i = chunk * c->per_chunk; i < end; i++)
        memcpy(c->to + i * c->to_step, c->from + i * c->from_step, c->width);
    return HEED_OK;
}

static heed_err copy_rows(hd_pool *pool, rows_copy c) {
    if (c.rows * c.width == 0) return HEED_OK;
    c.per_chunk = COPY_CHUNK / c.width + 1;
    return hd_pool_run(pool, (c.rows + c.per_chunk - 1) / c.per_chunk, copy_chunk, &c);
}

// ── reshape ──

static heed_err reshape_shape(hd_node *node) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    HD_TRY(hd_out_set(node, 0, x->dtype, attrs->n_dims, attrs->shape));
    if (node->out[0]->count == x->count) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "%zu values of the shape %s don't make %zu of the shape %s",
                   "%zu 个值（形状 %s）无法变成 %zu 个值（形状 %s）", x->count,
                   hd_tensor_shape(x).text, node->out[0]->count,
                   hd_tensor_shape(node->out[0]).text);
}

static void copy_reference(const hd_node *node, const double *const *in, double *const *out) {
    for (size_t i = 0; i < node->out[0]->count; i++) out[0][i] = in[0][i];
}

static heed_err reshape_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    grad_in[0] = hd_tensor_reshape(grad_out[0], node->in[0]->n_dims, node->in[0]->shape);
    return HEED_OK;
}

static void reshape_samples(hd_samples *samples) {
    const hd_sample_in in[] = {DIFF(.n_dims = 3, .shape = {2, 3, 5}),
                               DIFF(.n_dims = 2, .shape = {0, 7})};
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){2, {6, 5}, {0}}, 0);
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){1, {30}, {0}}, 0);
    hd_sample_add(samples, 1, &in[1], &(shape_attrs){3, {7, 2, 0}, {0}}, 0);
}

const hd_operator hd_operator_reshape = {
    .name = "reshape",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(shape_attrs),
    .shape = reshape_shape,
    .reference = copy_reference,
    .backward = reshape_backward,
    .alias = true,
    .samples = reshape_samples,
};

static shape_attrs attrs_of(int n_dims, const size_t *shape) {
    shape_attrs attrs = {.n_dims = n_dims};
    for (int i = 0; i < n_dims && i < HD_MAX_DIMS; i++) attrs.shape[i] = shape[i];
    return attrs;
}

hd_tensor *hd_tensor_reshape(hd_tensor *x, int n_dims, const size_t *shape) {
    shape_attrs attrs = attrs_of(n_dims, shape);
    return hd_operator_apply(hd_graph_of(x), &hd_operator_reshape, 1, &x, &attrs);
}

hd_tensor *hd_tensor_flatten(hd_tensor *x, int from) {
    if (!x || x->graph->failed || from >= x->n_dims) return x;
    size_t shape[HD_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[from] = product(x, from, x->n_dims);
    return hd_tensor_reshape(x, from + 1, shape);
}

// ── broadcast: elementwise, so that it fuses into its readers ──

static heed_err broadcast_shape(hd_node *node) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    HD_TRY(hd_in_is(node, 0, HD_F32, -1));
    HD_TRY(hd_out_set(node, 0, x->dtype, attrs->n_dims, attrs->shape));
    int lead = attrs->n_dims - x->n_dims;
    bool fits = lead >= 0;
    for (int i = 0; fits && i < x->n_dims; i++)
        fits = x->shape[i] == 1 || x->shape[i] == attrs->shape[lead + i];
    if (fits) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "the shape %s can't be stretched to %s", "形状 %s 无法扩展为 %s",
                   hd_tensor_shape(x).text, hd_tensor_shape(node->out[0]).text);
}

static hd_vec_arg broadcast_arg(const hd_node *node, const hd_run *run) {
    (void)node;
    (void)run;
    return (hd_vec_arg){.p = 1};
}

static void broadcast_reference(const hd_node *node, const double *const *in, double *const *out) {
    hd_vec_in vec;
    hd_vec_in_of(node->in[0], node->out[0], &vec);
    for (size_t at = 0; at < node->out[0]->count; at++) {
        size_t from = 0, left = at;
        for (int d = vec.n_dims; d-- > 0; left /= vec.shape[d])
            from += left % vec.shape[d] * vec.stride[d];
        out[0][at] = in[0][from];
    }
}

static heed_err broadcast_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    grad_in[0] = hd_grad_reduce(grad_out[0], node->in[0]);
    return HEED_OK;
}

static void broadcast_samples(hd_samples *samples) {
    const hd_sample_in in[] = {DIFF(.n_dims = 2, .shape = {3, 1}), DIFF(.n_dims = 1, .shape = {5}),
                               DIFF(.n_dims = 0)};
    for (int i = 0; i < 3; i++)
        hd_sample_add(samples, 1, &in[i], &(shape_attrs){3, {2, 3, 5}, {0}}, 0);
}

const hd_operator hd_operator_broadcast = {
    .name = "broadcast",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(shape_attrs),
    .shape = broadcast_shape,
    .forward = hd_elementwise_forward,
    .reference = broadcast_reference,
    .backward = broadcast_backward,
    .cheap = true,
    .vec = HD_VEC_SCALE,
    .vec_arg = broadcast_arg,
    .samples = broadcast_samples,
};

hd_tensor *hd_tensor_broadcast(hd_tensor *x, int n_dims, const size_t *shape) {
    if (!x || x->graph->failed) return x;
    shape_attrs attrs = attrs_of(n_dims, shape);
    if (x->n_dims == n_dims && memcmp(x->shape, attrs.shape, (size_t)n_dims * sizeof *shape) == 0)
        return x;
    return hd_operator_apply(x->graph, &hd_operator_broadcast, 1, &x, &attrs);
}

// ── permute ──

static heed_err permute_shape(hd_node *node) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    size_t shape[HD_MAX_DIMS];
    unsigned seen = 0;
    for (int i = 0; i < x->n_dims; i++) {
        if (attrs->shape[i] >= (size_t)x->n_dims || (seen >> attrs->shape[i] & 1)) {
            return HD_FAIL(HEED_INPUT, "the order names no permutation of the dimensions of %s",
                           "该顺序不是 %s 各维的排列", hd_tensor_shape(x).text);
        }
        seen |= 1U << attrs->shape[i];
        shape[i] = x->shape[attrs->shape[i]];
    }
    return hd_out_set(node, 0, x->dtype, x->n_dims, shape);
}

// Dimensions of the output, the input's stride beside each; neighbours that stay neighbours are
// one.
typedef struct permutation {
    int n;
    size_t shape[HD_MAX_DIMS], in[HD_MAX_DIMS], out[HD_MAX_DIMS];
    int run; // the dimension along which the input is one run
    const float *x;
    float *y;
    size_t outer, strips; // combinations of the other dimensions; strips of `run`
    size_t per_chunk;
} permutation;

static void permutation_of(const hd_node *node, permutation *p) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0], *y = node->out[0];
    size_t stride[HD_MAX_DIMS], step = 1;
    for (int i = x->n_dims; i-- > 0; step *= x->shape[i]) stride[i] = step;
    *p = (permutation){.x = x->data, .y = y->data};
    for (int i = 0; i < y->n_dims; i++) {
        size_t in = stride[attrs->shape[i]];
        if (y->shape[i] == 1) continue;
        if (p->n > 0 && p->in[p->n - 1] == in * y->shape[i]) {
            p->shape[p->n - 1] *= y->shape[i];
            p->in[p->n - 1] = in;
        } else {
            p->shape[p->n] = y->shape[i];
            p->in[p->n++] = in;
        }
    }
    if (p->n == 0) p->shape[0] = p->in[0] = 1, p->n = 1;
    step = 1;
    for (int i = p->n; i-- > 0; step *= p->shape[i]) {
        p->out[i] = step;
        if (p->in[i] == 1) p->run = i;
    }
}

// One strip: TILE of the input's run (or all of it, when it is the output's too) for one place in
// the other dimensions.
static void permute_strip(const permutation *p, size_t outer, size_t strip) {
    const int last = p->n - 1;
    const float *x = p->x;
    float *y = p->y;
    for (int i = last; i-- > 0;) {
        if (i == p->run) continue;
        size_t at = outer % p->shape[i];
        outer /= p->shape[i];
        x += at * p->in[i];
        y += at * p->out[i];
    }
    if (p->run == last) {
        memcpy(y, x, p->shape[last] * sizeof *x);
        return;
    }
    size_t first = strip * TILE, end = first + TILE, n = p->shape[last];
    if (end > p->shape[p->run]) end = p->shape[p->run];
    for (size_t j0 = 0; j0 < n; j0 += TILE) {
        size_t j1 = j0 + TILE < n ? j0 + TILE : n;
        for (size_t i = first; i < end; i++)
            for (size_t j = j0; j < j1; j++) y[i * p->out[p->run] + j] = x[i + j * p->in[last]];
    }
}

static heed_err permute_chunk(void *ctx, size_t chunk) {
    const permutation *p = ctx;
    size_t end = (chunk + 1) * p->per_chunk;
    if (end > p->outer * p->strips) end = p->outer * p->strips;
    for (size_t i = chunk * p->per_chunk; i < end; i++)
        permute_strip(p, i / p->strips, i % p->strips);
    return HEED_OK;
}

static heed_err permute_forward(const hd_node *node, const hd_run *run) {
    permutation p;
    const size_t count = node->out[0]->count;
    if (count == 0) return HEED_OK;
    permutation_of(node, &p);
    size_t last = p.shape[p.n - 1], along = p.run == p.n - 1 ? 1 : p.shape[p.run];
    p.strips = (along + TILE - 1) / TILE;
    p.outer = count / last / along;
    p.per_chunk = COPY_CHUNK / 4 / (last * (along < TILE ? along : TILE)) + 1;
    size_t chunks = (p.outer * p.strips + p.per_chunk - 1) / p.per_chunk;
    return hd_pool_run(run->pool, chunks, permute_chunk, &p);
}

static void permute_reference(const hd_node *node, const double *const *in, double *const *out) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0], *y = node->out[0];
    size_t stride[HD_MAX_DIMS], step = 1;
    for (int i = x->n_dims; i-- > 0; step *= x->shape[i]) stride[i] = step;
    for (size_t at = 0; at < y->count; at++) {
        size_t from = 0, left = at;
        for (int d = y->n_dims; d-- > 0; left /= y->shape[d])
            from += left % y->shape[d] * stride[attrs->shape[d]];
        out[0][at] = in[0][from];
    }
}

static heed_err permute_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const shape_attrs *attrs = node->attrs;
    int back[HD_MAX_DIMS];
    for (int i = 0; i < node->in[0]->n_dims; i++) back[attrs->shape[i]] = i;
    grad_in[0] = hd_tensor_permute(grad_out[0], back);
    return HEED_OK;
}

static void permute_samples(hd_samples *samples) {
    const hd_sample_in in[] = {DIFF(.n_dims = 4, .shape = {2, 3, 5, 7}),
                               DIFF(.n_dims = 2, .shape = {19, 37}),
                               DIFF(.n_dims = 3, .shape = {3, 0, 2}), DIFF(.n_dims = 0)};
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){4, {0, 2, 3, 1}, {0}}, 0);
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){4, {0, 2, 1, 3}, {0}}, 0);
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){4, {3, 2, 1, 0}, {0}}, 0);
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){4, {2, 3, 0, 1}, {0}}, 0);
    hd_sample_add(samples, 1, &in[1], &(shape_attrs){2, {1, 0}, {0}}, 0);
    hd_sample_add(samples, 1, &in[2], &(shape_attrs){3, {2, 0, 1}, {0}}, 0);
    hd_sample_add(samples, 1, &in[3], &(shape_attrs){0}, 0);
}

const hd_operator hd_operator_permute = {
    .name = "permute",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(shape_attrs), // shape: the order
    .shape = permute_shape,
    .forward = permute_forward,
    .reference = permute_reference,
    .backward = permute_backward,
    .samples = permute_samples,
};

hd_tensor *hd_tensor_permute(hd_tensor *x, const int *order) {
    if (!x || x->graph->failed) return x;
    shape_attrs attrs = {.n_dims = x->n_dims};
    for (int i = 0; i < x->n_dims; i++) attrs.shape[i] = (size_t)order[i];
    return hd_operator_apply(x->graph, &hd_operator_permute, 1, &x, &attrs);
}

// ── slice ──

static heed_err slice_shape(hd_node *node) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    int dim = attrs->dim;
    if (dim < 0 || dim >= x->n_dims || attrs->from > x->shape[dim] ||
        attrs->length > x->shape[dim] - attrs->from) {
        return HD_FAIL(HEED_INPUT, "%zu from %zu on don't lie in dimension %d of the shape %s",
                       "从 %2$zu 起的 %1$zu 个不在形状 %4$s 的第 %3$d 维之内", attrs->length,
                       attrs->from, dim, hd_tensor_shape(x).text);
    }
    size_t shape[HD_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[dim] = attrs->length;
    return hd_out_set(node, 0, x->dtype, x->n_dims, shape);
}

static heed_err slice_forward(const hd_node *node, const hd_run *run) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    size_t inner = product(x, attrs->dim + 1, x->n_dims) * hd_dtype_size(x->dtype);
    rows_copy c = {.rows = product(x, 0, attrs->dim), .width = attrs->length * inner};
    c.from_step = x->shape[attrs->dim] * inner;
    c.to_step = c.width;
    c.from = (const unsigned char *)x->data + attrs->from * inner;
    c.to = node->out[0]->data;
    return copy_rows(run->pool, c);
}

static void slice_reference(const hd_node *node, const double *const *in, double *const *out) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    size_t inner = product(x, attrs->dim + 1, x->n_dims), width = attrs->length * inner;
    for (size_t at = 0; at < node->out[0]->count; at++)
        out[0][at] =
            in[0][at / width * x->shape[attrs->dim] * inner + attrs->from * inner + at % width];
}

static heed_err slice_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    size_t before[HD_MAX_DIMS] = {0}, after[HD_MAX_DIMS] = {0};
    before[attrs->dim] = attrs->from;
    after[attrs->dim] = x->shape[attrs->dim] - attrs->from - attrs->length;
    grad_in[0] = hd_tensor_pad(grad_out[0], before, after);
    return HEED_OK;
}

static void slice_samples(hd_samples *samples) {
    const hd_sample_in in = DIFF(.n_dims = 3, .shape = {3, 5, 7});
    hd_sample_add(samples, 1, &in, &(cut_attrs){0, 1, 2}, 0);
    hd_sample_add(samples, 1, &in, &(cut_attrs){1, 0, 3}, 0);
    hd_sample_add(samples, 1, &in, &(cut_attrs){2, 2, 5}, 0);
    hd_sample_add(samples, 1, &in, &(cut_attrs){2, 7, 0}, 0);
}

const hd_operator hd_operator_slice = {
    .name = "slice",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(cut_attrs),
    .shape = slice_shape,
    .forward = slice_forward,
    .reference = slice_reference,
    .backward = slice_backward,
    .samples = slice_samples,
};

// The outermost dimension's slice: one run, so no copy.
static heed_err part_shape(hd_node *node) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    HD_TRY(slice_shape(node));
    hd_out_alias(node,
                 attrs->from * product(x, attrs->dim + 1, x->n_dims) * hd_dtype_size(x->dtype));
    return HEED_OK;
}

static void part_samples(hd_samples *samples) {
    const hd_sample_in in = DIFF(.n_dims = 3, .shape = {1, 5, 7});
    hd_sample_add(samples, 1, &in, &(cut_attrs){0, 0, 1}, 0);
    hd_sample_add(samples, 1, &in, &(cut_attrs){1, 2, 3}, 0);
}

const hd_operator hd_operator_part = {
    .name = "part",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(cut_attrs),
    .shape = part_shape,
    .reference = slice_reference,
    .backward = slice_backward,
    .alias = true,
    .samples = part_samples,
};

hd_tensor *hd_tensor_slice(hd_tensor *x, int dim, size_t from, size_t length) {
    if (!x || x->graph->failed) return x;
    if (dim < 0) dim += x->n_dims;
    bool one_run = dim >= 0 && dim < x->n_dims && product(x, 0, dim) == 1;
    return hd_operator_apply(x->graph, one_run ? &hd_operator_part : &hd_operator_slice, 1, &x,
                             &(cut_attrs){dim, from, length});
}

// ── concat ──

static heed_err concat_shape(hd_node *node) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *first = node->in[0];
    size_t shape[HD_MAX_DIMS];
    memcpy(shape, first->shape, sizeof shape);
    bool fits = attrs->dim >= 0 && attrs->dim < first->n_dims;
    const hd_tensor *t = first;
    for (int i = 1; fits && i < node->n_in; i++) {
        t = node->in[i];
        fits = t->n_dims == first->n_dims && t->dtype == first->dtype;
        for (int d = 0; fits && d < t->n_dims; d++)
            fits = d == attrs->dim || t->shape[d] == first->shape[d];
        if (fits) shape[attrs->dim] += t->shape[attrs->dim];
    }
    if (fits) return hd_out_set(node, 0, first->dtype, first->n_dims, shape);
    return HD_FAIL(HEED_INPUT, "the shapes %s and %s can't be joined along dimension %d",
                   "形状 %s 与 %s 无法沿第 %d 维拼接", hd_tensor_shape(first).text,
                   hd_tensor_shape(t).text, attrs->dim);
}

static heed_err concat_forward(const hd_node *node, const hd_run *run) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *y = node->out[0];
    size_t inner = product(y, attrs->dim + 1, y->n_dims) * hd_dtype_size(y->dtype), at = 0;
    for (int i = 0; i < node->n_in; i++) {
        size_t width = node->in[i]->shape[attrs->dim] * inner;
        HD_TRY(copy_rows(run->pool, (rows_copy){.from = node->in[i]->data,
                                                .to = (unsigned char *)y->data + at,
                                                .rows = product(y, 0, attrs->dim),
                                                .width = width,
                                                .from_step = width,
                                                .to_step = y->shape[attrs->dim] * inner}));
        at += width;
    }
    return HEED_OK;
}

static void concat_reference(const hd_node *node, const double *const *in, double *const *out) {
    const cut_attrs *attrs = node->attrs;
    const hd_tensor *y = node->out[0];
    size_t inner = product(y, attrs->dim + 1, y->n_dims), all = y->shape[attrs->dim] * inner;
    for (size_t at = 0; at < y->count; at++) {
        size_t row = at / all, left = at % all;
        int i = 0;
        while (left >= node->in[i]->shape[attrs->dim] * inner)
            left -= node->in[i++]->shape[attrs->dim] * inner;
        out[0][at] = in[i][row * node->in[i]->shape[attrs->dim] * inner + left];
    }
}

static heed_err concat_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const cut_attrs *attrs = node->attrs;
    size_t from = 0;
    for (int i = 0; i < node->n_in; i++) {
        size_t length = node->in[i]->shape[attrs->dim];
        if (node->in[i]->needs_grad)
            grad_in[i] = hd_tensor_slice(grad_out[0], attrs->dim, from, length);
        from += length;
    }
    return HEED_OK;
}

static void concat_samples(hd_samples *samples) {
    const hd_sample_in in[] = {DIFF(.n_dims = 3, .shape = {2, 3, 5}),
                               DIFF(.n_dims = 3, .shape = {2, 1, 5}),
                               DIFF(.n_dims = 3, .shape = {2, 0, 5})};
    hd_sample_add(samples, 3, in, &(cut_attrs){1, 0, 0}, 0);
    const hd_sample_in same[] = {in[0], in[0]};
    hd_sample_add(samples, 2, same, &(cut_attrs){0, 0, 0}, 0);
    hd_sample_add(samples, 2, same, &(cut_attrs){2, 0, 0}, 0);
}

const hd_operator hd_operator_concat = {
    .name = "concat",
    .n_out = 1,
    .attrs_size = sizeof(cut_attrs),
    .shape = concat_shape,
    .forward = concat_forward,
    .reference = concat_reference,
    .backward = concat_backward,
    .samples = concat_samples,
};

hd_tensor *hd_tensor_concat(int n, hd_tensor *const *x, int dim) {
    if (n < 1 || !x[0] || x[0]->graph->failed) return n < 1 ? NULL : x[0];
    if (dim < 0) dim += x[0]->n_dims;
    hd_tensor *some[HD_MAX_INPUTS];
    int taken = n < HD_MAX_INPUTS ? n : HD_MAX_INPUTS;
    memcpy(some, x, (size_t)taken * sizeof *some);
    hd_tensor *joined =
        hd_operator_apply(x[0]->graph, &hd_operator_concat, taken, some, &(cut_attrs){dim, 0, 0});
    while (taken < n) { // more than a node takes: in turns
        int more = n - taken < HD_MAX_INPUTS - 1 ? n - taken : HD_MAX_INPUTS - 1;
        some[0] = joined;
        memcpy(some + 1, x + taken, (size_t)more * sizeof *some);
        joined = hd_operator_apply(x[0]->graph, &hd_operator_concat, more + 1, some,
                                   &(cut_attrs){dim, 0, 0});
        taken += more;
    }
    return joined;
}

// ── pad ──

static heed_err pad_shape(hd_node *node) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    size_t shape[HD_MAX_DIMS];
    HD_TRY(hd_in_is(node, 0, HD_F32, -1));
    for (int i = 0; i < x->n_dims; i++) shape[i] = attrs->shape[i] + x->shape[i] + attrs->after[i];
    return hd_out_set(node, 0, x->dtype, x->n_dims, shape);
}

// Where row `row` of x (runs of its last dimension) begins in y.
static size_t padded_place(const hd_node *node, size_t row) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0], *y = node->out[0];
    size_t at = attrs->shape[x->n_dims - 1], step = y->shape[x->n_dims - 1];
    for (int d = x->n_dims - 1; d-- > 0; row /= x->shape[d], step *= y->shape[d])
        at += (row % x->shape[d] + attrs->shape[d]) * step;
    return at;
}

static heed_err pad_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    const hd_tensor *x = node->in[0], *y = node->out[0];
    if (y->count > 0) memset(y->data, 0, y->count * sizeof(float));
    size_t width = x->n_dims > 0 ? x->shape[x->n_dims - 1] : 1;
    const float *from = x->data;
    float *to = y->data;
    if (x->n_dims == 0) to[0] = from[0];
    for (size_t row = 0; x->n_dims > 0 && width > 0 && row < x->count / width; row++)
        memcpy(to + padded_place(node, row), from + row * width, width * sizeof *from);
    return HEED_OK;
}

static void pad_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_tensor *x = node->in[0];
    size_t width = x->n_dims > 0 ? x->shape[x->n_dims - 1] : 1;
    for (size_t i = 0; i < node->out[0]->count; i++) out[0][i] = 0;
    for (size_t i = 0; i < x->count; i++)
        out[0][x->n_dims > 0 ? padded_place(node, i / width) + i % width : 0] = in[0][i];
}

static heed_err pad_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const shape_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    hd_tensor *d = grad_out[0];
    for (int i = 0; i < x->n_dims; i++)
        if (attrs->shape[i] + attrs->after[i] > 0)
            d = hd_tensor_slice(d, i, attrs->shape[i], x->shape[i]);
    grad_in[0] = d;
    return HEED_OK;
}

static void pad_samples(hd_samples *samples) {
    const hd_sample_in in[] = {DIFF(.n_dims = 3, .shape = {2, 3, 5}),
                               DIFF(.n_dims = 2, .shape = {0, 3})};
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){3, {1, 0, 2}, {0, 3, 1}}, 0);
    hd_sample_add(samples, 1, &in[0], &(shape_attrs){3, {0}, {0}}, 0);
    hd_sample_add(samples, 1, &in[1], &(shape_attrs){2, {1, 1}, {1, 1}}, 0);
}

const hd_operator hd_operator_pad = {
    .name = "pad",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(shape_attrs), // shape: before
    .shape = pad_shape,
    .forward = pad_forward,
    .reference = pad_reference,
    .backward = pad_backward,
    .samples = pad_samples,
};

hd_tensor *hd_tensor_pad(hd_tensor *x, const size_t *before, const size_t *after) {
    if (!x || x->graph->failed) return x;
    shape_attrs attrs = attrs_of(x->n_dims, before);
    for (int i = 0; i < x->n_dims; i++) attrs.after[i] = after[i];
    return hd_operator_apply(x->graph, &hd_operator_pad, 1, &x, &attrs);
}
