// SPDX-License-Identifier: Apache-2.0
//
// Inputs of texts and images: what they read, what they make of rows, that what is saved makes the
// same to the byte, and what they say of bad rows.
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
#include "recipe/alike.h"
#include "recipe/contained.h"
#include "recipe/inputs.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char root[] = "/tmp/heed-inputs-XXXXXX";

// ── Files ──

static void put(const char *name, const void *bytes, size_t n) {
    char path[256];
    hd_snprintf(path, sizeof path, "%s/%s", root, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(hd_fs_mkdirs(path, 0700), HEED_OK);
    path[strlen(path)] = '/';
    assert_int_equal(hd_fs_write(path, bytes, n, 0600), HEED_OK);
}

static void put_text(const char *name, const char *text) {
    put(name, text, strlen(text));
}

static void put_picture(const char *name, size_t height, size_t width, size_t channels, int shade) {
    hd_image image;
    hd_str png;
    hd_str_init(&png);
    assert_int_equal(hd_image_new(height, width, channels, &image), HEED_OK);
    memset(image.pixels, shade, height * width * channels);
    image.pixels[0] = 255;
    assert_int_equal(hd_image_png(&image, &png), HEED_OK);
    put(name, png.data, png.len);
    hd_str_clear(&png);
    hd_image_clear(&image);
}

static const unsigned char digits[] = {0, 0, 8, 3,   0,  0,   0, 3, 0, 0, 0, 2, 0, 0,
                                       0, 2, 0, 255, 51, 102, 1, 2, 3, 4, 5, 6, 7, 8};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1};

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(root)) return 1;
    put_text("reviews.tsv", "text\tstars\nThe food was good, very good\t1\nbad service\t0\n"
                            "不好吃 服务差\t0\ngood good 味道好\t1\n");
    put_text("two.jsonl", "{\"title\": \"Good\", \"body\": \"very good food\", \"stars\": \"1\"}\n"
                          "{\"title\": \"Bad\", \"stars\": \"0\"}\n");
    put_text("poem.txt", "To be,\n\n or not to be:\nthat is the question.\n");
    put_picture("shapes/round/a.png", 6, 8, 3, 40);
    put_picture("shapes/round/b.PNG", 8, 8, 1, 80);
    put_picture("shapes/square/c.png", 4, 4, 3, 120);
    put_text("shapes/square/notes.txt", "no picture");
    put_text("broken/one/x.jpg", "this is no picture");
    put_text("empty/one/.hidden.png", "");
    put("digits-images", digits, sizeof digits);
    put("digits-labels", labels, sizeof labels);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return hd_fs_remove(root) == HEED_OK ? 0 : 1;
}

// ── A kind, from its line of YAML ──

static heed_err find(const hd_input_env *env, const char *name, const char **out) {
    const char *path = hd_fs_join(env->arena, root, name);
    *out = path;
    if (!path) return HD_FAIL_MEMORY(0);
    return hd_fs_exists(path) ? HEED_OK : HD_FAIL(HEED_NOT_FOUND, "no '%s'", "没有“%s”", name);
}

typedef struct fixture {
    hd_spec data, prepare, features;
    hd_arena arena;
    hd_choice choice;
    const hd_input_kind *kind;
    hd_input_parts parts;
    void *fitted;
} fixture;

static void end(fixture *f) {
    if (f->kind) f->kind->free(f->fitted);
    hd_input_parts_clear(&f->parts);
    hd_arena_clear(&f->arena);
    hd_spec_clear(&f->data);
    hd_spec_clear(&f->prepare);
    hd_spec_clear(&f->features);
}

