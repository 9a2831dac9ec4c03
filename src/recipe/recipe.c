// SPDX-License-Identifier: Apache-2.0
//
// Reading: the YAML becomes a tree whose keys have lines; tables of options take it apart. Kinds
// (inputs, layers, losses, classical models) read their own parts, so that a new one needs no
// change here. A change ("train.epochs=3") is a YAML value put into the tree at its path: it is
// then checked like everything else.
#include "recipe/recipe.h"

#include <ctype.h>

#include "base/fs.h"
#include "base/mem.h"
#include "classic/classifier.h"

enum { MOST_BYTES = 1 << 20 };

// ── Tables ──

typedef struct top_keys {
    const char *name, *main, *baseline, *figure, *calibrate, *scale_target;
    const json_t *title, *about, *data, *prepare, *features, *augment, *network, *train, *compare,
        *blend, *self_training, *variants, *expect, *label, *sample;
    int64_t seeds, seed;
    int task;
    bool refit;
} top_keys;

static const char *const task_words[] = {"classes", "values", "language", NULL};

#define KEY(key, kind, english, chinese)                                       \
    {                                                                          \
        .name = #key, .type = HD_OPTION_##kind, .at = offsetof(top_keys, key), \
        .doc = HD_TEXT(english, chinese)                                       \
    }
static const hd_option top_rows[] = {
    {.name = "name",
     .type = HD_OPTION_TEXT,
     .at = offsetof(top_keys, name),
     .required = true,
     .doc = HD_TEXT("name of the model: letters, digits, '_' and '-'",
                    "模型名称：字母、数字、“_”和“-”")},
    KEY(title, JSON, "title, in one language or as {en, zh}", "标题，一种语言或 {en, zh}"),
    KEY(about, JSON, "what it is about", "说明"),
    {.name = "task",
     .type = HD_OPTION_WORD,
     .at = offsetof(top_keys, task),
     .words = task_words,
     .required = true,
     .doc = HD_TEXT("what is predicted", "预测什么")},
    {.name = "data",
     .type = HD_OPTION_JSON,
     .at = offsetof(top_keys, data),
     .required = true,
     .doc = HD_TEXT("a kind of input with its files, and how rows are split",
                    "输入类型及其文件，以及如何划分")},
    KEY(prepare, JSON, "what is done to the rows before they are learned from", "数据准备"),
    KEY(features, JSON, "what classical models see, where that is another thing",
        "经典模型看到的特征（若不同）"),
    KEY(augment, JSON, "random changes of training samples", "训练样本的随机变换（增广）"),
    KEY(network, JSON, "the network's layers", "网络的各层"),
    KEY(train, JSON, "how the network is trained", "如何训练网络"),
    KEY(label, JSON, "the network's name in the report, as {en, zh}",
        "网络在报告中的名称 {en, zh}"),
    KEY(calibrate, TEXT, "temperature, platt or isotonic: fitted on the validation rows",
        "temperature、platt 或 isotonic：在验证集上拟合"),
    KEY(compare, JSON, "classical models in the same leaderboard", "同一排行榜中的经典模型"),
    KEY(blend, JSON, "models whose predictions are averaged into one more, 'blend'",
        "把哪些模型的预测加权平均成另一个模型 blend"),
    KEY(self_training, JSON,
        "models that learn from unlabelled rows, too, with the classes that another one gives them",
        "哪些模型还从未标注的行学习（类别由另一个模型给出）"),
    KEY(variants, JSON, "other networks in the same leaderboard", "同一排行榜中的其他网络"),
    KEY(main, TEXT,
        "the model that is registered: network, a variant, a classical one, blend, or best",
        "注册哪个模型：network、某个变体、某个经典模型、blend，或 best"),
    KEY(baseline, TEXT, "the model that the others are compared with, row by row",
        "其他模型逐行与之比较的模型"),
    KEY(figure, TEXT,
        "what models are compared and chosen by: log_loss, auc, …; else accuracy, of values mse",
        "按哪个指标比较和挑选模型：log_loss、auc 等；缺省为 accuracy，数值任务为 mse"),
    KEY(expect, JSON, "what must hold: {parameters: 43}", "必须成立的：{parameters: 43}"),
    KEY(scale_target, TEXT, "of values: none (default) or standard",
        "数值目标：none（默认）或 standard"),
    KEY(refit, BOOL, "when everything is chosen, train on the validation rows too",
        "选定之后，连同验证行一起重新训练"),
    KEY(sample, JSON, "of language: what is written after training", "语言任务：训练后生成什么"),
    {.name = "seeds",
     .type = HD_OPTION_INT,
     .at = offsetof(top_keys, seeds),
     .initial = 1,
     .min = 1,
     .max = 100,
     .doc = HD_TEXT("how often networks are trained, each time from another seed",
                    "以不同随机种子训练网络的次数")},
    {.name = "seed",
     .type = HD_OPTION_INT,
     .at = offsetof(top_keys, seed),
     .initial = 1,
     .max = 9e15,
     .doc = HD_TEXT("of everything random", "随机数种子")},
    {.name = NULL}};

