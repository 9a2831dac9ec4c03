// SPDX-License-Identifier: Apache-2.0
//
// The importer wires the steps together: source (bytes), decoder (UTF-8), feed (lines), reader
// (cells), mapping (columns to fields), fill (values), and the schema's or preset's last look at
// the whole row, which pushes one record or several.
//
// Opening looks ahead: the first rows are read twice, once to see which columns there are and what
// their values look like, then for good. Nothing is read again from the file (it may be a pipe):
// the feed holds its first part and starts over.
#include "prepare/importer.h"

#include "base/mem.h"
#include "prepare/preset/preset.h"
#include "prepare/read/fill.h"
#include "prepare/read/look.h"
#include "prepare/read/map.h"
#include "prepare/read/sniff.h"

enum { DEFAULT_MAX_LINE = 16 * 1024 * 1024 };

struct hd_importer {
    hd_source *source;
    hd_decoder *decoder;
    hd_reader reader;
    hd_fill fill;
    hd_zone *zone;
    const hd_preset *preset;
    char sep[2]; // the delimiter that the file itself names, or ""
    hd_shape shape;
    const hd_schema *schema;
    hd_mapping mapping;
    hd_arena arena; // for the importer's life
    hd_import_guess guess;
    size_t n_mapped; // columns that the mapping has seen
    void *filled;    // (schema->size) of the current row
    void *blank;     // (schema->size)
    hd_sink sink;
    size_t next; // record of the sink to hand out
    uint64_t line;
    bool failed; // the file can't be read on
};

static const char *file_name(const hd_importer *in) {
    return hd_source_name(in->source);
}

