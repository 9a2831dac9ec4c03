// SPDX-License-Identifier: Apache-2.0
//
// A grid is filled first and measured when printed, because a column is as wide as its widest
// cell. Failures stick (as in hd_str): rendering code reads better without a check per cell, and
// the text is all or nothing anyway.
#include "api/show.h"

#include <math.h>

#include "base/mem.h"
#include "base/unicode.h"

enum { MIN_CUT = 12 }; // columns that narrowing leaves of a column

void hd_grid_init(hd_grid *grid, const char *align) {
    *grid = (hd_grid){.align = align, .n_cols = strlen(align)};
    hd_arena_init(&grid->arena);
}

void hd_grid_clear(hd_grid *grid) {
    hd_free(grid->cells);
    hd_arena_clear(&grid->arena);
    *grid = (hd_grid){0};
}

void hd_grid_add(hd_grid *grid, size_t n, const char *const *cells) {
    if (grid->failed) return;
    if (hd_grow(&grid->cells, &grid->cap, (grid->n_rows + 1) * grid->n_cols, sizeof *cells)) {
        grid->failed = true;
        return;
    }
    const char **row = grid->cells + grid->n_rows * grid->n_cols;
    for (size_t c = 0; c < grid->n_cols; c++) {
        row[c] = c < n && cells[c] ? hd_arena_strdup(&grid->arena, cells[c]) : NULL;
        if (c < n && !row[c]) grid->failed = true; // a number that couldn't be shown, or the copy
    }
    grid->n_rows++;
}

static size_t cell_width(const char *cell) {
    return cell ? hd_utf8_width(cell, strlen(cell)) : 0;
}

// Columns' widths. Where a line wouldn't fit, the last column is narrowed if it is left-aligned (it
// wraps then), else the widest left-aligned one (it is cut).
static void measure(const hd_grid *grid, size_t width, size_t *widths) {
    size_t total = 0;
    size_t widest = grid->n_cols;
    for (size_t c = 0; c < grid->n_cols; c++) {
        widths[c] = 0;
        for (size_t r = 0; r < grid->n_rows; r++) {
            size_t w = cell_width(grid->cells[r * grid->n_cols + c]);
            if (w > widths[c]) widths[c] = w;
        }
        total += widths[c] + 2;
        if (grid->align[c] == 'l' && (widest == grid->n_cols || widths[c] > widths[widest]))
            widest = c;
    }
    if (grid->align[grid->n_cols - 1] == 'l') widest = grid->n_cols - 1;
    if (width == 0 || total <= width || widest == grid->n_cols) return;
    size_t over = total - width;
    widths[widest] = widths[widest] > over + MIN_CUT ? widths[widest] - over : MIN_CUT;
}

// As many bytes of a text as `width` columns hold; *used: how many columns that is.
static size_t fitting(const char *text, size_t n, size_t width, size_t *used) {
    size_t at = 0;
    *used = 0;
    while (at < n) {
        uint32_t codepoint;
        size_t len = hd_utf8_next(text + at, n - at, &codepoint);
        size_t w = hd_utf8_width(text + at, len);
        if (len == 0 || *used + w > width) break;
        at += len;
        *used += w;
    }
    return at;
}

// A cell in its column, with an ellipsis where it was cut. Returns the columns used.
static size_t add_cut(const char *text, size_t width, hd_str *out) {
    size_t used;
    size_t n = strlen(text);
    if (hd_utf8_width(text, n) <= width) {
        hd_str_add(out, text);
        return hd_utf8_width(text, n);
    }
    hd_str_addn(out, text, fitting(text, n, width - 1, &used));
    hd_str_add(out, "…");
    return used + 1;
}

static void pad(hd_str *out, size_t n) {
    while (n--) hd_str_addc(out, ' ');
}

// Where a line of at most `n` bytes that fit may end: at a blank if there is one in its later half,
// so that words stay whole; Chinese breaks anywhere.
static size_t line_end(const char *text, size_t n, size_t fit) {
    if (fit >= n || text[fit] == ' ') return fit;
    size_t at = fit;
    while (at > fit / 2 && text[at - 1] != ' ') at--;
    return at > fit / 2 ? at : fit;
}

