// SPDX-License-Identifier: Apache-2.0
//
// Bytes come from a descriptor or from memory into one buffer (`raw`), are hashed and counted on
// the way, and leave through one of three unpackers. Each unpacker is a row of `packings`, chosen
// by the magic number of the first bytes. Plain bytes skip the buffer once it is empty.
//
// Reading is by read(2) and not mmap: a pipe has no pages, and a file cut short while it is mapped
// ends the process. base/fs.h has no streaming reader because only importing needs one.
#include "prepare/read/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/str.h"

enum { RAW_SIZE = 128 * 1024, HASH_SIZE = 32 };

typedef struct packing {
    const char *name;
    unsigned char magic[4];
    size_t n_magic;
    heed_err (*begin)(hd_source *source);
    heed_err (*read)(hd_source *source, char *buf, size_t size, size_t *got);
    void (*end)(hd_source *source);
} packing;

struct hd_source {
    crypto_generichash_state hash; // first: it must lie on a 64-byte boundary
    int fd;                        // -1: memory
    const char *memory;
    size_t memory_left;
    char *name;
    bool regular;
    uint64_t bytes;
    uint64_t total;
    bool raw_ended;
    char *raw; // (RAW_SIZE), raw[begin .. end) is not unpacked yet
    size_t begin;
    size_t end;
    const packing *packing;
    bool ended;
    bool inside;  // a gzip member or a zstd frame has begun and not ended
    bool pending; // the unpacker may hold output for which there was no room
    z_stream gzip;
    ZSTD_DCtx *zstd;
};

// ── Bytes as they come ──────────────────────────────────────────────────────────────────────────

static heed_err raw_read(hd_source *s, char *buf, size_t size, size_t *got) {
    if (s->fd < 0) {
        size_t n = s->memory_left < size ? s->memory_left : size;
        if (n > 0) memcpy(buf, s->memory, n);
        if (n > 0) s->memory += n;
        s->memory_left -= n;
        *got = n;
    } else {
        // A signal while waiting for a slow pipe ends the reading: whoever caught it wants that.
        ssize_t n = read(s->fd, buf, size);
        if (n < 0) return HD_FAIL_ERRNO(errno, "can't read", "无法读取", s->name);
        *got = (size_t)n;
    }
    if (*got == 0) {
        s->raw_ended = true;
        return HEED_OK;
    }
    s->bytes += *got;
    crypto_generichash_update(&s->hash, (const unsigned char *)buf, *got);
    return HEED_OK;
}

// Adds bytes behind those that wait, so that at least `want` wait unless the file ends before.
static heed_err raw_fill(hd_source *s, size_t want) {
    if (s->begin > 0) memmove(s->raw, s->raw + s->begin, s->end - s->begin);
    s->end -= s->begin;
    s->begin = 0;
    while (s->end < want && !s->raw_ended) {
        size_t got = 0;
        HD_TRY(raw_read(s, s->raw + s->end, RAW_SIZE - s->end, &got));
        s->end += got;
    }
    return HEED_OK;
}

static heed_err fail_cut_short(const hd_source *s) {
    return HD_FAIL(HEED_INPUT, "%s: the %s file ends too early: copy it again, or pack it again",
                   "%s：%s 文件不完整：请重新复制或重新压缩", s->name, s->packing->name);
}

// ── Plain ───────────────────────────────────────────────────────────────────────────────────────

static heed_err plain_read(hd_source *s, char *buf, size_t size, size_t *got) {
    size_t n = s->end - s->begin;
    if (n == 0) return raw_read(s, buf, size, got);
    if (n > size) n = size;
    memcpy(buf, s->raw + s->begin, n);
    s->begin += n;
    *got = n;
    return HEED_OK;
}

// ── gzip ────────────────────────────────────────────────────────────────────────────────────────

static voidpf gzip_alloc(voidpf opaque, uInt count, uInt size) {
    (void)opaque;
    return hd_calloc(count, size);
}

static void gzip_free(voidpf opaque, voidpf ptr) {
    (void)opaque;
    hd_free(ptr);
}

static heed_err gzip_begin(hd_source *s) {
    s->gzip.zalloc = gzip_alloc;
    s->gzip.zfree = gzip_free;
    if (inflateInit2(&s->gzip, 15 + 16) != Z_OK) return HD_FAIL_MEMORY(0);
    s->inside = true;
    return HEED_OK;
}

