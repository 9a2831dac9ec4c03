// SPDX-License-Identifier: Apache-2.0
//
// Programs of opcodes. The outputs are cut into blocks of at most BLOCK values; all steps run on
// one block before the next is begun, so that what one step makes is in the first cache when the
// next reads it. An input that is stretched is written out per block, unless its block is one run
// of its memory. Values in bf16 are widened and narrowed by block: in between all is f32.
//
// Chunks for the pool are whole blocks, cut by count and steps alone.
#include "kernel/vec.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernel/kernels.h"

enum { BLOCK = 1024, CHUNK_WORK = 65536 };

// ── Opcodes ──

const char *hd_vec_name(hd_vec_op op) {
    static const char *const names[] = {
#define NAME_ROW(name, arity) #name,
        HD_VEC_LIST(NAME_ROW)
#undef NAME_ROW
    };
    return names[op];
}

int hd_vec_arity(hd_vec_op op) {
    static const uint8_t arities[] = {
#define ARITY_ROW(name, arity) arity,
        HD_VEC_LIST(ARITY_ROW)
#undef ARITY_ROW
    };
    return arities[op];
}

bool hd_vec_keeps(const hd_vec_arg *arg, size_t at) {
    enum { GROUP = 64, COUNTERS = 16 };
    uint64_t base = at / GROUP * COUNTERS;
    uint32_t low = (uint32_t)base + (uint32_t)(at % COUNTERS);
    const uint32_t counter[4] = {low, (uint32_t)(base >> 32), (uint32_t)arg->stream,
                                 (uint32_t)(arg->stream >> 32)};
    const uint32_t key[2] = {(uint32_t)arg->seed, (uint32_t)(arg->seed >> 32)};
    uint32_t out[4];
    hd_philox(counter, key, out);
    return out[at % GROUP / COUNTERS] >= (uint32_t)((double)arg->p * 0x1p32);
}

