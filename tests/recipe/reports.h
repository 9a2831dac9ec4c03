// SPDX-License-Identifier: Apache-2.0
//
// What tests of recipes look up in a report.
#ifndef HEED_TESTS_REPORTS_H
#define HEED_TESTS_REPORTS_H

#include <string.h>

#include "base/json.h"

// The model of that name in a report's leaderboard; NULL: there is none.
static inline const json_t *report_model(const json_t *report, const char *name) {
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(report, "models"), i, model) {
        if (strcmp(json_string_value(json_object_get(model, "name")), name) == 0) return model;
    }
    return NULL;
}

#endif