static const char *const by_words[] = {"auto",  "random",    "stratified", "order",
                                       "group", "contained", "alike",      NULL};

static const hd_option split_rows[] = {
    {.name = "validation",
     .type = HD_OPTION_REAL,
     .at = offsetof(hd_recipe_split, validation),
     .initial = .2,
     .max = .9,
     .doc = HD_TEXT("share of the training rows", "训练行中的比例")},
    {.name = "test",
     .type = HD_OPTION_REAL,
     .at = offsetof(hd_recipe_split, test),
     .initial = .2,
     .max = .9,
     .doc = HD_TEXT("share of all rows, where no test file is named", "无测试文件时所占比例")},
    {.name = "by",
     .type = HD_OPTION_WORD,
     .at = offsetof(hd_recipe_split, by),
     .words = by_words,
     .doc = HD_TEXT("auto: stratified for classes, in order for moments, else random",
                    "auto：分类按类别比例，时间序列按顺序，否则随机")},
    {.name = "seed",
     .type = HD_OPTION_INT,
     .at = offsetof(hd_recipe_split, seed),
     .initial = 1,
     .max = 9e15,
     .doc = HD_TEXT("of the split alone", "仅用于划分的种子")},
    {.name = "folds",
     .type = HD_OPTION_INT,
     .at = offsetof(hd_recipe_split, folds),
     .max = 50,
     .doc = HD_TEXT("cross-validation: each row is a test row once", "交叉验证折数")},
    {.name = "group",
     .type = HD_OPTION_TEXT,
     .at = offsetof(hd_recipe_split, group),
     .doc = HD_TEXT("column: rows with the same value stay together", "同组的行不分开")},
    {.name = NULL}};

static const char *const precision_words[] = {"f32", "bf16", NULL};

#define TRAIN(key, kind, most, english, chinese)                                      \
    {                                                                                 \
        .name = #key, .type = HD_OPTION_##kind, .at = offsetof(hd_recipe_train, key), \
        .max = (most), .doc = HD_TEXT(english, chinese)                               \
    }
static const hd_option train_rows[] = {
    TRAIN(loss, JSON, 0, "by the task: cross_entropy or mse", "缺省按任务：cross_entropy 或 mse"),
    TRAIN(optimizer, JSON, 0, "adam", "优化器"),
    TRAIN(schedule, JSON, 0, "of the rate", "学习率安排"),
    TRAIN(batch_schedule, JSON, 0, "of the batch's size", "批大小的安排"),
    TRAIN(metrics, JSON, 0, "by the task: accuracy", "缺省按任务：accuracy"),
    TRAIN(monitor, TEXT, 0, "what the best weights are chosen by: loss or a metric",
          "选择最佳权重的依据：loss 或某个指标"),
    TRAIN(epochs, INT, 1e9, "walks through the training rows", "遍历训练数据的轮数"),
    TRAIN(steps, INT, 1e15, "an end before that; 0: none", "在此步数结束；0 为不限"),
    {.name = "batch",
     .type = HD_OPTION_INT,
     .at = offsetof(hd_recipe_train, batch),
     .initial = 32,
     .max = 1e9,
     .doc = HD_TEXT("samples to a step; 0: all", "每步样本数；0 为全部")},
    TRAIN(accumulate, INT, 1e6, "batches to a step", "每步累积的批数"),
    TRAIN(validate_every, INT, 1e15, "steps; 0: at the end of each epoch",
          "每隔多少步验证；0 为每轮"),
    TRAIN(patience, INT, 1e9, "validations without a better one before it ends; 0: no end",
          "多少次验证未改善即停止；0 为不停"),
    TRAIN(clip_norm, REAL, 1e30, "largest norm of a step's gradients; 0: any",
          "梯度范数上限；0 为不限"),
    TRAIN(clip_value, REAL, 1e30, "largest gradient; 0: any", "梯度值上限；0 为不限"),
    {.name = "average",
     .type = HD_OPTION_REAL,
     .at = offsetof(hd_recipe_train, average),
     .max = .999999,
     .doc = HD_TEXT("part of a running average of the weights kept at each step; 0: none",
                    "权重滑动平均的保留比例；0 为不用")},
    TRAIN(restore_best, BOOL, 0, "ends with the best weights seen", "结束时恢复最佳权重"),
    TRAIN(freeze, JSON, 0, "weights that aren't trained, by pattern", "不训练的权重（按模式）"),
    TRAIN(start, TEXT, 0, "a saved network to begin from", "从某个已保存的网络开始"),
    {.name = "members",
     .type = HD_OPTION_INT,
     .at = offsetof(hd_recipe_train, members),
     .initial = 1,
     .min = 1,
     .max = HD_RECIPE_MODELS,
     .doc = HD_TEXT("trained so often, each time from another seed, and averaged",
                    "以不同种子训练几次并取平均")},
    {.name = "precision",
     .type = HD_OPTION_WORD,
     .at = offsetof(hd_recipe_train, precision),
     .words = precision_words,
     .doc = HD_TEXT("of products in training", "训练时乘法的精度")},
    {.name = NULL}};

