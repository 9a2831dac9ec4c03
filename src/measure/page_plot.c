// SPDX-License-Identifier: Apache-2.0
//
// Drawings as inline SVG: axes with round ticks, lines, dots, bars. Colours are the page's style
// (classes k0 … k7), so that dark, light and paper each have their own.
#include <math.h>
#include <string.h>

#include "measure/page_own.h"

enum {
    WIDTH = 440,
    HEIGHT = 290,
    LEFT = 64,
    TOP = 30,
    RIGHT = 20,
    BOTTOM = 44,
    COLOURS = 8,
    MOST_POINTS = 1500,
    TICKS = 5
};

void hd_plot_empty(hd_plot *plot, hd_str *out) {
    *plot = (hd_plot){
        .out = out, .low_x = INFINITY, .high_x = -INFINITY, .low_y = INFINITY, .high_y = -INFINITY};
}

static void see(const json_t *list, double *low, double *high) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value) || fabs(json_number_value(value)) > 1e100) continue;
        *low = fmin(*low, json_number_value(value));
        *high = fmax(*high, json_number_value(value));
    }
}
void hd_plot_see_x(hd_plot *plot, const json_t *list) {
    see(list, &plot->low_x, &plot->high_x);
}
void hd_plot_see_y(hd_plot *plot, const json_t *list) {
    see(list, &plot->low_y, &plot->high_y);
}
bool hd_plot_seen(const hd_plot *plot) {
    return plot->low_x <= plot->high_x && plot->low_y <= plot->high_y;
}

// ── Scales ──

