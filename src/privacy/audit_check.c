// SPDX-License-Identifier: Apache-2.0
//
// Verifying, in one pass: checkpoints first, then the entries in order. Each entry's bytes are made
// again from its fields and hashed; that is its leaf, or the row was edited. The leaves build the
// tree, whose root is held against each checkpoint of that size. So an edit shows at its entry; an
// edit whose leaf was made anew ("re-stamped") between the last checkpoint that agrees and the
// first that doesn't; a deletion as a gap, or, when what follows was renumbered, as entries that
// were recorded under another number; an end cut off by the checkpoint that says more entries; an
// end replaced by the checkpoint that says others.
//
// Once an entry is missing the tree means nothing any more, and checkpoints are let be; so are
// those behind the first that disagrees. What is told stays short: the first finding is what
// counts.
#include <sodium.h>
#include <stdlib.h>

#include "base/mem.h"
#include "privacy/audit_own.h"

typedef unsigned long long ull;

void hd_audit_checker_init(hd_audit_checker *checker, hd_audit_report *report) {
    *checker = (hd_audit_checker){.report = report, .whole = true, .next = 1};
    report->signed_at = HD_TIME_NONE;
}

void hd_audit_checker_clear(hd_audit_checker *checker) {
    hd_free(checker->points);
    *checker = (hd_audit_checker){0};
}

// ── Findings ──

static void say(hd_audit_finding *finding, uint64_t from, uint64_t to, const char *en,
                const char *zh, va_list args) {
    va_list again;
    va_copy(again, args);
    finding->from = from;
    finding->to = to;
    hd_vsnprintf(finding->text[HEED_EN], HD_AUDIT_SAY, en, args);
    hd_vsnprintf(finding->text[HEED_ZH], HD_AUDIT_SAY, zh, again);
    va_end(again);
}

void hd_audit_fault_add(hd_audit_report *report, uint64_t from, uint64_t to, const char *en,
                        const char *zh, ...) {
    va_list args;
    va_start(args, zh);
    if (report->n_faults < HD_AUDIT_FAULTS)
        say(&report->faults[report->n_faults], from, to, en, zh, args);
    report->n_faults++;
    if (from && (report->first_bad == 0 || from < report->first_bad)) report->first_bad = from;
    va_end(args);
}

static void loss_add(hd_audit_report *report, uint64_t from, uint64_t to, const char *en,
                     const char *zh, ...) {
    va_list args;
    va_start(args, zh);
    if (report->n_losses < HD_AUDIT_FAULTS)
        say(&report->losses[report->n_losses], from, to, en, zh, args);
    report->n_losses++;
    va_end(args);
}

// ── Entries that were lost ──

heed_err hd_audit_lost_text(uint64_t from, uint64_t to, const uint8_t root[HD_HASH],
                            const char *source, hd_str *out) {
    char hex[2 * HD_HASH + 1];
    sodium_bin2hex(hex, sizeof hex, root, HD_HASH);
    hd_str_addf(out, "%llu..%llu root=%s", (ull)from, (ull)to, hex);
    if (*source) hd_str_addf(out, " from=%s", source);
    return hd_str_check(out);
}

// Digits alone, no zero in front.
static size_t read_number(hd_slice s, uint64_t *out) {
    size_t n = 0;
    int64_t value;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') n++;
    if (n == 0 || !hd_slice_i64((hd_slice){s.p, n}, &value)) return 0;
    *out = (uint64_t)value;
    return n;
}

bool hd_audit_lost_read(hd_slice object, uint64_t *from, uint64_t *to) {
    size_t a = read_number(object, from);
    if (a == 0 || object.n < a + 3 || memcmp(object.p + a, "..", 2) != 0) return false;
    size_t b = read_number((hd_slice){object.p + a + 2, object.n - a - 2}, to);
    return b > 0 && object.n > a + 2 + b && object.p[a + 2 + b] == ' ' && *from <= *to;
}

