// SPDX-License-Identifier: Apache-2.0
//
// Only what people write freely is redacted: fields with a meaning (ids, attributes, types) are the
// company's choice to import, and stand under its other settings. Redacted text can't be restored;
// it is put in place before the record reaches the door, so the database never held the original.
#include "workspace/redact.h"

heed_err hd_redactor_init(hd_redactor *redactor, const hd_settings *settings) {
    *redactor = (hd_redactor){0};
    for (size_t i = 0; i < 2; i++) hd_str_init(&redactor->texts[i]);
    if (strcmp(hd_settings_text(settings, "privacy.text"), "redact") != 0) return HEED_OK;
    return hd_finder_new(&redactor->finder);
}

void hd_redactor_clear(hd_redactor *redactor) {
    hd_finder_free(redactor->finder);
    for (size_t i = 0; i < 2; i++) hd_str_clear(&redactor->texts[i]);
    redactor->finder = NULL;
}

static heed_err redact(hd_redactor *redactor, hd_str *to, hd_slice *text,
                       int64_t counts[HD_PII_TYPES]) {
    bool changed;
    if (!text->p || text->n == 0) return HEED_OK;
    hd_str_reset(to);
    HD_TRY(hd_finder_redact(redactor->finder, *text, HD_PII_ALL, to, counts, &changed));
    if (changed) *text = (hd_slice){hd_str_get(to), to->len};
    return HEED_OK;
}

heed_err hd_redactor_record(hd_redactor *redactor, hd_record *record,
                            int64_t counts[HD_PII_TYPES]) {
    hd_slice *const texts[HD_KINDS][2] = {
        [HD_KIND_REVIEWS] = {&record->review.title, &record->review.text},
        [HD_KIND_TICKETS] = {&record->ticket.subject, &record->ticket.text},
    };
    if (!redactor->finder || !texts[record->kind][0]) return HEED_OK;
    for (size_t i = 0; i < 2; i++)
        HD_TRY(redact(redactor, &redactor->texts[i], texts[record->kind][i], counts));
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
