// SPDX-License-Identifier: Apache-2.0
//
// A model as a run left it, read again to predict. The same preparation that made the training
// samples makes samples of the rows asked about.
//
// Threads: an open model is immutable; many threads may predict with it.
#ifndef HD_RECIPE_PREDICTOR_H
#define HD_RECIPE_PREDICTOR_H

#include "recipe/fit.h"
#include "recipe/write.h"

#define HD_MODEL_FORMAT "1"
#define HD_MODEL_NET "model.safetensors"
#define HD_MODEL_CLASSIC "model.bin"
#define HD_MODEL_PREPARATION "preparation.json"
#define HD_MODEL_MANIFEST "manifest.json"

typedef struct hd_predictor {
    const hd_input_kind *kind;
    void *fitted;
    hd_target target;
    hd_scorer scorer;
    json_t *manifest;
    json_t *missing; // texts that say nothing; NULL: the empty one alone
} hd_predictor;

// Checks all it reads: HEED_CORRUPT, HEED_VERSION.
heed_err hd_predictor_open(const char *folder, hd_predictor **out) HEED_CHECK;
void hd_predictor_close(hd_predictor *model); // NULL is fine

// Adds the rows of a file that the model is asked about: CSV, TSV or JSON lines, or an image, where
// the model takes images; a column of theirs may name files, beside this one. An image's own row
// has the file as its place, and no line.
heed_err hd_predictor_read(const hd_predictor *model, const char *path, hd_rows *rows) HEED_CHECK;

// Before rows are asked about: empties the cells that said nothing in the training files ("?",
// "NA"), and turns around what was turned around there (a series to a row).
heed_err hd_predictor_ready(const hd_predictor *model, hd_rows *rows) HEED_CHECK;

typedef struct hd_answer {
    size_t n, k;
    float *scores; // (n, k)
    size_t *row;   // (n) of the rows asked about; NULL: i
} hd_answer;
heed_err hd_predictor_run(const hd_predictor *model, const hd_rows *rows, size_t threads,
                          hd_answer *out) HEED_CHECK;
void hd_answer_clear(hd_answer *answer);
// What a model of language writes behind a prompt, appended. HEED_USAGE: it's none.
heed_err hd_predictor_write(const hd_predictor *model, const hd_write_opts *opts,
                            hd_str *out) HEED_CHECK;
// Of classes [{"class": …, "probability": …, "probabilities": {…}}, …], of values [{"value": …}] or
// [{"values": {…}}]. most: so many probabilities, largest first; 0: all.
heed_err hd_answer_json(const hd_predictor *model, const hd_answer *answer, size_t most,
                        json_t **out) HEED_CHECK;

// preparation.json: {"format", "input", "fitted", "target", "reading"?, "calibration"?,
// "missing"?}.
heed_err hd_predictor_preparation(const hd_prepared *prepared, const hd_scorer *scorer,
                                  json_t **out) HEED_CHECK;

#endif