static double scale(const hd_plot *p, double y) {
    return p->by_log ? log10(y) : y;
}
static double place_x(const hd_plot *p, double x) {
    return LEFT + (x - p->low_x) / (p->high_x - p->low_x) * (WIDTH - LEFT - RIGHT);
}
static double place_y(const hd_plot *p, double y) {
    double low = scale(p, p->low_y), high = scale(p, p->high_y);
    return HEIGHT - BOTTOM - (scale(p, y) - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
}

// 1, 2 or 5 times a power of ten, about `ticks` of them in the range.
static double round_step(double range, int ticks) {
    double raw = range / ticks, power = pow(10, floor(log10(raw))), lead = raw / power;
    return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power;
}

static void widen(double *low, double *high) {
    if (*high > *low) return;
    double by = *low == 0 ? 1 : fabs(*low) / 10;
    *low -= by;
    *high += by;
}

// ── Axes ──

// "0", "1500", "0.01", "2e-5": short enough to stand beside an axis.
static void tick_text(hd_str *out, double value) {
    char text[32];
    double size = fabs(value);
    if (size < 1e-300) value = 0;
    bool plain = value == 0 || (size >= 1e-3 && size < 1e5);
    hd_snprintf(text, sizeof text, plain ? "%.4g" : "%.1e", value);
    char *e = strchr(text, 'e');
    if (!e) {
        hd_str_add(out, text);
        return;
    }
    size_t lead = (size_t)(e - text);
    if (lead > 2 && memcmp(e - 2, ".0", 2) == 0) lead -= 2;
    hd_str_addn(out, text, lead);
    hd_str_add(out, e[1] == '-' ? "e-" : "e");
    const char *digits = e + 2 + strspn(e + 2, "0");
    hd_str_add(out, *digits ? digits : "0");
}

static void tick_x(const hd_plot *p, double x) {
    double at = place_x(p, x);
    hd_str_addf(p->out,
                "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text "
                "x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                at, at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 15);
    tick_text(p->out, x);
    hd_str_add(p->out, "</text>");
}

static void tick_y(const hd_plot *p, double y) {
    double at = place_y(p, y);
    hd_str_addf(p->out,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" "
                "y=\"%.1f\" text-anchor=\"end\">",
                LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4);
    tick_text(p->out, y);
    hd_str_add(p->out, "</text>");
}

static void ticks_by_log(const hd_plot *p) {
    static const double leads[] = {1, 2, 5};
    bool few = log10(p->high_y / p->low_y) < 1.7; // else powers of ten alone
    double from = floor(log10(p->low_y)), to = ceil(log10(p->high_y));
    double stride = fmax(1, ceil((to - from) / 8));
    for (double power = from; power <= to; power += stride) {
        for (size_t i = 0; i < (few ? 3 : 1); i++) {
            double y = leads[i] * pow(10, power);
            if (y >= p->low_y * .999 && y <= p->high_y * 1.001) tick_y(p, y);
        }
    }
}

static void ticks(const hd_plot *p) {
    double step = round_step(p->high_x - p->low_x, TICKS);
    for (double x = ceil(p->low_x / step - 1e-9) * step; x <= p->high_x + step * 1e-6; x += step) {
        tick_x(p, fabs(x) < step / 2 ? 0 : x);
    }
    if (p->by_log) {
        ticks_by_log(p);
        return;
    }
    step = round_step(p->high_y - p->low_y, TICKS);
    for (double y = ceil(p->low_y / step - 1e-9) * step; y <= p->high_y + step * 1e-6; y += step) {
        tick_y(p, fabs(y) < step / 2 ? 0 : y);
    }
}

void hd_plot_begin(hd_plot *p, hd_text title, hd_text x, hd_text y) {
    p->by_log = p->by_log && p->low_y > 0;
    widen(&p->low_x, &p->high_x);
    widen(&p->low_y, &p->high_y);
    p->by_log = p->by_log && p->low_y > 0;
    hd_str_addf(p->out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, HEIGHT);
    hd_str_addf(p->out, "<text class=\"title\" x=\"%d\" y=\"18\">", LEFT);
    hd_page_tspans(p->out, title);
    hd_str_add(p->out, "</text>");
    ticks(p);
    hd_str_addf(p->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8);
    hd_page_tspans(p->out, x);
    int middle = (TOP + HEIGHT - BOTTOM) / 2;
    hd_str_addf(p->out,
                "</text><text x=\"12\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 12 "
                "%d)\">",
                middle, middle);
    hd_page_tspans(p->out, y);
    hd_str_addf(p->out,
                "</text><rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
                LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
}

void hd_plot_end(hd_plot *p) {
    hd_str_add(p->out, "</svg></figure>\n");
}

// ── Marks ──

static bool point_at(const hd_plot *p, const json_t *xs, const json_t *ys, size_t i, double *x,
                     double *y) {
    const json_t *at = json_array_get(ys, i), *along = json_array_get(xs, i);
    if (!json_is_number(at) || (xs && !json_is_number(along))) return false;
    *x = xs ? json_number_value(along) : (double)i;
    *y = json_number_value(at);
    return *x >= p->low_x && *x <= p->high_x && *y >= p->low_y && *y <= p->high_y;
}

void hd_plot_line(hd_plot *p, const json_t *xs, const json_t *ys, int colour, bool dashed) {
    size_t n = json_array_size(ys), measured = 0, seen = 0;
    for (size_t i = 0; i < n; i++) measured += json_is_number(json_array_get(ys, i));
    size_t step = measured / MOST_POINTS + 1;
    bool open = false, alone = measured == 1;
    double x = 0, y = 0;
    if (n == 0) return;
    hd_str_addf(p->out, "<path class=\"line k%d%s\" d=\"", colour % COLOURS, dashed ? " dash" : "");
    for (size_t i = 0; i < n; i++) {
        if (!json_is_number(json_array_get(ys, i))) continue; // not measured: the line goes on
        if (seen++ % step != 0 && seen < measured) continue;  // the last one always
        if (!point_at(p, xs, ys, i, &x, &y)) continue;
        hd_str_addf(p->out, "%c%.1f %.1f", open ? 'L' : 'M', place_x(p, x), place_y(p, y));
        open = true;
    }
    hd_str_add(p->out, "\"/>\n");
    if (alone && open) {
        hd_str_addf(p->out, "<circle class=\"dot k%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                    colour % COLOURS, place_x(p, x), place_y(p, y));
    }
    p->n_lines++;
}

void hd_plot_dots(hd_plot *p, const json_t *pairs, int colour) {
    for (size_t i = 0; i < json_array_size(pairs) && i < MOST_POINTS; i++) {
        const json_t *pair = json_array_get(pairs, i);
        const json_t *x = json_array_get(pair, 0), *y = json_array_get(pair, 1);
        if (!json_is_number(x) || !json_is_number(y)) continue;
        hd_str_addf(p->out, "<circle class=\"dot k%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>",
                    colour % COLOURS, place_x(p, json_number_value(x)),
                    place_y(p, json_number_value(y)));
    }
    hd_str_add(p->out, "\n");
}

void hd_plot_diagonal(hd_plot *p, double from, double to) {
    hd_str_addf(p->out, "<line class=\"ideal\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                place_x(p, from), place_y(p, from), place_x(p, to), place_y(p, to));
}

void hd_plot_bar(hd_plot *p, double from, double to, double height, int colour) {
    double left = place_x(p, from), top = place_y(p, height);
    hd_str_addf(p->out,
                "<rect class=\"bar k%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                colour % COLOURS, left + .5, top, fmax(place_x(p, to) - left - 1, .5),
                fmax(place_y(p, p->low_y) - top, 0));
}

// ── Legends ──

void hd_legend_begin(hd_str *out) {
    hd_str_add(out, "<p class=\"legend\">");
}

static void swatch(hd_str *out, int colour, bool dashed) {
    hd_str_addf(out,
                "<span><svg class=\"swatch\" viewBox=\"0 0 22 8\"><line class=\"line k%d%s\" "
                "x1=\"0\" x2=\"22\" y1=\"4\" y2=\"4\"/></svg>",
                colour % COLOURS, dashed ? " dash" : "");
}

void hd_legend_words(hd_str *out, int colour, bool dashed, hd_text words) {
    swatch(out, colour, dashed);
    hd_page_words(out, words);
    hd_str_add(out, "</span> ");
}

void hd_legend_text(hd_str *out, int colour, bool dashed, const char *text, double value) {
    enum { COLUMNS = 28 };
    swatch(out, colour, dashed);
    hd_page_cut(out, text, COLUMNS);
    if (isfinite(value)) {
        hd_str_addc(out, ' ');
        hd_page_share(out, value);
    }
    hd_str_add(out, "</span> ");
}

void hd_legend_end(hd_str *out) {
    hd_str_add(out, "</p>\n");
}
