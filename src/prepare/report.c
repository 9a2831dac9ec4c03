// SPDX-License-Identifier: Apache-2.0
//
// The data report's counting. What must be exact (users, items, days, repeats, pairs) is kept as
// maps of keys, or as an array of 64-bit hashes that is sorted at the end: of ten million events
// two different ones share a hash with a probability of 3 in a million. What may be near (distinct
// values of a column, the share of its top value) is a sketch.
//
// Columns are rows of one list, and so are the findings: a check is a function over a column's
// sketch and a sentence in both languages.
#include "prepare/report.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "prepare/sketch.h"
#include "prepare/sort.h"

// What a column holds; says which checks make sense.
typedef enum column_kind {
    COLUMN_KEY,      // who or what: only counted
    COLUMN_TEXT,     // free text: distinct by nature
    COLUMN_CATEGORY, // a handful of values expected
    COLUMN_PRICE,
    COLUMN_NUMBER,
    COLUMN_TIME
} column_kind;

typedef struct column_row {
    const char *table, *name;
    column_kind kind;
    bool may_be_constant; // one currency or one event type is nothing to worry about
    bool needed;          // without any value something of heed does worse: worth a word
} column_row;

enum {
    ITEM_TITLE,
    ITEM_BRAND,
    ITEM_CATEGORY,
    ITEM_PRICE,
    ITEM_CURRENCY,
    ITEM_CREATED,
    EVENT_USER,
    EVENT_ITEM,
    EVENT_TYPE,
    EVENT_VALUE,
    EVENT_QUANTITY,
    EVENT_CURRENCY,
    EVENT_TIME,
    N_COLUMNS
};

static const column_row columns[N_COLUMNS] = {
    [ITEM_TITLE] = {"items", "title", COLUMN_TEXT, false, true},
    [ITEM_BRAND] = {"items", "brand", COLUMN_CATEGORY, false},
    [ITEM_CATEGORY] = {"items", "category", COLUMN_CATEGORY, false, true},
    [ITEM_PRICE] = {"items", "price", COLUMN_PRICE, false},
    [ITEM_CURRENCY] = {"items", "currency", COLUMN_CATEGORY, true},
    [ITEM_CREATED] = {"items", "created", COLUMN_TIME, false},
    [EVENT_USER] = {"events", "user", COLUMN_KEY, true, true},
    [EVENT_ITEM] = {"events", "item", COLUMN_KEY, true, true},
    [EVENT_TYPE] = {"events", "type", COLUMN_CATEGORY, true, true},
    [EVENT_VALUE] = {"events", "value", COLUMN_NUMBER, false},
    [EVENT_QUANTITY] = {"events", "quantity", COLUMN_NUMBER, true},
    [EVENT_CURRENCY] = {"events", "currency", COLUMN_CATEGORY, true},
    [EVENT_TIME] = {"events", "time", COLUMN_TIME, false, true},
};

typedef struct column_state {
    hd_sketch sketch;
    uint64_t future, early; // of times
} column_state;

struct hd_data_report {
    hd_time now;
    const hd_zone *zone;
    column_state *columns; // (N_COLUMNS)
    uint64_t events, anonymous, known_users, without_time;
    hd_imap users;     // key -> events
    hd_imap items;     // key -> events, of items that events name
    hd_imap catalogue; // key -> 1, of items that were fed
    hd_imap days;      // days since 1970 (plausible ones) -> events
    hd_map types;      // type -> events
    hd_map currencies; // of events
    uint64_t *pairs;   // (n_pairs) hash of user and item of each event that has both
    uint64_t *repeats; // (n_repeats) hash of user, item, type, time of each event that can repeat
    size_t n_pairs, cap_pairs, n_repeats, cap_repeats;
    hd_time first, last;
    json_t *cleaning;
};

static const hd_time PLAUSIBLE = INT64_C(631152000000); // 1990-01-01
enum { GAP_DAYS = 7, GAPS_MAX = 20 };

