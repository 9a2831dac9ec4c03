// SPDX-License-Identifier: Apache-2.0
//
// Training a recommender: read, choose, fit, publish, switch.
//
// All that is learned from is read at the beginning, in one transaction: one state of the data,
// and no snapshot that stays open for hours while the server's log grows behind it. Nothing is
// written to the database, so a training runs beside a server or any other writer; train.lock keeps
// trainings apart.
//
// Each method's parameters are chosen on a validation split (leave the last event out) by NDCG@10
// (with train.tune off, its initial ones are tried there), and the method whose best trial is
// highest wins; ties go to the earlier one, so that nothing
// replaces `popular` without being better. Then every method is fitted on all events with its
// chosen parameters and saved, for two reasons: another can be put in force without training, and
// `popular` must stand beside the winner to serve users without a history.
//
// The test figures of `heed eval` play no part in the choice: what is chosen by a figure can't be
// judged by it.
//
// Versions are published one by one and active.json is written last: until then everybody serves
// from the models before.
#include "workspace/train.h"

#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "recommend/cold.h"
#include "recommend/trial.h"
#include "workspace/auditing.h"
#include "workspace/erase.h"

static const char TASK[] = "recommend";

typedef struct candidate {
    const hd_method *method;
    double *values; // (n_params)
    json_t *search;
    double ndcg; // best trial; NaN: nobody to validate on
    bool applicable;
    hd_error why_not;
} candidate;

typedef struct training {
    heed_workspace *ws;
    hd_arena arena;
    hd_training_data data;
    hd_gathered *gathered; // for user segments; NULL: they stay as they are
    int64_t erased;        // how far erasures had come when the data was read
    hd_time read;          // when that was
    hd_lock *lock;
    hd_pool *pool;
    uint64_t seed;
    int64_t start; // hd_time_monotonic
    const char *version;
    candidate *candidates; // (n)
    size_t n;
    candidate *chosen;
    hd_cold *cold;
} training;

heed_train_params heed_train_default(void) {
    return (heed_train_params){.seed = -1};
}

// ── Which methods ──

static bool wants(const char *const *names, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], "all") == 0 || strcmp(names[i], name) == 0) return true;
    return n == 0;
}

typedef struct method_walk {
    size_t i;
} method_walk;

static const char *next_method(void *ctx) {
    method_walk *walk = ctx;
    const hd_method *method = hd_methods[walk->i];
    if (!method) return NULL;
    walk->i++;
    return method->name;
}

static heed_err fail_method(const char *name) {
    method_walk walk = {0};
    const char *near = hd_nearest(name, next_method, &walk);
    return HD_FAIL(HEED_INPUT, "unknown method '%s'; did you mean '%s'?",
                   "没有“%s”这个方法；您是想用“%s”吗？", name, near ? near : "all");
}

heed_err hd_methods_named(const char *const *names, size_t n_names, hd_arena *arena,
                          const hd_method ***out, size_t *n) {
    size_t count = 0;
    while (hd_methods[count]) count++;
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(names[i], "all") != 0 && !hd_method_find(names[i])) return fail_method(names[i]);
    const hd_method **methods = hd_arena_alloc(arena, (count + 1) * sizeof *methods);
    if (!methods) return HD_FAIL_MEMORY(0);
    *n = 0;
    for (size_t i = 0; i < count; i++)
        if (wants(names, n_names, hd_methods[i]->name)) methods[(*n)++] = hd_methods[i];
    *out = methods;
    return HEED_OK;
}

// "markov,item_knn" as texts in the arena.
static heed_err split_names(const char *text, hd_arena *arena, const char ***out, size_t *n) {
    const char **names = hd_arena_alloc(arena, (strlen(text) / 2 + 2) * sizeof *names);
    if (!names) return HD_FAIL_MEMORY(0);
    *n = 0;
    while (*text) {
        size_t len = strcspn(text, ",");
        hd_slice name = hd_slice_trim((hd_slice){text, len});
        if (name.n && !(names[(*n)++] = hd_arena_strndup(arena, name.p, name.n)))
            return HD_FAIL_MEMORY(0);
        text += len + (text[len] == ',');
    }
    *out = names;
    return HEED_OK;
}

