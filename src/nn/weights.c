// SPDX-License-Identifier: Apache-2.0
//
// Items are allocated one by one, so that graphs can keep pointers to them while the set grows.
#include "nn/weights.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void hd_weights_init(hd_weights *weights, uint64_t seed) {
    *weights = (hd_weights){.seed = seed};
    hd_map_init(&weights->by_path);
}

void hd_weights_clear(hd_weights *weights) {
    for (size_t i = 0; i < weights->n; i++) {
        hd_weight_clear(&weights->at[i]->weight);
        hd_free(weights->at[i]);
    }
    hd_free(weights->at);
    hd_map_clear(&weights->by_path);
    hd_weights_init(weights, weights->seed);
}

hd_weight_item *hd_weights_find(const hd_weights *weights, const char *path) {
    uint64_t at;
    return hd_map_get(&weights->by_path, path, strlen(path), &at) ? weights->at[at] : NULL;
}

size_t hd_weights_count(const hd_weights *weights, size_t *frozen) {
    size_t count = 0, still = 0;
    for (size_t i = 0; i < weights->n; i++) {
        const hd_weight_item *item = weights->at[i];
        if (item->state) continue;
        count += item->weight.count;
        still += item->weight.frozen ? item->weight.count : 0;
    }
    if (frozen) *frozen = still;
    return count;
}

// ── Layouts ──

int hd_weight_file_shape(const hd_weight_item *item, size_t shape[HD_MAX_DIMS]) {
    const hd_weight *w = &item->weight;
    int n = item->layout.n_dims > 0 ? item->layout.n_dims : w->n_dims;
    for (int i = 0; i < n; i++) {
        shape[i] = w->shape[item->layout.n_dims > 0 ? item->layout.order[i] : i];
    }
    return n;
}

// Walks the file's order and gives the place in the held order.
typedef struct layout_walk {
    int n;
    size_t shape[HD_MAX_DIMS], stride[HD_MAX_DIMS], index[HD_MAX_DIMS];
    size_t held;
} layout_walk;

static void walk_init(const hd_weight_item *item, layout_walk *walk) {
    const hd_weight *w = &item->weight;
    size_t stride[HD_MAX_DIMS], run = 1;
    for (int i = w->n_dims; i-- > 0; run *= w->shape[i]) stride[i] = run;
    *walk = (layout_walk){.n = 0};
    walk->n = hd_weight_file_shape(item, walk->shape);
    for (int i = 0; i < walk->n; i++) walk->stride[i] = stride[item->layout.order[i]];
}

static void walk_next(layout_walk *walk) {
    for (int i = walk->n; i-- > 0;) {
        walk->held += walk->stride[i];
        if (++walk->index[i] < walk->shape[i]) return;
        walk->held -= walk->stride[i] * walk->shape[i];
        walk->index[i] = 0;
    }
}

void hd_weight_to_file(const hd_weight_item *item, const float *held, float *file) {
    if (item->layout.n_dims == 0) {
        memcpy(file, held, item->weight.count * sizeof *file);
        return;
    }
    layout_walk walk;
    walk_init(item, &walk);
    for (size_t i = 0; i < item->weight.count; i++, walk_next(&walk)) file[i] = held[walk.held];
}

void hd_weight_from_file(const hd_weight_item *item, const float *file, float *held) {
    if (item->layout.n_dims == 0) {
        memcpy(held, file, item->weight.count * sizeof *file);
        return;
    }
    layout_walk walk;
    walk_init(item, &walk);
    for (size_t i = 0; i < item->weight.count; i++, walk_next(&walk)) held[walk.held] = file[i];
}

// ── Making ──

static hd_fan fan_of(const hd_weight_want *want, const hd_weight *w) {
    hd_fan fan = want->fan;
    fan.rows = w->n_dims > 0 ? w->shape[0] : 1;
    fan.cols = fan.rows > 0 ? w->count / fan.rows : 0;
    if (fan.in == 0) {
        fan.in = fan.cols;
        fan.out = fan.rows;
    }
    return fan;
}

static heed_err fill(const hd_weights *weights, const hd_weight_want *want, hd_weight_item *item) {
    hd_weight *w = &item->weight;
    hd_fan fan = fan_of(want, w);
    uint64_t stream = hd_path_stream(want->path);
    if (item->layout.n_dims == 0) {
        return want->init.kind->fill(want->init.options, &fan, weights->seed, stream, w->data);
    }
    float *file = hd_calloc(w->count + 1, sizeof *file);
    if (!file) return HD_FAIL_MEMORY(w->count * sizeof *file);
    heed_err err = want->init.kind->fill(want->init.options, &fan, weights->seed, stream, file);
    hd_weight_from_file(item, file, w->data);
    hd_free(file);
    return err;
}

// ── From files ──

static bool same_shape(const hd_weight_item *item, const hd_tensor_view *view) {
    size_t shape[HD_MAX_DIMS] = {0};
    int n = hd_weight_file_shape(item, shape);
    return n == view->n_dims && memcmp(shape, view->shape, (size_t)n * sizeof shape[0]) == 0;
}

static float view_value(const hd_tensor_view *view, size_t i) {
    switch (view->dtype) {
    case HD_BF16:
        return hd_f32_of_bf16(((const uint16_t *)view->data)[i]);
    case HD_F16:
        return hd_f32_of_f16(((const uint16_t *)view->data)[i]);
    default:
        return ((const float *)view->data)[i];
    }
}