static heed_err begin(fixture *f, const char *data, const char *prepare, const char *features) {
    *f = (fixture){0};
    hd_arena_init(&f->arena);
    hd_input_parts_init(&f->parts);
    HD_TRY(hd_spec_parse(data, "data", "", &f->data));
    HD_TRY(hd_spec_parse(prepare ? prepare : "{}", "prepare", "", &f->prepare));
    HD_TRY(hd_spec_parse(features ? features : "{}", "features", "", &f->features));
    hd_where where = hd_where_of(&f->data, "data");
    HD_TRY(hd_spec_read(&hd_input_kinds, hd_spec_get(&f->data, "data"), &where, &f->arena,
                        &f->choice));
    f->kind = (const hd_input_kind *)f->choice.kind;
    hd_input_env env = {
        .common = f->choice.common, .where = f->choice.where, .arena = &f->arena, .find = find};
    if (f->kind->open)
        HD_TRY(f->kind->open(f->choice.options, &env, &f->parts));
    else
        HD_TRY(hd_input_read(&env, &f->parts));
    const char *hidden = json_string_value(env.common->target);
    hd_input_fit in = {.rows = &f->parts.rows[HD_PART_TRAIN],
                       .options = f->choice.options,
                       .common = f->choice.common,
                       .prepare = prepare ? hd_spec_get(&f->prepare, "prepare") : NULL,
                       .features = features ? hd_spec_get(&f->features, "features") : NULL,
                       .prepare_where = hd_where_of(&f->prepare, "prepare"),
                       .features_where = hd_where_of(&f->features, "features"),
                       .hidden = &hidden,
                       .n_hidden = hidden ? 1 : 0};
    return f->kind->fit(&in, &f->fitted);
}

static heed_err samples_of(const fixture *f, hd_samples *out) {
    return f->kind->apply(f->fitted, &f->parts.rows[HD_PART_TRAIN],
                          HD_WANT_INPUTS | HD_WANT_FEATURES, out);
}

// ── All kinds ──

static const struct {
    const char *data, *prepare, *features;
} all[] = {
    {"text: {train: reviews.tsv, target: stars}", "{length: 5}", NULL},
    {"text: {train: two.jsonl, target: stars, text: [title, body]}",
     "{tokenizer: bigrams, vocabulary: 50, pad: start, ngrams: 2, buckets: 10}", "counts"},
    {"characters: {train: poem.txt, stride: 3}", "{length: 8, vocabulary: 30}", NULL},
    {"images: {train: shapes}", "{size: [4, 6], fit: crop, scale: standard}", "{size: 2}"},
    {"images: {train: shapes, target: kind}", "{size: 5, channels: 1, filter: area, fit: pad}",
     NULL},
    {"idx: {train: [digits-images, digits-labels], classes: [no, yes]}", NULL, NULL},
};

static void same_bytes(const hd_samples *a, const hd_samples *b) {
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_inputs, b->n_inputs);
    for (int i = 0; i < a->n_inputs; i++) {
        const hd_data_column *x = &a->inputs[i], *y = &b->inputs[i];
        size_t size = x->dtype == HD_U8 ? 1 : 4;
        assert_string_equal(x->field.name, y->field.name);
        assert_memory_equal(x->data, y->data, a->n * hd_field_count(&x->field) * size);
        assert_memory_equal(&x->scale, &y->scale, sizeof x->scale);
        assert_memory_equal(&x->shift, &y->shift, sizeof x->shift);
    }
    const hd_matrix *m = &a->features, *o = &b->features;
    assert_int_equal(m->n, o->n);
    assert_int_equal(m->m, o->m);
    if (m->dense) assert_memory_equal(m->dense, o->dense, m->n * m->m * sizeof *m->dense);
    if (m->start && !m->dense)
        assert_memory_equal(m->value, o->value, m->start[m->n] * sizeof *m->value);
}

