// SPDX-License-Identifier: Apache-2.0
//
// Bytes: packings with all their members, damage, hashes from files, pipes and memory; encodings,
// and wrong bytes named with their line.
#include "rows.h"

#include <fcntl.h>
#include <iconv.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "prepare/read/source.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    hd_snprintf(folder, sizeof folder, "/tmp/heed-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static void write_file(const char *name, const void *bytes, size_t n, char path[128]) {
    hd_snprintf(path, 128, "%s/%s", folder, name);
    assert_int_equal(hd_fs_write(path, bytes, n, 0600), HEED_OK);
}

// ── Packings ────────────────────────────────────────────────────────────────────────────────────

static size_t pack_gzip(const char *text, size_t n, char *out, size_t room) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static size_t pack_zstd(const char *text, size_t n, char *out, size_t room) {
    ZSTD_CCtx *c = ZSTD_createCCtx();
    assert_non_null(c);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1); // as the zstd program does
    size_t made = ZSTD_compress2(c, out, room, text, n);
    ZSTD_freeCCtx(c);
    assert_false(ZSTD_isError(made));
    return made;
}

static heed_err unpack(const char *bytes, size_t n, size_t step, hd_str *out, char packing[8]) {
    hd_source *source = NULL;
    heed_err err = hd_source_open_memory("t", bytes, n, &source);
    char buf[4096];
    size_t got = 1;
    while (err == HEED_OK && got > 0) {
        err = hd_source_read(source, buf, step, &got);
        if (err == HEED_OK) hd_str_addn(out, buf, got);
    }
    if (source) hd_snprintf(packing, 8, "%s", hd_source_packing(source));
    hd_source_close(source);
    return err;
}

enum { PLAIN = 300000 };

static char *make_text(void) {
    char *text = hd_alloc(PLAIN + 1);
    assert_non_null(text);
    hd_rng rng = hd_rng_make(1, 1);
    for (size_t i = 0; i < PLAIN; i++) text[i] = (char)('a' + hd_rng_below(&rng, 17));
    return text;
}

typedef size_t (*packer)(const char *text, size_t n, char *out, size_t room);

static void check_packing(packer pack, const char *name) {
    char *text = make_text();
    char *packed = hd_alloc(2 * PLAIN);
    assert_non_null(packed);
    // Three members, the middle one empty.
    size_t n = pack(text, 100000, packed, 2 * PLAIN);
    n += pack(text, 0, packed + n, 2 * PLAIN - n);
    size_t last = n;
    n += pack(text + 100000, PLAIN - 100000, packed + n, 2 * PLAIN - n);
    static const size_t steps[] = {1, 7, 4096};
    char packing[8];
    for (size_t i = 0; i < 3; i++) {
        hd_str out;
        hd_str_init(&out);
        assert_int_equal(unpack(packed, n, steps[i], &out, packing), HEED_OK);
        assert_string_equal(packing, name);
        assert_int_equal(out.len, PLAIN);
        assert_memory_equal(out.data, text, PLAIN);
        // Cut short anywhere in the last member: an error, never a shorter text.
        hd_str_reset(&out);
        assert_int_equal(unpack(packed, n - 1 - i * 1000, steps[i], &out, packing), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "ends too early"));
        hd_str_clear(&out);
    }
    hd_str out;
    hd_str_init(&out);
    memset(packed + last + 2000, 0x55, 64);
    assert_int_equal(unpack(packed, n, 4096, &out, packing), HEED_INPUT);
    hd_str_clear(&out);
    hd_free(packed);
    hd_free(text);
}

static void gzip_round_trip(void **state) {
    (void)state;
    check_packing(pack_gzip, "gzip");
}

static void zstd_round_trip(void **state) {
    (void)state;
    check_packing(pack_zstd, "zstd");
}

static void gzip_tails(void **state) {
    (void)state;
    char packed[256] = {0};
    char packing[8];
    size_t n = pack_gzip("hello", 5, packed, sizeof packed);
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(unpack(packed, n + 20, 64, &out, packing), HEED_OK); // zero padding
    assert_string_equal(hd_str_get(&out), "hello");
    packed[n + 3] = 'x';
    assert_int_equal(unpack(packed, n + 20, 64, &out, packing), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "not gzip follow"));
    hd_str_clear(&out);
}

