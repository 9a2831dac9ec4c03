// SPDX-License-Identifier: Apache-2.0
//
// Changes one value of a YAML file that people write, and nothing else: comments, order, blank
// lines and the way of writing stay as they are.
#ifndef HD_BASE_YAML_EDIT_H
#define HD_BASE_YAML_EDIT_H

#include "base/str.h"

// Sets the dotted path `key` ("recommend.n") to `scalar`, which is put in as it stands (so it is
// YAML: quoted where it must be), or with NULL takes it out. Where the key isn't there it goes into
// the block of its first words, else to the end. Nothing to take out: nothing is done. The result
// is appended to `out`. HEED_INPUT: the text isn't YAML, or the value stands in a form that can't
// be changed by lines ("{…}" or a text over several lines): then it says where.
heed_err hd_yaml_edit(const char *text, size_t n, const char *name, const char *key,
                      const char *scalar, hd_str *out) HEED_CHECK;

#endif
