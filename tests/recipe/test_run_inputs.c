// SPDX-License-Identifier: Apache-2.0
//
// Texts and pictures from a page of YAML to answers: what a run saved predicts, asked by request,
// to the last digit what the run itself predicted of the same rows.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "prepare/image.h"
#include "recipe/predictor.h"
#include "recipe/run.h"

enum { REVIEWS = 240, PICTURES = 40 };

static char root[] = "/tmp/heed-run-XXXXXX";

static void must(heed_err err) {
    if (err != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
}

static const char *path_of(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    hd_snprintf(path, 256, "%s/%s", root, name);
    return path;
}

// Reviews whose words say what they are, in two languages.
static void write_reviews(void) {
    static const char *const words[2][4] = {{"bad", "awful", "难吃", "很差"},
                                            {"good", "lovely", "好吃", "不错"}};
    static const char *const others[] = {"the food", "服务", "was", "a table",
                                         "menu",     "我们", "very"};
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "text,label\n");
    hd_rng rng = hd_rng_make(1, 1);
    for (int i = 0; i < REVIEWS; i++) {
        int label = i % 2;
        for (int w = 0; w < 6; w++) {
            bool said = w == 2 || w == 4;
            hd_str_add(&text,
                       said ? words[label][hd_rng_below(&rng, 4)] : others[hd_rng_below(&rng, 7)]);
            hd_str_addc(&text, ' ');
        }
        hd_str_addf(&text, ",%s\n", label ? "fine" : "poor");
    }
    must(hd_fs_write(path_of("reviews.csv"), text.data, text.len, 0600));
    hd_str_clear(&text);
    must(hd_fs_write(path_of("words.txt"), "good lovely\nbad awful\n", 22, 0600));
}

// Pictures of one colour: reddish or bluish.
static void write_pictures(void) {
    hd_rng rng = hd_rng_make(2, 2);
    for (int i = 0; i < PICTURES; i++) {
        char name[64];
        hd_image image;
        hd_str png;
        hd_str_init(&png);
        must(hd_image_new(9, 12, 3, &image));
        for (size_t p = 0; p < 9 * 12; p++) {
            for (size_t c = 0; c < 3; c++)
                image.pixels[3 * p + c] =
                    (unsigned char)(hd_rng_below(&rng, 60) + (c == (size_t)(i % 2) * 2 ? 150 : 20));
        }
        must(hd_image_png(&image, &png));
        hd_snprintf(name, sizeof name, "photos/%s/%d.png", i % 2 ? "blue" : "red", i);
        must(hd_fs_mkdirs(path_of(i % 2 ? "photos/blue" : "photos/red"), 0700));
        must(hd_fs_write(path_of(name), png.data, png.len, 0600));
        hd_str_clear(&png);
        hd_image_clear(&image);
    }
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(root)) return 1;
    write_reviews();
    write_pictures();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return hd_fs_remove(root) == HEED_OK ? 0 : 1;
}

static json_t *run_text(const char *yaml, const char *out) {
    hd_recipe *recipe;
    json_t *report;
    must(hd_fs_write(path_of("recipe.yaml"), yaml, strlen(yaml), 0600));
    must(hd_recipe_open(path_of("recipe.yaml"), NULL, 0, &recipe));
    const hd_recipe_opts opts = {.out = path_of(out), .seed = -1, .threads = 1};
    must(hd_recipe_run(recipe, &opts, &report));
    hd_recipe_free(recipe);
    return report;
}

static double accuracy(const json_t *report, const char *name) {
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(report, "models"), i, model) {
        if (strcmp(json_string_value(json_object_get(model, "name")), name) == 0)
            return json_number_value(
                json_object_get(json_object_get(model, "evaluation"), "accuracy"));
    }
    fail_msg("no model '%s'", name);
    return 0;
}

