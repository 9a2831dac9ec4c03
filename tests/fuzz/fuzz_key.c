// SPDX-License-Identifier: Apache-2.0
//
// Presented keys and lists of scopes: whatever is taken is written back as it came, byte for byte.
#include <stdlib.h>
#include <string.h>

#include "access/key.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_presented key;
    if (hd_key_parse((hd_slice){(const char *)data, size}, &key)) {
        char text[HD_KEY_TEXT + 1];
        hd_key_write(&key, text);
        if (size != HD_KEY_TEXT || memcmp(text, data, size) != 0) abort();
    }
    char *words = hd_strndup((const char *)data, size);
    unsigned scopes = 0, again = 0;
    char buf[HD_SCOPES_TEXT];
    if (words && hd_scopes_parse(words, &scopes) == HEED_OK) {
        if (scopes == 0 || scopes > HD_ACCESS_ALL) abort();
        if (hd_scopes_parse(hd_scopes_text(scopes, buf), &again) != HEED_OK || again != scopes)
            abort();
    }
    hd_free(words);
    return 0;
}
