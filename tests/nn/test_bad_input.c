// SPDX-License-Identifier: Apache-2.0
//
// What can go wrong is told in both languages: what, where, and what to change.
#include "nets.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/cpu.h"

typedef struct bad {
    const char *layers;
    int n_dims;
    size_t shape[3];
    const char *en, *zh;
} bad;

static const bad bads[] = {
    {"- max_pool\n- linear: {in: 3136, out: 10}\n",
     3,
     {64, 28, 28},
     "net.yaml:2: layers.1.linear: in is 3136, but (64, 14, 14) comes in, which is 12544 values",
     "in 为 3136，但输入形状为 (64, 14, 14)，共 12544 个值"},
    {"- linear: 10\n",
     3,
     {64, 14, 14},
     "(64, 14, 14) comes in, which is a map: put flatten",
     "是特征图：请在前面加 flatten"},
    {"- flatten\n- relu\n- reshape: [64, 64, 3]\n",
     1,
     {1024},
     "net.yaml:3: layers.2.reshape: (1024) is 1024 values a sample, (64, 64, 3) would be 12288",
     "(1024) 每个样本有 1024 个值，而 (64, 64, 3) 需要 12288 个"},
    {"- input: [3]\n",
     1,
     {4},
     "the data's samples are (4), the network's input says (3)",
     "数据的样本形状为 (4)，而网络输入要求 (3)"},
    {"- linear: 3\n- conv2d: 4\n",
     1,
     {4},
     "layers.1.conv2d: takes images (channels, height, width)",
     "需要图像（通道, 高, 宽），而不是 (3)"},
    {"- conv1d: 4\n", 1, {4}, "takes series (length, channels), not (4)", "需要序列（长度, 通道）"},
    {"- conv2d: {out: 4, groups: 3}\n",
     3,
     {6, 5, 5},
     "6 channels in and 4 out can't be cut into 3",
     "无法分成 3 组"},
    {"- conv2d: {out: 4, kernel: 9}\n",
     3,
     {1, 5, 5},
     "net.yaml:1: layers.0.conv2d: operator 'conv2d'",
     "layers.0.conv2d"},
    {"- group_norm: 4\n", 3, {6, 5, 5}, "6 channels can't be cut into 4 groups", "无法分成 4 组"},
    {"- pixel_shuffle\n", 3, {6, 5, 5}, "a shuffle by 2 needs a multiple of 4", "需要 4 的倍数"},
    {"- embedding: {count: 5, dim: 2}\n",
     1,
     {4},
     "takes whole numbers (indexes), not measures",
     "输入须为整数"},
    {"- residual: [linear: 3]\n",
     1,
     {4},
     "(3) and (4) can't be added: their shapes must agree",
     "(3) 与 (4) 无法相加"},
    {"- add: other\n",
     1,
     {4},
     "nothing is named 'other' here; there are: x",
     "此处没有名为“other”的结果；可用的有：x"},
    {"- keep: a\n- reshape: [2, 2]\n- concat: a\n", 1, {4}, "can't be joined", "无法拼接"},
    {"- branches: {branches: []}\n",
     1,
     {4},
     "branches must be a list of 1 to ",
     "branches 应为 1 至 "},
    {"- sequence_pool\n",
     1,
     {4},
     "takes sequences (length, width), not (4)",
     "需要序列（长度, 宽度）"},
    {"- first: 2\n", 3, {4, 2, 2}, "takes sequences, not (4, 2, 2)", "需要序列，而不是"},
    {"- first\n", 2, {4, 2}, "option 'places' is missing", "缺少选项“places”"},
    {"- positions: {most: 3}\n",
     2,
     {4, 2},
     "a sequence of 4 comes in, positions go up to 3",
     "输入序列长 4，而位置只到 3"},
    {"- linear: {out: 4, tie: words}\n",
     1,
     {4},
     "no layer before this one has a weight "
     "'words.weight'",
     "此层之前没有权重“words.weight”"},
    {"- repeat:\n    times: 1000\n    layers:\n      - repeat: {times: 1000, layers: [relu]}\n",
     1,
     {4},
     "more than 20000 layers",
     "超过 20000 层"},
    {"- lstm: 4\n", 1, {4}, "takes sequences (length, width), not (4)", "需要序列（长度, 宽度）"},
    {"- attention: {heads: 3}\n",
     2,
     {5, 8},
     "(5, 8) comes in: its width must be a multiple of 3",
     "宽度须是 3 个头的倍数"},
    {"- transformer_decoder: {heads: 2, memory: m}\n",
     2,
     {5, 8},
     "memory: nothing is named 'm'",
     "memory：此处没有名为“m”的结果"},
    {"- linaer: 3\n",
     1,
     {4},
     "net.yaml:1: layers.0: there is no layer 'linaer'; did you mean "
     "'linear'?",
     "没有层“linaer”；是不是“linear”？"},
    {"- linear: {out: 3, init: he_norm}\n",
     1,
     {4},
     "there is no initialiser 'he_norm'; did you mean "
     "'he_normal'?",
     "没有初始化方式“he_norm”"},
};