// Scores by the saved model of one request, beside the run's own of the row it came from.
static void ask(const char *out, json_t *row, const char *model_name, const char *place) {
    hd_predictor *model;
    hd_rows rows;
    hd_answer answer;
    char name[64];
    hd_str text;
    bool met = false;
    must(hd_predictor_open(path_of(out), &model));
    json_t *list = json_pack("[o]", row);
    must(hd_rows_json(list, "request", &rows));
    must(hd_predictor_run(model, &rows, 1, &answer));
    hd_snprintf(name, sizeof name, "%s/predictions.jsonl", out);
    hd_str_init(&text);
    must(hd_fs_read(path_of(name), 0, &text));
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        json_t *json;
        must(hd_json_parse(line, (size_t)(end - line), "predictions", &json));
        if (strcmp(json_string_value(json_object_get(json, "row")), place) == 0) {
            const json_t *scores = json_object_get(json_object_get(json, "scores"), model_name);
            for (size_t k = 0; k < answer.k; k++) {
                double want = json_number_value(json_array_get(scores, k));
                assert_true(fabs((double)answer.scores[k] - want) < 1e-6);
            }
            met = true;
        }
        json_decref(json);
        line = end + 1;
    }
    if (!met) fail_msg("no row '%s'", place);
    hd_str_clear(&text);
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    json_decref(list);
    hd_predictor_close(model);
}

// The first row of predictions.jsonl: its place.
static void first_place(const char *out, char place[160]) {
    char name[64];
    hd_str text;
    json_t *json;
    hd_str_init(&text);
    hd_snprintf(name, sizeof name, "%s/predictions.jsonl", out);
    must(hd_fs_read(path_of(name), 0, &text));
    must(hd_json_parse(text.data, (size_t)(strchr(text.data, '\n') - text.data), "x", &json));
    hd_snprintf(place, 160, "%s", json_string_value(json_object_get(json, "row")));
    json_decref(json);
    hd_str_clear(&text);
}

static void test_texts(void **state) {
    (void)state;
    json_t *report = run_text(
        "name: reviews\ntask: classes\ndata:\n  text: {train: reviews.csv, target: label}\n"
        "  split: {validation: .2, test: .25}\n"
        "prepare: {tokenizer: words, vocabulary: 60, length: 16}\n"
        "network:\n  - embedding: {count: 60, dim: 8}\n"
        "  - branches: {branches: [[sequence_pool: mean], [conv1d: {out: 8, kernel: 2, same: true, act: relu}, "
        "sequence_pool: max]]}\n  - linear: 2\n"
        "augment: [{drop: .1}, {swap: .1}, {synonyms: {file: words.txt, share: .5}}]\n"
        "train: {epochs: 12, batch: 16, optimizer: {adam: {rate: .02}}}\n"
        "compare: [majority, logistic, naive_bayes]\n",
        "reviews");
    assert_true(accuracy(report, "network") > .9);
    assert_true(accuracy(report, "logistic") > .9);
    assert_true(accuracy(report, "majority") < .6);
    const json_t *worst = json_array_get(json_object_get(report, "worst"), 0);
    if (worst) assert_non_null(json_object_get(worst, "text"));
    json_decref(report);
    // A row of the test part, as it stands in the file.
    char place[160];
    first_place("reviews", place);
    hd_rows rows;
    hd_rows_init(&rows);
    static const hd_rows_format usual;
    must(hd_rows_read(&rows, path_of("reviews.csv"), "reviews.csv", &usual));
    for (size_t i = 0; i < rows.n; i++) {
        if (strcmp(hd_rows_place(&rows, i).text, place) != 0) continue;
        hd_slice cell = hd_rows_find(&rows, "text")->cells[i];
        ask("reviews", json_pack("{s:s%}", "text", cell.p, cell.n), "network", place);
    }
    hd_rows_clear(&rows);
}

static void test_pictures(void **state) {
    (void)state;
    json_t *report = run_text(
        "name: colours\ntask: classes\ndata:\n  images: {train: photos, target: kind}\n"
        "  split: {validation: .2, test: .25}\nprepare: {size: 8, scale: standard}\n"
        "features: {size: 2}\naugment: [flip, {rotate: 15}, {shift: .1}]\n"
        "network:\n  - conv2d: {out: 4, kernel: 3, act: relu}\n  - global_pool\n  - linear: 1\n"
        "train: {loss: bce, epochs: 15, batch: 8, optimizer: {adam: {rate: .03}}}\n"
        "compare: [majority, logistic]\ncalibrate: platt\n",
        "colours");
    assert_true(accuracy(report, "network") > .9);
    assert_true(accuracy(report, "logistic") > .9);
    json_decref(report);
    char place[160];
    first_place("colours", place);
    hd_str bytes;
    hd_image image;
    hd_str_init(&bytes);
    must(hd_fs_read(path_of(place), 0, &bytes));
    must(hd_image_decode(bytes.data, bytes.len, place, 0, &image));
    hd_image_clear(&image);
    // As `heed model predict NAME photo.png` brings it: the file's bytes.
    hd_predictor *model;
    hd_rows rows;
    hd_rows_column *column;
    hd_answer answer;
    must(hd_predictor_open(path_of("colours"), &model));
    hd_rows_init(&rows);
    must(hd_rows_add_column(&rows, "image", HD_ROWS_FILE, &column));
    must(hd_rows_add(&rows, 1));
    hd_rows_find(&rows, "image")->cells[0] = (hd_slice){bytes.data, bytes.len};
    must(hd_predictor_run(model, &rows, 1, &answer));
    assert_int_equal(answer.k, 2);
    bool blue = strstr(place, "blue") != NULL; // classes are in the order of their names
    assert_true((answer.scores[0] > answer.scores[1]) == blue);
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    hd_predictor_close(model);
    hd_str_clear(&bytes);
}

