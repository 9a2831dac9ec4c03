// SPDX-License-Identifier: Apache-2.0
//
// Files of other systems, as their documentation shows them.
#include "rows.h"

static hd_importer_params preset(const char *name, const char *file) {
    hd_importer_params p = test_params(file);
    p.preset = name;
    return p;
}

static void gorse(void **state) {
    (void)state;
    hd_importer_params p = preset("gorse", "users.jsonl");
    test_rows(
        &p,
        "{\"UserId\":\"bob\",\"Labels\":{\"lang\":\"go\"},\"Subscribe\":[\"a\"],\"Comment\":\"B\"}\n"
        "{\"UserId\":\"eve\",\"Labels\":[\"x\",\"y\"],\"Comment\":\"\"}\n",
        "1 user id=bob attributes={\"lang\":\"go\",\"Subscribe\":[\"a\"],\"Comment\":\"B\"}\n"
        "2 user id=eve attributes={\"Labels\":[\"x\",\"y\"],\"Comment\":\"\"}\n");
    p = preset("gorse", "dump.jsonl");
    test_rows(
        &p,
        "{\"ItemId\":\"i1\",\"IsHidden\":true,\"Categories\":[\"go\",\"db\"],\"Timestamp\":"
        "\"2020-02-03T04:05:06Z\",\"Labels\":[\"l\"],\"Comment\":\"The title\"}\n"
        "{\"ItemId\":\"i2\",\"IsHidden\":false,\"Categories\":null,\"Timestamp\":"
        "\"0001-01-01T00:00:00Z\",\"Labels\":null,\"Comment\":\"\"}\n",
        "1 item id=i1 title=The title categories=[\"go\",\"db\"] created=2020-02-03T04:05:06Z "
        "hidden=1 attributes={\"Labels\":[\"l\"]}\n"
        "2 item id=i2 hidden=0\n");
    test_rows(&p,
              "{\"FeedbackType\":\"star\",\"UserId\":\"bob\",\"ItemId\":\"i1\",\"Value\":2,"
              "\"Timestamp\":\"2022-02-24T00:00:00Z\",\"Comment\":\"c\"}\n",
              "1 event user=bob item=i1 type=like value=2 time=2022-02-24T00:00:00Z "
              "properties={\"Comment\":\"c\"}\n");
    test_rows(&p,
              "{\"feedback_type\":\"read\",\"user_id\":\"bob\",\"item_id\":\"i1\","
              "\"timestamp\":\"0001-01-01T00:00:00Z\"}\n",
              "1 event user=bob item=i1 type=view\n");
    test_rows(&p, "{\"item_id\":\"i3\",\"is_hidden\":false,\"comment\":\"T\"}\n",
              "1 item id=i3 title=T hidden=0\n");
}

