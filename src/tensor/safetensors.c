// SPDX-License-Identifier: Apache-2.0
//
// The safetensors format (Hugging Face, https://github.com/huggingface/safetensors): 8 bytes, the
// length of the header, little-endian; the header, a JSON object {name: {"dtype", "shape",
// "data_offsets": [begin, end]}, "__metadata__": {string: string}}; then the bytes of all tensors.
//
// A file is hostile until proven sound. The offsets, sorted, must cover the data exactly: no gap,
// no overlap, nothing behind the last. Sizes are computed with overflow checks and must equal the
// offsets'. Views are handed out only after all of it was checked. The format does not ask for
// aligned tensors, but C does: a file whose tensors aren't aligned to their type is refused (ours
// always are: the writer puts the widest types first, as the reference implementation does, and
// pads the header with spaces to a multiple of 64).
#include "tensor/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"

enum { HEADER_MAX = 100 << 20, PREFIX = 8, ALIGN = 64 };

// Bytes of a shape. false: more than can be.
static bool shape_bytes(hd_dtype dtype, int n_dims, const size_t *shape, size_t *out) {
    size_t bytes = hd_dtype_size(dtype);
    bool empty = false;
    for (int i = 0; i < n_dims; i++) {
        if (shape[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(bytes, shape[i], &bytes))
            return false;
    }
    *out = empty ? 0 : bytes;
    return bytes <= PTRDIFF_MAX;
}

// ── Reading ──

struct hd_safetensors {
    void *map; // NULL: the bytes are the caller's
    size_t map_size;
    char *name; // of the file, for messages
    json_t *header;
    hd_tensor_view *views; // (n), as in the header
    size_t n;
    hd_map index; // name -> view
};

typedef struct extent {
    size_t begin, end;
} extent;

static heed_err corrupt(const hd_safetensors *file, const char *tensor, const char *en,
                        const char *zh) {
    return HD_FAIL(HEED_CORRUPT, "%s: %s%s%s%s%.0s: the model file is damaged, train it again",
                   "%s：%s%s%s%.0s%s：模型文件已损坏，请重新训练", file->name, *tensor ? "'" : "",
                   tensor, *tensor ? "': " : "", en, zh);
}

// A whole number ≥ 0.
static bool json_size(const json_t *json, size_t *out) {
    if (!json_is_integer(json) || json_integer_value(json) < 0) return false;
    *out = (size_t)json_integer_value(json);
    return true;
}

static bool find_dtype(const char *name, hd_dtype *out) {
    for (int i = 0; name && i < HD_DTYPES; i++) {
        if (strcmp(name, hd_dtype_name((hd_dtype)i)) == 0) {
            *out = (hd_dtype)i;
            return true;
        }
    }
    return false;
}

// Type and shape of one header entry.
static heed_err read_shape(const hd_safetensors *file, const char *name, const json_t *entry,
                           hd_tensor_view *view) {
    if (!json_is_object(entry) || json_object_size(entry) != 3) {
        return corrupt(file, name, "not an entry of type, shape and offsets",
                       "条目应只含类型、形状和偏移");
    }
    if (!find_dtype(json_string_value(json_object_get(entry, "dtype")), &view->dtype)) {
        return corrupt(file, name, "unknown type", "未知数据类型");
    }
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > HD_MAX_DIMS) {
        return corrupt(file, name, "bad shape", "形状无效");
    }
    view->name = name;
    view->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < view->n_dims; i++) {
        if (!json_size(json_array_get(shape, (size_t)i), &view->shape[i])) {
            return corrupt(file, name, "bad shape", "形状无效");
        }
    }
    if (!shape_bytes(view->dtype, view->n_dims, view->shape, &view->bytes)) {
        return corrupt(file, name, "shape too large", "形状过大");
    }
    return HEED_OK;
}

