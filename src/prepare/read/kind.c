// SPDX-License-Identifier: Apache-2.0
//
// Which kind of record a file holds. Its name speaks first ("users-2026.csv", "订单.xlsx.csv") if
// the columns allow it; else the columns alone, by the rules in by_columns. A wrong guess is shown
// before anything is loaded, and --as overrules it.
#include "prepare/read/event_type.h"
#include "prepare/read/fold.h"
#include "prepare/read/map.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// ── By name ─────────────────────────────────────────────────────────────────────────────────────

typedef struct name_words {
    hd_kind kind;
    const char *english; // whole words
    const char *chinese; // anywhere in the name
} name_words;

// The first row that fits counts: "user_events" are events, "order_items" too.
static const name_words words[] = {
    {HD_KIND_REVIEWS, "review reviews comment comments", "评论 评价"},
    {HD_KIND_TICKETS, "ticket tickets conversation conversations chat chats dialogue dialogues",
     "工单 客服 会话记录"},
    {HD_KIND_DOCUMENTS, "faq faqs document documents doc docs article articles help kb",
     "文档 帮助 常见问题 知识库"},
    {HD_KIND_EVENTS,
     "event events rating ratings order orders feedback feedbacks interaction interactions click "
     "clicks view views purchase purchases transaction transactions sale sales log logs behavior "
     "behaviors behaviour behaviours action actions invoice invoices clickstream history",
     "事件 行为 订单 日志 交易 浏览 点击 购买记录 评分"},
    {HD_KIND_ITEMS,
     "item items product products movie movies book books good goods sku skus catalog catalogue",
     "商品 产品 货品 目录"},
    {HD_KIND_USERS, "user users customer customers member members account accounts client clients",
     "用户 会员 客户 顾客"},
};

static bool has_word(const char *name, const char *list) {
    char word[32];
    size_t n = 0;
    for (const char *p = name;; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        if (c >= 'a' && c <= 'z') {
            if (n + 1 < sizeof word) word[n++] = c;
            continue;
        }
        word[n] = 0;
        if (n > 0 && hd_name_rank(list, word) != SIZE_MAX) return true;
        n = 0;
        if (!c) return false;
    }
}

