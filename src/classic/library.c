// SPDX-License-Identifier: Apache-2.0
//
// XGBoost and liblinear are loaded when something is fitted with them, not linked: each start of
// the program would otherwise pay for their C++ runtimes (some 12 ms and 7 MB), and all of serving
// predicts without them (trees.c, linear.c).
#include "classic/library.h"

#include <dlfcn.h>
#include <string.h>

heed_err hd_library_load(const hd_library *library, void *functions) {
    void *handle = NULL;
    for (const char *const *file = library->files; *file && !handle; file++) {
        handle = dlopen(*file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    if (!handle) {
        return HD_FAIL(HEED_UNAVAILABLE, "%s is not installed; install the package %s",
                       "未安装 %s；请安装软件包 %s", library->name, library->package);
    }
    for (const hd_library_symbol *s = library->symbols; s->name; s++) {
        void *function = dlsym(handle, s->name);
        if (!function) {
            return HD_FAIL(HEED_UNAVAILABLE,
                           "%s has no function '%s': another version is installed",
                           "%s 中没有函数“%s”：安装的是其他版本", library->name, s->name);
        }
        memcpy((char *)functions + s->at, &function, sizeof function);
    }
    return HEED_OK;
}
