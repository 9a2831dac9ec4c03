// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint is a network's file (heed reads it as one) with the rest of the training beside the
// weights: moments ("m/…", "v/…"), averages, best weights, and in the metadata ("heed.train") where
// it stands. One file, written whole by rename: there is never half of one. Random numbers and the
// order of samples need no state: they are functions of seed, step and epoch.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/training.h"

#define KEY_TRAIN "heed.train"

// ── The state as JSON: one row a number ──

typedef struct state_row {
    const char *key;
    char type; // 'u' uint64, 'i' int64, 'd' double, 'b' bool
    size_t at;
} state_row;
#define ROW(key, type, field) \
    { key, type, offsetof(hd_train_state, field) }
static const state_row state_rows[] = {
    ROW("step", 'u', step),
    ROW("epoch", 'u', epoch),
    ROW("done", 'u', done),
    ROW("epoch_batch", 'u', batch), // ("batch" is the option: identity below)
    ROW("rate_scale", 'd', rate.scale),
    ROW("rate_best", 'd', rate.best),
    ROW("rate_bad", 'i', rate.bad),
    ROW("size_scale", 'd', size.scale),
    ROW("size_best", 'd', size.best),
    ROW("size_bad", 'i', size.bad),
    ROW("loss_sum", 'd', loss_sum),
    ROW("loss_n", 'd', loss_n),
    ROW("last_loss", 'd', last_loss),
    ROW("first_loss", 'd', first_loss),
    ROW("has_first", 'b', has_first),
    ROW("has_best", 'b', has_best),
    ROW("has_validation", 'b', has_validation),
    ROW("finished", 'b', finished),
    ROW("best", 'd', best),
    ROW("validation_loss", 'd', validation_loss),
    ROW("best_step", 'u', best_step),
    ROW("planned", 'u', planned),
    ROW("bad", 'i', bad),
};
enum { STATE_ROWS = sizeof state_rows / sizeof state_rows[0] };

static json_t *row_json(const state_row *row, const hd_train_state *s) {
    const char *field = (const char *)s + row->at;
    switch (row->type) {
    case 'u':
        return json_integer((json_int_t) * (const uint64_t *)(const void *)field);
    case 'i':
        return json_integer(*(const int64_t *)(const void *)field);
    case 'b':
        return json_boolean(*(const bool *)(const void *)field);
    default:
        return hd_json_real(*(const double *)(const void *)field);
    }
}

static void row_read(const state_row *row, const json_t *value, hd_train_state *s) {
    char *field = (char *)s + row->at;
    switch (row->type) {
    case 'u':
    case 'i':
        *(int64_t *)(void *)field = json_integer_value(value);
        break;
    case 'b':
        *(bool *)(void *)field = json_is_true(value);
        break;
    default:
        *(double *)(void *)field = json_is_number(value) ? json_number_value(value) : NAN;
    }
}

// What a checkpoint must agree on with the training that takes it up.
static heed_err identity(const hd_training *t, json_t **out) {
    return hd_json_pack(out, "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "loss", t->o.loss,
                        "optimizer", t->o.optimizer, "samples", (json_int_t)t->data->n, "batch",
                        (json_int_t)t->o.batch, "buckets", (json_int_t)t->o.buckets, "accumulate",
                        (json_int_t)t->o.accumulate, "seed", (json_int_t)(t->o.seed & INT64_MAX),
                        "schedule", t->o.schedule);
}

static heed_err state_json(const hd_training *t, hd_str *out) {
    json_t *json, *metrics = json_array();
    heed_err err = identity(t, &json);
    for (size_t i = 0; i < STATE_ROWS && err == HEED_OK; i++) {
        err = hd_json_set(json, state_rows[i].key, row_json(&state_rows[i], &t->s));
    }
    for (size_t i = 0; i < HD_METRICS && err == HEED_OK; i++) {
        err = hd_json_append(metrics, hd_json_real(t->s.metrics[i]));
    }
    if (err == HEED_OK) {
        err = hd_json_set(json, "metrics", metrics);
        metrics = NULL;
    }
    if (err == HEED_OK) {
        err = hd_json_set(json, "optimizer_steps", json_integer((json_int_t)t->optimizer.t));
    }
    if (err == HEED_OK) err = hd_json_dump(json, false, out);
    json_decref(metrics);
    json_decref(json);
    return err;
}

// ── Saving ──

static heed_err add_values(hd_safetensors_writer *writer, hd_arena *arena, const char *what,
                           const hd_weight *w, const float *values) {
    if (!values) return HEED_OK;
    const char *name = hd_arena_printf(arena, "%s/%s", what, w->name);
    if (!name) return HD_FAIL_MEMORY(0);
    return hd_safetensors_add(writer, name, HD_F32, 1, &w->count, values);
}

static heed_err add_all(const hd_training *t, hd_safetensors_writer *writer, hd_arena *arena) {
    HD_TRY(hd_net_add_to(t->net, writer, arena));
    for (size_t i = 0; i < t->optimizer.n; i++) {
        const hd_moments *m = &t->optimizer.at[i];
        HD_TRY(add_values(writer, arena, "m", m->weight, m->m));
        HD_TRY(add_values(writer, arena, "v", m->weight, m->v));
        if (t->averages) HD_TRY(add_values(writer, arena, "average", m->weight, t->averages[i]));
    }
    for (size_t i = 0; t->best && i < t->net->weights.n; i++) {
        HD_TRY(add_values(writer, arena, "best", &t->net->weights.at[i]->weight, t->best[i]));
    }
    return HEED_OK;
}

