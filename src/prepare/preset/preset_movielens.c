// SPDX-License-Identifier: Apache-2.0
//
// MovieLens in all the shapes that GroupLens published it in, told apart by file name:
// 100K (u.data, u.item, u.user: tab or '|', Latin-1, a column for each genre), 1M and 10M
// (ratings.dat, movies.dat, users.dat: '::'), the newer sets (ratings.csv, movies.csv, tags.csv
// with headers), and tables with a header whose genres are separated by spaces. A year in brackets
// at the end of a title becomes the attribute release_year.
#include "prepare/preset/preset.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AT(member) offsetof(hd_record, member)

static const char *const rating_names[] = {"user_id", "item_id", "rating", "timestamp"};
static const char *const tag_names[] = {"user_id", "item_id", "tag", "timestamp"};
static const char *const user_100k_names[] = {"user_id", "age", "gender", "occupation", "zip_code"};
static const char *const user_1m_names[] = {"user_id", "gender", "age", "occupation", "zip_code"};
static const char *const movie_names[] = {"item_id", "title", "genres"};
static const char *const movie_100k_names[] = {
    "item_id",     "title",     "release_date", "video_release_date", "imdb_url", "unknown",
    "Action",      "Adventure", "Animation",    "Children's",         "Comedy",   "Crime",
    "Documentary", "Drama",     "Fantasy",      "Film-Noir",          "Horror",   "Musical",
    "Mystery",     "Romance",   "Sci-Fi",       "Thriller",           "War",      "Western"};

// ── Movies ──────────────────────────────────────────────────────────────────────────────────────

typedef struct movie {
    hd_record record;
    hd_slice year; // as a column or in a date gave it
} movie;

static const hd_field movie_fields[] = {
    {"id", HD_FIELD_ID, AT(item.id), "itemid movieid", HD_TEXT("movie", "电影")},
    {"title", HD_FIELD_TEXT, AT(item.title), "title", HD_TEXT("title", "片名")},
    {"categories", HD_FIELD_LIST, AT(item.categories), "genres", HD_TEXT("genres", "类型")},
    {"genre", HD_FIELD_FLAG, AT(item.categories),
     "action adventure animation children's childrens comedy crime documentary drama fantasy filmnoir "
     "horror musical mystery romance scifi thriller war western",
     HD_TEXT("a genre's column of 0 and 1", "某一类型的 0/1 列")},
    {"year", HD_FIELD_TEXT, offsetof(movie, year), "releaseyear releasedate",
     HD_TEXT("year", "年份")},
};

static bool is_year(hd_slice s) {
    int64_t year;
    return s.n == 4 && hd_slice_i64(s, &year) && year > 1800 && year < 2200;
}

// "Toy Story (1995)" → "Toy Story" and 1995.
static void split_title(hd_slice *title, hd_slice *year) {
    hd_slice t = *title;
    if (t.n < 8 || t.p[t.n - 1] != ')' || t.p[t.n - 6] != '(') return;
    hd_slice digits = {t.p + t.n - 5, 4};
    if (!is_year(digits)) return;
    *year = digits;
    *title = hd_slice_trim((hd_slice){t.p, t.n - 6});
}

// The rest of the row with the year in front: {"release_year":1995,…}.
static heed_err add_year(hd_sink *sink, hd_slice year, hd_slice *attributes) {
    if (year.n > 4) year = (hd_slice){year.p + year.n - 4, 4}; // 01-Jan-1995
    bool there = attributes->p && memmem(attributes->p, attributes->n, "\"release_year\":", 15);
    if (!is_year(year) || there) return HEED_OK;
    bool more = attributes->n > 2;
    char *text =
        hd_arena_printf(sink->arena, "{\"release_year\":%.4s%s%.*s", year.p, more ? "," : "",
                        more ? (int)attributes->n - 1 : 1, more ? attributes->p + 1 : "}");
    if (!text) return HD_FAIL_MEMORY(attributes->n);
    *attributes = hd_slice_of(text);
    return HEED_OK;
}

static heed_err finish_movie(hd_sink *sink, void *filled) {
    movie *m = filled;
    hd_record r;
    hd_record_blank(HD_KIND_ITEMS, &r);
    r.item.id = m->record.item.id;
    r.item.title = m->record.item.title;
    r.item.categories = m->record.item.categories;
    r.item.attributes = m->record.item.attributes;
    if (hd_slice_eq(r.item.categories, "[\"(no genres listed)\"]"))
        r.item.categories = (hd_slice){0};
    if (r.item.title.p) split_title(&r.item.title, &m->year);
    if (m->year.p) HD_TRY(add_year(sink, m->year, &r.item.attributes));
    return hd_schemas[HD_KIND_ITEMS]->finish(sink, &r);
}

