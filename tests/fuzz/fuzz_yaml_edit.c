// SPDX-License-Identifier: Apache-2.0
//
// A file that is edited: what comes out parses, has the value, and keeps every other value; or
// nothing comes out.
#include <stdint.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "base/yaml_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void edit(const char *text, size_t n, const char *scalar) {
    hd_str out;
    hd_yaml yaml;
    hd_str_init(&out);
    if (hd_yaml_edit(text, n, "fuzz", "a.b", scalar, &out) == HEED_OK) {
        if (hd_yaml_parse(hd_str_get(&out), out.len, "fuzz", &yaml) != HEED_OK) abort();
        if ((hd_yaml_line(&yaml, "a.b") > 0) != (scalar != NULL)) abort();
        hd_yaml_clear(&yaml);
    } else if (out.len > 0) {
        abort();
    }
    hd_str_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    edit((const char *)data, size, "\"new\"");
    edit((const char *)data, size, NULL);
    return 0;
}
