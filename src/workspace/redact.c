// SPDX-License-Identifier: Apache-2.0
//
// What is found is replaced before the record reaches the door, so the database never held the
// original. Ids and types have a meaning and are never touched. Attributes and properties are JSON:
// their strings are treated one by one, at any depth; keys of objects and numbers stay.
//
// A company that has found data replaced wouldn't want it in the reject files either: rejected rows
// are redacted there as soon as either setting isn't "keep". Tokens have no place in them, as the
// rows are to be mended and imported again.
#include "workspace/redact.h"

#include <sodium.h>

#include "workspace/auditing.h"

static hd_found found_of(const heed_workspace *ws, const char *name) {
    const char *word = hd_settings_text(ws->settings, name);
    if (strcmp(word, "redact") == 0) return HD_FOUND_REDACT;
    return strcmp(word, "tokenize") == 0 ? HD_FOUND_TOKENIZE : HD_FOUND_KEEP;
}

static heed_err tokens_open(const heed_workspace *ws, hd_tokenizer **out) {
    uint8_t secret[HD_TOKEN_SECRET];
    HD_TRY(hd_keyring_secret(ws->keyring, "token", secret));
    heed_err err = hd_tokenizer_new(secret, out);
    sodium_memzero(secret, sizeof secret);
    return err;
}

heed_err hd_redactor_init(hd_redactor *redactor, const heed_workspace *ws) {
    *redactor = (hd_redactor){.text = found_of(ws, "privacy.text"),
                              .attributes = found_of(ws, "privacy.attributes")};
    for (size_t i = 0; i < 2; i++) hd_str_init(&redactor->texts[i]);
    if (redactor->text == HD_FOUND_KEEP && redactor->attributes == HD_FOUND_KEEP) return HEED_OK;
    HD_TRY(hd_finder_new(&redactor->finder));
    bool tokenizes =
        redactor->text == HD_FOUND_TOKENIZE || redactor->attributes == HD_FOUND_TOKENIZE;
    return tokenizes ? tokens_open(ws, &redactor->tokens) : HEED_OK;
}

void hd_redactor_clear(hd_redactor *redactor) {
    hd_finder_free(redactor->finder);
    hd_tokenizer_free(redactor->tokens);
    for (size_t i = 0; i < 2; i++) hd_str_clear(&redactor->texts[i]);
    redactor->finder = NULL;
    redactor->tokens = NULL;
}

// Appends the text, treated.
static heed_err treat(hd_redactor *redactor, hd_found how, hd_slice text, hd_str *out,
                      int64_t counts[HD_PII_TYPES], bool *changed) {
    if (how == HD_FOUND_TOKENIZE)
        return hd_tokenizer_replace(redactor->tokens, redactor->finder, text, HD_PII_ALL, out,
                                    counts, changed);
    return hd_finder_redact(redactor->finder, text, HD_PII_ALL, out, counts, changed);
}

// ── Free text ──

static heed_err treat_text(hd_redactor *redactor, hd_str *to, hd_slice *text,
                           int64_t counts[HD_PII_TYPES]) {
    bool changed;
    if (!text->p || text->n == 0) return HEED_OK;
    hd_str_reset(to);
    HD_TRY(treat(redactor, redactor->text, *text, to, counts, &changed));
    if (changed) *text = (hd_slice){hd_str_get(to), to->len};
    return HEED_OK;
}

heed_err hd_redactor_text(hd_redactor *redactor, hd_slice text, hd_str *out) {
    bool changed;
    if (redactor && redactor->finder)
        return hd_finder_redact(redactor->finder, text, HD_PII_ALL, out, NULL, &changed);
    hd_str_addn(out, text.p ? text.p : "", text.n);
    return hd_str_check(out);
}

// ── Attributes ──

typedef struct walk {
    hd_redactor *redactor;
    int64_t *counts;
    bool changed;
} walk;

static heed_err walk_value(walk *w, json_t *value);

static heed_err walk_string(walk *w, json_t *value) {
    bool changed = false;
    hd_str *to = &w->redactor->texts[0];
    const hd_slice text = {json_string_value(value), json_string_length(value)};
    if (text.n == 0) return HEED_OK;
    hd_str_reset(to);
    HD_TRY(treat(w->redactor, w->redactor->attributes, text, to, w->counts, &changed));
    if (!changed) return HEED_OK;
    w->changed = true;
    return json_string_setn(value, hd_str_get(to), to->len) == 0 ? HEED_OK
                                                                 : HD_FAIL_MEMORY(to->len);
}

