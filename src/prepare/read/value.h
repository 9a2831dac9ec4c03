// SPDX-License-Identifier: Apache-2.0
//
// Values as files write them: numbers with thousands separators, amounts with currency signs,
// booleans in two languages, lists. No state, no messages.
#ifndef HD_PREPARE_READ_VALUE_H
#define HD_PREPARE_READ_VALUE_H

#include "base/str.h"

// What databases and programs write for "nothing": NULL, \N, null, NaN, None, undefined, N/A, -.
bool hd_value_is_nothing(hd_slice text);

// 1234.5, 1,234.5, 1，234; with `comma` 1.234,5 and 12,5. Exact as hd_slice_f64.
bool hd_value_number(hd_slice text, bool comma, double *out);

// A number with a sign or code of money before or behind it: ¥12, 12.50元, US$ 3, (4.00), -$5, 12
// EUR. *currency: the ISO code, static, or NULL when none is named. `local` tells what an ambiguous
// sign means (¥: JPY when local is JPY, else CNY; $: local when that is a dollar, else USD).
bool hd_value_money(hd_slice text, bool comma, const char *local, double *out,
                    const char **currency);

// An ISO 4217 code in any case, or a sign: three upper-case letters into out.
bool hd_value_currency(hd_slice text, const char *local, char out[4]);

// true/false, yes/no, y/n, t/f, on/off, 1/0, 是/否, 有/无, 真/假.
bool hd_value_bool(hd_slice text, int *out);

// The next part of a list: *at starts at 0; parts are trimmed, empty ones passed over. The sign
// that separates is the first of |, >, ; , and / (also full-width) that the text holds, or `sign`
// if that is not 0.
bool hd_value_list_next(hd_slice text, char sign, size_t *at, hd_slice *part);

#endif
