// SPDX-License-Identifier: Apache-2.0
//
// Splits by whole rows before anything is learned. Test rows are put aside first, then validation
// rows are taken from what is left; each by prepare/partition.h, by order, or by whole groups.
#include "base/mem.h"
#include "base/rng.h"
#include "prepare/partition.h"
#include "recipe/alike.h"
#include "recipe/contained.h"
#include "recipe/prepared.h"

// ── A column as numbers of its values ──

static heed_err numbered(const hd_rows *rows, const char *name, uint32_t **out, size_t *n_values) {
    hd_rows_column *column;
    hd_map seen;
    HD_TRY(hd_rows_need(rows, name, &column));
    uint32_t *number = hd_calloc(rows->n + 1, sizeof *number);
    if (!number) return HD_FAIL_MEMORY(rows->n * sizeof *number);
    heed_err err = HEED_OK;
    hd_map_init(&seen);
    for (size_t i = 0; err == HEED_OK && i < rows->n; i++) {
        hd_slice cell = column->cells[i];
        uint64_t *value;
        err = hd_map_slot(&seen, cell.p ? cell.p : "", cell.n, seen.count, &value, NULL);
        if (err == HEED_OK) number[i] = (uint32_t)*value;
    }
    *n_values = seen.count;
    hd_map_clear(&seen);
    if (err != HEED_OK) {
        hd_free(number);
        return err;
    }
    *out = number;
    return HEED_OK;
}

static const char *target_of(const hd_recipe *recipe) {
    const json_t *target = ((const hd_input_common *)recipe->input.common)->target;
    if (!target) return hd_recipe_input(recipe)->label;
    return json_string_value(json_is_array(target) ? json_array_get(target, 0) : target);
}

typedef heed_err (*grouping)(const hd_rows *rows, const char *column, uint32_t **out,
                             size_t *groups);

// What groups rows for a way of splitting; NULL: rows are parted one by one.
static grouping grouping_of(int way) {
    if (way == HD_SPLIT_GROUP) return numbered;
    if (way == HD_SPLIT_CONTAINED) return hd_contained;
    return way == HD_SPLIT_ALIKE ? hd_alike : NULL;
}

static int way_of(const hd_recipe *recipe) {
    if (recipe->split.by != HD_SPLIT_AUTO) return recipe->split.by;
    if (hd_recipe_input(recipe)->ordered) return HD_SPLIT_ORDER;
    if (recipe->split.group) return HD_SPLIT_GROUP;
    bool classes = recipe->task == HD_RECIPE_CLASSES && target_of(recipe);
    return classes ? HD_SPLIT_STRATIFIED : HD_SPLIT_RANDOM;
}

// ── Putting rows aside ──

// part[i]: 1 for rows put aside, or the fold.
static void by_order(size_t n, double share, size_t folds, uint32_t *part) {
    size_t kept = n - (size_t)((double)n * share + .5);
    for (size_t i = 0; i < n; i++)
        part[i] = folds > 0 ? (uint32_t)(i * folds / n) : (uint32_t)(i >= kept);
}

// Whole groups, in an order drawn by seed, until the share is reached; folds in turn.
static heed_err by_group(const hd_rows *rows, const char *name, grouping groups_of, double share,
                         size_t folds, uint64_t seed, uint32_t *part) {
    uint32_t *group;
    size_t n_groups;
    HD_TRY(groups_of(rows, name, &group, &n_groups));
    uint32_t *order = hd_calloc(n_groups + 1, sizeof *order);
    size_t *count = hd_calloc(n_groups + 1, sizeof *count);
    uint32_t *to = hd_calloc(n_groups + 1, sizeof *to);
    heed_err err = order && count && to ? HEED_OK : HD_FAIL_MEMORY(n_groups * sizeof *count);
    if (err == HEED_OK) {
        hd_rng rng = hd_rng_make(seed, 0x67726f7570);
        size_t taken = 0, wanted = (size_t)((double)rows->n * share + .5);
        for (size_t i = 0; i < rows->n; i++) count[group[i]]++;
        for (size_t g = 0; g < n_groups; g++) order[g] = (uint32_t)g;
        hd_rng_shuffle(&rng, order, n_groups, sizeof *order);
        for (size_t g = 0; g < n_groups; g++) {
            to[order[g]] = folds > 0 ? (uint32_t)(g % folds) : (uint32_t)(taken < wanted);
            taken += count[order[g]];
        }
        for (size_t i = 0; i < rows->n; i++) part[i] = to[group[i]];
    }
    hd_free(order);
    hd_free(count);
    hd_free(to);
    hd_free(group);
    return err;
}

static heed_err no_group(const hd_recipe *recipe) {
    hd_where where = hd_where_of(&recipe->spec, "data.split.by");
    hd_where_words place = hd_where_text(&where);
    return HD_FAIL(HEED_INPUT,
                   "%s: say which column holds the groups (or the texts): 'group: name'",
                   "%s：请指明分组（或文本）所在的列：“group: 列名”", place.text);
}