heed_err hd_data_report_new(hd_time now, const hd_zone *zone, hd_data_report **out) {
    *out = NULL;
    hd_data_report *r = hd_calloc(1, sizeof *r);
    if (!r) return HD_FAIL_MEMORY(sizeof *r);
    r->now = now;
    r->zone = zone;
    r->first = HD_TIME_MAX;
    r->last = HD_TIME_MIN;
    hd_imap_init(&r->users);
    hd_imap_init(&r->items);
    hd_imap_init(&r->catalogue);
    hd_imap_init(&r->days);
    hd_map_init(&r->types);
    hd_map_init(&r->currencies);
    r->columns = hd_calloc(N_COLUMNS, sizeof *r->columns);
    if (!r->columns) {
        hd_data_report_free(r);
        return HD_FAIL_MEMORY(N_COLUMNS * sizeof *r->columns);
    }
    *out = r;
    return HEED_OK;
}

void hd_data_report_free(hd_data_report *r) {
    if (!r) return;
    hd_imap_clear(&r->users);
    hd_imap_clear(&r->items);
    hd_imap_clear(&r->catalogue);
    hd_imap_clear(&r->days);
    hd_map_clear(&r->types);
    hd_map_clear(&r->currencies);
    hd_free(r->columns);
    hd_free(r->pairs);
    hd_free(r->repeats);
    json_decref(r->cleaning);
    hd_free(r);
}

// ── Feeding ──

static void see_text(hd_data_report *r, int column, const char *text) {
    hd_sketch_text(&r->columns[column].sketch, hd_slice_of(text));
}

static void see_number(hd_data_report *r, int column, double value) {
    hd_sketch_number(&r->columns[column].sketch, value);
}

static bool is_future(const hd_data_report *r, hd_time t) {
    return r->now != HD_TIME_NONE && t > r->now + HD_DAY_MS;
}

static void see_time(hd_data_report *r, int column, hd_time t) {
    column_state *c = &r->columns[column];
    hd_sketch_time(&c->sketch, t);
    if (t == HD_TIME_NONE) return;
    c->future += is_future(r, t);
    c->early += t < PLAUSIBLE;
}

heed_err hd_data_report_item(hd_data_report *r, const hd_report_item *item) {
    see_text(r, ITEM_TITLE, item->title);
    see_text(r, ITEM_BRAND, item->brand);
    see_text(r, ITEM_CATEGORY, item->category);
    see_number(r, ITEM_PRICE, item->price);
    see_text(r, ITEM_CURRENCY, item->currency);
    see_time(r, ITEM_CREATED, item->created);
    return hd_imap_put(&r->catalogue, (uint64_t)item->key, 1);
}

static heed_err count_key(hd_imap *map, int64_t key) {
    uint64_t *count;
    HD_TRY(hd_imap_slot(map, (uint64_t)key, 0, &count, NULL));
    ++*count;
    return HEED_OK;
}

static heed_err count_text(hd_map *map, const char *text) {
    uint64_t *count;
    if (!text || !*text) return HEED_OK;
    HD_TRY(hd_map_slot(map, text, strlen(text), 0, &count, NULL));
    ++*count;
    return HEED_OK;
}

static heed_err push(uint64_t **array, size_t *n, size_t *cap, uint64_t value) {
    HD_TRY(hd_grow(array, cap, *n + 1, sizeof **array));
    (*array)[(*n)++] = value;
    return HEED_OK;
}

// Remembers an event's pair and, when it has a time, the event itself, each as a hash.
static heed_err see_identity(hd_data_report *r, const hd_report_event *e) {
    uint64_t hash = hd_sketch_mix(hd_sketch_mix((uint64_t)e->user_key) ^ (uint64_t)e->item_key);
    if (e->item_key != 0) HD_TRY(push(&r->pairs, &r->n_pairs, &r->cap_pairs, hash));
    if (e->time == HD_TIME_NONE) return HEED_OK;
    hash = hd_sketch_mix(hash ^ (uint64_t)e->time);
    if (e->type) hash = hd_sketch_mix(hash ^ hd_sketch_hash(e->type, strlen(e->type)));
    return push(&r->repeats, &r->n_repeats, &r->cap_repeats, hash);
}

static heed_err see_event_time(hd_data_report *r, hd_time t) {
    see_time(r, EVENT_TIME, t);
    if (t == HD_TIME_NONE) {
        r->without_time++;
        return HEED_OK;
    }
    if (t < r->first) r->first = t;
    if (t > r->last) r->last = t;
    if (t < PLAUSIBLE || is_future(r, t)) return HEED_OK;
    int64_t local = t + (int64_t)hd_zone_offset(r->zone, t) * 1000;
    return count_key(&r->days, local / HD_DAY_MS); // plausible: never negative
}

