// SPDX-License-Identifier: Apache-2.0
//
// Segments in words: what is distinct about each. A segment's name is made of the phrases of the
// dimensions in which its centre stands farthest from the mean of all users, one for each fact
// ("many orders" and "very active" say nearly the same): two of them, more when two segments would
// else share a name.
#include <math.h>

#include "base/json.h"
#include "base/mem.h"
#include "profile/fact.h"
#include "profile/segments.h"

enum { PHRASES = 2, PHRASES_MAX = 5 };
static const double distinct_from = 0.5; // standard deviations

static double how_far(const hd_segments *s, size_t id, size_t dimension) {
    return fabs(hd_segments_deviation(s, id, dimension));
}

size_t hd_segments_distinct(const hd_segments *segments, size_t id, size_t *order) {
    size_t n = 0;
    for (size_t j = 0; j < segments->d; j++) {
        double far = how_far(segments, id, j);
        if (far < distinct_from) continue;
        size_t at = n++;
        for (; at > 0 && how_far(segments, id, order[at - 1]) < far; at--) {
            order[at] = order[at - 1];
        }
        order[at] = j;
    }
    return n;
}

static const char *phrase(const hd_segments *s, size_t id, size_t dimension, heed_lang lang) {
    const hd_dimension *d = hd_dimension_at(dimension);
    return hd_text_get(s->centre[id * s->d + dimension] > 0.0 ? d->more : d->less, lang);
}

// Moves the first dimension of each fact to the front, the order else kept. Returns how many.
static size_t first_of_facts(size_t *order, size_t n) {
    size_t front = 0;
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t f = 0; f < front && !seen; f++) {
            seen = hd_dimension_fact(order[f]) == hd_dimension_fact(order[i]);
        }
        if (seen) continue;
        size_t chosen = order[i];
        for (size_t at = i; at > front; at--) order[at] = order[at - 1];
        order[front++] = chosen;
    }
    return front;
}

static heed_err make_name(const hd_segments *s, size_t id, size_t n_phrases, heed_lang lang,
                          size_t *order, char **out) {
    size_t n = first_of_facts(order, hd_segments_distinct(s, id, order));
    hd_str text;
    hd_str_init(&text);
    if (n == 0) hd_str_add(&text, lang == HEED_ZH ? "一般用户" : "typical users");
    for (size_t i = 0; i < n && i < n_phrases; i++) {
        if (i > 0) hd_str_add(&text, lang == HEED_ZH ? "、" : ", ");
        hd_str_add(&text, phrase(s, id, order[i], lang));
    }
    // Past the longest name there is nothing left to say but the number.
    if (n_phrases > PHRASES_MAX) hd_str_addf(&text, " (%zu)", id + 1);
    return hd_str_take(&text, out);
}

static bool is_taken(const hd_segments *s, size_t id, heed_lang lang) {
    for (size_t i = 0; i < s->k; i++) {
        if (i == id || !s->name[lang][i]) continue;
        if (strcmp(s->name[lang][i], s->name[lang][id]) == 0) return true;
    }
    return false;
}

static heed_err make_names(hd_segments *s, heed_lang lang, size_t *order) {
    for (size_t id = 0; id < s->k; id++) {
        for (size_t n = PHRASES; n <= PHRASES_MAX + 1; n++) {
            char *name;
            HD_TRY(make_name(s, id, n, lang, order, &name));
            hd_free(s->name[lang][id]);
            s->name[lang][id] = name;
            if (!is_taken(s, id, lang)) break;
        }
    }
    return HEED_OK;
}

heed_err hd_segments_make_names(hd_segments *segments) {
    size_t *order = hd_calloc(segments->d, sizeof *order);
    if (!order) return HD_FAIL_MEMORY(segments->d * sizeof *order);
    heed_err err = make_names(segments, HEED_EN, order);
    if (err == HEED_OK) err = make_names(segments, HEED_ZH, order);
    hd_free(order);
    return err;
}

// ── JSON ──

static heed_err add_distinct(const hd_segments *s, size_t id, heed_lang lang, size_t *order,
                             json_t *into) {
    json_t *array = json_array();
    HD_TRY(hd_json_set(into, "distinct", array));
    size_t n = hd_segments_distinct(s, id, order);
    for (size_t i = 0; i < n && i < PHRASES_MAX; i++) {
        double deviation = hd_segments_deviation(s, id, order[i]);
        json_t *row = json_object();
        HD_TRY(hd_json_append(array, row));
        HD_TRY(hd_json_set(row, "dimension", json_string(hd_profile_vector_name(order[i]))));
        HD_TRY(hd_json_set(row, "direction", json_string(deviation > 0.0 ? "high" : "low")));
        HD_TRY(hd_json_set(row, "deviation", hd_json_real(deviation)));
        HD_TRY(hd_json_set(row, "text", json_string(phrase(s, id, order[i], lang))));
    }
    return HEED_OK;
}

static heed_err add_segment(const hd_segments *s, size_t id, heed_lang lang, size_t *order,
                            json_t *into) {
    uint64_t all = 0;
    for (size_t i = 0; i < s->k; i++) all += s->users[i];
    HD_TRY(hd_json_set(into, "id", json_integer((json_int_t)id)));
    HD_TRY(hd_json_set(into, "name", json_string(hd_segments_name(s, id, lang))));
    HD_TRY(hd_json_set(into, "users", json_integer((json_int_t)s->users[id])));
    HD_TRY(hd_json_set(into, "share", hd_json_real((double)s->users[id] / (double)all)));
    json_t *centre = json_object();
    HD_TRY(hd_json_set(into, "centre", centre));
    for (size_t j = 0; j < s->d; j++) {
        HD_TRY(hd_json_set(centre, hd_profile_vector_name(j),
                           hd_json_real(s->natural[id * s->d + j])));
    }
    return add_distinct(s, id, lang, order, into);
}

static heed_err add_all(const hd_segments *s, heed_lang lang, size_t *order, json_t *array) {
    for (size_t id = 0; id < s->k; id++) {
        json_t *row = json_object();
        HD_TRY(hd_json_append(array, row));
        HD_TRY(add_segment(s, id, lang, order, row));
    }
    return HEED_OK;
}

heed_err hd_segments_json(const hd_segments *segments, heed_lang lang, json_t **out) {
    json_t *array = json_array();
    size_t *order = hd_calloc(segments->d, sizeof *order);
    heed_err err = array && order ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = add_all(segments, lang, order, array);
    hd_free(order);
    if (err == HEED_OK) {
        *out = array;
    } else {
        json_decref(array);
    }
    return err;
}
