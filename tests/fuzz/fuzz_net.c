// SPDX-License-Identifier: Apache-2.0
//
// A network's file, and a page of layers: what is read is built, saved and read again.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/net.h"

enum { MOST_MEMORY = 256 << 20, MOST_BYTES = 1 << 16 };

// The page behind the first byte, on samples whose shape the byte chooses.
static void page(const uint8_t *data, size_t size) {
    static const hd_data_field fields[] = {
        {"x", HD_ROLE_INPUT, HD_F32, 1, {12}},
        {"x", HD_ROLE_INPUT, HD_F32, 3, {2, 6, 5}},
        {"x", HD_ROLE_INPUT, HD_I32, 1, {7}},
        {"x", HD_ROLE_INPUT, HD_F32, 2, {7, 4}},
    };
    char *text = hd_strndup((const char *)data + 1, size - 1);
    hd_net *net = NULL;
    if (text && strlen(text) == size - 1 && hd_net_new(text, "net.yaml", 1, &net) == HEED_OK) {
        if (hd_net_prepare(net, &fields[data[0] % 4], 1) == HEED_OK) {
            hd_str out;
            hd_str_init(&out);
            hd_net_describe(net, &out);
            hd_str_clear(&out);
        }
        hd_net_free(net);
    }
    hd_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > MOST_BYTES || hd_mem_adopt_libraries() != HEED_OK) return 0;
    hd_mem_limit_set(MOST_MEMORY);
    if (data[0] & 0x80) {
        page(data, size);
        return 0;
    }
    void *copy = hd_alloc_aligned(size, 1);
    hd_net *net = NULL;
    if (!copy) return 0;
    memcpy(copy, data, size);
    if (hd_net_from_memory(copy, size, "fuzz", &net) == HEED_OK) hd_net_free(net);
    hd_free(copy);
    return 0;
}