static heed_err choose_methods(training *t, const heed_train_params *params) {
    const char *const *names = params->methods;
    size_t n_names = params->n_methods;
    const char **from_settings = NULL;
    if (n_names == 0) {
        const char *text = hd_settings_text(t->ws->settings, "train.methods");
        HD_TRY(split_names(text, &t->arena, &from_settings, &n_names));
        names = from_settings;
    }
    const hd_method **methods;
    size_t n;
    HD_TRY(hd_methods_named(names, n_names, &t->arena, &methods, &n));
    t->candidates = hd_arena_calloc(&t->arena, n + 1, sizeof *t->candidates);
    if (!t->candidates) return HD_FAIL_MEMORY(0);
    if (n == 0 || methods[0] != hd_methods[0]) // popular is always among them
        t->candidates[t->n++].method = hd_methods[0];
    for (size_t i = 0; i < n; i++) t->candidates[t->n++].method = methods[i];
    return HEED_OK;
}

// ── Choosing ──

static double best_trial(const json_t *search) {
    double best = NAN;
    size_t i;
    json_t *trial;
    json_array_foreach(search, i, trial) {
        double ndcg = json_number_value(json_object_get(trial, "ndcg@10"));
        if (!(best >= ndcg)) best = ndcg;
    }
    return best;
}

static heed_err search_values(training *t, candidate *c) {
    bool tune = hd_settings_bool(t->ws->settings, "train.tune");
    return (tune ? hd_tune : hd_tune_not)(&t->data.events, hd_protocol_find("loo"), c->method,
                                          t->seed, t->pool, c->values, &c->search);
}

static heed_err try_candidate(training *t, candidate *c) {
    c->values = hd_arena_calloc(&t->arena, c->method->n_params + 1, sizeof *c->values);
    if (!c->values) return HD_FAIL_MEMORY(0);
    c->ndcg = NAN;
    heed_err err = search_values(t, c);
    c->applicable = err == HEED_OK;
    if (err == HEED_UNAVAILABLE) {
        hd_error_get(&c->why_not);
        return HEED_OK;
    }
    HD_TRY(err);
    c->ndcg = best_trial(c->search);
    if (!t->chosen || c->ndcg > t->chosen->ndcg) t->chosen = c;
    return HEED_OK;
}

static void tell(training *t, const char *en, const char *zh, const char *method, double share) {
    char texts[2][96];
    hd_snprintf(texts[0], sizeof texts[0], "%s %s", en, method);
    hd_snprintf(texts[1], sizeof texts[1], "%s %s", zh, method);
    hd_workspace_tell(t->ws, (hd_text){texts[0], texts[1]}, share);
}

static heed_err choose(training *t) {
    for (size_t i = 0; i < t->n; i++) {
        HD_TRY(hd_stop_check(t->ws->stop));
        tell(t, "choosing parameters of", "正在选择参数：", t->candidates[i].method->name,
             (double)i / (double)(2 * t->n));
        HD_TRY(try_candidate(t, &t->candidates[i]));
    }
    if (t->chosen) return HEED_OK;
    return hd_error_restore(&t->candidates[0].why_not); // not even popular applies
}

// ── What users without a history get ──

static heed_err add_attributes(training *t, hd_attributes *attributes) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = HEED_OK;
    for (size_t u = 0; err == HEED_OK && u < t->data.events.n_rows; u++) {
        const char *text = NULL;
        err = hd_door_attributes(t->ws->door, HD_PURPOSE_TRAIN, t->data.snapshot.user_key[u],
                                 &arena, &text);
        // Gone since the snapshot, or out of the purpose since then.
        if (err == HEED_NOT_FOUND || err == HEED_DENIED) err = HEED_OK;
        if (err == HEED_OK) err = hd_attributes_add(attributes, text);
        if (err == HEED_OK && u % 1024 == 0) err = hd_stop_check(t->ws->stop);
        hd_arena_reset(&arena);
    }
    hd_arena_clear(&arena);
    return err;
}

