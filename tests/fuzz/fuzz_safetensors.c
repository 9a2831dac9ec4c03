// SPDX-License-Identifier: Apache-2.0
//
// A model file: every byte that a view promises is read, so that a wrong promise is found.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    void *copy = NULL;
    if (posix_memalign(&copy, 64, size + 1) != 0) return 0; // as a mapped file is aligned
    memcpy(copy, data, size);
    hd_safetensors *file;
    if (hd_safetensors_from_memory(copy, size, "fuzz", &file) == HEED_OK) {
        size_t total = 0;
        unsigned sum = 0;
        for (size_t i = 0; i < hd_safetensors_count(file); i++) {
            const hd_tensor_view *view = hd_safetensors_at(file, i), *found;
            const unsigned char *bytes = view->data;
            for (size_t k = 0; k < view->bytes; k++) sum += bytes[k];
            total += view->bytes;
            if (hd_safetensors_get(file, view->name, view->dtype, view->n_dims, &found) !=
                    HEED_OK ||
                found != view) {
                abort();
            }
        }
        if (total > size || sum > 255 * size) abort();
        hd_safetensors_meta(file, "format");
        hd_safetensors_close(file);
    }
    free(copy);
    return 0;
}
