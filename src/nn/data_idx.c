// SPDX-License-Identifier: Apache-2.0
//
// The IDX format of MNIST and its kin: two zero bytes, a type (8: unsigned bytes), the number of
// dimensions, each dimension as a big-endian u32, then the values. Nothing in it is believed: the
// product of the dimensions must be what is left of the file.
#include "nn/data.h"

#include <string.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/mem.h"

enum { MOST_BYTES = 1 << 30, MOST_DIMS = 3 };

typedef struct idx {
    hd_str bytes;
    int n_dims;
    size_t dim[MOST_DIMS];
    const unsigned char *values;
} idx;

static void *zip_alloc(void *ctx, unsigned n, unsigned size) {
    (void)ctx;
    return hd_calloc(n, size);
}

static void zip_free(void *ctx, void *p) {
    (void)ctx;
    hd_free(p);
}

static heed_err inflate_all(const hd_str *packed, const char *path, hd_str *out) {
    unsigned char buffer[1 << 15];
    z_stream z = {.zalloc = zip_alloc, .zfree = zip_free};
    z.next_in = (unsigned char *)packed->data;
    z.avail_in = (unsigned)packed->len;
    if (inflateInit2(&z, 15 + 16) != Z_OK) return HD_FAIL_MEMORY(0);
    int state = Z_OK;
    while (state == Z_OK && out->len <= MOST_BYTES && !out->failed) {
        z.next_out = buffer;
        z.avail_out = sizeof buffer;
        state = inflate(&z, Z_NO_FLUSH);
        hd_str_addn(out, (const char *)buffer, sizeof buffer - z.avail_out);
    }
    inflateEnd(&z);
    HD_TRY(hd_str_check(out));
    if (state == Z_MEM_ERROR) return HD_FAIL_MEMORY(0);
    if (state == Z_STREAM_END) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT, "'%s' is damaged: it can't be unpacked (gzip)",
                   "“%s”已损坏：无法解压（gzip）", path);
}

static heed_err read_bytes(const char *path, hd_str *out) {
    hd_str packed;
    hd_str_init(&packed);
    heed_err err = hd_fs_read(path, MOST_BYTES, &packed);
    bool zipped = packed.len > 2 && (unsigned char)packed.data[0] == 0x1F &&
                  (unsigned char)packed.data[1] == 0x8B;
    if (err == HEED_OK && zipped) {
        err = inflate_all(&packed, path, out);
    } else if (err == HEED_OK) {
        *out = packed;
        return HEED_OK;
    }
    hd_str_clear(&packed);
    return err;
}

static heed_err parse(idx *file, const char *path, int n_dims) {
    const unsigned char *p = (const unsigned char *)file->bytes.data;
    size_t left = file->bytes.len, head = 4 + 4 * (size_t)n_dims, count = 1;
    bool sound = left >= head && p[0] == 0 && p[1] == 0 && p[2] == 8 && p[3] == n_dims;
    for (int i = 0; sound && i < n_dims; i++) {
        const unsigned char *d = p + 4 + 4 * i;
        file->dim[i] = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
        sound = !__builtin_mul_overflow(count, file->dim[i], &count);
    }
    if (!sound || count != left - head) {
        return HD_FAIL(HEED_CORRUPT,
                       "'%s' is no IDX file of unsigned bytes with %d dimensions, or is cut short",
                       "“%s”不是 %d 维无符号字节的 IDX 文件，或不完整", path, n_dims);
    }
    file->values = p + head;
    return HEED_OK;
}

static heed_err read_idx(const char *path, int n_dims, idx *file) {
    hd_str_init(&file->bytes);
    heed_err err = read_bytes(path, &file->bytes);
    if (err == HEED_OK) err = parse(file, path, n_dims);
    if (err != HEED_OK) hd_str_clear(&file->bytes);
    return err;
}

// A copy of the values for a column to own.
static heed_err dup_values(const idx *file, void **out) {
    size_t n = file->bytes.len - (size_t)(file->values - (const unsigned char *)file->bytes.data);
    *out = hd_alloc(n + 1);
    if (!*out) return HD_FAIL_MEMORY(n);
    memcpy(*out, file->values, n);
    return HEED_OK;
}

static heed_err pair(const idx *x, const idx *y, const char *images, const char *labels,
                     hd_data **out) {
    hd_data_column columns[2] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 3, {1, x->dim[1], x->dim[2]}},
         .dtype = HD_U8,
         .scale = 1.0F / 255,
         .own = true},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_U8, .own = true}};
    if (x->dim[0] != y->dim[0]) {
        return HD_FAIL(HEED_INPUT,
                       "'%s' has %zu images, '%s' has %zu labels: they don't belong "
                       "together",
                       "“%s”有 %zu 张图像，“%s”有 %zu 个标签：两者不配套", images, x->dim[0],
                       labels, y->dim[0]);
    }
    void *values[2] = {NULL, NULL};
    heed_err err = dup_values(x, &values[0]);
    if (err == HEED_OK) err = dup_values(y, &values[1]);
    if (err != HEED_OK) {
        hd_free(values[0]);
        return err;
    }
    columns[0].data = values[0];
    columns[1].data = values[1];
    return hd_data_memory(x->dim[0], 2, columns, out);
}

heed_err hd_data_idx(const char *images, const char *labels, hd_data **out) {
    idx x, y;
    HD_TRY(read_idx(images, 3, &x));
    heed_err err = read_idx(labels, 1, &y);
    if (err == HEED_OK) {
        err = pair(&x, &y, images, labels, out);
        hd_str_clear(&y.bytes);
    }
    hd_str_clear(&x.bytes);
    return err;
}
