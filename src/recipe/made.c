// SPDX-License-Identifier: Apache-2.0
//
// Generators. Each row draws from a stream of its own, so that a longer set begins with the same
// rows. Values are written as a file would have them.
#include "recipe/made.h"

#include <math.h>

static heed_err add_columns(hd_rows *rows, const char *const *names) {
    for (; *names; names++) HD_TRY(hd_rows_add_column(rows, *names, HD_ROWS_TEXT, NULL));
    return HEED_OK;
}

static heed_err set_text(hd_rows *rows, size_t row, size_t column, const char *text) {
    char *copy = hd_arena_strdup(&rows->arena, text);
    if (!copy) return HD_FAIL_MEMORY(0);
    rows->columns[column].cells[row] = hd_slice_of(copy);
    return HEED_OK;
}

static heed_err set_number(hd_rows *rows, size_t row, size_t column, double value, int digits) {
    char text[32];
    hd_snprintf(text, sizeof text, "%.*f", digits, value);
    return set_text(rows, row, column, text);
}

// ── Flowers: three kinds that four lengths tell apart, two of them not quite ──
// Means and deviations of Fisher's irises ("The use of multiple measurements in taxonomic
// problems", 1936), drawn with a common size behind the four lengths of a flower. Unlike his, every
// other virginica is of a dwarf form, smaller than versicolor: so versicolor stands between two
// forms of one kind, and no plane parts the kinds.

static heed_err flowers_columns(hd_rows *rows) {
    static const char *const names[] = {"sepal_length", "sepal_width", "petal_length",
                                        "petal_width",  "species",     NULL};
    return add_columns(rows, names);
}

static heed_err flowers_fill(hd_rows *rows, size_t row, double noise, hd_rng *rng) {
    static const char *const species[] = {"setosa", "versicolor", "virginica"};
    static const double mean[4][4] = {{5.006, 3.428, 1.462, .246},
                                      {5.936, 2.770, 4.260, 1.326},
                                      {6.588, 2.974, 5.552, 2.026},
                                      {5.200, 2.500, 2.800, .700}}; // the dwarf form
    static const double deviation[4][4] = {{.352, .379, .174, .105},
                                           {.516, .314, .470, .198},
                                           {.636, .322, .552, .275},
                                           {.400, .300, .350, .150}};
    size_t kind = row % 3, form = kind == 2 && row / 3 % 2 ? 3 : kind;
    double size = hd_rng_normal(rng);
    for (size_t c = 0; c < 4; c++) {
        double draw = .7 * size + sqrt(1 - .49) * hd_rng_normal(rng);
        double value = mean[form][c] + deviation[form][c] * draw * (1 + noise);
        HD_TRY(set_number(rows, row, c, fmax(value, .1), 1));
    }
    return set_text(rows, row, 4, species[kind]);
}

static const hd_made_kind flowers = {
    .name = "flowers",
    .doc = HD_TEXT("four lengths of flowers of three kinds", "三种花的四个长度"),
    .rows = 150,
    .columns = flowers_columns,
    .fill = flowers_fill,
};

// ── Groups: ten numbers, ten classes around centres of their own ──

static heed_err groups_columns(hd_rows *rows) {
    static const char *const names[] = {"x0", "x1", "x2", "x3", "x4",    "x5",
                                        "x6", "x7", "x8", "x9", "group", NULL};
    return add_columns(rows, names);
}

static heed_err groups_fill(hd_rows *rows, size_t row, double noise, hd_rng *rng) {
    char name[8];
    size_t group = row % 10, side = (size_t)hd_rng_below(rng, 2);
    for (size_t c = 0; c < 10; c++) {
        // Two centres to a group, fixed by their number: no plane parts the groups.
        hd_rng centre = hd_rng_make(2017, group * 2 + side);
        centre.index = 64 * c;
        double at = 1.6 * hd_rng_normal(&centre);
        HD_TRY(set_number(rows, row, c, at + (1 + noise) * hd_rng_normal(rng), 3));
    }
    hd_snprintf(name, sizeof name, "g%zu", group);
    return set_text(rows, row, 10, name);
}

static const hd_made_kind groups = {
    .name = "groups",
    .doc = HD_TEXT("ten numbers; ten groups of two centres each", "十个数值；十个组，每组两个中心"),
    .rows = 2000,
    .columns = groups_columns,
    .fill = groups_fill,
};