static void test_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        hd_data *data = blank(4, bads[i].n_dims, bads[i].shape, 0);
        hd_net *net = net_of(bads[i].layers, 1);
        const hd_train_opts opts = {.threads = 1};
        assert_says(hd_net_train(net, data, &opts, NULL), HEED_INPUT, bads[i].en, bads[i].zh);
        hd_net_free(net);
        hd_data_free(data);
    }
}

static const char mlp[] = "- linear: {out: 8, act: relu}\n- linear: 3\n";

static heed_err train_with(hd_data *data, const char *layers, const hd_train_opts *opts) {
    hd_net *net = net_of(layers, 1);
    heed_err err = hd_net_train(net, data, opts, NULL);
    hd_net_free(net);
    return err;
}

static void test_labels(void **state) {
    (void)state;
    const hd_train_opts opts = {.threads = 1};
    hd_data *data = blank(4, 1, (size_t[]){2}, 3);
    assert_says(train_with(data, mlp, &opts), HEED_INPUT,
                ": label 3 is out of range: the network "
                "gives 3 classes, 0 to 2",
                "标签 3 超出范围：网络输出 3 类（0 到 2）");
    hd_data_free(data);
    data = blank(4, 1, (size_t[]){2}, -100);
    assert_says(train_with(data, mlp, &opts), HEED_INPUT, "label -100 is out of range",
                "标签 -100 超出范围");
    hd_train_opts ignoring = opts;
    ignoring.loss = "cross_entropy: {ignore: -100, smoothing: .1}";
    assert_ok(train_with(data, mlp, &ignoring));
    hd_data_free(data);
}

// One row among others: it is named as the data has it, wherever the shuffle put it.
static void test_label_row(void **state) {
    (void)state;
    static float x[2 * 9];
    static int32_t y[9] = {0, 1, 2, 0, 1, 2, 7, 1, 2};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = y}};
    hd_data *data, *sound = rings(20, 1);
    assert_ok(hd_data_memory(9, 2, columns, &data));
    hd_train_opts opts = {.threads = 1, .batch = 4, .seed = 3};
    assert_says(train_with(data, mlp, &opts), HEED_INPUT,
                "row 7: label 7 is out of range: the network gives 3 classes, 0 to 2; give the "
                "last layer as many values as there are classes, or mend the label",
                "第 7 行：标签 7 超出范围");
    opts.validation = data;
    assert_says(train_with(sound, mlp, &opts), HEED_INPUT, "validation: row 7: label 7",
                "验证：第 7 行：标签 7");
    hd_data_free(data);
    hd_data_free(sound);
}

