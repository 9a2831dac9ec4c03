// SPDX-License-Identifier: Apache-2.0
//
// The made-up shop, simulated day by day.
//
// A user has a taste (a share per category) that drifts to another one; a session is a walk over
// items: to what goes with the last one, to its like, to something of the user's taste in this
// season, or to what everybody looks at. A view may end in the cart, the cart in a purchase, and a
// purchase, days later, in a review, a return, or a ticket. So there are transitions for markov,
// neighbours for item_knn, groups for the segments, and some dirt for the cleaning: a robot,
// repeated lines, anonymous visits.
//
// Each (user, day) draws from a stream of its own: the shop is the same however it is computed. A
// day's events are sorted by time and written, so memory doesn't grow with the number of days.
#include "workspace/demo.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "workspace/demo_files.h"
#include "workspace/demo_words.h"

enum { MAX_CATEGORIES = 32, LINKS = 3, MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

// Streams of random numbers; those of (user, day) follow from STREAM_DAYS on.
enum { STREAM_ITEMS = 1, STREAM_USERS, STREAM_ROBOT, STREAM_LATER, STREAM_DAYS };

typedef enum event_type { VIEW, CART, PURCHASE, RETURN } event_type;
static const char *const event_names[] = {"view", "cart", "purchase", "return"};

typedef struct shop_item {
    uint32_t category, noun, brand, style;
    uint32_t link[LINKS]; // what goes with it
    double price;
    double appeal;  // how often it is looked at, against its category
    double quality; // 0 .. 1: what reviews say
    long launch;    // day
} shop_item;

typedef struct shop_user {
    double taste[2][MAX_CATEGORIES]; // before and after the drift, cumulative shares
    double rate;                     // sessions a day
    double drift_day;
    int hour; // of most visits
    long signup;
    uint32_t family, given, city, age;
    uint32_t bought; // a replenishable item + 1, 0: none
    long due;        // when it runs out
} shop_user;

typedef struct shop_event {
    hd_time time;
    uint32_t user; // n_users: anonymous
    uint32_t item;
    event_type type;
    uint32_t session;
    uint32_t quantity;
} shop_event;

typedef enum later_what { LATER_REVIEW, LATER_RETURN, LATER_TICKET } later_what;
typedef struct later { // what follows a purchase
    long day;
    uint32_t user, item;
    later_what what;
} later;

typedef struct shop {
    hd_demo_params p;
    shop_item *items;
    shop_user *users;
    uint32_t *by_category[MAX_CATEGORIES]; // items of each, with cumulative appeal beside
    double *appeal[MAX_CATEGORIES];
    size_t in_category[MAX_CATEGORIES];
    shop_event *today;
    size_t n_today, cap_today;
    later *pending;
    size_t n_pending, cap_pending;
    uint32_t session;
    uint64_t event_id;
    hd_zone *zone;
    hd_demo_out users_csv, items_csv, events_gz, reviews_csv, tickets_jsonl, faq_csv;
    hd_demo_counts counts;
} shop;

static const char *word(const shop *s, const hd_text *list, uint32_t i) {
    return hd_text_get(list[i], s->p.lang);
}

static bool chance(hd_rng *rng, double p) {
    return hd_rng_uniform(rng) < p;
}

// The first index whose cumulative share exceeds a draw.
static size_t draw(hd_rng *rng, const double *cumulative, size_t n) {
    double u = hd_rng_uniform(rng) * cumulative[n - 1];
    size_t low = 0;
    size_t high = n - 1;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cumulative[mid] > u)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void make_item(shop *s, size_t i, hd_rng *rng) {
    shop_item *item = &s->items[i];
    item->category = (uint32_t)(i % hd_demo_n_categories);
    item->noun = (uint32_t)hd_rng_below(rng, HD_DEMO_NOUNS);
    item->brand = (uint32_t)hd_rng_below(rng, hd_demo_count(hd_demo_brands));
    item->style = (uint32_t)hd_rng_below(rng, hd_demo_count(hd_demo_styles));
    item->price = hd_demo_categories[item->category].price * exp(.45 * hd_rng_normal(rng));
    item->appeal = exp(1.1 * hd_rng_normal(rng));
    item->quality = .35 + .65 * hd_rng_uniform(rng);
    // One in five is launched on the way; the rest stood there from the start.
    item->launch = chance(rng, .2) ? (long)hd_rng_below(rng, s->p.days) : 0;
}

// An item of a category, the same brand preferred: brands live off those who come back.
static uint32_t partner(const shop *s, size_t category, uint32_t brand, hd_rng *rng) {
    uint32_t best = s->by_category[category][hd_rng_below(rng, s->in_category[category])];
    for (int tries = 0; tries < 4 && s->items[best].brand != brand; tries++) {
        best = s->by_category[category][hd_rng_below(rng, s->in_category[category])];
    }
    return best;
}

static void link_items(shop *s, hd_rng *rng) {
    for (size_t i = 0; i < s->p.items; i++) {
        shop_item *item = &s->items[i];
        const hd_demo_category *category = &hd_demo_categories[item->category];
        for (int l = 0; l < LINKS; l++) {
            size_t to = l < HD_DEMO_GOES_WITH ? (size_t)category->goes_with[l] : item->category;
            item->link[l] = partner(s, to, item->brand, rng);
        }
    }
}

static heed_err make_items(shop *s) {
    hd_rng rng = hd_rng_make(s->p.seed, STREAM_ITEMS);
    for (size_t i = 0; i < s->p.items; i++) make_item(s, i, &rng);
    size_t room = s->p.items / hd_demo_n_categories + 1;
    for (size_t c = 0; c < hd_demo_n_categories; c++) {
        s->by_category[c] = hd_calloc(room, sizeof **s->by_category);
        s->appeal[c] = hd_calloc(room, sizeof **s->appeal);
        if (!s->by_category[c] || !s->appeal[c]) return HD_FAIL_MEMORY(room * sizeof(double));
    }
    for (size_t i = 0; i < s->p.items; i++) {
        size_t c = s->items[i].category;
        size_t at = s->in_category[c]++;
        s->by_category[c][at] = (uint32_t)i;
        s->appeal[c][at] = s->items[i].appeal + (at ? s->appeal[c][at - 1] : 0);
    }
    link_items(s, &rng);
    return HEED_OK;
}

// A taste: most of the weight on three or four categories (exponentials to the third power,
// normalised by the draw).
static void make_taste(double *cumulative, hd_rng *rng) {
    double sum = 0;
    for (size_t c = 0; c < hd_demo_n_categories; c++) {
        double share = hd_rng_exponential(rng);
        sum += share * share * share;
        cumulative[c] = sum;
    }
}

static void make_user(shop *s, size_t u, hd_rng *rng) {
    shop_user *user = &s->users[u];
    make_taste(user->taste[0], rng);
    make_taste(user->taste[1], rng);
    user->rate = .01 + .03 * exp(.9 * hd_rng_normal(rng));
    // Two in five change their mind in the middle of the time, the others after its end.
    double days = (double)s->p.days;
    user->drift_day = chance(rng, .4) ? days * (.3 + .5 * hd_rng_uniform(rng)) : days * 2;
    user->hour = chance(rng, .7) ? 20 : 12;
    user->signup = chance(rng, .6) ? 0 : (long)hd_rng_below(rng, s->p.days);
    user->family = (uint32_t)hd_rng_below(rng, hd_demo_count(hd_demo_family_names));
    user->given = (uint32_t)hd_rng_below(rng, hd_demo_count(hd_demo_given_names));
    user->city = (uint32_t)hd_rng_below(rng, hd_demo_count(hd_demo_cities));
    user->age = (uint32_t)hd_rng_below(rng, hd_demo_count(hd_demo_age_bands));
}

static heed_err add_event(shop *s, shop_event event) {
    HD_TRY(hd_grow(&s->today, &s->cap_today, s->n_today + 1, sizeof *s->today));
    s->today[s->n_today++] = event;
    return HEED_OK;
}

static heed_err add_later(shop *s, later l) {
    if (l.day >= (long)s->p.days) return HEED_OK;
    HD_TRY(hd_grow(&s->pending, &s->cap_pending, s->n_pending + 1, sizeof *s->pending));
    s->pending[s->n_pending++] = l;
    return HEED_OK;
}

static hd_time day_start(const shop *s, long day) {
    return s->p.end - ((long)s->p.days - day) * HD_DAY_MS;
}

// How much a category sells in the month of this day: 1 at the peak, 1 − season half a year away.
static double season(const shop *s, size_t category, hd_time t) {
    hd_civil civil;
    hd_time_civil(t, s->zone, &civil);
    double month = civil.month + civil.day / 30.0;
    double phase =
        cos((month - hd_demo_categories[category].season_month) / 12 * 2 * 3.14159265358979);
    return 1 - hd_demo_categories[category].season * (1 - phase) / 2;
}

static size_t pick_category(const shop *s, const shop_user *user, long day, hd_time t,
                            hd_rng *rng) {
    const double *taste = user->taste[(double)day > user->drift_day];
    size_t category = draw(rng, taste, hd_demo_n_categories);
    for (int tries = 0; tries < 8 && !chance(rng, season(s, category, t)); tries++) {
        category = draw(rng, taste, hd_demo_n_categories);
    }
    return category;
}

// The next item of a session. last: the item before, UINT32_MAX at the start.
static uint32_t pick_item(const shop *s, const shop_user *user, uint32_t last, long day, hd_time t,
                          hd_rng *rng) {
    uint32_t item = 0;
    for (int tries = 0; tries < 20; tries++) {
        double u = hd_rng_uniform(rng);
        if (last != UINT32_MAX && u < .45) {
            item = s->items[last].link[hd_rng_below(rng, LINKS)];
        } else {
            size_t c = last != UINT32_MAX && u < .65 ? s->items[last].category
                                                     : pick_category(s, user, day, t, rng);
            item = s->by_category[c][draw(rng, s->appeal[c], s->in_category[c])];
        }
        if (s->items[item].launch <= day && item != last) break;
    }
    return item;
}

static heed_err after_purchase(shop *s, uint32_t u, uint32_t item, long day, hd_rng *rng) {
    shop_user *user = &s->users[u];
    const shop_item *it = &s->items[item];
    if (hd_demo_categories[it->category].replenishable) {
        user->bought = item + 1;
        user->due = day + 24 + (long)hd_rng_below(rng, 12);
    }
    if (chance(rng, .25)) {
        HD_TRY(add_later(s, (later){day + 3 + (long)hd_rng_below(rng, 8), u, item, LATER_REVIEW}));
    }
    if (chance(rng, .12 * (1.2 - it->quality))) {
        HD_TRY(add_later(s, (later){day + 4 + (long)hd_rng_below(rng, 5), u, item, LATER_RETURN}));
    }
    if (chance(rng, .1 * (1.3 - it->quality))) {
        HD_TRY(add_later(s, (later){day + 1 + (long)hd_rng_below(rng, 6), u, item, LATER_TICKET}));
    }
    return HEED_OK;
}

// One look at an item, and what may come of it. *t moves on.
static heed_err look(shop *s, uint32_t u, bool anonymous, uint32_t item, bool wanted, long day,
                     hd_time *t, hd_rng *rng) {
    shop_event event = {*t, anonymous ? (uint32_t)s->p.users : u, item, VIEW, s->session, 1};
    HD_TRY(add_event(s, event));
    *t += (hd_time)((.2 + hd_rng_exponential(rng)) * MINUTE);
    if (anonymous || !(wanted || chance(rng, .05 + .2 * s->items[item].quality))) return HEED_OK;
    event.time = *t;
    event.type = CART;
    HD_TRY(add_event(s, event));
    *t += (hd_time)((.5 + 2 * hd_rng_exponential(rng)) * MINUTE);
    if (!(wanted || chance(rng, .5))) return HEED_OK;
    event.time = *t;
    event.type = PURCHASE;
    event.quantity = chance(rng, .12) ? 2 : 1;
    HD_TRY(add_event(s, event));
    return after_purchase(s, u, item, day, rng);
}

static heed_err visit(shop *s, uint32_t u, long day, hd_rng *rng) {
    shop_user *user = &s->users[u];
    double hour = user->hour + 1.5 * hd_rng_normal(rng);
    hour = hour < 7 ? 7 : hour > 23 ? 23 : hour;
    int32_t offset = hd_zone_offset(s->zone, day_start(s, day));
    hd_time t = day_start(s, day) + (hd_time)(hour * HOUR) - (hd_time)offset * 1000;
    bool anonymous = chance(rng, .03);
    s->session++;
    uint32_t last = UINT32_MAX;
    if (user->bought && day >= user->due) { // the coffee is empty
        last = user->bought - 1;
        user->bought = 0;
        HD_TRY(look(s, u, anonymous, last, true, day, &t, rng));
    }
    size_t looks = 1 + (size_t)(4 * hd_rng_exponential(rng));
    for (size_t i = 0; i < looks && i < 40; i++) {
        last = pick_item(s, user, last, day, t, rng);
        HD_TRY(look(s, u, anonymous, last, false, day, &t, rng));
    }
    return HEED_OK;
}

// One visitor isn't a person: three hours of one view every two seconds, item after item.
static heed_err robot(shop *s, long day) {
    hd_time t = day_start(s, day) + 3 * HOUR;
    s->session++;
    for (uint32_t i = 0; i < 3 * HOUR / 2000; i++) {
        shop_event event = {t + (hd_time)i * 2000,
                            (uint32_t)s->p.users - 1,
                            i % (uint32_t)s->p.items,
                            VIEW,
                            s->session,
                            1};
        HD_TRY(add_event(s, event));
    }
    return HEED_OK;
}

static int by_time(const void *a, const void *b) {
    const shop_event *x = a;
    const shop_event *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    if (x->user != y->user) return x->user < y->user ? -1 : 1;
    return x->type < y->type ? -1 : x->type > y->type;
}

static const char *currency(const shop *s) {
    return s->p.lang == HEED_ZH ? "CNY" : "GBP";
}

// Prices end in .9, as prices do.
static double price_of(const shop *s, uint32_t item) {
    double price = s->items[item].price / (s->p.lang == HEED_ZH ? 1 : 9);
    return price < 1 ? .9 : floor(price) + .9;
}

static void title_of(const shop *s, uint32_t item, hd_str *out) {
    const shop_item *it = &s->items[item];
    const char *brand = word(s, hd_demo_brands, it->brand);
    const char *style = word(s, hd_demo_styles, it->style);
    const char *noun = word(s, hd_demo_categories[it->category].nouns, it->noun);
    hd_str_addf(out, s->p.lang == HEED_ZH ? "%s%s%s" : "%s %s %s", brand, style, noun);
}

static heed_err write_event(shop *s, const shop_event *event) {
    char time[32];
    hd_time_format(event->time, s->zone, time);
    hd_str *row = &s->events_gz.row;
    hd_str_addf(row, "{\"event_id\":\"e%llu\"", (unsigned long long)++s->event_id);
    if (event->user < s->p.users) hd_str_addf(row, ",\"user_id\":\"u%u\"", event->user + 1);
    hd_str_addf(row, ",\"session_id\":\"s%u\",\"item_id\":\"i%u\",\"type\":\"%s\",\"time\":\"%s\"",
                event->session, event->item + 1, event_names[event->type], time);
    if (event->type == PURCHASE || event->type == RETURN) {
        long tenths = lround(price_of(s, event->item) * 10);
        hd_str_addf(row, ",\"value\":%ld.%ld,\"quantity\":%u,\"currency\":\"%s\"", tenths / 10,
                    tenths % 10, event->quantity, currency(s));
    }
    hd_str_add(row, "}\n");
    s->counts.events++;
    return hd_demo_out_flush(&s->events_gz, false);
}

static heed_err write_review(shop *s, const later *l, hd_rng *rng) {
    double taste = s->items[l->item].quality * 5.2 + .8 * hd_rng_normal(rng);
    int rating = taste < 1 ? 1 : taste > 5 ? 5 : (int)lround(taste);
    const hd_text *list = rating >= 4   ? hd_demo_praise
                          : rating == 3 ? hd_demo_mixed
                                        : hd_demo_complaint;
    uint32_t first = (uint32_t)hd_rng_below(rng, hd_demo_count(list));
    uint32_t second = (uint32_t)hd_rng_below(rng, hd_demo_count(list));
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, word(s, list, first));
    if (second != first)
        hd_str_addf(&text, s->p.lang == HEED_ZH ? "%s" : " %s", word(s, list, second));
    char time[32];
    hd_time_format(day_start(s, l->day) + (hd_time)hd_rng_below(rng, 12 * HOUR), s->zone, time);
    hd_str *row = &s->reviews_csv.row;
    hd_str_addf(row, "r%zu,u%u,i%u,%d,", ++s->counts.reviews, l->user + 1, l->item + 1, rating);
    hd_demo_csv(row, hd_str_get(&text), false);
    hd_demo_csv(row, time, true);
    heed_err err = hd_str_check(&text);
    hd_str_clear(&text);
    return err != HEED_OK ? err : hd_demo_out_flush(&s->reviews_csv, false);
}

