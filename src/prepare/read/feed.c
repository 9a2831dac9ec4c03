// SPDX-License-Identifier: Apache-2.0
//
// One buffer, filled at its end and used up at its start; what is left moves to the front only when
// room is needed, so that text is copied at most once per filling. A file without any line feed but
// with carriage returns ends its lines with those.
#include "prepare/read/feed.h"

#include "base/mem.h"

enum { CHUNK = 256 * 1024, FIRST = 64 * 1024 };

static heed_err fill(hd_feed *f) {
    if (f->begin > 0 && f->cap - f->end < CHUNK) {
        memmove(f->buf, f->buf + f->begin, f->end - f->begin);
        f->end -= f->begin;
        f->begin = 0;
    }
    size_t room = f->cap == 0 ? FIRST : CHUNK; // most files are small
    if (f->cap - f->end < room) HD_TRY(hd_grow(&f->buf, &f->cap, f->end + room, 1));
    size_t got = 0;
    HD_TRY(hd_decoder_read(f->decoder, f->buf + f->end, f->cap - f->end, &got));
    f->end += got;
    f->ended = got == 0;
    return HEED_OK;
}

static bool has_two_lines(const hd_feed *f) {
    const char *first = memchr(f->buf, '\n', f->end);
    if (!first) return false;
    first++;
    return memchr(first, '\n', f->end - (size_t)(first - f->buf)) != NULL;
}

heed_err hd_feed_open(hd_decoder *decoder, size_t max_line, hd_feed *out) {
    *out = (hd_feed){.decoder = decoder, .max_line = max_line, .line = 1, .eol = '\n'};
    heed_err err = HEED_OK;
    while (err == HEED_OK && !out->ended && (out->end < CHUNK || !has_two_lines(out)) &&
           out->end <= max_line) {
        err = fill(out);
    }
    if (err != HEED_OK) {
        hd_feed_close(out);
        return err;
    }
    if (!memchr(out->buf, '\n', out->end) && memchr(out->buf, '\r', out->end)) out->eol = '\r';
    return HEED_OK;
}

void hd_feed_close(hd_feed *f) {
    hd_free(f->buf);
    *f = (hd_feed){0};
}

heed_err hd_feed_line(hd_feed *f, size_t from, hd_slice *line, size_t *next, hd_line_state *state) {
    size_t seen = from;
    for (;;) {
        const char *text = f->buf + f->begin;
        size_t have = f->end - f->begin;
        const char *eol = have > seen ? memchr(text + seen, f->eol, have - seen) : NULL;
        size_t n = eol ? (size_t)(eol - text) : have;
        if (n > f->max_line) {
            *state = HD_LINE_LONG;
            return HEED_OK;
        }
        if (eol || (f->ended && have > from)) {
            *line = (hd_slice){text + from, n - from};
            *next = eol ? n + 1 : n;
            *state = HD_LINE_WHOLE;
            return HEED_OK;
        }
        if (f->ended || f->hold) {
            *state = HD_LINE_END;
            return HEED_OK;
        }
        seen = have;
        HD_TRY(fill(f));
    }
}

void hd_feed_advance(hd_feed *f, size_t bytes, uint64_t lines) {
    f->begin += bytes;
    f->line += lines;
}

heed_err hd_feed_skip_line(hd_feed *f) {
    for (;;) {
        const char *text = f->buf + f->begin;
        size_t have = f->end - f->begin;
        const char *eol = have > 0 ? memchr(text, f->eol, have) : NULL;
        if (eol) {
            hd_feed_advance(f, (size_t)(eol - text) + 1, 1);
            return HEED_OK;
        }
        if (f->ended || f->hold) {
            hd_feed_advance(f, have, 1);
            return HEED_OK;
        }
        f->begin = f->end;
        HD_TRY(fill(f));
    }
}
