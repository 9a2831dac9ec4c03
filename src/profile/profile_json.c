// SPDX-License-Identifier: Apache-2.0
//
// A profile as JSON: a key for each fact of the list, then the segment and the vector. A value is
// put into its parent first and filled afterwards, so that a failure on the way frees all of it.
#include "base/json.h"

#include "base/mem.h"
#include "profile/fact.h"

static heed_err add_facts(const hd_profile *profile, json_t *into) {
    for (size_t f = 0; f < hd_n_facts; f++) {
        const hd_fact *fact = hd_facts[f];
        bool known = fact->known(profile);
        json_t *value = known ? json_object() : json_null();
        HD_TRY(hd_json_set(into, fact->name, value));
        if (known) HD_TRY(fact->json(profile, value));
    }
    return HEED_OK;
}

static heed_err add_vector(const double *vector, json_t *into) {
    json_t *object = json_object();
    HD_TRY(hd_json_set(into, "vector", object));
    for (size_t i = 0; i < hd_profile_vector_len(); i++) {
        HD_TRY(hd_json_set(object, hd_profile_vector_name(i), hd_json_real(vector[i])));
    }
    return HEED_OK;
}

static heed_err add_segment(const double *vector, const hd_segments *segments, heed_lang lang,
                            json_t *into) {
    json_t *object = segments ? json_object() : json_null();
    HD_TRY(hd_json_set(into, "segment", object));
    if (!segments) return HEED_OK;
    size_t id;
    double distance;
    HD_TRY(hd_segments_assign(segments, vector, &id, &distance));
    HD_TRY(hd_json_set(object, "id", json_integer((json_int_t)id)));
    HD_TRY(hd_json_set(object, "name", json_string(hd_segments_name(segments, id, lang))));
    return hd_json_set(object, "distance", hd_json_real(distance));
}

heed_err hd_profile_json(const hd_profile *profile, const hd_segments *segments, heed_lang lang,
                         json_t **out) {
    json_t *root = json_object();
    double *vector = hd_calloc(hd_profile_vector_len(), sizeof *vector);
    heed_err err = root && vector ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) {
        hd_profile_vector(profile, vector);
        err = add_facts(profile, root);
    }
    if (err == HEED_OK) err = add_segment(vector, segments, lang, root);
    if (err == HEED_OK) err = add_vector(vector, root);
    hd_free(vector);
    if (err == HEED_OK) {
        *out = root;
    } else {
        json_decref(root);
    }
    return err;
}