static heed_err walk_members(walk *w, json_t *value) {
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach(value, key, member) HD_TRY(walk_value(w, member));
    json_array_foreach(value, i, member) HD_TRY(walk_value(w, member));
    return HEED_OK;
}

// hd_json_parse bounds the depth.
static heed_err walk_value(walk *w, json_t *value) {
    return json_is_string(value) ? walk_string(w, value) : walk_members(w, value);
}

// What is no JSON is left to the door, which refuses it.
static heed_err treat_json(hd_redactor *redactor, hd_slice *text, int64_t counts[HD_PII_TYPES]) {
    json_t *json = NULL;
    walk w = {redactor, counts, false};
    if (!text->p || text->n == 0) return HEED_OK;
    heed_err err = hd_json_parse(text->p, text->n, "attributes", &json);
    if (err == HEED_INPUT) return HEED_OK;
    HD_TRY(err);
    err = walk_value(&w, json);
    hd_str *to = &redactor->texts[1];
    hd_str_reset(to);
    if (err == HEED_OK && w.changed) err = hd_json_dump(json, false, to);
    if (err == HEED_OK && w.changed) err = hd_str_check(to);
    if (err == HEED_OK && w.changed) *text = (hd_slice){hd_str_get(to), to->len};
    json_decref(json);
    return err;
}

// ── Records ──

heed_err hd_redactor_record(hd_redactor *redactor, hd_record *record,
                            int64_t counts[HD_PII_TYPES]) {
    hd_slice *const texts[HD_KINDS][2] = {
        [HD_KIND_REVIEWS] = {&record->review.title, &record->review.text},
        [HD_KIND_TICKETS] = {&record->ticket.subject, &record->ticket.text},
    };
    hd_slice *const json[HD_KINDS] = {
        [HD_KIND_USERS] = &record->user.attributes,
        [HD_KIND_EVENTS] = &record->event.properties,
    };
    if (redactor->attributes != HD_FOUND_KEEP && json[record->kind])
        return treat_json(redactor, json[record->kind], counts);
    if (redactor->text == HD_FOUND_KEEP || !texts[record->kind][0]) return HEED_OK;
    for (size_t i = 0; i < 2; i++)
        HD_TRY(treat_text(redactor, &redactor->texts[i], texts[record->kind][i], counts));
    return HEED_OK;
}

heed_err hd_redactor_list(const int64_t counts[HD_PII_TYPES], hd_arena *arena,
                          heed_import_file *out) {
    heed_import_redaction *list = hd_arena_alloc(arena, HD_PII_TYPES * sizeof *list);
    if (!list) return HD_FAIL_MEMORY(HD_PII_TYPES * sizeof *list);
    size_t n = 0;
    for (int t = 0; t < HD_PII_TYPES; t++) {
        hd_text doc = hd_pii_doc((hd_pii)t);
        if (counts[t] == 0) continue;
        list[n++] = (heed_import_redaction){
            hd_pii_name((hd_pii)t), {[HEED_EN] = doc.en, [HEED_ZH] = doc.zh}, counts[t]};
    }
    out->redactions = list;
    out->n_redactions = n;
    return HEED_OK;
}

// ── Turning back ──

static heed_err show(heed_workspace *ws, const hd_tokenizer *tokens, hd_slice text, json_t **out) {
    size_t n;
    hd_str plain;
    hd_str_init(&plain);
    heed_err err = hd_tokenizer_reveal(tokens, text, &plain, &n);
    if (err == HEED_OK)
        err = hd_workspace_record(
            ws,
            &(hd_audit_entry){.what = HD_AUDIT_REVEAL, .purpose = "rights", .count = (int64_t)n});
    if (err == HEED_OK)
        err = hd_json_pack(out, "{s:s%, s:I}", "text", hd_str_get(&plain), plain.len, "revealed",
                           (json_int_t)n);
    if (plain.data) sodium_memzero(plain.data, plain.cap);
    hd_str_clear(&plain);
    return err;
}

heed_err hd_tokens_show(heed_workspace *ws, hd_slice text, json_t **out) {
    hd_tokenizer *tokens = NULL;
    HD_TRY(tokens_open(ws, &tokens));
    heed_err err = show(ws, tokens, text, out);
    hd_tokenizer_free(tokens);
    return err;
}
