// SPDX-License-Identifier: Apache-2.0
//
// The nearest training rows decide: their classes' shares, or the mean of their values. Exact:
// every training row is compared. A row's distances come from dot products, |a − b|² = |a|² − 2ab +
// |b|², of eight partial sums so that the compiler can use vectors; ties go to the earlier row.
//
// Sparse rows are also kept by column: a row asked about then meets only the entries of its own
// columns (an inverted index, as search engines have), a tenth of them or less, and sums them in
// the same order as a pass over the rows would.
//
// Rejected: trees over the rows, which lose to a plain pass from some ten features on.
#include <math.h>

#include "base/mem.h"
#include "classic/kind.h"

typedef enum knn_metric { METRIC_EUCLIDEAN, METRIC_COSINE } knn_metric;
static const char *const metrics[] = {"euclidean", "cosine", NULL};

typedef struct knn_options {
    int64_t k;
    int metric;
    bool weighted;
    double power, smooth;
} knn_options;

static const hd_option option_rows[] = {
    {.name = "k",
     .type = HD_OPTION_INT,
     .at = offsetof(knn_options, k),
     .initial = 5,
     .min = 1,
     .max = 10000,
     .doc = HD_TEXT("neighbours that are asked", "参考的近邻数")},
    {.name = "metric",
     .type = HD_OPTION_WORD,
     .at = offsetof(knn_options, metric),
     .words = metrics,
     .doc = HD_TEXT("what near means", "距离的度量")},
    {.name = "weighted",
     .type = HD_OPTION_BOOL,
     .at = offsetof(knn_options, weighted),
     .doc = HD_TEXT("a neighbour counts as the inverse of its distance", "按距离的倒数加权")},
    {.name = "power",
     .type = HD_OPTION_REAL,
     .at = offsetof(knn_options, power),
     .max = 100,
     .doc = HD_TEXT("of cosine: a neighbour counts as its likeness to this power; 0: all the same",
                    "用于 cosine：近邻按相似度的此次幂计票；0：一视同仁")},
    {.name = "smooth",
     .type = HD_OPTION_REAL,
     .at = offsetof(knn_options, smooth),
     .max = 1e6,
     .doc = HD_TEXT("so many mean neighbours' votes for each class, so that none is ruled out",
                    "每个类别另得这么多个平均近邻的票，使任何类别都不被排除")},
    {.name = NULL}};

// An entry of a sparse matrix, by its column.
typedef struct posting {
    uint32_t row;
    float value;
} posting;

typedef struct knn {
    uint32_t k, metric, weighted;
    float power, smooth;
    hd_matrix x;
    size_t columns;    // of a sparse x: up to the last that has an entry
    size_t *first;     // (columns + 1) where a column's postings begin
    posting *postings; // rows rising within a column
    float *norm;       // (n) |row|²
    uint32_t *label;   // (n), or:
    float *target;     // (n, k)
} knn;

static void knn_free(void *model) {
    knn *m = model;
    hd_matrix_clear(&m->x);
    hd_free(m->first);
    hd_free(m->postings);
    hd_free(m->norm);
    hd_free(m->label);
    hd_free(m->target);
    hd_free(m);
}

static float dot(const float *restrict a, const float *restrict b, size_t n) {
    enum { LANES = 8 };
    float sum[LANES] = {0}, rest = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) sum[l] += a[i + l] * b[i + l];
    }
    for (; i < n; i++) rest += a[i] * b[i];
    for (size_t l = 0; l < LANES; l++) rest += sum[l];
    return rest;
}

static heed_err fill_postings(knn *m) {
    const hd_matrix *x = &m->x;
    size_t entries = hd_matrix_entries(x);
    if (x->dense) return HEED_OK;
    for (size_t e = 0; e < entries; e++)
        if (x->column[e] >= m->columns) m->columns = x->column[e] + (size_t)1;
    m->first = hd_calloc(m->columns + 2, sizeof *m->first);
    m->postings = hd_alloc((entries + 1) * sizeof *m->postings);
    if (!m->first || !m->postings) return HD_FAIL_MEMORY(entries * sizeof *m->postings);
    for (size_t e = 0; e < entries; e++) m->first[x->column[e] + 2]++;
    for (size_t c = 2; c < m->columns + 2; c++) m->first[c] += m->first[c - 1];
    for (size_t i = 0; i < x->n; i++) { // first[c + 1] moves from the beginning of c to its end
        for (size_t e = x->start[i]; e < x->start[i + 1]; e++)
            m->postings[m->first[x->column[e] + 1]++] = (posting){(uint32_t)i, x->value[e]};
    }
    return HEED_OK;
}

