// SPDX-License-Identifier: Apache-2.0
//
// recent: popular of late. Days are counted back from the end of the training data (the newest time
// in it); day 0 are the 24 hours that end there.
//
//     score(j) = Σ over days d with s ≤ d < s + N or, when s < 0, 0 ≤ d < N + s
//                of the number of users who had an event at j on day d
//
// where s = 0 at the end of the data, grows by 1 for each day begun that `now` lies before it (so
// that nothing after `now` is seen), and falls by 1 for each whole day that `now` lies after it:
// the window keeps its length in the calendar, and when all of it is newer than the data, the
// method says nothing (all scores 0) and the caller falls back.
//
// Kept are counts per day and item, no users. The scores at the end of the data, which is what
// evaluation and most requests ask for, are summed once.
#include <string.h>

#include "base/mem.h"
#include "recommend/model_file.h"
#include "recommend/past.h"

extern const hd_method hd_method_recent;

enum { DAYS, N_PARAMS };

typedef struct recent {
    double values[N_PARAMS];
    size_t n_items;
    int64_t end;     // newest time of the training data
    size_t n_days;   // days kept: the oldest event stands in day n_days - 1
    uint64_t *start; // (n_days + 1)
    uint32_t *item;  // (start[n_days]) rising within a day
    uint32_t *users; // (start[n_days]) how many users, ≥ 1
    float *at_end;   // (I) scores at the end of the data
} recent;

static const double days_grid[] = {7, 30, 90};
static const hd_method_param params[N_PARAMS] = {
    [DAYS] = {.name = "days",
              .initial = 30,
              .min = 1,
              .max = 3650,
              .integer = true,
              .grid = days_grid,
              .n_grid = 3,
              .doc = HD_TEXT("how many days back count", "统计最近多少天")},
};

static void recent_free(hd_model *model) {
    recent *m = model;
    if (!m) return;
    hd_free(m->start);
    hd_free(m->item);
    hd_free(m->users);
    hd_free(m->at_end);
    hd_free(m);
}

static uint32_t day_of(const recent *m, hd_time t) {
    return (uint32_t)((m->end - t) / HD_DAY_MS);
}

// Whether entry e of the transposed data has a time and is not the same user again on the same day:
// an item's entries come user by user, each user's in time order, so repeats are neighbours.
static bool counts(const recent *m, const hd_sparse *cols, size_t item, size_t e) {
    if (cols->time[e] == HD_TIME_NONE) return false;
    if (e == cols->start[item] || cols->col[e - 1] != cols->col[e]) return true;
    return cols->time[e - 1] == HD_TIME_NONE ||
           day_of(m, cols->time[e - 1]) != day_of(m, cols->time[e]);
}

// Deals the visits out by day, items rising within a day. Then start[d] is the end of day d.
static void deal(recent *m, const hd_sparse *cols) {
    for (size_t i = 0; i < cols->n_rows; i++) {
        for (size_t e = cols->start[i]; e < cols->start[i + 1]; e++) {
            if (counts(m, cols, i, e)) m->start[day_of(m, cols->time[e]) + 1]++;
        }
    }
    for (size_t d = 0; d < m->n_days; d++) m->start[d + 1] += m->start[d];
    for (size_t i = 0; i < cols->n_rows; i++) {
        for (size_t e = cols->start[i]; e < cols->start[i + 1]; e++) {
            if (counts(m, cols, i, e)) m->item[m->start[day_of(m, cols->time[e])]++] = (uint32_t)i;
        }
    }
}

// Neighbouring visits at one item become one entry with their number.
static void merge(recent *m) {
    uint64_t kept = 0, from = 0;
    for (size_t d = 0; d < m->n_days; d++) {
        uint64_t first = kept, end = m->start[d];
        for (uint64_t v = from; v < end; v++) {
            if (kept > first && m->item[kept - 1] == m->item[v]) {
                m->users[kept - 1]++;
            } else {
                m->item[kept] = m->item[v];
                m->users[kept++] = 1;
            }
        }
        from = end;
        m->start[d] = first;
    }
    m->start[m->n_days] = kept;
}

