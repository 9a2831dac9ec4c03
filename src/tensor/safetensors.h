// SPDX-License-Identifier: Apache-2.0
//
// Tensors to and from files, in the safetensors format: 8-byte little-endian header length, a JSON
// header, then raw tensors. The reader maps the file, and trusts nothing in it: lengths, overlaps,
// gaps, types, shapes and names are checked before the first tensor is handed out.
#ifndef HD_TENSOR_SAFETENSORS_H
#define HD_TENSOR_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernel/dtype.h"

typedef struct hd_tensor_view {
    const char *name;
    hd_dtype dtype;
    int n_dims;
    size_t shape[HD_MAX_DIMS]; // outermost first
    const void *data;          // aligned to its type
    size_t bytes;
} hd_tensor_view;

// A file must not shrink while it is open: whoever replaces one renames a new one over it.
typedef struct hd_safetensors hd_safetensors;
heed_err hd_safetensors_open(const char *path, hd_safetensors **out) HEED_CHECK;
heed_err
hd_safetensors_from_memory(const void *data, size_t n, const char *name,
                           hd_safetensors **out) HEED_CHECK; // data: borrowed, aligned to 8
void hd_safetensors_close(hd_safetensors *file);
size_t hd_safetensors_count(const hd_safetensors *file);
const hd_tensor_view *hd_safetensors_at(const hd_safetensors *file, size_t i); // NULL past the end
// A tensor by name that must have this type and number of dims (-1: any); HEED_CORRUPT otherwise.
heed_err hd_safetensors_get(const hd_safetensors *file, const char *name, hd_dtype dtype,
                            int n_dims, const hd_tensor_view **out) HEED_CHECK;
// A string of the header's __metadata__, NULL when it isn't there.
const char *hd_safetensors_meta(const hd_safetensors *file, const char *key);

// Writing: whole or not at all. Tensors stand in the file by falling size of their type, then in
// the order of addition. Names must be new.
typedef struct hd_safetensors_writer hd_safetensors_writer;
heed_err hd_safetensors_writer_new(hd_safetensors_writer **out) HEED_CHECK;
heed_err hd_safetensors_add(hd_safetensors_writer *writer, const char *name, hd_dtype dtype,
                            int n_dims, const size_t *shape,
                            const void *data) HEED_CHECK; // data: borrowed until the write
heed_err hd_safetensors_add_meta(hd_safetensors_writer *writer, const char *key,
                                 const char *value) HEED_CHECK; // copied
heed_err hd_safetensors_write(hd_safetensors_writer *writer, const char *path) HEED_CHECK;
void hd_safetensors_writer_free(hd_safetensors_writer *writer);

#endif
