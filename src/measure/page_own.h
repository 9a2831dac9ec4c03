// SPDX-License-Identifier: Apache-2.0
//
// Pieces of a report's page: texts (page_text.c), drawings (page_plot.c, page_matrix.c), a model's
// evaluation (page_model.c). All append to the page; memory that runs out sticks to it.
#ifndef HD_MEASURE_PAGE_OWN_H
#define HD_MEASURE_PAGE_OWN_H

#include "base/json.h"

// ── Texts ──

#define WORDS(english, chinese) ((hd_text){(english), (chinese)})

void hd_page_escape(hd_str *out, const char *text);
// At most so many columns (a CJK sign is two), then "…"; escaped.
void hd_page_cut(hd_str *out, const char *text, size_t columns);
void hd_page_words(hd_str *out, hd_text words);     // both languages
void hd_page_tspans(hd_str *out, hd_text words);    // the same inside an SVG text
void hd_page_both(hd_str *out, const json_t *both); // {en, zh}, or one text for both
void hd_page_heading(hd_str *out, int level, hd_text words);

// Numbers: "0.9876", "1.2e-05", "12,345", "–" where there is none.
void hd_page_number(hd_str *out, double value);
void hd_page_share(hd_str *out, double value); // four decimals
void hd_page_count(hd_str *out, double value);
void hd_page_bytes(hd_str *out, double value);
void hd_page_brief(hd_str *out, double value); // three digits: "0.0123", "1,481"; tiny: "< 0.001"
double hd_page_get(const json_t *object, const char *key); // NaN: there is none

// A figure by its name in an evaluation, for readers. NULL past the end, or no such name.
typedef struct hd_page_figure {
    const char *name;
    hd_text label;
    bool share; // within 0 … 1
} hd_page_figure;
const hd_page_figure *hd_page_figure_at(size_t i);
const hd_page_figure *hd_page_figure_find(const char *name);
void hd_page_value(hd_str *out, const char *figure, double value);

// ── Drawings ──

typedef struct hd_plot {
    hd_str *out;
    double low_x, high_x, low_y, high_y; // of values
    bool by_log;                         // y, when all values are above 0
    size_t n_lines;                      // drawn so far: for the legend
} hd_plot;

// Widens the plot's range by a list's finite numbers. An untouched range is low > high.
void hd_plot_empty(hd_plot *plot, hd_str *out);
void hd_plot_see_x(hd_plot *plot, const json_t *list);
void hd_plot_see_y(hd_plot *plot, const json_t *list);
bool hd_plot_seen(const hd_plot *plot);
void hd_plot_begin(hd_plot *plot, hd_text title, hd_text x, hd_text y);
// xs NULL: 0, 1, 2, …
void hd_plot_line(hd_plot *plot, const json_t *xs, const json_t *ys, int colour, bool dashed);
void hd_plot_dots(hd_plot *plot, const json_t *pairs, int colour);
void hd_plot_diagonal(hd_plot *plot, double from, double to);
void hd_plot_bar(hd_plot *plot, double from, double to, double height, int colour);
void hd_plot_end(hd_plot *plot);
// A line of the legend, below the drawing.
void hd_legend_begin(hd_str *out);
void hd_legend_words(hd_str *out, int colour, bool dashed, hd_text words);
void hd_legend_text(hd_str *out, int colour, bool dashed, const char *text, double value);
void hd_legend_end(hd_str *out);

// Rows of truth by columns of what was predicted, shaded by the share of the row.
void hd_page_matrix(hd_str *out, const json_t *matrix, const json_t *classes);

void hd_page_evaluation(hd_str *out, const json_t *evaluation);
extern const char *const hd_page_style[]; // in pieces, NULL ends them

#endif
