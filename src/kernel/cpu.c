// SPDX-License-Identifier: Apache-2.0
//
// CPUID says what the processor has, XGETBV which registers the system saves, and AMX's tiles must
// besides be asked for (Linux, Documentation/arch/x86/xstate.rst): once per process, before the
// first tile instruction. 64-bit ARM always has NEON.
//
// What was found and what was chosen are kept in atomics: looking twice at the same time finds the
// same. Rejected: ifunc and constructors (both run before main, where nothing can be reported).
#include "kernel/cpu.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[HD_ISAS] = {"ref", "neon", "avx2", "avx512", "amx"};

typedef enum lack { LACK_NOTHING, LACK_BUILD, LACK_PROCESSOR, LACK_SYSTEM } lack;
static const hd_text lacks[] = {
    [LACK_NOTHING] = HD_TEXT("", ""),
    [LACK_BUILD] = HD_TEXT("it is of another kind of processor", "它属于另一种处理器"),
    [LACK_PROCESSOR] = HD_TEXT("the processor doesn't have it", "处理器不支持"),
    [LACK_SYSTEM] = HD_TEXT("the operating system doesn't allow it", "操作系统不允许使用"),
};

#if defined(__x86_64__)
typedef struct features {
    bool avx2, avx512, amx;          // in the processor
    bool avx2_on, avx512_on, amx_on; // saved by the system at a change of threads
} features;

__attribute__((target("xsave"))) static uint64_t saved_registers(void) {
    return __builtin_ia32_xgetbv(0);
}

static bool has(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

static features look(void) {
    features f = {0};
    uint32_t a = 0, b = 0, c = 0, d = 0, a71 = 0, b7 = 0, d7 = 0, rest = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid_count(7, 0, &rest, &b7, &rest, &d7)) {
        return f;
    }
    enum { FMA = 1 << 12, XSAVED = 1 << 27, AVX = 1 << 28, F16C = 1 << 29 };
    enum { AVX2 = 1 << 5, BMI2 = 1 << 8, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30 };
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    enum { AVX512_BF16 = 1 << 5 };
    const uint32_t vl = 1U << 31;
    __get_cpuid_count(7, 1, &a71, &rest, &rest, &rest);
    f.avx2 = has(c, FMA | AVX | F16C) && has(b7, AVX2 | BMI2);
    f.avx512 = f.avx2 && has(b7, F | DQ | BW | vl);
    f.amx = f.avx512 && has(d7, AMX_BF16 | AMX_TILE | AMX_INT8) && has(a71, AVX512_BF16);
    uint64_t saved = has(c, XSAVED) ? saved_registers() : 0;
    f.avx2_on = (saved & 0x6) == 0x6;
    f.avx512_on = (saved & 0xe6) == 0xe6;
    f.amx_on = f.avx512_on && (saved & 0x60000) == 0x60000;
    return f;
}

