// SPDX-License-Identifier: Apache-2.0
//
// What profiles of one catalogue share: the quantile of each item's price among the prices in its
// currency, and the currency that most of them are in.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/fact.h"

static int by_currency_and_price(const void *a, const void *b) {
    const hd_price *x = a;
    const hd_price *y = b;
    int order = strcmp(x->currency, y->currency);
    if (order != 0) return order;
    return x->price < y->price ? -1 : x->price > y->price;
}

static void choose_currency(hd_profiler *p) {
    size_t longest = 0;
    for (size_t i = 0, run = 0; i < p->n_prices; i++) {
        run = i > 0 && strcmp(p->prices[i].currency, p->prices[i - 1].currency) == 0 ? run + 1 : 1;
        if (run <= longest) continue;
        longest = run;
        memcpy(p->currency, p->prices[i].currency, sizeof p->currency);
    }
}

heed_err hd_profiler_new(const hd_profile_input *input, hd_profiler **out) {
    hd_profiler *p = hd_calloc(1, sizeof *p);
    if (!p) return HD_FAIL_MEMORY(sizeof *p);
    p->input = *input;
    const hd_items *items = input->items;
    p->prices = hd_calloc(items->n, sizeof *p->prices);
    p->quantile = hd_calloc(items->n, sizeof *p->quantile);
    if (!p->prices || !p->quantile) {
        hd_profiler_free(p);
        return HD_FAIL_MEMORY(items->n * (sizeof(hd_price) + sizeof(double)));
    }
    for (size_t i = 0; i < items->n; i++) {
        const hd_item *item = &items->items[i];
        if (!isfinite(item->price)) continue;
        hd_price *price = &p->prices[p->n_prices++];
        memcpy(price->currency, item->currency, sizeof price->currency);
        price->price = item->price;
    }
    if (p->n_prices > 0) qsort(p->prices, p->n_prices, sizeof *p->prices, by_currency_and_price);
    choose_currency(p);
    for (size_t i = 0; i < items->n; i++) {
        const hd_item *item = &items->items[i];
        bool priced = isfinite(item->price);
        p->quantile[i] =
            priced ? hd_profiler_quantile(p, item->currency, item->price) : (double)NAN;
    }
    *out = p;
    return HEED_OK;
}

void hd_profiler_free(hd_profiler *profiler) {
    if (!profiler) return;
    hd_free(profiler->prices);
    hd_free(profiler->quantile);
    hd_free(profiler);
}

// How many prices stand before this one; those equal to it too when `after`.
static size_t bound(const hd_profiler *p, const hd_price *price, bool after) {
    size_t low = 0, high = p->n_prices;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = by_currency_and_price(&p->prices[middle], price);
        if (order < 0 || (after && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

double hd_profiler_quantile(const hd_profiler *profiler, const char *currency, double price) {
    hd_price at = {.price = price}, least = {.price = -INFINITY}, most = {.price = INFINITY};
    hd_price *all[] = {&at, &least, &most};
    for (size_t i = 0; i < 3; i++) memcpy(all[i]->currency, currency, sizeof at.currency);
    size_t begin = bound(profiler, &least, false), end = bound(profiler, &most, true);
    if (begin == end) return NAN;
    size_t below = bound(profiler, &at, false), upto = bound(profiler, &at, true);
    return ((double)(below - begin) + (double)(upto - below) / 2) / (double)(end - begin);
}
