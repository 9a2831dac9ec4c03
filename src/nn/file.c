// SPDX-License-Identifier: Apache-2.0
//
// A network's file: its weights in the interface's layouts, and in the metadata the layers
// ("heed.layers"), the inputs ("heed.inputs") and what others keep with it.
//
// Reading builds the network with the file as the source of its weights: each one asked for must
// stand there with the right shape before memory is taken, so that a made-up specification can't
// ask for more than the file holds.
#include <string.h>

#include "base/mem.h"
#include "nn/net.h"

#define KEY_LAYERS "heed.layers"
#define KEY_INPUTS "heed.inputs"
#define KEY_FORMAT "heed.format"
#define KEY_META "heed.meta"
#define FORMAT "1"
enum { MOST_VALUES = 1 << 28 }; // of a sample

// ── Writing ──

static const char *const role_words[] = {"input", "length", "target"};

static heed_err inputs_json(const hd_net *net, hd_str *out) {
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (int i = 0; i < net->n_inputs && err == HEED_OK; i++) {
        const hd_data_field *f = &net->inputs[i];
        json_t *shape = json_array(), *item = NULL;
        for (int d = 0; d < f->n_dims && err == HEED_OK; d++) {
            err = hd_json_append(shape, json_integer((json_int_t)f->shape[d]));
        }
        if (err == HEED_OK) {
            err =
                hd_json_pack(&item, "{s:s, s:s, s:s, s:O}", "name", f->name, "role",
                             role_words[f->role], "dtype", hd_dtype_name(f->dtype), "shape", shape);
        }
        json_decref(shape);
        if (err == HEED_OK) err = hd_json_append(list, item);
    }
    if (err == HEED_OK) err = hd_json_dump(list, false, out);
    json_decref(list);
    return err;
}

static heed_err add_meta(const hd_net *net, hd_safetensors_writer *writer) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(hd_spec_get(&net->spec, "layers"), false, &text);
    if (err == HEED_OK) err = hd_safetensors_add_meta(writer, KEY_LAYERS, hd_str_get(&text));
    hd_str_reset(&text);
    if (err == HEED_OK) err = inputs_json(net, &text);
    if (err == HEED_OK) err = hd_safetensors_add_meta(writer, KEY_INPUTS, hd_str_get(&text));
    hd_str_clear(&text);
    HD_TRY(err);
    HD_TRY(hd_safetensors_add_meta(writer, KEY_FORMAT, FORMAT));
    if (json_object_size(net->meta) == 0) return HEED_OK;
    hd_str_init(&text);
    err = hd_json_dump(net->meta, false, &text);
    if (err == HEED_OK) err = hd_safetensors_add_meta(writer, KEY_META, hd_str_get(&text));
    hd_str_clear(&text);
    return err;
}

heed_err hd_net_add_to(const hd_net *net, hd_safetensors_writer *writer, hd_arena *arena) {
    for (size_t i = 0; i < net->weights.n; i++) {
        const hd_weight_item *item = net->weights.at[i];
        const float *data = item->weight.data;
        size_t shape[HD_MAX_DIMS];
        int n = hd_weight_file_shape(item, shape);
        if (item->layout.n_dims > 0) {
            float *file = hd_arena_alloc(arena, (item->weight.count + 1) * sizeof *file);
            if (!file) return HD_FAIL_MEMORY(item->weight.count * sizeof *file);
            hd_weight_to_file(item, data, file);
            data = file;
        }
        HD_TRY(hd_safetensors_add(writer, item->weight.name, HD_F32, n, shape, data));
    }
    return add_meta(net, writer);
}

heed_err hd_net_save(const hd_net *net, const char *path) {
    hd_safetensors_writer *writer;
    hd_arena arena;
    HD_TRY(hd_safetensors_writer_new(&writer));
    hd_arena_init(&arena);
    heed_err err = hd_net_add_to(net, writer, &arena);
    if (err == HEED_OK) err = hd_safetensors_write(writer, path);
    hd_safetensors_writer_free(writer);
    hd_arena_clear(&arena);
    return err;
}

// ── Reading ──

static heed_err damaged(const char *name, const char *en, const char *zh) {
    return HD_FAIL(HEED_CORRUPT, "'%s' is no sound network: %s%.0s",
                   "“%s”不是完好的网络文件：%.0s%s", name, en, zh);
}