static const hd_schema movie_schema = {
    .kind = HD_KIND_ITEMS,
    .required = {"id"},
    .fields = movie_fields,
    .n_fields = COUNT(movie_fields),
    .size = sizeof(movie),
    .rest = AT(item.attributes),
    .list = AT(item.categories),
    .currency = HD_NO_PLACE,
    .finish = finish_movie,
};

// ── Files ───────────────────────────────────────────────────────────────────────────────────────

typedef struct layout {
    const char *file; // how its name ends
    hd_kind kind;
    const char *sign; // NULL: guessed, and there is a header
    const char *const *names;
    size_t n_names;
    char genre_sign;
    const char *type;
} layout;

static const layout layouts[] = {
    {"u.data", HD_KIND_EVENTS, "\t", rating_names, COUNT(rating_names), 0, "rating"},
    {"u.item", HD_KIND_ITEMS, "|", movie_100k_names, COUNT(movie_100k_names), 0, NULL},
    {"u.user", HD_KIND_USERS, "|", user_100k_names, COUNT(user_100k_names), 0, NULL},
    {"ratings.dat", HD_KIND_EVENTS, "::", rating_names, COUNT(rating_names), 0, "rating"},
    {"movies.dat", HD_KIND_ITEMS, "::", movie_names, COUNT(movie_names), '|', NULL},
    {"users.dat", HD_KIND_USERS, "::", user_1m_names, COUNT(user_1m_names), 0, NULL},
    {"tags.dat", HD_KIND_EVENTS, "::", tag_names, COUNT(tag_names), 0, "tag"},
    {"tags.csv", HD_KIND_EVENTS, NULL, NULL, 0, 0, "tag"},
};

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name);
    size_t k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

static bool holds(hd_slice head, const char *text) {
    return memmem(head.p, head.n, text, strlen(text)) != NULL;
}

static void apply_layout(const layout *l, hd_shape *out) {
    if (out->kind < 0) out->kind = l->kind;
    out->default_type = l->type;
    out->list_sign = l->genre_sign;
    if (!l->sign) return;
    out->cut = (hd_cut){.n = strlen(l->sign)};
    memcpy(out->cut.sign, l->sign, out->cut.n);
    out->header = 0;
    out->names = l->names;
    out->n_names = l->n_names;
}

// Any other name: told by what the start looks like.
static void apply_content(hd_slice head, hd_shape *out) {
    const char *eol = memchr(head.p, '\n', head.n);
    hd_slice first = {head.p, eol ? (size_t)(eol - head.p) : head.n};
    bool header = holds(first, "user_id") || holds(first, "userId") || holds(first, "item_id") ||
                  holds(first, "movieId");
    if (header) {
        bool movies = holds(first, "genres") || holds(first, "title");
        if (out->kind < 0 && movies) out->kind = HD_KIND_ITEMS;
        // Newer sets write Action|Comedy, tables with tabs Action Comedy.
        if (movies) out->list_sign = holds(first, "\t") ? ' ' : '|';
        return;
    }
    if (holds(first, "::")) {
        apply_layout(&layouts[3], out);
    } else if (holds(first, "\t")) {
        apply_layout(&layouts[0], out);
    }
}

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    const layout *found = NULL;
    for (size_t i = 0; i < COUNT(layouts) && !found; i++) {
        if (ends_with(file->name, layouts[i].file)) found = &layouts[i];
    }
    if (found) {
        apply_layout(found, out);
    } else {
        apply_content(file->head, out);
    }
    if (out->kind == HD_KIND_ITEMS) out->schema = &movie_schema;
    return HEED_OK;
}

// The older sets are in Latin-1, whatever their first 64 kB look like.
static const char *encoding(const char *name) {
    return ends_with(name, "u.item") || ends_with(name, "movies.dat") ? "latin-1" : NULL;
}

const hd_preset hd_preset_movielens = {
    .name = "movielens",
    .doc =
        HD_TEXT("MovieLens: u.data, u.item, u.user; the .dat and .csv files; tables with headers",
                "MovieLens：u.data、u.item、u.user；.dat 与 .csv 文件；带表头的表格"),
    .encoding = encoding,
    .shape = shape,
};
