// SPDX-License-Identifier: Apache-2.0
//
// The rights that change no more than rows of the database: showing, exporting, consenting,
// restricting, correcting. Erasing reaches further and stands in erase.c.
//
// An export joins what the door holds with what heed makes of it when asked: the profile and the
// recommendations, each with its evidence. Where the person is out of a purpose nothing is made for
// it, so there is nothing to export: the place says null.
#include "workspace/rights.h"

#include "workspace/auditing.h"
#include "workspace/models.h"
#include "workspace/profile.h"
#include "workspace/recommend.h"

enum { EXPORT_VERSION = 1, EXPORTED_RECOMMENDATIONS = 20 };

static heed_err find(heed_workspace *ws, const char *user, int64_t *person) {
    return hd_rights_find(ws->door, hd_slice_of(user), person);
}

// ── Show ──

static heed_err purpose_json(heed_workspace *ws, int64_t person, hd_purpose purpose,
                             json_t *array) {
    bool in;
    json_t *one = NULL;
    HD_TRY(hd_door_allows(ws->door, person, purpose, &in, NULL));
    HD_TRY(hd_json_pack(&one, "{s:s, s:s, s:b}", "purpose", hd_purpose_name(purpose), "basis",
                        hd_workspace_basis(ws, purpose), "in", (int)in));
    return hd_json_append(array, one);
}

static heed_err purposes_json(heed_workspace *ws, int64_t person, json_t *out) {
    bool in, restricted = false;
    json_t *array = json_array();
    if (!array) return HD_FAIL_MEMORY(0);
    heed_err err = hd_json_set(out, "purposes", array);
    for (int p = 0; err == HEED_OK && p < HD_PURPOSES; p++)
        if (hd_purpose_gated((hd_purpose)p)) err = purpose_json(ws, person, (hd_purpose)p, array);
    HD_TRY(err);
    HD_TRY(hd_door_allows(ws->door, person, HD_PURPOSE_RECOMMEND, &in, &restricted));
    return hd_json_set(out, "restricted", json_boolean(restricted));
}

static heed_err ids_json(heed_workspace *ws, int64_t person, hd_arena *arena, json_t *out) {
    char **ids;
    size_t n;
    json_t *array = json_array();
    HD_TRY(hd_json_set(out, "ids", array));
    HD_TRY(hd_rights_ids(ws->door, person, arena, &ids, &n));
    for (size_t i = 0; i < n; i++) HD_TRY(hd_json_append(array, json_string(ids[i])));
    return HEED_OK;
}

static heed_err time_json(json_t *out, const char *name, hd_time time) {
    char text[32];
    if (time == HD_TIME_NONE) return hd_json_set(out, name, json_null());
    hd_time_format(time, NULL, text);
    return hd_json_set(out, name, json_string(text));
}

static heed_err counts_json(heed_workspace *ws, int64_t person, json_t *out) {
    hd_rights_counts c;
    HD_TRY(hd_rights_count(ws->door, person, &c));
    HD_TRY(hd_json_set(out, "events", json_integer(c.events)));
    HD_TRY(hd_json_set(out, "reviews", json_integer(c.reviews)));
    HD_TRY(hd_json_set(out, "tickets", json_integer(c.tickets)));
    HD_TRY(hd_json_set(out, "messages", json_integer(c.messages)));
    HD_TRY(time_json(out, "first", c.first));
    return time_json(out, "last", c.last);
}

static heed_err show(heed_workspace *ws, const char *user, hd_arena *arena, json_t *out) {
    int64_t person;
    hd_door_user known;
    json_t *attributes = NULL;
    HD_TRY(find(ws, user, &person));
    HD_TRY(hd_json_set(out, "user", json_string(user)));
    HD_TRY(ids_json(ws, person, arena, out));
    HD_TRY(hd_door_user_get(ws->door, HD_PURPOSE_RIGHTS, person, arena, &known));
    HD_TRY(hd_json_parse(known.attributes, strlen(known.attributes), "attributes", &attributes));
    HD_TRY(hd_json_set(out, "attributes", attributes));
    HD_TRY(time_json(out, "created", known.created));
    HD_TRY(counts_json(ws, person, out));
    return purposes_json(ws, person, out);
}

// Fills an object within one read transaction.
typedef heed_err (*fill_fn)(heed_workspace *ws, const char *user, hd_arena *arena, json_t *out);
static heed_err make(heed_workspace *ws, const char *user, fill_fn fill, json_t **out) {
    hd_arena arena;
    json_t *json = json_object();
    if (!json) return HD_FAIL_MEMORY(0);
    hd_arena_init(&arena);
    heed_err err = hd_store_begin_read(ws->store);
    if (err == HEED_OK) {
        err = fill(ws, user, &arena, json);
        hd_store_rollback(ws->store);
    }
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = json;
    else
        json_decref(json);
    return err;
}

heed_err hd_users_show(heed_workspace *ws, const char *user, json_t **out) {
    return make(ws, user, show, out);
}

