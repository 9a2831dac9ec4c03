// SPDX-License-Identifier: Apache-2.0
//
// Self-training (Yarowsky 1995; Lee 2013, "pseudo-labels"): a teacher that learned from the
// labelled rows says what class each unlabelled row has, and students learn from the labelled rows
// and the surest of those together. One round, with a share rather than a threshold: how sure a
// model says it is has another scale for each kind of model, which row is surer hasn't.
//
// Only students see those rows: the other models, the baseline among them, stay what the labelled
// rows make of them. Preparation is one for all, learned from all texts.
#include <stdlib.h>

#include "base/mem.h"
#include "recipe/run_own.h"

// ── Which rows ──

typedef struct guess {
    float sure;
    int32_t label;
    size_t row;
} guess;

static int by_sureness(const void *a, const void *b) {
    const guess *x = a, *y = b;
    if (x->sure != y->sure) return x->sure > y->sure ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int by_row(const void *a, const void *b) {
    const guess *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

// The surest of them, in their order as rows.
static heed_err pick(const float *scores, size_t n, size_t k, size_t most, guess **out) {
    guess *all = hd_calloc(n + 1, sizeof *all);
    if (!all) return HD_FAIL_MEMORY(n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        for (size_t c = 1; c < k; c++)
            if (scores[i * k + c] > scores[i * k + best]) best = c;
        all[i] = (guess){scores[i * k + best], (int32_t)best, i};
    }
    qsort(all, n, sizeof *all, by_sureness);
    qsort(all, most, sizeof *all, by_row);
    *out = all;
    return HEED_OK;
}

static heed_err ask(const hd_prepared *p, const hd_scorer *teacher, size_t threads, size_t most,
                    guess **out) {
    const hd_rows *rows = &p->parts.unlabelled;
    hd_samples samples;
    float *scores = NULL;
    *out = NULL;
    HD_TRY(p->kind->apply(p->fitted, rows, hd_scorer_wants(teacher), &samples));
    heed_err err = hd_scorer_run(teacher, &p->target, &samples, threads, &scores);
    if (err == HEED_OK) err = pick(scores, rows->n, p->target.k, most, out);
    hd_free(scores);
    hd_input_samples_clear(&samples);
    return err;
}

// ── Samples of them ──

static heed_err add_labels(hd_prepared *p, const guess *picked, size_t n) {
    size_t before = p->samples[HD_PART_TRAIN].n;
    p->taught_labels = hd_calloc(before + n + 1, sizeof *p->taught_labels);
    if (!p->taught_labels) return HD_FAIL_MEMORY((before + n) * sizeof *p->taught_labels);
    memcpy(p->taught_labels, p->labels[HD_PART_TRAIN], before * sizeof *p->taught_labels);
    for (size_t i = 0; i < n; i++) p->taught_labels[before + i] = picked[i].label;
    return HEED_OK;
}

// The training rows, and those that were picked behind them.
static heed_err gather(const hd_prepared *p, const guess *picked, size_t n, hd_rows *out) {
    const hd_rows *train = &p->parts.rows[HD_PART_TRAIN], *more = &p->parts.unlabelled;
    size_t most = train->n > n ? train->n : n;
    hd_rows behind;
    size_t *index = hd_calloc(most + 1, sizeof *index);
    if (!index) return HD_FAIL_MEMORY(most * sizeof *index);
    for (size_t i = 0; i < n; i++) index[i] = picked[i].row;
    heed_err err = hd_rows_select(more, index, n, 0, &behind);
    for (size_t i = 0; i < train->n; i++) index[i] = i;
    if (err == HEED_OK) {
        err = hd_rows_select(train, index, train->n, 0, out);
        if (err == HEED_OK && (err = hd_rows_append(out, &behind)) != HEED_OK) hd_rows_clear(out);
        hd_rows_clear(&behind);
    }
    hd_free(index);
    return err;
}

heed_err hd_prepared_teach(hd_prepared *p, const hd_scorer *teacher, double share, size_t threads) {
    guess *picked;
    hd_rows rows;
    size_t n = (size_t)((double)p->parts.unlabelled.n * share + .5);
    HD_TRY(ask(p, teacher, threads, n, &picked));
    heed_err err = gather(p, picked, n, &rows);
    if (err == HEED_OK) {
        err = p->kind->apply(p->fitted, &rows, p->wanted, &p->taught);
        hd_rows_clear(&rows);
    }
    if (err == HEED_OK && (err = add_labels(p, picked, n)) != HEED_OK)
        hd_input_samples_clear(&p->taught);
    hd_free(picked);
    return err;
}

hd_prepared hd_prepared_taught(const hd_prepared *p) {
    hd_prepared taught = *p;
    taught.samples[HD_PART_TRAIN] = p->taught;
    taught.labels[HD_PART_TRAIN] = p->taught_labels;
    return taught;
}

// ── In a run ──

bool hd_run_is_student(const hd_run *run, const hd_run_model *model) {
    const hd_recipe_self_training *s = &run->recipe->self_training;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->students[i], model->name) == 0) return true;
    return false;
}

static size_t teacher_of(const hd_run *run) {
    size_t i = 0;
    while (strcmp(run->models[i].name, run->recipe->self_training.teacher) != 0) i++;
    return i;
}

size_t hd_run_order(const hd_run *run, size_t k) {
    if (run->recipe->self_training.n == 0) return k;
    size_t teacher = teacher_of(run);
    return k == 0 ? teacher : k <= teacher ? k - 1 : k;
}

static bool is_fitted(const hd_fitted *fitted) {
    return fitted->scorer.classic != NULL;
}

static heed_err teach(hd_run *run) {
    const hd_run_model *teacher = &run->models[teacher_of(run)];
    if (run->prepared.taught.n > 0) return HEED_OK;
    if (teacher->why.code != HEED_OK) {
        return HD_FAIL(HEED_INPUT, "'%s', the teacher, failed", "教师“%s”训练失败", teacher->name);
    }
    bool before = !run->whole && is_fitted(&teacher->before); // another seed, after a refit
    return hd_prepared_teach(&run->prepared,
                             before ? &teacher->before.scorer : &teacher->fitted.scorer,
                             run->recipe->self_training.share, run->opts->threads);
}

heed_err hd_run_lesson(hd_run *run, const hd_run_model *model, hd_prepared *own,
                       const hd_prepared **out) {
    *out = &run->prepared;
    if (!hd_run_is_student(run, model)) return HEED_OK;
    HD_TRY(teach(run));
    *own = hd_prepared_taught(&run->prepared);
    *out = own;
    return HEED_OK;
}

heed_err hd_self_training_report(const hd_run *run, json_t *notes) {
    const hd_prepared *p = &run->prepared;
    const char *teacher = run->recipe->self_training.teacher;
    char en[256], zh[256];
    json_t *note = NULL;
    if (run->recipe->self_training.n == 0 || p->taught.n == 0) return HEED_OK;
    size_t all = p->parts.unlabelled.n, taken = p->taught.n - p->samples[HD_PART_TRAIN].n;
    hd_snprintf(en, sizeof en,
                "self-training: of %zu unlabelled rows, the %zu that '%s' was surest of were "
                "learned from with the classes it gave them",
                all, taken, teacher);
    hd_snprintf(zh, sizeof zh,
                "自训练：%zu 行未标注数据中，“%s”最有把握的 %zu 行连同它给出的类别参与了学习", all,
                teacher, taken);
    HD_TRY(hd_both_languages((hd_text){en, zh}, &note));
    return hd_json_append(notes, note);
}
