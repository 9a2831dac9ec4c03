// SPDX-License-Identifier: Apache-2.0
//
// How failures are reported inside heed.
//
// A failing function calls HD_FAIL, which records the message in both languages and returns the
// code, so that the two cannot drift. Callers forward with HD_TRY, or with HD_TRY_OUT where
// something must be released at the label `out`. The compiler checks both formats against the
// arguments.
#ifndef HD_BASE_ERROR_H
#define HD_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#include "heed/error.h"

// A text in both languages. Use HD_TEXT in static tables: {.doc = HD_TEXT("…", "…")}.
typedef struct hd_text {
    const char *en;
    const char *zh;
} hd_text;
#define HD_TEXT(english, chinese) \
    { .en = (english), .zh = (chinese) }

// The text in a language.
static inline const char *hd_text_get(hd_text t, heed_lang lang) {
    return lang == HEED_ZH ? t.zh : t.en;
}

// One failure as a value: what the pool carries from a worker to its caller.
enum { HD_ERROR_MAX = 1024 };
typedef struct hd_error {
    heed_err code;
    char text[2][HD_ERROR_MAX]; // by heed_lang, UTF-8, cut at a character
    const char *file;           // where in heed's source it was raised
    int line;
} hd_error;

// Records a failure for this thread and returns `code`. Formats take the same arguments; Chinese
// may reorder them with %2$s.
heed_err hd_error_set(heed_err code, const char *file, int line, const char *en, const char *zh,
                      ...) __attribute__((format(printf, 4, 6), format(printf, 5, 6)));

// Puts "prefix: " before this thread's message (a file and row, say) and returns its code
// unchanged.
heed_err hd_error_prefix(heed_err code, const char *en, const char *zh, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));

// Copies this thread's last failure out, and puts one back (on another thread).
void hd_error_get(hd_error *out);
heed_err hd_error_restore(const hd_error *error);

// Forgets this thread's last failure.
void hd_error_reset(void);

// Records HEED_MEMORY. bytes: how much was being allocated (0: unknown). Needs no memory itself.
heed_err hd_error_memory(const char *file, int line, size_t bytes);

// Maps errno to a code (ENOSPC, EDQUOT → FULL, EACCES, EROFS → DENIED, ENOENT → NOT_FOUND, ENOMEM →
// MEMORY, else IO) and records "<what>: <path>: <reason>".
heed_err hd_error_errno(const char *file, int line, int errnum, hd_text what, const char *path);

// (__extension__: ISO C has no %2$s, POSIX has.)
#define HD_FAIL(code, en, ...) \
    __extension__ hd_error_set((code), __FILE__, __LINE__, (en), __VA_ARGS__)
#define HD_FAIL_MEMORY(bytes) hd_error_memory(__FILE__, __LINE__, (bytes))
#define HD_FAIL_ERRNO(errnum, what_en, what_zh, path) \
    hd_error_errno(__FILE__, __LINE__, (errnum), (hd_text)HD_TEXT(what_en, what_zh), (path))

#define HD_TRY(expr)                                  \
    do {                                              \
        heed_err hd_try_err = (expr);                 \
        if (hd_try_err != HEED_OK) return hd_try_err; \
    } while (0)

// Needs a local `heed_err err` and a label `out`.
#define HD_TRY_OUT(expr)              \
    do {                              \
        err = (expr);                 \
        if (err != HEED_OK) goto out; \
    } while (0)

#endif
