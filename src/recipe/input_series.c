// SPDX-License-Identifier: Apache-2.0
//
// Series: rows are moments in order, columns are series. A sample is a window of what was, its
// targets are the next `horizon` values. A part's first target is the part's first row; its window
// reaches back into the rows before (training rows as history).
//
//   several series   each a sample of its own, by one model for all: x (window, 1). Values are on
//                    the scale of each series, by its training rows, and so are targets and
//                    errors: series of different size weigh alike. (`each: false` puts all of them
//                    into one sample: x (window, C), targets (horizon · C).)
//   one series       the same with one column; `units: own` leaves targets and features unscaled.
//
// Files may also have a series to a row (`across: [Province, Country]` names those columns; all
// others are moments): they are turned around while reading, and moments become a column of that
// name. `difference` makes daily numbers of a
// running total, `smooth: 7` means of seven; both look back only. `log` comes after them. A missing
// value is the last one that was there.
#include <math.h>

#include "base/mem.h"
#include "recipe/augment.h"
#include "recipe/inputs.h"
#include "recipe/moments.h"

typedef struct series_options {
    int64_t window, horizon, stride, smooth;
    bool each, difference, log;
    int scale, units;
    const json_t *columns, *across, *skip;
    const char *time;
} series_options;

enum { SCALE_STANDARD, SCALE_MINMAX, SCALE_NONE };
static const char *const scales[] = {"standard", "minmax", "none", NULL};
enum { UNITS_SCALED, UNITS_OWN };
static const char *const units[] = {"scaled", "own", NULL};

static const hd_option option_rows[] = {
    {.name = "window",
     .type = HD_OPTION_INT,
     .at = offsetof(series_options, window),
     .initial = 24,
     .min = 1,
     .max = 1 << 16,
     .doc = HD_TEXT("moments that a sample looks back on", "每个样本回看的时刻数")},
    {.name = "horizon",
     .type = HD_OPTION_INT,
     .at = offsetof(series_options, horizon),
     .initial = 1,
     .min = 1,
     .max = 1 << 14,
     .doc = HD_TEXT("moments that are forecast", "要预测的时刻数")},
    {.name = "stride",
     .type = HD_OPTION_INT,
     .at = offsetof(series_options, stride),
     .initial = 1,
     .min = 1,
     .max = 1 << 16,
     .doc = HD_TEXT("moments between two training samples", "相邻训练样本之间的时刻数")},
    {.name = "columns",
     .type = HD_OPTION_JSON,
     .at = offsetof(series_options, columns),
     .doc = HD_TEXT("the series; without it every column of numbers",
                    "作为序列的列；缺省为所有数值列")},
    {.name = "time",
     .type = HD_OPTION_TEXT,
     .at = offsetof(series_options, time),
     .doc = HD_TEXT("column that names a moment: no series", "表示时刻的列，不作为序列")},
    {.name = "across",
     .type = HD_OPTION_JSON,
     .at = offsetof(series_options, across),
     .doc = HD_TEXT("a row is a series, named by these columns; all others are moments",
                    "每行为一条序列，以这些列命名；其余各列为时刻")},
    {.name = "skip",
     .type = HD_OPTION_JSON,
     .at = offsetof(series_options, skip),
     .doc =
         HD_TEXT("with across: columns that are neither", "与 across 合用：既非名称也非时刻的列")},
    {.name = "each",
     .type = HD_OPTION_BOOL,
     .at = offsetof(series_options, each),
     .initial = 1,
     .doc = HD_TEXT("each series is a sample of its own", "每条序列单独成为样本")},
    {.name = "difference",
     .type = HD_OPTION_BOOL,
     .at = offsetof(series_options, difference),
     .doc = HD_TEXT("the step from moment to moment, of a running total",
                    "取相邻时刻之差，用于累计值")},
    {.name = "smooth",
     .type = HD_OPTION_INT,
     .at = offsetof(series_options, smooth),
     .initial = 1,
     .min = 1,
     .max = 1 << 12,
     .doc = HD_TEXT("mean of so many moments up to each", "到当前时刻为止的移动平均长度")},
    {.name = "log",
     .type = HD_OPTION_BOOL,
     .at = offsetof(series_options, log),
     .doc = HD_TEXT("ln(1 + x) of values from 0 up: errors are shares of a value",
                    "对非负值取 ln(1 + x)：误差按比例计")},
    {.name = "scale",
     .type = HD_OPTION_WORD,
     .at = offsetof(series_options, scale),
     .words = scales,
     .doc = HD_TEXT("of each series, by its training rows", "各序列按训练行缩放的方式")},
    {.name = "units",
     .type = HD_OPTION_WORD,
     .at = offsetof(series_options, units),
     .words = units,
     .doc = HD_TEXT("of targets and errors: own, as they stand in the file",
                    "目标与误差的单位：own 为文件中的原单位")},
    {.name = NULL}};

