// SPDX-License-Identifier: Apache-2.0
//
// Chinese postal addresses: a chain from the broad to the narrow, read part by part: a province or
// city by the list, districts, towns, roads and estates by their last character (a name before it
// that holds none of the characters that names of places don't have), numbers of houses, buildings
// and rooms by the unit behind them (GB/T 23705).
//
// A chain is a finding when it leads to a door: a road with a number, or an estate with one, or two
// numbers of a building. A province, a district, a road alone are places, not persons' addresses.
#include "privacy/finder_own.h"

enum { MAX_PARTS = 12, MAX_NAME = 10, MAX_NUMBER = 8 };

enum { PLACE = 1, DISTRICT = 2, ROAD = 4, ESTATE = 8, NUMBER = 16 };

typedef struct suffix {
    const char *text;
    uint8_t kind;
    uint8_t least; // characters of the name before it
} suffix;

// Longer ones first where one ends another.
static const suffix suffixes[] = {
    {"自治区", DISTRICT, 2}, {"自治州", DISTRICT, 2}, {"自治县", DISTRICT, 2},
    {"开发区", DISTRICT, 2}, {"高新区", DISTRICT, 0}, {"新区", DISTRICT, 1},
    {"小区", ESTATE, 1},     {"社区", ESTATE, 1},     {"校区", ESTATE, 1},
    {"园区", ESTATE, 1},     {"街道", DISTRICT, 1},   {"大道", ROAD, 1},
    {"大街", ROAD, 1},       {"胡同", ROAD, 1},       {"公路", ROAD, 1},
    {"新村", ESTATE, 1},     {"花园", ESTATE, 1},     {"花苑", ESTATE, 1},
    {"家园", ESTATE, 1},     {"公寓", ESTATE, 1},     {"大厦", ESTATE, 1},
    {"广场", ESTATE, 1},     {"公馆", ESTATE, 1},     {"雅苑", ESTATE, 1},
    {"名苑", ESTATE, 1},     {"佳苑", ESTATE, 1},     {"山庄", ESTATE, 1},
    {"别墅", ESTATE, 1},     {"宿舍", ESTATE, 1},     {"大学", ESTATE, 1},
    {"学院", ESTATE, 1},     {"中学", ESTATE, 1},     {"小学", ESTATE, 1},
    {"医院", ESTATE, 1},     {"工业园", ESTATE, 1},   {"科技园", ESTATE, 1},
    {"产业园", ESTATE, 1},   {"写字楼", ESTATE, 1},   {"中心", ESTATE, 1},
    {"市场", ESTATE, 1},     {"省", DISTRICT, 1},     {"市", DISTRICT, 1},
    {"区", DISTRICT, 1},     {"县", DISTRICT, 1},     {"旗", DISTRICT, 1},
    {"镇", DISTRICT, 1},     {"乡", DISTRICT, 1},     {"路", ROAD, 1},
    {"段", ROAD, 1},         {"塔", ESTATE, 1},       {"街", ROAD, 1},
    {"道", ROAD, 2},         {"巷", ROAD, 1},         {"村", ROAD, 1},
    {"庄", ESTATE, 2},       {"苑", ESTATE, 2},       {"园", ESTATE, 2},
    {"城", ESTATE, 2},       {"府", ESTATE, 2},       {"湾", ESTATE, 2},
    {"庭", ESTATE, 2},       {"里", ESTATE, 2},       {"居", ESTATE, 2},
    {"邸", ESTATE, 2},       {"轩", ESTATE, 2},       {"阁", ESTATE, 2},
};

static const char *const units[] = {"号院", "号楼", "号", "弄", "栋", "幢", "座", "单元",
                                    "楼",   "层",   "室", "户", "房", "组", "队", NULL};
// Units a room's bare number may stand behind.
static const char *const before_rooms[] = {"号楼", "栋", "幢", "座", "单元", "楼", "号", NULL};

static const char *const place_tails[] = {"特别行政区", "自治区", "省", "市", "地区", "盟", NULL};

typedef struct chain {
    size_t p;
    unsigned kinds;
    unsigned n_numbers, n_places;
    bool room_may_follow;
} chain;

static bool is_number_sign(const hd_view *v, uint32_t c) {
    return hd_is_alnum(c) || c == '-' || c == '#' || (hd_han_bits(v, c) & HD_HAN_NUMERAL);
}

// What a name of a place holds.
static bool is_name_sign(const hd_view *v, uint32_t c) {
    return hd_is_han(c) ? !(hd_han_bits(v, c) & HD_HAN_NO_PLACE) : hd_is_alnum(c);
}