typedef struct variant_keys {
    const json_t *network, *train, *label, *augment;
} variant_keys;
static const hd_option variant_rows[] = {
    {.name = "network",
     .type = HD_OPTION_JSON,
     .at = offsetof(variant_keys, network),
     .required = true,
     .doc = HD_TEXT("its layers", "其各层")},
    {.name = "train",
     .type = HD_OPTION_JSON,
     .at = offsetof(variant_keys, train),
     .doc = HD_TEXT("what is trained otherwise than the network", "与主网络不同的训练设置")},
    {.name = "label",
     .type = HD_OPTION_JSON,
     .at = offsetof(variant_keys, label),
     .doc = HD_TEXT("its name in the report, as {en, zh}", "在报告中的名称 {en, zh}")},
    {.name = "augment",
     .type = HD_OPTION_JSON,
     .at = offsetof(variant_keys, augment),
     .doc = HD_TEXT("in place of the recipe's; [] for none", "代替配方的增广；[] 为不用")},
    {.name = NULL}};

typedef struct expect_keys {
    int64_t parameters;
} expect_keys;
static const hd_option expect_rows[] = {{.name = "parameters",
                                         .type = HD_OPTION_INT,
                                         .at = offsetof(expect_keys, parameters),
                                         .initial = -1,
                                         .max = 1e15,
                                         .doc = HD_TEXT("of the network", "网络的参数个数")},
                                        {.name = NULL}};

typedef struct self_training_keys {
    const char *teacher;
    const json_t *students;
    double share;
} self_training_keys;
static const hd_option self_training_rows[] = {
    {.name = "teacher",
     .type = HD_OPTION_TEXT,
     .at = offsetof(self_training_keys, teacher),
     .required = true,
     .doc = HD_TEXT("the classical model whose classes they take", "由哪个经典模型给出类别")},
    {.name = "students",
     .type = HD_OPTION_JSON,
     .at = offsetof(self_training_keys, students),
     .required = true,
     .doc = HD_TEXT("models that learn from them", "从中学习的模型")},
    {.name = "share",
     .type = HD_OPTION_REAL,
     .at = offsetof(self_training_keys, share),
     .initial = .5,
     .max = 1,
     .doc = HD_TEXT("of the unlabelled rows, the surest ones", "取最有把握的多大比例")},
    {.name = NULL}};

// ── Small checks ──

static bool plain_name(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > 64) return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-') return false;
    }
    return true;
}

static heed_err check_name(const hd_recipe *r, const char *path, const char *name) {
    if (plain_name(name)) return HEED_OK;
    hd_where where = hd_where_of(&r->spec, path);
    hd_where_words place = hd_where_text(&where);
    return HD_FAIL(HEED_INPUT, "%s: a name is up to 64 letters, digits, '_' and '-', not '%s'",
                   "%s：名称应为不超过 64 个的字母、数字、“_”和“-”，而不是“%s”", place.text, name);
}

static heed_err check_words(const hd_recipe *r, const char *path, const json_t *value) {
    bool fine = !value || json_is_string(value);
    const json_t *en = json_object_get(value, "en"), *zh = json_object_get(value, "zh");
    if (json_is_object(value)) {
        fine = json_object_size(value) == (size_t)(en != NULL) + (zh != NULL) &&
               (!en || json_is_string(en)) && (!zh || json_is_string(zh));
    }
    if (fine) return HEED_OK;
    hd_where where = hd_where_of(&r->spec, path);
    hd_where_words place = hd_where_text(&where);
    return HD_FAIL(HEED_INPUT, "%s: must be a text, or {en: …, zh: …}",
                   "%s：应为文本，或 {en: …, zh: …}", place.text);
}

const char *hd_recipe_words(const json_t *value, heed_lang lang) {
    const char *text = json_string_value(value);
    if (text) return text;
    text = json_string_value(json_object_get(value, lang == HEED_ZH ? "zh" : "en"));
    if (!text) text = json_string_value(json_object_get(value, lang == HEED_ZH ? "en" : "zh"));
    return text ? text : "";
}