typedef struct series_column {
    const char *name;
    double shift, scale; // (value − shift) / scale
} series_column;

typedef struct series {
    size_t window, horizon, stride, smooth;
    bool each, difference, log, own_units;
    int scale;
    const char *time;                        // the column that names a moment; NULL: none
    const char *const *across, *const *skip; // of a file that is turned around
    size_t n_across, n_skip;
    series_column *columns; // (n)
    size_t n;
    hd_arena arena;
} series;

static void series_free(void *fitted) {
    series *s = fitted;
    if (!s) return;
    hd_arena_clear(&s->arena);
    hd_free(s);
}

// ── Turning a file around ──

static const char MOMENTS[] = "moment"; // the column that names moments, of files turned around

static bool named(const char *const *names, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

static heed_err name_row(const hd_rows *rows, const char *const *names, size_t n, size_t row,
                         hd_str *out) {
    hd_str_reset(out);
    for (size_t i = 0; i < n; i++) {
        hd_rows_column *column;
        HD_TRY(hd_rows_need(rows, names[i], &column));
        hd_slice cell = column->cells[row];
        if (cell.n == 0) continue;
        if (out->len > 0) hd_str_addc(out, ' ');
        hd_str_addn(out, cell.p, cell.n);
    }
    if (out->len == 0) hd_str_addf(out, "%zu", row + 1);
    return hd_str_check(out);
}

// The moments' names as a column behind the series, unless one of these has its name.
static heed_err add_moments(const hd_rows *rows, const char *const *names, size_t n,
                            const char *const *skip, size_t n_skip, hd_rows *out) {
    hd_rows_column *to;
    size_t at = 0;
    if (hd_rows_find(out, MOMENTS)) return HEED_OK;
    HD_TRY(hd_rows_add_column(out, MOMENTS, HD_ROWS_TEXT, &to));
    for (size_t c = 0; c < rows->n_columns; c++) {
        const char *moment = rows->columns[c].name;
        if (named(names, n, moment) || named(skip, n_skip, moment)) continue;
        const char *copy = hd_arena_strdup(&out->arena, moment);
        if (!copy) return HD_FAIL_MEMORY(0);
        to->cells[at++] = hd_slice_of(copy);
    }
    return HEED_OK;
}

// Of a file with a series to a row, where a cell's line is still known.
static heed_err check_moment(const hd_rows *rows, size_t row, const hd_rows_column *column) {
    const hd_slice cell = column->cells[row];
    double value;
    if (!cell.p || hd_slice_f64(hd_slice_trim(cell), &value)) return HEED_OK;
    const hd_rows_words place = hd_rows_place(rows, row);
    return HD_FAIL(HEED_INPUT,
                   "%1$s: moment '%2$s': '%4$.*3$s' is not a number: mend it, say that it means "
                   "nothing ('missing: [\"%4$.*3$s\"]'), or, if '%2$s' is no moment, name it under "
                   "'across' or 'skip'",
                   "%1$s：时刻“%2$s”：“%4$.*3$s”不是数值：请改正，或声明其为缺失（“missing: "
                   "[\"%4$.*3$s\"]”）；若“%2$s”不是时刻，请列入“across”或“skip”",
                   place.text, column->name, cell.n < 40 ? (int)cell.n : 40, cell.p);
}

static heed_err copy_cell(hd_rows *out, hd_slice cell, hd_slice *to) {
    *to = cell;
    if (!cell.p) return HEED_OK;
    to->p = hd_arena_strndup(&out->arena, cell.p, cell.n);
    return to->p ? HEED_OK : HD_FAIL_MEMORY(cell.n);
}

// A moment to a row of `out`, a series to a column. Cells are copied: they stand in files' buffers
// or in the arena of the rows that a request came as.
static heed_err turn(const hd_rows *rows, const char *const *names, size_t n,
                     const char *const *skip, size_t n_skip, hd_rows *out) {
    heed_err err = HEED_OK;
    size_t moments = 0;
    hd_str name;
    hd_str_init(&name);
    for (size_t c = 0; c < rows->n_columns; c++) {
        moments +=
            !named(names, n, rows->columns[c].name) && !named(skip, n_skip, rows->columns[c].name);
    }
    HD_TRY_OUT(hd_rows_add(out, moments));
    for (size_t i = 0; i < rows->n; i++) {
        hd_rows_column *to;
        size_t at = 0;
        HD_TRY_OUT(name_row(rows, names, n, i, &name));
        HD_TRY_OUT(hd_rows_add_column(out, hd_str_get(&name), HD_ROWS_TEXT, &to));
        for (size_t c = 0; c < rows->n_columns; c++) {
            const char *moment = rows->columns[c].name;
            if (named(names, n, moment) || named(skip, n_skip, moment)) continue;
            HD_TRY_OUT(check_moment(rows, i, &rows->columns[c]));
            HD_TRY_OUT(copy_cell(out, rows->columns[c].cells[i], &to->cells[at++]));
        }
    }
    if (rows->n > 0) HD_TRY_OUT(add_moments(rows, names, n, skip, n_skip, out));
out:
    hd_str_clear(&name);
    return err;
}

// In place.
static heed_err turn_around(hd_rows *rows, const char *const *names, size_t n,
                            const char *const *skip, size_t n_skip) {
    hd_rows turned;
    hd_rows_init(&turned);
    heed_err err = turn(rows, names, n, skip, n_skip, &turned);
    hd_rows_clear(rows);
    *rows = turned;
    return err;
}

static heed_err series_open(const void *options, const hd_input_env *env, hd_input_parts *out) {
    const series_options *o = options;
    const char *const *names, *const *skip;
    size_t n, n_skip;
    hd_where where = hd_where_key(&env->where, "across");
    HD_TRY(hd_input_read(env, out));
    HD_TRY(hd_input_texts(o->across, &where, env->arena, &names, &n));
    where = hd_where_key(&env->where, "skip");
    HD_TRY(hd_input_texts(o->skip, &where, env->arena, &skip, &n_skip));
    for (int part = 0; part < HD_PARTS && n > 0; part++) {
        if (out->rows[part].n > 0) HD_TRY(turn_around(&out->rows[part], names, n, skip, n_skip));
    }
    return HEED_OK;
}

// A request in the form of the training's file; rows that are moments already stay as they are.
static heed_err series_arrange(const void *fitted, hd_rows *rows) {
    const series *s = fitted;
    bool across = s->n_across > 0 && rows->n > 0;
    for (size_t i = 0; i < s->n_across; i++) across &= hd_rows_find(rows, s->across[i]) != NULL;
    return across ? turn_around(rows, s->across, s->n_across, s->skip, s->n_skip) : HEED_OK;
}

// ── Values of a column ──

static heed_err not_a_number(const hd_rows *rows, size_t row, const char *column, hd_slice cell) {
    enum { SHOWN = 60 };
    hd_rows_words place = hd_rows_place(rows, row);
    return HD_FAIL(HEED_INPUT, "%1$s: column '%2$s': '%4$.*3$s' is not a number",
                   "%1$s：列“%2$s”：“%4$.*3$s”不是数值", place.text, column,
                   (int)(cell.n < SHOWN ? cell.n : SHOWN), cell.p);
}

// What was read, gaps filled by the last value (the first one, before it).
static heed_err read_column(const hd_rows *rows, const char *name, double *out) {
    const hd_rows_column *column = hd_rows_find(rows, name);
    bool seen = false;
    if (!column) {
        const hd_rows_words place = hd_rows_place(rows, rows->first);
        return HD_FAIL(HEED_INPUT, "%s: column '%s' is missing: the training rows had it",
                       "%s：缺少列“%s”：训练数据中有此列", place.text, name);
    }
    for (size_t i = 0; i < rows->n; i++) {
        hd_slice cell = column->cells[i];
        double value = i > 0 ? out[i - 1] : 0;
        if (cell.p && !hd_slice_f64(hd_slice_trim(cell), &value)) {
            return not_a_number(rows, i, name, cell);
        }
        out[i] = value;
        for (size_t j = 0; j < i && cell.p && !seen; j++) out[j] = value;
        seen = seen || cell.p;
    }
    return HEED_OK;
}

static heed_err column_values(const series *s, const hd_rows *rows, const char *name, double *out) {
    HD_TRY(read_column(rows, name, out));
    for (size_t i = rows->n; i-- > 1 && s->difference;) out[i] -= out[i - 1];
    if (s->difference && rows->n > 0) out[0] = 0;
    for (size_t i = rows->n; i-- > 0 && s->smooth > 1;) {
        size_t count = i + 1 < s->smooth ? i + 1 : s->smooth;
        double sum = 0;
        for (size_t j = i + 1 - count; j <= i; j++) sum += out[j];
        out[i] = sum / (double)count;
    }
    for (size_t i = 0; i < rows->n && s->log; i++) out[i] = log1p(fmax(out[i], 0));
    return HEED_OK;
}

// ── Fitting ──

static heed_err add_name(series *s, const char *name) {
    s->columns[s->n].name = hd_arena_strdup(&s->arena, name);
    return s->columns[s->n++].name ? HEED_OK : HD_FAIL_MEMORY(0);
}

// The column that names moments: the one that the recipe says, or of a file turned around.
static heed_err choose_time(const hd_input_fit *in, const series_options *o, series *s) {
    const char *name = o->time ? o->time : o->across ? MOMENTS : NULL;
    if (!name || !hd_rows_find(in->rows, name)) return HEED_OK;
    s->time = hd_arena_strdup(&s->arena, name);
    return s->time ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err choose_columns(const hd_input_fit *in, const series_options *o, series *s) {
    static const hd_text otherwise = HD_TEXT("name the series by 'columns'", "用“columns”指明序列");
    const char *const *names;
    size_t n;
    HD_TRY(choose_time(in, o, s));
    hd_where where = {.spec = in->prepare_where.spec, .path = "data.series.columns"};
    HD_TRY(hd_input_texts(o->columns, &where, &s->arena, &names, &n));
    s->columns = hd_arena_calloc(&s->arena, in->rows->n_columns + n + 1, sizeof *s->columns);
    if (!s->columns) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < n; i++) {
        hd_rows_column *found;
        HD_TRY(hd_input_need(in, "data.series.columns", names[i], &found));
        HD_TRY(add_name(s, names[i]));
    }
    for (size_t c = 0; c < in->rows->n_columns && n == 0; c++) {
        const hd_rows_column *column = &in->rows->columns[c];
        bool time = s->time && strcmp(s->time, column->name) == 0;
        if (time || named(in->hidden, in->n_hidden, column->name)) continue;
        bool numbers;
        HD_TRY(hd_rows_all_numbers(in->rows, column, otherwise, &numbers));
        if (numbers) HD_TRY(add_name(s, column->name));
    }
    if (s->n > 0) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "the data has no column of numbers: name the series by 'columns'",
                   "数据中没有数值列：请用“columns”指明序列");
}