// columns: (n), NULL: all of them. Adds to out.
static void by_columns(const knn *m, const uint32_t *columns, const float *values, size_t n,
                       float *out) {
    for (size_t e = 0; e < n; e++) {
        size_t c = columns ? columns[e] : e;
        if (c >= m->columns) break; // they rise
        for (size_t p = m->first[c]; p < m->first[c + 1]; p++)
            out[m->postings[p].row] += m->postings[p].value * values[e];
    }
}

// The row's dot products with all training rows. work: (m)
static void products(const knn *m, const hd_matrix *x, size_t i, float *work, float *out) {
    const hd_matrix *own = &m->x;
    if (own->dense) {
        hd_matrix_row(x, i, work);
        for (size_t r = 0; r < own->n; r++) out[r] = dot(own->dense + r * own->m, work, own->m);
        return;
    }
    memset(out, 0, own->n * sizeof *out);
    if (x->dense)
        by_columns(m, NULL, x->dense + i * x->m, x->m, out);
    else
        by_columns(m, x->column + x->start[i], x->value + x->start[i],
                   x->start[i + 1] - x->start[i], out);
}

// |row|²; of a sparse row summed as products are, so that a row is at no distance from itself.
static float norm_of(const hd_matrix *x, size_t i) {
    float sum = 0;
    if (x->dense) return dot(x->dense + i * x->m, x->dense + i * x->m, x->m);
    for (size_t e = x->start[i]; e < x->start[i + 1]; e++) sum += x->value[e] * x->value[e];
    return sum;
}

static heed_err fill_norms(knn *m) {
    m->norm = hd_calloc(m->x.n, sizeof *m->norm);
    if (!m->norm) return HD_FAIL_MEMORY(m->x.n * sizeof *m->norm);
    for (size_t i = 0; i < m->x.n; i++) m->norm[i] = norm_of(&m->x, i);
    return HEED_OK;
}

