// SPDX-License-Identifier: Apache-2.0
//
// Money: what was bought less what was returned, and how dear it is.
//
// An event's value is the amount of one unit, so an amount is value × quantity (one when no
// quantity is given). Returns are subtracted whatever their sign; a purchase of a negative amount
// is a return (invoices write cancellations so). Sums never mix currencies: there is one for each.
//
// The price band compares the prices of what the user dealt with against the catalogue's in the
// same currency: the mean of their quantiles, weighted by the signals, below one third is "low",
// above two thirds "high". Returns and other events that say nothing of a liking don't count.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "profile/fact.h"

// ── Monetary value ──

// The sum for a currency, new when it is the first; NULL: out of memory. Room for all of the list
// is there from the start.
static hd_money *sum_for(hd_monetary *m, const char *currency) {
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->sums[i].currency, currency) == 0) return &m->sums[i];
    }
    hd_money *sum = &m->sums[m->n++];
    *sum = (hd_money){0};
    memcpy(sum->currency, currency, sizeof sum->currency);
    return sum;
}

static size_t count_currencies(const hd_fact_input *in) {
    size_t n = 0; // at most: each change from one event to the next
    const char *before = NULL;
    for (size_t i = 0; i < in->n_acts; i++) {
        hd_role role = in->acts[i].role;
        if (role != HD_ROLE_PURCHASE && role != HD_ROLE_RETURN) continue;
        const char *currency = in->acts[i].event->currency;
        n += !before || strcmp(before, currency) != 0;
        before = currency;
    }
    return n;
}

static int by_currency(const void *a, const void *b) {
    const hd_money *x = a;
    const hd_money *y = b;
    return strcmp(x->currency, y->currency);
}

static void add_amount(hd_money *sum, const hd_act *act, double amount, hd_time *last_order) {
    const hd_door_event *event = act->event;
    hd_evidence_add(&sum->evidence, event->key, fabs(amount));
    if (act->role == HD_ROLE_RETURN || amount < 0.0) {
        sum->returned += fabs(amount);
        sum->returns++;
        return;
    }
    sum->bought += amount;
    sum->purchases++;
    sum->orders += event->time == HD_TIME_NONE || event->time != *last_order;
    *last_order = event->time;
}

// The sum in the catalogue's currency, or, when the catalogue has none, of most purchases.
static const hd_money *main_sum(const hd_monetary *m, const char *currency) {
    const hd_money *most = NULL;
    for (size_t i = 0; i < m->n; i++) {
        if (currency[0] != '\0' && strcmp(m->sums[i].currency, currency) == 0) return &m->sums[i];
        if (!most || m->sums[i].purchases > most->purchases) most = &m->sums[i];
    }
    return currency[0] == '\0' ? most : NULL;
}

static heed_err monetary_compute(const hd_fact_input *in, hd_profile *out) {
    hd_monetary *m = &out->monetary;
    *m = (hd_monetary){0};
    size_t most = count_currencies(in);
    m->sums = hd_arena_calloc(&out->arena, most, sizeof *m->sums);
    hd_time *last = hd_arena_calloc(&out->arena, most, sizeof *last); // of each sum's orders
    if (!m->sums || !last) return HD_FAIL_MEMORY(most * sizeof *m->sums);
    for (size_t i = 0; i < most; i++) last[i] = HD_TIME_NONE;
    for (size_t i = 0; i < in->n_acts; i++) {
        const hd_act *act = &in->acts[i];
        if (act->role != HD_ROLE_PURCHASE && act->role != HD_ROLE_RETURN) continue;
        double quantity = isfinite(act->event->quantity) ? act->event->quantity : 1.0;
        double amount = act->event->value * quantity;
        if (isfinite(amount)) {
            hd_money *sum = sum_for(m, act->event->currency);
            add_amount(sum, act, amount, &last[sum - m->sums]);
        } else {
            m->without_amount++;
        }
    }
    if (m->n > 0) qsort(m->sums, m->n, sizeof *m->sums, by_currency);
    m->main = main_sum(m, in->profiler->currency);
    return HEED_OK;
}

static bool monetary_known(const hd_profile *p) {
    return p->monetary.n > 0 || p->monetary.without_amount > 0;
}

static heed_err money_json(const hd_money *sum, json_t *object) {
    HD_TRY(hd_json_set(object, "currency",
                       sum->currency[0] == '\0' ? json_null() : json_string(sum->currency)));
    HD_TRY(hd_json_set(object, "net", hd_json_real(sum->bought - sum->returned)));
    HD_TRY(hd_json_set(object, "bought", hd_json_real(sum->bought)));
    HD_TRY(hd_json_set(object, "returned", hd_json_real(sum->returned)));
    HD_TRY(hd_json_set(object, "purchases", json_integer((json_int_t)sum->purchases)));
    HD_TRY(hd_json_set(object, "orders", json_integer((json_int_t)sum->orders)));
    HD_TRY(hd_json_set(object, "returns", json_integer((json_int_t)sum->returns)));
    return hd_evidence_set(object, "evidence", &sum->evidence);
}

static heed_err monetary_json(const hd_profile *profile, json_t *object) {
    const hd_monetary *m = &profile->monetary;
    json_t *sums = json_array();
    HD_TRY(hd_json_set(object, "by_currency", sums));
    for (size_t i = 0; i < m->n; i++) {
        json_t *sum = json_object();
        HD_TRY(hd_json_append(sums, sum));
        HD_TRY(money_json(&m->sums[i], sum));
    }
    return hd_json_set(object, "without_amount", json_integer((json_int_t)m->without_amount));
}