static heed_err count_days(recent *m, const hd_sparse *train, hd_time oldest) {
    hd_sparse cols = {0};
    m->n_days = (size_t)day_of(m, oldest) + 1;
    m->start = hd_calloc(m->n_days + 1, sizeof *m->start);
    m->item = hd_calloc(train->n + 1, sizeof *m->item);
    m->users = hd_calloc(train->n + 1, sizeof *m->users);
    if (!m->start || !m->item || !m->users) return HD_FAIL_MEMORY(train->n * 8);
    HD_TRY(hd_sparse_transpose(train, &cols));
    deal(m, &cols);
    merge(m);
    hd_sparse_clear(&cols);
    return HEED_OK;
}

// Days begun that `now` lies before the end of the data; negative: whole days after it.
static int64_t shift_of(const recent *m, hd_time now) {
    if (now == HD_TIME_NONE || now == m->end) return 0;
    if (now > m->end) return -((now - m->end) / HD_DAY_MS);
    return (m->end - now + HD_DAY_MS - 1) / HD_DAY_MS;
}

static void sum_days(const recent *m, int64_t shift, float *scores) {
    int64_t from = shift > 0 ? shift : 0;
    int64_t end = shift + (int64_t)m->values[DAYS];
    if (end > (int64_t)m->n_days) end = (int64_t)m->n_days;
    memset(scores, 0, m->n_items * sizeof *scores);
    for (int64_t d = from; d < end; d++) {
        for (uint64_t c = m->start[d]; c < m->start[d + 1]; c++) {
            scores[m->item[c]] += (float)m->users[c];
        }
    }
}

static heed_err finish(recent *m) {
    m->at_end = hd_alloc((m->n_items + 1) * sizeof *m->at_end);
    if (!m->at_end) return HD_FAIL_MEMORY(m->n_items * sizeof *m->at_end);
    sum_days(m, 0, m->at_end);
    return HEED_OK;
}

// Whether there are times at all, and between which.
static bool span_of(const hd_sparse *train, hd_time *oldest, hd_time *end) {
    bool any = false;
    for (size_t e = 0; train->time && e < train->n; e++) {
        hd_time t = train->time[e];
        if (t == HD_TIME_NONE) continue;
        if (!any || t < *oldest) *oldest = t;
        if (!any || t > *end) *end = t;
        any = true;
    }
    return any;
}

static heed_err recent_fit(const hd_sparse *train, const double *values, uint64_t seed,
                           hd_pool *pool, hd_model **out) {
    (void)seed, (void)pool;
    HD_TRY(hd_model_values_check(&hd_method_recent, values));
    hd_time oldest = 0, end = 0;
    if (!span_of(train, &oldest, &end)) {
        return HD_FAIL(HEED_UNAVAILABLE,
                       "'recent' needs times, and the events have none: use 'popular'",
                       "“recent”需要事件时间，而这些事件没有时间：请改用“popular”");
    }
    heed_err err = HEED_OK;
    recent *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    m->values[DAYS] = values[DAYS];
    m->n_items = train->n_cols;
    m->end = end;
    HD_TRY_OUT(count_days(m, train, oldest));
    HD_TRY_OUT(finish(m));
    *out = m;
    m = NULL;
out:
    recent_free(m);
    return err;
}

static size_t recent_n_items(const hd_model *model) {
    return ((const recent *)model)->n_items;
}

static heed_err recent_score(const hd_model *model, const hd_history *history, float *scores) {
    const recent *m = model;
    int64_t shift = shift_of(m, history->now);
    if (shift != 0) {
        sum_days(m, shift, scores);
    } else {
        memcpy(scores, m->at_end, m->n_items * sizeof *scores);
    }
    return HEED_OK;
}

