// SPDX-License-Identifier: Apache-2.0
//
// Files that a model is asked about: rows, images, and rows that name images. Images become base64,
// as they come in requests, so that rows of both kinds stand in one column.
#include <sodium.h>

#include "base/fs.h"
#include "base/mem.h"
#include "recipe/images_read.h"
#include "recipe/predictor.h"

// An image's file as base64, which the rows keep.
static heed_err image_text(hd_rows *rows, const char *path, hd_slice *out) {
    enum { MOST_BYTES = 256 << 20 };
    hd_str bytes;
    hd_str_init(&bytes);
    heed_err err = hd_fs_read(path, MOST_BYTES, &bytes);
    const size_t size = sodium_base64_encoded_len(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = err == HEED_OK ? hd_alloc(size) : NULL;
    if (err == HEED_OK && !text) err = HD_FAIL_MEMORY(size);
    if (err == HEED_OK) {
        sodium_bin2base64(text, size, (const unsigned char *)hd_str_get(&bytes), bytes.len,
                          sodium_base64_VARIANT_ORIGINAL);
        *out = (hd_slice){text, size - 1};
        err = hd_rows_keep(rows, text);
    }
    hd_str_clear(&bytes);
    return err;
}

// An image's file is a row with nothing but the image.
static heed_err add_image(hd_rows *rows, const char *path, const char *name) {
    size_t file;
    hd_slice text;
    hd_rows_column *column = hd_rows_find(rows, name);
    if (!column) HD_TRY(hd_rows_add_column(rows, name, HD_ROWS_TEXT, &column));
    if (rows->n_files == 0) HD_TRY(hd_rows_add_file(rows, "", &file)); // 0:0 is "from nowhere"
    HD_TRY(hd_rows_add_file(rows, path, &file));
    HD_TRY(image_text(rows, path, &text));
    HD_TRY(hd_rows_add(rows, 1));
    rows->place[rows->n - 1] = hd_rows_at(file, 0);
    column->cells[rows->n - 1] = text;
    return HEED_OK;
}

// Rows from `first` on were read from a list at `path`: the files that their images name.
static heed_err read_named(hd_rows *rows, size_t first, const char *path, const char *name) {
    const hd_rows_column *column = hd_rows_find(rows, name);
    for (size_t i = first; column && i < rows->n; i++) {
        if (!hd_images_named(column->cells[i])) continue;
        const char *file = hd_images_beside(&rows->arena, path, column->cells[i]);
        if (!file) return HD_FAIL_MEMORY(0);
        heed_err err = image_text(rows, file, &column->cells[i]);
        if (err == HEED_OK) continue;
        const hd_rows_words place = hd_rows_place(rows, i);
        return hd_error_prefix(err, "%s", "%s", place.text);
    }
    return HEED_OK;
}

heed_err hd_predictor_read(const hd_predictor *model, const char *path, hd_rows *rows) {
    const hd_rows_format format = {.delimiter = 0};
    const char *image = model->kind->image ? model->kind->image(model->fitted) : NULL;
    const size_t first = rows->n;
    if (image && hd_images_named(hd_slice_of(path))) return add_image(rows, path, image);
    HD_TRY(hd_rows_read(rows, path, path, &format));
    return image ? read_named(rows, first, path, image) : HEED_OK;
}
