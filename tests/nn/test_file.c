// SPDX-License-Identifier: Apache-2.0
//
// Networks to and from files: as they were, partly, and never what isn't sound.
#include "nets.h"

#include "nn/training.h"

static char folder[] = "/tmp/heed-net-XXXXXX";
static char path[64], other[64];

static const char layers[] =
    "- conv2d: {out: 3, kernel: [3, 2], name: stem}\n- batch_norm\n- relu\n"
    "- flatten\n- linear: {out: 2, name: head}\n";
static const size_t shape[] = {2, 6, 5};

static hd_net *saved(void) {
    hd_data *data = blank(6, 3, shape, 1);
    hd_net *net = net_of(layers, 1);
    const hd_train_opts opts = {.threads = 1, .batch = 3};
    assert_ok(hd_net_train(net, data, &opts, NULL));
    assert_ok(hd_json_set(net->meta, "preparation", json_string("{\"mean\": 1}")));
    assert_ok(hd_net_save(net, path));
    hd_data_free(data);
    return net;
}

static void test_round_trip(void **state) {
    (void)state;
    hd_net *net = saved(), *again;
    hd_data *data = blank(2, 3, shape, 0);
    float *a, *b;
    size_t width;
    assert_ok(hd_net_open(path, &again));
    assert_same_weights(net, again);
    assert_int_equal(again->n_inputs, 1);
    assert_string_equal(json_string_value(json_object_get(again->meta, "preparation")),
                        "{\"mean\": 1}");
    assert_ok(hd_net_predict(net, data, 2, 1, &a, &width));
    assert_ok(hd_net_predict(again, data, 2, 1, &b, &width));
    assert_memory_equal(a, b, 2 * width * sizeof *a);
    hd_free(a);
    hd_free(b);
    // The file has the interface's layout.
    hd_safetensors *file;
    const hd_tensor_view *view;
    assert_ok(hd_safetensors_open(path, &file));
    assert_ok(hd_safetensors_get(file, "stem.weight", HD_F32, 4, &view));
    assert_true(view->shape[0] == 3 && view->shape[1] == 2 && view->shape[2] == 3 &&
                view->shape[3] == 2);
    hd_safetensors_close(file);
    hd_str text;
    hd_str_init(&text);
    hd_net_describe(again, &text);
    assert_non_null(strstr(text.data, "stem.weight"));
    assert_non_null(strstr(text.data, "(3, 2, 3, 2)"));
    assert_non_null(strstr(text.data, "running_mean"));
    hd_str_clear(&text);
    hd_data_free(data);
    hd_net_free(again);
    hd_net_free(net);
}

// Other shapes of inputs need other weights.
static void test_other_inputs(void **state) {
    (void)state;
    hd_net *net = saved();
    hd_data *data = blank(2, 3, (size_t[]){2, 8, 8}, 0);
    float *out;
    size_t width;
    assert_says(hd_net_predict(net, data, 2, 1, &out, &width), HEED_INPUT,
                "weight 'head.weight' is (2, 48), but these inputs need (2, 126)",
                "权重“head.weight”的形状为 (2, 48)，而这些输入需要 (2, 126)");
    hd_data_free(data);
    hd_net_free(net);
}

// ── Parts ──

static void test_part(void **state) {
    (void)state;
    hd_net *net = saved();
    hd_net *fresh = net_of("- sequential: {name: body, layers: [conv2d: {out: 3, kernel: [3, 2], "
                           "name: stem}]}\n- flatten\n- linear: {out: 7, name: head}\n",
                           9);
    hd_data *data = blank(2, 3, shape, 0);
    json_t *report;
    assert_ok(hd_net_prepare(fresh, data->fields, data->n_fields));
    assert_ok(hd_net_load(fresh, path, "", "body.", &report));
    assert_int_equal(json_array_size(json_object_get(report, "taken")), 2);
    assert_int_equal(json_array_size(json_object_get(report, "missing")), 2);
    assert_int_equal(json_array_size(json_object_get(report, "unused")), 6);
    json_decref(report);
    const hd_weight *a = &hd_weights_find(&net->weights, "stem.weight")->weight;
    const hd_weight *b = &hd_weights_find(&fresh->weights, "body.stem.weight")->weight;
    assert_memory_equal(a->data, b->data, a->count * sizeof(float));
    assert_ok(hd_net_load(fresh, path, "stem.", "body.stem.", &report));
    json_decref(report);
    assert_says(hd_net_load(fresh, path, "head.", "head.", NULL), HEED_INPUT, "nothing in",
                "没有与网络匹配的权重");
    assert_non_null(strstr(heed_error_message(HEED_EN), "head.")); // its shape differs
    assert_says(hd_net_load(fresh, path, "", "x.", NULL), HEED_INPUT, "say by `from` and `to`",
                "请用 from 和 to");
    hd_data_free(data);
    hd_net_free(fresh);
    hd_net_free(net);
}

// ── Damage ──