static void movielens(void **state) {
    (void)state;
    hd_importer_params p = preset("movielens", "ml-100k/u.data");
    test_rows(&p, "196\t242\t3\t881250949\n",
              "1 event user=196 item=242 type=rating value=3 time=1997-12-04T15:55:49Z\n");
    p = preset("movielens", "u.item");
    test_rows(
        &p,
        "1|Toy Story (1995)|01-Jan-1995||http://us.imdb.com/M|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|"
        "0|0|0\n"
        "2|Am\xe9lie|01-Jan-2001|||0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n",
        "1 item id=1 title=Toy Story categories=[\"Animation\",\"Children's\",\"Comedy\"] "
        "attributes={\"release_year\":1995,\"imdb_url\":\"http://us.imdb.com/M\","
        "\"unknown\":0}\n"
        "2 item id=2 title=Amélie categories=[\"Drama\"] "
        "attributes={\"release_year\":2001,\"unknown\":0}\n");
    p = preset("movielens", "u.user");
    test_rows(&p, "1|24|M|technician|85711\n",
              "1 user id=1 "
              "attributes={\"age\":24,\"gender\":\"M\",\"occupation\":\"technician\",\"zip_code\":"
              "85711}\n");
    p = preset("movielens", "ratings.dat");
    test_rows(&p, "1::1193::5::978300760\n",
              "1 event user=1 item=1193 type=rating value=5 time=2000-12-31T22:12:40Z\n");
    p = preset("movielens", "movies.dat");
    test_rows(&p, "1::Toy Story (1995)::Animation|Children's\n11::Bob: a \"x\" (1999)::Drama\n",
              "1 item id=1 title=Toy Story categories=[\"Animation\",\"Children's\"] "
              "attributes={\"release_year\":1995}\n"
              "2 item id=11 title=Bob: a \"x\" categories=[\"Drama\"] "
              "attributes={\"release_year\":1999}\n");
    p = preset("movielens", "movies.csv");
    test_rows(&p,
              "movieId,title,genres\n1,\"American President, The (1995)\",Comedy|Drama\n"
              "2,Short,(no genres listed)\n",
              "2 item id=1 title=American President, The categories=[\"Comedy\",\"Drama\"] "
              "attributes={\"release_year\":1995}\n"
              "3 item id=2 title=Short\n");
    p = preset("movielens", "ratings.csv");
    test_rows(&p, "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n",
              "2 event user=1 item=2 type=rating value=3.5 time=2005-04-02T23:53:47Z\n");
    p = preset("movielens", "tags.csv");
    test_rows(&p, "userId,movieId,tag,timestamp\n1,2,dark hero,1112486027\n",
              "2 event user=1 item=2 type=tag time=2005-04-02T23:53:47Z "
              "properties={\"tag\":\"dark hero\"}\n");
    p = preset("movielens", "items.tsv");
    test_rows(&p, "item_id\ttitle\trelease_year\tgenres\n1\tToy Story\t1995\tAction Film-Noir\n",
              "2 item id=1 title=Toy Story categories=[\"Action\",\"Film-Noir\"] "
              "attributes={\"release_year\":1995}\n");
    p = preset("movielens", "-"); // by what it looks like
    test_rows(&p, "1::1193::5::978300760\n",
              "1 event user=1 item=1193 type=rating value=5 time=2000-12-31T22:12:40Z\n");
}

static void sequence(void **state) {
    (void)state;
    hd_importer_params p = preset("sequence", "seq.txt");
    test_rows(&p, "u1 a b\t a\r\n\nu2\nu3 c",
              "1 event user=u1 item=a type=view\n"
              "1 event user=u1 item=b type=view\n"
              "1 event user=u1 item=a type=view\n"
              "3 user id=u2\n"
              "4 event user=u3 item=c type=view\n");
    hd_import_map map = {"user", "item"};
    p.maps = &map;
    p.n_maps = 1;
    test_refused(&p, "u a\n", 4, "--map has no use with --preset sequence");
    p.n_maps = 0;
    char text[2100];
    memset(text, 'x', sizeof text);
    memcpy(text, "u ", 2);
    text[600] = ' ';
    test_rows_n(&p, text, 700,
                "1 bad field 2: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is longer than 512 "
                "bytes: ids are short\n");
}

static void sequence_without_end(void **state) {
    (void)state;
    hd_importer_params p = preset("sequence", "seq.txt");
    hd_str s;
    hd_str_init(&s);
    for (int i = 0; i < 70000; i++) hd_str_add(&s, "a ");
    hd_str_add(&s, "\nu\n");
    test_rows_n(&p, s.data, s.len,
                "1 bad the line has more than 65535 items: split it\n2 user id=u\n");
    hd_str_clear(&s);
}

