// SPDX-License-Identifier: Apache-2.0
//
// The methods: one row each. The order is that of help and leaderboards, the baseline first.
#include <string.h>

#include "recommend/recommender.h"

extern const hd_method hd_method_popular, hd_method_recent, hd_method_item_knn, hd_method_user_knn,
    hd_method_markov;

const hd_method *const hd_methods[] = {
    &hd_method_popular,  &hd_method_recent, &hd_method_item_knn,
    &hd_method_user_knn, &hd_method_markov, NULL,
};

const hd_method *hd_method_find(const char *name) {
    for (size_t m = 0; hd_methods[m]; m++) {
        if (strcmp(hd_methods[m]->name, name) == 0) return hd_methods[m];
    }
    return NULL;
}
