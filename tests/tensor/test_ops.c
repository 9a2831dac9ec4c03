// SPDX-License-Identifier: Apache-2.0
//
// Every operator of the list, by its samples, on every path of kernels the machine has: the result
// against the plain reference in double, the gradient against central differences of that
// reference, NaN where the reference has NaN, and the same bits for one, two and three threads.
// Those that know values kept as bf16: between such values, against the same of f32.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu.h"
#include "tensor/operator.h"
#include "tensor/ops.h"

enum { MAX_COUNT = 1 << 14, MOST_DIFFERENCES = 120, THREADS = 3 };

// One sample, built: the operator, a weighted sum of what it gives, and the gradient of that.
typedef struct built {
    const hd_sample *sample;
    hd_graph *graph;
    hd_node *node;
    hd_weight weights[HD_MAX_INPUTS];
    void *data[HD_MAX_INPUTS];    // of inputs
    double *in[HD_MAX_INPUTS];    // the same values, in double
    double *out[HD_MAX_OUTPUTS];  // the reference's
    float *share[HD_MAX_OUTPUTS]; // what each value of a result counts for in the loss
} built;

static const hd_operator *current; // for messages
static size_t current_sample;

#define HOLDS(condition, ...)                                                    \
    do {                                                                         \
        if (!(condition)) {                                                      \
            print_error("%s, sample %zu on %s: ", current->name, current_sample, \
                        hd_isa_name(hd_isa_get()));                              \
            print_error(__VA_ARGS__);                                            \
            print_error("\n");                                                   \
            fail();                                                              \
        }                                                                        \
    } while (0)

static void ok(heed_err err) {
    HOLDS(err == HEED_OK, "%s", heed_error_message(HEED_EN));
}

static size_t count_of(const hd_sample_in *in) {
    size_t n = 1;
    for (int i = 0; i < in->n_dims; i++) n *= in->shape[i];
    return n;
}

static bool narrow_values; // inputs hold what bf16 can

static double value_at(const hd_sample_in *in, int input, size_t i) {
    double low = in->low, high = in->high;
    if (low == 0 && high == 0) low = -1.5, high = 1.5;
    double u = (double)(hd_rng_at(11, (uint64_t)input, i) >> 11) * 0x1p-53;
    if (in->kind == HD_SAMPLE_INDEX) return floor(low + u * (high - low));
    const float value = (float)(low + u * (high - low));
    return (double)(narrow_values ? hd_f32_of_bf16(hd_bf16_of_f32(value)) : value);
}

static void fill(built *b, int i) {
    const hd_sample_in *in = &b->sample->in[i];
    size_t n = count_of(in);
    for (size_t j = 0; j < n; j++) {
        double value = b->in[i][j] = value_at(in, i, j);
        if (in->kind == HD_SAMPLE_INDEX)
            ((int32_t *)b->data[i])[j] = (int32_t)value;
        else if (in->kind == HD_SAMPLE_FIXED)
            ((float *)b->data[i])[j] = (float)value;
        else
            b->weights[i].data[j] = (float)value;
    }
}

static hd_tensor *make_input(built *b, int i) {
    const hd_sample_in *in = &b->sample->in[i];
    if (in->kind == HD_SAMPLE_NONE) return NULL;
    b->in[i] = calloc(count_of(in) + 1, sizeof(double));
    if (in->kind == HD_SAMPLE_DIFF || in->kind == HD_SAMPLE_STATE) {
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        ok(hd_weight_init(&b->weights[i], name, in->n_dims, in->shape));
        fill(b, i);
        return in->kind == HD_SAMPLE_DIFF ? hd_graph_weight(b->graph, &b->weights[i])
                                          : hd_graph_state(b->graph, &b->weights[i]);
    }
    b->data[i] = calloc(count_of(in) + 1, sizeof(float));
    fill(b, i);
    hd_dtype dtype = in->kind == HD_SAMPLE_INDEX ? HD_I32 : HD_F32;
    hd_tensor *t = hd_graph_input(b->graph, "in", dtype, in->n_dims, in->shape);
    hd_graph_bind(t, b->data[i]);
    return t;
}

static bool differentiable(const hd_node *node, int i) {
    return !(node->op->no_grad >> i & 1) && node->out[i]->dtype == HD_F32;
}

