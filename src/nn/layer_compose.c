// SPDX-License-Identifier: Apache-2.0
//
// Layers made of layers: lists, repetition, shortcuts, branches, and names for tensors, which
// together make any graph without loops (U-Nets, encoder–decoders, two inputs).
#include "nn/layer_rows.h"

#include <string.h>

typedef struct list_options {
    const json_t *layers;
} list_options;
#define LAYERS_ROW(struct_name)                                                        \
    {                                                                                  \
        .name = "layers", .type = HD_OPTION_JSON, .at = offsetof(struct_name, layers), \
        .required = true, .doc = HD_TEXT("a list of layers", "层的列表")               \
    }
static const hd_option list_rows[] = {LAYERS_ROW(list_options), {.name = NULL}};

static hd_tensor *nested(hd_nn_scope *s, const json_t *list, const char *key, const hd_where *where,
                         hd_tensor *x) {
    hd_where place = hd_where_key(where, key);
    return hd_layers_build(s, list, &place, x);
}

static hd_tensor *sequential_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                   const hd_where *where) {
    return nested(s, ((const list_options *)options)->layers, "layers", where, x);
}

const hd_layer_kind hd_layer_kind_sequential = {
    .kind = {.name = "sequential",
             .size = sizeof(list_options),
             .options = list_rows,
             .doc = HD_TEXT("a list of layers as one", "把一列层当作一层")},
    .build = sequential_build};

static hd_tensor *checkpoint_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                   const hd_where *where) {
    hd_graph_checkpoint_begin(s->graph);
    x = nested(s, ((const list_options *)options)->layers, "layers", where, x);
    hd_graph_checkpoint_end(s->graph);
    return x;
}

const hd_layer_kind hd_layer_kind_checkpoint = {
    .kind = {.name = "checkpoint",
             .size = sizeof(list_options),
             .options = list_rows,
             .doc = HD_TEXT("layers whose values are computed again in the backward pass: less "
                            "memory for a third more work",
                            "反向传播时重新计算其中各层的值：多约三分之一的计算，换取更少内存")},
    .build = checkpoint_build};

// ── repeat ──

typedef struct repeat_options {
    int64_t times;
    const json_t *layers;
} repeat_options;
static const hd_option repeat_rows[] = {
    LAYERS_ROW(repeat_options),
    {.name = "times",
     .type = HD_OPTION_INT,
     .at = offsetof(repeat_options, times),
     .min = 1,
     .max = 1000,
     .required = true,
     .doc = HD_TEXT("how often, each with weights of its own", "重复次数，每次有各自的权重")},
    {.name = NULL}};

static hd_tensor *repeat_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                               const hd_where *where) {
    const repeat_options *o = options;
    for (int64_t i = 0; i < o->times && !s->failed; i++) {
        char name[24];
        hd_snprintf(name, sizeof name, "%lld", (long long)i);
        hd_scope_push(s, name);
        x = nested(s, o->layers, "layers", where, x);
        hd_scope_pop(s);
    }
    return x;
}

const hd_layer_kind hd_layer_kind_repeat = {
    .kind = {.name = "repeat",
             .size = sizeof(repeat_options),
             .options = repeat_rows,
             .doc = HD_TEXT("the same layers several times", "把同样的层重复若干次")},
    .build = repeat_build};

// ── residual ──

typedef struct residual_options {
    const json_t *layers, *shortcut;
    int act;
} residual_options;
static const hd_option residual_rows[] = {
    LAYERS_ROW(residual_options),
    {.name = "shortcut",
     .type = HD_OPTION_JSON,
     .at = offsetof(residual_options, shortcut),
     .doc = HD_TEXT("layers on the way around; none: the input itself",
                    "旁路上的层；不写则为输入本身")},
    HD_OPTION_ACT(residual_options, 0),
    {.name = NULL}};

static bool same_shape(const hd_tensor *a, const hd_tensor *b) {
    return a->n_dims == b->n_dims &&
           memcmp(a->shape, b->shape, (size_t)a->n_dims * sizeof a->shape[0]) == 0;
}

static hd_tensor *add_checked(hd_nn_scope *s, hd_tensor *a, hd_tensor *b) {
    if (same_shape(a, b)) return hd_tensor_add(a, b);
    hd_shape_text first = hd_scope_shape(a), second = hd_scope_shape(b);
    return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "%s and %s can't be added: their shapes must agree",
                                    "%s 与 %s 无法相加：形状必须一致", first.text, second.text));
}

static hd_tensor *residual_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                 const hd_where *where) {
    const residual_options *o = options;
    hd_tensor *around = x;
    x = nested(s, o->layers, "layers", where, x);
    if (o->shortcut) {
        hd_scope_push(s, "shortcut");
        around = nested(s, o->shortcut, "shortcut", where, around);
        hd_scope_pop(s);
    }
    if (s->failed) return x;
    x = add_checked(s, x, around);
    return o->act ? hd_tensor_act(x, (hd_act)o->act) : x;
}

const hd_layer_kind hd_layer_kind_residual = {
    .kind = {.name = "residual",
             .size = sizeof(residual_options),
             .options = residual_rows,
             .doc =
                 HD_TEXT("layers whose result is added to what went in", "把各层的结果与输入相加")},
    .build = residual_build};

