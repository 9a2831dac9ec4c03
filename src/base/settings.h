// SPDX-License-Identifier: Apache-2.0
//
// Settings: typed rows, and values with an origin. A value comes from the flag, else the
// environment (HEED_MEMORY_LIMIT for memory.limit), else the file, else the default. An unknown key
// is an error with the nearest known one.
#ifndef HD_BASE_SETTINGS_H
#define HD_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef enum hd_setting_type {
    HD_SETTING_BOOL,  // true, false
    HD_SETTING_INT,   // min .. max
    HD_SETTING_FLOAT, // min .. max
    HD_SETTING_SIZE,  // bytes: 512, 64KB, 16MB, 1GB (powers of 1024); min .. max
    HD_SETTING_TEXT,
    HD_SETTING_CHOICE, // one of `choices`
    HD_SETTING_WEIGHTS // a mapping of names to numbers: "view: 1" lines in YAML, view=1,cart=3 in a
                       // flag
} hd_setting_type;

typedef struct hd_setting {
    const char *name; // dotted: "import.max_line"
    hd_setting_type type;
    const char *initial;        // the default, as one would write it
    double min, max;            // for numbers; both 0: no bound
    const char *const *choices; // NULL-terminated, for CHOICE
    hd_text doc;                // one sentence
    bool at_start;              // read when the program starts: what runs keeps what it began with
} hd_setting;

typedef enum hd_origin {
    HD_ORIGIN_DEFAULT,
    HD_ORIGIN_FILE,
    HD_ORIGIN_ENV,
    HD_ORIGIN_FLAG
} hd_origin;
const char *hd_origin_name(hd_origin origin);

typedef struct hd_settings hd_settings;

// rows: borrowed, must outlive the settings. All values start at their defaults; a bad default is
// HEED_INTERNAL.
heed_err hd_settings_new(const hd_setting *rows, size_t n_rows, hd_settings **out) HEED_CHECK;
void hd_settings_free(hd_settings *settings);

// Each layer may be loaded once, in any order. Messages name file and line, variable, or flag.
heed_err hd_settings_load_file(hd_settings *settings,
                               const char *path) HEED_CHECK; // missing file: defaults
heed_err hd_settings_load_yaml(hd_settings *settings, const char *text, size_t n,
                               const char *name) HEED_CHECK;
heed_err hd_settings_load_env(hd_settings *settings, char *const *environ_list) HEED_CHECK;
heed_err hd_settings_set_flag(hd_settings *settings, const char *name,
                              const char *value) HEED_CHECK;

// Sets what flags set in `from`: for a second set of the same rows.
heed_err hd_settings_copy_flags(hd_settings *settings, const hd_settings *from) HEED_CHECK;

// Values in force. The name must be a row's, of that type: anything else is a defect of heed and
// asserts.
bool hd_settings_bool(const hd_settings *settings, const char *name);
int64_t hd_settings_int(const hd_settings *settings, const char *name); // INT and SIZE
double hd_settings_float(const hd_settings *settings, const char *name);
const char *hd_settings_text(const hd_settings *settings, const char *name); // TEXT and CHOICE
// A weight by name; false when the mapping doesn't name it.
bool hd_settings_weight(const hd_settings *settings, const char *name, const char *key,
                        double *out);

// For `heed config show`: the i-th row, its value as text (in out) and where it came from;
// origin_place is "heed.yaml:7", "HEED_LANG", "--lang" or "". False past the end.
bool hd_settings_at(const hd_settings *settings, size_t i, const hd_setting **row, hd_str *value,
                    hd_origin *origin, const char **origin_place);

#endif
