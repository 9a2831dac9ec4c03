// SPDX-License-Identifier: Apache-2.0
//
// What a file is taken for: kinds, delimiters, headers, columns, formats of time; and --map.
#include "rows.h"

#include "base/fs.h"
#include "prepare/preset/preset.h"
#include "prepare/read/fold.h"

// No synonym may stand for two fields of a kind, or twice; and each must be in its folded form.
static void synonyms_are_unique(void **state) {
    (void)state;
    hd_str folded;
    hd_str_init(&folded);
    for (int kind = 0; kind < HD_KINDS; kind++) {
        const hd_schema *s = hd_schemas[kind];
        hd_map seen;
        hd_map_init(&seen);
        for (size_t i = 0; i < s->n_fields; i++) {
            for (const char *p = s->fields[i].names; *p;) {
                size_t n = strcspn(p, " ");
                assert_int_equal(hd_fold_name((hd_slice){p, n}, &folded), HEED_OK);
                if (folded.len != n || memcmp(folded.data, p, n) != 0) {
                    fail_msg("%.*s is not folded", (int)n, p);
                }
                if (hd_map_get(&seen, p, n, NULL)) {
                    fail_msg("%s: %.*s stands twice", hd_kind_name((hd_kind)kind), (int)n, p);
                }
                assert_int_equal(hd_map_put(&seen, p, n, i), HEED_OK);
                p += n + (p[n] == ' ');
            }
        }
        hd_map_clear(&seen);
    }
    hd_str_clear(&folded);
}

static void kinds(void **state) {
    (void)state;
    static const struct {
        const char *name, *header;
        hd_kind kind;
    } cases[] = {
        {"users.csv", "id,name", HD_KIND_USERS},
        {"items.csv", "id,name,price", HD_KIND_ITEMS},
        {"products-2026.csv", "sku,title", HD_KIND_ITEMS},
        {"events.csv", "user,item", HD_KIND_EVENTS},
        {"order_items.csv", "order,user_id,item_id", HD_KIND_EVENTS},
        {"user_items.csv", "user_id,item_id", HD_KIND_EVENTS},
        {"item_reviews.csv", "item,text", HD_KIND_REVIEWS},
        {"faq.csv", "question,answer", HD_KIND_DOCUMENTS},
        {"tickets.csv", "ticket_id,text", HD_KIND_TICKETS},
        {"会员.csv", "会员号,城市", HD_KIND_USERS},
        {"商品目录.csv", "商品编号,名称", HD_KIND_ITEMS},
        {"2026订单.csv", "会员号,商品编号,数量", HD_KIND_EVENTS},
        {"a.csv", "user_id,item_id,ts", HD_KIND_EVENTS},
        {"a.csv", "session_id,item_id", HD_KIND_EVENTS},
        {"a.csv", "user_id,date,amount", HD_KIND_EVENTS},
        {"a.csv", "user_id,item_id,rating,text", HD_KIND_REVIEWS},
        {"a.csv", "item_id,title", HD_KIND_ITEMS},
        {"a.csv", "id,title,price", HD_KIND_ITEMS},
        {"a.csv", "id,email", HD_KIND_USERS},
        {"a.csv", "customer_id,city", HD_KIND_USERS},
        {"a.csv", "conversation_id,message", HD_KIND_TICKETS},
        {"a.csv", "title,content", HD_KIND_DOCUMENTS},
        // The name doesn't fit what stands in the file.
        {"users.csv", "ticket_id,message", HD_KIND_TICKETS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        hd_importer *in = NULL;
        int n = hd_snprintf(text, sizeof text, "%s\n20240102,20240102,20240102\n", cases[i].header);
        hd_importer_params p = test_params(cases[i].name);
        if (hd_importer_open_memory(&p, text, (size_t)n, &in) != HEED_OK) {
            fail_msg("%s with %s: %s", cases[i].name, cases[i].header, heed_error_message(HEED_EN));
        }
        if (hd_importer_guess(in)->kind != cases[i].kind) {
            fail_msg("%s with %s: taken for %s", cases[i].name, cases[i].header,
                     hd_kind_name(hd_importer_guess(in)->kind));
        }
        hd_importer_close(in);
    }
}

static void delimiters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        char sign;
    } cases[] = {
        {"user_id,city\na,\"x;y;z\"\nb,y\n", ','},
        {"user_id;city\na;1,5\nb;2,5\n", ';'},
        {"user_id\tcity\na\tx, y\nb\tz, w\n", '\t'},
        {"user_id|city\na|b\n", '|'},
        {"user_id city\na  b\nc\t d\n", ' '},
        {"user_id\na\nb\n", ','},
        {"user_id,city,note\na,b,\"one\ntwo|three\"\nd,e,f\n", ','},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_importer *in = NULL;
        hd_importer_params p = test_params("users.csv");
        assert_int_equal(hd_importer_open_memory(&p, cases[i].text, strlen(cases[i].text), &in),
                         HEED_OK);
        if (hd_importer_guess(in)->delimiter != cases[i].sign) {
            fail_msg("cut at '%c': %s", hd_importer_guess(in)->delimiter, cases[i].text);
        }
        hd_importer_close(in);
    }
    hd_importer_params p = test_params("users.csv");
    p.delimiter = "::";
    test_rows(&p, "user_id::city\na::x\n", "2 user id=a attributes={\"city\":\"x\"}\n");
    p.delimiter = "tab";
    test_rows(&p, "user_id\tcity\na\tx\n", "2 user id=a attributes={\"city\":\"x\"}\n");
    p.delimiter = "long";
    test_refused(&p, "a", 1, "'long' can't be a delimiter");
}