static heed_err assign(const hd_recipe *recipe, const hd_rows *rows, double share, size_t folds,
                       uint32_t *part) {
    uint32_t *labels = NULL;
    size_t n_labels;
    int way = way_of(recipe);
    uint64_t seed = (uint64_t)recipe->split.seed;
    if (way == HD_SPLIT_ORDER) {
        by_order(rows->n, share, folds, part);
        return HEED_OK;
    }
    grouping groups_of = grouping_of(way);
    if (groups_of) {
        const char *group = recipe->split.group;
        if (!group) return no_group(recipe);
        return by_group(rows, group, groups_of, share, folds, seed, part);
    }
    bool stratified = way == HD_SPLIT_STRATIFIED;
    if (stratified && target_of(recipe)) {
        heed_err err = numbered(rows, target_of(recipe), &labels, &n_labels);
        if (err == HEED_INPUT) {
            hd_where where = hd_where_key(&recipe->input.where, "target");
            hd_where_words place = hd_where_text(&where);
            err = hd_error_prefix(err, "%s", "%s", place.text);
        }
        HD_TRY(err);
    }
    const hd_partition_input input = {
        .n_rows = rows->n, .share = share, .folds = folds, .seed = seed, .label = labels};
    const char *kind = folds > 0 ? "folds" : labels ? "stratified" : "random";
    heed_err err = hd_partition(hd_partition_find(kind), &input, part);
    hd_free(labels);
    return err;
}

// The rows of `from` whose part is (or isn't) `which`. Where rows are moments, those before the
// first of them come along as history.
static heed_err take(const hd_recipe *recipe, const hd_rows *from, const uint32_t *part,
                     uint32_t which, bool is, hd_rows *out) {
    size_t n = 0, history = 0;
    bool moments = hd_recipe_input(recipe)->ordered && way_of(recipe) == HD_SPLIT_ORDER && is;
    size_t *index = hd_calloc(from->n + 1, sizeof *index);
    if (!index) return HD_FAIL_MEMORY(from->n * sizeof *index);
    for (size_t i = 0; i < from->n; i++) {
        if (((part[i] == which) == is) && i >= from->first) index[n++] = i;
    }
    if (moments && n > 0) {
        history = index[0];
        memmove(index + history, index, n * sizeof *index);
        for (size_t i = 0; i < history; i++) index[i] = i;
        n += history;
    }
    hd_rows_clear(out);
    heed_err err = hd_rows_select(from, index, n, history, out);
    hd_free(index);
    return err;
}

// Takes rows out of `rows` (replaced by what is left) into *aside.
static heed_err put_aside(const hd_recipe *recipe, hd_rows *rows, double share, size_t folds,
                          size_t fold, hd_rows *aside) {
    hd_rows left;
    uint32_t *part = hd_calloc(rows->n + 1, sizeof *part);
    if (!part) return HD_FAIL_MEMORY(rows->n * sizeof *part);
    hd_rows_init(&left);
    heed_err err = rows->n > 0 ? assign(recipe, rows, share, folds, part) : HEED_OK;
    uint32_t which = folds > 0 ? (uint32_t)fold : 1;
    if (err == HEED_OK) err = take(recipe, rows, part, which, true, aside);
    if (err == HEED_OK) err = take(recipe, rows, part, which, false, &left);
    hd_free(part);
    if (err != HEED_OK) {
        hd_rows_clear(&left);
        return err;
    }
    hd_rows_clear(rows);
    *rows = left;
    return HEED_OK;
}

static heed_err copy_rows(const hd_rows *from, hd_rows *out) {
    size_t *index = hd_calloc(from->n + 1, sizeof *index);
    if (!index) return HD_FAIL_MEMORY(from->n * sizeof *index);
    for (size_t i = 0; i < from->n; i++) index[i] = i;
    heed_err err = hd_rows_select(from, index, from->n, from->first, out);
    hd_free(index);
    return err;
}

// What there is for validation: to the training rows, or put aside from them.
static heed_err place_validation(const hd_recipe *recipe, bool whole, hd_input_parts *out) {
    hd_rows *train = &out->rows[HD_PART_TRAIN], *validation = &out->rows[HD_PART_VALIDATION];
    double share = recipe->split.validation;
    if (whole && validation->n > 0) {
        HD_TRY(hd_rows_append(train, validation));
        hd_rows_clear(validation);
        return HEED_OK;
    }
    if (whole || validation->n > 0 || share <= 0) return HEED_OK;
    return put_aside(recipe, train, share, 0, 0, validation);
}

static heed_err both_tests(const hd_recipe *recipe, size_t n) {
    hd_where where = hd_where_of(&recipe->spec, "data.split.folds");
    hd_where_words place = hd_where_text(&where);
    return HD_FAIL(HEED_INPUT,
                   "%s: with folds every training row is a test row once, but there are %zu test "
                   "rows besides: take out 'folds' to be judged on those, or 'test'",
                   "%s：使用 folds 时每个训练行各作一次测试行，但另有 %zu 个测试行："
                   "若要以后者评判，请去掉“folds”，否则去掉“test”",
                   place.text, n);
}

heed_err hd_parts_split(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold, bool whole,
                        hd_input_parts *out) {
    const hd_recipe_split *split = &recipe->split;
    for (int p = 0; p < HD_PARTS; p++) HD_TRY(copy_rows(&raw->rows[p], &out->rows[p]));
    HD_TRY(copy_rows(&raw->unlabelled, &out->unlabelled));
    hd_rows *train = &out->rows[HD_PART_TRAIN];
    if (split->folds > 0 && fold != HD_NO_FOLD) {
        if (out->rows[HD_PART_TEST].n > 0) return both_tests(recipe, out->rows[HD_PART_TEST].n);
        HD_TRY(put_aside(recipe, train, 0, (size_t)split->folds, fold, &out->rows[HD_PART_TEST]));
    } else if (split->folds == 0 && raw->rows[HD_PART_TEST].n == 0 && split->test > 0) {
        HD_TRY(put_aside(recipe, train, split->test, 0, 0, &out->rows[HD_PART_TEST]));
    }
    HD_TRY(place_validation(recipe, whole, out));
    if (train->n > train->first) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "no training rows are left: %zu rows are too few for this split",
                   "划分后没有训练数据：%zu 行太少", raw->rows[HD_PART_TRAIN].n);
}