static heed_err copy_rows(const hd_classic_data *data, knn *m) {
    size_t n = data->x->n;
    size_t *all = hd_calloc(n, sizeof *all);
    if (!all) return HD_FAIL_MEMORY(n * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = i;
    heed_err err = hd_matrix_pick(data->x, all, n, &m->x);
    hd_free(all);
    return err;
}

static heed_err copy_answers(const hd_classic_data *data, knn *m) {
    size_t n = data->x->n;
    if (data->labels) {
        m->label = hd_calloc(n, sizeof *m->label);
        if (!m->label) return HD_FAIL_MEMORY(n * sizeof *m->label);
        for (size_t i = 0; i < n; i++) m->label[i] = (uint32_t)data->labels[i];
        return HEED_OK;
    }
    m->target = hd_calloc(n, data->k * sizeof *m->target);
    if (!m->target) return HD_FAIL_MEMORY(n * data->k * sizeof *m->target);
    memcpy(m->target, data->targets, n * data->k * sizeof *m->target);
    return HEED_OK;
}

static heed_err knn_fit(const void *options, const hd_classic_data *data, char chosen[64],
                        void **model) {
    heed_err err = HEED_OK;
    const knn_options *o = options;
    (void)chosen;
    knn *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    m->k = (uint32_t)((size_t)o->k < data->x->n ? (size_t)o->k : data->x->n);
    m->metric = (uint32_t)o->metric;
    m->weighted = o->weighted;
    m->power = (float)o->power;
    m->smooth = (float)o->smooth;
    HD_TRY_OUT(copy_rows(data, m));
    HD_TRY_OUT(copy_answers(data, m));
    HD_TRY_OUT(fill_postings(m));
    HD_TRY_OUT(fill_norms(m));
    *model = m;
    return HEED_OK;
out:
    knn_free(m);
    return err;
}

// ── Predicting ──

typedef struct near_row {
    float distance;
    uint32_t row;
} near_row;

// Keeps the list by rising distance; an equal one stays behind.
static void keep(near_row *best, size_t *n, size_t most, near_row one) {
    if (*n == most && !(one.distance < best[most - 1].distance)) return;
    size_t place = *n < most ? (*n)++ : most - 1;
    for (; place > 0 && one.distance < best[place - 1].distance; place--) {
        best[place] = best[place - 1];
    }
    best[place] = one;
}

// both: the dot product
static float distance(const knn *m, size_t i, float both, float norm) {
    if (m->metric == METRIC_EUCLIDEAN) return fmaxf(0, norm - 2 * both + m->norm[i]);
    float scale = sqrtf(norm * m->norm[i]);
    return scale > 0 ? 1 - both / scale : 1;
}

static float weight_of(const knn *m, float distance) {
    double d = (double)distance, far = m->metric == METRIC_EUCLIDEAN ? sqrt(d) : d;
    double weight = m->weighted ? 1 / fmax(far, 1e-12) : 1;
    if (m->power > 0 && m->metric == METRIC_COSINE)
        weight *= pow(fmax(1 - d, 1e-6), (double)m->power);
    return (float)weight;
}

static void smoothe(const knn *m, size_t n, size_t k, double *total, float *scores) {
    double each = (double)m->smooth * *total / (double)n;
    for (size_t j = 0; j < k; j++) scores[j] += (float)each;
    *total += each * (double)k;
}

static void vote(const knn *m, const near_row *best, size_t n, size_t k, float *scores) {
    double total = 0;
    memset(scores, 0, k * sizeof *scores);
    for (size_t i = 0; i < n; i++) {
        float weight = weight_of(m, best[i].distance);
        total += (double)weight;
        if (m->label) {
            scores[m->label[best[i].row]] += weight;
            continue;
        }
        for (size_t j = 0; j < k; j++) scores[j] += weight * m->target[best[i].row * k + j];
    }
    if (m->smooth > 0 && m->label) smoothe(m, n, k, &total, scores);
    for (size_t j = 0; j < k; j++) scores[j] = (float)((double)scores[j] / total);
}

static heed_err knn_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                            size_t from, size_t to, float *scratch, float *scores) {
    const knn *m = model;
    near_row *best = hd_calloc(m->k, sizeof *best);
    float *both = hd_calloc(m->x.n, sizeof *both);
    heed_err err = best && both ? HEED_OK : HD_FAIL_MEMORY(m->x.n * sizeof *both);
    for (size_t i = from; err == HEED_OK && i < to; i++, scores += shape->k) {
        size_t n = 0;
        float norm = norm_of(x, i);
        products(m, x, i, scratch, both);
        for (size_t r = 0; r < m->x.n; r++)
            keep(best, &n, m->k, (near_row){distance(m, r, both[r], norm), (uint32_t)r});
        vote(m, best, n, shape->k, scores);
    }
    hd_free(best);
    hd_free(both);
    return err;
}

static size_t knn_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes) {
    const knn *m = model;
    *bytes = hd_matrix_bytes(&m->x) + m->x.n * (sizeof *m->norm + shape->k * sizeof(float));
    return hd_matrix_entries(&m->x);
}

// ── Files ──

enum { SHAPED = 2 }; // beside `weighted`: power and smooth follow