// Between members: zero padding is skipped (tapes and some tools add it), another member begins.
static heed_err gzip_next_member(hd_source *s, bool *more) {
    *more = false;
    for (;;) {
        while (s->begin < s->end && s->raw[s->begin] == 0) s->begin++;
        if (s->begin < s->end) break;
        if (s->raw_ended) return HEED_OK;
        HD_TRY(raw_fill(s, 1));
    }
    if ((unsigned char)s->raw[s->begin] != 0x1f) {
        return HD_FAIL(HEED_INPUT,
                       "%s: bytes that are not gzip follow the packed data: pack the file again",
                       "%s：压缩数据之后有不属于 gzip 的内容：请重新压缩", s->name);
    }
    inflateReset(&s->gzip);
    s->inside = true;
    *more = true;
    return HEED_OK;
}

static heed_err gzip_step(hd_source *s, char *buf, size_t size, size_t *got) {
    s->gzip.next_in = (Bytef *)s->raw + s->begin;
    s->gzip.avail_in = (uInt)(s->end - s->begin);
    s->gzip.next_out = (Bytef *)buf;
    s->gzip.avail_out = (uInt)size;
    int code = inflate(&s->gzip, Z_NO_FLUSH);
    s->begin = s->end - s->gzip.avail_in;
    *got = size - s->gzip.avail_out;
    s->pending = s->gzip.avail_out == 0;
    if (code == Z_STREAM_END) {
        s->inside = false;
        s->pending = false;
    } else if (code == Z_MEM_ERROR) {
        return HD_FAIL_MEMORY(0);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return HD_FAIL(HEED_INPUT, "%s: the gzip data is damaged (%s): copy or pack the file again",
                       "%s：gzip 数据已损坏（%s）：请重新复制或重新压缩", s->name,
                       s->gzip.msg ? s->gzip.msg : "?");
    }
    return HEED_OK;
}

static heed_err gzip_read(hd_source *s, char *buf, size_t size, size_t *got) {
    if (size > UINT32_MAX) size = UINT32_MAX;
    *got = 0;
    while (*got == 0) {
        if (!s->inside) {
            bool more = false;
            HD_TRY(gzip_next_member(s, &more));
            if (!more) return HEED_OK;
        }
        if (s->begin == s->end && !s->pending) {
            HD_TRY(raw_fill(s, 1));
            if (s->begin == s->end) return fail_cut_short(s);
        }
        HD_TRY(gzip_step(s, buf, size, got));
    }
    return HEED_OK;
}

static void gzip_end(hd_source *s) {
    inflateEnd(&s->gzip);
}

// ── zstd ────────────────────────────────────────────────────────────────────────────────────────

static heed_err zstd_begin(hd_source *s) {
    s->zstd = ZSTD_createDCtx();
    return s->zstd ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err zstd_step(hd_source *s, char *buf, size_t size, size_t *got) {
    ZSTD_outBuffer out = {buf, size, 0};
    ZSTD_inBuffer in = {s->raw + s->begin, s->end - s->begin, 0};
    size_t left = ZSTD_decompressStream(s->zstd, &out, &in);
    if (ZSTD_isError(left)) {
        return HD_FAIL(HEED_INPUT, "%s: the zstd data can't be unpacked (%s): pack the file again",
                       "%s：zstd 数据无法解压（%s）：请重新压缩", s->name, ZSTD_getErrorName(left));
    }
    s->begin += in.pos;
    s->inside = left != 0;
    s->pending = left != 0 && out.pos == size;
    *got = out.pos;
    return HEED_OK;
}

static heed_err zstd_read(hd_source *s, char *buf, size_t size, size_t *got) {
    *got = 0;
    while (*got == 0) {
        if (s->begin == s->end && !s->pending) {
            HD_TRY(raw_fill(s, 1));
            if (s->begin == s->end) return s->inside ? fail_cut_short(s) : HEED_OK;
        }
        HD_TRY(zstd_step(s, buf, size, got));
    }
    return HEED_OK;
}

static void zstd_end(hd_source *s) {
    ZSTD_freeDCtx(s->zstd);
}

// ── The source ──────────────────────────────────────────────────────────────────────────────────

static const packing packings[] = {
    {"gzip", {0x1f, 0x8b}, 2, gzip_begin, gzip_read, gzip_end},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, zstd_begin, zstd_read, zstd_end},
    {"", {0}, 0, NULL, plain_read, NULL}, // last: fits everything
};

static heed_err choose_packing(hd_source *s) {
    HD_TRY(raw_fill(s, sizeof packings[0].magic));
    const packing *p = packings;
    while (s->end < p->n_magic || memcmp(s->raw, p->magic, p->n_magic) != 0) p++;
    if (p->begin) HD_TRY(p->begin(s));
    s->packing = p;
    return HEED_OK;
}