// Nothing bought is 0; bought in another currency alone isn't known.
static double spend(const hd_profile *p) {
    const hd_money *sum = p->monetary.main;
    if (sum) return sum->bought - sum->returned;
    return monetary_known(p) ? (double)NAN : 0.0;
}

static double order_value(const hd_profile *p) {
    const hd_money *sum = p->monetary.main;
    return sum && sum->orders > 0 ? sum->bought / (double)sum->orders : (double)NAN;
}

static double return_share(const hd_profile *p) {
    const hd_money *sum = p->monetary.main;
    return sum && sum->bought > 0.0 ? fmin(sum->returned / sum->bought, 1.0) : (double)NAN;
}

static const hd_dimension monetary_dimensions[] = {
    {.name = "spend",
     .more = HD_TEXT("high spend", "消费高"),
     .less = HD_TEXT("low spend", "消费低"),
     .skewed = true,
     .get = spend},
    {.name = "order_value",
     .more = HD_TEXT("large orders", "客单价高"),
     .less = HD_TEXT("small orders", "客单价低"),
     .skewed = true,
     .get = order_value},
    {.name = "return_share",
     .more = HD_TEXT("many returns", "退货多"),
     .less = HD_TEXT("few returns", "退货少"),
     .get = return_share},
};
const hd_fact hd_fact_monetary = {"monetary",    monetary_compute,    monetary_known,
                                  monetary_json, monetary_dimensions, 3};

// ── Price band ──

typedef struct priced {
    double price, weight;
} priced;

static int by_price(const void *a, const void *b) {
    const priced *x = a;
    const priced *y = b;
    return x->price < y->price ? -1 : x->price > y->price;
}

static bool counts(const hd_act *act) {
    return act->item && act->decayed > 0.0 && isfinite(act->item->price);
}

// The currency in which most of the weight is, "" too; *out NULL: no priced item.
static heed_err band_currency(const hd_fact_input *in, hd_arena *arena, const char **out) {
    typedef struct share {
        const char *currency;
        double weight;
    } share;
    size_t n = 0, best = 0;
    share *list = hd_arena_calloc(arena, in->n_acts, sizeof *list);
    if (!list) return HD_FAIL_MEMORY(in->n_acts * sizeof *list);
    for (size_t i = 0; i < in->n_acts; i++) {
        if (!counts(&in->acts[i])) continue;
        const char *currency = in->acts[i].item->currency;
        size_t c = 0;
        while (c < n && strcmp(list[c].currency, currency) != 0) c++;
        if (c == n) list[n++] = (share){currency, 0.0};
        list[c].weight += in->acts[i].decayed;
    }
    for (size_t c = 1; c < n; c++) best = list[c].weight > list[best].weight ? c : best;
    *out = n > 0 ? list[best].currency : NULL;
    return HEED_OK;
}

static double quantile(const priced *list, size_t n, double total, double q) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += list[i].weight;
        if (sum >= q * total) return list[i].price;
    }
    return list[n - 1].price;
}

static heed_err price_band_compute(const hd_fact_input *in, hd_profile *out) {
    hd_price_band *b = &out->price_band;
    *b = (hd_price_band){.level = NAN};
    const char *currency = NULL;
    HD_TRY(band_currency(in, &out->arena, &currency));
    if (!currency) return HEED_OK;
    memcpy(b->currency, currency, sizeof b->currency);
    priced *list = hd_arena_calloc(&out->arena, in->n_acts, sizeof *list);
    if (!list) return HD_FAIL_MEMORY(in->n_acts * sizeof *list);
    double total = 0.0, level = 0.0;
    for (size_t i = 0; i < in->n_acts; i++) {
        const hd_act *act = &in->acts[i];
        if (!counts(act) || strcmp(act->item->currency, currency) != 0) continue;
        list[b->n++] = (priced){act->item->price, act->decayed};
        total += act->decayed;
        level +=
            act->decayed * in->profiler->quantile[act->item - in->profiler->input.items->items];
        hd_evidence_add(&b->evidence, act->event->key, act->decayed);
    }
    qsort(list, b->n, sizeof *list, by_price);
    b->level = level / total;
    b->low = quantile(list, b->n, total, 0.25);
    b->median = quantile(list, b->n, total, 0.5);
    b->high = quantile(list, b->n, total, 0.75);
    return HEED_OK;
}

static bool price_band_known(const hd_profile *p) {
    return p->price_band.n > 0;
}

static heed_err price_band_json(const hd_profile *profile, json_t *object) {
    const hd_price_band *b = &profile->price_band;
    const char *band = b->level < 1.0 / 3 ? "low" : b->level > 2.0 / 3 ? "high" : "mid";
    HD_TRY(hd_json_set(object, "band", json_string(band)));
    HD_TRY(hd_json_set(object, "level", hd_json_real(b->level)));
    HD_TRY(hd_json_set(object, "currency",
                       b->currency[0] == '\0' ? json_null() : json_string(b->currency)));
    HD_TRY(hd_json_set(object, "low", hd_json_real(b->low)));
    HD_TRY(hd_json_set(object, "median", hd_json_real(b->median)));
    HD_TRY(hd_json_set(object, "high", hd_json_real(b->high)));
    HD_TRY(hd_json_set(object, "events", json_integer((json_int_t)b->n)));
    return hd_evidence_set(object, "evidence", &b->evidence);
}

static double price_level(const hd_profile *p) {
    return p->price_band.level;
}

static const hd_dimension price_band_dimensions[] = {
    {.name = "price_level",
     .more = HD_TEXT("prefers expensive items", "偏好高价商品"),
     .less = HD_TEXT("prefers cheap items", "偏好低价商品"),
     .get = price_level},
};
const hd_fact hd_fact_price_band = {"price_band",    price_band_compute,    price_band_known,
                                    price_band_json, price_band_dimensions, 1};