static heed_err read_entry(const hd_safetensors *file, const char *name, const json_t *entry,
                           const char *data, size_t n_data, hd_tensor_view *view, extent *place) {
    HD_TRY(read_shape(file, name, entry, view));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_array_size(offsets) != 2 || !json_size(json_array_get(offsets, 0), &place->begin) ||
        !json_size(json_array_get(offsets, 1), &place->end) || place->begin > place->end ||
        place->end > n_data) {
        return corrupt(file, name, "offsets outside the file", "偏移超出文件范围");
    }
    if (place->end - place->begin != view->bytes) {
        return corrupt(file, name, "offsets don't fit the shape", "偏移与形状不符");
    }
    view->data = data + place->begin;
    if ((uintptr_t)view->data % hd_dtype_size(view->dtype) != 0) {
        return corrupt(file, name, "not aligned to its type", "未按数据类型对齐");
    }
    if (view->dtype == HD_BOOL) {
        const unsigned char *bytes = view->data;
        for (size_t i = 0; i < view->bytes; i++) {
            if (bytes[i] > 1) return corrupt(file, name, "not a truth value", "布尔值无效");
        }
    }
    return HEED_OK;
}

static int extent_order(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

// The extents cover the data, whole and once.
static heed_err check_extents(const hd_safetensors *file, extent *places, size_t n, size_t n_data) {
    qsort(places, n, sizeof *places, extent_order);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (places[i].begin != at)
            return corrupt(file, "", "tensors overlap or leave gaps", "张量重叠或有空隙");
        at = places[i].end;
    }
    if (at != n_data)
        return corrupt(file, "", "data behind the last tensor", "最后一个张量之后还有数据");
    return HEED_OK;
}

static heed_err check_metadata(const hd_safetensors *file, const json_t *metadata) {
    if (!json_is_object(metadata))
        return corrupt(file, "__metadata__", "not a mapping", "不是映射");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value)) {
            return corrupt(file, "__metadata__", "a value is not a text", "有值不是文本");
        }
    }
    return HEED_OK;
}

static heed_err read_entries(hd_safetensors *file, const char *data, size_t n_data,
                             extent *places) {
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            HD_TRY(check_metadata(file, entry));
            continue;
        }
        HD_TRY(
            read_entry(file, name, entry, data, n_data, &file->views[file->n], &places[file->n]));
        HD_TRY(hd_map_put(&file->index, name, strlen(name), file->n));
        file->n++;
    }
    return check_extents(file, places, file->n, n_data);
}

static heed_err read_header(hd_safetensors *file, const char *bytes, size_t n, size_t *n_header) {
    if (n < PREFIX) return corrupt(file, "", "too short", "文件过短");
    uint64_t length = 0;
    for (int i = PREFIX - 1; i >= 0; i--) length = length << 8 | (unsigned char)bytes[i];
    if (length > HEADER_MAX || length > n - PREFIX) {
        return corrupt(file, "", "header longer than the file", "文件头长度超出文件");
    }
    *n_header = (size_t)length;
    heed_err err = hd_json_parse(bytes + PREFIX, *n_header, file->name, &file->header);
    if (err == HEED_INPUT) return corrupt(file, "", "unreadable header", "文件头无法读取");
    HD_TRY(err);
    if (!json_is_object(file->header))
        return corrupt(file, "", "header is no mapping", "文件头不是映射");
    return HEED_OK;
}

static heed_err read_all(hd_safetensors *file, const char *bytes, size_t n) {
    size_t n_header = 0;
    HD_TRY(read_header(file, bytes, n, &n_header));
    size_t count = json_object_size(file->header);
    file->views = hd_calloc(count, sizeof *file->views);
    extent *places = hd_calloc(count, sizeof *places);
    heed_err err = file->views && places ? HEED_OK : HD_FAIL_MEMORY(count * sizeof *file->views);
    if (err == HEED_OK) {
        err = read_entries(file, bytes + PREFIX + n_header, n - PREFIX - n_header, places);
    }
    hd_free(places);
    return err;
}

static heed_err file_new(const char *name, hd_safetensors **out) {
    hd_safetensors *file = hd_calloc(1, sizeof *file);
    if (!file) return HD_FAIL_MEMORY(sizeof *file);
    hd_map_init(&file->index);
    file->name = hd_strdup(name);
    if (!file->name) {
        hd_safetensors_close(file);
        return HD_FAIL_MEMORY(strlen(name));
    }
    *out = file;
    return HEED_OK;
}

heed_err hd_safetensors_from_memory(const void *data, size_t n, const char *name,
                                    hd_safetensors **out) {
    *out = NULL;
    hd_safetensors *file = NULL;
    HD_TRY(file_new(name, &file));
    heed_err err = read_all(file, data, n);
    if (err != HEED_OK) {
        hd_safetensors_close(file);
        return err;
    }
    *out = file;
    return HEED_OK;
}