// ── Lists of files ──

static const char listed[] =
    "name: listed\ntask: classes\ndata:\n  images: {train: %s}\n"
    "  split: {validation: .2, test: .25}\nprepare: {size: 4}\n"
    "network:\n  - flatten\n  - linear: 2\ntrain: {epochs: 3, batch: 8}\ncompare: [logistic]\n";

static void run_listed(const char *train, const char *out, hd_str *predictions) {
    char yaml[512], name[64];
    hd_snprintf(yaml, sizeof yaml, listed, train);
    json_decref(run_text(yaml, out));
    hd_snprintf(name, sizeof name, "%s/predictions.jsonl", out);
    hd_str_init(predictions);
    must(hd_fs_read(path_of(name), 0, predictions));
}

// The files of a folder in a list, in the folder's order: the same to a byte.
static void test_listed_pictures(void **state) {
    (void)state;
    hd_arena arena;
    hd_str list, folder, file;
    hd_arena_init(&arena);
    hd_str_init(&list);
    hd_str_add(&list, "note,where,kind\n");
    for (int c = 0; c < 2; c++) {
        char **names;
        size_t n;
        const char *class = c ? "red" : "blue";
        must(hd_fs_list(path_of(c ? "photos/red" : "photos/blue"), &arena, &names, &n));
        for (size_t i = 0; i < n; i++)
            hd_str_addf(&list, "x,photos/%s/%s,%s\n", class, names[i], class);
    }
    must(hd_fs_write(path_of("list.csv"), list.data, list.len, 0600));
    run_listed("photos", "by_folder", &folder);
    run_listed("list.csv, image: where, target: kind", "by_list", &file);
    assert_string_equal(folder.data, file.data);
    hd_str_clear(&file);
    hd_str_clear(&folder);
    hd_str_clear(&list);
    hd_arena_clear(&arena);
}

static void refuse_listed(const char *lines, const char *said) {
    char yaml[512];
    hd_recipe *recipe;
    json_t *report = NULL;
    must(hd_fs_write(path_of("wrong.csv"), lines, strlen(lines), 0600));
    hd_snprintf(yaml, sizeof yaml, listed, "wrong.csv");
    must(hd_fs_write(path_of("recipe.yaml"), yaml, strlen(yaml), 0600));
    must(hd_recipe_open(path_of("recipe.yaml"), NULL, 0, &recipe));
    const hd_recipe_opts opts = {.out = path_of("refused"), .seed = -1, .threads = 1};
    assert_int_not_equal(hd_recipe_run(recipe, &opts, &report), HEED_OK);
    if (!strstr(heed_error_message(HEED_EN), said))
        fail_msg("'%s' isn't '%s'", heed_error_message(HEED_EN), said);
    hd_recipe_free(recipe);
    assert_false(hd_fs_exists(path_of("refused")));
}

static void test_lists_that_are_wrong(void **state) {
    (void)state;
    refuse_listed("image,label\nphotos/red/0.png,a\nphotos/none.png,b\n",
                  "wrong.csv:3: can't open: '");
    refuse_listed("image,label\n,a\n", "wrong.csv:2: column 'image' names no file");
    refuse_listed("image\nphotos/red/0.png\n",
                  "as a list of images: there is no column 'label'; there are: image");
    refuse_listed("photo,label\nphotos/red/0.png,a\n", "there is no column 'image'");
    refuse_listed("image,label\nphotos/red/0.png,a\nphotos/red/2.png,b\nphotos/red/4.png,\n",
                  "the target 'label' is missing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_listed_pictures),
        cmocka_unit_test(test_lists_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
