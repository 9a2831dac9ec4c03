// SPDX-License-Identifier: Apache-2.0
//
// The rows of kernel/softmax.h. A row is read twice (largest value, sum of exponentials) while it
// lies in the cache.
#include "kernel/softmax.h"

#include "kernel/path/maths.h"

HD_INLINE vf load_to(const float *p, size_t left) {
    return left < VF ? vf_load_n(p, left) : vf_load(p);
}
HD_INLINE void store_to(float *p, vf a, size_t left) {
    if (left < VF)
        vf_store_n(p, a, left);
    else
        vf_store(p, a);
}

// The largest; NaN when one is.
static float max_of(size_t n, const float *x) {
    vf m = vf_set1(-INFINITY), m2 = m;
    size_t i = 0;
    for (; i + 2 * VF <= n; i += 2 * VF) {
        m = vmaximum(m, vf_load(x + i));
        m2 = vmaximum(m2, vf_load(x + i + VF));
    }
    m = vmaximum(m, m2);
    for (; i < n; i += VF) {
        size_t left = n - i;
        vf v = load_to(x + i, left);
        m = vmaximum(m, left < VF ? vf_select(vm_first(left), v, vf_set1(-INFINITY)) : v);
    }
    return vm_any(vf_is_nan(m)) ? NAN : vf_max_of(m);
}

// What is taken off before exp: 0 where the row is all −∞ or empty.
HD_INLINE float base_of(float most) {
    return most == -INFINITY ? 0 : most;
}

HD_INLINE float sum_of(const vf *s) {
    return vf_sum(vf_add(s[0], s[1]));
}

HD_INLINE vf first_only(vf v, size_t left) {
    return left < VF ? vf_select(vm_first(left), v, vf_zero()) : v;
}

static float log_sum_exp(size_t n, const float *x) {
    float base = base_of(max_of(n, x));
    vf s[2] = {vf_zero(), vf_zero()}, b = vf_set1(base);
    for (size_t i = 0, k = 0; i < n; i += VF, k ^= 1)
        s[k] = vf_add(s[k], first_only(vexp(vf_sub(load_to(x + i, n - i), b)), n - i));
    return base + logf(sum_of(s));
}

static void softmax(size_t n, const float *x, float *out) {
    vf s[2] = {vf_zero(), vf_zero()}, b = vf_set1(base_of(max_of(n, x)));
    for (size_t i = 0, k = 0; i < n; i += VF, k ^= 1) {
        vf e = vexp(vf_sub(load_to(x + i, n - i), b));
        store_to(out + i, e, n - i);
        s[k] = vf_add(s[k], first_only(e, n - i));
    }
    vf scale = vf_set1(1 / sum_of(s));
    for (size_t i = 0; i < n; i += VF)
        store_to(out + i, vf_mul(load_to(out + i, n - i), scale), n - i);
}

static void log_softmax(size_t n, const float *x, float *out) {
    vf lse = vf_set1(log_sum_exp(n, x));
    for (size_t i = 0; i < n; i += VF) store_to(out + i, vf_sub(load_to(x + i, n - i), lse), n - i);
}

static void softmax_grad(size_t n, const float *y, const float *d, float *out) {
    vf s[2] = {vf_zero(), vf_zero()};
    for (size_t i = 0, k = 0; i < n; i += VF, k ^= 1)
        s[k] = vf_fma(load_to(y + i, n - i), load_to(d + i, n - i), s[k]);
    vf dot = vf_set1(sum_of(s));
    for (size_t i = 0; i < n; i += VF) {
        vf g = vf_sub(load_to(d + i, n - i), dot);
        store_to(out + i, vf_mul(load_to(y + i, n - i), g), n - i);
    }
}

static void log_softmax_grad(size_t n, const float *y, const float *d, float *out) {
    vf s[2] = {vf_zero(), vf_zero()};
    for (size_t i = 0, k = 0; i < n; i += VF, k ^= 1) s[k] = vf_add(s[k], load_to(d + i, n - i));
    vf sum = vf_set1(sum_of(s));
    for (size_t i = 0; i < n; i += VF) {
        vf e = vexp(load_to(y + i, n - i));
        store_to(out + i, vf_fnma(e, sum, load_to(d + i, n - i)), n - i);
    }
}

static void cross_entropy_grad(size_t n, const float *x, float lse, float mass, float smooth,
                               const float *w, float *out) {
    vf l = vf_set1(lse), m = vf_set1(mass), s = vf_set1(smooth);
    for (size_t i = 0; i < n; i += VF) {
        vf e = vexp(vf_sub(load_to(x + i, n - i), l));
        vf share = w ? vf_mul(s, load_to(w + i, n - i)) : s;
        store_to(out + i, vf_sub(vf_mul(m, e), share), n - i);
    }
}

const hd_softmax_kernels HD_PATH(hd_softmax_kernels) = {
    .softmax = softmax,
    .log_softmax = log_softmax,
    .log_sum_exp = log_sum_exp,
    .softmax_grad = softmax_grad,
    .log_softmax_grad = log_softmax_grad,
    .cross_entropy_grad = cross_entropy_grad,
};