static void without_a_header(void **state) {
    (void)state;
    hd_import_map maps[] = {{"1", "user"}, {"2", "item"}, {"3", "time"}};
    hd_importer_params p = test_params("log.csv");
    test_refused(&p, "u1,i1,2024-01-01\n", 17, "the first line names no columns");
    p.maps = maps;
    p.n_maps = 3;
    test_rows(&p, "u1,i1,2024-01-01\n",
              "1 event user=u1 item=i1 type=view time=2024-01-01T00:00:00Z\n");
    p.header = 1; // as the user says
    maps[0].column = "u1", maps[1].column = "i1", maps[2].column = "2024-01-01";
    test_rows(&p, "u1,i1,2024-01-01\nu2,i2,2024-01-02\n",
              "2 event user=u2 item=i2 type=view time=2024-01-02T00:00:00Z\n");
}

static void columns_named_alike_or_not_at_all(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,a,a,\nu,1,2,3\n",
              "2 user id=u attributes={\"a\":1,\"a_2\":2,\"4\":3}\n");
}

static void better_names_win(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "id,customer_id\n1,c1\n", "2 user id=c1 attributes={\"id\":1}\n");
    p = test_params("x.jsonl"); // a rating and a price share a place: the rating is the value
    test_rows(&p, "{\"user\":\"u\",\"item\":\"i\",\"price\":9.5,\"rating\":4}\n",
              "1 event user=u item=i type=rating value=4 properties={\"price\":9.5}\n");
}

static void maps_of_the_user(void **state) {
    (void)state;
    hd_import_map maps[] = {{"who", "user"}, {"Secret Phone", "-"}, {"item_id", ""}, {"x", "item"}};
    hd_importer_params p = test_params("events.csv");
    p.maps = maps;
    p.n_maps = 4;
    const char *text = "who,secret_phone,item_id,x\nu,555,i1,i2\n";
    test_rows(&p, text, "2 event user=u item=i2 type=view properties={\"item_id\":\"i1\"}\n");
    maps[0].column = "whoo";
    test_refused(&p, text, strlen(text), "has no column 'whoo': did you mean 'who'?");
    maps[0].column = "elephant";
    test_refused(&p, text, strlen(text),
                 "has no column 'elephant': its columns are who, secret_phone, item_id, x");
    maps[0] = (hd_import_map){"who", "usr"};
    p.kind = HD_KIND_EVENTS;
    test_refused(&p, text, strlen(text), "events have no field 'usr': did you mean 'user'?");
    maps[0].field = "elephant";
    test_refused(&p, text, strlen(text), "events have no field 'elephant': their fields are");
}

static void map_tells_the_kind(void **state) {
    (void)state;
    hd_import_map maps[] = {{"n", "quantity"}};
    hd_importer_params p = test_params("data.csv");
    p.maps = maps;
    p.n_maps = 1;
    test_rows(&p, "user_id,n\nu,2\n", "2 event user=u type=purchase quantity=2\n");
}

static void required_columns(void **state) {
    (void)state;
    hd_importer_params p = test_params("x.csv");
    p.kind = HD_KIND_ITEMS;
    test_refused(&p, "name,city\na,b\n", 14,
                 "no column is known as the id of items; its columns are name, city");
    p.kind = -1;
    test_refused(&p, "foo,bar\na,b\n", 12, "can't tell what it holds; its columns are foo, bar");
}