static const hd_demo_topic *pick_topic(hd_rng *rng) {
    double cumulative[16];
    for (size_t i = 0; i < hd_demo_n_topics; i++)
        cumulative[i] = hd_demo_topics[i].weight + (i ? cumulative[i - 1] : 0);
    return &hd_demo_topics[draw(rng, cumulative, hd_demo_n_topics)];
}

// Puts the item's title where the text has its %s.
static void fill_in(const char *text, const char *title, hd_str *out) {
    const char *place = strstr(text, "%s");
    if (!place) {
        hd_str_add(out, text);
        return;
    }
    hd_str_addn(out, text, (size_t)(place - text));
    hd_str_add(out, title);
    hd_str_add(out, place + 2);
}

static heed_err write_ticket(shop *s, const later *l, hd_rng *rng) {
    const hd_demo_topic *topic = pick_topic(rng);
    hd_time t = day_start(s, l->day) + (hd_time)hd_rng_below(rng, 12 * HOUR);
    hd_str title;
    hd_str_init(&title);
    title_of(s, l->item, &title);
    s->counts.tickets++;
    hd_str *row = &s->tickets_jsonl.row;
    for (int m = 0; m < HD_DEMO_TALK && topic->talk[m].en; m++) {
        char time[32];
        hd_time_format(t, s->zone, time);
        t += (hd_time)((1 + 4 * hd_rng_exponential(rng)) * MINUTE);
        hd_str_addf(
            row,
            "{\"ticket_id\":\"t%zu\",\"message_id\":\"t%zu-%d\",\"user_id\":\"u%u\",\"subject\":\"%s\",",
            s->counts.tickets, s->counts.tickets, m + 1, l->user + 1,
            hd_text_get(topic->subject, s->p.lang));
        hd_str_addf(row, "\"role\":\"%s\",\"time\":\"%s\",\"text\":\"", m % 2 ? "agent" : "user",
                    time);
        fill_in(hd_text_get(topic->talk[m], s->p.lang), hd_str_get(&title), row);
        hd_str_add(row, "\"}\n");
        s->counts.messages++;
    }
    heed_err err = hd_str_check(&title);
    hd_str_clear(&title);
    return err != HEED_OK ? err : hd_demo_out_flush(&s->tickets_jsonl, false);
}