// ── branches: Inception blocks ──

typedef struct branches_options {
    const json_t *branches;
} branches_options;
static const hd_option branches_rows[] = {
    {.name = "branches",
     .type = HD_OPTION_JSON,
     .at = offsetof(branches_options, branches),
     .required = true,
     .doc = HD_TEXT("a list of lists of layers", "由层的列表组成的列表")},
    {.name = NULL}};

enum { BRANCHES = HD_MAX_INPUTS };

static hd_tensor *branches_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                 const hd_where *where) {
    const json_t *list = ((const branches_options *)options)->branches;
    hd_tensor *out[BRANCHES];
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > BRANCHES) {
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT,
                                        "branches must be a list of 1 to %d lists of layers",
                                        "branches 应为 1 至 %d 个层列表组成的列表", (int)BRANCHES));
    }
    hd_where place = hd_where_key(where, "branches");
    for (size_t i = 0; i < n; i++) {
        char name[24];
        hd_where at = hd_where_at(&place, i);
        hd_snprintf(name, sizeof name, "%zu", i);
        hd_scope_push(s, name);
        out[i] = hd_layers_build(s, json_array_get(list, i), &at, x);
        hd_scope_pop(s);
    }
    return s->failed ? x : hd_tensor_concat((int)n, out, out[0]->n_dims - 1);
}

const hd_layer_kind hd_layer_kind_branches = {
    .kind = {.name = "branches",
             .size = sizeof(branches_options),
             .options = branches_rows,
             .doc = HD_TEXT("several ways side by side, their channels joined (an Inception block)",
                            "多路并行，按通道拼接（Inception 块）")},
    .build = branches_build};

// ── Names for tensors ──

typedef struct name_options {
    const char *as;
} name_options;
static const hd_option name_rows[] = {{.name = "as",
                                       .type = HD_OPTION_TEXT,
                                       .at = offsetof(name_options, as),
                                       .required = true,
                                       .doc = HD_TEXT("a name", "名称")},
                                      {.name = NULL}};

static hd_tensor *keep_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                             const hd_where *where) {
    (void)where;
    heed_err err = hd_scope_keep(s, ((const name_options *)options)->as, x);
    return err == HEED_OK ? x : hd_scope_fail(s, err);
}

const hd_layer_kind hd_layer_kind_keep = {
    .kind = {.name = "keep",
             .size = sizeof(name_options),
             .options = name_rows,
             .doc = HD_TEXT("gives what stands here a name, for use, add and concat",
                            "给此处的结果起名，供 use、add、concat 使用")},
    .build = keep_build};

static hd_tensor *find(hd_nn_scope *s, const char *name) {
    hd_tensor *t = hd_scope_find(s, name);
    if (t) return t;
    hd_str names;
    hd_str_init(&names);
    for (size_t i = 0; i < s->n_kept; i++) {
        hd_str_addf(&names, "%s%s", i ? ", " : "", s->kept[i].name);
    }
    hd_scope_fail(s, HD_FAIL(HEED_INPUT, "nothing is named '%s' here; there are: %s",
                             "此处没有名为“%s”的结果；可用的有：%s", name, hd_str_get(&names)));
    hd_str_clear(&names);
    return NULL;
}

static hd_tensor *use_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                            const hd_where *where) {
    hd_tensor *t = find(s, ((const name_options *)options)->as);
    (void)where;
    return t ? t : x;
}

const hd_layer_kind hd_layer_kind_use = {
    .kind = {.name = "use",
             .size = sizeof(name_options),
             .options = name_rows,
             .doc = HD_TEXT("goes on from a kept result or an input of that name",
                            "从已保留的结果或同名输入继续")},
    .build = use_build};

static hd_tensor *add_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                            const hd_where *where) {
    hd_tensor *t = find(s, ((const name_options *)options)->as);
    (void)where;
    return t ? add_checked(s, x, t) : x;
}

const hd_layer_kind hd_layer_kind_add = {
    .kind = {.name = "add",
             .size = sizeof(name_options),
             .options = name_rows,
             .doc = HD_TEXT("adds a kept result", "加上已保留的结果")},
    .build = add_build};

static hd_tensor *concat_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                               const hd_where *where) {
    hd_tensor *t = find(s, ((const name_options *)options)->as);
    (void)where;
    if (!t) return x;
    hd_shape_text first = hd_scope_shape(x), second = hd_scope_shape(t);
    bool fits = x->n_dims == t->n_dims;
    for (int i = 0; fits && i + 1 < x->n_dims; i++) fits = x->shape[i] == t->shape[i];
    if (fits) return hd_tensor_concat(2, (hd_tensor *[]){x, t}, x->n_dims - 1);
    return hd_scope_fail(
        s, HD_FAIL(HEED_INPUT, "%s and %s can't be joined: all but the channels must agree",
                   "%s 与 %s 无法拼接：除通道外必须一致", first.text, second.text));
}

const hd_layer_kind hd_layer_kind_concat = {
    .kind = {.name = "concat",
             .size = sizeof(name_options),
             .options = name_rows,
             .doc = HD_TEXT("joins the channels (the last dimension) of a kept result behind",
                            "在通道（最后一维）后拼接已保留的结果")},
    .build = concat_build};
