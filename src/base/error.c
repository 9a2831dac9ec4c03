// SPDX-License-Identifier: Apache-2.0
//
// Errors: one list (heed/error.h) gives each code its texts, status and exit code; one record per
// thread holds the last failure in both languages, of a fixed size, so that reporting "out of
// memory" needs no memory. Both texts are formatted at once, when the failure happens: the
// arguments may be gone by the time anybody asks, and the language is the reader's choice.
//
// Rejected: an error object passed through every call (every signature longer, for a path that is
// rarely taken), and a code alone (nobody can act on "bad input").
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

typedef struct code_row {
    const char *name;
    int http;
    int exit_code;
    hd_text text;
} code_row;

static const code_row codes[] = {
#define CODE_ROW(name, http, exit_code, en, zh) {#name, http, exit_code, HD_TEXT(en, zh)},
    HEED_ERR_LIST(CODE_ROW)
#undef CODE_ROW
};

static _Thread_local hd_error last;

static const code_row *code_get(heed_err err) {
    size_t n = sizeof codes / sizeof codes[0];
    size_t i = (size_t)(unsigned)err;
    return &codes[i < n ? i : (size_t)HEED_INTERNAL];
}

const char *heed_err_name(heed_err err) {
    return code_get(err)->name;
}
const char *heed_err_text(heed_err err, heed_lang lang) {
    return hd_text_get(code_get(err)->text, lang);
}
int heed_err_http(heed_err err) {
    return code_get(err)->http;
}
int heed_err_exit(heed_err err) {
    return code_get(err)->exit_code;
}

const char *heed_error_message(heed_lang lang) {
    return last.text[lang == HEED_ZH];
}
heed_err heed_error_code(void) {
    return last.code;
}

// Drops the character that a cut at the buffer's end left incomplete.
static void cut_at_character(char *text, size_t n) {
    size_t start = n;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (n - (start - 1) < need) text[start - 1] = '\0';
}

static void format_text(char out[HD_ERROR_MAX], const char *format, va_list args) {
    int n = hd_vsnprintf(out, HD_ERROR_MAX, format, args);
    if (n < 0) out[0] = '\0';
    if (n >= HD_ERROR_MAX) cut_at_character(out, HD_ERROR_MAX - 1);
}

__attribute__((format(printf, 2, 3))) static void format_one(char out[HD_ERROR_MAX],
                                                             const char *format, ...) {
    va_list args;
    va_start(args, format);
    format_text(out, format, args);
    va_end(args);
}

static void record(heed_err code, const char *file, int line) {
    last.code = code;
    last.file = file;
    last.line = line;
}

heed_err hd_error_set(heed_err code, const char *file, int line, const char *en, const char *zh,
                      ...) {
    assert(code != HEED_OK);
    // Formatted aside first: an argument may be the message that is being replaced.
    char text[2][HD_ERROR_MAX];
    va_list args;
    va_start(args, zh);
    va_list again;
    va_copy(again, args);
    format_text(text[HEED_EN], en, args);
    format_text(text[HEED_ZH], zh, again);
    va_end(again);
    va_end(args);
    memcpy(last.text, text, sizeof text);
    record(code, file, line);
    return code;
}

static void put_before(char text[HD_ERROR_MAX], const char *prefix, const char *sign) {
    char joined[HD_ERROR_MAX];
    format_one(joined, "%s%s%s", prefix, sign, text);
    memcpy(text, joined, sizeof joined);
}

heed_err hd_error_prefix(heed_err code, const char *en, const char *zh, ...) {
    char prefix[2][HD_ERROR_MAX];
    va_list args;
    va_start(args, zh);
    va_list again;
    va_copy(again, args);
    format_text(prefix[HEED_EN], en, args);
    format_text(prefix[HEED_ZH], zh, again);
    va_end(again);
    va_end(args);
    put_before(last.text[HEED_EN], prefix[HEED_EN], ": ");
    put_before(last.text[HEED_ZH], prefix[HEED_ZH], "：");
    return code;
}

void hd_error_get(hd_error *out) {
    *out = last;
}

heed_err hd_error_restore(const hd_error *error) {
    last = *error;
    return last.code;
}

void hd_error_reset(void) {
    memset(&last, 0, sizeof last);
}