heed_err hd_data_report_event(hd_data_report *r, const hd_report_event *e) {
    r->events++;
    hd_sketch_key(&r->columns[EVENT_USER].sketch, e->user_key);
    hd_sketch_key(&r->columns[EVENT_ITEM].sketch, e->item_key);
    see_text(r, EVENT_TYPE, e->type);
    see_number(r, EVENT_VALUE, e->value);
    see_number(r, EVENT_QUANTITY, e->quantity);
    see_text(r, EVENT_CURRENCY, e->currency);
    HD_TRY(see_event_time(r, e->time));
    HD_TRY(count_text(&r->types, e->type));
    HD_TRY(count_text(&r->currencies, e->currency));
    if (e->item_key != 0) HD_TRY(count_key(&r->items, e->item_key));
    if (e->user_key == 0) {
        r->anonymous++;
        return HEED_OK;
    }
    HD_TRY(count_key(&r->users, e->user_key));
    return see_identity(r, e);
}

void hd_data_report_users(hd_data_report *report, uint64_t n_known) {
    report->known_users = n_known;
}

heed_err hd_data_report_cleaning(hd_data_report *report, json_t *cleaning) {
    if (!cleaning) return HD_FAIL_MEMORY(0);
    json_decref(report->cleaning);
    report->cleaning = cleaning;
    return HEED_OK;
}

// ── Findings ──

typedef struct finding_row {
    const char *code;
    bool (*applies)(const column_row *row);
    uint64_t (*count)(const column_state *column); // 0: nothing found
    hd_text text;                                  // behind "items.price: "
} finding_row;

static bool needed(const column_row *row) {
    return row->needed;
}
static bool not_constant(const column_row *row) {
    return !row->may_be_constant;
}
static bool is_category(const column_row *row) {
    return row->kind == COLUMN_CATEGORY;
}
static bool is_price(const column_row *row) {
    return row->kind == COLUMN_PRICE;
}
static bool is_time(const column_row *row) {
    return row->kind == COLUMN_TIME;
}

static uint64_t count_all_missing(const column_state *c) {
    return c->sketch.values == 0 ? c->sketch.missing : 0;
}

// Below this many values a share says nothing.
enum { FEW = 20 };

static uint64_t count_constant(const column_state *c) {
    return c->sketch.values >= FEW && hd_sketch_top(&c->sketch) == c->sketch.values
               ? c->sketch.values
               : 0;
}

static uint64_t count_dominant(const column_state *c) {
    uint64_t top = hd_sketch_top(&c->sketch);
    bool dominant = (double)top > 0.99 * (double)c->sketch.values && top < c->sketch.values;
    return c->sketch.values >= FEW && dominant ? top : 0;
}

static uint64_t count_id_like(const column_state *c) {
    double distinct = hd_sketch_distinct(&c->sketch);
    return c->sketch.values >= FEW && distinct > 0.95 * (double)c->sketch.values
               ? (uint64_t)distinct
               : 0;
}

static uint64_t count_not_positive(const column_state *c) {
    return c->sketch.not_positive;
}
static uint64_t count_future(const column_state *c) {
    return c->future;
}
static uint64_t count_early(const column_state *c) {
    return c->early;
}

static const finding_row findings[] = {
    {"all_missing", needed, count_all_missing,
     HD_TEXT("has no value at all: was the column mapped?", "完全没有值：导入时是否映射了该列？")},
    {"constant", not_constant, count_constant,
     HD_TEXT("has the same value everywhere: it tells nothing apart",
             "所有值都相同：该列没有区分作用")},
    {"dominant", not_constant, count_dominant,
     HD_TEXT("has one value in more than 99% of the rows", "超过 99% 的行是同一个值")},
    {"id_like", is_category, count_id_like,
     HD_TEXT("has a value of its own in nearly every row: is it an id?",
             "几乎每行的值都不同：它是不是编号？")},
    {"not_positive", is_price, count_not_positive,
     HD_TEXT("is zero or less: check these prices", "小于或等于零：请检查这些价格")},
    {"future", is_time, count_future,
     HD_TEXT("is in the future: check the time zone and the day-month order",
             "晚于当前时间：请检查时区和日月顺序")},
    {"early", is_time, count_early,
     HD_TEXT("is before 1990: was an empty time read as 1970?",
             "早于 1990 年：是否把空时间读成了 1970 年？")},
};