static void knn_save(const void *model, const hd_classic_shape *shape, hd_str *out) {
    const knn *m = model;
    hd_bytes_u32(out, m->k);
    hd_bytes_u32(out, m->metric);
    const float shape_of[] = {m->power, m->smooth};
    bool shaped = m->power > 0 || m->smooth > 0;
    hd_bytes_u32(out, m->weighted + (shaped ? SHAPED : 0));
    if (shaped) hd_bytes_f32s(out, shape_of, 2);
    hd_bytes_u64(out, m->x.n);
    hd_bytes_u32(out, m->x.dense != NULL);
    if (m->x.dense) {
        hd_bytes_f32s(out, m->x.dense, m->x.n * m->x.m);
    } else {
        for (size_t i = 0; i < m->x.n; i++) hd_bytes_u64(out, m->x.start[i + 1]);
        hd_bytes_u32s(out, m->x.column, m->x.start[m->x.n]);
        hd_bytes_f32s(out, m->x.value, m->x.start[m->x.n]);
    }
    if (m->label) hd_bytes_u32s(out, m->label, m->x.n);
    if (m->target) hd_bytes_f32s(out, m->target, m->x.n * shape->k);
}

static heed_err load_sparse(hd_bytes *in, hd_matrix *x) {
    x->start = hd_calloc(x->n + 1, sizeof *x->start);
    if (!x->start) return HD_FAIL_MEMORY((x->n + 1) * sizeof *x->start);
    for (size_t i = 0; i < x->n; i++) {
        x->start[i + 1] = hd_bytes_get_u64(in);
        if (in->failed || x->start[i + 1] < x->start[i]) return hd_bytes_damaged();
    }
    HD_TRY(hd_bytes_get_u32s(in, x->start[x->n], &x->column));
    HD_TRY(hd_bytes_get_f32s(in, x->start[x->n], &x->value));
    return hd_matrix_check(x) == HEED_OK ? HEED_OK : hd_bytes_damaged();
}

static heed_err load_answers(hd_bytes *in, const hd_classic_shape *shape, knn *m) {
    size_t cells;
    if (__builtin_mul_overflow(m->x.n, shape->k, &cells)) return hd_bytes_damaged();
    if (!shape->classes) return hd_bytes_get_f32s(in, cells, &m->target);
    HD_TRY(hd_bytes_get_u32s(in, m->x.n, &m->label));
    for (size_t i = 0; i < m->x.n; i++) {
        if (m->label[i] >= shape->k) return hd_bytes_damaged();
    }
    return HEED_OK;
}

static heed_err load_shape(hd_bytes *in, knn *m) {
    float *pair;
    HD_TRY(hd_bytes_get_f32s(in, 2, &pair));
    m->power = pair[0];
    m->smooth = pair[1];
    hd_free(pair);
    return HEED_OK;
}

static heed_err knn_load(hd_bytes *in, const hd_classic_shape *shape, void **model) {
    knn *m = hd_calloc(1, sizeof *m);
    size_t cells;
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    *model = m;
    m->k = hd_bytes_get_u32(in);
    m->metric = hd_bytes_get_u32(in);
    uint32_t flags = hd_bytes_get_u32(in);
    m->weighted = flags % SHAPED;
    if (flags & SHAPED) HD_TRY(load_shape(in, m));
    m->x = (hd_matrix){.n = hd_bytes_get_count(in, sizeof(float)), .m = shape->m, .own = true};
    bool dense = hd_bytes_get_u32(in) != 0;
    if (in->failed || m->x.n == 0 || m->k == 0 || m->k > m->x.n || m->metric > METRIC_COSINE ||
        m->x.n > UINT32_MAX || flags > SHAPED + 1 || !(m->power >= 0) || !(m->smooth >= 0) ||
        __builtin_mul_overflow(m->x.n, m->x.m, &cells)) {
        return hd_bytes_damaged();
    }
    HD_TRY(dense ? hd_bytes_get_f32s(in, cells, &m->x.dense) : load_sparse(in, &m->x));
    HD_TRY(load_answers(in, shape, m));
    HD_TRY(fill_postings(m));
    return fill_norms(m);
}

const hd_classic_kind hd_classic_knn = {
    .kind = {.name = "knn",
             .size = sizeof(knn_options),
             .options = option_rows,
             .doc = HD_TEXT("the nearest training rows", "最近的训练行")},
    .label = HD_TEXT("nearest neighbours", "最近邻"),
    .classes = true,
    .values = true,
    .one_class = true,
    .fit = knn_fit,
    .predict = knn_predict,
    .parameters = knn_parameters,
    .save = knn_save,
    .load = knn_load,
    .free = knn_free,
};