// ── Purchases: minutes on the site and pages seen, and whether something was bought ──

static heed_err purchases_columns(hd_rows *rows) {
    static const char *const names[] = {"minutes", "pages", "bought", NULL};
    return add_columns(rows, names);
}

static heed_err purchases_fill(hd_rows *rows, size_t row, double noise, hd_rng *rng) {
    double minutes = 2 + 9 * hd_rng_exponential(rng);
    double pages = 1 + floor(minutes * (.3 + hd_rng_uniform(rng)));
    // Who looks long buys; so does who knows what to get and is done after a few minutes and pages.
    // Who only clicks through fast doesn't.
    double pace = pages / minutes, brief = exp(-pow(minutes / 4, 4) - pow(pages / 3, 4));
    double wish = .35 * (minutes - 9) + 6 * brief - 1.2 * (pace > 1);
    double p = 1 / (1 + exp(-2.5 * wish / (1 + noise)));
    HD_TRY(set_number(rows, row, 0, minutes, 1));
    HD_TRY(set_number(rows, row, 1, pages, 0));
    return set_text(rows, row, 2, hd_rng_uniform(rng) < p ? "1" : "0");
}

static const hd_made_kind purchases = {
    .name = "purchases",
    .doc = HD_TEXT("minutes on a site and pages seen; bought or not",
                   "停留分钟数与浏览页数；是否购买"),
    .rows = 2000,
    .columns = purchases_columns,
    .fill = purchases_fill,
};

// ── Infections: twenty days with or without a contact, and whether it came to an infection ──

enum { DAYS = 20 };

static heed_err infections_columns(hd_rows *rows) {
    for (int day = 1; day <= DAYS; day++) {
        char name[16];
        hd_snprintf(name, sizeof name, "day_%d", day);
        HD_TRY(hd_rows_add_column(rows, name, HD_ROWS_TEXT, NULL));
    }
    return hd_rows_add_column(rows, "infected", HD_ROWS_TEXT, NULL);
}

// Infected by contacts on two of three days in a row, when nobody had become immune by one such
// run in the first week: what counts is the order, not the number of contacts.
static heed_err infections_fill(hd_rows *rows, size_t row, double noise, hd_rng *rng) {
    int contact[DAYS];
    bool immune = false, infected = false;
    double share = .12 + .3 * hd_rng_uniform(rng);
    for (size_t d = 0; d < DAYS; d++) {
        contact[d] = hd_rng_uniform(rng) < share;
        bool run = d >= 2 && contact[d] + contact[d - 1] + contact[d - 2] >= 2;
        if (run && d < 7) immune = true;
        if (run && d >= 7 && !immune) infected = true;
        HD_TRY(set_text(rows, row, d, contact[d] ? "1" : "0"));
    }
    if (hd_rng_uniform(rng) < noise) infected = !infected;
    return set_text(rows, row, DAYS, infected ? "1" : "0");
}

static const hd_made_kind infections = {
    .name = "infections",
    .doc = HD_TEXT("twenty days with or without contact; infected or not",
                   "二十天的接触记录；是否感染"),
    .rows = 3000,
    .columns = infections_columns,
    .fill = infections_fill,
};

// ── The list ──

const hd_made_kind *const hd_made_kinds[] = {&flowers, &groups, &infections, &purchases, NULL};

const hd_made_kind *hd_made_find(const char *name) {
    for (size_t i = 0; hd_made_kinds[i]; i++) {
        if (strcmp(hd_made_kinds[i]->name, name) == 0) return hd_made_kinds[i];
    }
    return NULL;
}

heed_err hd_made_rows(const hd_made_kind *kind, size_t n, double noise, uint64_t seed,
                      hd_rows *out) {
    if (n == 0) n = kind->rows;
    HD_TRY(kind->columns(out));
    HD_TRY(hd_rows_add(out, n));
    for (size_t i = 0; i < n; i++) {
        hd_rng rng = hd_rng_make(seed, i);
        out->place[i] = hd_rows_at(0, i + 1);
        HD_TRY(kind->fill(out, i, noise, &rng));
    }
    return HEED_OK;
}