// column NULL: about the table as a whole.
static heed_err add_finding(json_t *list, const char *code, const char *table, const char *column,
                            uint64_t count, double share, hd_text text) {
    hd_str en, zh;
    hd_str_init(&en);
    hd_str_init(&zh);
    hd_str_addf(&en, "%s%s%s %s", table, column ? "." : "", column ? column : "", text.en);
    hd_str_addf(&zh, "%s%s%s %s", table, column ? "." : "", column ? column : "", text.zh);
    heed_err err = en.failed ? hd_str_check(&en) : hd_str_check(&zh);
    json_t *finding = NULL;
    if (err == HEED_OK) {
        err = hd_json_pack(&finding, "{s:s, s:s, s:s?, s:I, s:{s:s, s:s}}", "code", code, "table",
                           table, "column", column, "count", (json_int_t)count, "text", "en",
                           hd_str_get(&en), "zh", hd_str_get(&zh));
    }
    hd_str_clear(&en);
    hd_str_clear(&zh);
    HD_TRY(err);
    HD_TRY(hd_json_append(list, finding));
    return hd_json_set(finding, "share", hd_json_real(share));
}

static heed_err column_findings(const hd_data_report *r, int i, json_t *list) {
    const column_state *c = &r->columns[i];
    double rows = (double)(c->sketch.values + c->sketch.missing);
    for (size_t f = 0; f < sizeof findings / sizeof findings[0]; f++) {
        uint64_t count = findings[f].applies(&columns[i]) ? findings[f].count(c) : 0;
        if (count == 0) continue;
        HD_TRY(add_finding(list, findings[f].code, columns[i].table, columns[i].name, count,
                           (double)count / rows, findings[f].text));
    }
    return HEED_OK;
}

// ── The result ──

static json_t *json_count(uint64_t n) {
    return json_integer((json_int_t)n);
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : NAN;
}

static heed_err column_json(const hd_data_report *r, int i, json_t *list) {
    const hd_sketch *s = &r->columns[i].sketch;
    json_t *out = NULL;
    HD_TRY(hd_json_pack(&out, "{s:s, s:s, s:I, s:I, s:I}", "table", columns[i].table, "column",
                        columns[i].name, "values", (json_int_t)s->values, "missing",
                        (json_int_t)s->missing, "distinct", (json_int_t)hd_sketch_distinct(s)));
    HD_TRY(hd_json_append(list, out));
    bool number = columns[i].kind == COLUMN_NUMBER || columns[i].kind == COLUMN_PRICE;
    if (s->values == 0 || (!number && columns[i].kind != COLUMN_TIME)) return HEED_OK;
    if (number) {
        HD_TRY(hd_json_set(out, "min", hd_json_real(s->min)));
        HD_TRY(hd_json_set(out, "max", hd_json_real(s->max)));
        return hd_json_set(out, "mean", hd_json_real(s->mean));
    }
    char text[32];
    hd_time_format((hd_time)s->min, r->zone, text);
    HD_TRY(hd_json_set(out, "min", json_string(text)));
    hd_time_format((hd_time)s->max, r->zone, text);
    return hd_json_set(out, "max", json_string(text));
}

static heed_err columns_json(const hd_data_report *r, json_t *out) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(out, "columns", list));
    for (int i = 0; i < N_COLUMNS; i++) {
        const hd_sketch *s = &r->columns[i].sketch;
        if (s->values + s->missing > 0) HD_TRY(column_json(r, i, list));
    }
    return HEED_OK;
}