static void look_for_loss(hd_audit_report *report, const hd_audit_record *record) {
    uint64_t from, to;
    bool restored = hd_slice_eq(record->what, hd_audit_name(HD_AUDIT_RESTORE));
    if (!restored && !hd_slice_eq(record->what, hd_audit_name(HD_AUDIT_LOG_LOST))) return;
    if (!hd_audit_lost_read(record->object, &from, &to)) return;
    char time[32];
    hd_time_format(record->time, NULL, time);
    if (restored)
        loss_add(report, from, to,
                 "entries %llu to %llu were lost by the restore that entry %llu records (%s)",
                 "第 %llu 至 %llu 条记录因第 %llu 条所记的恢复操作（%s）而丢失", (ull)from, (ull)to,
                 (ull)record->seq, time);
    else
        hd_audit_fault_add(
            report, from, to,
            "entries %llu to %llu were cut off or replaced; entry %llu (%s) found it",
            "第 %llu 至 %llu 条记录被截断或替换；由第 %llu 条（%s）发现", (ull)from, (ull)to,
            (ull)record->seq, time);
}

// ── Checkpoints ──

heed_err hd_audit_checker_point(hd_audit_checker *checker, hd_slice text, bool is_apart) {
    hd_audit_report *report = checker->report;
    hd_checked_point point = {.apart = is_apart};
    bool form;
    if (!hd_checkpoint_read(text, report->origin, report->key, &point.checkpoint, &form)) {
        uint64_t size = form ? point.checkpoint.size : 0;
        if (form)
            hd_audit_fault_add(report, 0, 0,
                               "the checkpoint of %llu entries isn't signed by this log's key",
                               "%llu 条记录处的检查点不是由本日志的密钥签名的", (ull)size);
        else
            hd_audit_fault_add(report, 0, 0, "a checkpoint isn't one of this log",
                               "有一个检查点不属于本日志");
        return HEED_OK;
    }
    HD_TRY(
        hd_grow(&checker->points, &checker->cap, checker->n_points + 1, sizeof *checker->points));
    checker->points[checker->n_points++] = point;
    return HEED_OK;
}

static int compare_points(const void *a, const void *b) {
    uint64_t x = ((const hd_checked_point *)a)->checkpoint.size;
    uint64_t y = ((const hd_checked_point *)b)->checkpoint.size;
    return (x > y) - (x < y);
}

static void hold_point(hd_audit_checker *checker, const hd_checked_point *point) {
    hd_audit_report *report = checker->report;
    uint8_t root[HD_HASH];
    hd_tree_root(&checker->tree, root);
    if (memcmp(root, point->checkpoint.root, HD_HASH) == 0) {
        checker->good = point->checkpoint.size;
        report->signed_size = point->checkpoint.size;
        report->signed_at = point->checkpoint.time;
        return;
    }
    checker->root_told = true;
    // An entry that was found already in this stretch explains it.
    if (report->first_bad > checker->good && report->first_bad <= point->checkpoint.size) return;
    hd_audit_fault_add(
        report, checker->good + 1, point->checkpoint.size,
        point->apart
            ? "entries %llu to %llu aren't those that were signed: replaced, or recorded anew "
              "(the checkpoint kept apart says so)"
            : "entries %llu to %llu aren't those that were signed: edited, replaced or recorded anew",
        point->apart ? "第 %llu 至 %llu 条记录与签名时不同：被替换或重写（据单独保存的检查点）"
                     : "第 %llu 至 %llu 条记录与签名时不同：被修改、替换或重写",
        (ull)checker->good + 1, (ull)point->checkpoint.size);
}

// Checkpoints of the size that the tree has now.
static void hold_points(hd_audit_checker *checker) {
    while (checker->at < checker->n_points &&
           checker->points[checker->at].checkpoint.size <= checker->tree.size) {
        const hd_checked_point *point = &checker->points[checker->at++];
        if (checker->whole && !checker->root_told) hold_point(checker, point);
    }
}

static void begin(hd_audit_checker *checker) {
    if (checker->begun) return;
    checker->begun = true;
    if (checker->n_points > 1)
        qsort(checker->points, checker->n_points, sizeof *checker->points, compare_points);
    hold_points(checker); // of no entries at all
}

// ── Entries ──