heed_err hd_weight_read(hd_weight_item *item, const hd_tensor_view *view, bool *fits) {
    *fits = same_shape(item, view) &&
            (view->dtype == HD_F32 || view->dtype == HD_BF16 || view->dtype == HD_F16);
    if (!*fits) return HEED_OK;
    size_t n = item->weight.count;
    float *file = hd_calloc(n + 1, sizeof *file);
    if (!file) return HD_FAIL_MEMORY(n * sizeof *file);
    for (size_t i = 0; i < n; i++) file[i] = view_value(view, i);
    hd_weight_from_file(item, file, item->weight.data);
    hd_free(file);
    return HEED_OK;
}

static void shape_text(int n, const size_t *shape, hd_str *out) {
    hd_str_addc(out, '(');
    for (int i = 0; i < n; i++) hd_str_addf(out, "%s%zu", i ? ", " : "", shape[i]);
    hd_str_addc(out, ')');
}

// What the file has must be what is wanted, known before memory is taken.
static heed_err check_source(const hd_weights *weights, const hd_weight_want *want,
                             const hd_tensor_view **out) {
    const hd_tensor_view *view;
    hd_weight_item item = {.weight = {.n_dims = want->n_dims}, .layout = want->layout};
    memcpy(item.weight.shape, want->shape, sizeof item.weight.shape);
    heed_err err = hd_safetensors_get(weights->source, want->path, HD_F32, -1, &view);
    if (err != HEED_OK) return err;
    *out = view;
    if (same_shape(&item, view)) return HEED_OK;
    hd_str has, needs;
    size_t shape[HD_MAX_DIMS];
    int n = hd_weight_file_shape(&item, shape);
    hd_str_init(&has);
    hd_str_init(&needs);
    shape_text(view->n_dims, view->shape, &has);
    shape_text(n, shape, &needs);
    err = HD_FAIL(HEED_CORRUPT, "weight '%s' is %s in the file, the network needs %s",
                  "文件中权重“%s”的形状为 %s，而网络需要 %s", want->path, hd_str_get(&has),
                  hd_str_get(&needs));
    hd_str_clear(&has);
    hd_str_clear(&needs);
    return err;
}

static heed_err fill_new(const hd_weights *weights, const hd_weight_want *want,
                         const hd_tensor_view *view, hd_weight_item *item) {
    bool fits;
    return view ? hd_weight_read(item, view, &fits) : fill(weights, want, item);
}

static heed_err make(hd_weights *weights, const hd_weight_want *want, hd_weight_item **out) {
    const hd_tensor_view *view = NULL;
    if (weights->source) HD_TRY(check_source(weights, want, &view));
    hd_weight_item *item = hd_calloc(1, sizeof *item);
    if (!item) return HD_FAIL_MEMORY(sizeof *item);
    heed_err err = hd_weight_init(&item->weight, want->path, want->n_dims, want->shape);
    if (err != HEED_OK) {
        hd_free(item);
        return err;
    }
    item->state = want->state;
    item->layout = want->layout;
    err = fill_new(weights, want, view, item);
    if (err == HEED_OK) {
        err = hd_grow(&weights->at, &weights->cap, weights->n + 1, sizeof *weights->at);
    }
    if (err == HEED_OK) {
        err = hd_map_put(&weights->by_path, want->path, strlen(want->path), weights->n);
    }
    if (err != HEED_OK) {
        hd_weight_clear(&item->weight);
        hd_free(item);
        return err;
    }
    weights->at[weights->n++] = item;
    *out = item;
    return HEED_OK;
}

static heed_err other_shape(const hd_weight_item *item, const hd_weight_want *want) {
    hd_str is, wanted;
    hd_str_init(&is);
    hd_str_init(&wanted);
    shape_text(item->weight.n_dims, item->weight.shape, &is);
    shape_text(want->n_dims, want->shape, &wanted);
    heed_err err = HD_FAIL(HEED_INPUT,
                           "weight '%s' is %s, but these inputs need %s: the network was made for "
                           "inputs of another shape",
                           "权重“%s”的形状为 %s，而这些输入需要 %s：网络是为另一种输入形状建立的",
                           want->path, hd_str_get(&is), hd_str_get(&wanted));
    hd_str_clear(&is);
    hd_str_clear(&wanted);
    return err;
}

heed_err hd_weights_get(hd_weights *weights, const hd_weight_want *want, hd_weight **out) {
    hd_weight_item *item = hd_weights_find(weights, want->path);
    if (!item) {
        HD_TRY(make(weights, want, &item));
    } else if (item->weight.n_dims != want->n_dims ||
               memcmp(item->weight.shape, want->shape,
                      (size_t)want->n_dims * sizeof want->shape[0]) != 0) {
        return other_shape(item, want);
    }
    *out = &item->weight;
    return HEED_OK;
}

// ── Patterns ──

bool hd_path_match(const char *pattern, const char *path) {
    const char *star = NULL, *from = NULL; // the last * and where its run may grow
    while (*path) {
        if (*pattern == '*') {
            star = pattern++;
            from = path;
        } else if (*pattern == *path) {
            pattern++;
            path++;
        } else if (star) {
            pattern = star + 1;
            path = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return *pattern == '\0';
}
