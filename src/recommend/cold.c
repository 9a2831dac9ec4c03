// SPDX-License-Identifier: Apache-2.0
//
// Counts per attribute value, not a model over values: each number can be explained, and what is
// kept is an aggregate over at least HD_COLD_MIN_USERS people. Values are averaged and not
// multiplied (naive Bayes would count correlated values such as city and zip code twice over), and
// shrunk towards the popularity among all, so that a value few users have says little:
// Laplace/Lidstone smoothing with the popularity as prior.
#include "recommend/cold.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/unicode.h"
#include "recommend/model_file.h"
#include "recommend/presence.h"

enum { MAX_TEXT = 64, MAX_VALUES = 32 };
static const double prior_users = 20; // m

struct hd_cold {
    size_t n_items;
    double n_users;      // users with events
    float *share;        // (I) p(j)
    size_t n_values;     //
    hd_map values;       // "key=value" -> its row below
    double *support;     // (n_values) c(a)
    uint64_t *start;     // (n_values + 1)
    uint32_t *item;      // (start[n_values]) rising within a row
    uint32_t *count;     // (start[n_values]) c(a, j)
    double totals[2];    // n_items, n_users as in the file
    char *names;         // the values' names, one after the other, for saving
    uint64_t *name_ends; // (n_values)
};

// ── Attributes as "key=value"

typedef heed_err (*value_fn)(void *ctx, const char *name, size_t len);

