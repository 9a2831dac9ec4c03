// SPDX-License-Identifier: Apache-2.0
//
// Functions on vectors, for every file in this folder.
//
// exp, log and tanh: range reduction and polynomials of Cephes (S. Moshier). The normal tail
// Q(x) = ½·erfc(x/√2), from which gelu is made: exp(−x²/2)·P(u)/(x + k) with u = (x − k)/(x + k),
// k = 2.5, and P a minimax fit of degree 9 on 0 … 14 (relative error 2e-8); x² is split in two, so
// that the exponential doesn't magnify its rounding (as in fdlibm's erfc).
#ifndef HD_KERNEL_PATH_MATHS_H
#define HD_KERNEL_PATH_MATHS_H

#include <float.h>
#include <math.h>

#include "kernel/path/simd.h"

// e^(x + more), where more is small against x.
HD_INLINE vf exp_sum(vf x, vf more) {
    x = vf_min(vf_set1(89), vf_max(vf_set1(-105), x)); // (NaN stays)
    vf n = vf_round(vf_mul(x, vf_set1(1.44269504088896341F)));
    vf r = vf_fnma(n, vf_set1(0.693359375F), x);
    r = vf_add(vf_fnma(n, vf_set1(-2.12194440e-4F), r), more);
    vf y = vf_set1(1.9875691500e-4F);
    y = vf_fma(y, r, vf_set1(1.3981999507e-3F));
    y = vf_fma(y, r, vf_set1(8.3334519073e-3F));
    y = vf_fma(y, r, vf_set1(4.1665795894e-2F));
    y = vf_fma(y, r, vf_set1(1.6666665459e-1F));
    y = vf_fma(y, r, vf_set1(5.0000001201e-1F));
    y = vf_add(vf_fma(y, vf_mul(r, r), r), vf_set1(1));
    // 2ⁿ in two factors: one alone would be out of range for what is denormal or infinite.
    vf half = vf_round(vf_mul(n, vf_set1(0.5F)));
    vi a = vi_shl(vi_add(vi_of_vf(half), vi_set1(127)), 23);
    vi b = vi_shl(vi_add(vi_of_vf(vf_sub(n, half)), vi_set1(127)), 23);
    return vf_mul(vf_mul(y, vf_of_bits(a)), vf_of_bits(b));
}

HD_INLINE vf vexp(vf x) {
    return exp_sum(x, vf_zero());
}

HD_INLINE vf vlog(vf x) {
    vm tiny = vf_lt(x, vf_set1(FLT_MIN));
    vf e = vf_select(tiny, vf_set1(-149), vf_set1(-126));
    vi bits = vf_bits(vf_select(tiny, vf_mul(x, vf_set1(0x1p23F)), x));
    e = vf_add(e, vf_of_vi(vi_and(vi_shr(bits, 23), vi_set1(0xff))));
    vf m = vf_of_bits(vi_or(vi_and(bits, vi_set1(0x7fffff)), vi_set1(0x3f000000))); // ½ … 1
    vm low = vf_lt(m, vf_set1(0.707106781186547524F));
    e = vf_select(low, vf_sub(e, vf_set1(1)), e);
    m = vf_sub(vf_select(low, vf_add(m, m), m), vf_set1(1));
    vf z = vf_mul(m, m);
    vf y = vf_set1(7.0376836292e-2F);
    y = vf_fma(y, m, vf_set1(-1.1514610310e-1F));
    y = vf_fma(y, m, vf_set1(1.1676998740e-1F));
    y = vf_fma(y, m, vf_set1(-1.2420140846e-1F));
    y = vf_fma(y, m, vf_set1(1.4249322787e-1F));
    y = vf_fma(y, m, vf_set1(-1.6668057665e-1F));
    y = vf_fma(y, m, vf_set1(2.0000714765e-1F));
    y = vf_fma(y, m, vf_set1(-2.4999993993e-1F));
    y = vf_fma(y, m, vf_set1(3.3333331174e-1F));
    y = vf_mul(vf_mul(y, m), z);
    y = vf_fma(e, vf_set1(-2.12194440e-4F), y);
    y = vf_fnma(z, vf_set1(0.5F), y);
    y = vf_fma(e, vf_set1(0.693359375F), vf_add(m, y));
    y = vf_select(vf_eq(x, vf_zero()), vf_set1(-INFINITY), y);
    y = vf_select(vf_eq(x, vf_set1(INFINITY)), x, y);
    y = vf_select(vf_lt(x, vf_zero()), vf_set1(NAN), y);
    return vf_select(vf_is_nan(x), x, y);
}