static void test_targets(void **state) {
    (void)state;
    hd_data *labels = blank(4, 1, (size_t[]){2}, 0), *values = line(4);
    hd_train_opts opts = {.threads = 1, .loss = "mse"};
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "it needs as many measured values",
                "需要与输出一样多的数值");
    assert_says(train_with(values, mlp, &opts), HEED_INPUT,
                "the network gives (3) a sample, the "
                "data's targets are (1)",
                "网络对每个样本输出 (3)，而数据的目标为 (1)");
    opts.loss = NULL;
    assert_says(train_with(values, mlp, &opts), HEED_INPUT, "one whole-number label",
                "一个整数标签");
    opts.loss = "triplet";
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "rows in groups of 3", "每 3 行一组");
    opts.loss = "bpr";
    assert_says(train_with(labels, "- linear: 1\n", &opts), HEED_INPUT,
                "scores of one wanted thing", "一个正例");
    opts.loss = "cross_entropy: {weights: [1, 2]}";
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "weights must be a list of 3 numbers",
                "weights 应为 3 个数的列表");
    opts.loss = "ctc";
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "takes logits (steps, classes)",
                "需要 logits（步数, 类别）");
    opts.loss = "sampled_softmax: words";
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "needs an embedding 'words'",
                "需要 embedding 层“words”");
    opts.loss = "croos_entropy";
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT,
                "loss: there is no loss 'croos_entropy'", "没有损失函数");
    opts = (hd_train_opts){.threads = 1, .metrics = "mae"};
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "'mae' can't be counted on the targets",
                "“mae”不适用于");
    opts = (hd_train_opts){.threads = 1, .monitor = "accuracy"};
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "'accuracy' is neither loss nor one of",
                "既不是 loss");
    opts = (hd_train_opts){.threads = 1, .optimizer = "adam: {groups: 3}"};
    assert_says(train_with(labels, mlp, &opts), HEED_INPUT, "must be a list of groups",
                "应为分组列表");
    hd_data_free(values);
    hd_data_free(labels);
}

static void test_nan(void **state) {
    (void)state;
    static float x[12];
    static int32_t y[6];
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = y}};
    hd_data *data;
    x[9] = NAN;
    assert_ok(hd_data_memory(6, 2, columns, &data));
    const hd_train_opts opts = {.threads = 1, .batch = 2};
    assert_says(train_with(data, mlp, &opts), HEED_INPUT,
                "row 5 of the data: value 2 of 'x' is NaN: fill in or leave out",
                "数据第 5 行：“x”的第 2 个值为 NaN");
    hd_data *sound = rings(6, 1);
    hd_train_opts judged = opts;
    judged.validation = data;
    assert_says(train_with(sound, mlp, &judged), HEED_INPUT,
                "validation: row 5 of the data: value 2 of 'x' is NaN", "验证：数据第 5 行");
    x[9] = INFINITY;
    assert_says(train_with(data, mlp, &opts), HEED_INPUT,
                "row 5 of the data: value 2 of 'x' is inf", "数据第 5 行");
    hd_data_free(sound);
    hd_data_free(data);
}

// A NaN among the values to be met.
static void test_nan_target(void **state) {
    (void)state;
    static float x[8], y[4] = {1, 2, NAN, 4};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_F32, 1, {1}}, .dtype = HD_F32, .data = y}};
    hd_data *data;
    assert_ok(hd_data_memory(4, 2, columns, &data));
    const hd_train_opts opts = {.threads = 1, .loss = "mse"};
    assert_says(train_with(data, "- linear: 1\n", &opts), HEED_INPUT,
                "row 3 of the data: value 1 of 'target' is NaN",
                "数据第 3 行：“target”的第 1 个值为 NaN");
    hd_data_free(data);
}

// A rate far too high: the operator where numbers end is named, or the loss tells.
static void test_rate(void **state) {
    (void)state;
    hd_data *data = line(64);
    hd_train_opts opts = {
        .threads = 1, .loss = "mse", .optimizer = "sgd: 1000", .epochs = 20, .batch = 8};
    assert_says(train_with(data, "- linear: 1\n", &opts), HEED_INPUT,
                "the training explodes: the "
                "loss rose from",
                "训练发散：损失在");
    hd_data_free(data);
    data = rings(64, 1);
    opts = (hd_train_opts){.threads = 1, .optimizer = "sgd: 1000000", .epochs = 20, .batch = 8};
    heed_err err = train_with(data,
                              "- linear: {out: 8, name: body}\n- linear: {out: 8, name: more}\n"
                              "- linear: 2\n",
                              &opts);
    assert_says(err, HEED_INPUT, "rate 1e+06", "学习率");
    // Many layers multiply it beyond what a float holds: the operator is named, and its layer.
    err = train_with(data,
                     "- repeat: {times: 30, layers: [linear: 8], name: body}\n"
                     "- linear: {out: 2, name: head}\n",
                     &opts);
    assert_says(err, HEED_INPUT,
                "training broke down at rate 1e+06 (lower it, or set clip_norm): "
                "operator 'linear' in 'body.",
                "训练在学习率 1e+06 时崩溃（请降低学习率，或设置 clip_norm）");
    opts.clip_norm = 1;
    opts.optimizer = "sgd: .1";
    assert_ok(train_with(data, mlp, &opts));
    hd_data_free(data);
}

