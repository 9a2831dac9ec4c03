// SPDX-License-Identifier: Apache-2.0
//
// exp, tanh and the logistic function on vectors, as recurrent cells and attention need them.
#ifndef HD_KERNEL_PATH_APPROX_H
#define HD_KERNEL_PATH_APPROX_H

#include "kernel/path/simd.h"

// e^x to 2 ulp: x = n·ln 2 + r, |r| ≤ ln 2 / 2, and a polynomial in r (Cephes). 0 below −87.3.
HD_INLINE vf approx_exp(vf x) {
    const vf low = vf_set1(-87.33654F);
    vf y = vf_min(vf_set1(88.37626F), vf_max(low, x));
    vf n = vf_round(vf_mul(y, vf_set1(1.44269504F)));
    vf r = vf_fnma(n, vf_set1(0.693359375F), y);
    r = vf_fnma(n, vf_set1(-2.12194440e-4F), r);
    vf p = vf_fma(r, vf_set1(1.9875691500e-4F), vf_set1(1.3981999507e-3F));
    p = vf_fma(p, r, vf_set1(8.3334519073e-3F));
    p = vf_fma(p, r, vf_set1(4.1665795894e-2F));
    p = vf_fma(p, r, vf_set1(1.6666665459e-1F));
    p = vf_fma(p, r, vf_set1(5.0000001201e-1F));
    p = vf_fma(p, vf_mul(r, r), vf_add(r, vf_set1(1)));
    vf power = vf_of_bits(vi_shl(vi_add(vi_of_vf(n), vi_set1(127)), 23));
    return vf_select(vf_lt(x, low), vf_zero(), vf_mul(p, power));
}

HD_INLINE vf approx_sigmoid(vf x) {
    return vf_div(vf_set1(1), vf_add(vf_set1(1), approx_exp(vf_neg(x))));
}

// A rational function of degree 13 by 6 (Eigen's), 1 at ±7.9 in f32.
HD_INLINE vf approx_tanh(vf x) {
    vf y = vf_min(vf_set1(7.90531110F), vf_max(vf_set1(-7.90531110F), x));
    vf s = vf_mul(y, y);
    vf p = vf_fma(s, vf_set1(-2.76076847742355e-16F), vf_set1(2.00018790482477e-13F));
    p = vf_fma(p, s, vf_set1(-8.60467152213735e-11F));
    p = vf_fma(p, s, vf_set1(5.12229709037114e-08F));
    p = vf_fma(p, s, vf_set1(1.48572235717979e-05F));
    p = vf_fma(p, s, vf_set1(6.37261928875436e-04F));
    p = vf_fma(p, s, vf_set1(4.89352455891786e-03F));
    vf q = vf_fma(s, vf_set1(1.19825839466702e-06F), vf_set1(1.18534705686654e-04F));
    q = vf_fma(q, s, vf_set1(2.26843463243900e-03F));
    q = vf_fma(q, s, vf_set1(4.89352518554385e-03F));
    return vf_div(vf_mul(y, p), q);
}

#endif
