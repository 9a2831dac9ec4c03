// SPDX-License-Identifier: Apache-2.0
//
// A part that came out without weight stands in the list and is asked nothing: neither kept in a
// folder nor counted in size or time. A part may be a network of several members, which is a blend
// itself (recipe/members.c): files are named by the way to them, part-2-1 is the second part's
// first member.
#include "recipe/blended.h"

#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "classic/classifier.h"
#include "recipe/fit_own.h"
#include "recipe/save.h"

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static hd_task task_of(const hd_target *target) {
    return target->task == HD_RECIPE_CLASSES ? HD_TASK_CLASSES : HD_TASK_VALUES;
}

void hd_blended_free(hd_blended *b) {
    if (!b) return;
    for (size_t j = 0; j < b->blend.m; j++) {
        hd_free(b->names[j]);
        if (b->own) hd_scorer_clear(&b->parts[j]);
    }
    hd_free(b);
}

heed_err hd_blended_new(const hd_target *target, hd_blended **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(sizeof **out);
    (*out)->own = true;
    (*out)->blend.task = task_of(target);
    return HEED_OK;
}

void hd_blended_equal(hd_blended *b) {
    b->blend.sharp = 1;
    for (size_t j = 0; j < b->blend.m; j++) b->blend.weights[j] = 1 / (double)b->blend.m;
}

unsigned hd_blended_wants(const hd_blended *b) {
    unsigned all = 0;
    for (size_t j = 0; j < b->blend.m; j++)
        if (b->blend.weights[j] > 0) all |= hd_scorer_wants(&b->parts[j]);
    return all;
}

// ── Scores ──

typedef struct said {
    float *at[HD_RECIPE_MODELS]; // NULL: not asked
} said;

static void said_clear(said *s) {
    for (size_t j = 0; j < HD_RECIPE_MODELS; j++) hd_free(s->at[j]);
}

heed_err hd_run_blended(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) {
    const hd_blended *b = scorer->blended;
    heed_err err = HEED_OK;
    said each = {.at = {NULL}};
    const float *at[HD_RECIPE_MODELS];
    float *mixed = hd_calloc(samples->n * target->k + 1, sizeof *mixed);
    if (!mixed) HD_TRY_OUT(HD_FAIL_MEMORY(samples->n * target->k * sizeof *mixed));
    for (size_t j = 0; j < b->blend.m; j++) {
        if (b->blend.weights[j] > 0)
            HD_TRY_OUT(
                hd_scorer_time(&b->parts[j], target, samples, threads, &each.at[j], seconds));
        at[j] = each.at[j];
    }
    double begun = seconds_now();
    hd_blend_mix(&b->blend, at, samples->n, target->k, mixed);
    *seconds += seconds_now() - begun;
    *out = mixed;
    mixed = NULL;
out:
    hd_free(mixed);
    said_clear(&each);
    return err;
}

// ── Fitting ──

static heed_err learn_weights(const hd_prepared *p, size_t n, size_t threads, hd_blended *b) {
    const hd_samples *samples = &p->samples[HD_PART_VALIDATION];
    hd_predictions each[HD_RECIPE_MODELS];
    said scores = {.at = {NULL}};
    heed_err err = HEED_OK;
    for (size_t j = 0; j < n; j++) {
        if (samples->n > 0)
            HD_TRY_OUT(hd_scorer_run(&b->parts[j], &p->target, samples, threads, &scores.at[j]));
        each[j] = (hd_predictions){.task = task_of(&p->target),
                                   .n = samples->n,
                                   .k = p->target.k,
                                   .scores = scores.at[j],
                                   .labels = p->labels[HD_PART_VALIDATION],
                                   .targets = p->values[HD_PART_VALIDATION]};
    }
    HD_TRY_OUT(hd_blend_fit(each, n, &b->blend));
out:
    said_clear(&scores);
    return err;
}