static heed_err follow_up(shop *s, const later *l, hd_rng *rng) {
    switch (l->what) {
    case LATER_REVIEW:
        return write_review(s, l, rng);
    case LATER_TICKET:
        return write_ticket(s, l, rng);
    case LATER_RETURN:
        break;
    }
    hd_time t = day_start(s, l->day) + (hd_time)hd_rng_below(rng, 12 * HOUR);
    return add_event(s, (shop_event){t, l->user, l->item, RETURN, ++s->session, 1});
}

static heed_err run_pending(shop *s, long day, hd_rng *rng) {
    size_t kept = 0;
    for (size_t i = 0; i < s->n_pending; i++) {
        later l = s->pending[i];
        if (l.day > day)
            s->pending[kept++] = l;
        else
            HD_TRY(follow_up(s, &l, rng));
    }
    s->n_pending = kept;
    return HEED_OK;
}

static heed_err run_day(shop *s, long day, hd_rng *after) {
    s->n_today = 0;
    HD_TRY(run_pending(s, day, after));
    for (size_t u = 0; u + 1 < s->p.users || u == 0; u++) {
        hd_rng rng = hd_rng_make(s->p.seed, STREAM_DAYS + (uint64_t)day * s->p.users + u);
        if (day < s->users[u].signup) continue;
        double weekend = day % 7 >= 5 ? 1.4 : 1;
        if (chance(&rng, 1 - exp(-s->users[u].rate * weekend)))
            HD_TRY(visit(s, (uint32_t)u, day, &rng));
    }
    if (day == (long)s->p.days * 2 / 3 && s->p.users > 1) HD_TRY(robot(s, day));
    qsort(s->today, s->n_today, sizeof *s->today, by_time);
    for (size_t i = 0; i < s->n_today; i++) {
        HD_TRY(write_event(s, &s->today[i]));
        if (s->event_id % 997 == 0) { // sent twice, as networks do
            s->event_id--;
            HD_TRY(write_event(s, &s->today[i]));
            s->counts.events--;
        }
    }
    return HEED_OK;
}

