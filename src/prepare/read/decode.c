// SPDX-License-Identifier: Apache-2.0
//
// The guess is put off for as long as the file is plain ASCII, which reads the same in UTF-8,
// GB18030 and Latin-1: the first chunk with another byte decides. A log of a million English lines
// with one Chinese comment at its end is read right, where a guess from the first 64 kB would not.
//
// What is called Latin-1 is read as Windows-1252, as browsers do (WHATWG Encoding, "latin1"): the
// bytes 0x80–0x9F are curly quotes and dashes in every real file. The five that Windows-1252 leaves
// open become the C1 control of the same number.
#include "prepare/read/decode.h"

#include <errno.h>
#include <iconv.h>

#include "base/mem.h"

enum { IN_SIZE = 64 * 1024, MIN_SAMPLE = 4096 };

struct hd_decoder {
    hd_source *source;
    hd_encoding encoding;
    bool undecided; // only ASCII so far
    iconv_t iconv;  // (iconv_t)-1: UTF-8, nothing to convert
    bool ended;
    char *in; // (IN_SIZE), in[begin .. end) waits
    size_t begin;
    size_t end;
};

typedef struct encoding_name {
    const char *name; // lower-case letters and digits only
    hd_encoding encoding;
} encoding_name;

static const encoding_name encoding_names[] = {
    {"utf8", HD_UTF8},          {"ascii", HD_UTF8},      {"utf16", HD_UTF16LE},
    {"utf16le", HD_UTF16LE},    {"unicode", HD_UTF16LE}, {"utf16be", HD_UTF16BE},
    {"gb18030", HD_GB18030},    {"gbk", HD_GB18030},     {"gb2312", HD_GB18030},
    {"cp936", HD_GB18030},      {"latin1", HD_LATIN1},   {"iso88591", HD_LATIN1},
    {"windows1252", HD_LATIN1}, {"cp1252", HD_LATIN1},
};
enum { N_ENCODING_NAMES = sizeof encoding_names / sizeof encoding_names[0] };

static heed_err encoding_find(const char *name, hd_encoding *out) {
    char key[16];
    size_t n = 0;
    for (const char *p = name; *p && n + 1 < sizeof key; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) key[n++] = c;
    }
    key[n] = 0;
    for (size_t i = 0; i < N_ENCODING_NAMES; i++) {
        if (strcmp(encoding_names[i].name, key) == 0) {
            *out = encoding_names[i].encoding;
            return HEED_OK;
        }
    }
    return HD_FAIL(
        HEED_USAGE,
        "unknown encoding '%s': choose utf-8, gb18030 (also for gbk and gb2312), "
        "utf-16le, utf-16be or latin-1",
        "未知编码“%s”：可选 utf-8、gb18030（含 gbk、gb2312）、utf-16le、utf-16be 或 latin-1", name);
}

static const char *iconv_name(hd_encoding encoding) {
    static const char *const names[] = {
        [HD_UTF16LE] = "UTF-16LE",
        [HD_UTF16BE] = "UTF-16BE",
        [HD_GB18030] = "GB18030",
        [HD_LATIN1] = "CP1252",
    };
    return names[encoding];
}

static heed_err set_encoding(hd_decoder *d, hd_encoding encoding) {
    d->encoding = encoding;
    if (encoding == HD_UTF8) return HEED_OK;
    d->iconv = iconv_open("UTF-8", iconv_name(encoding));
    if (d->iconv == (iconv_t)-1) {
        return HD_FAIL(errno == ENOMEM ? HEED_MEMORY : HEED_UNAVAILABLE,
                       "this system can't convert from %s: save the file as UTF-8",
                       "本系统无法从 %s 转换：请将文件另存为 UTF-8", iconv_name(encoding));
    }
    return HEED_OK;
}

static size_t ascii_prefix(const char *p, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word & UINT64_C(0x8080808080808080)) break;
    }
    while (i < n && !((unsigned char)p[i] & 0x80)) i++;
    return i;
}

// Tops up `in` to at least `want` bytes unless the source ends before.
static heed_err fill(hd_decoder *d, size_t want) {
    if (d->begin > 0) memmove(d->in, d->in + d->begin, d->end - d->begin);
    d->end -= d->begin;
    d->begin = 0;
    while (d->end < want && !d->ended) {
        size_t got = 0;
        HD_TRY(hd_source_read(d->source, d->in + d->end, IN_SIZE - d->end, &got));
        d->end += got;
        d->ended = got == 0;
    }
    return HEED_OK;
}

