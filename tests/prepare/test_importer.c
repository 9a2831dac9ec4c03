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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_with_a_header),
        cmocka_unit_test(ratings_without_a_type),
        cmocka_unit_test(users_keep_what_is_unknown),
        cmocka_unit_test(json_lines_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
