// SPDX-License-Identifier: Apache-2.0
//
// HyperLogLog: the first 14 bits of a value's hash choose a register, which keeps the longest run
// of leading zeros (and one) seen in the rest. With m registers of mean 2^-register the estimate is
// α m² / Σ 2^-register, α = 0.7213 / (1 + 1.079 / m); when it is below 2.5 m and registers are
// still empty, m ln(m / empty) is better. 64-bit hashes need no correction for many.
//
// Misra-Gries: a table of 256 counters. A value that is in it is counted; one that isn't takes a
// free counter; if there is none, all counters lose one, and those at zero become free. Exact
// counting was rejected: a column can have a value for each of ten million rows.
#include "prepare/sketch.h"

#include <math.h>

// The finaliser of MurmurHash3: every bit of the value reaches every bit of the result.
uint64_t hd_sketch_mix(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15); // so that 0 doesn't stay 0
    x ^= x >> 33;
    x *= UINT64_C(0xFF51AFD7ED558CCD);
    x ^= x >> 33;
    x *= UINT64_C(0xC4CEB9FE1A85EC53);
    return x ^ x >> 33;
}

uint64_t hd_sketch_hash(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t h = n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = hd_sketch_mix(h ^ word);
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < n; i++) rest |= (uint64_t)p[i] << (8 * i);
    return hd_sketch_mix(h ^ rest);
}

void hd_sketch_init(hd_sketch *sketch) {
    memset(sketch, 0, sizeof *sketch);
}

static void count_register(hd_sketch *s, uint64_t hash) {
    enum { BITS = 14 };
    size_t i = hash >> (64 - BITS);
    uint64_t rest = hash << BITS | UINT64_C(1) << (BITS - 1); // the guard bit ends the run
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    if (rank > s->registers[i]) s->registers[i] = rank;
}

static hd_sketch_slot *find_slot(hd_sketch *s, uint64_t hash) {
    size_t i = hash % HD_SKETCH_SLOTS;
    while (s->slots[i].count > 0 && s->slots[i].hash != hash) i = (i + 1) % HD_SKETCH_SLOTS;
    return &s->slots[i];
}

// All counters lose one. The table is built anew, as removing breaks the chains of probing.
static void decrement_all(hd_sketch *s) {
    hd_sketch_slot old[HD_SKETCH_SLOTS];
    memcpy(old, s->slots, sizeof old);
    memset(s->slots, 0, sizeof s->slots);
    s->n_slots = 0;
    for (size_t i = 0; i < HD_SKETCH_SLOTS; i++) {
        if (old[i].count <= 1) continue;
        hd_sketch_slot *slot = find_slot(s, old[i].hash);
        *slot = (hd_sketch_slot){old[i].hash, old[i].count - 1};
        s->n_slots++;
    }
}

static void count_heavy(hd_sketch *s, uint64_t hash) {
    hd_sketch_slot *slot = find_slot(s, hash);
    if (slot->count > 0) {
        slot->count++;
    } else if (s->n_slots < HD_SKETCH_HEAVY) {
        *slot = (hd_sketch_slot){hash, 1};
        s->n_slots++;
    } else {
        decrement_all(s);
    }
}

static void count_value(hd_sketch *s, uint64_t hash) {
    s->values++;
    count_register(s, hash);
    count_heavy(s, hash);
}

static void count_range(hd_sketch *s, double value) {
    if (s->values == 1 || value < s->min) s->min = value;
    if (s->values == 1 || value > s->max) s->max = value;
    s->mean += (value - s->mean) / (double)s->values;
    if (value <= 0) s->not_positive++;
}

void hd_sketch_number(hd_sketch *sketch, double value) {
    if (isnan(value)) {
        sketch->missing++;
        return;
    }
    if (value == 0) value = 0; // minus zero is the same value
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    count_value(sketch, hd_sketch_mix(bits));
    count_range(sketch, value);
}

void hd_sketch_time(hd_sketch *sketch, hd_time value) {
    if (value == HD_TIME_NONE) {
        sketch->missing++;
        return;
    }
    count_value(sketch, hd_sketch_mix((uint64_t)value));
    count_range(sketch, (double)value);
}

void hd_sketch_text(hd_sketch *sketch, hd_slice value) {
    if (value.n == 0)
        sketch->missing++;
    else
        count_value(sketch, hd_sketch_hash(value.p, value.n));
}

void hd_sketch_key(hd_sketch *sketch, int64_t value) {
    if (value == 0)
        sketch->missing++;
    else
        count_value(sketch, hd_sketch_mix((uint64_t)value));
}

double hd_sketch_distinct(const hd_sketch *sketch) {
    const double m = HD_SKETCH_REGISTERS;
    double sum = 0;
    size_t empty = 0;
    for (size_t i = 0; i < HD_SKETCH_REGISTERS; i++) {
        sum += ldexp(1.0, -sketch->registers[i]);
        empty += sketch->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && empty > 0) estimate = m * log(m / (double)empty);
    return fmin(round(estimate), (double)sketch->values);
}

uint64_t hd_sketch_top(const hd_sketch *sketch) {
    uint64_t top = 0;
    for (size_t i = 0; i < HD_SKETCH_SLOTS; i++) {
        if (sketch->slots[i].count > top) top = sketch->slots[i].count;
    }
    return top;
}