static bool read_field(const json_t *json, hd_data_field *out) {
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *role = json_string_value(json_object_get(json, "role"));
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    const json_t *shape = json_object_get(json, "shape");
    size_t n = json_array_size(shape), count = 1;
    *out = (hd_data_field){.n_dims = (int)n};
    if (!name || !role || !dtype || !json_is_array(shape) || n > HD_FIELD_DIMS) return false;
    if (strlen(name) >= sizeof out->name) return false;
    hd_snprintf(out->name, sizeof out->name, "%s", name);
    out->role = strcmp(role, "length") == 0 ? HD_ROLE_LENGTH : HD_ROLE_INPUT;
    out->dtype = strcmp(dtype, "I32") == 0 ? HD_I32 : HD_F32;
    for (size_t i = 0; i < n; i++) {
        json_int_t dim = json_integer_value(json_array_get(shape, i));
        if (dim < 1 || dim > MOST_VALUES) return false;
        out->shape[i] = (size_t)dim;
        count *= (size_t)dim;
        if (count > MOST_VALUES) return false;
    }
    return true;
}

static heed_err read_inputs(const char *text, const char *name, hd_data_field *fields, int *n) {
    json_t *list;
    HD_TRY(hd_json_parse(text, strlen(text), name, &list));
    size_t count = json_array_size(list);
    bool sound = json_is_array(list) && count > 0 && count <= HD_FIELDS;
    for (size_t i = 0; sound && i < count; i++) {
        sound = read_field(json_array_get(list, i), &fields[i]);
    }
    json_decref(list);
    *n = (int)count;
    return sound ? HEED_OK : damaged(name, "its inputs can't be read", "无法读取其中的输入说明");
}

// What stands in the file and is no weight: a checkpoint's moments have a / in their names.
static heed_err check_extra(const hd_net *net, const hd_safetensors *file, const char *name) {
    const hd_tensor_view *view;
    for (size_t i = 0; (view = hd_safetensors_at(file, i)); i++) {
        if (strchr(view->name, '/') || hd_weights_find(&net->weights, view->name)) continue;
        return HD_FAIL(HEED_CORRUPT,
                       "'%s' holds weight '%s', which its network doesn't have: load it partly, or "
                       "mend the layers",
                       "“%s”含有权重“%s”，而其网络中没有：请部分加载，或修正层定义", name,
                       view->name);
    }
    return HEED_OK;
}

static heed_err keep_meta(hd_net *net, const hd_safetensors *file, const char *name) {
    const char *text = hd_safetensors_meta(file, KEY_META);
    json_t *meta;
    if (!text) return HEED_OK;
    HD_TRY(hd_json_parse(text, strlen(text), name, &meta));
    json_decref(net->meta);
    net->meta = meta;
    return json_is_object(meta) ? HEED_OK
                                : damaged(name, "heed.meta is no object", "heed.meta 不是对象");
}

static heed_err read_net(const hd_safetensors *file, const char *name, hd_net *net) {
    const char *layers = hd_safetensors_meta(file, KEY_LAYERS);
    const char *inputs = hd_safetensors_meta(file, KEY_INPUTS);
    const char *format = hd_safetensors_meta(file, KEY_FORMAT);
    hd_data_field fields[HD_FIELDS];
    int n_fields = 0;
    hd_spec_clear(&net->spec);
    if (!layers || !inputs || !format) {
        return damaged(name,
                       "its metadata has no layers (heed.layers): load its weights into a "
                       "network of your own",
                       "元数据中没有层定义（heed.layers）：请把权重加载到自己的网络");
    }
    if (strcmp(format, FORMAT) != 0) {
        return HD_FAIL(HEED_VERSION, "'%s' is of format %s, this heed reads %s",
                       "“%s”的格式为 %s，本版本只能读取 %s", name, format, FORMAT);
    }
    HD_TRY(hd_spec_parse_json(layers, "layers", name, &net->spec));
    HD_TRY(read_inputs(inputs, name, fields, &n_fields));
    net->weights.source = file;
    heed_err err = hd_net_prepare(net, fields, n_fields);
    net->weights.source = NULL;
    HD_TRY(err);
    HD_TRY(keep_meta(net, file, name));
    return check_extra(net, file, name);
}

