// SPDX-License-Identifier: Apache-2.0
//
// A sort of what was counted. Ties are broken by the tokens' bytes and not by who came first, so
// that two orders of the same training texts make one vocabulary.
#include "text/vocabulary.h"

#include <stdlib.h>

#include "base/mem.h"

enum { MOST_TOKENS = 1 << 24 };

void hd_vocabulary_init(hd_vocabulary *vocabulary) {
    hd_map_init(&vocabulary->ids);
    vocabulary->first = 0;
}

void hd_vocabulary_clear(hd_vocabulary *vocabulary) {
    hd_map_clear(&vocabulary->ids);
}

typedef struct candidate {
    const hd_map_entry *entry;
    uint64_t count;
} candidate;

static int by_bytes(const void *a, const void *b) {
    const hd_map_entry *x = ((const candidate *)a)->entry, *y = ((const candidate *)b)->entry;
    int order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static int by_count(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : by_bytes(a, b);
}

// Those that pass the limits, sorted as asked. kept: room for all.
static size_t choose(const hd_map *tokens, const uint64_t *counts, const uint64_t *limit,
                     const hd_vocabulary_opts *opts, candidate *kept) {
    size_t n = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        uint64_t count = counts ? counts[i] : tokens->entries[i].value;
        uint64_t held = limit ? limit[i] : count;
        if (held < opts->least || (opts->greatest > 0 && held > opts->greatest)) continue;
        kept[n++] = (candidate){&tokens->entries[i], count};
    }
    qsort(kept, n, sizeof *kept, by_count);
    if (opts->most > 0 && n > opts->most) n = opts->most;
    if (n > MOST_TOKENS) n = MOST_TOKENS;
    if (opts->by_bytes) qsort(kept, n, sizeof *kept, by_bytes);
    return n;
}

heed_err hd_vocabulary_fit(const hd_map *tokens, const uint64_t *counts, const uint64_t *limit,
                           const hd_vocabulary_opts *opts, hd_vocabulary *out) {
    hd_vocabulary_init(out);
    out->first = opts->first;
    candidate *kept = hd_alloc((tokens->count + 1) * sizeof *kept);
    if (!kept) return HD_FAIL_MEMORY(tokens->count * sizeof *kept);
    size_t n = choose(tokens, counts, limit, opts, kept);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        err = hd_map_put(&out->ids, kept[i].entry->key, kept[i].entry->len, opts->first + i);
    }
    hd_free(kept);
    if (err != HEED_OK) hd_vocabulary_clear(out);
    return err;
}

const char *hd_vocabulary_token(const hd_vocabulary *v, uint32_t id) {
    return id < v->first || id - v->first >= v->ids.count ? "" : v->ids.entries[id - v->first].key;
}

heed_err hd_vocabulary_json(const hd_vocabulary *vocabulary, json_t **out) {
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < vocabulary->ids.count; i++) {
        const hd_map_entry *entry = &vocabulary->ids.entries[i];
        err = hd_json_append(list, json_stringn(entry->key, entry->len));
    }
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}

static heed_err add_token(hd_vocabulary *v, const json_t *token, size_t i, const char *name) {
    uint64_t *slot;
    bool added = false;
    if (!json_is_string(token)) {
        return HD_FAIL(HEED_CORRUPT, "%s: token %zu of the vocabulary is no text",
                       "%s：词表的第 %zu 个词元不是文本", name, i + 1);
    }
    HD_TRY(hd_map_slot(&v->ids, json_string_value(token), json_string_length(token), v->first + i,
                       &slot, &added));
    if (added) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT, "%s: token '%.60s' stands twice in the vocabulary",
                   "%s：词元“%.60s”在词表中出现了两次", name, json_string_value(token));
}

heed_err hd_vocabulary_from_json(const json_t *json, const char *name, uint32_t first,
                                 hd_vocabulary *out) {
    hd_vocabulary_init(out);
    out->first = first;
    if (!json_is_array(json) || json_array_size(json) > MOST_TOKENS) {
        return HD_FAIL(HEED_CORRUPT, "%s: the vocabulary is no list of at most %d tokens",
                       "%s：词表不是至多 %d 个词元的列表", name, MOST_TOKENS);
    }
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < json_array_size(json); i++) {
        err = add_token(out, json_array_get(json, i), i, name);
    }
    if (err != HEED_OK) hd_vocabulary_clear(out);
    return err;
}