// ── Files, pipes, hashes ────────────────────────────────────────────────────────────────────────

static void expect_hash(const void *bytes, size_t n, const char *actual) {
    unsigned char digest[32];
    char hex[65];
    assert_int_equal(crypto_generichash(digest, 32, bytes, n, NULL, 0), 0);
    sodium_bin2hex(hex, sizeof hex, digest, 32);
    assert_string_equal(actual, hex);
}

static void hash_of_a_file(void **state) {
    (void)state;
    char packed[256];
    char path[128];
    char hash[65];
    size_t n = pack_gzip("user_id\na\nb\n", 12, packed, sizeof packed);
    write_file("users.csv.gz", packed, n, path);
    hd_importer_params p = test_params(path);
    hd_importer *in = NULL;
    assert_int_equal(hd_importer_open(&p, &in), HEED_OK);
    assert_string_equal(hd_importer_guess(in)->packing, "gzip");
    assert_int_equal(hd_importer_bytes_total(in), n);
    assert_int_equal(hd_importer_hash(in, hash), HEED_OK); // before the end
    expect_hash(packed, n, hash);
    hd_str out;
    hd_str_init(&out);
    test_add_rows(&out, in);
    assert_string_equal(hd_str_get(&out), "2 user id=a\n3 user id=b\n");
    assert_int_equal(hd_importer_hash(in, hash), HEED_OK); // after it
    expect_hash(packed, n, hash);
    assert_int_equal(hd_importer_bytes(in), n);
    hd_str_clear(&out);
    hd_importer_close(in);
}

// A regular file larger than what opening reads, whose hash is asked for half-way.
static void hash_of_a_large_file(void **state) {
    (void)state;
    char path[128];
    char hash[65];
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "user_id\n");
    for (int i = 0; i < 200000; i++) hd_str_addf(&text, "u%d\n", i);
    write_file("many.csv", text.data, text.len, path);
    hd_importer_params p = test_params(path);
    hd_importer *in = NULL;
    assert_int_equal(hd_importer_open(&p, &in), HEED_OK);
    assert_true(hd_importer_bytes(in) < text.len);
    assert_int_equal(hd_importer_hash(in, hash), HEED_OK);
    expect_hash(text.data, text.len, hash);
    hd_importer_close(in);
    hd_str_clear(&text);
}

static void from_stdin(void **state) {
    (void)state;
    static const char text[] = "user_id\na\nb\n";
    int pipes[2];
    char hash[65];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], text, sizeof text - 1), sizeof text - 1);
    close(pipes[1]);
    int keep = dup(STDIN_FILENO);
    assert_true(dup2(pipes[0], STDIN_FILENO) >= 0);
    close(pipes[0]);
    hd_importer_params p = test_params("-");
    p.kind = HD_KIND_USERS;
    hd_importer *in = NULL;
    heed_err err = hd_importer_open(&p, &in);
    dup2(keep, STDIN_FILENO);
    close(keep);
    assert_int_equal(err, HEED_OK);
    assert_int_equal(hd_importer_bytes_total(in), 0);
    hd_str out;
    hd_str_init(&out);
    test_add_rows(&out, in);
    assert_string_equal(hd_str_get(&out), "2 user id=a\n3 user id=b\n");
    assert_int_equal(hd_importer_hash(in, hash), HEED_OK);
    expect_hash(text, sizeof text - 1, hash);
    hd_str_clear(&out);
    hd_importer_close(in);
}

