// SPDX-License-Identifier: Apache-2.0
//
// Choosing, of include/heed/net.h.
#include <string.h>

#include "base/mem.h"
#include "nn/public.h"
#include "nn/search.h"

static heed_err cross(const char *layers, uint64_t seed, hd_data *data, size_t k,
                      const heed_fit_params *params, hd_evaluation *each, hd_cross_report *report) {
    hd_train_opts opts;
    int32_t *labels;
    HD_TRY(hd_public_opts(params, &opts));
    HD_TRY(hd_data_labels(data, &labels));
    heed_err err = hd_cross_validate(layers, seed, data, labels, k, &opts, each, report);
    hd_free(labels);
    return err;
}

heed_err heed_net_cross_validate(const char *layers, uint64_t seed, heed_data *data, size_t k,
                                 const heed_fit_params *params, heed_score *scores,
                                 heed_cross_report *report) {
    hd_cross_report r;
    HD_TRY(hd_mem_adopt_libraries());
    hd_evaluation *each = hd_calloc(k + 1, sizeof *each);
    if (!each) return HD_FAIL_MEMORY(k * sizeof *each);
    heed_err err = cross(layers, seed, data->data, k, params, each, &r);
    for (size_t i = 0; err == HEED_OK && scores && i < k; i++) {
        scores[i] = (heed_score){.loss = each[i].loss};
        memcpy(scores[i].metrics, each[i].metrics, sizeof scores[i].metrics);
    }
    hd_free(each);
    if (err != HEED_OK || !report) return err;
    *report = (heed_cross_report){.loss = {r.loss.mean, r.loss.deviation}};
    for (size_t m = 0; m < r.n_metrics; m++) {
        report->metrics[m] = (heed_spread){r.metrics[m].mean, r.metrics[m].deviation};
    }
    return HEED_OK;
}

heed_err heed_net_search(const char *layers, uint64_t seed, heed_data *data,
                         const heed_fit_params *params, const heed_search_params *search,
                         char **leaderboard) {
    const hd_search_opts how = {.space = search->space,
                                .trials = search->trials,
                                .seed = search->seed,
                                .halving = search->halving,
                                .least = search->least,
                                .leaderboard = search->leaderboard};
    hd_train_opts opts;
    json_t *board;
    HD_TRY(hd_mem_adopt_libraries());
    HD_TRY(hd_public_opts(params, &opts));
    HD_TRY(hd_net_search(layers, seed, data->data, &opts, &how, &board));
    return hd_public_text(board, leaderboard);
}
