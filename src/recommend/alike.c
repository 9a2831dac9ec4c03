// SPDX-License-Identifier: Apache-2.0
//
// Cosine between items as sets of values ("category=Tea", "brand=Leaf", "colour=red"), a rare value
// counting more than a common one:
//
//     idf(f)   = ln(I / n(f))        n(f): items that have f
//     sim(i,j) = Σ over f of both of idf(f)² / (‖i‖ · ‖j‖),  ‖i‖² = Σ over f of i of idf(f)²
//
// Values of a single item (a serial number) make nothing alike and are left out of the norms. Idf:
// Spärck Jones, "A statistical interpretation of term specificity" (1972); cosine over it: Salton,
// Buckley (1988). Prices aren't compared: what is a near price depends on the shop.
#include "recommend/alike.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "recommend/cold.h"
#include "recommend/past.h"

typedef struct alike {
    hd_attributes values; // a row per item
    size_t n_items;       // I
    double *square;       // (V) idf², 0 for values of one item
    double *norm;         // (I) ‖i‖
    size_t *start;        // (V + 1)
    uint32_t *item;       // (start[V]) items by value, rising
} alike;

static void alike_free(hd_model *model) {
    alike *a = model;
    if (!a) return;
    hd_attributes_clear(&a->values);
    hd_free(a->square);
    hd_free(a->norm);
    hd_free(a->start);
    hd_free(a->item);
    hd_free(a);
}

static heed_err add_named(alike *a, const char *name, const char *value, hd_str *buf) {
    hd_str_reset(buf);
    hd_str_add(buf, name);
    hd_str_addc(buf, '=');
    hd_str_add(buf, value);
    HD_TRY(hd_str_check(buf));
    return hd_attributes_add_value(&a->values, hd_str_get(buf), buf->len);
}

static heed_err add_item(alike *a, const hd_item *item, hd_str *buf) {
    HD_TRY(hd_attributes_add(&a->values, item->attributes));
    for (size_t c = 0; c < item->n_categories; c++)
        HD_TRY(add_named(a, "category", item->categories[c], buf));
    return item->brand[0] ? add_named(a, "brand", item->brand, buf) : HEED_OK;
}

static heed_err add_items(alike *a, const hd_items *items) {
    hd_str buf;
    heed_err err = HEED_OK;
    hd_str_init(&buf);
    for (size_t i = 0; err == HEED_OK && i < items->n; i++)
        err = add_item(a, &items->items[i], &buf);
    hd_str_clear(&buf);
    return err;
}

static heed_err index_values(alike *a) {
    const hd_attributes *v = &a->values;
    size_t n_values = v->values.count, n = a->n_items ? v->start[a->n_items] : 0;
    a->square = hd_calloc(n_values + 1, sizeof *a->square);
    a->norm = hd_calloc(a->n_items + 1, sizeof *a->norm);
    a->start = hd_calloc(n_values + 2, sizeof *a->start);
    a->item = hd_alloc((n + 1) * sizeof *a->item);
    if (!a->square || !a->norm || !a->start || !a->item) return HD_FAIL_MEMORY(n * 4);
    // start[f + 2] counts; after the sums start[f + 1] walks from the begin of f to its end.
    for (size_t e = 0; e < n; e++) a->start[v->code[e] + 2]++;
    for (size_t f = 0; f < n_values; f++) {
        double idf = log((double)a->n_items / (double)a->start[f + 2]);
        a->square[f] = a->start[f + 2] > 1 ? idf * idf : 0;
        a->start[f + 2] += a->start[f + 1];
    }
    for (size_t i = 0; i < a->n_items; i++) {
        for (size_t e = v->start[i]; e < v->start[i + 1]; e++) {
            a->item[a->start[v->code[e] + 1]++] = (uint32_t)i;
            a->norm[i] += a->square[v->code[e]];
        }
        a->norm[i] = sqrt(a->norm[i]);
    }
    return HEED_OK;
}

heed_err hd_alike_new(const hd_items *items, hd_model **out) {
    alike *a = hd_calloc(1, sizeof *a);
    if (!a) return HD_FAIL_MEMORY(sizeof *a);
    hd_attributes_init(&a->values);
    a->n_items = items->n;
    heed_err err = add_items(a, items);
    if (err == HEED_OK) err = index_values(a);
    if (err != HEED_OK) {
        alike_free(a);
        return err;
    }
    *out = a;
    return HEED_OK;
}

static size_t alike_n_items(const hd_model *model) {
    return ((const alike *)model)->n_items;
}

static void add_likeness(const alike *a, uint32_t item, float weight, float *scores) {
    const hd_attributes *v = &a->values;
    for (size_t e = v->start[item]; e < v->start[item + 1]; e++) {
        uint32_t f = v->code[e];
        if (!(a->square[f] > 0)) continue;
        for (size_t k = a->start[f]; k < a->start[f + 1]; k++) {
            double norms = a->norm[item] * a->norm[a->item[k]];
            scores[a->item[k]] += weight * (float)(a->square[f] / norms);
        }
    }
}

static heed_err alike_score(const hd_model *model, const hd_history *history, float *scores) {
    const alike *a = model;
    hd_past *past = NULL;
    size_t n = 0;
    memset(scores, 0, a->n_items * sizeof *scores);
    HD_TRY(hd_past_items(history, a->n_items, &past, &n));
    for (size_t p = 0; p < n; p++) add_likeness(a, past[p].item, past[p].weight, scores);
    hd_free(past);
    return HEED_OK;
}

const hd_method hd_method_content = {
    .name = "content",
    .doc = HD_TEXT("Items of the same categories, brand and attributes.",
                   "类别、品牌与属性相同的商品。"),
    .brief = HD_TEXT("alike by category, brand and attributes", "类别、品牌与属性相近"),
    .source = "Salton, Buckley, 1988",
    .n_items = alike_n_items,
    .score = alike_score,
    .reasons = hd_no_reasons,
    .free = alike_free,
};
