// SPDX-License-Identifier: Apache-2.0
//
// Connectionist temporal classification (Graves et al. 2006): the negative logarithm of the
// probability that a sequence of classes, blanks and repeats struck out, is the target. Forward and
// backward sums over the target with blanks between are kept as logarithms in double; logits come
// in, their softmax is part of it.
//
// With z the target between blanks (2L + 1), α and β the sums up to and from a step:
//     ∂loss/∂x_tc = p_tc − Σ_{s: z_s = c} exp(α_ts + β_ts − log P)
// where α counts step t and β doesn't. A target that can't fit into its steps has no path: its loss
// is infinite, or 0 without gradient when `zero_infinity`.
#include <math.h>
#include <string.h>

#include "kernel/kernels.h"
#include "kernel/softmax.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { LOGITS, TARGETS, STEPS, LENGTHS, INPUTS };
enum { LOSS, LSE };
enum { GRAD_LSE = INPUTS, UPSTREAM, GRAD_INPUTS }; // more inputs of the gradient

typedef struct ctc_attrs {
    int32_t blank;
    bool zero_infinity;
} ctc_attrs;

// One sequence.
typedef struct sequence {
    const float *x; // (steps, classes)
    const float *lse;
    const int32_t *target;
    size_t steps, length, classes;
    int32_t blank;
} sequence;

static size_t clipped(const int32_t *lengths, size_t b, size_t most) {
    if (!lengths) return most;
    return lengths[b] <= 0 ? 0 : (size_t)lengths[b] < most ? (size_t)lengths[b] : most;
}

static sequence sequence_of(const hd_node *node, size_t b, const float *lse) {
    const hd_tensor *x = node->in[LOGITS], *targets = node->in[TARGETS];
    const size_t t = x->shape[1], c = x->shape[2], l = targets->shape[1];
    return (sequence){.x = hd_in_f32(node, LOGITS) + b * t * c,
                      .lse = lse + b * t,
                      .target = hd_in_i32(node, TARGETS) + b * l,
                      .steps = clipped(hd_in_i32(node, STEPS), b, t),
                      .length = clipped(hd_in_i32(node, LENGTHS), b, l),
                      .classes = c,
                      .blank = ((const ctc_attrs *)node->attrs)->blank};
}

static heed_err ctc_shape(hd_node *node) {
    const ctc_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[LOGITS], *targets = node->in[TARGETS];
    HD_TRY(hd_in_is(node, LOGITS, HD_F32, 3));
    HD_TRY(hd_in_is(node, TARGETS, HD_I32, 2));
    bool fits = targets->shape[0] == x->shape[0];
    for (int i = STEPS; i <= LENGTHS; i++) {
        if (!node->in[i]) continue;
        HD_TRY(hd_in_is(node, i, HD_I32, 1));
        fits = fits && node->in[i]->count == x->shape[0];
    }
    if (!fits) {
        return HD_FAIL(HEED_INPUT,
                       "logits of the shape %s need as many targets and lengths; targets have %s",
                       "形状为 %s 的 logits 需要同样多的目标与长度；目标的形状为 %s",
                       hd_tensor_shape(x).text, hd_tensor_shape(targets).text);
    }
    if (attrs->blank < 0 || (size_t)attrs->blank >= x->shape[2]) {
        return HD_FAIL(HEED_INPUT, "the blank %d isn't one of the %zu classes",
                       "空白类 %d 不在 %zu 个类别之内", attrs->blank, x->shape[2]);
    }
    HD_TRY(hd_out_set(node, LOSS, HD_F32, 1, x->shape));
    return hd_out_set(node, LSE, HD_F32, 2, x->shape);
}