static heed_err one_value(const char *key, const json_t *value, hd_str *buf, value_fn fn,
                          void *ctx) {
    hd_str_reset(buf);
    hd_str_add(buf, key);
    hd_str_addc(buf, '=');
    size_t before = buf->len;
    if (json_is_string(value)) {
        hd_str_addn(buf, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        hd_str_addf(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        hd_str_add(buf, json_is_true(value) ? "true" : "false");
    }
    HD_TRY(hd_str_check(buf));
    size_t length = buf->len - before;
    if (length == 0 || length > MAX_TEXT || before > MAX_TEXT + 1) return HEED_OK;
    return fn(ctx, hd_str_get(buf), buf->len);
}

static heed_err walk(json_t *object, hd_str *buf, value_fn fn, void *ctx) {
    size_t seen = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t n = json_is_array(value) ? json_array_size(value) : 1;
        for (size_t i = 0; i < n && seen < MAX_VALUES; i++, seen++) {
            const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
            HD_TRY(one_value(key, one, buf, fn, ctx));
        }
    }
    return HEED_OK;
}

// Calls fn for each value of a JSON object.
static heed_err each_value(const char *json, value_fn fn, void *ctx) {
    if (!json || !json[0]) return HEED_OK;
    json_t *object = NULL;
    hd_str buf;
    HD_TRY(hd_json_parse(json, strlen(json), "attributes", &object));
    heed_err err = HEED_OK;
    hd_str_init(&buf);
    if (json_is_object(object)) {
        err = walk(object, &buf, fn, ctx);
    } else {
        err = HD_FAIL(HEED_INPUT, "a user's attributes are not a JSON object",
                      "用户的属性不是 JSON 对象");
    }
    hd_str_clear(&buf);
    json_decref(object);
    return err;
}

void hd_attributes_init(hd_attributes *attributes) {
    memset(attributes, 0, sizeof *attributes);
    hd_map_init(&attributes->values);
}

void hd_attributes_clear(hd_attributes *attributes) {
    hd_map_clear(&attributes->values);
    hd_free(attributes->start);
    hd_free(attributes->code);
    memset(attributes, 0, sizeof *attributes);
}

// Adds a value to the row being built, once.
static heed_err add_value(void *ctx, const char *name, size_t len) {
    hd_attributes *a = ctx;
    uint64_t *code = NULL;
    HD_TRY(hd_map_slot(&a->values, name, len, a->values.count, &code, NULL));
    size_t *end = &a->start[a->n_rows + 1];
    for (size_t e = a->start[a->n_rows]; e < *end; e++) {
        if (a->code[e] == *code) return HEED_OK;
    }
    HD_TRY(hd_grow(&a->code, &a->cap_code, *end + 1, sizeof *a->code));
    a->code[(*end)++] = (uint32_t)*code;
    return HEED_OK;
}

heed_err hd_attributes_add(hd_attributes *a, const char *json) {
    HD_TRY(hd_grow(&a->start, &a->cap_start, a->n_rows + 2, sizeof *a->start));
    if (a->n_rows == 0) a->start[0] = 0;
    a->start[a->n_rows + 1] = a->start[a->n_rows];
    HD_TRY(each_value(json, add_value, a));
    a->n_rows++;
    return HEED_OK;
}

heed_err hd_attributes_add_value(hd_attributes *a, const char *name, size_t len) {
    a->n_rows--; // the row is being built again
    heed_err err = add_value(a, name, len);
    a->n_rows++;
    return err;
}

// ── Fitting

// What fitting needs besides the table: users by value, and one row of counts.
typedef struct fitting {
    const hd_presence *presence;
    const hd_attributes *attributes;
    size_t *start;     // (V + 1)
    uint32_t *user;    // users with events, by value
    uint32_t *count;   // (I) zero where untouched
    uint32_t *touched; // (I)
    size_t n_touched;
    size_t cap_item, cap_count;
} fitting;

static bool is_active(const hd_presence *p, size_t user) {
    return p->user_start[user + 1] > p->user_start[user];
}

static heed_err users_by_value(fitting *f) {
    const hd_attributes *a = f->attributes;
    size_t n_values = a->values.count;
    f->start = hd_calloc(n_values + 2, sizeof *f->start);
    f->user = hd_alloc(((a->n_rows ? a->start[a->n_rows] : 0) + 1) * sizeof *f->user);
    f->count = hd_calloc(f->presence->n_items + 1, sizeof *f->count);
    f->touched = hd_alloc((f->presence->n_items + 1) * sizeof *f->touched);
    if (!f->start || !f->user || !f->count || !f->touched) return HD_FAIL_MEMORY(n_values * 8);
    // start[v + 2] counts; after the sum start[v + 1] walks from the begin of v to its end.
    for (size_t u = 0; u < a->n_rows; u++) {
        if (!is_active(f->presence, u)) continue;
        for (size_t e = a->start[u]; e < a->start[u + 1]; e++) f->start[a->code[e] + 2]++;
    }
    for (size_t v = 0; v < n_values; v++) f->start[v + 2] += f->start[v + 1];
    for (size_t u = 0; u < a->n_rows; u++) {
        if (!is_active(f->presence, u)) continue;
        for (size_t e = a->start[u]; e < a->start[u + 1]; e++) {
            f->user[f->start[a->code[e] + 1]++] = (uint32_t)u;
        }
    }
    return HEED_OK;
}

static int rising(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// Users of a value per item; the items touched, rising.
static void count_items(fitting *f, size_t value) {
    const hd_presence *p = f->presence;
    f->n_touched = 0;
    for (size_t e = f->start[value]; e < f->start[value + 1]; e++) {
        size_t end = p->user_start[f->user[e] + 1];
        for (size_t i = p->user_start[f->user[e]]; i < end; i++) {
            if (f->count[p->item[i]]++ == 0) f->touched[f->n_touched++] = p->item[i];
        }
    }
    qsort(f->touched, f->n_touched, sizeof *f->touched, rising);
}

// Moves the counts that are large enough into the table, and zeroes them all.
static heed_err keep_row(hd_cold *c, fitting *f, size_t value) {
    const hd_map_entry *name = &f->attributes->values.entries[value];
    count_items(f, value);
    uint64_t n = c->start[c->n_values];
    HD_TRY(hd_grow(&c->item, &f->cap_item, n + f->n_touched + 1, sizeof *c->item));
    HD_TRY(hd_grow(&c->count, &f->cap_count, n + f->n_touched + 1, sizeof *c->count));
    for (size_t t = 0; t < f->n_touched; t++) {
        uint32_t j = f->touched[t], count = f->count[j];
        f->count[j] = 0;
        if (count < HD_COLD_MIN_COUNT) continue;
        c->item[n] = j;
        c->count[n++] = count;
    }
    HD_TRY(hd_map_put(&c->values, name->key, name->len, c->n_values));
    c->support[c->n_values++] = (double)(f->start[value + 1] - f->start[value]);
    c->start[c->n_values] = n;
    return HEED_OK;
}

static heed_err fit_all_users(hd_cold *c, const hd_presence *p) {
    c->share = hd_calloc(c->n_items + 1, sizeof *c->share);
    if (!c->share) return HD_FAIL_MEMORY(c->n_items * sizeof *c->share);
    for (size_t u = 0; u < p->n_users; u++) c->n_users += is_active(p, u);
    for (size_t j = 0; j < c->n_items && c->n_users > 0; j++) {
        c->share[j] = (float)((double)(p->item_start[j + 1] - p->item_start[j]) / c->n_users);
    }
    return HEED_OK;
}

static heed_err fit_values(hd_cold *c, fitting *f, size_t min_users) {
    size_t n_values = f->attributes->values.count;
    c->support = hd_calloc(n_values + 1, sizeof *c->support);
    c->start = hd_calloc(n_values + 1, sizeof *c->start);
    if (!c->support || !c->start) return HD_FAIL_MEMORY(n_values * 16);
    HD_TRY(users_by_value(f));
    for (size_t v = 0; v < n_values; v++) {
        if (f->start[v + 1] - f->start[v] >= min_users) HD_TRY(keep_row(c, f, v));
    }
    return HEED_OK;
}

// The names again as one run of bytes, the form in which they are saved.
static heed_err join_names(hd_cold *c) {
    size_t total = 0;
    for (size_t v = 0; v < c->n_values; v++) total += c->values.entries[v].len;
    c->names = hd_alloc(total + 1);
    c->name_ends = hd_calloc(c->n_values + 1, sizeof *c->name_ends);
    if (!c->names || !c->name_ends) return HD_FAIL_MEMORY(total);
    size_t at = 0;
    for (size_t v = 0; v < c->n_values; v++) {
        memcpy(c->names + at, c->values.entries[v].key, c->values.entries[v].len);
        at += c->values.entries[v].len;
        c->name_ends[v] = at;
    }
    c->totals[0] = (double)c->n_items;
    c->totals[1] = c->n_users;
    return HEED_OK;
}

static heed_err cold_new(size_t n_items, hd_cold **out) {
    hd_cold *c = hd_calloc(1, sizeof *c);
    if (!c) return HD_FAIL_MEMORY(sizeof *c);
    hd_map_init(&c->values);
    c->n_items = n_items;
    *out = c;
    return HEED_OK;
}

heed_err hd_cold_fit(const hd_sparse *train, const hd_attributes *attributes, size_t min_users,
                     hd_cold **out) {
    if (attributes->n_rows != train->n_rows) {
        return HD_FAIL(HEED_INPUT, "attributes of %zu users were given for %zu users",
                       "给出了 %zu 个用户的属性，而用户有 %zu 个", attributes->n_rows,
                       train->n_rows);
    }
    if (min_users < HD_COLD_MIN_USERS) min_users = HD_COLD_MIN_USERS;
    heed_err err = HEED_OK;
    hd_presence presence = {0};
    fitting f = {.presence = &presence, .attributes = attributes};
    hd_cold *c = NULL;
    HD_TRY(cold_new(train->n_cols, &c));
    HD_TRY_OUT(hd_presence_build(train, 0, &presence));
    HD_TRY_OUT(fit_all_users(c, &presence));
    HD_TRY_OUT(fit_values(c, &f, min_users));
    HD_TRY_OUT(join_names(c));
    *out = c;
    c = NULL;
out:
    hd_presence_clear(&presence);
    hd_free(f.start);
    hd_free(f.user);
    hd_free(f.count);
    hd_free(f.touched);
    hd_cold_free(c);
    return err;
}

void hd_cold_free(hd_cold *c) {
    if (!c) return;
    hd_map_clear(&c->values);
    hd_free(c->share);
    hd_free(c->support);
    hd_free(c->start);
    hd_free(c->item);
    hd_free(c->count);
    hd_free(c->names);
    hd_free(c->name_ends);
    hd_free(c);
}

size_t hd_cold_n_items(const hd_cold *cold) {
    return cold->n_items;
}
size_t hd_cold_n_values(const hd_cold *cold) {
    return cold->n_values;
}

// ── Scoring

typedef struct matching {
    const hd_cold *cold;
    const char **out;
    size_t max, n;
} matching;

static heed_err match_value(void *ctx, const char *name, size_t len) {
    matching *m = ctx;
    uint64_t row;
    if (m->n == m->max || !hd_map_get(&m->cold->values, name, len, &row)) return HEED_OK;
    const char *known = m->cold->values.entries[row].key;
    for (size_t i = 0; i < m->n; i++) {
        if (m->out[i] == known) return HEED_OK;
    }
    m->out[m->n++] = known;
    return HEED_OK;
}

heed_err hd_cold_match(const hd_cold *cold, const char *json, const char **out, size_t max,
                       size_t *n) {
    matching m = {cold, out, max, 0};
    *n = 0;
    HD_TRY(each_value(json, match_value, &m));
    *n = m.n;
    return HEED_OK;
}

void hd_cold_score(const hd_cold *c, const char *const *values, size_t n, float *scores) {
    memset(scores, 0, c->n_items * sizeof *scores);
    double prior = 0; // Σ over values of m / (c(a) + m): what of p(j) each item gets
    for (size_t v = 0; v < n; v++) {
        uint64_t row;
        if (!hd_map_get(&c->values, values[v], strlen(values[v]), &row)) continue;
        double each = 1 / (c->support[row] + prior_users);
        prior += prior_users * each;
        for (uint64_t e = c->start[row]; e < c->start[row + 1]; e++) {
            scores[c->item[e]] += (float)(c->count[e] * each);
        }
    }
    for (size_t j = 0; j < c->n_items && n > 0; j++) {
        scores[j] = (float)((scores[j] + prior * c->share[j]) / (double)n);
    }
}

// ── Files

heed_err hd_cold_save(const hd_cold *c, hd_safetensors_writer *out) {
    size_t two = 2, n_start = c->n_values + 1, n = (size_t)c->start[c->n_values];
    size_t n_names = c->n_values ? (size_t)c->name_ends[c->n_values - 1] : 0;
    HD_TRY(hd_safetensors_add(out, "cold.totals", HD_F64, 1, &two, c->totals));
    HD_TRY(hd_safetensors_add(out, "cold.share", HD_F32, 1, &c->n_items, c->share));
    HD_TRY(hd_safetensors_add(out, "cold.support", HD_F64, 1, &c->n_values, c->support));
    HD_TRY(hd_safetensors_add(out, "cold.start", HD_U64, 1, &n_start, c->start));
    HD_TRY(hd_safetensors_add(out, "cold.item", HD_U32, 1, &n, c->item));
    HD_TRY(hd_safetensors_add(out, "cold.count", HD_U32, 1, &n, c->count));
    HD_TRY(hd_safetensors_add(out, "cold.names", HD_U8, 1, &n_names, c->names));
    return hd_safetensors_add(out, "cold.name_ends", HD_U64, 1, &c->n_values, c->name_ends);
}

static heed_err damaged(void) {
    return HD_FAIL(HEED_CORRUPT,
                   "the table of popular items by attribute is damaged: train it again",
                   "按属性统计的热门商品表已损坏：请重新训练");
}

// Reads a tensor into *(void **)field; the field's own type is the tensor's.
static heed_err read(const hd_safetensors *in, const char *name, hd_dtype dtype, size_t *n,
                     void *field) {
    void *data = NULL;
    HD_TRY(hd_model_tensor(in, name, dtype, n, &data));
    memcpy(field, &data, sizeof data);
    return HEED_OK;
}

static heed_err read_names(hd_cold *c, size_t n_names) {
    uint64_t begin = 0;
    for (size_t v = 0; v < c->n_values; v++) {
        uint64_t end = c->name_ends[v], len = end - begin;
        if (end <= begin || end > n_names || len > 2 * MAX_TEXT + 1) return damaged();
        const char *name = c->names + begin;
        if (hd_utf8_valid(name, (size_t)len) != len || memchr(name, 0, (size_t)len)) {
            return damaged();
        }
        HD_TRY(hd_map_put(&c->values, name, (size_t)len, v));
        begin = end;
    }
    return begin == n_names && c->values.count == c->n_values ? HEED_OK : damaged();
}

static heed_err check(const hd_cold *c, size_t n) {
    HD_TRY(hd_model_floats_check("cold.share", c->share, c->n_items));
    HD_TRY(hd_model_doubles_check("cold.support", c->support, c->n_values));
    if (c->start[0] != 0 || c->start[c->n_values] != n) return damaged();
    for (size_t v = 0; v < c->n_values; v++) {
        if (c->start[v + 1] < c->start[v] || c->start[v + 1] > n) return damaged();
        if (c->support[v] < HD_COLD_MIN_USERS) return damaged();
    }
    for (size_t e = 0; e < n; e++) {
        if (c->item[e] >= c->n_items) return damaged();
    }
    return HEED_OK;
}

static heed_err read_all(const hd_safetensors *in, hd_cold *c) {
    size_t two = 2, n_start = SIZE_MAX, n = SIZE_MAX, n_names = SIZE_MAX;
    double *totals = NULL;
    HD_TRY(read(in, "cold.totals", HD_F64, &two, &totals));
    memcpy(c->totals, totals, sizeof c->totals);
    hd_free(totals);
    c->n_items = c->n_values = SIZE_MAX;
    HD_TRY(read(in, "cold.share", HD_F32, &c->n_items, &c->share));
    HD_TRY(read(in, "cold.start", HD_U64, &n_start, &c->start));
    if (n_start == 0 || c->totals[0] != (double)c->n_items || !(c->totals[1] >= 0)) {
        return damaged();
    }
    c->n_users = c->totals[1];
    c->n_values = n_start - 1;
    HD_TRY(read(in, "cold.support", HD_F64, &c->n_values, &c->support));
    HD_TRY(read(in, "cold.item", HD_U32, &n, &c->item));
    HD_TRY(read(in, "cold.count", HD_U32, &n, &c->count));
    HD_TRY(read(in, "cold.names", HD_U8, &n_names, &c->names));
    HD_TRY(read(in, "cold.name_ends", HD_U64, &c->n_values, &c->name_ends));
    HD_TRY(check(c, n));
    return read_names(c, n_names);
}

heed_err hd_cold_load(const hd_safetensors *in, hd_cold **out) {
    hd_cold *c = NULL;
    HD_TRY(cold_new(0, &c));
    heed_err err = read_all(in, c);
    if (err != HEED_OK) {
        hd_cold_free(c);
        return err;
    }
    *out = c;
    return HEED_OK;
}