// Mean, median and maximum of a map's counts.
static heed_err spread_json(const hd_imap *map, const char *name, json_t *out) {
    uint64_t *counts = hd_alloc(map->count * sizeof *counts);
    if (!counts) return HD_FAIL_MEMORY(map->count * sizeof *counts);
    size_t n = map->count;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        counts[i] = map->entries[i].value;
        sum += (double)counts[i];
    }
    hd_sort_u64(counts, n);
    size_t low = n > 0 ? (n - 1) / 2 : 0, high = n / 2;
    double median = n > 0 ? ((double)counts[low] + (double)counts[high]) / 2 : NAN;
    json_t *spread = json_object();
    heed_err err = hd_json_set(out, name, spread);
    if (err == HEED_OK) err = hd_json_set(spread, "mean", hd_json_real(ratio(sum, (double)n)));
    if (err == HEED_OK) err = hd_json_set(spread, "median", hd_json_real(median));
    if (err == HEED_OK) err = hd_json_set(spread, "max", json_count(n > 0 ? counts[n - 1] : 0));
    hd_free(counts);
    return err;
}

static int by_count_then_name(const void *a, const void *b) {
    const hd_map_entry *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return strcmp(x->key, y->key);
}

static heed_err types_json(const hd_data_report *r, json_t *out) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(out, "types", list));
    size_t n = r->types.count;
    hd_map_entry *entries = hd_alloc(n * sizeof *entries);
    if (!entries) return HD_FAIL_MEMORY(n * sizeof *entries);
    if (n > 0) memcpy(entries, r->types.entries, n * sizeof *entries);
    qsort(entries, n, sizeof *entries, by_count_then_name);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        json_t *type = NULL;
        err = hd_json_pack(&type, "{s:s, s:I}", "type", entries[i].key, "events",
                           (json_int_t)entries[i].value);
        if (err == HEED_OK) err = hd_json_append(list, type);
    }
    hd_free(entries);
    return err;
}

static heed_err span_json(const hd_data_report *r, json_t *out) {
    if (r->first > r->last) return hd_json_set(out, "span", json_null());
    char first[32], last[32];
    json_t *span = NULL;
    hd_time_format(r->first, r->zone, first);
    hd_time_format(r->last, r->zone, last);
    HD_TRY(hd_json_pack(&span, "{s:s, s:s}", "first", first, "last", last));
    HD_TRY(hd_json_set(out, "span", span));
    double days = (double)(r->last - r->first) / (double)HD_DAY_MS;
    return hd_json_set(span, "days", hd_json_real(days));
}

// The day before or behind a gap, as a date.
static void day_text(uint64_t day, char buf[32]) {
    hd_time_format((hd_time)day * HD_DAY_MS, NULL, buf);
    buf[10] = '\0';
}

// Runs of GAP_DAYS and more without an event, the first GAPS_MAX of them.
static heed_err gaps_json(const hd_data_report *r, json_t *list, json_t *out) {
    size_t n = r->days.count;
    uint64_t *days = hd_alloc(n * sizeof *days), quiet = 0;
    if (!days) return HD_FAIL_MEMORY(n * sizeof *days);
    for (size_t i = 0; i < n; i++) days[i] = r->days.entries[i].key;
    hd_sort_u64(days, n);
    heed_err err = HEED_OK;
    for (size_t i = 1; err == HEED_OK && i < n; i++) {
        uint64_t missing = days[i] - days[i - 1] - 1;
        quiet += missing;
        if (missing < GAP_DAYS || json_array_size(list) >= GAPS_MAX) continue;
        char from[32], to[32];
        json_t *gap = NULL;
        day_text(days[i - 1] + 1, from);
        day_text(days[i] - 1, to);
        err = hd_json_pack(&gap, "{s:s, s:s, s:I}", "from", from, "to", to, "days",
                           (json_int_t)missing);
        if (err == HEED_OK) err = hd_json_append(list, gap);
    }
    hd_free(days);
    return err == HEED_OK ? hd_json_set(out, "days_without_events", json_count(quiet)) : err;
}

static size_t count_in(const hd_imap *a, const hd_imap *b) {
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++) n += hd_imap_get(b, a->entries[i].key, NULL);
    return n;
}

typedef struct totals {
    uint64_t users, items, unknown_items, pairs, duplicates;
} totals;