static heed_err write_users(shop *s) {
    hd_str *row = &s->users_csv.row;
    hd_str_add(row, s->p.lang == HEED_ZH ? "用户ID,姓名,城市,年龄段,注册时间\n"
                                         : "user_id,name,city,age_band,created\n");
    for (size_t u = 0; u < s->p.users; u++) {
        const shop_user *user = &s->users[u];
        const char *family = word(s, hd_demo_family_names, user->family);
        const char *given = word(s, hd_demo_given_names, user->given);
        hd_str_addf(row, s->p.lang == HEED_ZH ? "u%zu,%s%s," : "u%zu,%s %s,", u + 1,
                    s->p.lang == HEED_ZH ? family : given, s->p.lang == HEED_ZH ? given : family);
        hd_demo_csv(row, word(s, hd_demo_cities, user->city), false);
        hd_demo_csv(row, word(s, hd_demo_age_bands, user->age), false);
        char time[32];
        hd_time_format(day_start(s, user->signup), s->zone, time);
        hd_demo_csv(row, time, true);
        HD_TRY(hd_demo_out_flush(&s->users_csv, false));
    }
    s->counts.users = s->p.users;
    return HEED_OK;
}

static heed_err write_items(shop *s) {
    hd_str *row = &s->items_csv.row;
    hd_str_add(row, s->p.lang == HEED_ZH
                        ? "商品ID,名称,品牌,类别,价格,币种,可复购,上架时间\n"
                        : "item_id,title,brand,categories,price,currency,replenishable,created\n");
    for (size_t i = 0; i < s->p.items; i++) {
        const shop_item *item = &s->items[i];
        const hd_demo_category *category = &hd_demo_categories[item->category];
        hd_str_addf(row, "i%zu,", i + 1);
        title_of(s, (uint32_t)i, row);
        hd_str_addc(row, ',');
        hd_demo_csv(row, word(s, hd_demo_brands, item->brand), false);
        hd_str_addf(row, "%s|%s,", hd_text_get(category->department, s->p.lang),
                    hd_text_get(category->name, s->p.lang));
        long tenths = lround(price_of(s, (uint32_t)i) * 10);
        char time[32];
        hd_time_format(day_start(s, item->launch), s->zone, time);
        hd_str_addf(row, "%ld.%ld,%s,%d,%s\n", tenths / 10, tenths % 10, currency(s),
                    category->replenishable, time);
        HD_TRY(hd_demo_out_flush(&s->items_csv, false));
    }
    s->counts.items = s->p.items;
    return HEED_OK;
}