heed_err hd_checkpoint_save(hd_training *t) {
    hd_safetensors_writer *writer;
    hd_arena arena;
    hd_str state;
    HD_TRY(hd_safetensors_writer_new(&writer));
    hd_arena_init(&arena);
    hd_str_init(&state);
    heed_err err = add_all(t, writer, &arena);
    if (err == HEED_OK) err = state_json(t, &state);
    if (err == HEED_OK) err = hd_safetensors_add_meta(writer, KEY_TRAIN, hd_str_get(&state));
    if (err == HEED_OK) err = hd_safetensors_write(writer, t->o.checkpoint);
    hd_safetensors_writer_free(writer);
    hd_str_clear(&state);
    hd_arena_clear(&arena);
    return err;
}

// ── Taking up ──

static heed_err get_values(const hd_safetensors *file, hd_arena *arena, const char *what,
                           const hd_weight *w, float *values) {
    const hd_tensor_view *view;
    if (!values) return HEED_OK;
    const char *name = hd_arena_printf(arena, "%s/%s", what, w->name);
    if (!name) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_safetensors_get(file, name, HD_F32, 1, &view));
    if (view->shape[0] != w->count) {
        return HD_FAIL(HEED_CORRUPT, "'%s' has %zu values, the network's weight has %zu",
                       "“%s”有 %zu 个值，而网络的权重有 %zu 个", name, view->shape[0], w->count);
    }
    memcpy(values, view->data, w->count * sizeof *values);
    return HEED_OK;
}

static heed_err get_weights(hd_training *t, const hd_safetensors *file) {
    for (size_t i = 0; i < t->net->weights.n; i++) {
        hd_weight_item *item = t->net->weights.at[i];
        const hd_tensor_view *view;
        bool fits;
        HD_TRY(hd_safetensors_get(file, item->weight.name, HD_F32, -1, &view));
        HD_TRY(hd_weight_read(item, view, &fits));
        if (fits) continue;
        return HD_FAIL(HEED_CORRUPT, "weight '%s' has another shape in the checkpoint",
                       "检查点中权重“%s”的形状不同", item->weight.name);
    }
    return HEED_OK;
}

static heed_err get_all(hd_training *t, const hd_safetensors *file, hd_arena *arena) {
    HD_TRY(get_weights(t, file));
    for (size_t i = 0; i < t->optimizer.n; i++) {
        const hd_moments *m = &t->optimizer.at[i];
        HD_TRY(get_values(file, arena, "m", m->weight, m->m));
        HD_TRY(get_values(file, arena, "v", m->weight, m->v));
        if (t->averages) HD_TRY(get_values(file, arena, "average", m->weight, t->averages[i]));
    }
    for (size_t i = 0; t->best && i < t->net->weights.n; i++) {
        HD_TRY(get_values(file, arena, "best", &t->net->weights.at[i]->weight, t->best[i]));
    }
    return HEED_OK;
}

// Every option that the identity names must be as it was.
static heed_err check_identity(const hd_training *t, const json_t *json) {
    json_t *now;
    const char *key;
    json_t *value;
    heed_err err = identity(t, &now);
    if (err != HEED_OK) return err;
    json_object_foreach(now, key, value) {
        if (err != HEED_OK || json_equal(value, json_object_get(json, key))) continue;
        err = HD_FAIL(
            HEED_INPUT,
            "checkpoint '%s' is of another training: its '%s' differs; remove it, or train "
            "as before",
            "检查点“%s”属于另一次训练：其“%s”不同；请删除它，或按原设置训练", t->o.checkpoint, key);
    }
    json_decref(now);
    return err;
}

static heed_err get_state(hd_training *t, const hd_safetensors *file) {
    const char *text = hd_safetensors_meta(file, KEY_TRAIN);
    json_t *json;
    if (!text) {
        return HD_FAIL(HEED_INPUT,
                       "'%s' is a network without a training's state: it can't be "
                       "resumed, but loaded",
                       "“%s”是不含训练状态的网络：无法继续训练，但可以加载", t->o.checkpoint);
    }
    HD_TRY(hd_json_parse(text, strlen(text), t->o.checkpoint, &json));
    heed_err err = check_identity(t, json);
    if (err == HEED_OK) {
        const json_t *metrics = json_object_get(json, "metrics");
        for (size_t i = 0; i < STATE_ROWS; i++) {
            row_read(&state_rows[i], json_object_get(json, state_rows[i].key), &t->s);
        }
        for (size_t i = 0; i < HD_METRICS; i++) {
            t->s.metrics[i] = json_number_value(json_array_get(metrics, i));
        }
        t->optimizer.t = (uint64_t)json_integer_value(json_object_get(json, "optimizer_steps"));
    }
    json_decref(json);
    return err;
}

heed_err hd_checkpoint_restore(hd_training *t) {
    hd_safetensors *file;
    hd_arena arena;
    HD_TRY(hd_safetensors_open(t->o.checkpoint, &file));
    hd_arena_init(&arena);
    heed_err err = get_state(t, file);
    if (err == HEED_OK) err = get_all(t, file, &arena);
    hd_arena_clear(&arena);
    hd_safetensors_close(file);
    return err;
}