static void formats_of_time(void **state) {
    (void)state;
    hd_importer *in = NULL;
    hd_importer_params p = test_params("events.csv");
    const char *text = "user_id,time\nu,03/04/2024\nu,05/06/2024\n";
    assert_int_equal(hd_importer_open_memory(&p, text, strlen(text), &in), HEED_OK);
    assert_true(hd_importer_guess(in)->time_ambiguous);
    assert_string_equal(hd_importer_guess(in)->time_format, "slash_mdy");
    hd_importer_close(in);
    test_rows(&p, "user_id,time\nu,03/04/2024\nu,25/06/2024\n",
              "2 event user=u type=view time=2024-04-03T00:00:00Z\n"
              "3 event user=u type=view time=2024-06-25T00:00:00Z\n");
    p.time_format = "slash_dmy";
    test_rows(&p, text,
              "2 event user=u type=view time=2024-04-03T00:00:00Z\n"
              "3 event user=u type=view time=2024-06-05T00:00:00Z\n");
    p.time_format = "sundial";
    test_refused(&p, text, strlen(text), "unknown time format 'sundial'");
    p.time_format = NULL;
    p.zone = "+08:00";
    test_rows(&p, "user_id,time\nu,2024-01-02 08:00:00\n",
              "2 event user=u type=view time=2024-01-02T00:00:00Z\n");
    test_refused(&p, "user_id,time\nu,soon\nu,later\n", 26, "'soon' is no time");
}

static void json_documents(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.json");
    const char *advice = "is one JSON document: write one object a line";
    test_refused(&p, "[\n{\"id\":1}\n]\n", 13, advice);
    test_refused(&p, "[{\"id\":1},{\"id\":2}]", 19, advice);
    test_refused(&p, "{\n\"id\":1\n}\n", 11, advice);
    test_refused(&p, "{\"id\":1 \"b\"}\n", 13, "users.json:1: no valid JSON");
    test_refused(&p, " \n\n", 3, "blank lines only");
}

static void unknown_preset(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    p.preset = "retial";
    test_refused(&p, "a", 1, "did you mean 'retail'?");
    p.preset = "shopify-export";
    test_refused(&p, "a", 1, "choose one of gorse, movielens");
    for (size_t i = 0; hd_presets[i]; i++) {
        assert_true(hd_preset_name(hd_presets[i])[0] != 0);
        assert_true(hd_preset_doc(hd_presets[i]).zh[0] != 0);
    }
}

// docs/import.md and its Chinese twin hold a row for each field, word for word.
static void pages_list_all_fields(void **state) {
    (void)state;
    static const char *const pages[] = {HEED_SOURCE_ROOT "/docs/import.md",
                                        HEED_SOURCE_ROOT "/docs/zh/import.md"};
    for (int lang = HEED_EN; lang <= HEED_ZH; lang++) {
        hd_str page, row;
        hd_str_init(&page);
        hd_str_init(&row);
        assert_int_equal(hd_fs_read(pages[lang], 0, &page), HEED_OK);
        for (int kind = 0; kind < HD_KINDS; kind++) {
            for (size_t i = 0; i < hd_schemas[kind]->n_fields; i++) {
                const hd_field *f = &hd_schemas[kind]->fields[i];
                hd_str_reset(&row);
                hd_str_addf(&row, "| `%s` | ", f->name);
                for (const char *p = hd_text_get(f->doc, (heed_lang)lang); *p; p++) {
                    hd_str_addn(&row, *p == '|' ? "&#124;" : p, *p == '|' ? 6 : 1);
                }
                hd_str_addf(&row, " | %s |\n", f->names);
                if (!strstr(hd_str_get(&page), hd_str_get(&row))) {
                    fail_msg("%s lacks this row: %s", pages[lang], hd_str_get(&row));
                }
            }
        }
        for (size_t i = 0; hd_presets[i]; i++) {
            hd_str_reset(&row);
            hd_str_addf(&row, "| `%s` | ", hd_preset_name(hd_presets[i]));
            assert_non_null(strstr(hd_str_get(&page), hd_str_get(&row)));
        }
        hd_str_clear(&row);
        hd_str_clear(&page);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synonyms_are_unique),
        cmocka_unit_test(pages_list_all_fields),
        cmocka_unit_test(kinds),
        cmocka_unit_test(delimiters),
        cmocka_unit_test(without_a_header),
        cmocka_unit_test(columns_named_alike_or_not_at_all),
        cmocka_unit_test(better_names_win),
        cmocka_unit_test(maps_of_the_user),
        cmocka_unit_test(map_tells_the_kind),
        cmocka_unit_test(required_columns),
        cmocka_unit_test(formats_of_time),
        cmocka_unit_test(json_documents),
        cmocka_unit_test(unknown_preset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
