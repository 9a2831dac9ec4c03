// SPDX-License-Identifier: Apache-2.0
//
// A part of a text.
//
// part: a category gives way to what stands in it behind the first `after` and before the next
// `before`, and of that to its first `characters`. The title out of "Allen, Miss. Elisabeth" is
// after ", " and before "."; the deck out of "C22 C26" is one character. What has no such part, or
// an empty one, is missing.
#include "prepare/step/step.h"

#include "base/mem.h"

enum { AFTER, BEFORE, CHARACTERS };

static const hd_step_param part_params[] = {
    {"after", "", 0, 0, false, true, NULL,
     HD_TEXT("the part begins behind this; nothing: at the beginning",
             "该部分从此文本之后开始；空：从开头")},
    {"before", "", 0, 0, false, true, NULL,
     HD_TEXT("it ends before this; nothing: at the end", "到此文本之前结束；空：到结尾")},
    {"characters", "0", 0, 1e6, true, false, NULL,
     HD_TEXT("at most so many characters of it; 0: all", "至多取其中几个字符；0 表示全部")},
};

// The first n characters' bytes.
static size_t first_characters(const char *text, size_t size, size_t n) {
    size_t at = 0;
    for (; at < size; at++) {
        bool begins = ((unsigned char)text[at] & 0xC0) != 0x80;
        if (begins && n-- == 0) return at;
    }
    return at;
}

// An empty slice: there is no such part.
static hd_slice part_of(const hd_step *step, const char *text) {
    const char *after = step->params[AFTER].text, *before = step->params[BEFORE].text;
    size_t most = (size_t)step->params[CHARACTERS].number;
    const char *start = strstr(text, after);
    if (!start) return (hd_slice){NULL, 0};
    start += strlen(after);
    const char *end = *before ? strstr(start, before) : start + strlen(start);
    if (!end) return (hd_slice){NULL, 0};
    size_t size = (size_t)(end - start);
    return (hd_slice){start, most > 0 ? first_characters(start, size, most) : size};
}

static heed_err fill_parts(const hd_step *step, const hd_step_target *target, const hd_column *from,
                           hd_column *to) {
    size_t without = 0;
    for (size_t r = 0; r < target->table->n_rows; r++) {
        if (from->code[r] == HD_CODE_NONE) continue;
        hd_slice part = part_of(step, hd_column_category(from, r));
        if (part.n > 0)
            HD_TRY(hd_column_set_category(to, r, part));
        else
            without++;
    }
    return hd_step_count(target, "without", without);
}

// The column gives way to one of parts under its name: built in a table beside it, then put in its
// place.
static heed_err part_apply(const hd_step *step, const hd_step_target *target) {
    hd_table parts;
    hd_column *to;
    hd_table_init(&parts);
    heed_err err = hd_table_add_rows(&parts, target->table->n_rows);
    if (err == HEED_OK)
        err = hd_table_add_column(&parts, step->columns[0], HD_COLUMN_CATEGORY, &to);
    if (err == HEED_OK) err = fill_parts(step, target, hd_step_column(step, target, 0), to);
    if (err == HEED_OK) err = hd_table_drop_column(target->table, step->columns[0]);
    hd_column *in_place = NULL;
    if (err == HEED_OK)
        err = hd_table_add_column(target->table, step->columns[0], HD_COLUMN_CATEGORY, &in_place);
    for (size_t r = 0; err == HEED_OK && r < parts.n_rows; r++) {
        if (to->code[r] == HD_CODE_NONE) continue;
        err = hd_column_set_category(in_place, r, hd_slice_of(hd_column_category(to, r)));
    }
    hd_table_clear(&parts);
    return err;
}

const hd_step_kind hd_step_part = {
    .name = "part",
    .doc = HD_TEXT("a part of a text in its place", "用文本的一部分代替该文本"),
    .params = part_params,
    .n_params = 3,
    .types = HD_STEP_CATEGORY,
    .apply = part_apply,
};
