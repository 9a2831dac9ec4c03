// SPDX-License-Identifier: Apache-2.0
//
// All schedules but plateau are functions of where the training stands, so that a resumed training
// needs nothing but its step. Plateau keeps three numbers.
//
// one_cycle: Smith, Topin, "Super-convergence", 2019, with PyTorch's two cosine halves.
#include "nn/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

typedef struct common_options {
    double warmup;
} common_options;
static const hd_option common_rows[] = {
    {.name = "warmup",
     .type = HD_OPTION_REAL,
     .at = offsetof(common_options, warmup),
     .max = 1e12,
     .doc = HD_TEXT("steps over which the rate rises at first; below 1: a part of the training",
                    "开始时学习率逐步升高的步数；小于 1 时表示占整个训练的比例")},
    {.name = NULL}};

static double epoch_of(const hd_moment *m) {
    return (double)m->epoch;
}

// How much of the training is done, 0 .. 1.
static double share_of(const hd_moment *m) {
    if (m->steps == 0) return 0;
    double share = (double)m->step / (double)m->steps;
    return share < 1 ? share : 1;
}

static double between(double from, double to, double share) { // by half a cosine
    return to + (from - to) * (1 + cos(pi * share)) / 2;
}

// ── constant ──

static double constant_factor(const void *options, const hd_moment *moment) {
    (void)options;
    (void)moment;
    return 1;
}

static const hd_schedule_kind constant = {
    .kind = {.name = "constant", .doc = HD_TEXT("stays as it is", "保持不变")},
    .factor = constant_factor};

// ── step ──

typedef struct step_options {
    int64_t every;
    hd_ints at;
    double factor;
} step_options;
static const hd_option step_rows[] = {
    {.name = "every",
     .type = HD_OPTION_INT,
     .at = offsetof(step_options, every),
     .initial = 10,
     .min = 1,
     .max = 1e9,
     .doc = HD_TEXT("epochs between two changes", "两次变化之间的轮数")},
    {.name = "at",
     .type = HD_OPTION_INTS,
     .at = offsetof(step_options, at),
     .min = 0,
     .max = 1e9,
     .doc = HD_TEXT("instead: the epochs at which it changes", "或者：在哪些轮变化")},
    {.name = "factor",
     .type = HD_OPTION_REAL,
     .at = offsetof(step_options, factor),
     .initial = 0.1,
     .min = 1e-9,
     .max = 1e9,
     .doc = HD_TEXT("what it is multiplied by", "每次乘以的数")},
    {.name = NULL}};

static double step_factor(const void *options, const hd_moment *moment) {
    const step_options *o = options;
    double epoch = epoch_of(moment), changes = floor(epoch / (double)o->every);
    if (o->at.n > 0) {
        changes = 0;
        for (size_t i = 0; i < o->at.n; i++) changes += epoch >= (double)o->at.at[i];
    }
    return pow(o->factor, changes);
}

static const hd_schedule_kind step = {
    .kind = {.name = "step",
             .size = sizeof(step_options),
             .options = step_rows,
             .doc = HD_TEXT("multiplied by a factor every few epochs", "每隔若干轮乘以一个数")},
    .factor = step_factor};

// ── exponential ──

typedef struct exponential_options {
    double factor;
} exponential_options;
static const hd_option exponential_rows[] = {
    {.name = "factor",
     .type = HD_OPTION_REAL,
     .at = offsetof(exponential_options, factor),
     .initial = 0.95,
     .min = 1e-9,
     .max = 1e9,
     .doc = HD_TEXT("what it is multiplied by each epoch", "每轮乘以的数")},
    {.name = NULL}};

static double exponential_factor(const void *options, const hd_moment *moment) {
    return pow(((const exponential_options *)options)->factor, epoch_of(moment));
}

static const hd_schedule_kind exponential = {
    .kind = {.name = "exponential",
             .size = sizeof(exponential_options),
             .options = exponential_rows,
             .doc = HD_TEXT("multiplied by a factor each epoch", "每轮乘以一个数")},
    .factor = exponential_factor};

// ── cosine and linear ──

typedef struct floor_options {
    double floor;
} floor_options;
static const hd_option floor_rows[] = {
    {.name = "floor",
     .type = HD_OPTION_REAL,
     .at = offsetof(floor_options, floor),
     .max = 1,
     .doc = HD_TEXT("what is left at the end, as a part of the whole", "结束时剩下的比例")},
    {.name = NULL}};

static double cosine_factor(const void *options, const hd_moment *moment) {
    return between(1, ((const floor_options *)options)->floor, share_of(moment));
}

static double linear_factor(const void *options, const hd_moment *moment) {
    double floor = ((const floor_options *)options)->floor;
    return 1 + (floor - 1) * share_of(moment);
}

static const hd_schedule_kind cosine = {
    .kind = {.name = "cosine",
             .size = sizeof(floor_options),
             .options = floor_rows,
             .doc = HD_TEXT("falls over the whole training along half a cosine",
                            "在整个训练中按半个余弦下降")},
    .factor = cosine_factor};

static const hd_schedule_kind linear = {
    .kind = {.name = "linear",
             .size = sizeof(floor_options),
             .options = floor_rows,
             .doc = HD_TEXT("falls evenly over the whole training", "在整个训练中匀速下降")},
    .factor = linear_factor};

// ── one_cycle ──

