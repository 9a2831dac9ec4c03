// SPDX-License-Identifier: Apache-2.0
//
// A source of samples that are changed at random while training (prepare/augment/augment.h). What
// is drawn for a sample depends on seed, epoch and the sample's number.
#ifndef HD_RECIPE_AUGMENT_H
#define HD_RECIPE_AUGMENT_H

#include "nn/data.h"
#include "prepare/augment/augment.h"

// Reads the list and wraps `data` with it: its field "x" is changed, and its length where there is
// one. data is taken, also when it fails. runs: ids have hashed runs behind them. synonyms: taken
// over (cleared with the source); NULL: none.
heed_err hd_augment_data(hd_data *data, const json_t *list, const hd_where *where, hd_augment_of of,
                         bool runs, hd_synonyms *synonyms, hd_data **out) HEED_CHECK;

#endif
