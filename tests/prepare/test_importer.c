// SPDX-License-Identifier: Apache-2.0
//
// The importer as a whole: what comes out of files of every kind, from memory.
#include "rows.h"

static void events_with_a_header(void **state) {
    (void)state;
    hd_importer_params p = test_params("events.csv");
    test_rows(&p,
              "user_id,item_id,event_type,timestamp,price,qty,coupon\n"
              "u1,i1,pageview,1700000000,,,\n"
              "u2,i2,add_to_cart,1700000001,\"1,234.50\",2,X\n"
              "u3,i3,购买,1700000002,¥9.90,1,\n"
              ",i4,Wobble,1700000003,,,\n",
              "2 event user=u1 item=i1 type=view time=2023-11-14T22:13:20Z\n"
              "3 event user=u2 item=i2 type=cart value=1234.5 quantity=2 time=2023-11-14T22:13:21Z "
              "properties={\"coupon\":\"X\"}\n"
              "4 event user=u3 item=i3 type=purchase value=9.9000000000000004 quantity=1 "
              "currency=CNY time=2023-11-14T22:13:22Z\n"
              "5 event item=i4 type=wobble time=2023-11-14T22:13:23Z\n");
}

static void ratings_without_a_type(void **state) {
    (void)state;
    hd_importer_params p = test_params("ratings.tsv");
    test_rows(&p, "user_id\titem_id\trating\ttimestamp\n1\t2\t3.5\t881250949\n",
              "2 event user=1 item=2 type=rating value=3.5 time=1997-12-04T15:55:49Z\n");
}

static void users_keep_what_is_unknown(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p,
              "会员号,注册时间,年龄,城市,邮编\n"
              "m1,2024年3月5日,31,上海,200000\n"
              "m2,2024年3月6日,29,\"广\"\"州\",051000\n",
              "2 user id=m1 created=2024-03-05T00:00:00Z "
              "attributes={\"年龄\":31,\"城市\":\"上海\",\"邮编\":\"200000\"}\n"
              "3 user id=m2 created=2024-03-06T00:00:00Z "
              "attributes={\"年龄\":29,\"城市\":\"广\\\"州\",\"邮编\":\"051000\"}\n");
}

static void json_lines_nest(void **state) {
    (void)state;
    hd_importer_params p = test_params("stream.jsonl");
    test_rows(
        &p,
        "{\"user\":{\"id\":7,\"plan\":\"pro\"},\"item_id\":\"a\",\"event\":\"buy\","
        "\"time\":\"2024-01-02T03:04:05+08:00\",\"tags\":[1, 2],\"n\":12345678901234567890}\n"
        "{\"user\":{\"id\":8},\"item_id\":null,\"event\":\"search\",\"q\":\"a\\\"\\u4e2d\"}\n",
        "1 event user=7 item=a type=purchase time=2024-01-01T19:04:05Z "
        "properties={\"user\":{\"plan\":\"pro\"},\"tags\":[1, 2],\"n\":\"12345678901234567890\"}\n"
        "2 event user=8 type=search properties={\"q\":\"a\\\"\\u4e2d\"}\n");
}

static void items(void **state) {
    (void)state;
    hd_importer_params p = test_params("items.csv");
    test_rows(&p,
              "sku,name,brand,category,sub_category,price,currency,hidden,release_date,color\n"
              "a,Tea,B,Food > Drinks,Tea,¥12.50,,否,2030-01-01,green\n"
              "b,,,\"[\"\"x\"\",\"\"y\"\",[\"\"z\"\"],3]\",,7,usd,yes,,\n"
              ",No id,,,,,,,,\n"
              "c,,,,,,US,,,\n"
              "d,,,,,,,maybe,,\n",
              "2 item id=a title=Tea brand=B categories=[\"Food\",\"Drinks\",\"Tea\"] price=12.5 "
              "currency=CNY created=2030-01-01T00:00:00Z hidden=0 "
              "attributes={\"color\":\"green\"}\n"
              "3 item id=b categories=[\"x\",\"y\",\"z\",\"3\"] price=7 currency=USD hidden=1\n"
              "4 bad the item has no id: give each item one, or leave the row out\n"
              "5 bad column 'currency' (currency): 'US' is not a currency: write its three letters "
              "(CNY, USD)\n"
              "6 bad column 'hidden' (hidden): 'maybe' is neither yes nor no: write true or "
              "false\n");
}