static heed_err from_file(const hd_safetensors *file, const char *name, hd_net **out) {
    hd_net *net;
    HD_TRY(hd_net_new("[]", name, 0, &net));
    heed_err err = read_net(file, name, net);
    if (err != HEED_OK) {
        hd_net_free(net);
        return err;
    }
    *out = net;
    return HEED_OK;
}

heed_err hd_net_open(const char *path, hd_net **out) {
    hd_safetensors *file;
    HD_TRY(hd_safetensors_open(path, &file));
    heed_err err = from_file(file, path, out);
    hd_safetensors_close(file);
    return err;
}

heed_err hd_net_from_memory(const void *data, size_t n, const char *name, hd_net **out) {
    hd_safetensors *file;
    HD_TRY(hd_safetensors_from_memory(data, n, name, &file));
    heed_err err = from_file(file, name, out);
    hd_safetensors_close(file);
    return err;
}

// ── A part of another file ──

typedef struct partial {
    json_t *taken, *missing, *unused, *unlike;
    bool *got; // (weights.n)
} partial;

static heed_err load_one(hd_net *net, const hd_tensor_view *view, const char *from, const char *to,
                         partial *p) {
    char path[HD_SCOPE_PATH * 2];
    size_t n = strlen(from);
    uint64_t at;
    bool fits = false;
    if (strchr(view->name, '/')) return HEED_OK;
    if (strncmp(view->name, from, n) != 0)
        return hd_json_append(p->unused, json_string(view->name));
    hd_snprintf(path, sizeof path, "%s%s", to, view->name + n);
    if (!hd_map_get(&net->weights.by_path, path, strlen(path), &at)) {
        return hd_json_append(p->unused, json_string(view->name));
    }
    HD_TRY(hd_weight_read(net->weights.at[at], view, &fits));
    p->got[at] = true;
    return hd_json_append(fits ? p->taken : p->unlike, json_string(path));
}

static heed_err load_all(hd_net *net, const hd_safetensors *file, const char *from, const char *to,
                         partial *p) {
    const hd_tensor_view *view;
    for (size_t i = 0; (view = hd_safetensors_at(file, i)); i++) {
        HD_TRY(load_one(net, view, from, to, p));
    }
    for (size_t i = 0; i < net->weights.n; i++) {
        if (p->got[i]) continue;
        HD_TRY(hd_json_append(p->missing, json_string(net->weights.at[i]->weight.name)));
    }
    return HEED_OK;
}

static heed_err check_loaded(const partial *p, const char *path) {
    if (json_array_size(p->taken) > 0) return HEED_OK;
    const char *first = json_string_value(json_array_get(p->unused, 0));
    if (json_array_size(p->unlike) > 0) first = json_string_value(json_array_get(p->unlike, 0));
    return HD_FAIL(
        HEED_INPUT,
        "nothing in '%s' fits the network (such as '%s'): say by `from` and `to` how its "
        "names begin",
        "“%s”中没有与网络匹配的权重（例如“%s”）：请用 from 和 to 说明名称的开头", path,
        first ? first : "");
}

heed_err hd_net_load(hd_net *net, const char *path, const char *from, const char *to,
                     json_t **report) {
    hd_safetensors *file;
    HD_TRY(hd_safetensors_open(path, &file));
    partial p = {json_array(), json_array(), json_array(), json_array(),
                 hd_calloc(net->weights.n + 1, sizeof(bool))};
    heed_err err = HEED_OK;
    if (!p.taken || !p.missing || !p.unused || !p.unlike || !p.got) err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = load_all(net, file, from ? from : "", to ? to : "", &p);
    if (err == HEED_OK) err = check_loaded(&p, path);
    if (err == HEED_OK && report) {
        err = hd_json_pack(report, "{s:O, s:O, s:O, s:O}", "taken", p.taken, "missing", p.missing,
                           "unused", p.unused, "unlike", p.unlike);
    }
    json_decref(p.taken);
    json_decref(p.missing);
    json_decref(p.unused);
    json_decref(p.unlike);
    hd_free(p.got);
    hd_safetensors_close(file);
    return err;
}