static void write_with(const char *layer_text, const char *inputs, const char *format,
                       const char *extra, size_t width) {
    hd_safetensors_writer *w;
    float values[64] = {0};
    assert_ok(hd_safetensors_writer_new(&w));
    if (layer_text) assert_ok(hd_safetensors_add_meta(w, "heed.layers", layer_text));
    if (inputs) assert_ok(hd_safetensors_add_meta(w, "heed.inputs", inputs));
    if (format) assert_ok(hd_safetensors_add_meta(w, "heed.format", format));
    if (width > 0) {
        assert_ok(hd_safetensors_add(w, "0.weight", HD_F32, 2, (size_t[]){2, width}, values));
        assert_ok(hd_safetensors_add(w, "0.bias", HD_F32, 1, (size_t[]){2}, values));
    }
    if (extra) assert_ok(hd_safetensors_add(w, extra, HD_F32, 1, (size_t[]){2}, values));
    assert_ok(hd_safetensors_write(w, other));
    hd_safetensors_writer_free(w);
}

#define X3 "[{\"name\": \"x\", \"role\": \"input\", \"dtype\": \"F32\", \"shape\": [3]}]"

static void test_unsound(void **state) {
    (void)state;
    const struct {
        const char *layers, *inputs, *format, *extra;
        size_t width;
        heed_err err;
        const char *en;
    } rows[] = {
        {"[{\"linear\": 2}]", X3, "1", NULL, 3, HEED_OK, ""},
        {"[{\"linear\": 2}]", X3, "1", "m/0.weight", 3, HEED_OK, ""},
        {"[{\"linear\": 2}]", X3, "1", "1.weight", 3, HEED_CORRUPT, "holds weight '1.weight'"},
        {"[{\"linear\": 2}]", X3, "1", NULL, 4, HEED_CORRUPT,
         "weight '0.weight' is (2, 4) in the file, the network needs (2, 3)"},
        {"[{\"linear\": 2}]", X3, "1", NULL, 0, HEED_CORRUPT, "0.weight"},
        {"[{\"linear\": 90000000}]", X3, "1", NULL, 3, HEED_CORRUPT, "needs (90000000, 3)"},
        {NULL, X3, "1", NULL, 3, HEED_CORRUPT, "its metadata has no layers"},
        {"[{\"linear\": 2}]", X3, "2", NULL, 3, HEED_VERSION, "is of format 2"},
        {"[{\"linear\": 2}]", "[]", "1", NULL, 3, HEED_CORRUPT, "its inputs can't be read"},
        {"[{\"linear\": 2}]", "[{\"name\": \"x\"}]", "1", NULL, 3, HEED_CORRUPT, "can't be read"},
        {"[{\"linear\": 2}]",
         "[{\"name\": \"x\", \"role\": \"input\", \"dtype\": \"F32\", \"shape\": [-3]}]", "1", NULL,
         3, HEED_CORRUPT, "can't be read"},
        {"[{\"linear\": 2}]",
         "[{\"name\": \"x\", \"role\": \"input\", \"dtype\": \"F32\", \"shape\": [100000, 100000]}]",
         "1", NULL, 3, HEED_CORRUPT, "can't be read"},
        {"[{\"linaer\": 2}]", X3, "1", NULL, 3, HEED_INPUT, "did you mean 'linear'?"},
        {"[{\"linear\": ", X3, "1", NULL, 3, HEED_INPUT, "bad JSON"},
        {"[{\"linear\": 2}, {\"reshape\": [9, 9, 9, 9, 9, 9]}]", X3, "1", NULL, 3, HEED_INPUT,
         "must be equal"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hd_net *net = NULL;
        write_with(rows[i].layers, rows[i].inputs, rows[i].format, rows[i].extra, rows[i].width);
        heed_err err = hd_net_open(other, &net);
        if (err != rows[i].err || (err && !strstr(heed_error_message(HEED_EN), rows[i].en))) {
            fail_msg("%zu: %s: %s", i, heed_err_name(err), heed_error_message(HEED_EN));
        }
        if (err == HEED_OK) hd_net_free(net);
    }
}

// Cut short at every byte, and each byte of the header changed: an error or the same shapes.
static void test_damaged(void **state) {
    (void)state;
    hd_str bytes;
    hd_net_free(saved());
    hd_str_init(&bytes);
    assert_ok(hd_fs_read(path, 0, &bytes));
    char *copy = hd_alloc_aligned(bytes.len, 1);
    for (size_t n = 0; n < bytes.len; n += 1 + n / 300) {
        hd_net *net = NULL;
        memcpy(copy, bytes.data, n);
        assert_int_not_equal(hd_net_from_memory(copy, n, "cut", &net), HEED_OK);
    }
    for (size_t i = 0; i < 1200 && i < bytes.len; i++) {
        hd_net *net = NULL;
        memcpy(copy, bytes.data, bytes.len);
        copy[i] = (char)(copy[i] ^ (1 << i % 7));
        if (hd_net_from_memory(copy, bytes.len, "bent", &net) == HEED_OK) hd_net_free(net);
    }
    hd_free(copy);
    hd_str_clear(&bytes);
}

static void test_memory(void **state) {
    (void)state;
    hd_net_free(saved());
    for (uint64_t n = 1;; n += 1 + n / 50) {
        hd_net *net = NULL;
        hd_mem_fail_at(n, false);
        heed_err err = hd_net_open(path, &net);
        if (err == HEED_OK) err = hd_net_save(net, other);
        if (err == HEED_OK) err = hd_net_load(net, other, NULL, NULL, NULL);
        hd_mem_fail_at(0, false);
        hd_net_free(net);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 100000);
    }
}

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    hd_snprintf(path, sizeof path, "%s/net.safetensors", folder);
    hd_snprintf(other, sizeof other, "%s/other.safetensors", folder);
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_other_inputs),
        cmocka_unit_test(test_part),       cmocka_unit_test(test_unsound),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