// ln(1 + t) for t = e^−|x|.
HD_INLINE vf vlog1p(vf t) {
    vf u = vf_add(vf_set1(1), t);
    vf lost = vf_sub(t, vf_sub(u, vf_set1(1)));
    return vf_add(vlog(u), vf_div(lost, u));
}

HD_INLINE vf vsigmoid(vf x) {
    vf e = vexp(vf_neg(vf_abs(x)));
    vf top = vf_select(vf_lt(x, vf_zero()), e, vf_set1(1));
    return vf_div(top, vf_add(vf_set1(1), e));
}

// σ(x); *slope = σ(x)·(1 − σ(x)), without the difference.
HD_INLINE vf vsigmoid_slope(vf x, vf *slope) {
    vf e = vexp(vf_neg(vf_abs(x)));
    vf over = vf_div(vf_set1(1), vf_add(vf_set1(1), e)), low = vf_mul(e, over);
    *slope = vf_mul(low, over);
    return vf_select(vf_lt(x, vf_zero()), low, over);
}

HD_INLINE vf vtanh(vf x) {
    vf ax = vf_abs(x), z = vf_mul(x, x);
    vf p = vf_set1(-5.70498872745e-3F);
    p = vf_fma(p, z, vf_set1(2.06390887954e-2F));
    p = vf_fma(p, z, vf_set1(-5.37397155531e-2F));
    p = vf_fma(p, z, vf_set1(1.33314422036e-1F));
    p = vf_fma(p, z, vf_set1(-3.33332819422e-1F));
    vf near = vf_fma(vf_mul(p, z), x, x);
    vf far = vf_add(vexp(vf_add(ax, ax)), vf_set1(1));
    far = vf_sub(vf_set1(1), vf_div(vf_set1(2), far));
    far = vf_select(vf_lt(x, vf_zero()), vf_neg(far), far);
    return vf_select(vf_lt(ax, vf_set1(0.625F)), near, far);
}

HD_INLINE vf vsoftplus(vf x) {
    vf t = vexp(vf_neg(vf_abs(x)));
    return vf_add(vf_max(vf_zero(), x), vlog1p(t));
}

// Q(x) for x ≥ 0; *bell = e^(−x²/2).
HD_INLINE vf normal_tail(vf x, vf *bell) {
    x = vf_min(vf_set1(20), x);
    vf high = vf_of_bits(vi_and(vf_bits(x), vi_set1(-4096)));
    vf half = vf_set1(-0.5F);
    vf rest = vf_mul(vf_mul(half, vf_sub(x, high)), vf_add(x, high));
    vf e = exp_sum(vf_mul(half, vf_mul(high, high)), rest);
    vf over = vf_div(vf_set1(1), vf_add(x, vf_set1(2.5F)));
    vf u = vf_mul(vf_sub(x, vf_set1(2.5F)), over);
    vf p = vf_set1(-0.0001567327773124988F);
    p = vf_fma(p, u, vf_set1(-0.000309925115182047F));
    p = vf_fma(p, u, vf_set1(0.000684283336962091F));
    p = vf_fma(p, u, vf_set1(0.0025225257608408602F));
    p = vf_fma(p, u, vf_set1(-0.001601131806308262F));
    p = vf_fma(p, u, vf_set1(-0.01638582650732255F));
    p = vf_fma(p, u, vf_set1(0.009235963662254869F));
    p = vf_fma(p, u, vf_set1(0.13198694967851599F));
    p = vf_fma(p, u, vf_set1(-0.4336920171061299F));
    p = vf_fma(p, u, vf_set1(0.7066566602764364F));
    *bell = e;
    return vf_mul(vf_mul(p, over), e);
}

// Φ(x).
HD_INLINE vf vnormal(vf x, vf *bell) {
    vf tail = normal_tail(vf_abs(x), bell);
    return vf_select(vf_lt(x, vf_zero()), tail, vf_sub(vf_set1(1), tail));
}

