// SPDX-License-Identifier: Apache-2.0
//
// A report as one HTML file: both languages (a switch at the top, no script), drawings inline, no
// request to anywhere, light and dark by the reader's choice, legible on paper (A4).
//
// The report is JSON, as recipe/ writes it; whatever is missing is left out:
//
//   {heed, recipe, title{en, zh}, lang, created, task, seed, main,
//    data{files[{name, rows, hash}], rows{train, validation, test}, classes[], features,
//         notes[{en, zh}]},
//    models[{name, kind, label{en, zh}, parameters, bytes, memory_bytes, fit_seconds,
//            predict_ms_per_1000, settings{}, evaluation{measure/evaluation.h},
//            seeds{n, <figure>{mean, sd, each[]}}, versus{baseline, metric, difference, low, high,
//            p}, error{en, zh}}],
//    curves{<model>{steps[], train_loss[], validation_loss[], rate[], metrics{<name>[]}}},
//    gradients{<layer>[]}, diagnosis[{level, what{en, zh}, why{en, zh}, try{en, zh}}],
//    worst[{row, truth, predicted, score, text | fields{} | image}],
//    forecast[{name, times[], history[], truth[], predicted[]}],
//    samples[{model, prompt, text}]}
//
// All texts are escaped; images are taken as data URIs of PNG or JPEG alone.
#ifndef HD_MEASURE_PAGE_H
#define HD_MEASURE_PAGE_H

#include "base/json.h"

heed_err hd_report_html(const json_t *report, hd_str *out) HEED_CHECK;

#endif