// A province or city with what they are called by, or another behind it: surely one.
static bool is_whole_place(const hd_view *v, size_t p) {
    const hd_hit *hit = hd_cue_at(v, p, HD_CUE_PLACE);
    return hit && (hd_view_any(v, hit->end, place_tails) || hd_cue_at(v, hit->end, HD_CUE_PLACE));
}

// A province or city of the list, with 省 or 市 where it follows.
static bool read_place(const hd_view *v, chain *a) {
    const hd_hit *hit = hd_cue_at(v, a->p, HD_CUE_PLACE);
    if (!hit || a->n_places == 2 || (a->kinds & ~(unsigned)PLACE)) return false;
    a->n_places++;
    a->p = hit->end;
    a->p += hd_view_any(v, a->p, place_tails);
    a->kinds |= PLACE;
    a->room_may_follow = false;
    return true;
}

// 18号, 3栋, B座, 二单元, 1203室; behind a building a bare room: 3单元502, 5-2-301.
static bool read_number(const hd_view *v, chain *a) {
    size_t n = 0;
    size_t digits = 0;
    while (n <= MAX_NUMBER && is_number_sign(v, hd_view_at(v, a->p + n)))
        digits += hd_is_digit(v->c[a->p + n++]);
    if (n == 0 || n > MAX_NUMBER) return false;
    size_t end = a->p + n;
    size_t unit = hd_view_any(v, end, units);
    bool tower = a->p > 0 && v->c[a->p - 1] == 0x5854; // 塔3
    bool room = !unit && a->room_may_follow && (digits >= 3 || (tower && digits)) &&
                !is_name_sign(v, hd_view_at(v, end));
    if (!unit && !room) return false;
    a->room_may_follow = unit && hd_view_any(v, end, before_rooms) > 0;
    a->p = end + unit;
    a->kinds |= NUMBER;
    a->n_numbers++;
    return true;
}

static const suffix *suffix_at(const hd_view *v, size_t p, size_t name, size_t *n) {
    if (!(hd_han_bits(v, hd_view_at(v, p)) & HD_HAN_SUFFIX)) return NULL;
    for (size_t k = 0; k < sizeof suffixes / sizeof suffixes[0]; k++) {
        *n = hd_view_word(v, p, suffixes[k].text);
        if (*n && name >= suffixes[k].least) return &suffixes[k];
    }
    return NULL;
}

// A name that ends in one of the suffixes: the nearest that does, and what it grows to
// (东单北大街).
static bool read_named(const hd_view *v, chain *a) {
    for (size_t name = 0; name <= MAX_NAME; name++) {
        uint32_t c = hd_view_at(v, a->p + name);
        size_t n;
        // The first part doesn't reach into a place: in 放天津市 it begins at 天津.
        if (name > 0 && !a->kinds && is_whole_place(v, a->p + name)) return false;
        const suffix *found = suffix_at(v, a->p + name, name + (a->kinds == PLACE), &n);
        if (found) {
            a->p += name + n;
            a->kinds |= found->kind;
            a->room_may_follow = found->kind == ESTATE;
            return true;
        }
        if (!is_name_sign(v, c)) return false;
    }
    return false;
}

static bool read_part(const hd_view *v, chain *a) {
    return read_place(v, a) || read_number(v, a) || read_named(v, a);
}

static chain read_chain(const hd_view *v, size_t i) {
    chain a = {.p = i};
    for (int parts = 0; parts < MAX_PARTS; parts++) {
        chain next = a;
        if (parts > 0 && (hd_view_at(v, a.p) == ' ' || hd_view_at(v, a.p) == ',')) next.p++;
        if (!read_part(v, &next)) break;
        a = next;
    }
    return a;
}

static bool is_address(const chain *a, bool named) {
    if (!(a->kinds & NUMBER)) return false;
    if (a->kinds & ROAD) return true;
    if (a->kinds & ESTATE) return named || a->n_numbers > 1 || (a->kinds & (PLACE | DISTRICT));
    return a->n_numbers > 1 && (named || (a->kinds & (PLACE | DISTRICT)));
}

hd_match hd_match_address_zh(const hd_view *v, size_t i) {
    uint32_t before = hd_view_back(v, i);
    bool named = hd_cue_before(v, i, 3, HD_CUE_ADDRESS) != NULL;
    bool inside = hd_is_han(before) && !(hd_han_bits(v, before) & HD_HAN_NO_PLACE);
    if (inside && !named && !hd_cue_at(v, i, HD_CUE_PLACE)) return hd_no_match;
    if (hd_han_bits(v, hd_view_at(v, i)) & HD_HAN_NO_PLACE || hd_cue_at(v, i, HD_CUE_ADDRESS))
        return hd_no_match;
    chain a = read_chain(v, i);
    return is_address(&a, named) ? (hd_match){a.p, named ? 0.95f : 0.9f} : hd_no_match;
}