static heed_err targets_check(const hd_node *node) {
    const hd_tensor *x = node->in[LOGITS];
    for (size_t b = 0; b < x->shape[0]; b++) {
        const sequence s = sequence_of(node, b, hd_out_f32(node, LSE));
        for (size_t i = 0; i < s.length; i++) {
            if (s.target[i] >= 0 && (size_t)s.target[i] < s.classes && s.target[i] != s.blank)
                continue;
            return HD_FAIL(HEED_INPUT,
                           "label %d of sequence %zu is the blank or none of the %zu classes",
                           "第 %2$zu 个序列的标签 %1$d 是空白类，或不在 %3$zu 个类别之内",
                           s.target[i], b, s.classes);
        }
    }
    return HEED_OK;
}

// ── The sums. `places` 2L + 1: blank, z_1, blank, …, blank ──

static int32_t label_at(const sequence *s, size_t place) {
    return place % 2 ? s->target[place / 2] : s->blank;
}

static double log_add(double a, double b) {
    if (a < b) {
        const double c = a;
        a = b;
        b = c;
    }
    return b == -INFINITY ? a : a + log1p(exp(b - a));
}

static double log_p(const sequence *s, size_t t, size_t place) {
    return (double)s->x[t * s->classes + (size_t)label_at(s, place)] - (double)s->lse[t];
}

// Whether a path may leap over the blank before the place.
static bool leaps(const sequence *s, size_t place) {
    return place >= 2 && place % 2 && label_at(s, place) != label_at(s, place - 2);
}

static void alpha_step(const sequence *s, size_t t, const double *before, double *now) {
    const size_t places = 2 * s->length + 1;
    for (size_t i = 0; i < places; i++) {
        double sum;
        if (t == 0) {
            sum = i < 2 ? 0 : -INFINITY;
        } else {
            sum = i > 0 ? log_add(before[i], before[i - 1]) : before[i];
            if (leaps(s, i)) sum = log_add(sum, before[i - 2]);
        }
        now[i] = sum + log_p(s, t, i);
    }
}

// β at step t from that of the step behind (NULL: t is the last).
static void beta_step(const sequence *s, size_t t, const double *behind, double *now) {
    const size_t places = 2 * s->length + 1;
    for (size_t i = 0; i < places; i++) {
        if (!behind) {
            now[i] = i + 2 >= places ? 0 : -INFINITY;
            continue;
        }
        double sum = behind[i] + log_p(s, t + 1, i);
        if (i + 1 < places) sum = log_add(sum, behind[i + 1] + log_p(s, t + 1, i + 1));
        if (i + 2 < places && leaps(s, i + 2))
            sum = log_add(sum, behind[i + 2] + log_p(s, t + 1, i + 2));
        now[i] = sum;
    }
}

// log P of the target; alpha: two rows of places (all: as many as steps).
static double total(const sequence *s, double *alpha, bool all) {
    const size_t places = 2 * s->length + 1;
    if (s->steps == 0) return s->length == 0 ? 0 : -INFINITY;
    for (size_t t = 0; t < s->steps; t++) {
        const size_t row = all ? t : t % 2, last = all ? t - 1 : (t + 1) % 2;
        alpha_step(s, t, alpha + (t > 0 ? last : 0) * places, alpha + row * places);
    }
    const double *end = alpha + (all ? s->steps - 1 : (s->steps - 1) % 2) * places;
    return places > 1 ? log_add(end[places - 1], end[places - 2]) : end[0];
}

// ── Forward ──

static size_t most_places(const hd_node *node) {
    return 2 * node->in[TARGETS]->shape[1] + 1;
}

static size_t ctc_workspace(const hd_node *node, size_t threads) {
    return threads * 2 * most_places(node) * sizeof(double);
}

typedef struct job {
    const hd_node *node;
    double *ws;
} job;