heed_err hd_error_memory(const char *file, int line, size_t bytes) {
    size_t limit = hd_mem_limit();
    if (limit > 0) {
        return __extension__ hd_error_set(
            HEED_MEMORY, file, line,
            "out of memory: %zu bytes more than the %zu in use would pass "
            "memory.limit (%zu bytes); raise it, or work on less data",
            "内存不足：已用 %2$zu 字节，再要 %1$zu 字节会超过 memory.limit（%3$zu "
            "字节）；请调高上限，或减少数据量",
            bytes, hd_mem_used(), limit);
    }
    return __extension__ hd_error_set(
        HEED_MEMORY, file, line,
        "out of memory: the system refused %zu bytes more than the %zu in use; "
        "free memory, or work on less data",
        "内存不足：已用 %2$zu 字节，系统拒绝再分配 %1$zu "
        "字节；请释放内存，或减少数据量",
        bytes, hd_mem_used());
}

typedef struct errno_row {
    int number;
    heed_err code;
    hd_text text; // what is wrong and, where it isn't plain, what to do
} errno_row;

static const errno_row errnos[] = {
    {ENOSPC, HEED_FULL, HD_TEXT("no space left on the device; free some", "磁盘空间不足，请清理")},
    {EDQUOT, HEED_FULL, HD_TEXT("disk quota exceeded; free some", "超出磁盘配额，请清理")},
    {EFBIG, HEED_FULL, HD_TEXT("file too large for this file system", "文件过大，文件系统不支持")},
    {EACCES, HEED_DENIED,
     HD_TEXT("permission denied; check owner and mode", "没有权限，请检查所有者和权限位")},
    {EPERM, HEED_DENIED, HD_TEXT("operation not permitted", "不允许此操作")},
    {EROFS, HEED_DENIED, HD_TEXT("read-only file system", "文件系统只读")},
    {ENOENT, HEED_NOT_FOUND, HD_TEXT("no such file or folder", "文件或文件夹不存在")},
    {ENOTDIR, HEED_NOT_FOUND,
     HD_TEXT("part of the path is not a folder", "路径中有一段不是文件夹")},
    {EISDIR, HEED_INPUT, HD_TEXT("is a folder, not a file", "这是文件夹，不是文件")},
    {EEXIST, HEED_CONFLICT, HD_TEXT("exists already", "已存在")},
    {ENOTEMPTY, HEED_CONFLICT, HD_TEXT("folder is not empty", "文件夹不为空")},
    {ENAMETOOLONG, HEED_INPUT, HD_TEXT("name too long", "名称过长")},
    {ELOOP, HEED_INPUT, HD_TEXT("too many symbolic links", "符号链接层数过多")},
    {ENOMEM, HEED_MEMORY, HD_TEXT("out of memory", "内存不足")},
    {EMFILE, HEED_IO,
     HD_TEXT("too many open files; raise ulimit -n", "打开的文件过多，请调高 ulimit -n")},
    {ENFILE, HEED_IO, HD_TEXT("too many open files in the system", "系统打开的文件过多")},
    {EIO, HEED_IO, HD_TEXT("input/output error; check the disk", "读写错误，请检查磁盘")},
    {EPIPE, HEED_IO, HD_TEXT("the reader has gone", "读取方已退出")},
    {EBUSY, HEED_BUSY, HD_TEXT("in use", "正被占用")},
    {EAGAIN, HEED_BUSY, HD_TEXT("in use; try again", "正被占用，请重试")},
    {EINTR, HEED_INTERRUPTED, HD_TEXT("interrupted", "已中断")},
};

heed_err hd_error_errno(const char *file, int line, int errnum, hd_text what, const char *path) {
    char number[32];
    hd_snprintf(number, sizeof number, "errno %d", errnum);
    heed_err code = HEED_IO;
    hd_text reason = {number, number};
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++) {
        if (errnos[i].number != errnum) continue;
        code = errnos[i].code;
        reason = errnos[i].text;
    }
    // The words differ by language, which one list of arguments can't say.
    char text[2][HD_ERROR_MAX];
    format_one(text[HEED_EN], "%s: '%s': %s", what.en, path, reason.en);
    format_one(text[HEED_ZH], "%s：'%s'：%s", what.zh, path, reason.zh);
    memcpy(last.text, text, sizeof text);
    record(code, file, line);
    return code;
}
