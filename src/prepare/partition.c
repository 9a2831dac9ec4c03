// SPDX-License-Identifier: Apache-2.0
//
// A kind is an order and a rule: rows are put in an order (shuffled, by class, by time, by group),
// and the rule gives places in that order to parts. Shares are exact: of n rows, n · share rounded
// are tested, never "about".
//
// Classes: rows are shuffled, then sorted by class, so that a class's rows stand together in random
// order. Tested rows (or the folds) are spread evenly over that order: parts differ by at most one
// row of each class. Drawing from each class by itself was rejected: rounding each share by itself
// misses the whole's.
#include "prepare/partition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

typedef struct row_key {
    uint64_t key; // rows are sorted by key, then index
    uint32_t index;
} row_key;

static int by_key(const void *a, const void *b) {
    const row_key *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// Rows in random order: (n), to be freed.
static heed_err shuffled(const hd_partition_input *in, row_key **out) {
    *out = hd_alloc(in->n_rows * sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(in->n_rows * sizeof **out);
    for (size_t i = 0; i < in->n_rows; i++) (*out)[i] = (row_key){0, (uint32_t)i};
    hd_rng rng = hd_rng_make(in->seed, 0x5b117);
    hd_rng_shuffle(&rng, *out, in->n_rows, sizeof **out);
    return HEED_OK;
}

static size_t n_tested(const hd_partition_input *in) {
    return (size_t)floor(in->share * (double)in->n_rows + 0.5);
}

static heed_err split_random(const hd_partition_input *in, uint32_t *part) {
    row_key *rows;
    HD_TRY(shuffled(in, &rows));
    size_t tested = n_tested(in);
    for (size_t i = 0; i < in->n_rows; i++) part[rows[i].index] = i < tested;
    hd_free(rows);
    return HEED_OK;
}

// Shuffled rows by class. Within a class they stay shuffled: the key holds the place in the
// shuffle.
static heed_err shuffled_by_class(const hd_partition_input *in, row_key **out) {
    HD_TRY(shuffled(in, out));
    for (size_t i = 0; i < in->n_rows; i++) {
        row_key *row = &(*out)[i];
        row->key = (uint64_t)(in->label ? in->label[row->index] : 0) << 32 | i;
    }
    if (in->n_rows > 1) qsort(*out, in->n_rows, sizeof **out, by_key);
    return HEED_OK;
}

// Row i of that order is tested when the count due, floor(i · share), rises at it: spread evenly,
// so that each class gets its share, to one row.
static heed_err split_stratified(const hd_partition_input *in, uint32_t *part) {
    row_key *rows;
    HD_TRY(shuffled_by_class(in, &rows));
    double tested = (double)n_tested(in), n = (double)in->n_rows;
    for (size_t i = 0; i < in->n_rows; i++) {
        double before = floor((double)i * tested / n), after = floor((double)(i + 1) * tested / n);
        part[rows[i].index] = after > before;
    }
    hd_free(rows);
    return HEED_OK;
}

static heed_err split_folds(const hd_partition_input *in, uint32_t *part) {
    row_key *rows;
    HD_TRY(shuffled_by_class(in, &rows));
    for (size_t i = 0; i < in->n_rows; i++) part[rows[i].index] = (uint32_t)(i % in->folds);
    hd_free(rows);
    return HEED_OK;
}

// Times as numbers that sort the same way; missing (the smallest) first, hence trained on.
static uint64_t time_key(hd_time t) {
    return (uint64_t)t ^ UINT64_C(1) << 63;
}

// The latest rows are tested. Rows of one instant are never parted: the test may be larger for it.
static heed_err split_time(const hd_partition_input *in, uint32_t *part) {
    size_t tested = n_tested(in);
    row_key *rows = hd_alloc(in->n_rows * sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(in->n_rows * sizeof *rows);
    for (size_t i = 0; i < in->n_rows; i++) {
        rows[i] = (row_key){time_key(in->time[i]), (uint32_t)i};
    }
    if (in->n_rows > 1) qsort(rows, in->n_rows, sizeof *rows, by_key);
    uint64_t cut = tested > 0 ? rows[in->n_rows - tested].key : UINT64_MAX;
    for (size_t i = 0; i < in->n_rows; i++) {
        uint64_t key = time_key(in->time[i]);
        part[i] = tested > 0 && key >= cut && in->time[i] != HD_TIME_NONE;
    }
    hd_free(rows);
    return HEED_OK;
}

typedef struct group_row {
    uint32_t group, index;
    hd_time time;
} group_row;

static int by_group_time(const void *a, const void *b) {
    const group_row *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// The last row of each group, ties by input order. A group's only row is trained on.
static heed_err split_last(const hd_partition_input *in, uint32_t *part) {
    size_t n = in->n_rows;
    group_row *rows = hd_alloc(n * sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(n * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        rows[i] = (group_row){in->group[i], (uint32_t)i, in->time ? in->time[i] : 0};
    }
    if (n > 1) qsort(rows, n, sizeof *rows, by_group_time);
    memset(part, 0, n * sizeof *part);
    for (size_t i = 1; i < n; i++) {
        bool has_before = rows[i - 1].group == rows[i].group;
        bool has_after = i + 1 < n && rows[i + 1].group == rows[i].group;
        part[rows[i].index] = has_before && !has_after;
    }
    hd_free(rows);
    return HEED_OK;
}

static const hd_partition_kind kind_random = {
    .name = "random",
    .doc = HD_TEXT("a random share of the rows is tested", "随机抽取一定比例的行作为测试集"),
    .split = split_random,
};
static const hd_partition_kind kind_stratified = {
    .name = "stratified",
    .doc =
        HD_TEXT("a random share of each class is tested", "从每个类别中随机抽取相同比例作为测试集"),
    .needs_label = true,
    .split = split_stratified,
};
static const hd_partition_kind kind_time = {
    .name = "time",
    .doc = HD_TEXT("the latest share of the rows is tested", "时间最晚的一部分行作为测试集"),
    .needs_time = true,
    .split = split_time,
};
static const hd_partition_kind kind_last = {
    .name = "last",
    .doc = HD_TEXT("the last row of each group is tested", "每组的最后一行作为测试集"),
    .needs_group = true,
    .split = split_last,
};
static const hd_partition_kind kind_folds = {
    .name = "folds",
    .doc = HD_TEXT("k random folds, each tested in turn; by class when classes are given",
                   "随机分为 k 折，轮流作为测试集；有类别时按类别分层"),
    .folds = true,
    .split = split_folds,
};

const hd_partition_kind *const hd_partition_kinds[] = {
    &kind_random, &kind_stratified, &kind_time, &kind_last, &kind_folds, NULL,
};

const hd_partition_kind *hd_partition_find(const char *name) {
    for (size_t i = 0; hd_partition_kinds[i]; i++) {
        if (strcmp(name, hd_partition_kinds[i]->name) == 0) return hd_partition_kinds[i];
    }
    return NULL;
}

heed_err hd_partition(const hd_partition_kind *kind, const hd_partition_input *in, uint32_t *part) {
    if ((kind->needs_label && !in->label) || (kind->needs_group && !in->group) ||
        (kind->needs_time && !in->time)) {
        return HD_FAIL(HEED_INPUT, "split '%s' needs a column of %s%.0s",
                       "划分方式“%s”需要%.0s%s列", kind->name,
                       kind->needs_label   ? "classes"
                       : kind->needs_group ? "groups"
                                           : "times",
                       kind->needs_label   ? "类别"
                       : kind->needs_group ? "分组"
                                           : "时间");
    }
    if (kind->folds && (in->folds < 2 || in->folds > in->n_rows)) {
        return HD_FAIL(HEED_INPUT, "%zu folds can't be made of %zu rows: 2 at least, one row each",
                       "无法分为 %zu 折（共 %zu 行）：至少 2 折，每折至少一行", in->folds,
                       in->n_rows);
    }
    if (!kind->folds && !(in->share >= 0 && in->share <= 1)) {
        return HD_FAIL(HEED_INPUT, "the share to be tested is from 0 to 1",
                       "测试比例应在 0 到 1 之间");
    }
    if (in->n_rows >= UINT32_MAX) return HD_FAIL(HEED_INPUT, "too many rows", "行数过多");
    return kind->split(in, part);
}