static heed_err ctc_chunk(void *ctx, size_t b) {
    const job *j = ctx;
    const hd_tensor *x = j->node->in[LOGITS];
    const size_t t = x->shape[1], c = x->shape[2];
    float *lse = hd_out_f32(j->node, LSE);
    for (size_t i = b * t; i < (b + 1) * t; i++)
        lse[i] = hd_kernels_get()->softmax->log_sum_exp(c, hd_in_f32(j->node, LOGITS) + i * c);
    const sequence s = sequence_of(j->node, b, lse);
    const double loss = -total(&s, j->ws + hd_pool_slot() * 2 * most_places(j->node), false);
    const ctc_attrs *attrs = j->node->attrs;
    hd_out_f32(j->node, LOSS)[b] = attrs->zero_infinity && loss == INFINITY ? 0 : (float)loss;
    return HEED_OK;
}

static heed_err ctc_forward(const hd_node *node, const hd_run *run) {
    HD_TRY(targets_check(node));
    job j = {node, run->workspace};
    return hd_pool_run(run->pool, node->in[LOGITS]->shape[0], ctc_chunk, &j);
}

// The plain definition: the sum over all paths of classes, by recursion over steps and places.
static double paths(const sequence *s, const double *log_prob, size_t t, size_t place) {
    const size_t places = 2 * s->length + 1;
    if (t == s->steps) return place + 2 >= places ? 1 : 0;
    double sum = 0;
    for (size_t i = place; i < places && i <= place + 2; i++) {
        if (i == place + 2 && !leaps(s, i)) continue;
        sum +=
            exp(log_prob[t * s->classes + (size_t)label_at(s, i)]) * paths(s, log_prob, t + 1, i);
    }
    return sum;
}

static void ctc_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_tensor *x = node->in[LOGITS];
    const size_t t = x->shape[1], c = x->shape[2];
    for (size_t b = 0; b < x->shape[0]; b++) {
        const sequence s = sequence_of(node, b, hd_out_f32(node, LSE));
        double log_prob[256];
        for (size_t i = 0; i < t; i++) {
            const double *row = in[LOGITS] + (b * t + i) * c;
            double sum = 0;
            for (size_t j = 0; j < c; j++) sum += exp(row[j]);
            out[LSE][b * t + i] = log(sum);
            for (size_t j = 0; j < c; j++) log_prob[i * c + j] = row[j] - log(sum);
        }
        double p = s.length == 0; // (the first step: a blank or the first label)
        if (s.steps > 0) {
            p = exp(log_prob[s.blank]) * paths(&s, log_prob, 1, 0);
            if (s.length > 0) p += exp(log_prob[s.target[0]]) * paths(&s, log_prob, 1, 1);
        }
        const bool none = p == 0 && ((const ctc_attrs *)node->attrs)->zero_infinity;
        out[LOSS][b] = none ? 0 : -log(p);
    }
}

// ── Gradient ──

static heed_err grad_shape(hd_node *node) {
    return hd_out_like(node, 0, node->in[LOGITS]);
}

static size_t grad_floats(const hd_node *node) { // doubles of a thread: α of all steps, β of two
    return (node->in[LOGITS]->shape[1] + 2) * most_places(node);
}

static size_t grad_workspace(const hd_node *node, size_t threads) {
    return threads * grad_floats(node) * sizeof(double);
}

static void grad_sequence(const sequence *s, float upstream, double *alpha, double *beta,
                          float *out) {
    const hd_softmax_kernels *softmax = hd_kernels_get()->softmax;
    const size_t places = 2 * s->length + 1, c = s->classes;
    const double p = total(s, alpha, true);
    if (p == -INFINITY) {
        memset(out, 0, s->steps * c * sizeof *out);
        return;
    }
    for (size_t t = s->steps; t-- > 0;) {
        double *now = beta + t % 2 * places;
        beta_step(s, t, t + 1 < s->steps ? beta + (t + 1) % 2 * places : NULL, now);
        float *row = out + t * c;
        softmax->cross_entropy_grad(c, s->x + t * c, s->lse[t], upstream, 0, NULL, row);
        for (size_t i = 0; i < places; i++)
            row[label_at(s, i)] -= upstream * (float)exp(alpha[t * places + i] + now[i] - p);
    }
}