// A preparation that went through its file makes the same of the same rows, to the byte.
static void test_saved(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        fixture f;
        hd_samples a, b;
        hd_str text;
        json_t *json, *back;
        void *loaded;
        hd_str_init(&text);
        if (begin(&f, all[i].data, all[i].prepare, all[i].features) != HEED_OK)
            fail_msg("%s: %s", all[i].data, heed_error_message(HEED_EN));
        assert_int_equal(f.kind->to_json(f.fitted, &json), HEED_OK);
        assert_int_equal(hd_json_dump(json, false, &text), HEED_OK);
        assert_int_equal(hd_json_parse(text.data, text.len, "x", &back), HEED_OK);
        assert_int_equal(f.kind->from_json(back, "x", &loaded), HEED_OK);
        assert_int_equal(samples_of(&f, &a), HEED_OK);
        assert_int_equal(f.kind->apply(loaded, &f.parts.rows[HD_PART_TRAIN],
                                       HD_WANT_INPUTS | HD_WANT_FEATURES, &b),
                         HEED_OK);
        same_bytes(&a, &b);
        hd_input_samples_clear(&a);
        hd_input_samples_clear(&b);
        json_decref(json);
        json_decref(back);
        hd_str_clear(&text);
        f.kind->free(loaded);
        end(&f);
    }
}

// Any member of a saved preparation gone, or of another type: damage, never a crash.
static void test_damaged(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        fixture f;
        json_t *json, *wrong[4] = {NULL, json_integer(-3), json_string("x"), json_array()};
        assert_int_equal(begin(&f, all[i].data, all[i].prepare, all[i].features), HEED_OK);
        assert_int_equal(f.kind->to_json(f.fitted, &json), HEED_OK);
        const char *key;
        json_t *value;
        json_object_foreach(json, key, value) {
            for (size_t w = 0; w < 4; w++) {
                json_t *copy = json_deep_copy(json);
                void *loaded = NULL;
                if (wrong[w])
                    json_object_set(copy, key, wrong[w]);
                else
                    json_object_del(copy, key);
                heed_err err = f.kind->from_json(copy, "preparation.json", &loaded);
                bool fine = strcmp(key, "scale") == 0 || strcmp(key, "shift") == 0 ||
                            (strcmp(key, "column") == 0 && w == 2);
                if (err == HEED_OK && fine)
                    f.kind->free(loaded);
                else
                    assert_int_equal(err, HEED_CORRUPT);
                json_decref(copy);
            }
        }
        for (size_t w = 1; w < 4; w++) json_decref(wrong[w]);
        json_decref(json);
        end(&f);
    }
}

static void test_memory(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        for (uint64_t n = 1;; n += 1 + n / 40) {
            fixture f;
            hd_samples samples;
            json_t *json = NULL;
            hd_mem_fail_at(n, true);
            heed_err err = begin(&f, all[i].data, all[i].prepare, all[i].features);
            if (err == HEED_OK) {
                err = samples_of(&f, &samples);
                if (err == HEED_OK) hd_input_samples_clear(&samples);
            }
            if (err == HEED_OK) err = f.kind->to_json(f.fitted, &json);
            hd_mem_fail_at(0, false);
            json_decref(json);
            end(&f);
            if (err == HEED_OK) break;
            assert_int_equal(err, HEED_MEMORY);
            assert_true(n < 20000);
        }
    }
}

// ── One by one ──

static void test_text(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    json_t *shown;
    assert_int_equal(begin(&f, all[0].data, all[0].prepare, NULL), HEED_OK);
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    assert_int_equal(s.n, 4);
    assert_int_equal(s.n_inputs, 2);
    assert_int_equal(s.inputs[0].field.shape[0], 5);
    assert_int_equal(s.inputs[1].field.role, HD_ROLE_LENGTH);
    const int32_t *lengths = s.inputs[1].data;
    assert_int_equal(lengths[0], 5); // cut from six words
    assert_int_equal(lengths[1], 2);
    assert_int_equal(lengths[3], 5);
    assert_int_equal(s.features.n, 4);
    assert_null(s.features.dense);
    assert_int_equal(f.kind->show(f.fitted, &f.parts.rows[HD_PART_TRAIN], 1, 1, &shown), HEED_OK);
    assert_string_equal(json_string_value(json_object_get(shown, "text")), "bad service");
    json_decref(shown);
    hd_input_samples_clear(&s);
    end(&f);
}

