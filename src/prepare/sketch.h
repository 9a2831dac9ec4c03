// SPDX-License-Identifier: Apache-2.0
//
// A sketch of a column, fed value by value: counts, range, mean, how many distinct values, and
// whether one value holds nearly all. Fixed size (some 25 kB), however many values come. Holds
// hashes of values, not the values. The same values in the same order give the same sketch.
#ifndef HD_PREPARE_SKETCH_H
#define HD_PREPARE_SKETCH_H

#include "base/str.h"
#include "base/time.h"

enum { HD_SKETCH_REGISTERS = 1 << 14, HD_SKETCH_SLOTS = 512, HD_SKETCH_HEAVY = 256 };

typedef struct hd_sketch_slot {
    uint64_t hash;
    uint64_t count; // 0: free
} hd_sketch_slot;

typedef struct hd_sketch {
    uint64_t values; // not missing
    uint64_t missing;
    uint64_t not_positive; // numbers ≤ 0
    double min, max, mean; // of numbers, and of times in milliseconds; only when values > 0
    uint8_t registers[HD_SKETCH_REGISTERS];
    hd_sketch_slot slots[HD_SKETCH_SLOTS];
    uint32_t n_slots;
} hd_sketch;

void hd_sketch_init(hd_sketch *sketch);
void hd_sketch_number(hd_sketch *sketch, double value); // NaN: missing
void hd_sketch_time(hd_sketch *sketch, hd_time value);  // HD_TIME_NONE: missing
void hd_sketch_text(hd_sketch *sketch, hd_slice value); // absent or empty: missing
void hd_sketch_key(hd_sketch *sketch, int64_t value);   // 0: missing

// Distinct values: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with linear counting for
// few; standard error 0.8%, exact or nearly so below some thousands.
double hd_sketch_distinct(const hd_sketch *sketch);

// How often the most frequent value came, at least: Misra and Gries ("Finding repeated elements",
// 1982) with 256 counters, so that the true count is at most values / 257 more; exact up to 256
// distinct values.
uint64_t hd_sketch_top(const hd_sketch *sketch);

// The hash the sketches use: fixed, so that figures don't change from run to run. Not for tables
// that input could flood.
uint64_t hd_sketch_mix(uint64_t value);
uint64_t hd_sketch_hash(const void *bytes, size_t n);

#endif
