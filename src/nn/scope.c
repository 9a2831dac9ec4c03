// SPDX-License-Identifier: Apache-2.0
#include "nn/scope.h"

#include <string.h>

void hd_scope_init(hd_nn_scope *scope, hd_graph *graph, hd_weights *weights, hd_arena *arena) {
    *scope = (hd_nn_scope){.graph = graph, .weights = weights, .arena = arena};
}

void hd_scope_push(hd_nn_scope *scope, const char *name) {
    size_t n = strlen(scope->path);
    hd_graph_scope_push(scope->graph, name);
    hd_snprintf(scope->path + n, sizeof scope->path - n, "%s%s", n ? "." : "", name);
    // (Too long a path is cut; two weights of one path would then differ in shape, or be shared.)
    if (n + strlen(name) + 2 > sizeof scope->path || ++scope->depth > HD_SCOPE_DEPTH) {
        hd_scope_fail(scope, HD_FAIL(HEED_INPUT, "layers are nested too deep at '%s'",
                                     "“%s”处的层嵌套过深", scope->path));
    }
}

void hd_scope_pop(hd_nn_scope *scope) {
    char *dot = strrchr(scope->path, '.');
    hd_graph_scope_pop(scope->graph);
    if (dot) {
        *dot = '\0';
    } else {
        scope->path[0] = '\0';
    }
    scope->depth--;
}

hd_tensor *hd_scope_fail(hd_nn_scope *scope, heed_err err) {
    return hd_graph_fail(scope->graph, err);
}

void hd_scope_check(hd_nn_scope *scope, const hd_where *where) {
    if (scope->failed || hd_graph_error(scope->graph) == HEED_OK) return;
    hd_where_words place = hd_where_text(where);
    heed_err err = hd_graph_error(scope->graph);
    err = hd_error_prefix(err, "%s", "%s", place.text);
    hd_error_get(&scope->failure);
    scope->failure.code = err;
    scope->failed = true;
}

heed_err hd_scope_error(hd_nn_scope *scope) {
    return scope->failed ? hd_error_restore(&scope->failure) : hd_graph_error(scope->graph);
}

hd_tensor *hd_scope_want(hd_nn_scope *scope, const hd_weight_want *want) {
    hd_weight_want full = *want;
    hd_weight *weight = NULL;
    char path[HD_SCOPE_PATH + 64];
    hd_snprintf(path, sizeof path, "%s%s%s", scope->path, scope->path[0] ? "." : "", want->path);
    full.path = path;
    heed_err err = hd_graph_error(scope->graph);
    if (err == HEED_OK) err = hd_weights_get(scope->weights, &full, &weight);
    if (err != HEED_OK) return hd_scope_fail(scope, err);
    if (scope->frozen) weight->frozen = true;
    return want->state ? hd_graph_state(scope->graph, weight)
                       : hd_graph_weight(scope->graph, weight);
}

hd_tensor *hd_scope_weight(hd_nn_scope *scope, const char *name, int n_dims, const size_t *shape,
                           hd_initializer init) {
    hd_weight_want want = {.path = name, .n_dims = n_dims, .init = init};
    memcpy(want.shape, shape, (size_t)n_dims * sizeof *shape);
    return hd_scope_want(scope, &want);
}

hd_tensor *hd_scope_find(const hd_nn_scope *scope, const char *name) {
    for (size_t i = scope->n_kept; i-- > 0;) {
        if (strcmp(scope->kept[i].name, name) == 0) return scope->kept[i].tensor;
    }
    return NULL;
}

heed_err hd_scope_keep(hd_nn_scope *scope, const char *name, hd_tensor *tensor) {
    if (scope->n_kept == HD_SCOPE_KEPT) {
        return HD_FAIL(HEED_INPUT, "'%s' can't be kept: a network keeps at most %d tensors",
                       "无法保留“%s”：一个网络最多保留 %d 个张量", name, HD_SCOPE_KEPT);
    }
    scope->kept[scope->n_kept++] = (hd_kept){name, tensor};
    return HEED_OK;
}

hd_shape_text hd_scope_shape(const hd_tensor *x) {
    hd_shape_text text;
    size_t shape[HD_MAX_DIMS];
    int n = x->n_dims > 0 ? x->n_dims - 1 : 0;
    memcpy(shape, x->shape + 1, (size_t)n * sizeof shape[0]);
    if (n == 3) {
        shape[0] = x->shape[3];
        shape[1] = x->shape[1];
        shape[2] = x->shape[2];
    }
    size_t at = 0;
    text.text[0] = '\0';
    for (int i = 0; i < n && at < sizeof text.text; i++) {
        at += (size_t)hd_snprintf(text.text + at, sizeof text.text - at, "%s%zu", i ? ", " : "(",
                                  shape[i]);
    }
    if (at < sizeof text.text) {
        hd_snprintf(text.text + at, sizeof text.text - at, "%s", n ? ")" : "()");
    }
    return text;
}

size_t hd_scope_values(const hd_tensor *x) {
    size_t n = 1;
    for (int i = 1; i < x->n_dims; i++) n *= x->shape[i];
    return n;
}