// ── Data ──

static bool is_split_key(const char *key) {
    return strcmp(key, "split") == 0;
}

// `data:` is one input kind, and `split:` beside it.
static heed_err read_data(hd_recipe *r, const json_t *data) {
    hd_where where = hd_where_of(&r->spec, "data"), split = hd_where_key(&where, "split");
    json_t *input = json_object(), *value;
    const char *key;
    heed_err err = input ? HEED_OK : HD_FAIL_MEMORY(0);
    json_object_foreach((json_t *)(uintptr_t)data, key, value) {
        if (err == HEED_OK && !is_split_key(key)) err = hd_json_set(input, key, json_incref(value));
    }
    if (err == HEED_OK) {
        if (json_object_size(input) == 1) {
            err = hd_spec_read(&hd_input_kinds, input, &where, &r->arena, &r->input);
        } else {
            hd_where_words place = hd_where_text(&where);
            err =
                HD_FAIL(HEED_INPUT, "%s: names one kind of input (table: …), and split: beside it",
                        "%s：应指明一种输入类型（table: …），旁边可有 split:", place.text);
        }
    }
    json_decref(input);
    HD_TRY(err);
    return hd_options_read(split_rows, json_object_get(data, "split"), &split, &r->split);
}

// ── Networks ──

static heed_err read_train(hd_recipe *r, const json_t *value, const char *path,
                           hd_recipe_train *out) {
    hd_where where = hd_where_of(&r->spec, path);
    if (value && !json_is_object(value)) {
        hd_where_words place = hd_where_text(&where);
        return HD_FAIL(HEED_INPUT, "%s: must be keys with values: 'epochs: 10'",
                       "%s：应为键和值：“epochs: 10”", place.text);
    }
    HD_TRY(hd_options_read(train_rows, value, &where, out));
    out->where = where;
    if (out->members == 1 || r->task != HD_RECIPE_LANGUAGE) return HEED_OK;
    where = hd_where_key(&where, "members");
    return HD_FAIL(HEED_INPUT, "%s: a model of language is one network: members: 1",
                   "%s：语言模型只能是一个网络：members: 1", hd_where_text(&where).text);
}

// A variant's `train:` says what is otherwise: the rest is the recipe's.
static heed_err read_variant(hd_recipe *r, const char *name, const json_t *value,
                             const top_keys *top) {
    char path[HD_WHERE_MAX];
    variant_keys keys;
    hd_recipe_network *network = &r->networks[r->n_networks];
    hd_snprintf(path, sizeof path, "variants.%s", name);
    HD_TRY(check_name(r, path, name));
    hd_where where = hd_where_of(&r->spec, path);
    if (!json_is_object(value)) {
        hd_where_words place = hd_where_text(&where);
        return HD_FAIL(HEED_INPUT, "%s: a variant has 'network:', and 'train:' where it differs",
                       "%s：变体应有“network:”，训练不同处写“train:”", place.text);
    }
    HD_TRY(hd_options_read(variant_rows, value, &where, &keys));
    HD_TRY(check_words(r, path, keys.label));
    json_t *train = top->train ? json_copy((json_t *)(uintptr_t)top->train) : json_object();
    if (!train) return HD_FAIL_MEMORY(0);
    if (json_is_object(keys.train)) {
        if (json_object_update(train, (json_t *)(uintptr_t)keys.train)) {
            json_decref(train);
            return HD_FAIL_MEMORY(0);
        }
    }
    // Kept in the tree, so that what is borrowed from it lives as long as the recipe.
    HD_TRY(hd_json_set((json_t *)(uintptr_t)value, "train", train));
    hd_snprintf(path, sizeof path, "variants.%s.train", name);
    HD_TRY(read_train(r, train, path, &network->train));
    network->name = name;
    network->label = keys.label;
    network->layers = keys.network;
    network->layers_where = hd_where_key(&where, "network");
    network->augment = keys.augment ? keys.augment : top->augment;
    network->augment_where =
        keys.augment ? hd_where_key(&where, "augment") : hd_where_of(&r->spec, "augment");
    r->n_networks++;
    return HEED_OK;
}