// What the parts that weigh anything need together; time also of those that turned out to add
// nothing.
static void add_cost(const hd_blend_part *parts, hd_fitted *out) {
    const hd_blended *b = out->scorer.blended;
    out->parameters = out->bytes = out->memory = 0;
    for (size_t j = 0; j < b->blend.m; j++) {
        const hd_fitted *part = parts[j].fitted;
        out->seconds += part->seconds;
        if (part->memory > out->memory) out->memory = part->memory;
        if (b->blend.weights[j] <= 0) continue;
        out->parameters += part->parameters;
        out->bytes += part->bytes;
    }
}

static void borrow(const hd_blend_part *part, hd_scorer *to) {
    *to = part->fitted->scorer;
    to->calibration = NULL;
}

void hd_refit_blend(const hd_blend_part *parts, hd_fitted *blend) {
    hd_blended *b = blend->scorer.blended;
    for (size_t j = 0; j < b->blend.m; j++) borrow(&parts[j], &b->parts[j]);
    blend->seconds = 0;
    add_cost(parts, blend);
}

static heed_err fit(const hd_prepared *p, const hd_blend_part *parts, size_t n, size_t threads,
                    hd_fitted *out) {
    hd_blended *b = out->scorer.blended;
    for (; b->blend.m < n; b->blend.m++) {
        size_t j = b->blend.m;
        borrow(&parts[j], &b->parts[j]);
        b->names[j] = hd_strdup(parts[j].name);
        if (!b->names[j]) return HD_FAIL_MEMORY(0);
    }
    double begun = seconds_now();
    HD_TRY(learn_weights(p, n, threads, b));
    out->seconds = seconds_now() - begun;
    add_cost(parts, out);
    return HEED_OK;
}

heed_err hd_fit_blend(const hd_prepared *p, const hd_blend_part *parts, size_t n, size_t threads,
                      hd_fitted *out) {
    *out = (hd_fitted){.gradients = NULL};
    out->scorer.blended = hd_calloc(1, sizeof *out->scorer.blended);
    if (!out->scorer.blended) return HD_FAIL_MEMORY(sizeof *out->scorer.blended);
    heed_err err = fit(p, parts, n, threads, out);
    if (err != HEED_OK) hd_fitted_clear(out);
    return err;
}

// ── To and from a folder ──

enum { WAY = 48 }; // bytes of "part-1-2.safetensors"

static void way_to(const char *way, size_t j, char out[WAY]) {
    hd_snprintf(out, WAY, "%s-%zu", way, j + 1);
}

static void file_of(const char *way, bool net, char out[WAY]) {
    hd_snprintf(out, WAY, "%s.%s", way, net ? "safetensors" : "bin");
}

static heed_err describe(const hd_blended *b, const char *way, json_t *into);

static heed_err describe_part(const hd_scorer *part, const char *way, json_t *into) {
    char file[WAY];
    if (part->blended) return describe(part->blended, way, into);
    file_of(way, part->net != NULL, file);
    HD_TRY(hd_json_set(into, "file", json_string(file)));
    if (!part->net) return HEED_OK;
    return hd_json_set(into, "reading", json_string(hd_reading_words[part->reading]));
}

static heed_err describe(const hd_blended *b, const char *way, json_t *into) {
    json_t *parts = json_array();
    HD_TRY(hd_json_set(into, "parts", parts));
    HD_TRY(hd_json_set(into, "sharp", hd_json_real(b->blend.sharp)));
    for (size_t j = 0; j < b->blend.m; j++) {
        json_t *one = NULL;
        char to[WAY];
        way_to(way, j, to);
        HD_TRY(
            hd_json_pack(&one, "{s:s, s:f}", "name", b->names[j], "weight", b->blend.weights[j]));
        HD_TRY(hd_json_append(parts, one));
        if (b->blend.weights[j] > 0) HD_TRY(describe_part(&b->parts[j], to, one));
    }
    return HEED_OK;
}

