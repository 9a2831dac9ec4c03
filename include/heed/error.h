// SPDX-License-Identifier: Apache-2.0
//
// Errors of libheed. A fallible function returns heed_err: 0 is success, anything else is one of
// the codes below, and the calling thread then holds a message that says what was wrong, where, and
// what to do, in English and in Chinese.
//
//     heed_workspace *ws = NULL;
//     if (heed_workspace_open("shop", HEED_READ, &ws) != HEED_OK) {
//         fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
//     }
//
// Threads: the message belongs to the calling thread. It stays until that thread's next failing
// call.
#ifndef HEED_ERROR_H
#define HEED_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

// Languages that heed speaks.
typedef enum heed_lang { HEED_EN, HEED_ZH } heed_lang;

// X(name, HTTP status, exit code, English, Chinese). Codes are stable: append, never renumber.
#define HEED_ERR_LIST(X)                                      \
    X(OK, 200, 0, "ok", "成功")                               \
    X(FAILED, 500, 1, "failed", "失败")                       \
    X(USAGE, 400, 2, "wrong usage", "用法错误")               \
    X(PARTIAL, 200, 3, "partly imported", "部分导入")         \
    X(INPUT, 422, 4, "bad input", "输入有误")                 \
    X(NOT_FOUND, 404, 4, "not found", "未找到")               \
    X(CONFLICT, 409, 4, "conflict", "冲突")                   \
    X(BUSY, 503, 5, "busy", "忙")                             \
    X(UNAVAILABLE, 503, 5, "unavailable", "不可用")           \
    X(IO, 500, 1, "input/output error", "读写错误")           \
    X(FULL, 507, 1, "no space left", "空间不足")              \
    X(MEMORY, 500, 1, "out of memory", "内存不足")            \
    X(CORRUPT, 500, 1, "corrupt data", "数据损坏")            \
    X(VERSION, 500, 1, "made by another version", "版本不符") \
    X(DENIED, 403, 1, "not permitted", "没有权限")            \
    X(INTERRUPTED, 503, 130, "interrupted", "已中断")         \
    X(INTERNAL, 500, 1, "internal error", "内部错误")

typedef enum heed_err {
#define HEED_ERR_ENUM(name, http, exit_code, en, zh) HEED_##name,
    HEED_ERR_LIST(HEED_ERR_ENUM)
#undef HEED_ERR_ENUM
} heed_err;

#if defined(__GNUC__)
#define HEED_CHECK __attribute__((warn_unused_result))
#define HEED_API __attribute__((visibility("default")))
#else
#define HEED_CHECK
#define HEED_API
#endif

// The message of the calling thread's last failure. Borrowed until its next failing call; never
// NULL, empty when nothing has failed yet.
HEED_API const char *heed_error_message(heed_lang lang);

// The code of the calling thread's last failure.
HEED_API heed_err heed_error_code(void);

// A code's stable name ("INPUT"), short text, HTTP status and exit code. An unknown code reads as
// INTERNAL.
HEED_API const char *heed_err_name(heed_err err);
HEED_API const char *heed_err_text(heed_err err, heed_lang lang);
HEED_API int heed_err_http(heed_err err);
HEED_API int heed_err_exit(heed_err err);

#ifdef __cplusplus
}
#endif
#endif
