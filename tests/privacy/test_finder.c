// SPDX-License-Identifier: Apache-2.0
//
// The finder: check digits by published vectors, each type in and out of its form, redaction,
// properties on made-up mixtures, hostile text, failing memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/unicode.h"
#include "privacy/finder.h"

static hd_finder *finder;

static int open_finder(void **state) {
    (void)state;
    return hd_finder_new(&finder) == HEED_OK ? 0 : -1;
}

static int close_finder(void **state) {
    (void)state;
    hd_finder_free(finder);
    hd_finder_free(NULL);
    return 0;
}

// ── Check digits ──

static void check_luhn(void **state) {
    (void)state;
    static const char *const good[] = {"79927398713", "4111111111111111", "378282246310005",
                                       "6011111111111117", "30569309025904"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char number[32];
        size_t n = strlen(good[i]);
        memcpy(number, good[i], n + 1);
        assert_true(hd_check_luhn(number, n));
        // Every single wrong digit shows.
        for (size_t k = 0; k < n; k++) {
            for (char d = '0'; d <= '9'; d++) {
                if (d == good[i][k]) continue;
                number[k] = d;
                assert_false(hd_check_luhn(number, n));
            }
            number[k] = good[i][k];
        }
    }
    assert_false(hd_check_luhn("", 0));
    assert_false(hd_check_luhn("0", 1));
    assert_false(hd_check_luhn("411111111111111x", 16));
}

