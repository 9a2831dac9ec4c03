// SPDX-License-Identifier: Apache-2.0
//
// Profiles at request time, and the training of segments over everybody's. Nothing per user is
// kept: the segment model holds centres and scales, and whoever asks is assigned when they ask.
#include "workspace/profile.h"

#include "base/mem.h"
#include "profile/profile.h"
#include "workspace/loaded.h"
#include "workspace/models.h"
#include "workspace/train.h"

static const char TASK[] = "profile";
static const char METHOD[] = "segments";

// No more vectors than this are clustered: evenly spaced users beyond it change no centre that
// anybody could see, and memory stays bounded.
enum { MAX_VECTORS = 200000 };

static heed_err make_profiler(heed_workspace *ws, hd_time now, hd_profiler **out) {
    const hd_items *items;
    HD_TRY(hd_workspace_items(ws, &items));
    const hd_profile_input input = {
        .items = items, .signals = ws->signals, .zone = ws->zone, .now = now};
    return hd_profiler_new(&input, out);
}

// ── Segments ──

struct hd_gathered {
    heed_workspace *ws;
    hd_profiler *profiler;
    double *vectors; // (n, len)
    size_t n, cap, len;
    size_t seen, step; // every step-th user is taken
};

static heed_err add_vector(hd_gathered *g, const hd_door_event *events, size_t n_events,
                           const hd_door_review *reviews, size_t n_reviews) {
    hd_profile *profile = NULL;
    HD_TRY(hd_grow(&g->vectors, &g->cap, (g->n + 1) * g->len, sizeof *g->vectors));
    HD_TRY(hd_profile_new(g->profiler, events, n_events, reviews, n_reviews, &profile));
    hd_profile_vector(profile, g->vectors + g->n * g->len);
    hd_profile_free(profile);
    g->n++;
    return HEED_OK;
}

static heed_err take_user(void *ctx, int64_t user_key, const hd_door_event *events, size_t n_events,
                          const hd_door_review *reviews, size_t n_reviews) {
    (void)user_key;
    hd_gathered *g = ctx;
    if (g->seen % 256 == 0) HD_TRY(hd_stop_check(g->ws->stop));
    if (g->seen++ % g->step != 0) return HEED_OK;
    return add_vector(g, events, n_events, reviews, n_reviews);
}

// Segments are learned as of the end of this day: the same data on one day gives the same model.
static hd_time end_of_day(void) {
    return (hd_time_now() / HD_DAY_MS + 1) * HD_DAY_MS;
}

static heed_err gather(hd_gathered *g) {
    hd_door_counts counts;
    HD_TRY(hd_door_count(g->ws->door, HD_PURPOSE_PROFILE, &counts));
    g->step = ((size_t)counts.users + MAX_VECTORS - 1) / MAX_VECTORS;
    if (g->step == 0) g->step = 1;
    g->len = hd_profile_vector_len();
    HD_TRY(make_profiler(g->ws, end_of_day(), &g->profiler));
    hd_workspace_tell(g->ws, (hd_text)HD_TEXT("profiling users", "正在生成用户画像"), -1);
    return hd_door_scan(g->ws->door, HD_PURPOSE_PROFILE, false, take_user, g);
}

static heed_err save_segments(heed_workspace *ws, const hd_segments *segments, hd_model_ref ref,
                              const json_t *manifest, const json_t *report) {
    hd_safetensors_writer *writer = NULL;
    HD_TRY(hd_safetensors_writer_new(&writer));
    heed_err err = hd_segments_save(segments, writer);
    if (err == HEED_OK) err = hd_models_publish(ws, TASK, ref, writer, manifest, report);
    hd_safetensors_writer_free(writer);
    return err;
}

