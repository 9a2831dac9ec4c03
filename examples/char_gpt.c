// SPDX-License-Identifier: Apache-2.0
//
// A language model of characters:   char_gpt TEXT [small|large] [f32|bf16]
// Trains a Transformer on nine tenths of a text file, and is judged on all of the rest. small: four
// blocks of 128 values, two minutes for a play; large: six of 384, which a kill does no harm to: it
// goes on from its last checkpoint. bf16 is faster where the processor has AMX.
#include <heed/net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 26 };
static unsigned char text[MOST];
static int32_t ids[MOST];

typedef struct size {
    size_t layers, dim, heads, length, batch, steps;
    double rate, dropout;
    const char *checkpoint;
} size;
static const size small = {4, 128, 4, 64, 12, 2000, .002, 0, NULL},
                  large = {6, 384, 6, 256, 8, 4500, .001, .2, "char_gpt.checkpoint.safetensors"};

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

static heed_err train(heed_net *net, heed_data *data, heed_data *rest, const size *z,
                      const char *precision) {
    char optimizer[128];
    heed_fit_params fit = heed_fit_default();
    snprintf(optimizer, sizeof optimizer,
             "adamw: {rate: %g, beta2: .99, weight_decay: .1, decay: matrices}", z->rate);
    fit.optimizer = optimizer;
    fit.schedule = "cosine: {floor: .03, warmup: 100}";
    fit.precision = precision;
    fit.batch = z->batch;
    fit.clip_norm = 1;
    fit.epochs = 1000;
    fit.steps = z->steps;
    fit.validation = rest;
    fit.validate_every = z->steps / 10;
    fit.checkpoint = z->checkpoint;
    fit.checkpoint_every = z->steps / 10;
    fit.resume = 1;
    fit.progress = show;
    return heed_net_fit(net, data, &fit, NULL);
}

static heed_err run(size_t n, int symbols, const size *z, const char *precision) {
    char layers[512];
    heed_net *net = NULL;
    heed_data *data = NULL, *rest = NULL;
    heed_score score;
    size_t cut = n / 10 * 9;
    snprintf(layers, sizeof layers,
             "- embedding: {count: %d, dim: %zu, init: {normal: .02}}\n- dropout: %g\n"
             "- transformer_encoder:\n"
             "    {layers: %zu, heads: %zu, causal: true, places: rotary, dropout: %g}\n"
             "- linear: %d\n",
             symbols, z->dim, z->dropout, z->layers, z->heads, z->dropout, symbols);
    heed_err err = heed_data_windows(ids, cut, z->length, 1, &data);
    if (!err) err = heed_data_windows(ids + cut, n - cut, z->length, z->length, &rest);
    if (!err) err = heed_net_new(layers, 1, &net);
    if (!err) err = train(net, data, rest, z, precision);
    if (!err) err = heed_net_save(net, "char_gpt.safetensors");
    if (!err) err = heed_net_evaluate(net, rest, NULL, NULL, &score);
    if (!err)
        printf("%zu parameters, loss on the rest %.4f\n", heed_net_parameters(net), score.loss);
    heed_net_free(net);
    heed_data_free(rest);
    heed_data_free(data);
    return err;
}

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) return fprintf(stderr, "usage: char_gpt TEXT [small|large] [f32|bf16]\n"), 2;
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    const size *z = argc > 2 && strcmp(argv[2], "large") == 0 ? &large : &small;
    heed_err err = run(n, number(n), z, argc > 3 ? argv[3] : "f32");
    if (err) fprintf(stderr, "char_gpt: %s\n", heed_error_message(HEED_EN));
    return heed_err_exit(err);
}