static void check_iban(void **state) {
    (void)state;
    // The registry's own examples.
    static const char *const good[] = {
        "GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606",
        "NO9386011117947",        "CH9300762011623852957",  "MT84MALT011000012345MTLCAST001S"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(hd_check_iban(good[i], strlen(good[i])));
    assert_false(hd_check_iban("GB29NWBK60161331926818", 22));
    assert_false(hd_check_iban("GB29NWBK6016133192681", 21)); // too short for the country
    assert_false(hd_check_iban("ZZ29NWBK60161331926819", 22));
    assert_false(hd_check_iban("GB29nwbk60161331926819", 22));
    assert_false(hd_check_iban("", 0));
}

static void check_id_card(void **state) {
    (void)state;
    assert_true(hd_check_id_card("11010519491231002X", 18));  // GB 11643-1999's example
    assert_false(hd_check_id_card("440524188001010014", 18)); // the same page's, of 1880: too old
    assert_false(hd_check_id_card("110105194912310021", 18));
    assert_false(hd_check_id_card("11010519491331002X", 18)); // month 13
    assert_false(hd_check_id_card("91010519491231002X", 18)); // no such region
    assert_false(hd_check_id_card("1101051949123100", 16));
    assert_false(hd_check_id_card("X1010519491231002X", 18));
}

static void check_company_code(void **state) {
    (void)state;
    assert_true(hd_check_company_code("91350100M000100Y43", 18)); // GB 32100-2015's example
    assert_false(hd_check_company_code("91350100M000100Y44", 18));
    assert_false(hd_check_company_code("91350100M000100I43", 18)); // no I
    assert_false(hd_check_company_code("91350100M000100Y4", 17));
}

// ── Cases ──

// Sentences with [type:value] marks; where none stands, nothing may be found.
static const char *const cases[] = {
    "write to [email:anna.berg+shop@mail.example.co.uk], please",
    "邮箱是[email:abc@qq.com]。",
    "[email:Müller@example.de] and a@b and a@.com and @home and x@localhost",
    "a.@example.com",
    "call [phone:(212) 555-0123 x42] or [phone:+44 20 7946 0958]",
    "Tel: [phone:030/1234567], order 4711",
    "ring me on [phone:9472 7916] tonight",
    "9472 7916 are two numbers",
    "电话[phone:010-82317999-8001]",
    "手机[phone:１３８００１３８０００]",
    "手机[phone:138\xE2\x80\x8B"
    "0013\xE2\x80\x8B"
    "8000]", // characters without width
    "tel-[phone:13800138000]",
    "订单号13800138000",
    "13800138000元",
    "1380013800012",
    "2023-11-05, 05.11.2023, 12:30:45, 3.14159, 1 000 000",
    "my IP is [ip:203.0.113.7]!",
    "[ip:2001:db8::8a2e:370:7334] and [ip:2001:0db8:85a3:0000:0000:8a2e:0370:7334]",
    "[ip:::ffff:192.0.2.128] is mapped",
    "version 1.2.3.4, 127.0.0.1, 256.1.1.1, 1.2.3, std::string, a::b, 12:30:45",
    "see [url:https://user:pw@example.org/a?b=c#d], thanks",
    "([url:www.example.com]) or [url:weibo.com/u/12345]。taobao.com is a shop",
    "and/or, http:// alone, w.r.t/x",
    "pay with [card:4111 1111 1111 1111] or [card:3782-822463-10005]",
    "4111 1111 1111 1112 has a wrong digit, 12345678901234567890 too many",
    "my card [card:675984103431] is lost",
    "675984103431 is what?",
    "[iban:DE89 3704 0044 0532 0130 00], [iban:gb29nwbk60161331926819]",
    "DE88 3704 0044 0532 0130 00",
    "SSN [ssn:460-89-9847], social security number [ssn:460899847]",
    "460-00-9847, 666-12-3456, 000-12-3456",
    "[id_card:11010519491231002X], [id_card:110105 19491231 002x]",
    "110105194912310021 has a wrong digit",
    "身份证[id_card:110105194912310021]", // mistyped: still says who
    "身份证号[id_card:110105491231002]",
    "110105491231002",
    "[company_code:91350100M000100Y43]有限公司",
    "护照[passport:E12345678]，通行证[passport:C87654321]，[passport:G12345678]",
    "型号E12345678，passport control",
    "[plate:京A12345]、[plate:粤B·D12345]、[plate:沪A12345D]? [plate:京A1234警]",
    "京A123、京东A12345、京IO1234",
    "微信[wechat:xiao_wang88]，微信支付，WeChat payment, wechat: [wechat:alexander]",
    "QQ[qq:284756193]，QQ音乐12345678",
    "she lives at [address:12 Old Mill Road, Springfield, IL 62704]",
    "[address:221B Baker Street], [address:P.O. Box 104], [address:Hauptstraße 5a]",
    "[address:1600 Pennsylvania Avenue] NW",
    "I bought 3 hard drives; 2 Hard Drive cases; 5 People Way too many",
    "寄到[address:北京市海淀区中关村大街27号3单元502室]",
    "我在北京市海淀区，走路去5号楼，公交10路",
    "My name is [name:Anna van der Berg], I'm from Ghent",
    "Mr. [name:O'Neill] and Dr. Pepper",
    "Dear [name:Anna],\nDear Sir, Dear Customer Service,\nRegards,\n[name:Jan P. Novák]",
    "my name is [name:anna berg].",
    "my name is not on the list. I'm British. Hi there! Hello World tour",
    "我叫[name:张伟]今年30岁，[name:欧阳]女士，我姓[name:李]。",
    "[name:张三丰]，[phone:13800138000]",
    "谢谢老师，我先生，任何先生女士，白色女士包",
    "born on [birth_date:5/3/1990], 生日[birth_date:1990年5月3日]，[birth_date:1990-05-03]出生",
    "on 5/3/1990 we ate",
    "\xFF\xFE\xC3 [email:a@b.cd]\xE4\xBD",
    "",
};

typedef struct wanted {
    hd_pii type;
    size_t start, n;
} wanted;

// Takes the marks out of a sentence.
static size_t unmark(const char *marked, char *text, wanted *out) {
    size_t n = 0;
    char *to = text;
    for (const char *p = marked; *p;) {
        const char *colon = *p == '[' ? strchr(p, ':') : NULL;
        const char *end = colon ? strchr(colon, ']') : NULL;
        hd_pii type;
        if (!end || !hd_pii_find((hd_slice){p + 1, (size_t)(colon - p - 1)}, &type)) {
            *to++ = *p++;
            continue;
        }
        size_t len = (size_t)(end - colon - 1);
        out[n++] = (wanted){type, (size_t)(to - text), len};
        memcpy(to, colon + 1, len);
        to += len;
        p = end + 1;
    }
    *to = '\0';
    return n;
}

static void finds_cases(void **state) {
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        wanted want[16];
        size_t n_want = unmark(cases[i], text, want);
        const hd_finding *found;
        size_t n;
        assert_int_equal(hd_finder_scan(finder, hd_slice_of(text), HD_PII_ALL, &found, &n),
                         HEED_OK);
        bool same = n == n_want;
        for (size_t k = 0; same && k < n; k++)
            same = found[k].type == want[k].type && found[k].start == want[k].start &&
                   found[k].n == want[k].n;
        if (same) continue;
        wrong++;
        print_message("%s\n", cases[i]);
        for (size_t k = 0; k < n; k++)
            print_message("    found %s: %.*s\n", hd_pii_name(found[k].type), (int)found[k].n,
                          text + found[k].start);
    }
    assert_int_equal(wrong, 0);
}

