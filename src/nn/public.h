// SPDX-License-Identifier: Apache-2.0
//
// What public.c and public_search.c share.
#ifndef HD_NN_PUBLIC_H
#define HD_NN_PUBLIC_H

#include "heed/net.h"
#include "nn/train.h"

struct heed_net {
    hd_net *net;
};
struct heed_data {
    hd_data *data;
};

// params: borrowed while the options are used.
heed_err hd_public_opts(const heed_fit_params *params, hd_train_opts *out) HEED_CHECK;
// Moves a JSON value into a text.
heed_err hd_public_text(json_t *json, char **out) HEED_CHECK;

#endif
