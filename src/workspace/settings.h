// SPDX-License-Identifier: Apache-2.0
//
// Every setting of heed: one row each. The rows drive heed.yaml, HEED_* variables, --setting, `heed
// config show`, the reference page and the commented file that `heed init` writes.
#ifndef HD_WORKSPACE_SETTINGS_H
#define HD_WORKSPACE_SETTINGS_H

#include "base/settings.h"
#include "privacy/door.h"

extern const hd_setting hd_settings_rows[];
extern const size_t hd_settings_n_rows;

// The commented heed.yaml of a new workspace: every key at its default, behind a '#'.
heed_err hd_settings_template(heed_lang lang, hd_str *out) HEED_CHECK;

// What an event's type is worth as a signal, by `recommend.signals` and `recommend.min_rating`.
// Remembers the last types seen: one user of it at a time. settings: borrowed.
enum { HD_SIGNAL_CACHE = 16 };
typedef struct hd_signal_rules {
    const hd_settings *settings;
    double min_rating;
    double other; // of types the setting doesn't name
    struct {
        char type[32];
        double weight;
    } cache[HD_SIGNAL_CACHE];
    size_t n;
} hd_signal_rules;
void hd_signal_rules_init(hd_signal_rules *rules, const hd_settings *settings);
hd_signals hd_signal_rules_get(hd_signal_rules *rules); // borrowed from rules

#endif
