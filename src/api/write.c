// SPDX-License-Identifier: Apache-2.0
//
// heed model write: a model of language writes behind a prompt.
#include "api/answers.h"
#include "api/asked.h"
#include "api/list.h"
#include "api/show.h"

static double temperature_of(const hd_call *call) {
    const json_t *given = json_object_get(call->params, "temperature");
    return given ? json_number_value(given) : .8;
}

static heed_err write_with(hd_call *call, const hd_asked *a, json_t **result) {
    hd_str text;
    const hd_write_opts opts = {.prompt = hd_call_text(call, "prompt"),
                                .length = (size_t)hd_call_int(call, "length", 300),
                                .temperature = temperature_of(call),
                                .seed = (uint64_t)hd_call_int(call, "seed", 1),
                                .stop = call->stop ? &call->stop->asked : NULL};
    hd_str_init(&text);
    heed_err err = hd_predictor_write(a->model, &opts, &text);
    if (err == HEED_OK)
        err = hd_json_pack(result, "{s:s, s:s, s:s, s:s}", "model", hd_call_text(call, "model"),
                           "version", a->version, "prompt", opts.prompt, "text", hd_str_get(&text));
    hd_str_clear(&text);
    return err;
}

static heed_err write_any(hd_call *call, bool folders, json_t **result) {
    hd_asked a;
    heed_err err = hd_asked_open(call, folders, &a);
    if (err == HEED_OK) err = write_with(call, &a, result);
    hd_asked_close(call, &a);
    return err;
}

static heed_err write_run(hd_call *call, json_t **result) {
    return write_any(call, true, result);
}

static heed_err body_run(hd_call *call, json_t **result) {
    return write_any(call, false, result);
}

static heed_err write_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)lang;
    (void)width;
    hd_str_add(out, hd_json_text(result, "prompt"));
    hd_str_add(out, hd_json_text(result, "text"));
    hd_str_addc(out, '\n');
    return hd_str_check(out);
}

#define WRITE_PARAMS(most)                                                                      \
    {"prompt", HD_PARAM_TEXT, .required = true, .doc = HD_TEXT("what it begins with", "开头")}, \
        {"length", HD_PARAM_INT, .min = 1, .max = (most),                                       \
         .doc = HD_TEXT("tokens that are written (default: 300)", "生成的词元数（默认 300）")}, \
        {"temperature", HD_PARAM_FLOAT, .min = .01, .max = 10,                                  \
         .doc = HD_TEXT("below 1: more likely tokens are taken more often (default: 0.8)",      \
                        "小于 1 时更倾向可能性大的词元（默认 0.8）")},                          \
    {                                                                                           \
        "seed", HD_PARAM_INT, .max = 9007199254740991.0,                                        \
                              .doc = HD_TEXT("the same seed writes the same (default: 1)",      \
                                             "相同种子生成相同文本（默认 1）")                  \
    }

static const hd_param write_params[] = {
    {"model", HD_PARAM_TEXT, .positional = true, .required = true, .file = true,
     .doc = HD_TEXT("the model: a recipe's name, or a folder that 'heed recipe run' made",
                    "模型：配方名称，或“heed recipe run”生成的文件夹")},
    WRITE_PARAMS(100000),
};

const hd_op hd_op_model_write = {
    .name = "model write",
    .chapter = HD_CHAPTER_RECIPES,
    .only = HD_ONLY_CLI,
    .doc = HD_TEXT("let a recipe's model of language write", "让配方训练的语言模型生成文本"),
    .detail = HD_TEXT("Token after token, each drawn by what the model gives it; the model sees "
                      "as many tokens back as it was trained with.",
                      "逐个词元生成，按模型给出的概率抽取；模型能看到的前文长度与训练时相同。"),
    .examples =
        (const char *const[]){"heed model write char_lm --prompt 'ROMEO:'",
                              "heed model write char_poetry --prompt 明月 --length 60", NULL},
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_NEVER,
    .params = write_params,
    .n_params = sizeof write_params / sizeof write_params[0],
    .result_doc = "predict",
    .run = write_run,
    .text = write_text,
};

// ── A request ──

static const hd_param body_params[] = {
    {"model", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the model: a recipe's name", "模型：配方名称")},
    WRITE_PARAMS(2000),
};

const hd_op hd_op_model_write_text = {
    .name = "model write text",
    .chapter = HD_CHAPTER_RECIPES,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("let a recipe's model of language write", "让配方训练的语言模型生成文本"),
    .detail = HD_TEXT("Answers when all is written: a large model takes seconds.",
                      "全部生成后才返回：大模型需要数秒。"),
    .method = "POST",
    .path = "/api/v1/models/{model}/write",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema =
        "{\"type\":\"object\",\"properties\":{\"model\":" HD_SCHEMA_TEXT
        ",\"version\":" HD_SCHEMA_TEXT ",\"prompt\":" HD_SCHEMA_TEXT ",\"text\":" HD_SCHEMA_TEXT
        "},\"required\":[\"model\",\"version\",\"prompt\",\"text\"]}",
    .params = body_params,
    .n_params = sizeof body_params / sizeof body_params[0],
    .result_doc = "predict",
    .run = body_run,
    .text = write_text,
};