static heed_err recent_save(const hd_model *model, hd_safetensors_writer *out) {
    const recent *m = model;
    size_t one = 1, n_start = m->n_days + 1, n = (size_t)m->start[m->n_days];
    HD_TRY(hd_model_file_begin(&hd_method_recent, m->values, out));
    HD_TRY(hd_safetensors_add(out, "end", HD_I64, 1, &one, &m->end));
    HD_TRY(hd_safetensors_add(out, "start", HD_U64, 1, &n_start, m->start));
    HD_TRY(hd_safetensors_add(out, "item", HD_U32, 1, &n, m->item));
    HD_TRY(hd_safetensors_add(out, "users", HD_U32, 1, &n, m->users));
    return hd_safetensors_add(out, "at_end", HD_F32, 1, &m->n_items, m->at_end);
}

static heed_err check(const recent *m, size_t n) {
    bool ok = m->end >= HD_TIME_MIN && m->end <= HD_TIME_MAX && m->start[0] == 0 &&
              m->start[m->n_days] == n;
    for (size_t d = 0; ok && d < m->n_days; d++) {
        ok = m->start[d] <= m->start[d + 1] && m->start[d + 1] <= n;
    }
    for (size_t c = 0; ok && c < n; c++) ok = m->item[c] < m->n_items && m->users[c] > 0;
    if (ok) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT,
                   "the days of the model file of 'recent' are damaged: train it again",
                   "“recent”的模型文件中按日的数据已损坏：请重新训练");
}

static heed_err read_days(const hd_safetensors *in, recent *m, size_t *n) {
    void *data = NULL;
    size_t n_start = SIZE_MAX, one = 1;
    *n = SIZE_MAX;
    m->n_items = SIZE_MAX;
    HD_TRY(hd_model_tensor(in, "at_end", HD_F32, &m->n_items, &data));
    m->at_end = data; // only its length counts: the scores are summed again from the days
    HD_TRY(hd_model_tensor(in, "start", HD_U64, &n_start, &data));
    m->start = data;
    if (n_start < 2) {
        return HD_FAIL(HEED_CORRUPT, "the model file of 'recent' has no days: train it again",
                       "“recent”的模型文件没有日期数据：请重新训练");
    }
    m->n_days = n_start - 1;
    HD_TRY(hd_model_tensor(in, "item", HD_U32, n, &data));
    m->item = data;
    HD_TRY(hd_model_tensor(in, "users", HD_U32, n, &data));
    m->users = data;
    HD_TRY(hd_model_tensor(in, "end", HD_I64, &one, &data));
    m->end = *(const int64_t *)data;
    hd_free(data);
    return HEED_OK;
}

static heed_err recent_load(const hd_safetensors *in, hd_model **out) {
    heed_err err = HEED_OK;
    size_t n = 0;
    recent *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    HD_TRY_OUT(hd_model_file_check(&hd_method_recent, in, m->values));
    HD_TRY_OUT(read_days(in, m, &n));
    HD_TRY_OUT(check(m, n));
    sum_days(m, 0, m->at_end);
    *out = m;
    m = NULL;
out:
    recent_free(m);
    return err;
}

const hd_method hd_method_recent = {
    .name = "recent",
    .doc = HD_TEXT("What most users had an event at in the last days: follows seasons and news.",
                   "最近若干天内最多用户有行为的商品：跟随季节与新品。"),
    .brief = HD_TEXT("popular of late", "近期热门"),
    .source = "counting; MobileTeleSystems/RecTools PopularModel(period)",
    .params = params,
    .n_params = N_PARAMS,
    .needs_time = true,
    .fit = recent_fit,
    .n_items = recent_n_items,
    .score = recent_score,
    .reasons = hd_no_reasons,
    .save = recent_save,
    .load = recent_load,
    .free = recent_free,
};