static heed_err map_file(hd_safetensors *file, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return HD_FAIL_ERRNO(errno, "can't open", "无法打开", path);
    struct stat st;
    heed_err err = HEED_OK;
    if (fstat(fd, &st) != 0) {
        err = HD_FAIL_ERRNO(errno, "can't read", "无法读取", path);
    } else if (!S_ISREG(st.st_mode)) {
        err = HD_FAIL(HEED_INPUT, "%s: not a file", "%s：不是文件", path);
    } else if (st.st_size < PREFIX) {
        err = corrupt(file, "", "too short", "文件过短");
    } else {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            err = HD_FAIL_ERRNO(errno, "can't map", "无法映射", path);
        } else {
            file->map = map;
            file->map_size = (size_t)st.st_size;
        }
    }
    close(fd);
    return err;
}

heed_err hd_safetensors_open(const char *path, hd_safetensors **out) {
    *out = NULL;
    hd_safetensors *file = NULL;
    HD_TRY(file_new(path, &file));
    heed_err err = map_file(file, path);
    if (err == HEED_OK) err = read_all(file, file->map, file->map_size);
    if (err != HEED_OK) {
        hd_safetensors_close(file);
        return err;
    }
    *out = file;
    return HEED_OK;
}

void hd_safetensors_close(hd_safetensors *file) {
    if (!file) return;
    if (file->map) munmap(file->map, file->map_size);
    json_decref(file->header);
    hd_map_clear(&file->index);
    hd_free(file->views);
    hd_free(file->name);
    hd_free(file);
}

size_t hd_safetensors_count(const hd_safetensors *file) {
    return file->n;
}

const hd_tensor_view *hd_safetensors_at(const hd_safetensors *file, size_t i) {
    return i < file->n ? &file->views[i] : NULL;
}

heed_err hd_safetensors_get(const hd_safetensors *file, const char *name, hd_dtype dtype,
                            int n_dims, const hd_tensor_view **out) {
    uint64_t i;
    *out = NULL;
    if (!hd_map_get(&file->index, name, strlen(name), &i)) {
        return corrupt(file, name, "missing", "缺失");
    }
    const hd_tensor_view *view = &file->views[i];
    if (view->dtype != dtype) return corrupt(file, name, "of another type", "数据类型不符");
    if (n_dims >= 0 && view->n_dims != n_dims)
        return corrupt(file, name, "of another shape", "形状不符");
    *out = view;
    return HEED_OK;
}