static bool ask_for_tiles(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

static lack judge(bool processor, bool system) {
    return !processor ? LACK_PROCESSOR : system ? LACK_NOTHING : LACK_SYSTEM;
}

static void find(lack out[HD_ISAS]) {
    features f = look();
    out[HD_ISA_NEON] = LACK_BUILD;
    out[HD_ISA_AVX2] = judge(f.avx2, f.avx2_on);
    out[HD_ISA_AVX512] = judge(f.avx512, f.avx512_on);
    out[HD_ISA_AMX] = judge(f.amx, f.amx_on && f.amx && ask_for_tiles());
}

#else
static void find(lack out[HD_ISAS]) {
    for (int i = 0; i < HD_ISAS; i++) out[i] = LACK_BUILD;
#if defined(__aarch64__)
    out[HD_ISA_NEON] = LACK_NOTHING;
#endif
}
#endif

// Found once: one byte per path and a bit that says so, so that one load sees all or nothing.
static lack lack_of(hd_isa isa) {
    static _Atomic uint64_t found;
    enum { FOUND_SHIFT = 63 };
    uint64_t seen = atomic_load_explicit(&found, memory_order_relaxed);
    if (!seen) {
        lack list[HD_ISAS] = {LACK_NOTHING};
        find(list);
        list[HD_ISA_REF] = LACK_NOTHING;
        seen = (uint64_t)1 << FOUND_SHIFT;
        for (int i = 0; i < HD_ISAS; i++) seen |= (uint64_t)list[i] << (8 * i);
        atomic_store_explicit(&found, seen, memory_order_relaxed);
    }
    return (lack)(seen >> (8 * isa) & 0x7f);
}

const char *hd_isa_name(hd_isa isa) {
    return names[isa];
}

bool hd_isa_can(hd_isa isa) {
    return lack_of(isa) == LACK_NOTHING;
}

hd_text hd_isa_why_not(hd_isa isa) {
    return lacks[lack_of(isa)];
}

hd_isa hd_isa_best(void) {
    int isa = HD_ISAS - 1;
    while (!hd_isa_can((hd_isa)isa)) isa--;
    return (hd_isa)isa;
}

// The choice plus one; 0: none yet.
static atomic_int chosen;

static heed_err fail_unknown(const char *name) {
    hd_str list;
    hd_str_init(&list);
    for (int i = 0; i < HD_ISAS; i++)
        if (hd_isa_can((hd_isa)i)) hd_str_addf(&list, ", %s", names[i]);
    heed_err err = hd_str_check(&list);
    if (err == HEED_OK) {
        err = HD_FAIL(HEED_INPUT, "there is no instruction set '%s' (HEED_ISA): auto%s",
                      "没有名为“%s”的指令集（HEED_ISA）：可选 auto%s", name, hd_str_get(&list));
    }
    hd_str_clear(&list);
    return err;
}

heed_err hd_isa_choose(const char *name) {
    int isa = HD_ISAS - 1;
    if (!name || strcmp(name, "auto") == 0) {
        isa = (int)hd_isa_best();
    } else {
        while (isa >= 0 && strcmp(names[isa], name) != 0) isa--;
        if (isa < 0) return fail_unknown(name);
    }
    if (!hd_isa_can((hd_isa)isa)) {
        hd_text why = hd_isa_why_not((hd_isa)isa);
        return HD_FAIL(HEED_INPUT,
                       "the instruction set '%1$s' (HEED_ISA) can't be used: %2$s%3$.0s; "
                       "the best here is '%4$s'",
                       "无法使用指令集“%1$s”（HEED_ISA）：%2$.0s%3$s；这里最好的是“%4$s”",
                       names[isa], why.en, why.zh, names[hd_isa_best()]);
    }
    atomic_store(&chosen, isa + 1);
    return HEED_OK;
}

heed_err hd_isa_ready(void) {
    if (atomic_load_explicit(&chosen, memory_order_relaxed)) return HEED_OK;
    const char *name = getenv("HEED_ISA");
    return hd_isa_choose(name && *name ? name : NULL);
}

hd_isa hd_isa_get(void) {
    int isa = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (isa) return (hd_isa)(isa - 1);
    if (hd_isa_ready() == HEED_OK) return (hd_isa)(atomic_load(&chosen) - 1);
    hd_error_reset();
    return hd_isa_best();
}

void hd_cpu_model(char *out, size_t n) {
    char text[49] = {0};
#if defined(__x86_64__)
    uint32_t word[12] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t *w = word + 4 * i;
        if (!__get_cpuid(0x80000002 + i, w, w + 1, w + 2, w + 3)) break;
    }
    memcpy(text, word, sizeof word);
#elif defined(__aarch64__)
    memcpy(text, "64-bit ARM", sizeof "64-bit ARM");
#endif
    const char *from = text + strspn(text, " ");
    size_t length = strlen(from);
    while (length > 0 && from[length - 1] == ' ') length--;
    if (length > n - 1) length = n - 1;
    memcpy(out, from, length);
    out[length] = '\0';
}

size_t hd_cpu_cache(int level) {
    static const int which[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    long bytes = level >= 1 && level <= 3 ? sysconf(which[level - 1]) : 0;
    return bytes > 0 ? (size_t)bytes : 0;
}
