// SPDX-License-Identifier: Apache-2.0
//
// What the formats share: lines that are blank are passed over, lines that are too long, hold NUL
// bytes or wrong bytes are bad rows, whatever the format.
#include "prepare/read/reader.h"

#include "base/mem.h"

void hd_reader_init(hd_reader *r) {
    *r = (hd_reader){0};
    hd_columns_init(&r->columns);
    hd_arena_init(&r->arena);
    hd_str_init(&r->text);
    hd_json_scan_init(&r->json, &r->arena);
}

void hd_reader_clear(hd_reader *r) {
    if (r->csv_made) csv_free(&r->csv);
    hd_json_scan_clear(&r->json);
    hd_str_clear(&r->text);
    hd_arena_clear(&r->arena);
    hd_columns_clear(&r->columns);
    hd_feed_close(&r->feed);
    hd_free(r->order);
    hd_free(r->cells);
    *r = (hd_reader){0};
}

heed_err hd_reader_next(hd_reader *r, hd_import_row *out, hd_row *row) {
    hd_arena_reset(&r->arena);
    *row = (hd_row){.state = HD_ROW_RECORD};
    return r->format->next(r, out, row);
}

static bool is_ascii_text(hd_slice s) {
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t w;
        memcpy(&w, s.p + i, 8);
        // A byte of 0 borrows into its high bit; a byte over 127 has it.
        if (((w - UINT64_C(0x0101010101010101)) | w) & UINT64_C(0x8080808080808080)) return false;
    }
    for (; i < s.n; i++) {
        if (s.p[i] == 0 || (s.p[i] & 0x80)) return false;
    }
    return true;
}

static void bad_byte(hd_reader *r, hd_slice s, size_t at, hd_import_row *out) {
    size_t place = 1;
    for (size_t i = 0; i < at; i++) place += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    unsigned byte = hd_decoder_wrong_byte(s.p, s.n, at);
    const char *encoding = hd_encoding_name(hd_decoder_encoding(r->feed.decoder));
    HD_BAD_ROW(
        out,
        "byte 0x%02X at character %zu is not %s: save the file as UTF-8, or state its encoding (--encoding)",
        "第 %2$zu 个字符处的字节 0x%1$02X 不符合 %3$s：请将文件另存为 UTF-8，或用 --encoding 指明编码",
        byte, place, encoding);
}

bool hd_reader_clean(hd_reader *r, hd_slice s, hd_import_row *out) {
    if (is_ascii_text(s)) return true;
    size_t at = hd_utf8_valid(s.p, s.n);
    if (at < s.n) {
        bad_byte(r, s, at, out);
        return false;
    }
    const char *nul = memchr(s.p, 0, s.n);
    if (!nul) return true;
    size_t place = (size_t)(nul - s.p) + 1;
    HD_BAD_ROW(
        out,
        "a NUL byte stands at byte %zu: the file is damaged, or its encoding isn't %s (--encoding)",
        "第 %zu 字节为 NUL：文件已损坏，或编码并非 %s（--encoding）", place,
        hd_encoding_name(hd_decoder_encoding(r->feed.decoder)));
    return false;
}

static bool is_blank(hd_slice line, char keep) {
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        if (c != ' ' && c != '\r' && (c != '\t' || keep == '\t')) return false;
    }
    return true;
}

static heed_err line_too_long(hd_reader *r, hd_import_row *out, hd_row *row) {
    enum { SHOWN = 200 };
    hd_slice start = {r->feed.buf + r->feed.begin, SHOWN};
    start.n = hd_utf8_cut(start.p, start.n, start.n);
    // The rest of the line may overwrite the buffer: the start is kept.
    char *copy = hd_arena_strndup(&r->arena, start.p, start.n);
    if (!copy) return HD_FAIL_MEMORY(start.n);
    row->raw = (hd_slice){copy, start.n};
    HD_BAD_ROW(out,
               "the line is longer than %zu bytes: split it, or raise the limit (import.max_line)",
               "该行超过 %zu 字节：请拆分，或提高上限（import.max_line）", r->feed.max_line);
    row->state = HD_ROW_BAD;
    return hd_feed_skip_line(&r->feed);
}

heed_err hd_reader_line(hd_reader *r, hd_import_row *out, hd_row *row, hd_slice *line,
                        size_t *next) {
    char keep = r->format == &hd_format_csv ? r->cut.sign[0] : 0;
    for (;;) {
        hd_line_state state;
        HD_TRY(hd_feed_line(&r->feed, 0, line, next, &state));
        row->line = r->feed.line;
        if (state == HD_LINE_END) {
            row->state = HD_ROW_END;
            return HEED_OK;
        }
        if (state == HD_LINE_LONG) return line_too_long(r, out, row);
        if (line->n > 0 && line->p[line->n - 1] == '\r') line->n--;
        row->raw = *line;
        if (!is_blank(*line, keep)) break;
        hd_feed_advance(&r->feed, *next, 1);
    }
    if (!hd_reader_clean(r, *line, out)) {
        row->state = HD_ROW_BAD;
        hd_feed_advance(&r->feed, *next, 1);
    }
    return HEED_OK;
}