static void fit_scale(const double *values, size_t n, int scale, series_column *out) {
    double low = INFINITY, high = -INFINITY, mean = 0, spread = 0;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
        mean += values[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) spread += (values[i] - mean) * (values[i] - mean) / (double)n;
    out->shift = scale == SCALE_STANDARD ? mean : scale == SCALE_MINMAX ? low : 0;
    out->scale = scale == SCALE_STANDARD ? sqrt(spread) : scale == SCALE_MINMAX ? high - low : 1;
    if (!(out->scale > 1e-12 * fmax(fabs(high), fabs(low)))) out->scale = 1; // it never changes
}

static heed_err fit_scales(const hd_rows *rows, int scale, series *s) {
    double *values = hd_calloc(rows->n + 1, sizeof *values);
    if (!values) return HD_FAIL_MEMORY(rows->n * sizeof *values);
    heed_err err = HEED_OK;
    for (size_t c = 0; c < s->n && err == HEED_OK; c++) {
        err = column_values(s, rows, s->columns[c].name, values);
        if (err == HEED_OK) fit_scale(values, rows->n, scale, &s->columns[c]);
    }
    hd_free(values);
    return err;
}

// Names as the recipe or a saved preparation has them: one, a list, or none.
static heed_err copy_texts(series *s, const json_t *value, const char *const **out, size_t *n) {
    const size_t many = json_is_string(value) ? 1 : json_array_size(value);
    const char **texts = hd_arena_calloc(&s->arena, many + 1, sizeof *texts);
    if (!texts) return HD_FAIL_MEMORY(many * sizeof *texts);
    for (size_t i = 0; i < many; i++) {
        const json_t *one = json_is_string(value) ? value : json_array_get(value, i);
        const char *text = json_string_value(one);
        if (!(texts[i] = hd_arena_strdup(&s->arena, text ? text : ""))) return HD_FAIL_MEMORY(0);
    }
    *out = texts;
    *n = many;
    return HEED_OK;
}