static void test_characters(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    assert_int_equal(begin(&f, all[2].data, all[2].prepare, NULL), HEED_OK);
    assert_int_equal(f.parts.rows[HD_PART_TRAIN].n, 4); // the empty line too
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    size_t n = strlen("To be,\n\n or not to be:\nthat is the question.\n");
    assert_int_equal(s.n, (n - 1 - 8) / 3 + 1);
    size_t index = 1;
    int32_t x[8], next[8];
    void *out[HD_FIELDS] = {x, next};
    assert_int_equal(s.data->read(s.data, 1, &index, NULL, out), HEED_OK);
    const hd_encoder *e = hd_input_characters_encoder(f.fitted);
    static const char window[] = "be,\n\n or";
    for (size_t i = 0; i < 8; i++) assert_int_equal(hd_encoder_token(e, x[i])[0], window[i]);
    assert_int_equal(next[0], x[1]);
    hd_input_samples_clear(&s);
    end(&f);
    assert_int_equal(begin(&f, all[2].data, "{length: 4000}", NULL), HEED_OK);
    assert_int_equal(samples_of(&f, &s), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "too few"));
    end(&f);
}

static void test_folder(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    json_t *shown;
    assert_int_equal(begin(&f, "images: {train: shapes}", "{size: 4}", NULL), HEED_OK);
    const hd_rows *rows = &f.parts.rows[HD_PART_TRAIN];
    assert_int_equal(rows->n, 3);
    assert_string_equal(hd_rows_place(rows, 0).text, "shapes/round/a.png");
    assert_true(hd_slice_eq(hd_rows_find(rows, "label")->cells[2], "square"));
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    assert_int_equal(s.inputs[0].field.shape[0], 3); // colour, as the first
    const unsigned char *bytes = s.inputs[0].data;
    assert_int_equal(bytes[2 * 48 + 1], 120);
    assert_int_equal(bytes[2 * 48], 255); // 4 × 4 already: its corner is as it was
    assert_int_equal(f.kind->show(f.fitted, rows, 0, 0, &shown), HEED_OK);
    assert_memory_equal(json_string_value(json_object_get(shown, "image")),
                        "data:image/png;base64,iVBOR", 27);
    // What is shown is what a request may send.
    json_t *request = json_pack("[o]", shown);
    hd_rows sent;
    hd_samples again;
    assert_int_equal(hd_rows_json(request, "request", &sent), HEED_OK);
    assert_int_equal(f.kind->apply(f.fitted, &sent, HD_WANT_INPUTS, &again), HEED_OK);
    assert_memory_equal(again.inputs[0].data, bytes, 48);
    hd_input_samples_clear(&again);
    hd_rows_clear(&sent);
    json_decref(request);
    request = json_pack("[{s:s}]", "image", "@@@");
    assert_int_equal(hd_rows_json(request, "request", &sent), HEED_OK);
    assert_int_equal(f.kind->apply(f.fitted, &sent, HD_WANT_INPUTS, &again), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "row 1"));
    hd_rows_clear(&sent);
    json_decref(request);
    hd_input_samples_clear(&s);
    end(&f);
}

static void test_digits(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    assert_int_equal(begin(&f, all[5].data, NULL, NULL), HEED_OK);
    assert_true(hd_slice_eq(hd_rows_find(&f.parts.rows[HD_PART_TRAIN], "label")->cells[0], "yes"));
    assert_string_equal(hd_rows_place(&f.parts.rows[HD_PART_TRAIN], 2).text, "digits-images:3");
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    assert_memory_equal(s.inputs[0].data, digits + 16, 12);
    assert_int_equal(s.features.m, 4);
    assert_true(s.features.dense[2] == 51.0F / 255);
    hd_input_samples_clear(&s);
    end(&f);
    assert_int_equal(begin(&f, all[5].data, "{scale: symmetric}", NULL), HEED_OK);
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    assert_true(s.inputs[0].shift == -1);
    hd_input_samples_clear(&s);
    end(&f);
}