static void retail(void **state) {
    (void)state;
    hd_importer_params p = preset("retail", "r.csv");
    p.kind = HD_KIND_ITEMS;
    test_refused(&p, "StockCode,Quantity\na,1\n", 23, "leave out --as items");
    p.kind = -1;
    p.currency = "GBP";
    test_rows(
        &p,
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,UK\n"
        "C536379,85123A,HOLDER,-1,2010-12-01 09:41:00,2.55,17850.0,UK\n"
        "536544,85123A,HOLDER,1,2010-12-01 14:32:00,2.55,,UK\n"
        "536589,21777,damaged,-10,2010-12-01 16:50:00,0.0,,UK\n"
        "A563186,B,Adjust bad debt,1,2011-08-12 14:51:00,-11062.06,,UK\n"
        "536365,POST,POSTAGE,1,2010-12-01 08:26:00,18,17850.0,UK\n"
        "536365,,X,1,2010-12-01 08:26:00,18,17850.0,UK\n",
        "2 item id=85123A title=HOLDER price=2.5499999999999998 currency=GBP\n"
        "2 event user=17850 session=536365 item=85123A type=purchase value=2.5499999999999998 "
        "quantity=6 currency=GBP time=2010-12-01T08:26:00Z properties={\"Country\":\"UK\"}\n"
        "3 event user=17850 session=C536379 item=85123A type=return value=2.5499999999999998 "
        "quantity=1 currency=GBP time=2010-12-01T09:41:00Z properties={\"Country\":\"UK\"}\n"
        "4 event session=536544 item=85123A type=purchase value=2.5499999999999998 quantity=1 "
        "currency=GBP time=2010-12-01T14:32:00Z properties={\"Country\":\"UK\"}\n"
        "5 item id=21777\n"
        "5 event session=536589 item=21777 type=adjustment value=0 quantity=10 currency=GBP "
        "time=2010-12-01T16:50:00Z properties={\"stock_change\":-10,\"Country\":\"UK\"}\n"
        "6 item id=B hidden=1\n"
        "6 event session=A563186 item=B type=adjustment value=-11062.059999999999 quantity=1 "
        "currency=GBP time=2011-08-12T14:51:00Z "
        "properties={\"stock_change\":1,\"Country\":\"UK\"}\n"
        "7 item id=POST title=POSTAGE price=18 currency=GBP hidden=1\n"
        "7 event user=17850 session=536365 item=POST type=purchase value=18 quantity=1 "
        "currency=GBP time=2010-12-01T08:26:00Z properties={\"Country\":\"UK\"}\n"
        "8 bad the line names no item: give its code, or leave the line out\n");
}

static void segment(void **state) {
    (void)state;
    hd_importer_params p = preset("segment", "s.jsonl");
    test_rows(
        &p,
        "{\"type\":\"identify\",\"userId\":\"u\",\"anonymousId\":\"a\",\"messageId\":\"m0\","
        "\"traits\":{\"plan\":\"pro\",\"createdAt\":\"2020-01-01\"},\"context\":{\"ip\":\"1.2.3.4\"}}\n"
        "{\"type\":\"track\",\"event\":\"Product Viewed\",\"userId\":null,\"anonymousId\":\"a\","
        "\"messageId\":\"m1\",\"timestamp\":\"2024-01-02T03:04:05.678Z\",\"properties\":"
        "{\"product_id\":\"p1\",\"price\":9.5,\"color\":\"red\"}}\n"
        "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"u\",\"messageId\":\"m2\","
        "\"timestamp\":\"2024-01-02T03:04:05Z\",\"properties\":{\"order_id\":\"o\",\"total\":30,"
        "\"currency\":\"usd\",\"products\":[{\"product_id\":\"p1\",\"price\":10,\"quantity\":2},"
        "{\"sku\":\"p2\",\"price\":\"$10\"}]}}\n"
        "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"u\",\"messageId\":\"m3\","
        "\"properties\":{\"products\":[{\"product_id\":\"p1\"},{\"price\":1}]}}\n"
        "{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"m4\",\"properties\":{\"path\":\"/\"}}\n"
        "{\"type\":\"alias\",\"userId\":\"u\",\"previousId\":\"old\"}\n"
        "{\"type\":\"track\",\"event\":\"Product Added to Wishlist\",\"userId\":\"u\","
        "\"properties\":{\"product_id\":\"p3\"}}\n"
        "{\"type\":\"track\",\"event\":\"Song Played\",\"userId\":\"u\"}\n"
        "{\"type\":\"track\",\"event\":\"Song Played\"}\n"
        "{\"type\":\"dance\",\"userId\":\"u\"}\n",
        "1 user id=u alias=a created=2020-01-01T00:00:00Z attributes={\"plan\":\"pro\"}\n"
        "2 event event_id=m1 user=a item=p1 type=view value=9.5 time=2024-01-02T03:04:05.678Z "
        "properties={\"color\":\"red\"}\n"
        "3 event event_id=m2#1 user=u item=p1 type=purchase value=10 quantity=2 currency=USD "
        "time=2024-01-02T03:04:05Z properties={\"order_id\":\"o\"}\n"
        "3 event event_id=m2#2 user=u item=p2 type=purchase value=10 currency=USD "
        "time=2024-01-02T03:04:05Z properties={\"order_id\":\"o\"}\n"
        "4 bad product 2 has neither product_id nor sku: give it one\n"
        "5 event event_id=m4 user=u type=page properties={\"path\":\"/\"}\n"
        "6 user id=u alias=old\n"
        "7 event user=u item=p3 type=favorite\n"
        "8 event user=u type=song played\n"
        "9 bad the message has neither userId nor anonymousId: give one\n"
        "10 bad 'dance' is no Segment call with an event: type is identify, track (with event), "
        "page, screen, alias or group\n");
}

