// SPDX-License-Identifier: Apache-2.0
//
// Two zero bytes, a type (8: unsigned bytes), the number of dimensions, each as a big-endian u32,
// then the values: their number must be what the dimensions make.
#include "prepare/idx.h"

#include "base/mem.h"
#include "base/str.h"
#include "prepare/read/source.h"

enum { MOST_BYTES = 1 << 30 };

void hd_idx_clear(hd_idx *idx) {
    hd_free(idx->block);
    *idx = (hd_idx){0};
}

static heed_err understand(const char *name, size_t n, hd_idx *idx) {
    const unsigned char *p = idx->block;
    bool sound = n >= 4 && p[0] == 0 && p[1] == 0 && p[2] == 8 && p[3] >= 1 && p[3] <= 3;
    idx->n_dims = sound ? p[3] : 0;
    size_t head = 4 + 4 * (size_t)idx->n_dims;
    sound = sound && n >= head;
    idx->count = 1;
    for (int i = 0; i < 3; i++) idx->dim[i] = 1;
    for (int i = 0; sound && i < idx->n_dims; i++) {
        const unsigned char *d = p + 4 + 4 * i;
        idx->dim[i] = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
        sound = !__builtin_mul_overflow(idx->count, idx->dim[i], &idx->count);
    }
    if (sound && idx->count == n - head) {
        idx->values = idx->block + head;
        return HEED_OK;
    }
    return HD_FAIL(HEED_CORRUPT,
                   "'%s' is no IDX file of unsigned bytes with 1 to 3 dimensions, or is cut short",
                   "“%s”不是 1 至 3 维无符号字节的 IDX 文件，或不完整", name);
}

static heed_err read_all(hd_source *source, hd_str *out) {
    char buffer[1 << 14];
    size_t got = 1;
    while (got > 0 && out->len <= MOST_BYTES) {
        HD_TRY(hd_source_read(source, buffer, sizeof buffer, &got));
        hd_str_addn(out, buffer, got);
        HD_TRY(hd_str_check(out));
    }
    if (got == 0) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "'%s' is larger than %d bytes", "“%s”超过 %d 字节",
                   hd_source_name(source), MOST_BYTES);
}

static heed_err take(hd_source *source, const char *name, hd_idx *out) {
    hd_str bytes;
    hd_str_init(&bytes);
    *out = (hd_idx){0};
    heed_err err = read_all(source, &bytes);
    hd_source_close(source);
    out->block = (unsigned char *)bytes.data;
    if (err == HEED_OK) err = understand(name, bytes.len, out);
    if (err != HEED_OK) hd_idx_clear(out);
    return err;
}

heed_err hd_idx_read(const char *path, hd_idx *out) {
    hd_source *source;
    *out = (hd_idx){0};
    HD_TRY(hd_source_open(path, &source));
    return take(source, path, out);
}

heed_err hd_idx_parse(const char *name, const void *bytes, size_t n, hd_idx *out) {
    hd_source *source;
    *out = (hd_idx){0};
    HD_TRY(hd_source_open_memory(name, bytes, n, &source));
    return take(source, name, out);
}