// loss + Σ share·t. t: output i.
static hd_tensor *add_share(built *b, hd_tensor *loss, hd_tensor *t, int i) {
    b->share[i] = calloc(t->count + 1, sizeof(float));
    for (size_t j = 0; j < t->count; j++)
        b->share[i][j] = (float)(hd_rng_at(12, (uint64_t)i, j) % 1000) / 1000 - 0.3F;
    hd_tensor *share = hd_graph_const(b->graph, t->n_dims, t->shape, b->share[i]);
    hd_tensor *sum = hd_tensor_sum_all(hd_tensor_mul(t, share));
    return loss ? hd_tensor_add(loss, sum) : sum;
}

// Over the differentiable outputs.
static hd_tensor *make_loss(built *b) {
    hd_tensor *loss = NULL;
    for (int i = 0; i < b->node->n_out; i++) {
        hd_graph_output(b->node->out[i]);
        if (differentiable(b->node, i)) loss = add_share(b, loss, b->node->out[i], i);
    }
    return loss;
}

static void build(built *b, const hd_operator *op, const hd_sample *sample, hd_pool *pool) {
    *b = (built){.sample = sample};
    ok(hd_graph_new(&(hd_graph_opts){.training = true, .seed = 7}, &b->graph));
    hd_tensor *in[HD_MAX_INPUTS];
    bool grad = false;
    for (int i = 0; i < sample->n_in; i++) {
        in[i] = make_input(b, i);
        grad |= sample->in[i].kind == HD_SAMPLE_DIFF;
    }
    hd_tensor *out = hd_operator_apply(b->graph, op, sample->n_in, in, sample->attrs);
    ok(hd_graph_error(b->graph));
    b->node = out->node;
    hd_tensor *loss = make_loss(b);
    if (grad && op->backward) ok(hd_graph_error(hd_graph_grad(loss)->graph));
    for (int i = 0; i < b->node->n_out; i++) {
        HOLDS(b->node->out[i]->count <= MAX_COUNT, "a sample is too large");
        b->out[i] = calloc(b->node->out[i]->count + 1, sizeof(double));
    }
    ok(hd_graph_compile(b->graph, pool));
}

static void drop(built *b) {
    for (int i = 0; i < HD_MAX_INPUTS; i++) {
        hd_weight_clear(&b->weights[i]);
        free(b->data[i]);
        free(b->in[i]);
    }
    for (int i = 0; i < HD_MAX_OUTPUTS; i++) {
        free(b->out[i]);
        free(b->share[i]);
    }
    hd_graph_free(b->graph);
}

static void run_reference(built *b) {
    b->node->op->reference(b->node, (const double *const *)b->in, b->out);
}

static double result_at(const built *b, int output, size_t i) {
    const hd_tensor *t = b->node->out[output];
    return t->dtype == HD_F32 ? (double)((const float *)t->data)[i]
                              : (double)((const int32_t *)t->data)[i];
}

static void check_forward(built *b) {
    run_reference(b);
    double tolerance = b->sample->tolerance > 0 ? b->sample->tolerance : 2e-6;
    for (int i = 0; i < b->node->n_out; i++) {
        size_t n = b->node->out[i]->count;
        double most = 0;
        for (size_t j = 0; j < n; j++)
            if (isfinite(b->out[i][j])) most = fmax(most, fabs(b->out[i][j]));
        for (size_t j = 0; j < n; j++) {
            double want = b->out[i][j], got = result_at(b, i, j);
            if (isnan(want))
                HOLDS(isnan(got), "output %d at %zu is %g, not NaN", i, j, got);
            else if (isfinite(want))
                HOLDS(fabs(got - want) <= tolerance * most + 1e-30,
                      "output %d at %zu is %.9g, the reference %.9g", i, j, got, want);
        }
    }
}

static double loss_of(built *b) {
    run_reference(b);
    double loss = 0;
    for (int i = 0; i < b->node->n_out; i++)
        for (size_t j = 0; b->share[i] && j < b->node->out[i]->count; j++)
            loss += (double)b->share[i][j] * b->out[i][j];
    return loss;
}

static double difference(built *b, int input, size_t i) {
    const double eps = 1e-6, x = b->in[input][i];
    b->in[input][i] = x + eps;
    double above = loss_of(b);
    b->in[input][i] = x - eps;
    double below = loss_of(b);
    b->in[input][i] = x;
    return (above - below) / (2 * eps);
}