static heed_err write_faq(shop *s) {
    hd_str *row = &s->faq_csv.row;
    hd_str_add(row, "document_id,title,text,lang\n");
    for (size_t i = 0; i < hd_demo_n_faqs; i++) {
        hd_str_addf(row, "faq%zu,", i + 1);
        hd_demo_csv(row, hd_text_get(hd_demo_faqs[i].question, s->p.lang), false);
        hd_demo_csv(row, hd_text_get(hd_demo_faqs[i].answer, s->p.lang), false);
        hd_demo_csv(row, s->p.lang == HEED_ZH ? "zh" : "en", true);
    }
    s->counts.documents = hd_demo_n_faqs;
    return HEED_OK;
}

static heed_err open_files(shop *s, const char *folder, hd_arena *arena) {
    const struct {
        hd_demo_out *out;
        const char *name;
        bool gzip;
    } files[] = {
        {&s->users_csv, "users.csv", false},         {&s->items_csv, "items.csv", false},
        {&s->events_gz, "events.jsonl.gz", true},    {&s->reviews_csv, "reviews.csv", false},
        {&s->tickets_jsonl, "tickets.jsonl", false}, {&s->faq_csv, "faq.csv", false}};
    HD_TRY(hd_fs_mkdirs(folder, 0700));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = hd_fs_join(arena, folder, files[i].name);
        if (!path) return HD_FAIL_MEMORY(0);
        HD_TRY(hd_demo_out_open(files[i].out, path, files[i].gzip));
    }
    return HEED_OK;
}