static heed_err fit_cold(training *t) {
    hd_attributes attributes;
    hd_attributes_init(&attributes);
    heed_err err = add_attributes(t, &attributes);
    if (err == HEED_OK) err = hd_cold_fit(&t->data.events, &attributes, 0, &t->cold);
    hd_attributes_clear(&attributes);
    return err;
}

// ── Publishing ──

static heed_err candidate_json(const candidate *c, json_t **out) {
    json_t *json = NULL;
    HD_TRY(hd_json_pack(&json, "{s:s}", "method", c->method->name));
    json_t *parameters = NULL;
    heed_err err = HEED_OK;
    if (!c->applicable) {
        json_t *why = NULL;
        err = hd_json_pack(&why, "{s:s, s:s}", "en", c->why_not.text[HEED_EN], "zh",
                           c->why_not.text[HEED_ZH]);
        if (err == HEED_OK) err = hd_json_set(json, "not_applicable", why);
    } else {
        err = hd_trial_parameters(c->method, c->values, &parameters);
        if (err == HEED_OK) err = hd_json_set(json, "parameters", parameters);
        if (err == HEED_OK) err = hd_json_set(json, "ndcg@10", hd_json_real(c->ndcg));
        if (err == HEED_OK) err = hd_json_set(json, "search", json_incref(c->search));
    }
    if (err != HEED_OK)
        json_decref(json);
    else
        *out = json;
    return err;
}

