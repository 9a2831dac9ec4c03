// SPDX-License-Identifier: Apache-2.0
//
// Segments from any model file: what loads can be read, told and asked.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const hd_segments *segments) {
    size_t d = hd_profile_vector_len(), id;
    double *vector = hd_calloc(d, sizeof *vector), distance;
    for (size_t j = 0; vector && j < d; j++) vector[j] = j % 3 == 0 ? (double)NAN : (double)j * 1e6;
    if (vector && hd_segments_assign(segments, vector, &id, &distance) == HEED_OK) {
        if (id >= hd_segments_count(segments) || isnan(distance)) abort();
    }
    hd_free(vector);
    json_t *json = NULL;
    if (hd_segments_json(segments, HEED_ZH, &json) == HEED_OK) json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    void *copy = NULL;
    if (posix_memalign(&copy, 64, size + 1) != 0) return 0; // as a mapped file is aligned
    memcpy(copy, data, size);
    hd_safetensors *file;
    if (hd_safetensors_from_memory(copy, size, "fuzz", &file) == HEED_OK) {
        hd_segments *segments;
        if (hd_segments_load(file, &segments) == HEED_OK) {
            use(segments);
            hd_segments_free(segments);
        }
        hd_safetensors_close(file);
    }
    free(copy);
    return 0;
}