static heed_err series_fit(const hd_input_fit *in, void **out) {
    const series_options *o = in->options;
    series *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    *s = (series){.window = (size_t)o->window,
                  .horizon = (size_t)o->horizon,
                  .stride = (size_t)o->stride,
                  .smooth = (size_t)o->smooth,
                  .each = o->each,
                  .difference = o->difference,
                  .log = o->log,
                  .scale = o->scale,
                  .own_units = o->units == UNITS_OWN};
    hd_arena_init(&s->arena);
    heed_err err = choose_columns(in, o, s);
    if (err == HEED_OK) err = copy_texts(s, o->across, &s->across, &s->n_across);
    if (err == HEED_OK) err = copy_texts(s, o->skip, &s->skip, &s->n_skip);
    if (err == HEED_OK) err = fit_scales(in->rows, o->scale, s);
    if (err != HEED_OK) {
        series_free(s);
        return err;
    }
    *out = s;
    return HEED_OK;
}

// ── Samples ──

// Windows of rows: the first row behind each (where targets begin), rising.
typedef struct spans {
    size_t first, count, stride;
} spans;

static heed_err find_spans(const series *s, const hd_rows *rows, unsigned wanted, spans *out) {
    bool truth = wanted & HD_WANT_TARGETS;
    size_t least = s->window > rows->first ? s->window : rows->first;
    size_t last = truth ? (rows->n >= s->horizon ? rows->n - s->horizon : 0) : rows->n;
    if (!truth) least = last; // of a request: what comes next
    if (rows->n < s->window || last < least) {
        if (!truth) {
            const hd_rows_words end = hd_rows_place(rows, rows->n > 0 ? rows->n - 1 : 0);
            return HD_FAIL(
                HEED_INPUT,
                "%s: ends after %zu moments, too few for a window of %zu: give as many as that",
                "%s：至此只有 %zu 个时刻，不足以构成长度为 %zu 的窗口：请至少提供这么多", end.text,
                rows->n, s->window);
        }
        const hd_rows_words end = hd_rows_place(rows, rows->n > 0 ? rows->n - 1 : 0);
        return HD_FAIL(HEED_INPUT,
                       "%s: this part of the rows ends after %zu moments, too few for a window of "
                       "%zu and a horizon of %zu: give more rows, or a shorter window or horizon",
                       "%s：这一部分的行至此只有 %zu 个时刻，不足以容纳长度为 %zu 的窗口和 %zu "
                       "步预测：请提供更多行，或缩短窗口与预测长度",
                       end.text, rows->n, s->window, s->horizon);
    }
    size_t stride = wanted & HD_WANT_APART ? 1 : s->stride; // judged at every moment
    *out = (spans){least, (last - least) / stride + 1, stride};
    return HEED_OK;
}