static bool has_part(const char *name, const char *list) {
    while (*list) {
        size_t n = strcspn(list, " ");
        if (memmem(name, strlen(name), list, n)) return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

static bool by_name(const char *name, hd_kind *out) {
    bool fits[HD_KINDS] = {false};
    bool any = false;
    for (size_t i = COUNT(words); i-- > 0;) {
        fits[words[i].kind] = has_word(name, words[i].english) || has_part(name, words[i].chinese);
        if (!fits[words[i].kind]) continue;
        *out = words[i].kind;
        any = true;
    }
    // "user_items": what users did with items
    if (any && *out == HD_KIND_ITEMS && fits[HD_KIND_USERS]) *out = HD_KIND_EVENTS;
    return any;
}

heed_err hd_type_guess(const char *name, const char **word) {
    *word = NULL;
    hd_str folded;
    hd_str_init(&folded);
    heed_err err = HEED_OK;
    while (*name && !*word && err == HEED_OK) {
        size_t n = strcspn(name, " ._-0123456789");
        err = hd_fold_name((hd_slice){name, n}, &folded);
        if (err == HEED_OK) *word = hd_event_word(hd_str_get(&folded));
        name += n + (name[n] != 0);
    }
    hd_str_clear(&folded);
    return err;
}

// ── By columns ──────────────────────────────────────────────────────────────────────────────────

// The best rank of a column among a field's names, SIZE_MAX: none.
static size_t rank_of(const hd_columns *c, hd_kind kind, const char *field) {
    const char *names = hd_schema_field(hd_schemas[kind], field)->names;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < c->n; i++) {
        size_t rank = hd_name_rank(names, c->cols[i].folded);
        if (rank < best) best = rank;
    }
    return best;
}

static bool has(const hd_columns *c, hd_kind kind, const char *field) {
    return rank_of(c, kind, field) != SIZE_MAX;
}

static bool has_any(const hd_columns *c, const char *names) {
    for (size_t i = 0; i < c->n; i++) {
        if (hd_name_rank(names, c->cols[i].folded) != SIZE_MAX) return true;
    }
    return false;
}

// What is known of a file before its kind is.
typedef struct evidence {
    const hd_columns *columns;
    const hd_import_map *maps; // (n_maps) the user's
    size_t n_maps;
} evidence;

static bool is_mapped(const evidence *e, const char *field) {
    for (size_t i = 0; i < e->n_maps; i++) {
        if (strcmp(e->maps[i].field, field) == 0) return true;
    }
    return false;
}

static bool group_has(const evidence *e, const hd_schema *schema, const char *group) {
    for (size_t i = 0; i < schema->n_fields; i++) {
        const char *field = schema->fields[i].name;
        bool there = has(e->columns, schema->kind, field) || is_mapped(e, field);
        if (there && hd_name_rank(group, field) != SIZE_MAX) return true;
    }
    return false;
}

// Whether the kind has all fields that the user mapped, and the file all that the kind requires.
static bool allows(const evidence *e, hd_kind kind) {
    const hd_schema *schema = hd_schemas[kind];
    for (size_t i = 0; i < e->n_maps; i++) {
        const char *field = e->maps[i].field;
        if (field[0] && strcmp(field, "-") != 0 && !hd_schema_field(schema, field)) return false;
    }
    for (size_t i = 0; i < COUNT(schema->required) && schema->required[i]; i++) {
        if (!group_has(e, schema, schema->required[i])) return false;
    }
    return true;
}

#define TICKET_IDS \
    "ticketid ticket conversationid dialogueid dialogid chatid caseid threadid 工单id 工单号 工单编号"
#define USER_SIGNS                                                                                                   \
    "email gender sex age birthday birthdate phone mobile firstname lastname 年龄 性别 邮箱 手机 手机号 " \
    "生日 姓名"

static bool by_columns(const hd_columns *c, hd_kind *out) {
    bool user = has(c, HD_KIND_EVENTS, "user");
    bool item = has(c, HD_KIND_EVENTS, "item");
    bool type = has(c, HD_KIND_EVENTS, "type");
    bool text = has(c, HD_KIND_REVIEWS, "text");
    bool id = has_any(c, "id code 编号 编码");
    if (has_any(c, TICKET_IDS) && has(c, HD_KIND_TICKETS, "text")) {
        *out = HD_KIND_TICKETS;
    } else if (item && text && !type && (user || has(c, HD_KIND_REVIEWS, "rating"))) {
        *out = HD_KIND_REVIEWS;
    } else if (item && (user || has(c, HD_KIND_EVENTS, "session"))) {
        *out = HD_KIND_EVENTS;
    } else if (user && has(c, HD_KIND_EVENTS, "time") &&
               (type || has(c, HD_KIND_EVENTS, "value") || has(c, HD_KIND_EVENTS, "quantity"))) {
        *out = HD_KIND_EVENTS;
    } else if (item) {
        *out = HD_KIND_ITEMS;
    } else if (user || (id && has_any(c, USER_SIGNS))) {
        *out = HD_KIND_USERS;
    } else if (has_any(c, "question answer 问题 答案 回答") ||
               (text && has(c, HD_KIND_DOCUMENTS, "title"))) {
        *out = HD_KIND_DOCUMENTS;
    } else if (id && (has(c, HD_KIND_ITEMS, "title") || has(c, HD_KIND_ITEMS, "price") ||
                      has(c, HD_KIND_ITEMS, "categories"))) {
        *out = HD_KIND_ITEMS;
    } else {
        return false;
    }
    return true;
}

bool hd_kind_guess(const char *file_name, const hd_columns *columns, const hd_import_map *maps,
                   size_t n_maps, hd_kind *out) {
    static const hd_kind likely[] = {HD_KIND_EVENTS,  HD_KIND_ITEMS,   HD_KIND_USERS,
                                     HD_KIND_REVIEWS, HD_KIND_TICKETS, HD_KIND_DOCUMENTS};
    evidence e = {columns, maps, n_maps};
    if (by_name(file_name, out) && allows(&e, *out)) return true;
    if (by_columns(columns, out) && allows(&e, *out)) return true;
    for (size_t i = 0; i < COUNT(likely) && n_maps > 0; i++) {
        *out = likely[i];
        if (allows(&e, *out)) return true;
    }
    return false;
}