// log of what dropout-less layers make negative: NaN with the operator's name and its layer.
static void test_operator_named(void **state) {
    (void)state;
    static float x[8] = {1e38F, 1e38F, 1e38F, 1e38F, 1e38F, 1e38F, 1e38F, 1e38F};
    static int32_t y[4];
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = y}};
    hd_data *data;
    assert_ok(hd_data_memory(4, 2, columns, &data));
    const hd_train_opts opts = {.threads = 1};
    assert_says(train_with(data,
                           "- linear: {out: 2, name: first, init: {constant: 100}}\n"
                           "- linear: {out: 2, name: second}\n",
                           &opts),
                HEED_INPUT, "first", "first");
    assert_non_null(strstr(heed_error_message(HEED_EN), "linear"));
    assert_non_null(strstr(heed_error_message(HEED_EN), "step 1: training broke down at rate"));
    hd_data_free(data);
}

static bool never(void *ctx, const hd_progress *progress) {
    (void)ctx;
    fail_msg("step %llu was made", (unsigned long long)progress->step);
    return false;
}

// More memory than the cap is refused before the first step, with both sizes.
static void test_memory_cap(void **state) {
    (void)state;
    hd_data *data = rings(4096, 1);
    const hd_train_opts opts = {.threads = 1,
                                .memory_limit = 20 << 20,
                                .batch = 4096,
                                .report_every = 1,
                                .progress = never};
    assert_says(train_with(data, "- linear: {out: 1000, act: relu}\n- linear: 2\n", &opts),
                HEED_MEMORY,
                "MB for values and workspace, 20.0 MB are allowed: take a smaller batch",
                "而上限为 20.0 MB：请减小批量");
    hd_data_free(data);
}

static void test_limits(void **state) {
    (void)state;
    hd_train_opts opts;
    hd_data *data = rings(64, 1);
    hd_data *none;
    assert_ok(hd_data_subset(data, NULL, 0, &none));
    opts = (hd_train_opts){.threads = 1};
    assert_says(train_with(none, mlp, &opts), HEED_INPUT, "there are no samples",
                "没有可用于训练的样本");
    hd_data_free(none);
    assert_says(train_with(data, "- relu\n", &opts), HEED_INPUT, "has no weight to train",
                "没有可训练的权重");
    hd_data_free(data);
    hd_net *net;
    assert_says(hd_net_new("linear: 3", "", 1, &net), HEED_INPUT, "a network is a list of layers",
                "网络应为层的列表");
    assert_int_equal(hd_net_new("- {", "", 1, &net), HEED_INPUT);
}

static void test_other_path(void **state) {
    (void)state;
    assert_int_equal(hd_isa_choose("sse9"), HEED_INPUT);
    const char *other = hd_isa_can(HD_ISA_NEON) ? "avx2" : "neon";
    assert_int_equal(hd_isa_choose(other), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), other));
}

// What HEED_ISA forces is looked at once in a process: in one of its own, before any other test.
static void test_forced_path(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const char *other = hd_isa_can(HD_ISA_NEON) ? "avx2" : "neon";
        hd_data *data = rings(8, 1);
        const hd_train_opts opts = {.threads = 1};
        setenv("HEED_ISA", other, 1);
        heed_err err = train_with(data, mlp, &opts);
        const char *en = heed_error_message(HEED_EN), *zh = heed_error_message(HEED_ZH);
        bool told =
            strstr(en, other) && strstr(zh, other) && strstr(en, "(HEED_ISA) can't be used");
        if (!told) fprintf(stderr, "%s | %s\n", en, zh);
        hd_data_free(data);
        _exit(err == HEED_INPUT && told ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forced_path), cmocka_unit_test(test_label_row),
        cmocka_unit_test(test_nan_target),  cmocka_unit_test(test_memory_cap),
        cmocka_unit_test(test_shapes),      cmocka_unit_test(test_labels),
        cmocka_unit_test(test_targets),     cmocka_unit_test(test_nan),
        cmocka_unit_test(test_rate),        cmocka_unit_test(test_operator_named),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_other_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
