// SPDX-License-Identifier: Apache-2.0
//
// YAML read into JSON values, on libyaml. YAML 1.2's core schema: true/false, null/~, integers,
// floats; else strings ("no" stays a string). Anchors and aliases are refused (they can be made to
// explode), as are duplicate keys, several documents, and depth over 64.
#ifndef HD_BASE_YAML_H
#define HD_BASE_YAML_H

#include <jansson.h>

#include "base/map.h"

// Line of every key by its dotted path ("import.max_line", "steps.0.kind"): so that an error found
// later can name its line.
typedef struct hd_yaml {
    json_t *root; // an object; empty for an empty document
    hd_map lines; // path -> 1-based line
} hd_yaml;

// `name` stands in messages ("heed.yaml:7: …"). The root must be a mapping.
heed_err hd_yaml_parse(const char *text, size_t n, const char *name, hd_yaml *out) HEED_CHECK;
void hd_yaml_clear(hd_yaml *yaml);
// The line of a path, 0 when unknown.
size_t hd_yaml_line(const hd_yaml *yaml, const char *path);

#endif
