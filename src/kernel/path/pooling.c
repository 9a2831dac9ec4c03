// SPDX-License-Identifier: Apache-2.0
//
// The loops of kernel/pooling_path.h: a vector of channels at a time, over the window's places in
// order.
#include "kernel/pooling_path.h"

#include <math.h>

#include "kernel/path/simd.h"

HD_INLINE vf load(const float *p, size_t left) {
    return left >= VF ? vf_load(p) : vf_load_n(p, left);
}
HD_INLINE void store(float *p, vf a, size_t left) {
    if (left >= VF)
        vf_store(p, a);
    else
        vf_store_n(p, a, left);
}

#define EACH_VECTOR(row, i, left)                   \
    for (size_t i = 0, left; i < (row)->c; i += VF) \
        if (left = (row)->c - i < VF ? (row)->c - i : (size_t)VF, true)

HD_INLINE void max_at(const hd_pooling_row *r, size_t out, size_t i, size_t left) {
    vf most = vf_set1(-INFINITY);
    vi where = vi_set1(-1);
    for (size_t h = r->h.from; h < r->h.to; h++) {
        for (size_t w = r->w[out].from; w < r->w[out].to; w++) {
            const size_t place = h * r->width + w;
            const vf v = load(r->x + place * r->c + i, left);
            const vi here = vi_set1((int32_t)place);
            const vm nan = vf_is_nan(v);
            // (a window of −∞ alone has its first place)
            vm more = vf_lt(most, v);
            most = vf_select(more, v, most);
            where = vi_select(more, here, where);
            where = vi_select(vi_eq(where, vi_set1(-1)), here, where);
            most = vf_select(nan, v, most);
            where = vi_select(nan, here, where);
        }
    }
    store(r->to + out * r->c + i, most, left);
    if (left == VF)
        vi_store(r->arg + out * r->c + i, where);
    else
        vi_store_n(r->arg + out * r->c + i, where, left);
}

static void max(const hd_pooling_row *r) {
    for (size_t out = 0; out < r->outs; out++) {
        EACH_VECTOR(r, i, left) max_at(r, out, i, left);
    }
}

static void max_back(const hd_pooling_row *r) {
    for (size_t out = 0; out < r->outs; out++) {
        EACH_VECTOR(r, i, left) {
            const size_t at = out * r->c + i;
            const vf d = load(r->dy + at, left);
            const vi where = left == VF ? vi_load(r->arg + at) : vi_load_n(r->arg + at, left);
            for (size_t h = r->h.from; h < r->h.to; h++) {
                for (size_t w = r->w[out].from; w < r->w[out].to; w++) {
                    const size_t place = h * r->width + w;
                    float *to = r->to + place * r->c + i;
                    vm here = vi_eq(where, vi_set1((int32_t)place));
                    store(to, vf_add(load(to, left), vf_select(here, d, vf_zero())), left);
                }
            }
        }
    }
}

static void avg(const hd_pooling_row *r) {
    for (size_t out = 0; out < r->outs; out++) {
        EACH_VECTOR(r, i, left) {
            vf sum = vf_zero();
            for (size_t h = r->h.from; h < r->h.to; h++) {
                const float *x = r->x + h * r->width * r->c + i;
                for (size_t w = r->w[out].from; w < r->w[out].to; w++)
                    sum = vf_add(sum, load(x + w * r->c, left));
            }
            store(r->to + out * r->c + i, vf_mul(sum, vf_set1(r->inverse[out])), left);
        }
    }
}

static void avg_back(const hd_pooling_row *r) {
    for (size_t out = 0; out < r->outs; out++) {
        EACH_VECTOR(r, i, left) {
            const vf d = vf_mul(load(r->dy + out * r->c + i, left), vf_set1(r->inverse[out]));
            for (size_t h = r->h.from; h < r->h.to; h++) {
                float *to = r->to + h * r->width * r->c + i;
                for (size_t w = r->w[out].from; w < r->w[out].to; w++)
                    store(to + w * r->c, vf_add(load(to + w * r->c, left), d), left);
            }
        }
    }
}

static void blend(const hd_resize_row *r) {
    const vf t = vf_set1(r->t);
    for (size_t out = 0; out < r->outs; out++) {
        const hd_blend *w = &r->w[out];
        const vf s = vf_set1(w->t);
        EACH_VECTOR(r, i, left) {
            vf v[2];
            for (int k = 0; k < 2; k++) {
                vf a = load(r->x[k] + w->at[0] * r->c + i, left);
                vf b = load(r->x[k] + w->at[1] * r->c + i, left);
                v[k] = w->t == 0 ? a : vf_fma(s, vf_sub(b, a), a);
                if (r->t == 0) break;
            }
            if (r->t != 0) v[0] = vf_fma(t, vf_sub(v[1], v[0]), v[0]);
            store(r->y + out * r->c + i, v[0], left);
        }
    }
}

static void blend_back(const hd_resize_row *r) {
    for (size_t out = 0; out < r->outs; out++) {
        const hd_blend *w = &r->w[out];
        EACH_VECTOR(r, i, left) {
            const vf d = load(r->dy + out * r->c + i, left);
            for (int k = 0; k < 4; k++) {
                const float share = (k & 2 ? r->t : 1 - r->t) * (k & 1 ? w->t : 1 - w->t);
                if (share == 0) continue;
                float *to = r->to[k >> 1] + w->at[k & 1] * r->c + i;
                store(to, vf_fma(vf_set1(share), d, load(to, left)), left);
            }
        }
    }
}

const hd_pooling_kernels HD_PATH(hd_pooling_kernels) = {.max = max,
                                                        .max_back = max_back,
                                                        .avg = avg,
                                                        .avg_back = avg_back,
                                                        .blend = blend,
                                                        .blend_back = blend_back};