static void test_augment(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    hd_data *data, *out;
    hd_spec list;
    hd_where where = {.path = "augment"};
    assert_int_equal(begin(&f, all[5].data, NULL, NULL), HEED_OK);
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    s.inputs[0].own = false;
    assert_int_equal(hd_data_memory(s.n, 1, s.inputs, &data), HEED_OK);
    s.inputs[0].own = true;
    assert_int_equal(hd_spec_parse("[{noise: .1}]", "augment", "", &list), HEED_OK);
    assert_int_equal(
        f.kind->augment(f.fitted, hd_spec_get(&list, "augment"), &where, NULL, data, &out),
        HEED_OK);
    float x[3][4], y[3][4], plain[4];
    void *at[HD_FIELDS] = {x}, *alone[HD_FIELDS] = {y[1]}, *still[HD_FIELDS] = {plain};
    size_t index[] = {0, 1, 2};
    hd_draw draw = {.seed = 5, .epoch = 2, .training = true}, off = {.seed = 5, .epoch = 2};
    assert_int_equal(out->read(out, 3, index, &draw, at), HEED_OK);
    assert_int_equal(out->read(out, 1, index + 1, &draw, alone), HEED_OK);
    assert_memory_equal(x[1], y[1], sizeof y[1]); // alone or among others: the same
    assert_int_equal(out->read(out, 1, index + 1, &off, still), HEED_OK);
    assert_true(plain[0] == 1.0F * (1.0F / 255)); // not while validating
    draw.epoch = 3;
    assert_int_equal(out->read(out, 1, index + 1, &draw, alone), HEED_OK);
    assert_memory_not_equal(x[1], y[1], sizeof y[1]);
    hd_data_free(out);
    hd_spec_clear(&list);
    hd_input_samples_clear(&s);
    end(&f);
}

// One noun; the other files are empty.
static void put_wordnet(void) {
    put_text("wordnet/data.noun", "00000000 13 n 01 food 0 000 | what is eaten\n");
    put_text("wordnet/index.noun", "food n 1 0 1 1 00000000  \n");
    static const char *const empty[] = {"noun.exc", "data.verb", "index.verb", "verb.exc"};
    char name[32];
    for (size_t i = 0; i < COUNT(empty); i++) {
        hd_snprintf(name, sizeof name, "wordnet/%s", empty[i]);
        put_text(name, "");
    }
}