static void take_totals(hd_data_report *r, totals *t) {
    size_t shared = count_in(&r->items, &r->catalogue);
    hd_sort_u64(r->pairs, r->n_pairs);
    hd_sort_u64(r->repeats, r->n_repeats);
    t->pairs = hd_distinct_u64(r->pairs, r->n_pairs);
    t->duplicates = r->n_repeats - hd_distinct_u64(r->repeats, r->n_repeats);
    t->users = r->users.count > r->known_users ? r->users.count : r->known_users;
    t->unknown_items = r->items.count - shared;
    t->items = r->catalogue.count + t->unknown_items;
}

static heed_err totals_json(const hd_data_report *r, const totals *t, json_t *out) {
    HD_TRY(hd_json_set(out, "events", json_count(r->events)));
    HD_TRY(hd_json_set(out, "anonymous_events", json_count(r->anonymous)));
    HD_TRY(hd_json_set(out, "users", json_count(t->users)));
    HD_TRY(hd_json_set(out, "users_without_events", json_count(t->users - r->users.count)));
    HD_TRY(hd_json_set(out, "items", json_count(t->items)));
    HD_TRY(hd_json_set(out, "items_without_events", json_count(t->items - r->items.count)));
    HD_TRY(hd_json_set(out, "unknown_items", json_count(t->unknown_items)));
    double cells = (double)r->users.count * (double)r->items.count;
    return hd_json_set(out, "density", hd_json_real(ratio((double)t->pairs, cells)));
}

// What concerns the events as a whole.
static heed_err table_findings(const hd_data_report *r, const totals *t, const json_t *gaps,
                               json_t *list) {
    double events = (double)r->events;
    size_t n_gaps = json_array_size(gaps);
    if ((double)t->duplicates > 0.01 * events) {
        HD_TRY(add_finding(list, "duplicates", "events", NULL, t->duplicates,
                           (double)t->duplicates / events,
                           (hd_text)HD_TEXT("repeat exactly in more than 1% of the rows: was a "
                                            "file imported twice?",
                                            "完全重复的行超过 1%：是否有文件被导入了两次？")));
    }
    if (t->unknown_items > 0) {
        HD_TRY(
            add_finding(list, "unknown_items", "events", "item", t->unknown_items,
                        (double)t->unknown_items / (double)t->items,
                        (hd_text)HD_TEXT("names items that are not in the catalogue: import them",
                                         "涉及目录中没有的商品：请导入这些商品")));
    }
    if (n_gaps > 0) {
        HD_TRY(add_finding(list, "gaps", "events", "time", n_gaps, NAN,
                           (hd_text)HD_TEXT("leaves a week or more without any event: is a file "
                                            "missing?",
                                            "存在一周以上没有任何事件的时段：是否缺少文件？")));
    }
    if (r->currencies.count > 1) {
        HD_TRY(add_finding(list, "currencies", "events", "currency", r->currencies.count, NAN,
                           (hd_text)HD_TEXT("has several currencies: amounts are summed for each",
                                            "包含多种货币：金额按货币分别汇总")));
    }
    return HEED_OK;
}

static heed_err finish_fill(hd_data_report *r, json_t *out) {
    totals t;
    json_t *gaps, *list;
    take_totals(r, &t);
    HD_TRY(totals_json(r, &t, out));
    HD_TRY(spread_json(&r->users, "events_per_user", out));
    HD_TRY(spread_json(&r->items, "events_per_item", out));
    HD_TRY(types_json(r, out));
    HD_TRY(span_json(r, out));
    HD_TRY(hd_json_set(out, "without_time", json_count(r->without_time)));
    HD_TRY(hd_json_set(out, "duplicates", json_count(t.duplicates)));
    HD_TRY(hd_json_set(out, "gaps", gaps = json_array()));
    HD_TRY(gaps_json(r, gaps, out));
    HD_TRY(columns_json(r, out));
    HD_TRY(hd_json_set(out, "findings", list = json_array()));
    HD_TRY(table_findings(r, &t, gaps, list));
    for (int i = 0; i < N_COLUMNS; i++) HD_TRY(column_findings(r, i, list));
    if (!r->cleaning) return HEED_OK;
    return hd_json_set(out, "cleaning", json_incref(r->cleaning));
}

heed_err hd_data_report_finish(hd_data_report *report, json_t **out) {
    *out = json_object();
    heed_err err = *out ? finish_fill(report, *out) : HD_FAIL_MEMORY(0);
    if (err != HEED_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return err;
}