static heed_err read_networks(hd_recipe *r, const top_keys *top) {
    const char *name;
    json_t *value;
    if (top->network) {
        hd_recipe_network *network = &r->networks[r->n_networks++];
        network->name = "network";
        network->label = top->label;
        network->layers = top->network;
        network->layers_where = hd_where_of(&r->spec, "network");
        network->augment = top->augment;
        network->augment_where = hd_where_of(&r->spec, "augment");
        HD_TRY(check_words(r, "label", top->label));
        HD_TRY(read_train(r, top->train, "train", &network->train));
    }
    json_object_foreach((json_t *)(uintptr_t)top->variants, name, value) {
        if (r->n_networks == HD_RECIPE_MODELS) {
            return HD_FAIL(HEED_INPUT, "more than %d networks", "超过 %d 个网络", HD_RECIPE_MODELS);
        }
        HD_TRY(read_variant(r, name, value, top));
    }
    return HEED_OK;
}

// ── Classical models ──

// `svm`, `{svm: {C: 1}}`, or under a name of its own `{ratios: {svm: {C: 1, ratios: .1}}}`.
static heed_err read_classic(hd_recipe *r, const json_t *item, const hd_where *where) {
    const char *name = json_string_value(item), *kind;
    hd_recipe_classic *out = &r->classics[r->n_classics];
    hd_where_words place = hd_where_text(where);
    if (!name && json_object_size(item) == 1)
        name = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)item));
    if (!name) {
        return HD_FAIL(HEED_INPUT, "%s: a model is its name, or its name with options",
                       "%s：模型应为名称，或名称加选项", place.text);
    }
    *out = (hd_recipe_classic){name, item, *where};
    const json_t *value = json_object_get(item, name);
    if (hd_spec_find(&hd_classic_kinds, name) || json_object_size(value) != 1) return HEED_OK;
    kind = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value));
    if (!hd_spec_find(&hd_classic_kinds, kind)) return HEED_OK;
    *out = (hd_recipe_classic){name, value, hd_where_key(where, name)};
    return check_name(r, out->where.path, name);
}

static heed_err read_compare(hd_recipe *r, const json_t *list) {
    hd_where where = hd_where_of(&r->spec, "compare");
    hd_where_words place = hd_where_text(&where);
    if (list && !json_is_array(list)) {
        return HD_FAIL(HEED_INPUT, "%s: must be a list: [majority, logistic]",
                       "%s：应为列表：[majority, logistic]", place.text);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        hd_where at = hd_where_at(&where, i);
        place = hd_where_text(&at);
        if (r->n_classics == HD_RECIPE_MODELS) {
            return HD_FAIL(HEED_INPUT, "%s: more than %d models", "%s：超过 %d 个模型", place.text,
                           HD_RECIPE_MODELS);
        }
        HD_TRY(read_classic(r, json_array_get(list, i), &at));
        const char *name = r->classics[r->n_classics].name;
        for (size_t c = 0; c < r->n_classics; c++) {
            if (strcmp(r->classics[c].name, name) == 0) {
                return HD_FAIL(HEED_INPUT, "%s: '%s' stands there twice", "%s：“%s”出现了两次",
                               place.text, name);
            }
        }
        r->n_classics++;
    }
    return HEED_OK;
}

typedef struct model_walk {
    const hd_recipe *r;
    const char *const *more; // (n_more)
    size_t n_more, next;
} model_walk;

static const char *next_model(void *ctx) {
    model_walk *walk = ctx;
    size_t i = walk->next++;
    if (i < walk->r->n_networks) return walk->r->networks[i].name;
    i -= walk->r->n_networks;
    if (i < walk->r->n_classics) return walk->r->classics[i].name;
    if (i - walk->r->n_classics >= walk->n_more) return NULL;
    return walk->more[i - walk->r->n_classics];
}

// Whether a name is one of the recipe's models, or of a few more words.
static heed_err need_model(const hd_recipe *r, const char *name, const char *const *more,
                           size_t n_more, const hd_where *where) {
    model_walk walk = {.r = r, .more = more, .n_more = n_more};
    for (const char *one; (one = next_model(&walk));) {
        if (strcmp(one, name) == 0) return HEED_OK;
    }
    walk.next = 0;
    const char *near = hd_nearest(name, next_model, &walk);
    hd_where_words place = hd_where_text(where);
    return HD_FAIL(HEED_INPUT, "%s: the recipe has no model '%s'%s%s%s",
                   "%s：配方中没有模型“%s”%s%s%s", place.text, name, near ? " (" : "",
                   near ? near : "", near ? "?)" : "");
}

// ── The blend ──

static heed_err add_to_blend(hd_recipe *r, const json_t *item, const hd_where *where) {
    const char *name = json_string_value(item);
    hd_where_words place = hd_where_text(where);
    if (!name) {
        return HD_FAIL(HEED_INPUT, "%s: must be the name of a model", "%s：应为模型名称",
                       place.text);
    }
    HD_TRY(need_model(r, name, NULL, 0, where));
    for (size_t i = 0; i < r->blend.n; i++) {
        if (strcmp(r->blend.names[i], name) == 0) {
            return HD_FAIL(HEED_INPUT, "%s: '%s' stands there twice", "%s：“%s”出现了两次",
                           place.text, name);
        }
    }
    r->blend.names[r->blend.n++] = name;
    return HEED_OK;
}

