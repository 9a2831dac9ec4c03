// SPDX-License-Identifier: Apache-2.0
//
// The list of facts, in the order in which a profile shows them, and what they share.
#include "profile/fact.h"

#include <math.h>
#include <string.h>

const hd_fact *const hd_facts[] = {
    &hd_fact_recency,    &hd_fact_frequency, &hd_fact_monetary,   &hd_fact_hours,
    &hd_fact_browsing,   &hd_fact_ratings,   &hd_fact_categories, &hd_fact_brands,
    &hd_fact_price_band, &hd_fact_drift,
};
const size_t hd_n_facts = sizeof hd_facts / sizeof hd_facts[0];

// The fact of a dimension; *i becomes its place there. NULL past the end.
static const hd_fact *fact_of(size_t *i) {
    for (size_t f = 0; f < hd_n_facts; f++) {
        if (*i < hd_facts[f]->n_dimensions) return hd_facts[f];
        *i -= hd_facts[f]->n_dimensions;
    }
    return NULL;
}

const hd_dimension *hd_dimension_at(size_t i) {
    const hd_fact *fact = fact_of(&i);
    return fact ? &fact->dimensions[i] : NULL;
}

const hd_fact *hd_dimension_fact(size_t i) {
    return fact_of(&i);
}

double hd_dimension_weight(size_t i) {
    const hd_fact *fact = fact_of(&i);
    return fact ? 1.0 / sqrt((double)fact->n_dimensions) : 0.0;
}

size_t hd_profile_vector_len(void) {
    size_t n = 0;
    for (size_t f = 0; f < hd_n_facts; f++) n += hd_facts[f]->n_dimensions;
    return n;
}

const char *hd_profile_vector_name(size_t i) {
    const hd_dimension *dimension = hd_dimension_at(i);
    return dimension ? dimension->name : NULL;
}

void hd_profile_vector(const hd_profile *profile, double *out) {
    for (size_t f = 0; f < hd_n_facts; f++) {
        const hd_fact *fact = hd_facts[f];
        for (size_t i = 0; i < fact->n_dimensions; i++) *out++ = fact->dimensions[i].get(profile);
    }
}

// What event types mean for money and opinions. Types not named here still count as activity, and
// as signals with the weight that the settings give them.
static const struct role_row {
    const char *type;
    hd_role role;
} roles[] = {
    {"purchase", HD_ROLE_PURCHASE}, {"buy", HD_ROLE_PURCHASE},  {"order", HD_ROLE_PURCHASE},
    {"return", HD_ROLE_RETURN},     {"refund", HD_ROLE_RETURN}, {"cancel", HD_ROLE_RETURN},
    {"rating", HD_ROLE_RATING},
};

hd_role hd_role_of(const char *event_type) {
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(roles[i].type, event_type) == 0) return roles[i].role;
    }
    return HD_ROLE_OTHER;
}

void hd_evidence_add(hd_evidence *evidence, int64_t key, double weight) {
    for (size_t i = 0; i < evidence->n; i++) {
        if (evidence->key[i] == key) return; // an event is named once
    }
    size_t at = evidence->n;
    while (at > 0 && evidence->weight[at - 1] < weight) at--;
    if (at == HD_PROFILE_EVIDENCE) return;
    if (evidence->n < HD_PROFILE_EVIDENCE) evidence->n++;
    for (size_t i = evidence->n - 1; i > at; i--) {
        evidence->key[i] = evidence->key[i - 1];
        evidence->weight[i] = evidence->weight[i - 1];
    }
    evidence->key[at] = key;
    evidence->weight[at] = weight;
}

heed_err hd_evidence_set(json_t *object, const char *key, const hd_evidence *evidence) {
    json_t *array = json_array();
    HD_TRY(hd_json_set(object, key, array)); // the object owns it from here on
    for (size_t i = 0; i < evidence->n; i++) {
        HD_TRY(hd_json_append(array, json_integer(evidence->key[i])));
    }
    return HEED_OK;
}