heed_err hd_blended_json(const hd_blended *b, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = describe(b, "part", *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err write_parts(const hd_blended *b, const char *way, const char *folder,
                            hd_arena *arena) {
    for (size_t j = 0; j < b->blend.m; j++) {
        const hd_scorer *part = &b->parts[j];
        char to[WAY], file[WAY];
        if (b->blend.weights[j] <= 0) continue;
        way_to(way, j, to);
        if (part->blended) {
            HD_TRY(write_parts(part->blended, to, folder, arena));
            continue;
        }
        file_of(to, part->net != NULL, file);
        const char *path = hd_fs_join(arena, folder, file);
        HD_TRY(path ? hd_scorer_write(part, path) : HD_FAIL_MEMORY(0));
    }
    return HEED_OK;
}

heed_err hd_blended_write(const hd_blended *b, const char *folder) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = write_parts(b, "part", folder, &arena);
    hd_arena_clear(&arena);
    return err;
}

static heed_err damaged(const char *name) {
    return HD_FAIL(HEED_CORRUPT, "%s: the blend is damaged; train it again",
                   "%s：混合模型已损坏；请重新训练", name);
}

typedef struct reader {
    const char *name, *folder;
    hd_arena *arena;
    const hd_target *target;
} reader;

static heed_err read_parts(const reader *r, const json_t *json, const char *way, bool inner,
                           hd_blended *b);

static heed_err read_inner(const reader *r, const json_t *json, const char *way, hd_scorer *out) {
    HD_TRY(hd_blended_new(r->target, &out->blended));
    return read_parts(r, json, way, true, out->blended);
}

static heed_err read_file(const reader *r, const json_t *one, const char *way, hd_scorer *out) {
    const char *reading = json_string_value(json_object_get(one, "reading"));
    // A part's file is named by its place: no path of a file that was tampered with is followed.
    char file[WAY];
    out->reading = reading ? hd_reading_find(reading) : HD_READINGS;
    if (reading && out->reading == HD_READINGS) return damaged(r->name);
    file_of(way, reading != NULL, file);
    const char *path = hd_fs_join(r->arena, r->folder, file);
    return path ? hd_scorer_read(path, reading != NULL, out) : HD_FAIL_MEMORY(0);
}

static heed_err read_part(const reader *r, const json_t *one, const char *way, bool inner,
                          hd_blended *b) {
    size_t j = b->blend.m++;
    const char *given = json_string_value(json_object_get(one, "name"));
    const json_t *weight = json_object_get(one, "weight");
    char to[WAY];
    if (!given || !json_is_number(weight)) return damaged(r->name);
    b->names[j] = hd_strdup(given);
    if (!b->names[j]) return HD_FAIL_MEMORY(0);
    b->blend.weights[j] = json_number_value(weight);
    if (!(b->blend.weights[j] > 0)) return HEED_OK;
    way_to(way, j, to);
    if (!json_object_get(one, "parts")) return read_file(r, one, to, &b->parts[j]);
    return inner ? damaged(r->name) : read_inner(r, one, to, &b->parts[j]);
}

static heed_err read_parts(const reader *r, const json_t *json, const char *way, bool inner,
                           hd_blended *b) {
    const json_t *parts = json_object_get(json, "parts"), *sharp = json_object_get(json, "sharp");
    size_t n = json_array_size(parts);
    if (n < 2 || n > HD_RECIPE_MODELS || !json_is_number(sharp)) return damaged(r->name);
    b->blend.sharp = json_number_value(sharp);
    for (size_t j = 0; j < n; j++) HD_TRY(read_part(r, json_array_get(parts, j), way, inner, b));
    return hd_blend_sound(&b->blend) ? HEED_OK : damaged(r->name);
}

heed_err hd_blended_read(const json_t *json, const char *name, const char *folder,
                         const hd_target *target, hd_blended **out) {
    hd_arena arena;
    hd_blended *b;
    HD_TRY(hd_blended_new(target, &b));
    hd_arena_init(&arena);
    const reader r = {name, folder, &arena, target};
    heed_err err = read_parts(&r, json, "part", false, b);
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = b;
    else
        hd_blended_free(b);
    return err;
}
