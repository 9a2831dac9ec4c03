// SPDX-License-Identifier: Apache-2.0
//
// A confusion matrix as a heat map: from two classes, with their numbers, to hundreds, where only
// the pattern counts and each cell tells its own by a tooltip. Empty cells aren't drawn.
#include <math.h>

#include "measure/page_own.h"

enum {
    SIDE = 620,        // of the drawing
    EDGE = 150,        // left of the cells, for names
    TOP = 4,           // above them
    FOOT = 96,         // below them
    MOST_NUMBERS = 16, // classes whose cells hold numbers
    MOST_NAMES = 60,   // classes whose names stand at the edge
    COLUMNS = 18,      // of a name
    MOST_CLASSES = 512
};

static double cell_at(const json_t *matrix, size_t i, size_t j) {
    const json_t *value = json_array_get(json_array_get(matrix, i), j);
    return json_is_number(value) ? json_number_value(value) : 0;
}

static const char *class_at(const json_t *classes, size_t i) {
    const char *name = json_string_value(json_array_get(classes, i));
    return name ? name : "";
}

typedef struct grid {
    hd_str *out;
    const json_t *matrix, *classes;
    size_t k;
    double edge, cell; // where cells begin, and how large they are
} grid;

static void add_cell(const grid *g, size_t i, size_t j, double share) {
    double x = g->edge + (double)j * g->cell, y = TOP + (double)i * g->cell;
    double count = cell_at(g->matrix, i, j);
    hd_str_addf(g->out,
                "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                "fill-opacity=\"%.3f\"><title>",
                i == j ? "hit" : "miss", x, y, g->cell * .98, g->cell * .98,
                .08 + .92 * sqrt(share)); // rare faults are still seen
    hd_page_escape(g->out, class_at(g->classes, i));
    hd_str_add(g->out, " → ");
    hd_page_escape(g->out, class_at(g->classes, j));
    hd_str_add(g->out, ": ");
    hd_page_count(g->out, count);
    hd_str_addf(g->out, " (%.1f%%)</title></rect>", 100 * share);
    if (g->k > MOST_NUMBERS) return;
    hd_str_addf(g->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                share > .35 ? "on" : "off", x + g->cell / 2, y + g->cell / 2 + 4);
    hd_page_count(g->out, count);
    hd_str_add(g->out, "</text>");
}

static void add_name(const grid *g, size_t i) {
    double middle = ((double)i + .5) * g->cell;
    double size = fmin(12, fmax(6, g->cell * .9));
    hd_str_addf(g->out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" style=\"font-size:%.1fpx\">",
                (int)g->edge - 6, TOP + middle + size / 3, size);
    hd_page_cut(g->out, class_at(g->classes, i), COLUMNS);
    double x = g->edge + middle + size / 3, y = TOP + (double)g->k * g->cell + 8;
    hd_str_addf(g->out,
                "</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" transform=\"rotate(-55 "
                "%.1f %.1f)\" style=\"font-size:%.1fpx\">",
                x, y + size / 3, x, y, size);
    hd_page_cut(g->out, class_at(g->classes, i), COLUMNS - 4);
    hd_str_add(g->out, "</text>");
}

static void add_row(const grid *g, size_t i) {
    double total = 0;
    for (size_t j = 0; j < g->k; j++) total += fmax(cell_at(g->matrix, i, j), 0);
    for (size_t j = 0; j < g->k; j++) {
        double count = cell_at(g->matrix, i, j);
        if (count > 0) add_cell(g, i, j, count / total);
    }
    if (g->k <= MOST_NAMES) add_name(g, i);
    hd_str_add(g->out, "\n");
}

void hd_page_matrix(hd_str *out, const json_t *matrix, const json_t *classes) {
    size_t k = json_array_size(matrix);
    if (k < 2 || k > MOST_CLASSES) return;
    bool named = k <= MOST_NAMES;
    double edge = named ? EDGE : 8;
    grid g = {out, matrix, classes, k, edge, fmin((SIDE - edge) / (double)k, 64)};
    double width = edge + g.cell * (double)k + 12;
    double height = TOP + g.cell * (double)k + (named ? FOOT : 8);
    double shown = width < 360 ? width * 1.2 : width;
    hd_page_heading(out, 4,
                    WORDS("Confusion: rows are the truth, columns what was predicted",
                          "混淆矩阵：行为真实类别，列为预测类别"));
    hd_str_addf(out,
                "<figure class=\"wide\"><svg class=\"matrix\" viewBox=\"0 0 %.0f %.0f\" "
                "style=\"max-width:%.0fpx\" role=\"img\">\n",
                width, height, shown);
    hd_str_addf(out, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%.1f\"/>\n",
                (int)edge, TOP, g.cell * (double)k, g.cell * (double)k);
    for (size_t i = 0; i < k; i++) add_row(&g, i);
    hd_str_add(out, "</svg></figure>\n");
}