static void expect_open(const char *path, heed_err code, const char *part) {
    hd_importer_params p = test_params(path);
    hd_importer *in = NULL;
    assert_int_equal(hd_importer_open(&p, &in), code);
    if (!strstr(heed_error_message(HEED_EN), part)) {
        fail_msg("'%s' doesn't hold '%s'", heed_error_message(HEED_EN), part);
    }
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    char path[128];
    hd_snprintf(path, sizeof path, "%s/none.csv", folder);
    expect_open(path, HEED_NOT_FOUND, "none.csv");
    expect_open(folder, HEED_INPUT, "is a folder: name the files in it");
    write_file("empty.csv", "", 0, path);
    expect_open(path, HEED_INPUT, "is empty");
    write_file("closed.csv", "user_id\na\n", 10, path);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) expect_open(path, HEED_DENIED, "closed.csv"); // root reads everything
}

// ── Encodings ───────────────────────────────────────────────────────────────────────────────────

static size_t encode(const char *encoding, const char *text, char *out, size_t room) {
    iconv_t cd = iconv_open(encoding, "UTF-8");
    assert_true(cd != (iconv_t)-1);
    char *in = (char *)(uintptr_t)text;
    size_t left = strlen(text);
    char *to = out;
    size_t space = room;
    assert_true(iconv(cd, &in, &left, &to, &space) != (size_t)-1);
    iconv_close(cd);
    return room - space;
}

// The same two users as CSV, TSV and JSON lines.
static const char *const chinese[3] = {
    "会员号,城市,备注\n会员一,上海,喜欢喝茶和咖啡\n会员二,广州,\"退货,两次\"\n",
    "会员号\t城市\t备注\n会员一\t上海\t喜欢喝茶和咖啡\n会员二\t广州\t退货,两次",
    ("{\"会员号\":\"会员一\",\"城市\":\"上海\",\"备注\":\"喜欢喝茶和咖啡\"}\r\n"
     "{\"会员号\":\"会员二\",\"城市\":\"广州\",\"备注\":\"退货,两次\"}\r\n"),
};
static const char chinese_rows[] =
    " user id=会员一 attributes={\"城市\":\"上海\",\"备注\":\"喜欢喝茶和咖啡\"}\n"
    " user id=会员二 attributes={\"城市\":\"广州\",\"备注\":\"退货,两次\"}\n";

// chinese_rows with line numbers in front, the first one given.
static void numbered(int first, char *out, size_t room) {
    size_t at = strcspn(chinese_rows, "\n") + 1;
    hd_snprintf(out, room, "%d%.*s%d%s", first, (int)at, chinese_rows, first + 1,
                chinese_rows + at);
}

static void check_packed(const hd_importer_params *p, const char *bytes, size_t n, int first) {
    char expected[512];
    char packed[2048];
    numbered(first, expected, sizeof expected);
    test_rows_n(p, bytes, n, expected);
    test_rows_n(p, packed, pack_gzip(bytes, n, packed, sizeof packed), expected);
    test_rows_n(p, packed, pack_zstd(bytes, n, packed, sizeof packed), expected);
}

static void every_format_packing_and_encoding(void **state) {
    (void)state;
    static const struct {
        const char *iconv, *mark, *given;
        size_t n_mark;
    } cases[] = {
        {"UTF-8", "", NULL, 0},
        {"UTF-8", "\xef\xbb\xbf", NULL, 3},
        {"GB18030", "", NULL, 0},
        {"GB18030", "", "GBK", 0},
        {"UTF-16LE", "\xff\xfe", NULL, 2},
        {"UTF-16BE", "\xfe\xff", NULL, 2},
        {"UTF-16BE", "\xfe\xff", "utf-16", 2},
        {"UTF-16LE", "", "utf-16le", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t format = 0; format < 3; format++) {
            char bytes[1024];
            memcpy(bytes, cases[i].mark, cases[i].n_mark);
            size_t n = cases[i].n_mark;
            n += encode(cases[i].iconv, chinese[format], bytes + n, sizeof bytes - n);
            hd_importer_params p = test_params("x");
            p.encoding = cases[i].given;
            check_packed(&p, bytes, n, format < 2 ? 2 : 1);
        }
    }
}

static void latin1(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,name\n1,Andr\xe9 \x93quoted\x94 \x81\n",
              "2 user id=1 attributes={\"name\":\"André “quoted” \xc2\x81\"}\n");
}

