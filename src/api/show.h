// SPDX-License-Identifier: Apache-2.0
//
// How results look to a person: grids whose columns line up (wide characters count two), and
// numbers with as many digits as one reads.
//
//     hd_grid g;
//     hd_grid_init(&g, "lrr");                         // left, right, right
//     hd_grid_head(&g, "method", "HR@10", "NDCG@10");
//     hd_grid_row(&g, name, hd_show_real(&g.arena, hr), hd_show_real(&g.arena, ndcg));
//     HD_TRY_OUT(hd_grid_print(&g, width, out));       // the first failure shows here
//     out: hd_grid_clear(&g);
#ifndef HD_API_SHOW_H
#define HD_API_SHOW_H

#include "base/arena.h"
#include "base/time.h"

enum { HD_GRID_COLS = 12 };

typedef struct hd_grid {
    hd_arena arena;
    const char *align; // a letter per column: 'l' or 'r'
    size_t n_cols;
    const char **cells; // (n_rows, n_cols); NULL: not given
    size_t n_rows, cap;
    size_t head; // rows of heading
    bool failed;
} hd_grid;

void hd_grid_init(hd_grid *grid, const char *align);
void hd_grid_clear(hd_grid *grid);
// One text per column, copied; fewer leave the last ones empty. A NULL among them is a number that
// found no memory: the grid fails.
void hd_grid_add(hd_grid *grid, size_t n, const char *const *cells);
#define hd_grid_row(grid, ...)                                                  \
    hd_grid_add((grid), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
                (const char *[]){__VA_ARGS__})
#define hd_grid_head(grid, ...)           \
    do {                                  \
        hd_grid_row((grid), __VA_ARGS__); \
        (grid)->head = (grid)->n_rows;    \
    } while (0)
// Two spaces before and between columns. Where the lines don't fit `width` (0: any), the last
// column wraps if it is left-aligned, else the widest left-aligned one is cut with an ellipsis.
heed_err hd_grid_print(const hd_grid *grid, size_t width, hd_str *out) HEED_CHECK;

// Appends a text in lines of `width` columns, broken at blanks or between Chinese characters; lines
// after the first begin with `indent` blanks.
void hd_show_wrapped(hd_str *out, const char *text, size_t n, size_t indent, size_t width);

// Numbers as text, in the arena; NULL when memory is out (a grid shows it as a failure).
const char *hd_show_int(hd_arena *arena, int64_t value); // 1,234,567
const char *hd_show_real(hd_arena *arena, double value); // four significant digits; "–" for NaN
const char *hd_show_fixed(hd_arena *arena, double value, int digits); // 0.2861
const char *hd_show_percent(hd_arena *arena, double share);           // 12.3%
const char *hd_show_bytes(hd_arena *arena, double bytes);             // 1.5 MB
const char *hd_show_seconds(hd_arena *arena, double seconds);         // 0.31 s, 2 min 5 s
const char *hd_show_time(hd_arena *arena, hd_time time);              // 2026-11-22 08:30, UTC

#endif