static double phi(double x) { // the normal distribution
    return 0.5 * erfc(-x * 0.70710678118654752440);
}
static double bell(double x) { // its density
    return exp(-x * x / 2) * 0.39894228040143267794;
}
static double sigmoid(double x) {
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double softplus(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double gate(double x) { // of gelu by tanh
    return sigmoid(1.59576912160573071176 * (x + 0.044715 * x * x * x));
}
static double gelu_tanh_grad(double x) {
    double s = gate(x);
    return s + x * s * (1 - s) * 1.59576912160573071176 * (1 + 3 * 0.044715 * x * x);
}
static double silu_grad(double x) {
    double s = sigmoid(x);
    return s + x * s * (1 - s);
}
static double sign(double x) {
    return x > 0 ? 1 : x < 0 ? -1 : x * 0;
}
static double nan_min(double a, double b) {
    return isnan(a) || a < b ? a : b;
}
static double nan_max(double a, double b) {
    return isnan(a) || a > b ? a : b;
}

double hd_vec_reference(hd_vec_op op, double a, double b, const hd_vec_arg *arg, size_t at) {
    const double p = (double)arg->p, q = (double)arg->q;
    switch (op) {
#define IS(name, value) \
    case HD_VEC_##name: \
        return (value);
        IS(ADD, a + b)
        IS(SUB, a - b)
        IS(MUL, a * b)
        IS(DIV, a / b)
        IS(MIN, nan_min(a, b))
        IS(MAX, nan_max(a, b))
        IS(ABOVE, a > b ? 1 : a == b ? 0.5 : 0)
        IS(SCALE, p * a)
        IS(SHIFT, a + p)
        IS(MULP, p * a * b)
        IS(EXP, exp(a))
        IS(LOG, log(a))
        IS(SQRT, sqrt(a))
        IS(SQRT_GRAD, b / (2 * a))
        IS(SQUARE, a * a)
        IS(ABS, fabs(a))
        IS(ABS_GRAD, b * sign(a))
        IS(POW, pow(a, p))
        IS(POW_GRAD, b * p * pow(a, p - 1))
        IS(CLAMP, a < p ? p : a > q ? q : a)
        IS(CLAMP_GRAD, a < p || a > q ? 0 : b)
        IS(RELU, a <= 0 ? 0 : a)
        IS(RELU_GRAD, a <= 0 ? 0 : b)
        IS(LEAKY_RELU, a <= 0 ? p * a : a)
        IS(LEAKY_RELU_GRAD, a <= 0 ? p * b : b)
        IS(GELU, a * phi(a))
        IS(GELU_GRAD, b * (phi(a) + a * bell(a)))
        IS(GELU_TANH, a * gate(a))
        IS(GELU_TANH_GRAD, b * gelu_tanh_grad(a))
        IS(SILU, a * sigmoid(a))
        IS(SILU_GRAD, b * silu_grad(a))
        IS(SIGMOID, sigmoid(a))
        IS(SIGMOID_GRAD, b * a * (1 - a))
        IS(TANH, tanh(a))
        IS(TANH_GRAD, b * (1 - a * a))
        IS(SOFTPLUS, softplus(a))
        IS(SOFTPLUS_GRAD, b * sigmoid(a))
        IS(HUBER, fabs(a) <= p ? a * a / 2 : p * (fabs(a) - p / 2))
        IS(BCE_LOGITS, fmax(a, 0) - a * b + log1p(exp(-fabs(a))))
        IS(DROPOUT, hd_vec_keeps(arg, at) ? a / (1 - p) : 0)
#undef IS
    default:
        return a;
    }
}

// ── Programs ──

typedef struct program_run {
    const hd_vec_program *program;
    const hd_vec_kernels *kernels;
    const hd_vec_in *in;
    void *const *out;
    size_t count, block, chunk; // chunk: values
    size_t row;                 // a block doesn't cross a multiple of it; 0: it may
    hd_vec_half_fn half;        // does it all, if not NULL
} program_run;

typedef struct scratch {
    _Alignas(64) float step[HD_VEC_SCRATCH][BLOCK];
    _Alignas(64) float in[HD_VEC_INPUTS][BLOCK];
    _Alignas(64) float out[HD_VEC_OUTPUTS][BLOCK]; // of those in bf16
    size_t written[HD_VEC_INPUTS];                 // how far in[] holds what every block needs
} scratch;

static float value_at(const hd_vec_in *in, size_t at) {
    return in->type == HD_BF16 ? hd_f32_of_bf16(((const uint16_t *)in->data)[at])
                               : ((const float *)in->data)[at];
}

static void write_column(const hd_vec_in *in, size_t first, size_t n, float *to) {
    for (size_t i = 0; i < n;) {
        size_t at = first + i, end = i + in->period - at % in->period;
        const float value = value_at(in, at / in->period);
        if (end > n) end = n;
        for (; i < end; i++) to[i] = value;
    }
}

static void write_strided(const hd_vec_in *in, size_t first, size_t n, float *to) {
    size_t place[HD_MAX_DIMS] = {0}, from = 0;
    for (int d = in->n_dims; d-- > 0; first /= in->shape[d]) {
        place[d] = first % in->shape[d];
        from += place[d] * in->stride[d];
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = value_at(in, from);
        for (int d = in->n_dims; d-- > 0;) {
            from += in->stride[d];
            if (++place[d] < in->shape[d]) break;
            from -= in->shape[d] * in->stride[d];
            place[d] = 0;
        }
    }
}

// n values that lie together, from `at` on.
static const float *read_run(const program_run *run, const hd_vec_in *in, size_t at, size_t n,
                             float *to) {
    if (in->type != HD_BF16) return (const float *)in->data + at;
    run->kernels->widen(n, (const uint16_t *)in->data + at, to);
    return to;
}

// The n values of input i from `first` on.
static const float *read_input(const program_run *run, scratch *s, int i, size_t first, size_t n) {
    const hd_vec_in *in = &run->in[i];
    float *to = s->in[i];
    switch (in->mode) {
    case HD_VEC_WHOLE:
        return read_run(run, in, first, n, to);
    case HD_VEC_SCALAR:
        for (; s->written[i] < n; s->written[i]++) to[s->written[i]] = value_at(in, 0);
        return to;
    case HD_VEC_ROW:
        if (first % in->period + n <= in->period)
            return read_run(run, in, first % in->period, n, to);
        if (first % in->period != 0) break;
        for (; s->written[i] < n; s->written[i]++) // (blocks begin at whole rows: once for all)
            to[s->written[i]] = value_at(in, s->written[i] % in->period);
        return to;
    case HD_VEC_COLUMN:
        write_column(in, first, n, to);
        return to;
    default:
        break;
    }
    s->written[i] = 0;
    write_strided(in, first, n, to);
    return to;
}

static void run_block(const program_run *run, scratch *s, size_t first, size_t n) {
    const hd_vec_program *program = run->program;
    const float *read[HD_VEC_SLOTS];
    float *write[HD_VEC_SLOTS];
    int slot = 0;
    if (run->half) {
        const hd_vec_step *only = program->step;
        run->half(n, (const uint16_t *)run->in[only->a].data + first,
                  (const uint16_t *)run->in[only->b].data + first, (uint16_t *)run->out[0] + first);
        return;
    }
    for (int i = 0; i < program->n_in; i++) read[slot++] = read_input(run, s, i, first, n);
    for (int i = 0; i < program->n_out; i++, slot++) {
        const bool narrow = program->out_type[i] == HD_BF16;
        read[slot] = write[slot] = narrow ? s->out[i] : (float *)run->out[i] + first;
    }
    for (int i = 0; i < program->n_scratch; i++, slot++) read[slot] = write[slot] = s->step[i];
    for (int i = 0; i < program->n_steps; i++) {
        const hd_vec_step *step = &program->step[i];
        run->kernels->op[step->op](n, read[step->a], read[step->b], write[step->out], &step->arg,
                                   first);
    }
    for (int i = 0; i < program->n_out; i++)
        if (program->out_type[i] == HD_BF16)
            run->kernels->narrow(n, s->out[i], (uint16_t *)run->out[i] + first);
}

static heed_err run_chunk(void *ctx, size_t chunk) {
    const program_run *run = ctx;
    scratch s;
    memset(s.written, 0, sizeof s.written);
    size_t first = chunk * run->chunk, end = first + run->chunk;
    if (end > run->count) end = run->count;
    while (first < end) {
        size_t n = run->block;
        if (run->row > 0 && n > run->row - first % run->row) n = run->row - first % run->row;
        if (n > end - first) n = end - first;
        run_block(run, &s, first, n);
        first += n;
    }
    return HEED_OK;
}

// One step from bf16 to bf16: there may be a function for it.
static hd_vec_half_fn half_of(const program_run *run) {
    const hd_vec_program *program = run->program;
    if (program->n_steps != 1 || program->out_type[0] != HD_BF16) return NULL;
    for (int i = 0; i < program->n_in; i++)
        if (run->in[i].type != HD_BF16 || run->in[i].mode != HD_VEC_WHOLE) return NULL;
    return run->kernels->half[program->step[0].op];
}

heed_err hd_vec_run(hd_pool *pool, const hd_vec_program *program, size_t count, const hd_vec_in *in,
                    void *const *out) {
    if (count == 0) return HEED_OK;
    program_run run = {program, hd_kernels_get()->vec, in, out, count, BLOCK, 0, 0, NULL};
    run.half = half_of(&run);
    for (int i = 0; i < program->n_in; i++) {
        if (in[i].mode != HD_VEC_ROW) continue;
        if (in[i].period <= BLOCK)
            run.block = BLOCK / in[i].period * in[i].period;
        else
            run.row = in[i].period;
    }
    size_t blocks = (size_t)CHUNK_WORK / BLOCK / ((size_t)program->n_steps + 1) + 1;
    run.chunk = blocks * run.block;
    return hd_pool_run(pool, (count + run.chunk - 1) / run.chunk, run_chunk, &run);
}

// ── Sums over a dimension ──

enum { RUN = 128, RUN_VALUES = 4096, SUM_CHUNK = 32768 };

// x (a, r, c), partial sums (a, runs, c); run: how many of r one partial sum takes.
typedef struct sum_run {
    size_t a, r, c, run, runs;
    const void *x;
    hd_dtype type;
    float *partial;
    size_t per_chunk; // (a, runs) pairs
    const hd_vec_kernels *kernels;
} sum_run;

static size_t run_length(size_t c) {
    return c == 1 ? RUN_VALUES : RUN;
}

size_t hd_vec_sum_workspace(size_t a, size_t r, size_t c) {
    size_t run = run_length(c);
    return (r + run - 1) / run * a * c * sizeof(float);
}

static float sum_of(const sum_run *s, size_t at, size_t n) {
    _Alignas(64) float wide[RUN_VALUES];
    if (s->type != HD_BF16) return s->kernels->sum(n, (const float *)s->x + at);
    s->kernels->widen(n, (const uint16_t *)s->x + at, wide);
    return s->kernels->sum(n, wide);
}

static heed_err sum_chunk(void *ctx, size_t chunk) {
    const sum_run *s = ctx;
    size_t end = (chunk + 1) * s->per_chunk;
    if (end > s->a * s->runs) end = s->a * s->runs;
    for (size_t i = chunk * s->per_chunk; i < end; i++) {
        size_t first = i % s->runs * s->run, n = s->r - first < s->run ? s->r - first : s->run;
        const size_t at = (i / s->runs * s->r + first) * s->c;
        float *to = s->partial + i * s->c;
        if (s->c == 1) {
            *to = sum_of(s, at, n);
            continue;
        }
        memset(to, 0, s->c * sizeof *to);
        if (s->type == HD_BF16)
            s->kernels->add_rows_bf16(n, s->c, (const uint16_t *)s->x + at, s->c, to);
        else
            s->kernels->add_rows(n, s->c, (const float *)s->x + at, s->c, to);
    }
    return HEED_OK;
}

// Adds the partial sums of one a: neighbours first.
static const float *sum_tree(float *partial, size_t runs, size_t c, const hd_vec_kernels *kernels) {
    for (size_t step = 1; step < runs; step *= 2)
        for (size_t i = 0; i + step < runs; i += 2 * step)
            kernels->add_rows(1, c, partial + (i + step) * c, c, partial + i * c);
    return partial;
}

heed_err hd_vec_sum(hd_pool *pool, size_t a, size_t r, size_t c, const void *x, hd_dtype type,
                    float scale, bool add, float *out, void *workspace) {
    const hd_vec_kernels *kernels = hd_kernels_get()->vec;
    size_t run = run_length(c), runs = (r + run - 1) / run;
    if (a * c == 0) return HEED_OK;
    sum_run s = {a, r, c, run, runs, x, type, workspace, 1, kernels};
    size_t work = (r < run ? r : run) * c + 1;
    s.per_chunk = work < SUM_CHUNK ? SUM_CHUNK / work : 1;
    HD_TRY(hd_pool_run(pool, (a * runs + s.per_chunk - 1) / s.per_chunk, sum_chunk, &s));
    for (size_t i = 0; i < a; i++) {
        const float *from = r > 0 ? sum_tree(s.partial + i * runs * c, runs, c, kernels) : NULL;
        float *to = out + i * c;
        for (size_t j = 0; j < c; j++) {
            float value = from ? from[j] * scale : 0;
            to[j] = add ? to[j] + value : value;
        }
    }
    return HEED_OK;
}

heed_err hd_vec_add_to(hd_pool *pool, size_t n, const float *x, float *y) {
    const hd_vec_program program = {.n_in = 2,
                                    .n_out = 1,
                                    .n_steps = 1,
                                    .step = {{.op = HD_VEC_ADD, .a = 0, .b = 1, .out = 2}}};
    const hd_vec_in in[2] = {{.data = y}, {.data = x}};
    return hd_vec_run(pool, &program, n, in, (void *const[]){y});
}