void hd_show_wrapped(hd_str *out, const char *text, size_t n, size_t indent, size_t width) {
    for (;;) {
        size_t used;
        size_t end = line_end(text, n, fitting(text, n, width, &used));
        if (end == 0) end = n; // a single character wider than the column
        size_t shown = end;
        while (shown > 0 && text[shown - 1] == ' ') shown--;
        hd_str_addn(out, text, shown);
        while (end < n && text[end] == ' ') end++;
        text += end;
        n -= end;
        if (n == 0) return;
        hd_str_addc(out, '\n');
        pad(out, indent);
    }
}

static void print_row(const hd_grid *grid, const char *const *row, const size_t *widths,
                      hd_str *out) {
    size_t last = grid->n_cols;
    size_t indent = 0;
    while (last > 0 && (!row[last - 1] || !row[last - 1][0])) last--;
    for (size_t c = 0; c < last; c++) {
        const char *cell = row[c] ? row[c] : "";
        hd_str_add(out, "  ");
        indent += 2;
        if (grid->align[c] == 'r') {
            size_t w = cell_width(cell);
            pad(out, w < widths[c] ? widths[c] - w : 0);
            hd_str_add(out, cell);
        } else if (c + 1 == grid->n_cols) {
            hd_show_wrapped(out, cell, strlen(cell), indent, widths[c]);
        } else {
            size_t w = add_cut(cell, widths[c], out);
            if (c + 1 < last) pad(out, widths[c] - w);
        }
        indent += widths[c];
    }
    hd_str_addc(out, '\n');
}

static void print_rule(const hd_grid *grid, const size_t *widths, hd_str *out) {
    for (size_t c = 0; c < grid->n_cols; c++) {
        hd_str_add(out, "  ");
        for (size_t i = 0; i < widths[c]; i++) hd_str_add(out, "─");
    }
    hd_str_addc(out, '\n');
}

heed_err hd_grid_print(const hd_grid *grid, size_t width, hd_str *out) {
    if (grid->failed) return HD_FAIL_MEMORY(0);
    size_t widths[HD_GRID_COLS];
    measure(grid, width, widths);
    for (size_t r = 0; r < grid->n_rows; r++) {
        print_row(grid, grid->cells + r * grid->n_cols, widths, out);
        if (r + 1 == grid->head) print_rule(grid, widths, out);
    }
    return hd_str_check(out);
}

const char *hd_show_int(hd_arena *arena, int64_t value) {
    const char *digits = hd_arena_printf(arena, "%lld", (long long)value);
    if (!digits) return NULL;
    size_t n = strlen(digits);
    char *out = hd_arena_alloc(arena, n + n / 3 + 1);
    if (!out) return NULL;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        out[at++] = digits[i];
        size_t left = n - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') out[at++] = ',';
    }
    out[at] = '\0';
    return out;
}

const char *hd_show_real(hd_arena *arena, double value) {
    if (!isfinite(value)) return "–";
    if (value == 0) return "0";
    if (fabs(value) >= 1e15) return hd_arena_printf(arena, "%.3e", value);
    if (fabs(value) >= 10000) return hd_show_int(arena, llround(value));
    return hd_arena_printf(arena, "%.4g", value);
}

const char *hd_show_fixed(hd_arena *arena, double value, int digits) {
    return isfinite(value) ? hd_arena_printf(arena, "%.*f", digits, value) : "–";
}

const char *hd_show_percent(hd_arena *arena, double share) {
    return isfinite(share) ? hd_arena_printf(arena, "%.1f%%", 100 * share) : "–";
}

const char *hd_show_bytes(hd_arena *arena, double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    return hd_arena_printf(arena, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

const char *hd_show_seconds(hd_arena *arena, double seconds) {
    if (!isfinite(seconds)) return "–";
    if (seconds < 10) return hd_arena_printf(arena, "%.2f s", seconds);
    if (seconds < 60) return hd_arena_printf(arena, "%.1f s", seconds);
    int64_t whole = llround(seconds);
    return hd_arena_printf(arena, "%lld min %lld s", (long long)(whole / 60),
                           (long long)(whole % 60));
}

const char *hd_show_time(hd_arena *arena, hd_time time) {
    if (time == HD_TIME_NONE) return "–";
    hd_civil c;
    hd_time_civil(time, NULL, &c);
    return hd_arena_printf(arena, "%04d-%02d-%02d %02d:%02d", c.year, c.month, c.day, c.hour,
                           c.minute);
}
