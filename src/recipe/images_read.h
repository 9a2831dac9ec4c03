// SPDX-License-Identifier: Apache-2.0
//
// Rows of images and their labels, from files: the `open` of the kinds `images` and `idx`.
#ifndef HD_RECIPE_IMAGES_READ_H
#define HD_RECIPE_IMAGES_READ_H

#include "recipe/input.h"

typedef struct hd_images_options {
    const char *image;     // the column; NULL: "image"
    const json_t *classes; // names of labels that are numbers
} hd_images_options;

// options: hd_images_options. The rows have two columns, the image and its label.
heed_err hd_images_folders(const void *options, const hd_input_env *env,
                           hd_input_parts *out) HEED_CHECK;
heed_err hd_images_pairs(const void *options, const hd_input_env *env,
                         hd_input_parts *out) HEED_CHECK;

// Whether a name ends as PNG's and JPEG's do: no base64 does.
bool hd_images_named(hd_slice name);
// A file that a list of files names: beside the list, unless the name begins at the root. In the
// arena; NULL: out of memory.
char *hd_images_beside(hd_arena *arena, const char *list, hd_slice name);

#endif