static heed_err read_blend(hd_recipe *r, const json_t *list) {
    hd_where where = r->blend.where = hd_where_of(&r->spec, HD_BLEND_NAME);
    hd_where_words place = hd_where_text(&where);
    size_t n = json_array_size(list);
    if (!list) return HEED_OK;
    if (n < 2 || n > HD_RECIPE_MODELS || r->task == HD_RECIPE_LANGUAGE) {
        return HD_FAIL(HEED_INPUT,
                       "%s: must be a list of two or more models of classes or of values: "
                       "[network, svm]",
                       "%s：应为两个或更多分类或数值模型的列表：[network, svm]", place.text);
    }
    if (need_model(r, HD_BLEND_NAME, NULL, 0, &where) == HEED_OK) {
        return HD_FAIL(HEED_INPUT, "%s: another model has this name; rename it",
                       "%s：另一个模型已用此名称；请改名", place.text);
    }
    for (size_t i = 0; i < n; i++) {
        hd_where at = hd_where_at(&where, i);
        HD_TRY(add_to_blend(r, json_array_get(list, i), &at));
    }
    return HEED_OK;
}

// ── Self-training ──

static bool is_classic(const hd_recipe *r, const char *name) {
    for (size_t i = 0; i < r->n_classics; i++)
        if (strcmp(r->classics[i].name, name) == 0) return true;
    return false;
}

static heed_err read_students(hd_recipe *r, const json_t *list, const hd_where *where) {
    hd_recipe_self_training *s = &r->self_training;
    hd_where_words place = hd_where_text(where);
    size_t n = json_array_size(list);
    if (n == 0 || n > HD_RECIPE_MODELS) {
        return HD_FAIL(HEED_INPUT, "%s: must be a list of models: [network, svm]",
                       "%s：应为模型名称的列表：[network, svm]", place.text);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        hd_where at = hd_where_at(where, i);
        HD_TRY(need_model(r, name ? name : "", NULL, 0, &at));
        if (strcmp(name, s->teacher) == 0) {
            place = hd_where_text(&at);
            return HD_FAIL(HEED_INPUT,
                           "%s: '%s' is the teacher; let it stand in 'compare' under another name, "
                           "too: {student: {%s: {}}}",
                           "%s：“%s”是教师；请在 compare 中以另一名称再列一次：{student: {%s: {}}}",
                           place.text, name, name);
        }
        s->students[s->n++] = name;
    }
    return HEED_OK;
}

// Rows must be read from files, each a sample of its own with one class.
static heed_err check_self_training(const hd_recipe *r, const hd_where *where) {
    const hd_input_kind *kind = hd_recipe_input(r);
    const hd_input_common *common = r->input.common;
    if (r->task != HD_RECIPE_CLASSES || kind->open || kind->ordered) {
        return HD_FAIL(HEED_INPUT, "%s: is of classes, and of input 'table' or 'text'",
                       "%s：仅用于分类任务，输入为 table 或 text", hd_where_text(where).text);
    }
    if (common->unlabelled) return HEED_OK;
    hd_where at = hd_where_key(&r->input.where, "unlabelled");
    return HD_FAIL(HEED_INPUT, "%s: self_training wants a file of rows without labels",
                   "%s：self_training 需要没有标签的数据文件", hd_where_text(&at).text);
}

static heed_err read_self_training(hd_recipe *r, const json_t *value) {
    self_training_keys keys;
    hd_where where = hd_where_of(&r->spec, "self_training");
    if (!value) return HEED_OK;
    HD_TRY(hd_options_read(self_training_rows, value, &where, &keys));
    HD_TRY(check_self_training(r, &where));
    hd_where at = hd_where_key(&where, "teacher");
    HD_TRY(need_model(r, keys.teacher, NULL, 0, &at));
    if (!is_classic(r, keys.teacher)) {
        return HD_FAIL(HEED_INPUT, "%s: '%s' is a network; a classical model teaches",
                       "%s：“%s”是网络；教师应为经典模型", hd_where_text(&at).text, keys.teacher);
    }
    r->self_training = (hd_recipe_self_training){.teacher = keys.teacher, .share = keys.share};
    at = hd_where_key(&where, "students");
    return read_students(r, keys.students, &at);
}

// Of language the validation rows may be what is judged by.
static heed_err check_refit(const hd_recipe *r) {
    hd_where where = hd_where_of(&r->spec, "refit");
    if (!r->refit || r->task != HD_RECIPE_LANGUAGE) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "%s: is of classes and of values", "%s：仅用于分类和数值任务",
                   hd_where_text(&where).text);
}