// Gradients by differences, of some places of each input: made once, looked at on every path.
typedef struct differences {
    double *of[HD_MAX_INPUTS], most[HD_MAX_INPUTS];
    size_t step[HD_MAX_INPUTS];
} differences;

static void find_differences(built *b, differences *want) {
    *want = (differences){0};
    for (int i = 0; b->node->op->backward && i < b->sample->n_in; i++) {
        if (b->sample->in[i].kind != HD_SAMPLE_DIFF) continue;
        size_t n = b->weights[i].count;
        want->of[i] = calloc(n + 1, sizeof(double));
        want->step[i] = n > MOST_DIFFERENCES ? n / MOST_DIFFERENCES : 1;
        for (size_t j = 0; j < n; j += want->step[i]) {
            want->of[i][j] = difference(b, i, j);
            want->most[i] = fmax(want->most[i], fabs(want->of[i][j]));
        }
    }
}

static void check_gradient(const built *b, const differences *want) {
    for (int i = 0; i < b->sample->n_in; i++) {
        const hd_weight *w = &b->weights[i];
        if (!want->of[i]) continue;
        HOLDS(w->count == 0 || w->grad, "input %d has no gradient", i);
        for (size_t j = 0; j < w->count; j += want->step[i]) {
            double got = (double)w->grad[j], by_differences = want->of[i][j];
            HOLDS(fabs(got - by_differences) <= 3e-5 * want->most[i] + 1e-6,
                  "the gradient of input %d at %zu is %.9g, by differences %.9g", i, j, got,
                  by_differences);
        }
    }
}

// A NaN in each differentiable input in turn comes out where the reference has it.
static void check_nan(built *b) {
    for (int i = 0; i < b->sample->n_in; i++) {
        if (b->sample->in[i].kind != HD_SAMPLE_DIFF || b->weights[i].count == 0) continue;
        size_t at = b->weights[i].count / 2;
        float before = b->weights[i].data[at];
        b->weights[i].data[at] = NAN;
        b->in[i][at] = (double)NAN;
        ok(hd_graph_run(b->graph, 0));
        check_forward(b);
        b->weights[i].data[at] = before;
        b->in[i][at] = (double)before;
    }
}

static void check_same(const built *one, const built *many) {
    for (int i = 0; i < one->node->n_out; i++) {
        const hd_tensor *x = one->node->out[i], *y = many->node->out[i];
        HOLDS(x->count == 0 || memcmp(x->data, y->data, x->count * sizeof(float)) == 0,
              "output %d differs with more threads", i);
    }
    for (int i = 0; i < one->sample->n_in; i++) {
        const hd_weight *x = &one->weights[i], *y = &many->weights[i];
        HOLDS(!x->grad || x->count == 0 ||
                  memcmp(x->grad, y->grad, x->count * sizeof *x->grad) == 0,
              "the gradient of input %d differs with more threads", i);
    }
}

// ── Between values kept as bf16 ──

typedef struct between {
    built b;
    hd_tensor *given[HD_MAX_OUTPUTS]; // f32 again, or NULL
} between;

static void build_between(between *x, const hd_operator *op, const hd_sample *sample, bool wide,
                          hd_pool *pool) {
    built *b = &x->b;
    *x = (between){.b.sample = sample};
    ok(hd_graph_new(&(hd_graph_opts){.training = true,
                                     .precision = HD_PRECISE_BF16,
                                     .wide = wide,
                                     .keep_cheap = true,
                                     .seed = 7},
                    &b->graph));
    hd_tensor *in[HD_MAX_INPUTS], *loss = NULL;
    for (int i = 0; i < sample->n_in; i++) {
        in[i] = make_input(b, i);
        if (in[i] && in[i]->dtype == HD_F32 && op->reads_bf16 >> i & 1)
            in[i] = hd_tensor_scale(in[i], 1);
    }
    hd_tensor *out = hd_operator_apply(b->graph, op, sample->n_in, in, sample->attrs);
    ok(hd_graph_error(b->graph));
    b->node = out->node;
    for (int i = 0; i < b->node->n_out; i++) {
        if (!differentiable(b->node, i)) continue;
        hd_tensor *t = x->given[i] = hd_tensor_scale(b->node->out[i], 1);
        hd_graph_output(t);
        loss = add_share(b, loss, t, i);
    }
    if (loss && loss->needs_grad) ok(hd_graph_error(hd_graph_grad(loss)->graph));
    ok(hd_graph_compile(b->graph, pool));
    ok(hd_graph_run(b->graph, 0));
}