// ── Export ──

static heed_err item_id(void *ctx, int64_t item_key, const char **out) {
    const hd_items *items = ctx;
    uint64_t i;
    bool known = hd_imap_get(&items->by_key, (uint64_t)item_key, &i);
    *out = known ? items->items[i].id : "";
    return HEED_OK;
}

static heed_err rows_json(heed_workspace *ws, int64_t person, json_t *out) {
    const hd_items *items;
    HD_TRY(hd_workspace_items(ws, &items));
    const hd_item_names names = {item_id, (void *)(uintptr_t)items};
    return hd_rights_export(ws->door, person, names, out);
}

// What isn't made for this person, or can't be made yet, is null.
static heed_err or_null(heed_err err, json_t **made) {
    if (err != HEED_DENIED && err != HEED_NOT_FOUND) return err;
    *made = json_null();
    return HEED_OK;
}

static heed_err profile_json(heed_workspace *ws, const char *user, heed_lang lang, json_t *out) {
    json_t *profile = NULL;
    HD_TRY(or_null(hd_profile_user(ws, user, lang, &profile), &profile));
    return hd_json_set(out, "profile", profile);
}

static heed_err recommendations_json(heed_workspace *ws, const char *user, int64_t person,
                                     heed_lang lang, json_t *out) {
    bool in;
    json_t *made = NULL;
    heed_recommend_params params = heed_recommend_default();
    params.n = EXPORTED_RECOMMENDATIONS;
    params.lang = lang;
    HD_TRY(hd_door_allows(ws->door, person, HD_PURPOSE_RECOMMEND, &in, NULL));
    heed_err err = HEED_DENIED;
    if (in) err = hd_recommend(ws, user, &params, &made);
    HD_TRY(or_null(err, &made));
    return hd_json_set(out, "recommendations", made);
}

static const char *const model_words[] = {"task", "method", "version", "created"};

static heed_err add_model(json_t *manifest, json_t *out) {
    json_t *one = json_object();
    heed_err err = one ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < sizeof model_words / sizeof *model_words; i++) {
        json_t *word = json_object_get(manifest, model_words[i]);
        if (word) err = hd_json_set(one, model_words[i], json_incref(word));
    }
    if (err == HEED_OK) return hd_json_append(out, one);
    json_decref(one);
    return err;
}

static heed_err models_json(heed_workspace *ws, int64_t person, json_t *out) {
    size_t i;
    json_t *manifest, *all = NULL;
    json_t *array = json_array();
    HD_TRY(hd_json_set(out, "models", array));
    HD_TRY(hd_models_list(ws, &all));
    heed_err err = HEED_OK;
    json_array_foreach(all, i, manifest) {
        bool held = false;
        err = hd_model_held(ws, person, manifest, &held);
        if (err == HEED_OK && held) err = add_model(manifest, array);
        if (err != HEED_OK) break;
    }
    json_decref(all);
    return err;
}

heed_err hd_model_held(heed_workspace *ws, int64_t person, const json_t *manifest, bool *held) {
    const char *task = json_string_value(json_object_get(manifest, "task"));
    hd_time time = hd_model_made(manifest);
    if (time == HD_TIME_NONE) time = INT64_MAX; // nobody knows: as good as yes
    bool segments = task && strcmp(task, "profile") == 0;
    return hd_rights_held(ws->door, person, segments ? HD_PURPOSE_PROFILE : HD_PURPOSE_TRAIN, time,
                          held);
}

static heed_err head_json(const char *user, json_t *out) {
    HD_TRY(hd_json_set(out, "format", json_string("heed-user-export")));
    HD_TRY(hd_json_set(out, "version", json_integer(EXPORT_VERSION)));
    HD_TRY(hd_json_set(out, "heed", json_string(heed_version())));
    HD_TRY(time_json(out, "created", hd_time_now()));
    return hd_json_set(out, "user", json_string(user));
}

static heed_err export_in(heed_workspace *ws, const char *user, heed_lang lang, json_t *out) {
    int64_t person;
    HD_TRY(find(ws, user, &person));
    HD_TRY(head_json(user, out));
    HD_TRY(rows_json(ws, person, out));
    HD_TRY(purposes_json(ws, person, out));
    HD_TRY(profile_json(ws, user, lang, out));
    HD_TRY(recommendations_json(ws, user, person, lang, out));
    return models_json(ws, person, out);
}

static heed_err export_en(heed_workspace *ws, const char *user, hd_arena *arena, json_t *out) {
    (void)arena;
    return export_in(ws, user, HEED_EN, out);
}

static heed_err export_zh(heed_workspace *ws, const char *user, hd_arena *arena, json_t *out) {
    (void)arena;
    return export_in(ws, user, HEED_ZH, out);
}

// What a person asked for, and got.
static heed_err record(heed_workspace *ws, hd_audit_what what, const char *user,
                       const char *object) {
    return hd_workspace_record_user(
        ws, user, (hd_audit_entry){.what = what, .purpose = "rights", .object = object});
}