// Under which other number these fields have this leaf, 0: none. Looks once, at the first fault.
static uint64_t number_of(const hd_audit_checker *checker, const hd_audit_record *record,
                          const uint8_t leaf[HD_HASH]) {
    enum { FARTHEST = 4096 };
    uint8_t other[HD_HASH];
    hd_audit_record moved = *record;
    if (checker->report->n_faults > 0) return 0;
    for (uint64_t d = 1; d <= FARTHEST; d++) {
        for (int sign = 0; sign < 2; sign++) {
            if (sign && d >= record->seq) continue;
            moved.seq = sign ? record->seq - d : record->seq + d;
            if (hd_audit_leaf(&moved, other) == HEED_OK && memcmp(other, leaf, HD_HASH) == 0)
                return moved.seq;
        }
    }
    return 0;
}

static void check_leaf(hd_audit_checker *checker, const hd_audit_record *record,
                       const uint8_t leaf[HD_HASH]) {
    uint8_t made[HD_HASH];
    bool can = hd_audit_leaf(record, made) == HEED_OK; // else a field was never one of an entry
    if (can && memcmp(made, leaf, HD_HASH) == 0) return;
    uint64_t other = can ? number_of(checker, record, leaf) : 0;
    if (other)
        hd_audit_fault_add(
            checker->report, record->seq, record->seq,
            "entry %llu was recorded as entry %llu: entries were deleted or reordered",
            "第 %llu 条原为第 %llu 条：有记录被删除或调换顺序", (ull)record->seq, (ull)other);
    else
        hd_audit_fault_add(checker->report, record->seq, record->seq,
                           "entry %llu isn't what was recorded: it was edited or exchanged",
                           "第 %llu 条与记录时不同：被修改或调换", (ull)record->seq);
}

static void miss(hd_audit_checker *checker, uint64_t from, uint64_t to) {
    checker->whole = false;
    if (from == to)
        hd_audit_fault_add(checker->report, from, to, "entry %llu is missing: it was deleted",
                           "缺少第 %llu 条：已被删除", (ull)from);
    else
        hd_audit_fault_add(checker->report, from, to,
                           "entries %llu to %llu are missing: they were deleted",
                           "缺少第 %llu 至 %llu 条：已被删除", (ull)from, (ull)to);
}

void hd_audit_checker_entry(hd_audit_checker *checker, const hd_audit_record *record,
                            const uint8_t leaf[HD_HASH]) {
    begin(checker);
    checker->report->entries++;
    if (record->seq < checker->next) { // a file may repeat one
        checker->whole = false;
        hd_audit_fault_add(checker->report, record->seq, record->seq,
                           "entry %llu stands where entry %llu belongs: entries were reordered",
                           "第 %llu 条出现在第 %llu 条的位置：顺序被调换", (ull)record->seq,
                           (ull)checker->next);
        return;
    }
    if (record->seq > checker->next) miss(checker, checker->next, record->seq - 1);
    check_leaf(checker, record, leaf);
    look_for_loss(checker->report, record);
    hd_tree_add(&checker->tree, leaf);
    checker->next = record->seq + 1;
    hold_points(checker);
}

// ── The end ──

// What was signed beyond the last entry that is there. Returns whether something was.
static bool check_cut_off(hd_audit_checker *checker) {
    uint64_t there = checker->next - 1;
    uint64_t most = 0;
    if (checker->n_points) most = checker->points[checker->n_points - 1].checkpoint.size;
    if (most <= there) return false;
    hd_audit_fault_add(checker->report, there + 1, most,
                       "entries %llu to %llu are missing at the end: the log was cut off",
                       "末尾缺少第 %llu 至 %llu 条：日志被截断", (ull)there + 1, (ull)most);
    return true;
}

static void check_covered(hd_audit_checker *checker) {
    hd_audit_report *report = checker->report;
    uint64_t there = checker->next - 1;
    if (!checker->whole || checker->root_told || report->signed_size >= there) return;
    hd_audit_fault_add(
        report, report->signed_size + 1, there, "no signed checkpoint covers entries %llu to %llu",
        "第 %llu 至 %llu 条没有经过签名的检查点", (ull)report->signed_size + 1, (ull)there);
}

void hd_audit_checker_end(hd_audit_checker *checker) {
    begin(checker);
    if (!check_cut_off(checker)) check_covered(checker);
    hd_tree_root(&checker->tree, checker->report->root);
}