// The name without folders and endings of packers, in the arena.
static heed_err base_name(hd_importer *in, const char **out) {
    const char *path = file_name(in);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    static const char *const endings[] = {".gz", ".zst", ".zstd"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t k = strlen(endings[i]);
        if (n > k && strcmp(name + n - k, endings[i]) == 0) {
            n -= k;
            break;
        }
    }
    *out = hd_arena_strndup(&in->arena, name, n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(n);
}

// ── Columns ─────────────────────────────────────────────────────────────────────────────────────

static heed_err add_names(hd_importer *in, const hd_row *row) {
    for (size_t i = 0; i < row->n; i++) {
        uint32_t index;
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", i + 1);
        hd_slice name = hd_slice_trim(row->cells[i].text);
        if (!in->guess.header || name.n == 0) name = (hd_slice){number, (size_t)n};
        HD_TRY(hd_columns_add(&in->reader.columns, HD_NO_COLUMN, name, true, &index));
    }
    return HEED_OK;
}

static heed_err add_given_names(hd_importer *in) {
    for (size_t i = 0; i < in->shape.n_names; i++) {
        uint32_t index;
        HD_TRY(hd_columns_add(&in->reader.columns, HD_NO_COLUMN, hd_slice_of(in->shape.names[i]),
                              true, &index));
    }
    return HEED_OK;
}

static heed_err check_first_row(const hd_importer *in, const hd_row *row,
                                const hd_import_row *reason) {
    if (row->state == HD_ROW_BAD) return hd_look_fail(file_name(in), reason, row->line);
    if (row->state == HD_ROW_RECORD && row->n <= HD_MAX_COLUMNS) return HEED_OK;
    return HD_FAIL(
        HEED_INPUT,
        "%s: the first row has more than %d columns, or a quote that isn't closed: check "
        "the delimiter and the quotes",
        "%s：首行超过 %d 列，或引号没有结束：请检查分隔符和引号", file_name(in), HD_MAX_COLUMNS);
}

// CSV: the first row names the columns, or they are numbered, or the preset names them.
static heed_err find_csv_columns(hd_importer *in) {
    hd_import_row reason;
    hd_row row;
    if (in->shape.names) {
        HD_TRY(add_given_names(in));
        in->reader.width = in->shape.format == &hd_format_csv ? in->shape.n_names : 0;
        return HEED_OK;
    }
    hd_look at = hd_look_begin(&in->reader);
    heed_err err = hd_reader_next(&in->reader, &reason, &row);
    if (err == HEED_OK) err = check_first_row(in, &row, &reason);
    in->guess.header = in->shape.header >= 0 ? in->shape.header == 1 : hd_sniff_header(&row);
    if (err == HEED_OK) err = add_names(in, &row);
    in->reader.width = row.n;
    hd_look_end(&in->reader, at);
    if (err != HEED_OK || !in->guess.header) return err;
    HD_TRY(hd_reader_next(&in->reader, &reason, &row)); // for good
    char *header = hd_arena_strndup(&in->arena, row.raw.p, row.raw.n);
    if (!header) return HD_FAIL_MEMORY(row.raw.n);
    in->reader.header = (hd_slice){header, row.raw.n};
    return HEED_OK;
}

static heed_err unknown_kind(hd_importer *in) {
    hd_str list;
    hd_str_init(&list);
    heed_err err = hd_columns_list(&in->reader.columns, &list);
    bool numbered = in->shape.format == &hd_format_csv && !in->guess.header;
    if (err == HEED_OK && numbered) {
        err = HD_FAIL(
            HEED_INPUT,
            "%s: the first line names no columns (they are taken as %s): put names there, or "
            "say --as events --map 1=user --map 2=item …; lines of 'user item item …' want "
            "--preset sequence",
            "%s：首行没有列名（按 %s 处理）：请加上列名，或用 --as events --map 1=user --map 2=item …；"
            "形如“用户 商品 商品 …”的行请用 --preset sequence",
            file_name(in), hd_str_get(&list));
    } else if (err == HEED_OK) {
        err = HD_FAIL(
            HEED_INPUT,
            "%s: can't tell what it holds; its columns are %s: say --as users, items, events, "
            "reviews, tickets or documents, and --map COLUMN=FIELD where needed",
            "%s：无法判断文件内容；现有的列为 %s：请用 --as 指明 users、items、events、reviews、"
            "tickets 或 documents，必要时用 --map 列=字段",
            file_name(in), hd_str_get(&list));
    }
    hd_str_clear(&list);
    return err;
}

// ── Opening ─────────────────────────────────────────────────────────────────────────────────────

static const char *next_time_format(void *ctx) {
    int *id = ctx;
    return *id < HD_TIME_FORMATS ? hd_time_format_name((hd_time_format_id)(*id)++) : NULL;
}

static heed_err unknown_time_format(const char *name) {
    int id = 0;
    const char *near = hd_nearest(name, next_time_format, &id);
    return HD_FAIL(HEED_USAGE, "unknown time format '%s': did you mean '%s'?",
                   "没有时间格式“%s”：是否指“%s”？", name, near ? near : "iso");
}

static heed_err check_params(hd_importer *in, const hd_importer_params *p) {
    hd_time_format_id id;
    if (p->preset && p->preset[0]) HD_TRY(hd_preset_find(p->preset, &in->preset));
    if (p->time_format && !hd_time_format_find(p->time_format, &id)) {
        return unknown_time_format(p->time_format);
    }
    return p->zone ? hd_zone_open(p->zone, &in->zone) : HEED_OK;
}

// Excel may put "sep=;" in front, which names the delimiter and is no row.
static void take_sep_line(hd_importer *in) {
    hd_feed *feed = &in->reader.feed;
    const char *p = feed->buf;
    if (feed->end < 6 || memcmp(p, "sep=", 4) != 0 || p[4] == '\n' || p[4] == '\r') return;
    size_t n = 5 + (p[5] == '\r' && feed->eol == '\n');
    if (n >= feed->end || p[n] != feed->eol) return;
    in->sep[0] = p[4];
    hd_feed_advance(feed, n + 1, 1);
}

static heed_err open_text(hd_importer *in, const hd_importer_params *p, const char *name) {
    const char *encoding = p->encoding;
    if (!encoding && in->preset && in->preset->encoding) encoding = in->preset->encoding(name);
    HD_TRY(hd_decoder_open(in->source, encoding, &in->decoder));
    size_t max_line = p->max_line ? p->max_line : DEFAULT_MAX_LINE;
    HD_TRY(hd_feed_open(in->decoder, max_line, &in->reader.feed));
    take_sep_line(in);
    return HEED_OK;
}

static heed_err kind_and_preset(const hd_importer *in, int kind) {
    return HD_FAIL(HEED_USAGE, "--preset %s knows itself what a file holds: leave out --as %s",
                   "--preset %s 自己知道文件内容：请去掉 --as %s", in->preset->name,
                   hd_kind_name((hd_kind)kind));
}

static heed_err find_shape(hd_importer *in, const hd_importer_params *p, const char *name) {
    const hd_feed *feed = &in->reader.feed;
    hd_slice head = {feed->buf + feed->begin, feed->end - feed->begin};
    const char *delimiter = p->delimiter ? p->delimiter : in->sep[0] ? in->sep : NULL;
    in->shape = (hd_shape){.header = -1, .kind = p->kind};
    if (in->preset) {
        hd_preset_file file = {name, head};
        HD_TRY(in->preset->shape(&file, &in->shape));
    }
    if (p->kind >= 0 && in->shape.kind != p->kind) return kind_and_preset(in, p->kind);
    if (p->header >= 0) in->shape.header = p->header;
    HD_TRY(hd_sniff_format(file_name(in), head, feed->ended, delimiter, &in->shape));
    in->reader.format = in->shape.format;
    in->reader.cut = in->shape.cut;
    return HEED_OK;
}

static heed_err find_schema(hd_importer *in, const hd_importer_params *p, const char *name) {
    hd_kind kind = HD_KIND_EVENTS;
    if (in->shape.kind >= 0) {
        kind = (hd_kind)in->shape.kind;
    } else if (!hd_kind_guess(name, &in->reader.columns, p->maps, p->n_maps, &kind)) {
        return unknown_kind(in);
    }
    bool own = in->shape.schema && in->shape.schema->kind == kind;
    in->schema = own ? in->shape.schema : hd_schemas[kind];
    return HEED_OK;
}

static heed_err map_columns(hd_importer *in, const hd_importer_params *p) {
    in->mapping = (hd_mapping){
        .file = file_name(in),
        .schema = in->schema,
        .user = p->maps,
        .n_user = p->n_maps,
        .preset = in->shape.maps,
        .n_preset = in->shape.n_maps,
        .open = in->shape.format == &hd_format_jsonl,
    };
    if (in->shape.convert && p->n_maps > 0) {
        return HD_FAIL(HEED_USAGE, "--map has no use with --preset %s: its lines have no columns",
                       "--map 不能与 --preset %s 同用：其行没有列", in->preset->name);
    }
    if (in->shape.convert) return HEED_OK;
    HD_TRY(hd_map_columns(&in->mapping, &in->reader.columns));
    in->n_mapped = in->reader.columns.n;
    in->mapping.n_user = 0; // borrowed for the opening only
    return HEED_OK;
}

static bool maps_to(const hd_importer *in, const char *field) {
    for (size_t i = 0; i < in->reader.columns.n; i++) {
        const hd_field *f = in->reader.columns.cols[i].field;
        if (f && strcmp(f->name, field) == 0) return true;
    }
    return false;
}

static heed_err find_default_type(hd_importer *in, const char *name) {
    const char *type = in->shape.default_type;
    if (in->schema->kind != HD_KIND_EVENTS) return HEED_OK;
    if (!type && maps_to(in, "rating")) type = "rating";
    if (!type) HD_TRY(hd_type_guess(name, &type));
    if (!type) type = maps_to(in, "value") || maps_to(in, "quantity") ? "purchase" : "view";
    in->sink.default_type = hd_slice_of(type);
    if (!maps_to(in, "type") && !maps_to(in, "call")) in->guess.default_type = type;
    return HEED_OK;
}

static heed_err describe(hd_importer *in) {
    hd_columns *columns = &in->reader.columns;
    hd_import_map *maps = hd_arena_calloc(&in->arena, columns->n + 1, sizeof *maps);
    if (!maps) return HD_FAIL_MEMORY(columns->n * sizeof *maps);
    for (size_t i = 0; i < columns->n; i++) {
        const hd_import_column *col = &columns->cols[i];
        // Objects whose members are listed are not columns of their own.
        maps[in->guess.n_maps].column = hd_arena_strdup(&in->arena, col->path);
        if (!maps[in->guess.n_maps].column) return HD_FAIL_MEMORY(0);
        bool dropped = col->dropped || (!col->field && in->schema->rest == HD_NO_PLACE);
        maps[in->guess.n_maps++].field = dropped ? "-" : col->field ? col->field->name : "";
    }
    if (in->shape.convert) {
        for (size_t i = 0; i < in->guess.n_maps; i++) maps[i].field = maps[i].column;
    }
    in->guess.maps = maps;
    in->guess.kind = in->schema->kind;
    in->guess.packing = hd_source_packing(in->source);
    bool csv = in->shape.format == &hd_format_csv;
    in->guess.format = csv && in->shape.cut.sign[0] == '\t' ? "tsv" : in->shape.format->name;
    in->guess.delimiter = csv ? in->shape.cut.sign[0] : 0;
    return HEED_OK;
}

static heed_err prepare_rows(hd_importer *in, const hd_importer_params *p) {
    hd_fill *f = &in->fill;
    f->schema = in->schema;
    f->columns = &in->reader.columns;
    f->zone = in->zone;
    f->now = p->now;
    f->currency = p->currency && p->currency[0] ? hd_arena_strdup(&in->arena, p->currency) : NULL;
    if (p->currency && p->currency[0] && !f->currency) return HD_FAIL_MEMORY(0);
    f->list_sign = in->shape.list_sign;
    f->comma = in->shape.cut.n == 1 && in->shape.cut.sign[0] == ';';
    f->json = in->shape.format == &hd_format_jsonl;
    f->arena = &in->reader.arena;
    in->sink.arena = &in->reader.arena;
    in->sink.now = p->now;
    in->filled = hd_alloc(in->schema->size);
    in->blank = hd_alloc(in->schema->size);
    in->sink.seen = hd_calloc(in->shape.remembers ? HD_SINK_SEEN : 1, sizeof *in->sink.seen);
    if (!in->filled || !in->blank || !in->sink.seen) return HD_FAIL_MEMORY(in->schema->size);
    hd_schema_blank(in->schema, in->blank);
    if (in->schema == hd_schemas[in->schema->kind] || in->schema->size >= sizeof(hd_record)) {
        ((hd_record *)in->blank)->kind = in->schema->kind;
    }
    return HEED_OK;
}

static heed_err set_up(hd_importer *in, const hd_importer_params *p) {
    const char *name;
    HD_TRY(base_name(in, &name));
    HD_TRY(open_text(in, p, name));
    HD_TRY(find_shape(in, p, name));
    if (in->shape.format == &hd_format_jsonl) {
        HD_TRY(hd_look_members(&in->reader, file_name(in)));
    } else {
        HD_TRY(find_csv_columns(in));
    }
    HD_TRY(find_schema(in, p, name));
    HD_TRY(map_columns(in, p));
    HD_TRY(find_default_type(in, name));
    HD_TRY(prepare_rows(in, p));
    HD_TRY(hd_look_values(&in->reader, file_name(in), in->schema, p->time_format, &in->guess));
    return describe(in);
}

static heed_err open_importer(const hd_importer_params *p, const void *bytes, size_t n,
                              hd_importer **out) {
    hd_importer *in = hd_calloc(1, sizeof *in);
    if (!in) return HD_FAIL_MEMORY(sizeof *in);
    hd_arena_init(&in->arena);
    hd_reader_init(&in->reader);
    hd_fill_init(&in->fill);
    in->guess.time_format = "";
    in->guess.default_type = "";
    heed_err err = check_params(in, p);
    if (err == HEED_OK && bytes) err = hd_source_open_memory(p->path, bytes, n, &in->source);
    if (err == HEED_OK && !bytes) err = hd_source_open(p->path, &in->source);
    if (err == HEED_OK) err = set_up(in, p);
    if (err != HEED_OK) {
        hd_importer_close(in);
        return err;
    }
    *out = in;
    return HEED_OK;
}

heed_err hd_importer_open(const hd_importer_params *params, hd_importer **out) {
    return open_importer(params, NULL, 0, out);
}

heed_err hd_importer_open_memory(const hd_importer_params *params, const void *bytes, size_t n,
                                 hd_importer **out) {
    return open_importer(params, bytes ? bytes : "", n, out);
}

const hd_import_guess *hd_importer_guess(const hd_importer *in) {
    // The encoding may have become known only now.
    ((hd_importer *)(uintptr_t)in)->guess.encoding = hd_decoder_encoding(in->decoder);
    return &in->guess;
}

// ── Rows ────────────────────────────────────────────────────────────────────────────────────────

static void hand_out(hd_importer *in, hd_import_row *row) {
    row->state = HD_ROW_RECORD;
    row->line = in->line;
    row->record = in->sink.records[in->next++];
}

// Columns that JSON brought only now.
static void map_late(hd_importer *in) {
    if (in->reader.columns.n == in->n_mapped || in->shape.convert) return;
    hd_map_late(&in->mapping, &in->reader.columns, in->n_mapped);
    in->n_mapped = in->reader.columns.n;
}

static heed_err understand(hd_importer *in, const hd_row *cells, hd_import_row *row) {
    in->sink.row = row;
    if (in->shape.convert) return in->shape.convert(&in->sink, cells);
    map_late(in);
    memcpy(in->filled, in->blank, in->schema->size);
    HD_TRY(hd_fill_row(&in->fill, cells, in->filled, row));
    if (row->state == HD_ROW_BAD) return HEED_OK;
    return (in->shape.finish ? in->shape.finish : in->schema->finish)(&in->sink, in->filled);
}

static heed_err next_row(hd_importer *in, hd_import_row *row) {
    for (;;) {
        hd_row cells;
        row->state = HD_ROW_RECORD;
        in->sink.n = 0;
        in->next = 0;
        HD_TRY(hd_reader_next(&in->reader, row, &cells));
        row->state = cells.state;
        row->line = cells.line;
        row->raw = cells.raw;
        in->line = cells.line;
        if (cells.state != HD_ROW_RECORD) return HEED_OK;
        HD_TRY(understand(in, &cells, row));
        if (row->state == HD_ROW_BAD) {
            in->sink.n = 0;
            return HEED_OK;
        }
        if (in->sink.n == 0) continue; // a row that says nothing
        hand_out(in, row);
        return HEED_OK;
    }
}

heed_err hd_importer_next(hd_importer *in, hd_import_row *row) {
    if (in->next < in->sink.n) {
        hand_out(in, row);
        return HEED_OK;
    }
    if (in->failed) {
        return HD_FAIL(HEED_IO, "%s: reading it failed before", "%s：此前读取失败", file_name(in));
    }
    heed_err err = next_row(in, row);
    in->failed = err != HEED_OK;
    return err;
}

heed_err hd_importer_hash(hd_importer *in, char out[65]) {
    return hd_source_hash(in->source, out);
}

uint64_t hd_importer_bytes(const hd_importer *in) {
    return hd_source_bytes(in->source);
}

uint64_t hd_importer_bytes_total(const hd_importer *in) {
    return hd_source_total(in->source);
}

void hd_importer_close(hd_importer *in) {
    if (!in) return;
    hd_free(in->sink.seen);
    hd_free(in->sink.records);
    hd_free(in->blank);
    hd_free(in->filled);
    hd_fill_clear(&in->fill);
    hd_reader_clear(&in->reader);
    hd_decoder_close(in->decoder);
    hd_source_close(in->source);
    hd_zone_close(in->zone);
    hd_arena_clear(&in->arena);
    hd_free(in);
}
