// SPDX-License-Identifier: Apache-2.0
//
// zlib writes the gzip frame; its clock field stays 0, so the same rows give the same bytes.
#include "workspace/demo_files.h"

#include <string.h>
#include <zlib.h>

#include "base/mem.h"

enum { ROWS = 1 << 16, PIECE = 1 << 15 };

struct hd_demo_gzip {
    z_stream stream;
    unsigned char piece[PIECE];
};

static void *zlib_alloc(void *ctx, uInt count, uInt size) {
    (void)ctx;
    return hd_calloc(count, size);
}

static void zlib_free(void *ctx, void *ptr) {
    (void)ctx;
    hd_free(ptr);
}

static heed_err gzip_new(hd_demo_gzip **out) {
    hd_demo_gzip *gzip = hd_calloc(1, sizeof *gzip);
    if (!gzip) return HD_FAIL_MEMORY(sizeof *gzip);
    gzip->stream.zalloc = zlib_alloc;
    gzip->stream.zfree = zlib_free;
    // 15 + 16: the largest window, in a gzip frame.
    if (deflateInit2(&gzip->stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        hd_free(gzip);
        return HD_FAIL_MEMORY(0);
    }
    *out = gzip;
    return HEED_OK;
}

static void gzip_free(hd_demo_gzip *gzip) {
    if (gzip) deflateEnd(&gzip->stream);
    hd_free(gzip);
}

static heed_err gzip_write(hd_demo_gzip *gzip, hd_file *file, hd_str *row, bool end) {
    z_stream *z = &gzip->stream;
    z->next_in = (unsigned char *)row->data;
    z->avail_in = (uInt)row->len;
    do {
        z->next_out = gzip->piece;
        z->avail_out = PIECE;
        if (deflate(z, end ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR) {
            return HD_FAIL(HEED_INTERNAL, "zlib refused its own state", "zlib 内部状态错误");
        }
        HD_TRY(hd_file_write(file, gzip->piece, PIECE - z->avail_out));
    } while (z->avail_out == 0);
    return HEED_OK;
}

heed_err hd_demo_out_open(hd_demo_out *out, const char *path, bool gzip) {
    *out = (hd_demo_out){0};
    hd_str_init(&out->row);
    if (gzip) HD_TRY(gzip_new(&out->gzip));
    heed_err err = hd_file_create(path, 0600, &out->file);
    if (err != HEED_OK) hd_demo_out_abort(out);
    return err;
}

heed_err hd_demo_out_flush(hd_demo_out *out, bool all) {
    HD_TRY(hd_str_check(&out->row));
    if (!all && out->row.len < ROWS) return HEED_OK;
    if (out->gzip) {
        HD_TRY(gzip_write(out->gzip, out->file, &out->row, all));
    } else {
        HD_TRY(hd_file_write(out->file, hd_str_get(&out->row), out->row.len));
    }
    hd_str_reset(&out->row);
    return HEED_OK;
}

heed_err hd_demo_out_commit(hd_demo_out *out) {
    HD_TRY(hd_demo_out_flush(out, true));
    hd_file *file = out->file;
    out->file = NULL;
    return hd_file_commit(file);
}

void hd_demo_out_abort(hd_demo_out *out) {
    hd_file_abort(out->file);
    gzip_free(out->gzip);
    hd_str_clear(&out->row);
    *out = (hd_demo_out){0};
}

void hd_demo_csv(hd_str *row, const char *text, bool last) {
    if (strpbrk(text, ",\"\r\n")) {
        hd_str_addc(row, '"');
        for (const char *c = text; *c; c++) {
            if (*c == '"') hd_str_addc(row, '"');
            hd_str_addc(row, *c);
        }
        hd_str_addc(row, '"');
    } else {
        hd_str_add(row, text);
    }
    hd_str_addc(row, last ? '\n' : ',');
}