static heed_err publish_segments(heed_workspace *ws, const hd_segments *segments, size_t users,
                                 uint64_t seed, const char *data_hash, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    json_t *list = NULL;
    hd_lock *lock = NULL;
    json_t *manifest = NULL;
    hd_model_ref ref = {.method = METHOD};
    char created[32];
    hd_time_format(hd_time_now(), NULL, created);
    heed_err err = HEED_OK;
    HD_TRY_OUT(hd_models_next_version(ws, TASK, &arena, &ref.version));
    HD_TRY_OUT(hd_segments_json(segments, HEED_EN, &list));
    HD_TRY_OUT(hd_json_pack(&manifest, "{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I}",
                            "format", 1, "task", TASK, "method", METHOD, "version", ref.version,
                            "created", created, "heed", heed_version(), "seed", (json_int_t)seed,
                            "data_hash", data_hash, "users", (json_int_t)users, "segments",
                            (json_int_t)json_array_size(list)));
    HD_TRY_OUT(save_segments(ws, segments, ref, manifest, list));
    HD_TRY_OUT(hd_models_lock(ws, &lock));
    HD_TRY_OUT(hd_models_activate(ws, TASK, ref, &arena, &ref));
    HD_TRY_OUT(hd_models_prune(ws, TASK));
    err = hd_json_pack(out, "{s:s, s:I, s:O}", "version", ref.version, "users", (json_int_t)users,
                       "segments", list);
out:
    hd_lock_release(lock);
    json_decref(list);
    json_decref(manifest);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_segments_gather(heed_workspace *ws, hd_gathered **out) {
    hd_gathered *g = hd_calloc(1, sizeof *g);
    if (!g) return HD_FAIL_MEMORY(sizeof *g);
    g->ws = ws;
    heed_err err = gather(g);
    if (err == HEED_OK)
        *out = g;
    else
        hd_gathered_free(g);
    return err;
}

void hd_gathered_free(hd_gathered *gathered) {
    if (!gathered) return;
    hd_profiler_free(gathered->profiler);
    hd_free(gathered->vectors);
    hd_free(gathered);
}

static heed_err fit_segments(const hd_gathered *g, uint64_t seed, hd_segments **out) {
    hd_pool *pool;
    size_t k = (size_t)hd_settings_int(g->ws->settings, "profile.segments");
    HD_TRY(hd_workspace_pool(g->ws, &pool));
    HD_TRY(hd_stop_check(g->ws->stop));
    hd_workspace_tell(g->ws, (hd_text)HD_TEXT("finding user segments", "正在划分用户群"), -1);
    return hd_segments_fit(g->vectors, g->n, k, seed, pool, out);
}

heed_err hd_segments_train(heed_workspace *ws, const hd_gathered *gathered, uint64_t seed,
                           const char *data_hash, json_t **out) {
    hd_segments *segments = NULL;
    heed_err err = fit_segments(gathered, seed, &segments);
    if (err == HEED_INPUT) { // fewer than two different users: nothing to part
        *out = json_null();
        err = HEED_OK;
    } else if (err == HEED_OK) {
        err = publish_segments(ws, segments, gathered->n, seed, data_hash, out);
    }
    hd_segments_free(segments);
    return err;
}

heed_err hd_profile_segments(heed_workspace *ws, heed_lang lang, json_t **out) {
    hd_loaded_segments *loaded = NULL;
    json_t *list = NULL;
    HD_TRY(hd_loaded_segments_get(ws, &loaded));
    heed_err err = hd_segments_json(loaded->segments, lang, &list);
    if (err == HEED_OK)
        err = hd_json_pack(out, "{s:s, s:o}", "version", loaded->version, "segments", list);
    hd_shared_release(&loaded->shared);
    return err;
}

// ── One user ──

static heed_err profile_of(heed_workspace *ws, const char *user, hd_arena *arena,
                           const hd_profiler *profiler, hd_profile **out) {
    int64_t key = 0;
    hd_door_event *events = NULL;
    hd_door_review *reviews = NULL;
    size_t n_events = 0;
    size_t n_reviews = 0;
    HD_TRY(hd_door_user_find(ws->door, HD_PURPOSE_PROFILE, hd_slice_of(user), &key));
    HD_TRY(hd_door_events(ws->door, HD_PURPOSE_PROFILE, key, 0, arena, &events, &n_events));
    HD_TRY(hd_door_reviews(ws->door, HD_PURPOSE_PROFILE, key, arena, &reviews, &n_reviews));
    return hd_profile_new(profiler, events, n_events, reviews, n_reviews, out);
}

static heed_err user_in(heed_workspace *ws, const char *user, heed_lang lang, hd_arena *arena,
                        const hd_profiler *profiler, json_t **out) {
    hd_profile *profile = NULL;
    hd_loaded_segments *loaded = NULL;
    HD_TRY(profile_of(ws, user, arena, profiler, &profile));
    heed_err err = hd_loaded_segments_get(ws, &loaded);
    if (err == HEED_NOT_FOUND) err = HEED_OK; // not trained yet: a profile without a segment
    if (err == HEED_OK) err = hd_profile_json(profile, loaded ? loaded->segments : NULL, lang, out);
    if (loaded) hd_shared_release(&loaded->shared);
    hd_profile_free(profile);
    return err;
}

heed_err hd_profile_user(heed_workspace *ws, const char *user, heed_lang lang, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_profiler *profiler = NULL;
    const hd_items *items;
    heed_err err = hd_store_begin_read(ws->store);
    if (err == HEED_OK) {
        err = hd_workspace_items_now(ws, &items);
        if (err == HEED_OK) err = make_profiler(ws, hd_time_now(), &profiler);
        if (err == HEED_OK) err = user_in(ws, user, lang, &arena, profiler, out);
        hd_store_rollback(ws->store);
    }
    hd_profiler_free(profiler);
    hd_arena_clear(&arena);
    if (err != HEED_OK) return err;
    err = hd_json_set(*out, "user", json_string(user));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err heed_profile(heed_workspace *ws, const char *user, heed_lang lang, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_profile_user(ws, user, lang, &out));
    return hd_workspace_text(out, json);
}

heed_err heed_segments(heed_workspace *ws, heed_lang lang, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_profile_segments(ws, lang, &out));
    return hd_workspace_text(out, json);
}