static heed_err manifest_json(training *t, const candidate *c, json_t **out) {
    char created[32];
    hd_time_format(hd_time_now(), NULL, created);
    json_t *parameters = NULL;
    HD_TRY(hd_trial_parameters(c->method, c->values, &parameters));
    HD_TRY(hd_json_pack(out, "{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:o}",
                        "format", 1, "task", TASK, "method", c->method->name, "version", t->version,
                        "created", created, "heed", heed_version(), "seed", (json_int_t)t->seed,
                        "data_hash", t->data.hash, "users", (json_int_t)t->data.events.n_rows,
                        "items", (json_int_t)t->data.events.n_cols, "events",
                        (json_int_t)t->data.events.n, "parameters", parameters));
    heed_err err = hd_json_set(*out, "ndcg@10", hd_json_real(c->ndcg));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err report_json(training *t, const candidate *c, json_t **out) {
    json_t *choice = NULL;
    HD_TRY(candidate_json(c, &choice));
    return hd_json_pack(out, "{s:o, s:O}", "validation", choice, "cleaning", t->data.cleaning);
}

static heed_err write_model(training *t, const candidate *c, const hd_model *model,
                            hd_safetensors_writer *writer) {
    const size_t shape[1] = {t->data.events.n_cols};
    HD_TRY(c->method->save(model, writer));
    HD_TRY(
        hd_safetensors_add(writer, "heed.item_key", HD_I64, 1, shape, t->data.snapshot.item_key));
    if (c->method == hd_methods[0] && t->cold) return hd_cold_save(t->cold, writer);
    return HEED_OK;
}

static heed_err publish(training *t, const candidate *c, const hd_model *model) {
    json_t *manifest = NULL;
    json_t *report = NULL;
    hd_safetensors_writer *writer = NULL;
    heed_err err = HEED_OK;
    HD_TRY_OUT(hd_safetensors_writer_new(&writer));
    HD_TRY_OUT(write_model(t, c, model, writer));
    HD_TRY_OUT(manifest_json(t, c, &manifest));
    HD_TRY_OUT(report_json(t, c, &report));
    HD_TRY_OUT(hd_models_publish(t->ws, TASK, (hd_model_ref){c->method->name, t->version}, writer,
                                 manifest, report));
out:
    hd_safetensors_writer_free(writer);
    json_decref(manifest);
    json_decref(report);
    return err;
}

// A method that validated may still not apply to the whole; then it is left out.
static heed_err fit_candidate(training *t, candidate *c) {
    hd_model *model = NULL;
    heed_err err = c->method->fit(&t->data.events, c->values, t->seed, t->pool, &model);
    if (err == HEED_UNAVAILABLE && c != t->chosen) {
        c->applicable = false;
        hd_error_get(&c->why_not);
        return HEED_OK;
    }
    if (err == HEED_OK) err = publish(t, c, model);
    c->method->free(model);
    return err;
}

static heed_err fit_all(training *t) {
    HD_TRY(hd_models_next_version(t->ws, TASK, &t->arena, &t->version));
    for (size_t i = 0; i < t->n; i++) {
        candidate *c = &t->candidates[i];
        HD_TRY(hd_stop_check(t->ws->stop));
        tell(t, "fitting", "正在拟合", c->method->name, 0.5 + (double)i / (double)(2 * t->n));
        if (c->applicable) HD_TRY(fit_candidate(t, c));
    }
    return HEED_OK;
}

// ── The result ──

static const candidate *popular_of(const training *t) {
    return &t->candidates[0];
}

static heed_err result_json(training *t, json_t *segments, json_t **out) {
    json_t *validation = json_array();
    if (!validation) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < t->n; i++) {
        json_t *entry = NULL;
        err = candidate_json(&t->candidates[i], &entry);
        if (err == HEED_OK) err = hd_json_append(validation, entry);
    }
    if (err != HEED_OK) {
        json_decref(validation);
        return err;
    }
    HD_TRY(hd_json_pack(out, "{s:s, s:s, s:I, s:{s:I, s:I, s:I, s:s}, s:O, s:o, s:O}", "method",
                        t->chosen->method->name, "version", t->version, "seed", (json_int_t)t->seed,
                        "data", "users", (json_int_t)t->data.events.n_rows, "items",
                        (json_int_t)t->data.events.n_cols, "events", (json_int_t)t->data.events.n,
                        "hash", t->data.hash, "cleaning", t->data.cleaning, "validation",
                        validation, "segments", segments));
    double gain = t->chosen->ndcg / popular_of(t)->ndcg;
    double seconds = (double)(hd_time_monotonic() - t->start) / 1000;
    err = hd_json_set(*out, "times_popular", hd_json_real(gain));
    if (err == HEED_OK) err = hd_json_set(*out, "seconds", hd_json_real(seconds));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err read_all(training *t, const heed_train_params *params) {
    HD_TRY(hd_store_begin_read(t->ws->store));
    t->read = hd_time_now();
    heed_err err = hd_erasures_seen(t->ws, &t->erased);
    if (err == HEED_OK) err = hd_training_data_load(t->ws, &t->data);
    if (err == HEED_OK) err = fit_cold(t);
    if (err == HEED_OK && !params->no_segments) err = hd_segments_gather(t->ws, &t->gathered);
    hd_store_rollback(t->ws->store);
    return err;
}

static heed_err run_training(training *t, const heed_train_params *params, json_t **out) {
    json_t *segments = NULL;
    HD_TRY(hd_models_lock_training(t->ws, &t->lock));
    HD_TRY(choose_methods(t, params));
    HD_TRY(read_all(t, params));
    HD_TRY(hd_workspace_pool(t->ws, &t->pool));
    HD_TRY(choose(t));
    HD_TRY(fit_all(t));
    heed_err err = HEED_OK;
    if (t->gathered) err = hd_segments_train(t->ws, t->gathered, t->seed, t->data.hash, &segments);
    if (err == HEED_OK && !segments) segments = json_null();
    if (err == HEED_OK) err = result_json(t, segments, out);
    json_decref(segments);
    return err;
}

// Which model is in force from now on. A model is published by a rename, so its entry can't stand
// in the same transaction.
static void record_model(heed_workspace *ws, hd_audit_what what, hd_model_ref ref) {
    char object[128];
    hd_snprintf(object, sizeof object, "%s %s", ref.method, ref.version);
    hd_workspace_record_gladly(ws,
                               &(hd_audit_entry){.what = what,
                                                 .purpose = what == HD_AUDIT_TRAIN ? "train" : NULL,
                                                 .object = object});
}

// Made of data read at `read`: a second earlier, since manifests may say no more than seconds.
static heed_err made_since(void *ctx, const json_t *manifest, bool *yes) {
    const training *t = ctx;
    hd_time made = hd_model_made(manifest);
    *yes = made == HD_TIME_NONE || made >= t->read - 1000;
    return HEED_OK;
}

// Whoever was erased while this ran is in what was learned: whoever erases marks the models that
// are there by then, and this the ones that came later.
static void mark_if_erased(training *t) {
    int64_t now;
    size_t n = 0;
    heed_err err = hd_erasures_seen(t->ws, &now);
    if (err == HEED_OK && now != t->erased) err = hd_models_mark_those(t->ws, made_since, t, &n);
    if (err != HEED_OK)
        HD_LOG(HD_LOG_WARN, "train", "not_marked", HD_KV_STR("version", t->version));
}

// The last step: when it has succeeded, nothing may fail any more. Versions that can't be removed
// now are removed after the next training.
static heed_err put_in_force(training *t) {
    const hd_model_ref ref = {t->chosen->method->name, t->version};
    hd_model_ref now;
    hd_lock *lock = NULL;
    HD_TRY(hd_models_lock(t->ws, &lock));
    heed_err err = hd_models_activate(t->ws, TASK, ref, &t->arena, &now);
    if (err == HEED_OK && hd_models_prune(t->ws, TASK) != HEED_OK)
        HD_LOG(HD_LOG_WARN, "train", "not_pruned", HD_KV_STR("version", ref.version));
    if (err == HEED_OK) mark_if_erased(t);
    hd_lock_release(lock);
    if (err == HEED_OK) record_model(t->ws, HD_AUDIT_TRAIN, ref);
    if (err == HEED_OK)
        HD_LOG(HD_LOG_INFO, "train", "done", HD_KV_STR("method", ref.method),
               HD_KV_STR("version", ref.version), HD_KV_F64("ndcg@10", t->chosen->ndcg));
    return err;
}

static void training_init(training *t, heed_workspace *ws, const heed_train_params *params) {
    int64_t seed = params->seed >= 0 ? params->seed : hd_settings_int(ws->settings, "train.seed");
    *t = (training){.ws = ws, .seed = (uint64_t)seed, .start = hd_time_monotonic()};
    hd_arena_init(&t->arena);
}

static void training_clear(training *t) {
    for (size_t i = 0; i < t->n; i++) json_decref(t->candidates[i].search);
    hd_cold_free(t->cold);
    hd_gathered_free(t->gathered);
    hd_training_data_clear(&t->data);
    hd_arena_clear(&t->arena);
    hd_lock_release(t->lock);
}

heed_err hd_train(heed_workspace *ws, const heed_train_params *params, json_t **out) {
    training t;
    training_init(&t, ws, params);
    heed_err err = run_training(&t, params, out);
    if (err == HEED_OK) {
        err = put_in_force(&t);
        if (err != HEED_OK) hd_json_drop(out);
    }
    training_clear(&t);
    return err;
}

// The text is made before the model is put in force, since making it can fail.
heed_err heed_train(heed_workspace *ws, const heed_train_params *params, char **json) {
    training t;
    json_t *out = NULL;
    char *text = NULL;
    training_init(&t, ws, params);
    heed_err err = run_training(&t, params, &out);
    if (err == HEED_OK) err = hd_workspace_text(out, &text);
    if (err == HEED_OK) err = put_in_force(&t);
    training_clear(&t);
    if (err == HEED_OK && json) {
        *json = text;
    } else {
        heed_text_free(text);
    }
    return err;
}

// ── Versions ──

heed_err heed_models(heed_workspace *ws, char **json) {
    json_t *list = NULL;
    HD_TRY(hd_models_list(ws, &list));
    return hd_workspace_text(list, json);
}

static heed_err switch_in(heed_workspace *ws, hd_arena *arena, hd_model_ref ref, json_t **out) {
    hd_model_ref now;
    hd_model_ref active = {0};
    hd_model_ref previous = {0};
    if (!ref.method) {
        HD_TRY(hd_models_active(ws, TASK, arena, &active, &previous));
        ref = previous;
        if (!ref.method)
            return HD_FAIL(HEED_NOT_FOUND, "no model was in force before this one",
                           "在此之前没有启用过别的模型");
    }
    if (!ref.version) HD_TRY(hd_models_newest(ws, TASK, ref.method, arena, &ref.version));
    HD_TRY(hd_json_pack(out, "{s:s, s:s}", "method", ref.method, "version", ref.version));
    heed_err err = hd_models_activate(ws, TASK, ref, arena, &now); // last: nothing may fail after
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_model_switch(heed_workspace *ws, const char *method, const char *version,
                         json_t **out) {
    hd_lock *lock = NULL;
    hd_arena arena;
    HD_TRY(hd_models_lock(ws, &lock));
    hd_arena_init(&arena);
    heed_err err = switch_in(ws, &arena, (hd_model_ref){method, version}, out);
    hd_lock_release(lock);
    if (err == HEED_OK)
        record_model(ws, method ? HD_AUDIT_MODEL_ACTIVATE : HD_AUDIT_MODEL_ROLLBACK,
                     (hd_model_ref){json_string_value(json_object_get(*out, "method")),
                                    json_string_value(json_object_get(*out, "version"))});
    hd_arena_clear(&arena);
    return err;
}

static heed_err add_standing(heed_workspace *ws, hd_arena *arena, hd_model_ref ref, json_t *out) {
    hd_model_ref active = {0};
    hd_model_ref previous;
    json_t *report = NULL;
    heed_err err = hd_models_active(ws, TASK, arena, &active, &previous);
    if (err != HEED_OK && err != HEED_NOT_FOUND) return err;
    bool in_force = active.method && strcmp(active.method, ref.method) == 0 &&
                    strcmp(active.version, ref.version) == 0;
    HD_TRY(hd_json_set(out, "active", json_boolean(in_force)));
    HD_TRY(hd_models_report(ws, TASK, ref, &report));
    return hd_json_set(out, "report", report);
}

static heed_err show_in(heed_workspace *ws, hd_arena *arena, hd_model_ref ref, json_t **out) {
    if (!ref.version) HD_TRY(hd_models_newest(ws, TASK, ref.method, arena, &ref.version));
    if (!hd_models_has(ws, TASK, ref))
        return HD_FAIL(HEED_NOT_FOUND,
                       "there is no version '%s' of model '%s'; see 'heed model list'",
                       "没有版本“%s”的模型“%s”；见“heed model list”", ref.version, ref.method);
    HD_TRY(hd_models_manifest(ws, TASK, ref, out));
    heed_err err = add_standing(ws, arena, ref, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_model_show(heed_workspace *ws, const char *method, const char *version, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = show_in(ws, &arena, (hd_model_ref){method, version}, out);
    hd_arena_clear(&arena);
    return err;
}

heed_err heed_model_activate(heed_workspace *ws, const char *method, const char *version) {
    json_t *out = NULL;
    HD_TRY(hd_model_switch(ws, method, version, &out));
    json_decref(out);
    return HEED_OK;
}

heed_err heed_model_rollback(heed_workspace *ws) {
    return heed_model_activate(ws, NULL, NULL);
}