static void check_close(const char *what, int at, size_t n, const float *got, const float *want,
                        double tolerance) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        HOLDS(fabs((double)got[i] - (double)want[i]) <= tolerance * most,
              "%s %d at %zu is %.9g with values in bf16, %.9g with f32", what, at, i,
              (double)got[i], (double)want[i]);
}

static void check_near(const between *x, const between *y, double tolerance) {
    for (int i = 0; i < x->b.node->n_out; i++)
        if (x->given[i])
            check_close("output", i, x->given[i]->count, x->given[i]->data, y->given[i]->data,
                        tolerance);
    for (int i = 0; i < x->b.sample->n_in; i++)
        if (x->b.weights[i].grad)
            check_close("the gradient of input", i, x->b.weights[i].count, x->b.weights[i].grad,
                        y->b.weights[i].grad, tolerance);
}

static void check_between(const hd_operator *op, const hd_sample *sample, hd_pool *const *pools) {
    between narrow, wide, many;
    if (!(op->reads_bf16 | op->writes_bf16)) return;
    narrow_values = true;
    build_between(&narrow, op, sample, false, NULL);
    build_between(&wide, op, sample, true, NULL);
    check_near(&narrow, &wide, 2e-2);
    for (int threads = 2; threads <= THREADS; threads++) {
        build_between(&many, op, sample, false, pools[threads]);
        check_near(&many, &narrow, 0);
        drop(&many.b);
    }
    drop(&narrow.b);
    drop(&wide.b);
    narrow_values = false;
}

static void check_path(const hd_operator *op, const hd_sample *sample, const differences *want,
                       hd_pool *const *pools) {
    built one;
    build(&one, op, sample, NULL);
    ok(hd_graph_run(one.graph, 0));
    check_forward(&one);
    check_gradient(&one, want);
    for (int threads = 2; threads <= THREADS; threads++) {
        built many;
        build(&many, op, sample, pools[threads]);
        ok(hd_graph_run(many.graph, 0));
        check_same(&one, &many);
        drop(&many);
    }
    check_nan(&one);
    drop(&one);
    check_between(op, sample, pools);
}

static void check_sample(const hd_operator *op, const hd_sample *sample, hd_pool *const *pools) {
    built plain;
    differences want;
    build(&plain, op, sample, NULL);
    find_differences(&plain, &want);
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) continue;
        ok(hd_isa_choose(hd_isa_name((hd_isa)isa)));
        check_path(op, sample, &want, pools);
    }
    for (int i = 0; i < HD_MAX_INPUTS; i++) free(want.of[i]);
    drop(&plain);
}

static void check_operators(hd_pool *const *pools) {
    const char *only = getenv("HEED_TEST_OPERATOR"); // one operator, while working on it
    for (const hd_operator *const *op = hd_operators; *op; op++) {
        hd_samples samples;
        current = *op;
        if (only && strcmp(only, current->name) != 0) continue;
        ok(hd_samples_init(&samples, *op));
        for (current_sample = 0; current_sample < samples.n; current_sample++)
            check_sample(*op, &samples.at[current_sample], pools);
        hd_samples_clear(&samples);
    }
}

static void test_operators(void **state) {
    (void)state;
    hd_pool *pools[THREADS + 1] = {0};
    current = hd_operators[0];
    for (size_t i = 2; i <= THREADS; i++) ok(hd_pool_new(i, &pools[i]));
    check_operators(pools);
    ok(hd_isa_choose(NULL));
    for (size_t i = 2; i <= THREADS; i++) hd_pool_free(pools[i]);
}

static void test_rows_are_known(void **state) {
    (void)state;
    for (const hd_operator *const *op = hd_operators; *op; op++) {
        assert_non_null((*op)->name);
        assert_non_null((*op)->shape);
        assert_true((*op)->forward || (*op)->alias);
        if ((*op)->samples) assert_non_null((*op)->reference);
        if (op[1]) assert_true(strcmp((*op)->name, op[1]->name) < 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_known),
        cmocka_unit_test(test_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
