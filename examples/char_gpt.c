// SPDX-License-Identifier: Apache-2.0
//
// A language model of characters:   char_gpt TEXT [STEPS]
// Trains a Transformer of four blocks on nine tenths of a text file, and is judged on the rest.
#include <heed/net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 64, MOST = 1 << 26 };
static unsigned char text[MOST];
static int32_t ids[MOST];

static int show(void *ctx, const heed_fit_progress *p) {
    (void)ctx;
    return fprintf(stderr, "\r%s\033[K%s", p->line, p->validated ? "\n" : "") < 0;
}

// Numbers the bytes that occur; returns how many there are.
static int number(size_t n) {
    int id[256], count = 0;
    memset(id, -1, sizeof id);
    for (size_t i = 0; i < n; i++) {
        if (id[text[i]] < 0) id[text[i]] = count++;
        ids[i] = id[text[i]];
    }
    return count;
}

static heed_err run(size_t n, int symbols, size_t steps) {
    char layers[512];
    heed_net *net = NULL;
    heed_data *train = NULL, *rest = NULL;
    heed_fit_params fit = heed_fit_default();
    heed_fit_report report;
    snprintf(layers, sizeof layers,
             "- embedding: {count: %d, dim: 128, init: {normal: .02}}\n- positions\n"
             "- transformer_encoder: {layers: 4, heads: 4, causal: true}\n- linear: %d\n",
             symbols, symbols);
    fit.optimizer = "adamw: {rate: .002, beta2: .99, weight_decay: .1, decay: matrices}";
    fit.schedule = "cosine: {floor: .1, warmup: 100}";
    fit.batch = 12;
    fit.clip_norm = 1;
    fit.steps = steps;
    fit.validate_every = steps / 4 + 1;
    fit.progress = show;
    heed_err err = heed_data_windows(ids, n / 10 * 9, LENGTH, 1, &train);
    if (!err) err = heed_data_windows(ids + n / 10 * 9, n - n / 10 * 9, LENGTH, LENGTH, &rest);
    if (!err) err = heed_net_new(layers, 1, &net);
    fit.validation = rest;
    if (!err) err = heed_net_fit(net, train, &fit, &report);
    if (!err) err = heed_net_save(net, "char_gpt.safetensors");
    heed_score score;
    if (!err) err = heed_net_evaluate(net, rest, NULL, NULL, &score);
    if (!err) printf("%zu parameters, validation loss %.4f\n", report.parameters, score.loss);
    heed_net_free(net);
    heed_data_free(rest);
    heed_data_free(train);
    return err;
}

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) return fprintf(stderr, "usage: char_gpt TEXT [STEPS]\n"), 2;
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    heed_err err = run(n, number(n), argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 2000);
    if (err) fprintf(stderr, "char_gpt: %s\n", heed_error_message(HEED_EN));
    return heed_err_exit(err);
}