const char *hd_safetensors_meta(const hd_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

// ── Writing ──

typedef struct writer_tensor {
    hd_tensor_view view; // name owned
    size_t order;        // of addition
} writer_tensor;

struct hd_safetensors_writer {
    writer_tensor *tensors;
    size_t n, cap;
    hd_map names;
    json_t *metadata;
};

heed_err hd_safetensors_writer_new(hd_safetensors_writer **out) {
    *out = NULL;
    hd_safetensors_writer *writer = hd_calloc(1, sizeof *writer);
    if (!writer) return HD_FAIL_MEMORY(sizeof *writer);
    hd_map_init(&writer->names);
    writer->metadata = json_object();
    if (!writer->metadata) {
        hd_safetensors_writer_free(writer);
        return HD_FAIL_MEMORY(0);
    }
    *out = writer;
    return HEED_OK;
}

void hd_safetensors_writer_free(hd_safetensors_writer *writer) {
    if (!writer) return;
    for (size_t i = 0; i < writer->n; i++) hd_free((char *)(uintptr_t)writer->tensors[i].view.name);
    hd_free(writer->tensors);
    hd_map_clear(&writer->names);
    json_decref(writer->metadata);
    hd_free(writer);
}

heed_err hd_safetensors_add(hd_safetensors_writer *writer, const char *name, hd_dtype dtype,
                            int n_dims, const size_t *shape, const void *data) {
    hd_tensor_view view = {.dtype = dtype, .n_dims = n_dims, .data = data};
    if (n_dims < 0 || n_dims > HD_MAX_DIMS || strcmp(name, "__metadata__") == 0 ||
        hd_map_get(&writer->names, name, strlen(name), NULL) ||
        !shape_bytes(dtype, n_dims, shape, &view.bytes)) {
        return HD_FAIL(HEED_INTERNAL,
                       "tensor '%s' can't be saved: its name is taken or it is too large",
                       "无法保存张量“%s”：名称已被使用或张量过大", name);
    }
    for (int i = 0; i < n_dims; i++) view.shape[i] = shape[i];
    HD_TRY(hd_grow(&writer->tensors, &writer->cap, writer->n + 1, sizeof *writer->tensors));
    HD_TRY(hd_map_put(&writer->names, name, strlen(name), 1));
    view.name = hd_strdup(name);
    if (!view.name) return HD_FAIL_MEMORY(strlen(name));
    writer->tensors[writer->n] = (writer_tensor){view, writer->n};
    writer->n++;
    return HEED_OK;
}

heed_err hd_safetensors_add_meta(hd_safetensors_writer *writer, const char *key,
                                 const char *value) {
    return hd_json_set(writer->metadata, key, json_string(value));
}

// The widest types first, then as they were added: so that all are aligned without padding.
static int tensor_order(const void *a, const void *b) {
    const writer_tensor *x = a, *y = b;
    size_t x_size = hd_dtype_size(x->view.dtype), y_size = hd_dtype_size(y->view.dtype);
    if (x_size != y_size) return x_size > y_size ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static heed_err header_entry(const hd_tensor_view *view, size_t begin, json_t *header) {
    json_t *entry = NULL;
    json_t *shape = json_array();
    heed_err err = shape ? HEED_OK : HD_FAIL_MEMORY(0);
    for (int i = 0; err == HEED_OK && i < view->n_dims; i++) {
        err = hd_json_append(shape, json_integer((json_int_t)view->shape[i]));
    }
    if (err != HEED_OK) {
        json_decref(shape);
        return err;
    }
    HD_TRY(hd_json_pack(&entry, "{s:s, s:o, s:[I,I]}", "dtype", hd_dtype_name(view->dtype), "shape",
                        shape, "data_offsets", (json_int_t)begin,
                        (json_int_t)(begin + view->bytes)));
    return hd_json_set(header, view->name, entry);
}

// Length and header, padded with spaces so that the data begins at a multiple of ALIGN.
static heed_err make_header(const hd_safetensors_writer *writer, hd_str *out) {
    json_t *header = json_object();
    hd_str text;
    hd_str_init(&text);
    heed_err err = header ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK && json_object_size(writer->metadata) > 0) {
        err = hd_json_set(header, "__metadata__", json_incref(writer->metadata));
    }
    size_t begin = 0;
    for (size_t i = 0; err == HEED_OK && i < writer->n; i++) {
        err = header_entry(&writer->tensors[i].view, begin, header);
        begin += writer->tensors[i].view.bytes;
    }
    if (err == HEED_OK) err = hd_json_dump(header, false, &text);
    if (err == HEED_OK) {
        while ((PREFIX + text.len) % ALIGN != 0 && !text.failed) hd_str_addc(&text, ' ');
        for (int i = 0; i < PREFIX; i++) hd_str_addc(out, (char)((uint64_t)text.len >> (8 * i)));
        hd_str_addn(out, hd_str_get(&text), text.len);
        err = text.failed ? hd_str_check(&text) : hd_str_check(out);
    }
    hd_str_clear(&text);
    json_decref(header);
    return err;
}

heed_err hd_safetensors_write(hd_safetensors_writer *writer, const char *path) {
    if (writer->n > 1) qsort(writer->tensors, writer->n, sizeof *writer->tensors, tensor_order);
    hd_str header;
    hd_str_init(&header);
    hd_file *file = NULL;
    heed_err err = HEED_OK;
    HD_TRY_OUT(make_header(writer, &header));
    HD_TRY_OUT(hd_file_create(path, 0644, &file));
    HD_TRY_OUT(hd_file_write(file, hd_str_get(&header), header.len));
    for (size_t i = 0; i < writer->n; i++) {
        const hd_tensor_view *view = &writer->tensors[i].view;
        if (view->bytes > 0) HD_TRY_OUT(hd_file_write(file, view->data, view->bytes));
    }
    err = hd_file_commit(file);
    file = NULL;
out:
    hd_file_abort(file);
    hd_str_clear(&header);
    return err;
}