// ── What a binary file seems to be ──────────────────────────────────────────────────────────────

typedef struct binary_kind {
    const char *magic;
    size_t n;
    hd_text what; // and what to do
} binary_kind;

static const binary_kind binary_kinds[] = {
    {"PK\3\4", 4,
     HD_TEXT(
         "an Excel workbook or a ZIP archive: save the sheet as CSV UTF-8, or unpack the archive",
         "Excel 工作簿或 ZIP 压缩包：请将工作表另存为 CSV UTF-8，或先解压")},
    {"\xd0\xcf\x11\xe0", 4,
     HD_TEXT("an old Excel workbook: save the sheet as CSV UTF-8",
             "旧版 Excel 工作簿：请将工作表另存为 CSV UTF-8")},
    {"PAR1", 4,
     HD_TEXT("a Parquet file: convert it to CSV or JSON lines",
             "Parquet 文件：请转换为 CSV 或 JSON 行")},
    {"SQLite format 3", 15,
     HD_TEXT("a SQLite database: export its tables as CSV", "SQLite 数据库：请将表导出为 CSV")},
    {"%PDF", 4, HD_TEXT("a PDF: import its text instead", "PDF 文件：请导入其文本")},
    {"\xfd"
     "7zXZ",
     5,
     HD_TEXT("packed by xz: unpack it, or use gzip or zstd",
             "xz 压缩文件：请先解压，或改用 gzip、zstd")},
    {"BZh", 3,
     HD_TEXT("packed by bzip2: unpack it, or use gzip or zstd",
             "bzip2 压缩文件：请先解压，或改用 gzip、zstd")},
    {"7z\xbc\xaf", 4,
     HD_TEXT("a 7z archive: unpack it, or use gzip or zstd",
             "7z 压缩包：请先解压，或改用 gzip、zstd")},
};

static const binary_kind *binary_kind_find(const char *bytes, size_t n) {
    for (size_t i = 0; i < sizeof binary_kinds / sizeof binary_kinds[0]; i++) {
        const binary_kind *kind = &binary_kinds[i];
        if (n >= kind->n && memcmp(bytes, kind->magic, kind->n) == 0) return kind;
    }
    return NULL;
}

static heed_err fail_binary(const hd_decoder *d) {
    const binary_kind *kind = binary_kind_find(d->in, d->end);
    hd_text what = HD_TEXT("a binary file: heed reads CSV, TSV and JSON lines, plain or packed by "
                           "gzip or zstd",
                           "二进制文件：heed 可读取 CSV、TSV 和 JSON 行，可用 gzip 或 zstd 压缩");
    if (kind) what = kind->what;
    return HD_FAIL(HEED_INPUT, "%1$s: this is %2$s%3$.0s", "%1$s：这是%3$s%2$.0s",
                   hd_source_name(d->source), what.en, what.zh);
}

// ── Opening ─────────────────────────────────────────────────────────────────────────────────────

static heed_err begin(hd_decoder *d, const char *name) {
    HD_TRY(fill(d, IN_SIZE));
    if (d->end == 0) {
        return HD_FAIL(HEED_INPUT, "%s is empty: nothing to import",
                       "%s 是空文件：没有可导入的内容", hd_source_name(d->source));
    }
    size_t bom = 0;
    hd_encoding guess = hd_encoding_sniff(d->in, d->end, &bom);
    if (binary_kind_find(d->in, d->end)) guess = HD_BINARY;
    hd_encoding encoding = guess;
    if (name) {
        HD_TRY(encoding_find(name, &encoding));
        // "utf-16" without an order of bytes: the mark at the start knows it.
        if (encoding == HD_UTF16LE && guess == HD_UTF16BE && bom > 0) encoding = guess;
        if (bom > 0 && guess != encoding) bom = 0;
    } else if (guess == HD_BINARY) {
        return fail_binary(d);
    }
    d->begin = bom;
    d->undecided =
        !name && bom == 0 && encoding == HD_UTF8 && ascii_prefix(d->in, d->end) == d->end;
    return set_encoding(d, encoding);
}