static heed_err source_new(const char *name, hd_source **out) {
    if (sodium_init() < 0) {
        return HD_FAIL(HEED_UNAVAILABLE, "libsodium can't be initialised", "libsodium 无法初始化");
    }
    hd_source *s = hd_alloc_aligned(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    s->fd = -1;
    s->name = hd_strdup(name);
    s->raw = hd_alloc(RAW_SIZE);
    if (!s->name || !s->raw) {
        hd_source_close(s);
        return HD_FAIL_MEMORY(RAW_SIZE);
    }
    crypto_generichash_init(&s->hash, NULL, 0, HASH_SIZE);
    *out = s;
    return HEED_OK;
}

static heed_err open_fd(hd_source *s, const char *path) {
    s->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) return HD_FAIL_ERRNO(errno, "can't open", "无法打开", s->name);
    struct stat st;
    if (fstat(s->fd, &st) != 0) return HD_FAIL_ERRNO(errno, "can't open", "无法打开", s->name);
    if (S_ISDIR(st.st_mode)) {
        return HD_FAIL(HEED_INPUT, "%s is a folder: name the files in it",
                       "%s 是一个目录：请写出其中的文件", s->name);
    }
    s->regular = S_ISREG(st.st_mode) && strcmp(path, "-") != 0;
    if (s->regular) s->total = (uint64_t)st.st_size;
    return choose_packing(s);
}

heed_err hd_source_open(const char *path, hd_source **out) {
    hd_source *s = NULL;
    HD_TRY(source_new(strcmp(path, "-") == 0 ? "stdin" : path, &s));
    heed_err err = open_fd(s, path);
    if (err != HEED_OK) {
        hd_source_close(s);
        return err;
    }
    *out = s;
    return HEED_OK;
}

heed_err hd_source_open_memory(const char *name, const void *bytes, size_t n, hd_source **out) {
    hd_source *s = NULL;
    HD_TRY(source_new(name, &s));
    s->memory = bytes;
    s->memory_left = n;
    heed_err err = choose_packing(s);
    if (err != HEED_OK) {
        hd_source_close(s);
        return err;
    }
    *out = s;
    return HEED_OK;
}

void hd_source_close(hd_source *s) {
    if (!s) return;
    if (s->packing && s->packing->end) s->packing->end(s);
    if (s->fd >= 0) close(s->fd);
    hd_free(s->raw);
    hd_free(s->name);
    hd_free(s);
}

heed_err hd_source_read(hd_source *s, char *buf, size_t size, size_t *got) {
    *got = 0;
    if (s->ended || size == 0) return HEED_OK;
    HD_TRY(s->packing->read(s, buf, size, got));
    s->ended = *got == 0;
    return HEED_OK;
}

const char *hd_source_name(const hd_source *s) {
    return s->name;
}

const char *hd_source_packing(const hd_source *s) {
    return s->packing->name;
}

uint64_t hd_source_bytes(const hd_source *s) {
    return s->bytes;
}

uint64_t hd_source_total(const hd_source *s) {
    return s->total;
}

static void hash_hex(crypto_generichash_state *state, char out[65]) {
    unsigned char digest[HASH_SIZE];
    crypto_generichash_final(state, digest, sizeof digest);
    sodium_bin2hex(out, 65, digest, sizeof digest);
}

// A regular file's hash before its end: the file is read once more, on a descriptor of its own.
static heed_err hash_whole_file(const char *path, char out[65]) {
    hd_source *again = NULL;
    HD_TRY(source_new(path, &again));
    heed_err err = HEED_OK;
    again->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (again->fd < 0) {
        err = HD_FAIL_ERRNO(errno, "can't open", "无法打开", path);
    }
    while (err == HEED_OK && !again->raw_ended) {
        size_t got = 0;
        err = raw_read(again, again->raw, RAW_SIZE, &got);
    }
    if (err == HEED_OK) hash_hex(&again->hash, out);
    hd_source_close(again);
    return err;
}

heed_err hd_source_hash(hd_source *s, char out[65]) {
    if (!s->raw_ended && s->fd < 0) {
        // Memory is all there: take in the rest as if it had been read.
        crypto_generichash_state copy = s->hash;
        crypto_generichash_update(&copy, (const unsigned char *)s->memory, s->memory_left);
        hash_hex(&copy, out);
        return HEED_OK;
    }
    if (s->raw_ended) {
        crypto_generichash_state copy = s->hash;
        hash_hex(&copy, out);
        return HEED_OK;
    }
    if (s->regular) return hash_whole_file(s->name, out);
    return HD_FAIL(HEED_USAGE, "%s: the hash is known once all was read",
                   "%s：全部读完后才知道哈希值", s->name);
}