static void posthog(void **state) {
    (void)state;
    hd_importer_params p = preset("posthog", "p.jsonl");
    test_rows(
        &p,
        "{\"event\":\"$identify\",\"distinct_id\":\"u\",\"uuid\":\"e0\",\"properties\":"
        "{\"$anon_distinct_id\":\"a\",\"$ip\":\"1.2.3.4\",\"$set\":{\"plan\":\"pro\"}}}\n"
        "{\"event\":\"Product Viewed\",\"properties\":{\"distinct_id\":\"u\",\"token\":\"phc_x\","
        "\"product_id\":\"p1\",\"$lib\":\"web\",\"color\":\"red\"},"
        "\"timestamp\":\"2024-01-02T03:04:05Z\",\"uuid\":\"e1\"}\n"
        "{\"event\":\"Order Completed\",\"distinct_id\":\"u\",\"uuid\":\"e2\",\"properties\":"
        "{\"products\":[{\"product_id\":\"p1\",\"price\":3},{\"sku\":\"p2\"}]},\"$set\":{\"vip\":true}}\n"
        "{\"event\":\"$autocapture\",\"distinct_id\":\"u\",\"properties\":{\"x\":1}}\n"
        "{\"event\":\"$pageview\",\"distinct_id\":\"u\",\"properties\":{\"path\":\"/\"}}\n"
        "{\"event\":\"$create_alias\",\"distinct_id\":\"u\",\"properties\":{\"alias\":\"old\"}}\n"
        "{\"event\":\"seen\"}\n",
        "1 user id=u alias=a attributes={\"plan\":\"pro\"}\n"
        "2 event event_id=e1 user=u item=p1 type=view time=2024-01-02T03:04:05Z "
        "properties={\"color\":\"red\"}\n"
        "3 user id=u attributes={\"vip\":true}\n"
        "3 event event_id=e2#1 user=u item=p1 type=purchase value=3\n"
        "3 event event_id=e2#2 user=u item=p2 type=purchase\n"
        "5 event user=u type=page properties={\"path\":\"/\"}\n"
        "6 user id=u alias=old\n"
        "7 bad the event lacks distinct_id or its name: give both\n");
}

static void personalize(void **state) {
    (void)state;
    hd_importer_params p = preset("personalize", "x.csv");
    test_rows(&p,
              "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,IMPRESSION\n"
              "u,i,1700000000,watch,4.5,i|j\n",
              "2 event user=u item=i type=view value=4.5 time=2023-11-14T22:13:20Z "
              "properties={\"IMPRESSION\":\"i|j\"}\n");
    test_rows(&p,
              "ITEM_ID,PRICE,CREATION_TIMESTAMP,CATEGORY_L1,CATEGORY_L2,GENRES,DESCRIPTION\n"
              "i,9.5,1700000000,\"Home, Garden\",Pots,a|b,x\n",
              "2 item id=i categories=[\"Home, Garden\",\"Pots\",\"a\",\"b\"] price=9.5 "
              "created=2023-11-14T22:13:20Z attributes={\"DESCRIPTION\":\"x\"}\n");
    test_rows(&p, "USER_ID,AGE\nu,30\n", "2 user id=u attributes={\"AGE\":30}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gorse),    cmocka_unit_test(movielens),
        cmocka_unit_test(sequence), cmocka_unit_test(sequence_without_end),
        cmocka_unit_test(retail),   cmocka_unit_test(segment),
        cmocka_unit_test(posthog),  cmocka_unit_test(personalize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