static void classes_stand_behind_the_words(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    hd_spec list;
    hd_data *out;
    hd_where where = {.path = "augment"};
    char data[128];
    put_wordnet();
    hd_snprintf(data, sizeof data, "text: {train: reviews.tsv, target: stars, classes: %s/wordnet}",
                root);
    assert_int_equal(begin(&f, data, "{length: 4}", NULL), HEED_OK);
    assert_int_equal(samples_of(&f, &s), HEED_OK);
    assert_int_equal(s.inputs[0].field.shape[0], 8);
    const int32_t *ids = s.inputs[0].data, classes[] = {1, 13, 1, 1};
    assert_memory_equal(ids + 4, classes, sizeof classes); // The food was good
    assert_int_equal(((const int32_t *)s.inputs[1].data)[0], 4);
    hd_data *taken;
    s.inputs[0].own = s.inputs[1].own = false;
    assert_int_equal(hd_data_memory(s.n, s.n_inputs, s.inputs, &taken), HEED_OK);
    s.inputs[0].own = s.inputs[1].own = true;
    assert_int_equal(hd_spec_parse("[{swap: .1}]", "augment", "", &list), HEED_OK);
    assert_int_equal(
        f.kind->augment(f.fitted, hd_spec_get(&list, "augment"), &where, NULL, taken, &out),
        HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "augment: texts with classes"));
    hd_spec_clear(&list);
    hd_input_samples_clear(&s);
    end(&f);
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *data, *prepare, *says;
        heed_err code;
    } bad[] = {
        {"text: {train: two.jsonl, target: stars}", NULL, "2 columns could be the text",
         HEED_INPUT},
        {"text: {train: reviews.tsv, target: stars, text: txet}", NULL, "text", HEED_INPUT},
        {"text: {train: reviews.tsv, target: stars}", "{lenght: 5}", "length", HEED_INPUT},
        {"text: {train: reviews.tsv, target: stars, classes: /nowhere}", NULL,
         "data.text.classes: there is no '/nowhere/index.noun'", HEED_NOT_FOUND},
        {"images: {train: shapes}", NULL, "size: 64", HEED_INPUT},
        {"images: {train: shapes}", "{size: 4, channels: 2}", "1 (grey) or 3", HEED_INPUT},
        {"images: {train: empty}", "{size: 4}", "no PNG or JPEG", HEED_INPUT},
        {"images: {train: poem.txt}", "{size: 4}", "no folder", HEED_INPUT},
        {"images: {train: broken}", "{size: 4}", "broken/one/x.jpg", HEED_INPUT},
        {"idx: {train: digits-images}", NULL, "[images file, labels file]", HEED_INPUT},
        {"idx: {train: [digits-labels, digits-images]}", NULL, "should hold images", HEED_INPUT},
        {"idx: {train: [poem.txt, digits-labels]}", NULL, "no IDX file", HEED_CORRUPT},
        {"characters: {train: nowhere.txt}", NULL, "nowhere.txt", HEED_NOT_FOUND},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        fixture f;
        hd_samples s;
        heed_err err = begin(&f, bad[i].data, bad[i].prepare, NULL);
        if (err == HEED_OK) err = samples_of(&f, &s);
        if (err != bad[i].code || !strstr(heed_error_message(HEED_EN), bad[i].says))
            fail_msg("%s: %d %s", bad[i].data, (int)err, heed_error_message(HEED_EN));
        end(&f);
    }
}

// ── Texts that are parts of each other, or almost the same ──

typedef heed_err (*grouping)(const hd_rows *rows, const char *column, uint32_t **out,
                             size_t *groups);

// same_as[i]: a text of i's group, the same for all of them.
static void groups_are(grouping groups_of, const char *const *texts, const uint32_t *same_as,
                       size_t n_texts, size_t n_groups) {
    hd_rows rows;
    json_t *list = json_array();
    uint32_t *group;
    size_t n;
    for (size_t i = 0; i < n_texts; i++)
        json_array_append_new(list, json_pack("{s:s}", "text", texts[i]));
    assert_int_equal(hd_rows_json(list, "rows", &rows), HEED_OK);
    assert_int_equal(groups_of(&rows, "text", &group, &n), HEED_OK);
    assert_int_equal(n, n_groups);
    for (size_t i = 0; i < n_texts; i++) {
        assert_true(group[i] < n);
        for (size_t j = 0; j < n_texts; j++)
            assert_int_equal(group[i] == group[j], same_as[i] == same_as[j]);
    }
    hd_free(group);
    for (uint64_t call = 1; call < 30; call++) {
        hd_mem_fail_at(call, true);
        heed_err err = groups_of(&rows, "text", &group, &n);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_MEMORY || err == HEED_OK);
        if (err == HEED_OK) hd_free(group);
    }
    assert_int_equal(groups_of(&rows, "words", &group, &n), HEED_INPUT);
    hd_rows_clear(&rows);
    json_decref(list);
}

static void texts_in_texts_stay_together(void **state) {
    (void)state;
    static const char *const texts[] = {"a fine film",
                                        "fine film",
                                        "this is a fine film .",
                                        "fine",
                                        "film .  twice",
                                        "not fine at all",
                                        "this is",
                                        "",
                                        "fine film",
                                        "at allmost"};
    enum { N = sizeof texts / sizeof *texts };
    // "fine" stands in two long texts: the longer one has it.
    static const uint32_t same_as[N] = {2, 2, 2, 2, 4, 5, 2, 7, 2, 9};
    groups_are(hd_contained, texts, same_as, N, 5);
}