HD_INLINE vf vgelu(vf x) {
    vf bell;
    return vf_mul(x, vnormal(x, &bell));
}

HD_INLINE vf vgelu_grad(vf x) {
    vf bell, phi = vnormal(x, &bell);
    vf inside = vf_min(vf_set1(20), vf_max(vf_set1(-20), x)); // ∞·0
    return vf_fma(vf_mul(inside, vf_set1(0.398942280401432678F)), bell, phi);
}

static const float GELU_SCALE = 1.5957691216057308F; // 2·√(2/π)
static const float GELU_CUBE = 0.044715F;

// ½(1 + tanh z) = σ(2z): gelu_tanh(x) = x·σ(gelu_arg(x)).
HD_INLINE vf gelu_arg(vf x) {
    vf z = vf_fma(vf_mul(vf_set1(GELU_CUBE), x), x, vf_set1(1));
    return vf_mul(vf_mul(vf_set1(GELU_SCALE), x), z);
}

HD_INLINE vf gelu_gate(vf x) {
    return vsigmoid(gelu_arg(x));
}

HD_INLINE vf vgelu_tanh_grad(vf x) {
    vf slope, s = vsigmoid_slope(gelu_arg(x), &slope);
    vf inside = vf_min(vf_set1(20), vf_max(vf_set1(-20), x));
    vf by = vf_fma(vf_mul(vf_set1(3 * GELU_CUBE), inside), inside, vf_set1(1));
    return vf_fma(vf_mul(vf_mul(inside, vf_set1(GELU_SCALE)), by), slope, s);
}

// ── Near enough for results that are rounded to bf16 ──
// ½ + x·P(x²), |x| cut at 4.4, P of degree 8 by weighted least squares towards the least maximum.
// gelu: within 6e-5; its gradient: within 3e-4 of 1.
HD_INLINE vf near_half(vf x, const float p[9]) {
    x = vf_min(vf_set1(4.4F), vf_max(vf_set1(-4.4F), x)); // (NaN stays)
    const vf u = vf_mul(x, x);
    vf y = vf_set1(p[0]);
#pragma GCC unroll 8
    for (int i = 1; i < 9; i++) y = vf_fma(y, u, vf_set1(p[i]));
    return vf_fma(x, y, vf_set1(0.5F));
}

HD_INLINE vf near_gelu(vf x) {
    static const float p[9] = {3.698454125e-11F,  -3.867269107e-09F, 1.782318042e-07F,
                               -4.806954540e-06F, 8.524217738e-05F,  -1.061453118e-03F,
                               9.667732735e-03F,  -6.612328101e-02F, 3.987934295e-01F};
    return vf_mul(x, near_half(x, p));
}
HD_INLINE vf near_gelu_grad(vf x) {
    static const float p[9] = {5.015972288e-10F,  -4.922432541e-08F, 2.095137794e-06F,
                               -5.099552814e-05F, 7.889936800e-04F,  -8.151425827e-03F,
                               5.703951161e-02F,  -2.632517516e-01F, 7.971077551e-01F};
    return near_half(x, p);
}
HD_INLINE vf near_gelu_tanh(vf x) {
    static const float p[9] = {4.311714818e-11F,  -4.443014211e-09F, 2.009937968e-07F,
                               -5.297115199e-06F, 9.142562087e-05F,  -1.106722936e-03F,
                               9.841465027e-03F,  -6.637007953e-02F, 3.987560445e-01F};
    return vf_mul(x, near_half(x, p));
}
HD_INLINE vf near_gelu_tanh_grad(vf x) {
    static const float p[9] = {5.719195475e-10F,  -5.536179534e-08F, 2.317036973e-06F,
                               -5.526750608e-05F, 8.356239895e-04F,  -8.432272763e-03F,
                               5.785073126e-02F,  -2.639398044e-01F, 7.969145023e-01F};
    return near_half(x, p);
}

HD_INLINE vf vsilu_grad(vf x) {
    vf slope, s = vsigmoid_slope(x, &slope);
    return vf_fma(x, slope, s);
}

HD_INLINE vf vmaximum(vf a, vf b) {
    return vf_select(vf_is_nan(a), a, vf_max(a, b));
}
HD_INLINE vf vminimum(vf a, vf b) {
    return vf_select(vf_is_nan(a), a, vf_min(a, b));
}

#endif
