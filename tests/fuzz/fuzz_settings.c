// SPDX-License-Identifier: Apache-2.0
//
// A settings file (YAML), with a row of every type. What loads is shown as text, and that text,
// given as a flag, is shown the same.
#include <stdint.h>
#include <stdlib.h>

#include "base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const choices[] = {"auto", "en", "zh", NULL};
static const hd_setting rows[] = {
    {"a", HD_SETTING_BOOL, "false", 0, 0, NULL, HD_TEXT("", "")},
    {"b", HD_SETTING_INT, "1", -5, 1000, NULL, HD_TEXT("", "")},
    {"c.d", HD_SETTING_FLOAT, "0.5", 0, 0, NULL, HD_TEXT("", "")},
    {"c.e", HD_SETTING_SIZE, "1KB", 0, 0, NULL, HD_TEXT("", "")},
    {"f", HD_SETTING_TEXT, "", 0, 0, NULL, HD_TEXT("", "")},
    {"g", HD_SETTING_CHOICE, "auto", 0, 0, choices, HD_TEXT("", "")},
    {"h", HD_SETTING_WEIGHTS, "x=1", 0, 0, NULL, HD_TEXT("", "")},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static void check_row(hd_settings *settings, size_t i) {
    const hd_setting *row;
    hd_origin origin;
    const char *place;
    hd_str first, second;
    hd_str_init(&first);
    hd_str_init(&second);
    if (!hd_settings_at(settings, i, &row, &first, &origin, &place)) abort();
    if (hd_settings_set_flag(settings, row->name, hd_str_get(&first)) != HEED_OK) {
        // Names of weights may begin or end with blanks in a file, but not in a flag.
        if (row->type != HD_SETTING_WEIGHTS) abort();
    } else {
        hd_settings_at(settings, i, &row, &second, &origin, &place);
        if (row->type != HD_SETTING_WEIGHTS &&
            strcmp(hd_str_get(&first), hd_str_get(&second)) != 0) {
            abort();
        }
    }
    hd_str_clear(&first);
    hd_str_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_settings *settings;
    if (hd_settings_new(rows, N_ROWS, &settings) != HEED_OK) abort();
    if (hd_settings_load_yaml(settings, (const char *)data, size, "fuzz") == HEED_OK) {
        for (size_t i = 0; i < N_ROWS; i++) check_row(settings, i);
    }
    hd_settings_free(settings);
    return 0;
}