typedef struct filling {
    const series *s;
    spans spans;
    size_t width;         // series of a sample
    const double *values; // (columns, rows)
    size_t rows;
    float *x, *features, *targets; // NULL: not wanted
} filling;

static float scaled(const filling *f, size_t column, size_t row, bool scale) {
    const series_column *c = &f->s->columns[column];
    double value = f->values[column * f->rows + row];
    return (float)(scale ? (value - c->shift) / c->scale : value);
}

// Sample `at`, of the series from `column` on, whose targets begin at row `behind`.
static void fill_sample(const filling *f, size_t at, size_t column, size_t behind) {
    size_t window = f->s->window, horizon = f->s->horizon, w = f->width;
    bool own = f->s->own_units;
    for (size_t t = 0; t < window; t++) {
        for (size_t j = 0; j < w; j++) {
            size_t row = behind - window + t, cell = (at * window + t) * w + j;
            if (f->x) f->x[cell] = scaled(f, column + j, row, true);
            if (f->features) f->features[cell] = scaled(f, column + j, row, !own);
        }
    }
    for (size_t t = 0; t < horizon && f->targets; t++) {
        for (size_t j = 0; j < w; j++) {
            f->targets[(at * horizon + t) * w + j] = scaled(f, column + j, behind + t, !own);
        }
    }
}

static void fill(const filling *f, size_t *row) {
    size_t at = 0;
    for (size_t i = 0; i < f->spans.count; i++) {
        size_t behind = f->spans.first + i * f->spans.stride;
        for (size_t c = 0; c < f->s->n; c += f->width, at++) {
            fill_sample(f, at, c, behind);
            row[at] = behind < f->rows ? behind : f->rows - 1;
        }
    }
}

