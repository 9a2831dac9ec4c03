// SPDX-License-Identifier: Apache-2.0
//
// The window slides: what stands further back than the network's length is forgotten. Each token is
// a run over the whole window, which keeps no state between tokens and so serves any network.
#include "recipe/write.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "text/vocabulary.h"
#include "nn/runner.h"

size_t hd_writer_vocabulary(const hd_encoder *encoder) {
    size_t n = HD_ID_FIRST, most = hd_encoder_size(encoder);
    while (n < most && hd_encoder_token(encoder, (int32_t)n)[0]) n++;
    return n;
}

heed_err hd_writer_init(hd_writer *w, const hd_encoder *encoder, const hd_write_opts *opts) {
    int32_t *prompt;
    size_t n;
    *w = (hd_writer){.encoder = encoder,
                     .opts = *opts,
                     .size = hd_writer_vocabulary(encoder),
                     .window = hd_encoder_length(encoder)};
    HD_TRY(hd_encoder_stream(encoder, hd_slice_of(opts->prompt), &prompt, &n));
    w->ids = hd_calloc(n + opts->length + 2, sizeof *w->ids);
    w->p = hd_calloc(w->size + 1, sizeof *w->p);
    heed_err err = w->ids && w->p ? HEED_OK : HD_FAIL_MEMORY((n + opts->length) * sizeof *w->ids);
    if (err == HEED_OK && (n == 0 || w->size <= HD_ID_FIRST))
        err = HD_FAIL(HEED_INPUT, "the prompt is empty: begin with a character",
                      "开头为空：请至少给出一个字符");
    if (err == HEED_OK) memcpy(w->ids, prompt, n * sizeof *prompt);
    hd_free(prompt);
    if (err != HEED_OK) {
        hd_writer_clear(w);
        return err;
    }
    w->n = w->from = n;
    hd_writer_begin(w);
    return HEED_OK;
}

void hd_writer_clear(hd_writer *w) {
    hd_free(w->ids);
    hd_free(w->p);
    *w = (hd_writer){.encoder = NULL};
}

void hd_writer_begin(hd_writer *w) {
    w->n = w->from;
    w->rng = hd_rng_make(w->opts.seed, 0x77726974);
}

// The next token by logits. Padding and what isn't known are never written.
static int32_t draw(hd_writer *w, const float *logits) {
    double most = -INFINITY, sum = 0;
    for (size_t i = HD_ID_FIRST; i < w->size; i++) most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < w->size; i++) {
        w->p[i] = i < HD_ID_FIRST ? 0 : exp(((double)logits[i] - most) / w->opts.temperature);
        sum += w->p[i];
    }
    double at = hd_rng_uniform(&w->rng) * sum;
    for (size_t i = HD_ID_FIRST; i + 1 < w->size; i++) {
        at -= w->p[i];
        if (at < 0) return (int32_t)i;
    }
    return (int32_t)(w->size - 1);
}

static heed_err next_token(hd_writer *w, hd_program *program, int32_t *x, size_t width) {
    size_t m = w->n < w->window ? w->n : w->window;
    if (w->opts.stop && atomic_load(w->opts.stop))
        return HD_FAIL(HEED_INTERRUPTED, "the writing was stopped", "生成已中止");
    memset(x, 0, w->window * sizeof *x);
    memcpy(x, w->ids + w->n - m, m * sizeof *x);
    HD_TRY(hd_graph_run(program->graph, 0));
    w->ids[w->n] = draw(w, (const float *)program->out->data + (m - 1) * width);
    w->n++;
    return HEED_OK;
}

static bool reads_tokens(const hd_writer *w, const hd_net *net) {
    const hd_data_field *field = &net->inputs[0];
    return net->n_inputs == 1 && field->dtype == HD_I32 && hd_field_count(field) == w->window;
}

static heed_err other_network(void) {
    return HD_FAIL(HEED_CORRUPT, "the network is not one of this vocabulary and length",
                   "该网络与词表和长度不符");
}

heed_err hd_writer_net(hd_writer *w, hd_net *net) {
    const hd_program_opts opts = {.batch = 1};
    hd_program *program;
    if (!reads_tokens(w, net)) return other_network();
    int32_t *x = hd_alloc_aligned(w->window + 16, sizeof *x);
    if (!x) return HD_FAIL_MEMORY(w->window * sizeof *x);
    heed_err err = hd_program_new(net, net->inputs, 1, &opts, NULL, &program);
    if (err != HEED_OK) {
        hd_free(x);
        return err;
    }
    void *const fields[] = {x};
    size_t width = program->out->shape[program->out->n_dims - 1];
    if (width < w->size || program->out->count != w->window * width) err = other_network();
    hd_program_bind(program, 1, fields);
    for (size_t i = 0; err == HEED_OK && i < w->opts.length; i++)
        err = next_token(w, program, x, width);
    hd_program_free(program);
    hd_free(x);
    return err;
}

heed_err hd_writer_text(const hd_writer *w, hd_str *out) {
    for (size_t i = w->from; i < w->n; i++)
        hd_str_add(out, hd_encoder_token(w->encoder, w->ids[i]));
    return hd_str_check(out);
}