static heed_err check_main(hd_recipe *r) {
    static const char *const words[] = {"best", HD_BLEND_NAME};
    hd_where where = hd_where_of(&r->spec, "main");
    if (!r->main) r->main = r->n_networks > 0 ? r->networks[0].name : "best";
    HD_TRY(need_model(r, r->main, words, r->blend.n > 0 ? 2 : 1, &where));
    where = hd_where_of(&r->spec, "baseline");
    return r->baseline ? need_model(r, r->baseline, NULL, 0, &where) : HEED_OK;
}

// ── What models are judged by ──

const char *const *hd_recipe_figures(hd_recipe_task task, size_t *n) {
    static const char *const classes[] = {"accuracy", "balanced_accuracy", "f1_macro", "auc",
                                          "log_loss"};
    static const char *const values[] = {"mse", "mae", "rmse", "r2"};
    bool of_classes = task == HD_RECIPE_CLASSES;
    *n = of_classes ? sizeof classes / sizeof classes[0] : sizeof values / sizeof values[0];
    return of_classes ? classes : values;
}

static heed_err bad_figure(const hd_recipe *r, const char *given) {
    size_t n;
    hd_str list;
    const char *const *names = hd_recipe_figures(r->task, &n);
    hd_where where = hd_where_of(&r->spec, "figure");
    hd_str_init(&list);
    for (size_t i = 0; i < n; i++) hd_str_addf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    heed_err err = HD_FAIL(HEED_INPUT, "%s: models are judged by one of %s, not '%s'",
                           "%s：指标应为 %s 之一，而不是“%s”", hd_where_text(&where).text,
                           hd_str_get(&list), given);
    hd_str_clear(&list);
    return err;
}

// The first of a task's figures is what models are judged by when nothing is said.
static heed_err read_figure(hd_recipe *r, const char *given) {
    size_t n;
    const char *const *names = hd_recipe_figures(r->task, &n);
    hd_where where = hd_where_of(&r->spec, "figure");
    if (!given) return HEED_OK;
    if (r->task == HD_RECIPE_LANGUAGE) {
        return HD_FAIL(HEED_INPUT, "%s: is of classes and of values", "%s：仅用于分类和数值任务",
                       hd_where_text(&where).text);
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], given) != 0) continue;
        if (i > 0) r->figure = names[i];
        return HEED_OK;
    }
    return bad_figure(r, given);
}

// ── The whole ──

static heed_err read_root(hd_recipe *r) {
    top_keys top;
    expect_keys expect;
    hd_where root = hd_where_of(&r->spec, ""), at = hd_where_of(&r->spec, "expect");
    HD_TRY(hd_options_read(top_rows, r->spec.root, &root, &top));
    HD_TRY(check_name(r, "name", top.name));
    HD_TRY(check_words(r, "title", top.title));
    HD_TRY(check_words(r, "about", top.about));
    HD_TRY(hd_options_read(expect_rows, top.expect, &at, &expect));
    r->name = top.name;
    r->title = top.title;
    r->about = top.about;
    r->task = (hd_recipe_task)top.task;
    r->prepare = top.prepare;
    r->features = top.features;
    r->calibrate = top.calibrate && strcmp(top.calibrate, "none") != 0 ? top.calibrate : NULL;
    r->scale_target = top.scale_target;
    r->main = top.main;
    r->baseline = top.baseline;
    r->parameters = expect.parameters;
    r->seeds = top.seeds;
    r->seed = top.seed;
    r->refit = top.refit;
    r->sample = top.sample;
    r->sample_where = hd_where_of(&r->spec, "sample");
    HD_TRY(read_figure(r, top.figure));
    HD_TRY(read_data(r, top.data));
    HD_TRY(read_networks(r, &top));
    HD_TRY(read_compare(r, top.compare));
    if (r->n_networks + r->n_classics == 0) {
        return HD_FAIL(HEED_INPUT, "%s: there is nothing to train: add 'network:' or 'compare:'",
                       "%s：没有要训练的模型：请加入“network:”或“compare:”", r->spec.name);
    }
    HD_TRY(read_blend(r, top.blend));
    HD_TRY(read_self_training(r, top.self_training));
    HD_TRY(check_refit(r));
    return check_main(r);
}

// The place of an item in a list, by its number from 0.
static heed_err list_place(const json_t *list, const char *word, const char *change, size_t *out) {
    int64_t at;
    const bool number = hd_slice_i64(hd_slice_of(word), &at) && at >= 0;
    *out = number ? (size_t)at : 0;
    if (number && (size_t)at < json_array_size(list)) return HEED_OK;
    return HD_FAIL(
        HEED_USAGE,
        "'%s': '%s' stands in a list of %zu: name an item by its number, from 0, or set "
        "the whole list: key=[…]",
        "“%s”：“%s”处是有 %zu 项的列表：请用从 0 起的序号指明某项，或设置整个列表：键=[…]", change,
        word, json_array_size(list));
}