static heed_err simulate(shop *s) {
    HD_TRY(make_items(s));
    hd_rng rng = hd_rng_make(s->p.seed, STREAM_USERS);
    for (size_t u = 0; u < s->p.users; u++) make_user(s, u, &rng);
    HD_TRY(write_users(s));
    HD_TRY(write_items(s));
    HD_TRY(write_faq(s));
    hd_str_add(&s->reviews_csv.row, "review_id,user_id,item_id,rating,text,time\n");
    hd_rng after = hd_rng_make(s->p.seed, STREAM_LATER);
    for (long day = 0; day < (long)s->p.days; day++) HD_TRY(run_day(s, day, &after));
    HD_TRY(hd_demo_out_commit(&s->users_csv));
    HD_TRY(hd_demo_out_commit(&s->items_csv));
    HD_TRY(hd_demo_out_commit(&s->reviews_csv));
    HD_TRY(hd_demo_out_commit(&s->tickets_jsonl));
    HD_TRY(hd_demo_out_commit(&s->faq_csv));
    return hd_demo_out_commit(&s->events_gz);
}

static void shop_clear(shop *s) {
    hd_demo_out *outs[] = {&s->users_csv,   &s->items_csv,     &s->events_gz,
                           &s->reviews_csv, &s->tickets_jsonl, &s->faq_csv};
    for (size_t i = 0; i < sizeof outs / sizeof outs[0]; i++) hd_demo_out_abort(outs[i]);
    for (size_t c = 0; c < MAX_CATEGORIES; c++) {
        hd_free(s->by_category[c]);
        hd_free(s->appeal[c]);
    }
    hd_free(s->items);
    hd_free(s->users);
    hd_free(s->today);
    hd_free(s->pending);
    hd_zone_close(s->zone);
}