// The first Chinese character comes after more than what is read at the start.
static void encoding_known_late(void **state) {
    (void)state;
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "user_id,city\n");
    int rows = 40000;
    for (int i = 0; i < rows; i++) hd_str_addf(&text, "u%d,Shanghai\n", i);
    char tail[64];
    size_t n = encode("GB18030", "last,上海市浦东新区\n", tail, sizeof tail);
    hd_str_addn(&text, tail, n);
    hd_importer_params p = test_params("users.csv");
    hd_importer *in = NULL;
    assert_int_equal(hd_importer_open_memory(&p, text.data, text.len, &in), HEED_OK);
    hd_import_row row;
    for (int i = 0; i <= rows; i++) {
        assert_int_equal(hd_importer_next(in, &row), HEED_OK);
        assert_int_equal(row.state, HD_ROW_RECORD);
    }
    assert_true(hd_slice_eq(row.record.user.attributes, "{\"city\":\"上海市浦东新区\"}"));
    assert_int_equal(hd_importer_guess(in)->encoding, HD_GB18030);
    hd_importer_close(in);
    hd_str_clear(&text);
}

static void wrong_bytes(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    p.encoding = "utf-8";
    test_rows(&p, "user_id,city\na,é\xff\nb,\"x\ny\xc3\"\nc,Z\n",
              "2 bad byte 0xFF at character 4 is not utf-8: save the file as UTF-8, or state its "
              "encoding (--encoding)\n"
              "3 bad byte 0xC3 at character 2 is not utf-8: save the file as UTF-8, or state its "
              "encoding (--encoding)\n"
              "4 bad byte 0xC3 at character 2 is not utf-8: save the file as UTF-8, or state its "
              "encoding (--encoding)\n"
              "5 user id=c attributes={\"city\":\"Z\"}\n");
    p.encoding = "gbk";
    test_rows(&p, "user_id,city\na,\xc9\xcf\xba\xa3\xff\nb,Z\n",
              "2 bad byte 0xFF at character 5 is not gb18030: save the file as UTF-8, or state its "
              "encoding (--encoding)\n"
              "3 user id=b attributes={\"city\":\"Z\"}\n");
    // The file ends within a character.
    test_rows(&p, "user_id,city\nb,Z\na,\xc9",
              "2 user id=b attributes={\"city\":\"Z\"}\n"
              "3 bad byte 0xC9 at character 3 is not gb18030: save the file as UTF-8, or state its "
              "encoding (--encoding)\n");
}

static void nul_bytes(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    p.encoding = "utf-8";
    static const char text[] = "user_id,city\na,X\nb,\0\nc,Z\n";
    test_rows_n(&p, text, sizeof text - 1,
                "2 user id=a attributes={\"city\":\"X\"}\n"
                "3 bad a NUL byte stands at byte 3: the file is damaged, or its encoding isn't "
                "utf-8 (--encoding)\n"
                "4 user id=c attributes={\"city\":\"Z\"}\n");
}

static void binary_files(void **state) {
    (void)state;
    hd_importer_params p = test_params("sales.xlsx");
    test_refused(&p, "PK\3\4\0\0\0\0", 8, "Excel workbook");
    test_refused(&p, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, "old Excel workbook");
    test_refused(&p, "PAR1\0\0", 6, "Parquet");
    test_refused(&p, "%PDF-1.4\n", 9, "PDF");
    test_refused(&p, "\0\1\2\3\0\0\7", 7, "a binary file");
    p.encoding = "klingon";
    test_refused(&p, "a,b\n", 4, "unknown encoding 'klingon'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_round_trip),
        cmocka_unit_test(zstd_round_trip),
        cmocka_unit_test(gzip_tails),
        cmocka_unit_test(hash_of_a_file),
        cmocka_unit_test(hash_of_a_large_file),
        cmocka_unit_test(from_stdin),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(every_format_packing_and_encoding),
        cmocka_unit_test(latin1),
        cmocka_unit_test(encoding_known_late),
        cmocka_unit_test(wrong_bytes),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(binary_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