// What stands at a word; a mapping is made where there is none.
static heed_err step_into(json_t *at, const char *word, const char *change, json_t **out) {
    if (json_is_array(at)) {
        size_t place;
        HD_TRY(list_place(at, word, change, &place));
        *out = json_array_get(at, place);
        if (json_is_object(*out) || json_is_array(*out)) return HEED_OK;
        HD_TRY(json_array_set_new(at, place, json_object()) == 0 ? HEED_OK : HD_FAIL_MEMORY(0));
        *out = json_array_get(at, place);
        return HEED_OK;
    }
    *out = json_object_get(at, word);
    if (json_is_object(*out) || json_is_array(*out)) return HEED_OK;
    HD_TRY(hd_json_set(at, word, json_object()));
    *out = json_object_get(at, word);
    return HEED_OK;
}

static heed_err put_value(json_t *at, const char *word, const char *change, const json_t *value) {
    json_t *own = json_incref((json_t *)(uintptr_t)value);
    size_t place;
    if (!json_is_array(at)) return hd_json_set(at, word, own);
    heed_err err = list_place(at, word, change, &place);
    if (err != HEED_OK) {
        json_decref(own);
        return err;
    }
    return json_array_set_new(at, place, own) == 0 ? HEED_OK : HD_FAIL_MEMORY(0);
}

// Puts a value at a path, making the mappings on the way.
static heed_err put_change(json_t *root, const char *change) {
    const char *equals = strchr(change, '=');
    hd_spec value;
    if (!equals || equals == change) {
        return HD_FAIL(HEED_USAGE, "a change is written key=value: train.epochs=3, not '%s'",
                       "改动应写作 键=值：train.epochs=3，而不是“%s”", change);
    }
    json_t *at = root;
    const char *key = change;
    char word[128];
    for (;;) {
        size_t n = 0;
        while (key + n < equals && key[n] != '.') n++;
        hd_snprintf(word, sizeof word, "%.*s", (int)n, key);
        key += n;
        if (key == equals) break;
        key++;
        HD_TRY(step_into(at, word, change, &at));
    }
    HD_TRY(hd_spec_parse(equals + 1, "value", change, &value));
    heed_err err = put_value(at, word, change, hd_spec_get(&value, "value"));
    hd_spec_clear(&value);
    return err;
}

heed_err hd_recipe_read(const char *text, size_t n, const char *name, const char *const *changes,
                        size_t n_changes, hd_recipe **out) {
    hd_yaml yaml = {.root = NULL};
    HD_TRY(hd_yaml_parse(text, n, name, &yaml));
    hd_recipe *r = hd_calloc(1, sizeof *r);
    if (!r) {
        hd_yaml_clear(&yaml);
        return HD_FAIL_MEMORY(sizeof *r);
    }
    hd_arena_init(&r->arena);
    r->spec.root = yaml.root;
    r->spec.lines = yaml.lines;
    hd_snprintf(r->spec.name, sizeof r->spec.name, "%s", name);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n_changes; i++) {
        err = put_change(r->spec.root, changes[i]);
    }
    if (err == HEED_OK) err = read_root(r);
    if (err != HEED_OK) {
        hd_recipe_free(r);
        return err;
    }
    *out = r;
    return HEED_OK;
}

heed_err hd_recipe_open(const char *path, const char *const *changes, size_t n_changes,
                        hd_recipe **out) {
    hd_str text;
    hd_recipe *r = NULL;
    const char *slash = strrchr(path, '/');
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, MOST_BYTES, &text);
    if (err == HEED_OK) {
        err = hd_recipe_read(hd_str_get(&text), text.len, slash ? slash + 1 : path, changes,
                             n_changes, &r);
    }
    hd_str_clear(&text);
    HD_TRY(err);
    r->folder = slash ? hd_arena_strndup(&r->arena, path, slash > path ? (size_t)(slash - path) : 1)
                      : hd_arena_strdup(&r->arena, ".");
    if (!r->folder) {
        hd_recipe_free(r);
        return HD_FAIL_MEMORY(0);
    }
    *out = r;
    return HEED_OK;
}

void hd_recipe_free(hd_recipe *r) {
    if (!r) return;
    hd_spec_clear(&r->spec);
    hd_arena_clear(&r->arena);
    hd_free(r);
}

const json_t *hd_recipe_json(const hd_recipe *r) {
    return r->spec.root;
}