static heed_err reserve(const series *s, unsigned wanted, filling *f, hd_samples *out) {
    size_t cells = s->window * f->width;
    out->k = s->horizon * f->width;
    out->row = hd_calloc(out->n, sizeof *out->row);
    if (!out->row) return HD_FAIL_MEMORY(out->n * sizeof *out->row);
    if (wanted & HD_WANT_INPUTS) {
        f->x = hd_alloc_aligned(out->n * cells, sizeof *f->x);
        if (!f->x) return HD_FAIL_MEMORY(out->n * cells * sizeof *f->x);
        out->inputs[0] = (hd_data_column){.field = {.name = "x",
                                                    .role = HD_ROLE_INPUT,
                                                    .dtype = HD_F32,
                                                    .n_dims = 2,
                                                    .shape = {s->window, f->width}},
                                          .dtype = HD_F32,
                                          .data = f->x,
                                          .own = true};
        out->n_inputs = 1;
    }
    if (wanted & HD_WANT_FEATURES) {
        HD_TRY(hd_matrix_dense(out->n, cells, &out->features));
        f->features = out->features.dense;
    }
    if (wanted & HD_WANT_TARGETS) {
        out->targets = hd_calloc(out->n * out->k, sizeof *out->targets);
        if (!out->targets) return HD_FAIL_MEMORY(out->n * out->k * sizeof *out->targets);
        f->targets = out->targets;
    }
    return HEED_OK;
}

static heed_err series_apply(const void *fitted, const hd_rows *rows, unsigned wanted,
                             hd_samples *out) {
    const series *s = fitted;
    heed_err err = HEED_OK;
    filling f = {.s = s, .width = s->each ? 1 : s->n, .rows = rows->n};
    *out = (hd_samples){.n = 0};
    if (s->time) HD_TRY(hd_moments_check(rows, s->time));
    HD_TRY(find_spans(s, rows, wanted, &f.spans));
    double *values = hd_calloc(s->n, rows->n * sizeof *values);
    if (!values) return HD_FAIL_MEMORY(s->n * rows->n * sizeof *values);
    f.values = values;
    for (size_t c = 0; c < s->n; c++) {
        HD_TRY_OUT(column_values(s, rows, s->columns[c].name, values + c * rows->n));
    }
    out->n = f.spans.count * (s->n / f.width);
    out->block = s->horizon * (s->n / f.width); // their targets overlap
    HD_TRY_OUT(reserve(s, wanted, &f, out));
    fill(&f, out->row);
out:
    hd_free(values);
    if (err != HEED_OK) hd_input_samples_clear(out);
    return err;
}

// ── To and from JSON ──

static heed_err add_texts(json_t *out, const char *key, const char *const *texts, size_t n) {
    if (n == 0) return HEED_OK;
    HD_TRY(hd_json_set(out, key, json_array()));
    for (size_t i = 0; i < n; i++)
        HD_TRY(hd_json_append(json_object_get(out, key), json_string(texts[i])));
    return HEED_OK;
}