heed_err hd_decoder_open(hd_source *source, const char *encoding, hd_decoder **out) {
    hd_decoder *d = hd_calloc(1, sizeof *d);
    if (!d) return HD_FAIL_MEMORY(sizeof *d);
    d->source = source;
    d->iconv = (iconv_t)-1;
    d->in = hd_alloc(IN_SIZE);
    heed_err err = d->in ? begin(d, encoding) : HD_FAIL_MEMORY(IN_SIZE);
    if (err != HEED_OK) {
        hd_decoder_close(d);
        return err;
    }
    *out = d;
    return HEED_OK;
}

void hd_decoder_close(hd_decoder *d) {
    if (!d) return;
    if (d->iconv != (iconv_t)-1) iconv_close(d->iconv);
    hd_free(d->in);
    hd_free(d);
}

hd_encoding hd_decoder_encoding(const hd_decoder *d) {
    return d->encoding;
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────

static heed_err read_utf8(hd_decoder *d, char *buf, size_t size, size_t *got) {
    size_t n = d->end - d->begin;
    if (n == 0) return hd_source_read(d->source, buf, size, got);
    if (n > size) n = size;
    memcpy(buf, d->in + d->begin, n);
    d->begin += n;
    *got = n;
    return HEED_OK;
}

// Hands out ASCII until a byte that isn't: that one and what follows decide the encoding.
static heed_err read_undecided(hd_decoder *d, char *buf, size_t size, size_t *got) {
    HD_TRY(fill(d, 1));
    size_t n = d->end - d->begin;
    size_t plain = ascii_prefix(d->in + d->begin, n);
    if (plain == 0 && n > 0) {
        HD_TRY(fill(d, MIN_SAMPLE));
        size_t bom = 0;
        hd_encoding guess = hd_encoding_sniff(d->in, d->end, &bom);
        d->undecided = false;
        // In the midst of a text only these three are possible.
        HD_TRY(set_encoding(d, guess == HD_GB18030 || guess == HD_LATIN1 ? guess : HD_UTF8));
        return hd_decoder_read(d, buf, size, got);
    }
    if (plain > size) plain = size;
    memcpy(buf, d->in + d->begin, plain);
    d->begin += plain;
    *got = plain;
    return HEED_OK;
}

// One wrong byte (or half of a wrong UTF-16 pair) as the sign that no valid text holds.
static void put_wrong(hd_decoder *d, char **out, size_t *room) {
    unsigned char byte = (unsigned char)d->in[d->begin];
    size_t step = d->encoding == HD_UTF16LE || d->encoding == HD_UTF16BE ? 2 : 1;
    if (step > d->end - d->begin) step = d->end - d->begin;
    d->begin += step;
    size_t n = 3;
    if (d->encoding == HD_LATIN1) {
        n = hd_utf8_put(byte, *out);
    } else {
        (*out)[0] = (char)0xff;
        (*out)[1] = (char)(0x80 | byte >> 4);
        (*out)[2] = (char)(0x80 | (byte & 15));
    }
    *out += n;
    *room -= n;
}

static heed_err read_iconv(hd_decoder *d, char *buf, size_t size, size_t *got) {
    char *out = buf;
    size_t room = size;
    while (out == buf) {
        if (d->end - d->begin < 8) HD_TRY(fill(d, 8));
        if (d->begin == d->end) break;
        char *in = d->in + d->begin;
        size_t left = d->end - d->begin;
        size_t code = iconv(d->iconv, &in, &left, &out, &room);
        int why = code == (size_t)-1 ? errno : 0;
        d->begin = d->end - left;
        // EINVAL: the last character is cut off; more bytes mend it, unless there are none.
        bool wrong = why == EILSEQ || (why == EINVAL && d->ended);
        if (wrong && room >= 4) put_wrong(d, &out, &room);
    }
    *got = (size_t)(out - buf);
    return HEED_OK;
}

heed_err hd_decoder_read(hd_decoder *d, char *buf, size_t size, size_t *got) {
    *got = 0;
    if (d->undecided) return read_undecided(d, buf, size, got);
    if (d->encoding == HD_UTF8) return read_utf8(d, buf, size, got);
    return read_iconv(d, buf, size, got);
}

unsigned char hd_decoder_wrong_byte(const char *text, size_t n, size_t at) {
    unsigned char byte = (unsigned char)text[at];
    if (byte != 0xff || at + 2 >= n) return byte;
    unsigned char high = (unsigned char)text[at + 1];
    unsigned char low = (unsigned char)text[at + 2];
    if ((high & 0xf0) != 0x80 || (low & 0xf0) != 0x80) return byte;
    return (unsigned char)((high & 15) << 4 | (low & 15));
}