typedef struct one_cycle_options {
    double rise, start, end;
} one_cycle_options;
static const hd_option one_cycle_rows[] = {
    {.name = "rise",
     .type = HD_OPTION_REAL,
     .at = offsetof(one_cycle_options, rise),
     .initial = 0.3,
     .min = 0,
     .max = 1,
     .doc = HD_TEXT("the part of the training over which it rises", "上升阶段占训练的比例")},
    {.name = "start",
     .type = HD_OPTION_REAL,
     .at = offsetof(one_cycle_options, start),
     .initial = 0.04,
     .min = 0,
     .max = 1,
     .doc = HD_TEXT("where it begins, as a part of the peak", "起点占峰值的比例")},
    {.name = "end",
     .type = HD_OPTION_REAL,
     .at = offsetof(one_cycle_options, end),
     .initial = 4e-6,
     .min = 0,
     .max = 1,
     .doc = HD_TEXT("where it ends, as a part of the peak", "终点占峰值的比例")},
    {.name = NULL}};

static double one_cycle_factor(const void *options, const hd_moment *moment) {
    const one_cycle_options *o = options;
    double share = share_of(moment);
    if (share < o->rise) return between(o->start, 1, share / o->rise);
    return o->rise < 1 ? between(1, o->end, (share - o->rise) / (1 - o->rise)) : 1;
}

static const hd_schedule_kind one_cycle = {
    .kind = {.name = "one_cycle",
             .size = sizeof(one_cycle_options),
             .options = one_cycle_rows,
             .doc = HD_TEXT("rises to the rate and falls to almost nothing, once",
                            "先升到设定值，再降到几乎为零，只有一个周期")},
    .factor = one_cycle_factor};

// ── plateau ──

typedef struct plateau_options {
    int64_t patience;
    double factor, floor, threshold;
} plateau_options;
static const hd_option plateau_rows[] = {
    {.name = "patience",
     .type = HD_OPTION_INT,
     .at = offsetof(plateau_options, patience),
     .initial = 3,
     .max = 1e9,
     .doc = HD_TEXT("validations without a better loss that are borne", "可容忍的无改善验证次数")},
    {.name = "factor",
     .type = HD_OPTION_REAL,
     .at = offsetof(plateau_options, factor),
     .initial = 0.1,
     .min = 1e-9,
     .max = 1e9,
     .doc = HD_TEXT("what it is then multiplied by", "之后乘以的数")},
    {.name = "floor",
     .type = HD_OPTION_REAL,
     .at = offsetof(plateau_options, floor),
     .max = 1,
     .doc = HD_TEXT("the least that is left, as a part of the whole", "最少保留的比例")},
    {.name = "threshold",
     .type = HD_OPTION_REAL,
     .at = offsetof(plateau_options, threshold),
     .initial = 1e-4,
     .max = 1,
     .doc = HD_TEXT("the part by which a loss must be less to be better",
                    "损失至少降低这个比例才算改善")},
    {.name = NULL}};

static void plateau_observe(const void *options, hd_schedule_state *state, double loss) {
    const plateau_options *o = options;
    if (state->scale == 0) *state = (hd_schedule_state){.scale = 1, .best = INFINITY};
    if (loss < state->best - o->threshold * fabs(state->best) || isinf(state->best)) {
        state->best = loss;
        state->bad = 0;
        return;
    }
    if (++state->bad <= o->patience) return;
    state->bad = 0;
    state->scale = fmax(state->scale * o->factor, o->floor);
}

static const hd_schedule_kind plateau = {
    .kind = {.name = "plateau",
             .size = sizeof(plateau_options),
             .options = plateau_rows,
             .doc = HD_TEXT("multiplied by a factor when the validation loss no longer falls",
                            "验证损失不再下降时乘以一个数")},
    .factor = constant_factor,
    .observe = plateau_observe};

// ── The list ──

static const hd_spec_kind *const rows[] = {
    &constant.kind, &step.kind,      &exponential.kind, &cosine.kind,
    &linear.kind,   &one_cycle.kind, &plateau.kind,
};
const hd_spec_kinds hd_schedule_kinds = {.what = HD_TEXT("schedule", "调度方式"),
                                         .rows = rows,
                                         .n = sizeof rows / sizeof rows[0],
                                         .common = common_rows,
                                         .common_size = sizeof(common_options)};

heed_err hd_schedule_read(const json_t *value, const hd_where *where, hd_arena *arena,
                          hd_schedule *out) {
    *out = (hd_schedule){.choice = {.kind = NULL}};
    if (!value || json_is_null(value)) return HEED_OK;
    return hd_spec_read(&hd_schedule_kinds, value, where, arena, &out->choice);
}

static const hd_schedule_kind *kind_of(const hd_schedule *schedule) {
    return (const hd_schedule_kind *)(const void *)schedule->choice.kind;
}

double hd_schedule_factor(const hd_schedule *schedule, const hd_schedule_state *state,
                          const hd_moment *moment) {
    if (!schedule->choice.kind) return 1;
    const common_options *common = schedule->choice.common;
    double warmup =
        common->warmup < 1 ? floor(common->warmup * (double)moment->steps) : common->warmup;
    double done = (double)moment->step + 1;
    double rise = done < warmup ? done / warmup : 1;
    double scale = state->scale > 0 ? state->scale : 1;
    return kind_of(schedule)->factor(schedule->choice.options, moment) * rise * scale;
}

bool hd_schedule_is_constant(const hd_schedule *schedule) {
    if (!schedule->choice.kind) return true;
    const common_options *common = schedule->choice.common;
    return kind_of(schedule) == &constant && common->warmup == 0;
}

void hd_schedule_observe(const hd_schedule *schedule, hd_schedule_state *state, double loss) {
    if (schedule->choice.kind && kind_of(schedule)->observe) {
        kind_of(schedule)->observe(schedule->choice.options, state, loss);
    }
}