static void reviews_tickets_documents(void **state) {
    (void)state;
    hd_importer_params p = test_params("reviews.csv");
    test_rows(&p, "item,user,text,rating\ni,u,NULL,5\n,u,x,5\ni,u,,\ni,u,null,\n",
              "2 review user=u item=i rating=5\n"
              "3 bad the review names no item: give the item it is about, or leave the row out\n"
              "4 bad the review has neither text nor rating: leave the row out\n"
              "5 review user=u item=i text=null\n");
    p = test_params("tickets.jsonl");
    test_rows(&p,
              "{\"ticket_id\":1,\"sender\":\"Customer\",\"message\":\"hi\",\"status\":\"open\","
              "\"time\":1700000000}\n"
              "{\"ticket_id\":1,\"sender\":\"客服\",\"message\":\"您好\"}\n"
              "{\"ticket_id\":1,\"sender\":\"bot\",\"message\":null}\n",
              "1 ticket id=1 status=open role=user text=hi time=2023-11-14T22:13:20Z\n"
              "2 ticket id=1 role=agent text=您好\n"
              "3 bad the message lacks the ticket's id or its text: give both\n");
    p = test_params("faq.csv");
    test_rows(&p, "question,answer\nWhere?,\"Here,\nthere\"\n,x\ny,\n",
              "2 document id=Where? title=Where? text=Here,\nthere\n"
              "4 bad the document lacks a text, or all of id, address and title: give them\n"
              "5 bad the document lacks a text, or all of id, address and title: give them\n");
}

static void bad_values(void **state) {
    (void)state;
    hd_importer_params p = test_params("events.csv");
    test_rows(&p,
              "user_id,item_id,type,time,value,quantity\n"
              "u,i,view,2024-01-01,,\n"
              "u,i,view,2024-02-30,,\n"
              "u,i,view,2026-11-25,,\n"
              "u,i,buy,2024-01-01,12x,\n"
              "u,i,buy,2024-01-01,1,-2\n"
              "u,i,buy,2024-01-01,\"12,5\",\n"
              ",,view,2024-01-01,,\n"
              "\"a\nb\",i,view,2024-01-01,,\n"
              "u,i,\"x\ny\",2024-01-01,,\n"
              "null,i,view,NaN,N/A,-\n",
              "2 event user=u item=i type=view time=2024-01-01T00:00:00Z\n"
              "3 bad column 'time' (time): '2024-02-30' is not a time in the format iso that this "
              "column has: mend it, or write all times in ISO 8601 (2026-11-22T08:30:00Z)\n"
              "4 bad column 'time' (time): '2026-11-25' lies in the future: check the clock, the "
              "time zone and the column\n"
              "5 bad column 'value' (value): '12x' is not an amount: write it like 1234.50 or "
              "¥1234.50\n"
              "6 bad column 'quantity' (quantity): '-2' is negative: give returns an event type of "
              "their own, or use --preset retail\n"
              "7 bad column 'value' (value): '12,5' is not an amount: write it like 1234.50 or "
              "¥1234.50\n"
              "8 bad the event names neither user nor session nor item: give one of them\n"
              "9 bad column 'user_id' (user): 'a b' holds a line break or another control sign: "
              "take it out\n"
              "11 bad column 'type' (type): 'x y' is no type of event: use a short word (view, "
              "cart, purchase)\n"
              "13 event item=i type=view\n");
}

static void long_values(void **state) {
    (void)state;
    char text[2048];
    hd_importer_params p = test_params("users.csv");
    int n = hd_snprintf(text, sizeof text, "user_id\n%0600d\n", 7);
    test_rows_n(
        &p, text, (size_t)n,
        "2 bad column 'user_id' (id): '0000000000000000000000000000000000000000…' is longer "
        "than 512 bytes: ids are short\n");
    // A category list without end.
    hd_str s;
    hd_str_init(&s);
    hd_str_add(&s, "item_id,category\na,");
    for (int i = 0; i < 70; i++) hd_str_addf(&s, "c%d|", i);
    p = test_params("items.csv");
    test_rows_n(&p, s.data, s.len,
                "2 bad column 'category' (categories): 'c0|c1|c2|c3|c4|c5|c6|c7|c8|c9|c10|c11|c1…' "
                "makes more than 64 entries: keep those that matter\n");
    hd_str_clear(&s);
}