static heed_err check_params(hd_demo_params *p) {
    if (p->users == 0) p->users = 1500;
    if (p->items == 0) p->items = 600;
    if (p->days == 0) p->days = 365;
    if (p->end == HD_TIME_NONE) p->end = hd_time_now();
    p->end -= ((p->end % HD_DAY_MS) + HD_DAY_MS) % HD_DAY_MS;
    if (p->users > 1000000)
        return HD_FAIL(HEED_USAGE, "users: %zu is more than 1,000,000",
                       "用户数 %zu 超过上限 1,000,000", p->users);
    if (p->items < 60 || p->items > 20000) {
        return HD_FAIL(HEED_USAGE, "items: %zu is not in 60 .. 20,000",
                       "商品数 %zu 不在 60 到 20,000 之间", p->items);
    }
    if (p->days < 30 || p->days > 3650) {
        return HD_FAIL(HEED_USAGE, "days: %zu is not in 30 .. 3,650",
                       "天数 %zu 不在 30 到 3,650 之间", p->days);
    }
    return HEED_OK;
}

heed_err hd_demo_write(const char *folder, const hd_demo_params *params, hd_demo_counts *counts) {
    heed_err err = HEED_OK;
    shop s = {.p = *params};
    hd_arena arena;
    hd_arena_init(&arena);
    HD_TRY_OUT(check_params(&s.p));
    HD_TRY_OUT(hd_zone_open(s.p.lang == HEED_ZH ? "+08:00" : "UTC", &s.zone));
    s.items = hd_calloc(s.p.items, sizeof *s.items);
    s.users = hd_calloc(s.p.users, sizeof *s.users);
    if (!s.items || !s.users) {
        err = HD_FAIL_MEMORY(s.p.users * sizeof *s.users);
        goto out;
    }
    HD_TRY_OUT(open_files(&s, folder, &arena));
    HD_TRY_OUT(simulate(&s));
    if (counts) *counts = s.counts;
out:
    shop_clear(&s);
    hd_arena_clear(&arena);
    return err;
}