static void asks_only_for_types(void **state) {
    (void)state;
    const hd_finding *found;
    size_t n;
    hd_slice text = hd_slice_of("a@b.cd, 13800138000, 110105194912310021");
    assert_int_equal(hd_finder_scan(finder, text, HD_PII_BIT(HD_PII_PHONE), &found, &n), HEED_OK);
    assert_int_equal(n, 1);
    assert_int_equal(found[0].type, HD_PII_PHONE);
    assert_int_equal(hd_finder_scan(finder, text, 0, &found, &n), HEED_OK);
    assert_int_equal(n, 0);
    assert_int_equal(hd_finder_scan(finder, (hd_slice){0}, HD_PII_ALL, &found, &n), HEED_OK);
    assert_int_equal(n, 0);
    if (sizeof(size_t) > 4) {
        hd_slice huge = {"", (size_t)UINT32_MAX};
        assert_int_equal(hd_finder_scan(finder, huge, HD_PII_ALL, &found, &n), HEED_INPUT);
    }
}

static void describes_types(void **state) {
    (void)state;
    for (int t = 0; t < HD_PII_TYPES; t++) {
        hd_pii found;
        assert_true(hd_pii_find(hd_slice_of(hd_pii_name((hd_pii)t)), &found));
        assert_int_equal(found, t);
        assert_true(hd_pii_doc((hd_pii)t).en[0] && hd_pii_doc((hd_pii)t).zh[0]);
        assert_int_equal(hd_pii_mark((hd_pii)t).en[0], '[');
        assert_int_equal(hd_pii_mark((hd_pii)t).zh[0], '[');
    }
    hd_pii none;
    assert_false(hd_pii_find(hd_slice_of("nonsense"), &none));
}

// ── Redaction ──

static void redacts(void **state) {
    (void)state;
    hd_str out;
    hd_str_init(&out);
    int64_t counts[HD_PII_TYPES] = {0};
    bool changed;
    assert_int_equal(hd_finder_redact(finder, hd_slice_of("Mail a@b.cd or c@d.ef."), HD_PII_ALL,
                                      &out, counts, &changed),
                     HEED_OK);
    assert_string_equal(hd_str_get(&out), "Mail [e-mail] or [e-mail].");
    assert_true(changed);
    assert_int_equal(counts[HD_PII_EMAIL], 2);
    hd_str_reset(&out);
    assert_int_equal(hd_finder_redact(finder, hd_slice_of("我叫张伟，电话13800138000。"),
                                      HD_PII_ALL, &out, counts, &changed),
                     HEED_OK);
    assert_string_equal(hd_str_get(&out), "我叫[姓名]，电话[电话号码]。");
    hd_str_reset(&out);
    assert_int_equal(
        hd_finder_redact(finder, hd_slice_of("nothing"), HD_PII_ALL, &out, NULL, &changed),
        HEED_OK);
    assert_string_equal(hd_str_get(&out), "nothing");
    assert_false(changed);
    hd_str_clear(&out);
}

// ── Properties ──

static const char *const pieces[] = {
    "我叫",
    "张伟",
    "电话",
    "13800138000",
    "138 0013 8000",
    "010-82317999",
    " ",
    "，",
    "。",
    "-",
    "/",
    "转8001",
    "9472 7916",
    "call me on ",
    "a@b.cd",
    "abc",
    ".",
    "@",
    "https://x.cn/a",
    "[",
    "]",
    "[phone]",
    "[姓名]",
    "北京市",
    "海淀区",
    "中关村大街",
    "27号",
    "3单元",
    "502",
    "先生",
    "王",
    "欧阳",
    "Mr. ",
    "Anna",
    " Berg",
    "Dear ",
    "11010519491231002X",
    "4111111111111111",
    "卡号",
    "订单号",
    "QQ",
    "284756193",
    "微信",
    "xiao_wang88",
    "京A12345",
    "203.0.113.7",
    ":",
    "::1",
    "\n",
    "\xE4",
    "\xFF",
    "１２３",
    "12 Old Mill Road",
    "SSN ",
    "460-89-9847",
    "收",
    "叫",
    "姓",
    "元",
    "1990-05-03",
    "生日",
    "护照",
    "E12345678",
    "地址",
    "+",
    "(",
    ")",
    "\xE2\x80\x8B",
    "DE89",
};

static size_t make_text(hd_rng *rng, char *text, size_t cap) {
    size_t n = 0;
    size_t want = hd_rng_below(rng, 24);
    for (size_t i = 0; i < want; i++) {
        const char *piece = pieces[hd_rng_below(rng, sizeof pieces / sizeof pieces[0])];
        size_t len = strlen(piece);
        if (n + len >= cap) break;
        memcpy(text + n, piece, len);
        n += len;
    }
    text[n] = '\0';
    return n;
}