static void json_values(void **state) {
    (void)state;
    hd_importer_params p = test_params("events.jsonl");
    test_rows(
        &p,
        "{\"user\":12.0,\"item\":true,\"type\":\"view\"}\n"
        "{\"user\":{\"x\":1},\"item\":\"i\",\"type\":\"view\"}\n"
        "{\"user\":[1],\"item\":\"i\",\"type\":\"view\"}\n"
        "{\"user\":\"u\",\"item\":\"i\",\"type\":\"view\",\"value\":\"3\",\"properties\":"
        "{\"k\":1,\"item\":2},\"k\":3}\n"
        "[1]\n"
        "{\"user\":\"u\",\"user\":\"v\"}\n"
        "{\"user\":\"u\",\"type\":\"view\",\"later\":{\"a\":[null]},\"quantity\":2}\n",
        "1 bad column 'item' (item): 'true' is true or false, not an id: map another column\n"
        "2 bad column 'user' (user): '{\"x\":1}' is not a single value: map a column inside of "
        "it (--map a.b=field)\n"
        "3 bad column 'user' (user): '[1]' is not a single value: map a column inside of it "
        "(--map a.b=field)\n"
        "4 event user=u item=i type=view value=3 "
        "properties={\"properties.k\":1,\"item\":2,\"k\":3}\n"
        "5 bad no valid JSON: this is an array (character 1): write one object a line\n"
        "6 bad no valid JSON: a name stands twice in an object (character 24): write one "
        "object a line\n"
        "7 event user=u type=view quantity=2 properties={\"later\":{\"a\":[null]}}\n");
}

static void attributes_keep_their_types(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,a,b,c,d\nu,1.50,-0.25,007,1.\nv,2,x,008,\n",
              "2 user id=u attributes={\"a\":1.50,\"b\":\"-0.25\",\"c\":\"007\",\"d\":\"1.\"}\n"
              "3 user id=v attributes={\"a\":2,\"b\":\"x\",\"c\":\"008\"}\n");
    p = test_params("users.jsonl");
    test_rows(&p,
              "{\"id\":\"u\",\"attributes\":{\"k\":1},\"attributes.k\":2,\"k\":3,\"email\":0}\n",
              "1 bad a name stands twice among the attributes: rename one of them\n");
}

// A member that the first rows lack is mapped when it comes.
static void late_columns(void **state) {
    (void)state;
    hd_str s;
    hd_str_init(&s);
    for (int i = 0; i < 600; i++) hd_str_addf(&s, "{\"user\":\"u%d\",\"type\":\"view\"}\n", i);
    hd_str_add(&s, "{\"user\":\"u\",\"type\":\"view\",\"item_id\":\"late\",\"x\":{\"y\":1}}\n");
    hd_importer_params p = test_params("events.jsonl");
    hd_importer *in = NULL;
    hd_import_row row;
    assert_int_equal(hd_importer_open_memory(&p, s.data, s.len, &in), HEED_OK);
    for (int i = 0; i <= 600; i++) assert_int_equal(hd_importer_next(in, &row), HEED_OK);
    assert_true(hd_slice_eq(row.record.event.item, "late"));
    assert_true(hd_slice_eq(row.record.event.properties, "{\"x\":{\"y\":1}}"));
    hd_importer_close(in);
    hd_str_clear(&s);
}

// Every row brings a new name: columns stop being remembered, rows stay whole.
static void names_without_end(void **state) {
    (void)state;
    hd_str s;
    hd_str_init(&s);
    for (int i = 0; i < 6000; i++) {
        hd_str_addf(&s, "{\"user\":\"u\",\"type\":\"view\",\"n%d\":{\"a\":%d}}\n", i, i);
    }
    hd_importer_params p = test_params("events.jsonl");
    hd_importer *in = NULL;
    hd_import_row row;
    assert_int_equal(hd_importer_open_memory(&p, s.data, s.len, &in), HEED_OK);
    for (int i = 0; i < 6000; i++) {
        char expected[64];
        assert_int_equal(hd_importer_next(in, &row), HEED_OK);
        assert_int_equal(row.state, HD_ROW_RECORD);
        hd_snprintf(expected, sizeof expected, "{\"n%d\":{\"a\":%d}}", i, i);
        assert_true(hd_slice_eq(row.record.event.properties, expected));
    }
    hd_importer_close(in);
    hd_str_clear(&s);
}

static void headers_only(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_refused(&p, "user_id,city\n", 13, "has a header and no rows");
    test_refused(&p, "user_id,\"city\n", 14, "the quote that opens in line 1");
    test_refused(&p, "", 0, "is empty");
}