static heed_err series_to_json(const void *fitted, json_t **out) {
    const series *s = fitted;
    heed_err err = HEED_OK;
    HD_TRY(hd_json_pack(out, "{s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:s, s:s?, s:[]}", "window",
                        (json_int_t)s->window, "horizon", (json_int_t)s->horizon, "stride",
                        (json_int_t)s->stride, "smooth", (json_int_t)s->smooth, "each", s->each,
                        "difference", s->difference, "log", s->log, "own_units", s->own_units,
                        "scale", scales[s->scale], "time", s->time, "columns"));
    HD_TRY_OUT(add_texts(*out, "across", s->across, s->n_across));
    HD_TRY_OUT(add_texts(*out, "skip", s->skip, s->n_skip));
    for (size_t c = 0; c < s->n; c++) {
        json_t *one;
        HD_TRY_OUT(hd_json_pack(&one, "{s:s, s:f, s:f}", "name", s->columns[c].name, "shift",
                                s->columns[c].shift, "scale", s->columns[c].scale));
        HD_TRY_OUT(hd_json_append(json_object_get(*out, "columns"), one));
    }
out:
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static bool read_size(const json_t *json, const char *key, size_t *out) {
    json_int_t value = json_integer_value(json_object_get(json, key));
    *out = (size_t)value;
    return value >= 1 && value <= 1 << 16;
}

static heed_err read_columns(const json_t *list, series *s, bool *sane) {
    size_t n = json_array_size(list);
    s->columns = hd_arena_calloc(&s->arena, n + 1, sizeof *s->columns);
    if (!s->columns) return HD_FAIL_MEMORY(n * sizeof *s->columns);
    *sane = n > 0;
    for (size_t c = 0; c < n; c++) {
        const json_t *one = json_array_get(list, c);
        const char *name = json_string_value(json_object_get(one, "name"));
        double scale = json_number_value(json_object_get(one, "scale"));
        if (!name || !(scale > 0)) {
            *sane = false;
            return HEED_OK;
        }
        HD_TRY(add_name(s, name));
        s->columns[c].shift = json_number_value(json_object_get(one, "shift"));
        s->columns[c].scale = scale;
    }
    return HEED_OK;
}

// Models that were saved before these were kept have neither.
static heed_err read_words(const json_t *json, series *s) {
    const char *scale = json_string_value(json_object_get(json, "scale"));
    const char *time = json_string_value(json_object_get(json, "time"));
    for (int i = 0; scale && scales[i]; i++) {
        if (strcmp(scales[i], scale) == 0) s->scale = i;
    }
    if (time && !(s->time = hd_arena_strdup(&s->arena, time))) return HD_FAIL_MEMORY(0);
    HD_TRY(copy_texts(s, json_object_get(json, "across"), &s->across, &s->n_across));
    return copy_texts(s, json_object_get(json, "skip"), &s->skip, &s->n_skip);
}

static heed_err series_from_json(const json_t *json, const char *name, void **out) {
    series *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    hd_arena_init(&s->arena);
    bool columns = false;
    heed_err err = read_columns(json_object_get(json, "columns"), s, &columns);
    if (err == HEED_OK) err = read_words(json, s);
    bool sane = read_size(json, "window", &s->window) && read_size(json, "horizon", &s->horizon) &&
                read_size(json, "stride", &s->stride) && read_size(json, "smooth", &s->smooth);
    s->each = json_is_true(json_object_get(json, "each"));
    s->difference = json_is_true(json_object_get(json, "difference"));
    s->log = json_is_true(json_object_get(json, "log"));
    s->own_units = json_is_true(json_object_get(json, "own_units"));
    if (err == HEED_OK && !(sane && columns)) {
        err = HD_FAIL(HEED_CORRUPT, "%s: the preparation of a series is damaged",
                      "%s：序列的数据准备信息已损坏", name);
    }
    if (err != HEED_OK) {
        series_free(s);
        return err;
    }
    *out = s;
    return HEED_OK;
}

// ── For readers ──

static size_t column_of(const series *s, size_t sample) {
    return s->each ? sample % s->n : 0;
}

static const char *series_name(const void *fitted, size_t sample) {
    const series *s = fitted;
    return s->each || s->n == 1 ? s->columns[column_of(s, sample)].name : NULL;
}

static size_t series_width(const void *fitted) {
    const series *s = fitted;
    return s->each ? 1 : s->n;
}

// "1", "2" steps ahead; with all series in one sample "load 1", "oil 1", "load 2".
static void series_step(const void *fitted, size_t i, char out[128]) {
    const series *s = fitted;
    const size_t width = series_width(s);
    if (width == 1)
        hd_snprintf(out, 128, "%zu", i + 1);
    else
        hd_snprintf(out, 128, "%.100s %zu", s->columns[i % width].name, i / width + 1);
}

// What a float can't tell from its neighbours isn't said: six digits.
static double six_digits(double value) {
    if (!(fabs(value) > 0) || !isfinite(value)) return value;
    const double unit = pow(10, floor(log10(fabs(value))) - 5);
    return unit > 0 ? round(value / unit) * unit : value;
}

static void series_restore(const void *fitted, size_t sample, float *values, size_t k) {
    const series *s = fitted;
    const size_t width = series_width(s), from = column_of(s, sample);
    for (size_t i = 0; i < k; i++) {
        const series_column *c = &s->columns[from + i % width];
        double value = (double)values[i];
        if (!s->own_units) value = value * c->scale + c->shift;
        values[i] = (float)six_digits(s->log ? expm1(value) : value);
    }
}

static hd_text series_unit(const void *fitted) {
    const series *s = fitted;
    static const hd_text texts[][2] = {
        [SCALE_STANDARD] = {HD_TEXT("standard deviations of each series' training values",
                                    "各序列训练值的标准差"),
                            HD_TEXT("standard deviations of the logarithms, ln(1 + x), of each "
                                    "series' training values",
                                    "各序列训练值取对数 ln(1 + x) 后的标准差")},
        [SCALE_MINMAX] = {HD_TEXT("shares of the range of each series' training values",
                                  "各序列训练值范围的比例"),
                          HD_TEXT("shares of the range of the logarithms, ln(1 + x), of each "
                                  "series' training values",
                                  "各序列训练值取对数 ln(1 + x) 后范围的比例")},
        [SCALE_NONE] = {HD_TEXT(NULL, NULL), HD_TEXT("logarithms, ln(1 + x)", "对数 ln(1 + x)")}};
    return texts[s->own_units ? SCALE_NONE : s->scale][s->log];
}

// A new text, empty where nothing stands. NULL: no memory.
static json_t *cell_json(const hd_rows *rows, const char *column, size_t row) {
    const hd_rows_column *found = hd_rows_find(rows, column);
    const hd_slice cell = found ? found->cells[row] : (hd_slice){NULL, 0};
    return json_stringn(cell.p ? cell.p : "", cell.n);
}

// Of the sample's first series: as much as twice what is forecast, if the window has it.
static heed_err series_before(const void *fitted, const hd_rows *rows, size_t sample, size_t row,
                              json_t *out) {
    const series *s = fitted;
    const char *column = s->columns[column_of(s, sample)].name;
    const size_t shown = s->window < 2 * s->horizon ? s->window : 2 * s->horizon;
    const size_t from = row - (shown < row ? shown : row);
    const size_t last = row + s->horizon - 1 < rows->n ? row + s->horizon - 1 : rows->n - 1;
    json_t *history = json_array(), *times = json_array();
    double *values = hd_calloc(rows->n + 1, sizeof *values);
    heed_err err = hd_json_set(out, "history", history);
    heed_err other = hd_json_set(out, "times", times);
    if (err == HEED_OK) err = other;
    if (err == HEED_OK && !values) err = HD_FAIL_MEMORY(rows->n * sizeof *values);
    if (err == HEED_OK) err = hd_json_set(out, "name", json_string(column));
    if (err == HEED_OK) err = column_values(s, rows, column, values);
    for (size_t i = from; err == HEED_OK && i < row; i++) {
        double value = six_digits(s->log ? expm1(values[i]) : values[i]);
        err = hd_json_append(history, hd_json_real(hd_json_decimal((float)value)));
    }
    if (err == HEED_OK && s->time && hd_rows_find(rows, s->time)) {
        err = hd_json_append(times, cell_json(rows, s->time, from));
        if (err == HEED_OK) err = hd_json_append(times, cell_json(rows, s->time, last));
    }
    hd_free(values);
    return err;
}

static const hd_input_forecast series_forecast = {
    .name = series_name,
    .step = series_step,
    .width = series_width,
    .restore = series_restore,
    .before = series_before,
    .unit = series_unit,
};

static heed_err series_show(const void *fitted, const hd_rows *rows, size_t sample, size_t row,
                            json_t **out) {
    const series *s = fitted;
    enum { MOST = 12 };
    heed_err err = HEED_OK;
    const size_t from = column_of(s, sample), width = series_width(s);
    json_t *fields = json_object();
    *out = json_object();
    if (!*out) {
        json_decref(fields);
        return HD_FAIL_MEMORY(0);
    }
    HD_TRY_OUT(hd_json_set(*out, "fields", fields));
    if (s->time && hd_rows_find(rows, s->time))
        HD_TRY_OUT(hd_json_set(fields, s->time, cell_json(rows, s->time, row)));
    for (size_t c = from; c < from + width && c < from + MOST; c++) {
        const char *name = s->columns[c].name;
        HD_TRY_OUT(hd_json_set(fields, name, cell_json(rows, name, row)));
    }
out:
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err series_augment(const void *fitted, const json_t *list, const hd_where *where,
                               const hd_input_env *env, hd_data *data, hd_data **out) {
    (void)fitted;
    (void)env;
    return hd_augment_data(data, list, where, HD_AUGMENT_SERIES, false, NULL, out);
}

const hd_input_kind hd_input_series = {
    .kind = {.name = "series",
             .size = sizeof(series_options),
             .options = option_rows,
             .doc = HD_TEXT("moments in order: windows of what was, and what comes next",
                            "按时间排列的行：以历史窗口预测之后的值")},
    .ordered = true,
    .own_targets = true,
    .open = series_open,
    .fit = series_fit,
    .arrange = series_arrange,
    .apply = series_apply,
    .to_json = series_to_json,
    .from_json = series_from_json,
    .free = series_free,
    .show = series_show,
    .forecast = &series_forecast,
    .augment = series_augment,
};