static heed_err grad_chunk(void *ctx, size_t b) {
    const job *j = ctx;
    const hd_tensor *x = j->node->in[LOGITS];
    const size_t t = x->shape[1], c = x->shape[2];
    const sequence s = sequence_of(j->node, b, hd_in_f32(j->node, GRAD_LSE));
    double *alpha = j->ws + hd_pool_slot() * grad_floats(j->node);
    float *out = hd_out_f32(j->node, 0) + b * t * c;
    memset(out + s.steps * c, 0, (t - s.steps) * c * sizeof *out);
    grad_sequence(&s, hd_in_f32(j->node, UPSTREAM)[b], alpha, alpha + t * most_places(j->node),
                  out);
    return HEED_OK;
}

static heed_err grad_forward(const hd_node *node, const hd_run *run) {
    job j = {node, run->workspace};
    return hd_pool_run(run->pool, node->in[LOGITS]->shape[0], grad_chunk, &j);
}

static const hd_operator operator_ctc_grad = {
    .name = "ctc_grad",
    .n_in = GRAD_INPUTS,
    .n_out = 1,
    .attrs_size = sizeof(ctc_attrs),
    .optional = 1U << STEPS | 1U << LENGTHS,
    .shape = grad_shape,
    .forward = grad_forward,
    .workspace = grad_workspace,
};

static heed_err ctc_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *const in[GRAD_INPUTS] = {node->in[LOGITS],  node->in[TARGETS], node->in[STEPS],
                                        node->in[LENGTHS], node->out[LSE],    grad_out[LOSS]};
    grad_in[LOGITS] =
        hd_operator_apply(in[0]->graph, &operator_ctc_grad, GRAD_INPUTS, in, node->attrs);
    return HEED_OK;
}

static void ctc_samples(hd_samples *samples) {
    const hd_sample_in x = {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {4, 7, 4}};
    const hd_sample_in targets = {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {4, 3}, .high = 3};
    const hd_sample_in steps = {
        .kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {4}, .low = 5, .high = 8};
    const hd_sample_in lengths = {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {4}, .high = 4};
    const hd_sample_in none = {0};
    const ctc_attrs attrs = {.blank = 3};
    hd_sample_add(samples, INPUTS, (hd_sample_in[]){x, targets, none, none}, &attrs, 0);
    hd_sample_add(samples, INPUTS, (hd_sample_in[]){x, targets, steps, lengths}, &attrs, 0);
    const hd_sample_in short_x = {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {4, 2, 4}};
    hd_sample_add(samples, INPUTS, (hd_sample_in[]){short_x, targets, none, lengths},
                  &(ctc_attrs){3, true}, 0);
    const hd_sample_in one_x = {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {1, 1, 2}};
    const hd_sample_in one = {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {1, 1}, .high = 1};
    hd_sample_add(samples, INPUTS, (hd_sample_in[]){one_x, one, none, none}, &(ctc_attrs){1, true},
                  0);
}

const hd_operator hd_operator_ctc = {
    .name = "ctc",
    .n_in = INPUTS,
    .n_out = 2,
    .attrs_size = sizeof(ctc_attrs),
    .optional = 1U << STEPS | 1U << LENGTHS,
    .shape = ctc_shape,
    .forward = ctc_forward,
    .reference = ctc_reference,
    .backward = ctc_backward,
    .workspace = ctc_workspace,
    .no_grad = 1U << LSE,
    .samples = ctc_samples,
};

hd_tensor *hd_tensor_ctc(hd_tensor *logits, hd_tensor *targets, const hd_ctc_opts *opts) {
    hd_tensor *const in[INPUTS] = {logits, targets, opts->steps, opts->lengths};
    return hd_operator_apply(hd_graph_of(logits), &hd_operator_ctc, INPUTS, in,
                             &(ctc_attrs){opts->blank, opts->zero_infinity});
}