// The slices of a row stay whole until the next call, and its raw text is the row as it stood.
static void raw_rows(void **state) {
    (void)state;
    hd_importer_params p = test_params("reviews.csv");
    hd_importer *in = NULL;
    hd_import_row row;
    const char *text = "item,text,rating\r\na,\"one\r\ntwo\",x\r\nb,fine,2\r\n";
    assert_int_equal(hd_importer_open_memory(&p, text, strlen(text), &in), HEED_OK);
    assert_int_equal(hd_importer_next(in, &row), HEED_OK);
    assert_int_equal(row.state, HD_ROW_BAD);
    assert_true(hd_slice_eq(row.raw, "a,\"one\r\ntwo\",x"));
    hd_importer_close(in);
}

// Memory doesn't grow with the file.
static void memory_is_bounded(void **state) {
    (void)state;
    hd_str s;
    hd_str_init(&s);
    hd_str_add(&s, "user_id,item_id,type,time,note\n");
    for (int i = 0; i < 200000; i++) {
        hd_str_addf(&s, "u%d,i%d,view,%d,\"n%d\"\n", i, i % 100, 1700000000 + i, i);
    }
    hd_importer_params p = test_params("events.csv");
    hd_importer *in = NULL;
    hd_import_row row;
    size_t before = hd_mem_used();
    assert_int_equal(hd_importer_open_memory(&p, s.data, s.len, &in), HEED_OK);
    size_t most = 0;
    do {
        assert_int_equal(hd_importer_next(in, &row), HEED_OK);
        if (hd_mem_used() - before > most) most = hd_mem_used() - before;
    } while (row.state != HD_ROW_END);
    assert_true(most < 4 * 1024 * 1024);
    hd_importer_close(in);
    assert_int_equal(hd_mem_used(), before);
    hd_str_clear(&s);
}

// ── Every allocation failing once ───────────────────────────────────────────────────────────────

static heed_err read_quietly(const hd_importer_params *p, const char *text, size_t n) {
    hd_importer *in = NULL;
    hd_import_row row = {.state = HD_ROW_RECORD};
    heed_err err = hd_importer_open_memory(p, text, n, &in);
    while (err == HEED_OK && row.state != HD_ROW_END) err = hd_importer_next(in, &row);
    hd_importer_close(in);
    return err;
}

static void memory_runs_out(void **state) {
    (void)state;
    static const struct {
        const char *name, *preset, *text;
    } cases[] = {
        {"items.csv", NULL,
         "sku,name,categories,price,attributes\na,\"x\ny\",a|b,¥5,\"{\"\"k\"\":1}\"\nb,z,\"[1,2]\",6,\n"},
        {"events.jsonl", NULL,
         "{\"user\":{\"id\":\"a\\u0041\",\"x\":1},\"item\":\"b\",\"type\":\"Foo\",\"properties\":{\"k\":"
         "12345678901234567890},\"currency\":\"usd\"}\n{\"bad\n"},
        {"seq.txt", "sequence", "u a b c\nv\n"},
        {"r.csv", "retail",
         "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
         "1,a,A,-6,2010-12-01 08:26:00,2.55,17850.0\n"},
        {"s.jsonl", "segment",
         "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"u\",\"messageId\":\"m\","
         "\"properties\":{\"a\":1,\"products\":[{\"sku\":\"p\"}]}}\n"},
        {"u.item", "movielens", "1|T (1995)|01-Jan-1995|||0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_importer_params p = test_params(cases[i].name);
        p.preset = cases[i].preset;
        size_t n = strlen(cases[i].text);
        hd_mem_calls();
        assert_int_equal(read_quietly(&p, cases[i].text, n), HEED_OK);
        uint64_t calls = hd_mem_calls();
        size_t before = hd_mem_used();
        assert_true(calls > 10);
        for (uint64_t k = 1; k <= calls; k++) {
            hd_mem_fail_at(k, false);
            heed_err err = read_quietly(&p, cases[i].text, n);
            hd_mem_fail_at(0, false);
            if (err != HEED_MEMORY)
                fail_msg("%s, allocation %d: %s", cases[i].name, (int)k, heed_err_name(err));
            assert_int_equal(hd_mem_used(), before);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_with_a_header),
        cmocka_unit_test(ratings_without_a_type),
        cmocka_unit_test(users_keep_what_is_unknown),
        cmocka_unit_test(json_lines_nest),
        cmocka_unit_test(items),
        cmocka_unit_test(reviews_tickets_documents),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(long_values),
        cmocka_unit_test(json_values),
        cmocka_unit_test(attributes_keep_their_types),
        cmocka_unit_test(late_columns),
        cmocka_unit_test(names_without_end),
        cmocka_unit_test(headers_only),
        cmocka_unit_test(raw_rows),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
