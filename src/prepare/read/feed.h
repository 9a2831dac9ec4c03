// SPDX-License-Identifier: Apache-2.0
//
// A window over decoded text that moves forward line by line. It grows to the longest row, never
// further than max_line, and keeps what lies between `begin` and the row's end until the row is
// done with: rows are borrowed from it.
#ifndef HD_PREPARE_READ_FEED_H
#define HD_PREPARE_READ_FEED_H

#include "prepare/read/decode.h"

typedef struct hd_feed {
    hd_decoder *decoder; // borrowed
    char *buf;
    size_t cap;
    size_t begin; // of the row to come
    size_t end;   // of the text at hand
    size_t max_line;
    uint64_t line; // 1-based number of the line at begin
    char eol;      // '\n', or '\r' for files of old Macintosh programs
    bool ended;    // the decoder has no more
    bool hold;     // looking ahead: text at hand only, nothing moves
} hd_feed;

typedef enum hd_line_state {
    HD_LINE_WHOLE,
    HD_LINE_LONG, // longer than max_line, counted from `begin`
    HD_LINE_END
} hd_line_state;

// Reads the first part of the file (up to 256 kB, and two lines at least), for guessing.
heed_err hd_feed_open(hd_decoder *decoder, size_t max_line, hd_feed *out) HEED_CHECK;
void hd_feed_close(hd_feed *feed);

// The line that starts `from` bytes after begin, without its line feed (a CR before it stays).
// *next: where the following one starts, counted from begin. Earlier slices may move.
heed_err hd_feed_line(hd_feed *feed, size_t from, hd_slice *line, size_t *next,
                      hd_line_state *state) HEED_CHECK;
// Moves begin on, over so many lines.
void hd_feed_advance(hd_feed *feed, size_t bytes, uint64_t lines);
// Drops the rest of a line that is too long.
heed_err hd_feed_skip_line(hd_feed *feed) HEED_CHECK;

#endif