static void texts_almost_the_same_stay_together(void **state) {
    (void)state;
    static const char *const texts[] = {"What is the capital of Peru?",
                                        "Who was Galileo?",
                                        "what is the capital of Chile",
                                        "What is a caldera?",
                                        "",
                                        "What is the old capital of Chile?",
                                        "Galileo",
                                        "a b",
                                        "a c b",
                                        "What is the capital of Peru?"};
    enum { N = sizeof texts / sizeof *texts };
    // Of 13 words and pairs the first and the third have 9 in common. "a b" has 2 of 6 with "a c
    // b"; the sixth is like the first by way of the third.
    static const uint32_t same_as[N] = {0, 1, 0, 3, 4, 0, 6, 7, 8, 0};
    groups_are(hd_alike, texts, same_as, N, 7);
}

// Nothing in common is nothing: texts without a word each stand alone.
static void texts_without_words_have_nothing_in_common(void **state) {
    (void)state;
    static const char *const texts[] = {"", "?!", "", "…"};
    static const uint32_t same_as[] = {0, 1, 2, 3};
    groups_are(hd_alike, texts, same_as, 4, 4);
}

// The definition itself, on words that need no folding, against all pairs of texts.
enum { MANY = 300, MOST = 6 };

static size_t marks_of(const uint8_t *words, size_t n, uint32_t *out) {
    size_t count = 0;
    for (size_t i = 0; i < 2 * n - 1; i++) {
        size_t w = i < n ? i : i - n, seen = 0;
        uint32_t mark = i < n ? words[w] : 1000u + 100u * words[w] + words[w + 1];
        while (seen < count && out[seen] != mark) seen++;
        if (seen == count) out[count++] = mark;
    }
    return count;
}

static bool alike(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b) {
    uint32_t x[2 * MOST], y[2 * MOST];
    size_t n_x = marks_of(a, n_a, x), n_y = marks_of(b, n_b, y), common = 0;
    for (size_t i = 0; i < n_x; i++) {
        for (size_t j = 0; j < n_y; j++) common += x[i] == y[j];
    }
    return 2 * common >= n_x + n_y - common;
}

static void no_text_alike_is_missed(void **state) {
    (void)state;
    static uint8_t words[MANY][MOST];
    static char texts[MANY][2 * MOST];
    const char *lines[MANY];
    size_t length[MANY], groups = 0;
    uint32_t same_as[MANY];
    hd_rng rng = hd_rng_make(7, 7);
    for (size_t i = 0; i < MANY; i++) {
        length[i] = 2 + hd_rng_below(&rng, MOST - 1);
        for (size_t w = 0; w < length[i]; w++) {
            // Some words are common, most are rare.
            words[i][w] = (uint8_t)(hd_rng_below(&rng, 5) * hd_rng_below(&rng, 6));
            texts[i][2 * w] = (char)('a' + words[i][w]);
            texts[i][2 * w + 1] = w + 1 < length[i] ? ' ' : 0;
        }
        lines[i] = texts[i];
        same_as[i] = (uint32_t)i;
        for (size_t j = 0; j < i; j++) {
            if (!alike(words[i], length[i], words[j], length[j])) continue;
            uint32_t from = same_as[i], to = same_as[j];
            for (size_t k = 0; k <= i; k++) same_as[k] = same_as[k] == from ? to : same_as[k];
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++) first &= same_as[j] != same_as[i];
        groups += first;
    }
    assert_in_range(groups, 20, MANY - 20);
    groups_are(hd_alike, lines, same_as, MANY, groups);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_in_texts_stay_together),
        cmocka_unit_test(texts_almost_the_same_stay_together),
        cmocka_unit_test(texts_without_words_have_nothing_in_common),
        cmocka_unit_test(no_text_alike_is_missed),
        cmocka_unit_test(test_saved),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_augment),
        cmocka_unit_test(classes_stand_behind_the_words),
        cmocka_unit_test(test_bad),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