static heed_err end(heed_workspace *ws, heed_err err) {
    if (err == HEED_OK) return hd_store_commit(ws->store);
    hd_store_rollback(ws->store);
    return err;
}

heed_err hd_users_export(heed_workspace *ws, const char *user, heed_lang lang, json_t **out) {
    HD_TRY(make(ws, user, lang == HEED_ZH ? export_zh : export_en, out));
    heed_err err = record(ws, HD_AUDIT_EXPORT, user, NULL); // before anybody sees it
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// ── Words ──

static heed_err consent(heed_workspace *ws, const char *user, const char *purpose, bool on,
                        const char *source, bool *changed) {
    hd_purpose p;
    int64_t person;
    char object[64];
    HD_TRY(hd_purpose_parse(purpose, &p));
    HD_TRY(find(ws, user, &person));
    HD_TRY(hd_door_consent(ws->door, person, p, on, source, changed));
    hd_snprintf(object, sizeof object, "%s %s", hd_purpose_name(p), on ? "on" : "off");
    return record(ws, HD_AUDIT_CONSENT, user, object);
}

heed_err hd_users_consent(heed_workspace *ws, const char *user, const char *purpose, bool on,
                          const char *source, json_t **out) {
    bool changed = false;
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_json_pack(out, "{s:s, s:s, s:b}", "user", user, "purpose", purpose, "on", (int)on));
    heed_err err = hd_store_begin(ws->store);
    if (err == HEED_OK) err = end(ws, consent(ws, user, purpose, on, source, &changed));
    if (err == HEED_OK) err = hd_json_set(*out, "changed", json_boolean(changed));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err restrict_in(heed_workspace *ws, const char *user, bool on, const char *source,
                            bool *changed) {
    int64_t person;
    HD_TRY(find(ws, user, &person));
    HD_TRY(hd_door_restrict(ws->door, person, on, source, changed));
    return record(ws, HD_AUDIT_RESTRICT, user, on ? "on" : "off");
}

heed_err hd_users_restrict(heed_workspace *ws, const char *user, bool on, const char *source,
                           json_t **out) {
    bool changed = false;
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_json_pack(out, "{s:s, s:b}", "user", user, "restricted", (int)on));
    heed_err err = hd_store_begin(ws->store);
    if (err == HEED_OK) err = end(ws, restrict_in(ws, user, on, source, &changed));
    if (err == HEED_OK) err = hd_json_set(*out, "changed", json_boolean(changed));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// ── Correction ──

static heed_err correct_in(heed_workspace *ws, const char *user, const hd_correction *what) {
    int64_t person;
    HD_TRY(find(ws, user, &person));
    HD_TRY(hd_rights_correct(ws->door, person, what));
    return record(ws, HD_AUDIT_CORRECT, user, NULL);
}

heed_err hd_users_correct(heed_workspace *ws, const char *user, const hd_correction *what,
                          json_t **out) {
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_json_pack(out, "{s:s, s:I, s:I, s:I}", "user", user, "attributes",
                        (json_int_t)json_object_size(what->attributes), "removed_events",
                        (json_int_t)what->n_events, "removed_reviews",
                        (json_int_t)what->n_reviews));
    heed_err err = hd_store_begin(ws->store);
    if (err == HEED_OK) err = end(ws, correct_in(ws, user, what));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// ── The public functions ──

static const char SOURCE[] = "libheed";

heed_err heed_users_show(heed_workspace *ws, const char *user, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_users_show(ws, user, &out));
    return hd_workspace_text(out, json);
}

heed_err heed_users_export(heed_workspace *ws, const char *user, heed_lang lang, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_users_export(ws, user, lang, &out));
    return hd_workspace_text(out, json);
}

heed_err heed_users_consent(heed_workspace *ws, const char *user, const char *purpose, bool on) {
    json_t *out = NULL;
    HD_TRY(hd_users_consent(ws, user, purpose, on, SOURCE, &out));
    json_decref(out);
    return HEED_OK;
}

heed_err heed_users_restrict(heed_workspace *ws, const char *user, bool on) {
    json_t *out = NULL;
    HD_TRY(hd_users_restrict(ws, user, on, SOURCE, &out));
    json_decref(out);
    return HEED_OK;
}

heed_err heed_users_correct(heed_workspace *ws, const char *user, const heed_correction *what) {
    hd_correction correction = {.events = what->events,
                                .n_events = what->n_events,
                                .reviews = what->reviews,
                                .n_reviews = what->n_reviews};
    json_t *out = NULL;
    if (what->attributes)
        HD_TRY(hd_json_parse(what->attributes, strlen(what->attributes), "attributes",
                             &correction.attributes));
    heed_err err = hd_users_correct(ws, user, &correction, &out);
    json_decref(correction.attributes);
    json_decref(out);
    return err;
}