static bool at_border(const char *text, size_t n, size_t at) {
    size_t i = 0;
    uint32_t c;
    while (i < at) i += hd_utf8_next(text + i, n - i, &c);
    return i == at;
}

static void spans_are_sound(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        hd_rng rng = hd_rng_make(11, seed);
        char text[512];
        size_t n = make_text(&rng, text, sizeof text);
        const hd_finding *found;
        size_t n_found;
        assert_int_equal(hd_finder_scan(finder, (hd_slice){text, n}, HD_PII_ALL, &found, &n_found),
                         HEED_OK);
        size_t end = 0;
        for (size_t i = 0; i < n_found; i++) {
            assert_true(found[i].start >= end && found[i].n > 0);
            end = found[i].start + found[i].n;
            assert_true(end <= n);
            assert_true(at_border(text, n, found[i].start) && at_border(text, n, end));
            assert_true(found[i].confidence >= 0.5f && found[i].confidence <= 1.0f);
        }
    }
}

static void redaction_is_idempotent(void **state) {
    (void)state;
    hd_str once, twice;
    hd_str_init(&once);
    hd_str_init(&twice);
    for (uint64_t seed = 0; seed < 5000; seed++) {
        hd_rng rng = hd_rng_make(12, seed);
        char text[512];
        size_t n = make_text(&rng, text, sizeof text);
        bool changed;
        hd_str_reset(&once);
        hd_str_reset(&twice);
        assert_int_equal(
            hd_finder_redact(finder, (hd_slice){text, n}, HD_PII_ALL, &once, NULL, &changed),
            HEED_OK);
        assert_int_equal(hd_finder_redact(finder, (hd_slice){hd_str_get(&once), once.len},
                                          HD_PII_ALL, &twice, NULL, &changed),
                         HEED_OK);
        if (changed) print_message("%s\n  %s\n  %s\n", text, once.data, twice.data);
        assert_false(changed);
        assert_string_equal(hd_str_get(&once), hd_str_get(&twice));
    }
    hd_str_clear(&once);
    hd_str_clear(&twice);
}

// ── Hostile text ──

// 64 KB each: were any of these quadratic, the test would run for minutes.
static void hostile_text_is_linear(void **state) {
    (void)state;
    static const char *const repeated[] = {"1",     "@",    "a@",   "a.",       "1 ",   "(1",
                                           "a:",    "[",    "王",   "北京",     "电话", "http://",
                                           "1 A ",  "1-",   "::",   "北京市路", "+1",   "Dear A ",
                                           "www.a", "姓名", "我叫", "\xFF",     "1.",   "路1号"};
    hd_str text;
    hd_str_init(&text);
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        hd_str_reset(&text);
        while (text.len < (1 << 16)) hd_str_add(&text, repeated[i]);
        const hd_finding *found;
        size_t n;
        assert_int_equal(
            hd_finder_scan(finder, (hd_slice){text.data, text.len}, HD_PII_ALL, &found, &n),
            HEED_OK);
    }
    hd_str_clear(&text);
}

// ── Memory ──

static heed_err redact_all(void) {
    static const char text[] = "我叫张伟，电话13800138000，邮箱a@b.cd，北京市海淀区中关村大街27号";
    hd_finder *one = NULL;
    hd_str out;
    bool changed;
    hd_str_init(&out);
    heed_err err = hd_finder_new(&one);
    if (err == HEED_OK)
        err = hd_finder_redact(one, hd_slice_of(text), HD_PII_ALL, &out, NULL, &changed);
    hd_str_clear(&out);
    hd_finder_free(one);
    return err;
}

static void survives_failing_memory(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    (void)hd_mem_calls();
    assert_int_equal(redact_all(), HEED_OK);
    uint64_t calls = hd_mem_calls();
    for (uint64_t n = 1; n <= calls; n++) {
        hd_mem_fail_at(n, true);
        assert_int_equal(redact_all(), HEED_MEMORY);
        hd_mem_fail_at(0, false);
        assert_int_equal(hd_mem_used(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_luhn),
        cmocka_unit_test(check_iban),
        cmocka_unit_test(check_id_card),
        cmocka_unit_test(check_company_code),
        cmocka_unit_test(finds_cases),
        cmocka_unit_test(asks_only_for_types),
        cmocka_unit_test(describes_types),
        cmocka_unit_test(redacts),
        cmocka_unit_test(spans_are_sound),
        cmocka_unit_test(redaction_is_idempotent),
        cmocka_unit_test(hostile_text_is_linear),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests_name("finder", tests, open_finder, close_finder);
}
