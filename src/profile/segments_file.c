// SPDX-License-Identifier: Apache-2.0
//
// Segments to and from a model file. The names of the dimensions stand in the file's metadata: a
// file whose dimensions aren't those of this heed is refused, as its numbers would mean other
// things. Names of segments are made anew from the centres.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "profile/segments.h"

static heed_err dimension_names(hd_str *out) {
    for (size_t i = 0; i < hd_profile_vector_len(); i++) {
        hd_str_addf(out, "%s%s", i > 0 ? "," : "", hd_profile_vector_name(i));
    }
    return hd_str_check(out);
}

heed_err hd_segments_save(const hd_segments *segments, hd_safetensors_writer *out) {
    const size_t d = segments->d, k = segments->k, one = 1;
    const size_t matrix[] = {k, d};
    hd_str names;
    hd_str_init(&names);
    heed_err err = dimension_names(&names);
    if (err == HEED_OK) {
        err = hd_safetensors_add_meta(out, "segments.dimensions", hd_str_get(&names));
    }
    hd_str_clear(&names);
    HD_TRY(err);
    HD_TRY(hd_safetensors_add(out, "segments.mean", HD_F64, 1, &d, segments->mean));
    HD_TRY(hd_safetensors_add(out, "segments.spread", HD_F64, 1, &d, segments->spread));
    HD_TRY(hd_safetensors_add(out, "segments.centre", HD_F64, 2, matrix, segments->centre));
    HD_TRY(hd_safetensors_add(out, "segments.natural", HD_F64, 2, matrix, segments->natural));
    HD_TRY(hd_safetensors_add(out, "segments.users", HD_U64, 1, &k, segments->users));
    return hd_safetensors_add(out, "segments.silhouette", HD_F64, 1, &one, &segments->silhouette);
}

static heed_err check_dimensions(const hd_safetensors *in) {
    hd_str names;
    hd_str_init(&names);
    heed_err err = dimension_names(&names);
    const char *found = hd_safetensors_meta(in, "segments.dimensions");
    if (err == HEED_OK && !found) {
        err = HD_FAIL(HEED_CORRUPT, "the file holds no segments; train them again",
                      "文件中没有分群数据；请重新训练");
    } else if (err == HEED_OK && strcmp(found, hd_str_get(&names)) != 0) {
        err = HD_FAIL(HEED_VERSION,
                      "the segments were made by another version of heed; train them again",
                      "分群由另一版本的 heed 生成；请重新训练");
    }
    hd_str_clear(&names);
    return err;
}

static heed_err copy(const hd_safetensors *in, const char *name, hd_dtype dtype, void *out,
                     size_t n) {
    const hd_tensor_view *view;
    HD_TRY(hd_safetensors_get(in, name, dtype, -1, &view));
    size_t bytes = n * hd_dtype_size(dtype);
    if (view->bytes != bytes) {
        return HD_FAIL(HEED_CORRUPT, "tensor '%s' has %zu bytes, not %zu; train the segments again",
                       "张量“%s”为 %zu 字节，应为 %zu 字节；请重新训练分群", name, view->bytes,
                       bytes);
    }
    memcpy(out, view->data, bytes);
    return HEED_OK;
}

static heed_err check_values(const hd_segments *s) {
    bool fine = isfinite(s->silhouette);
    for (size_t j = 0; j < s->d; j++) {
        fine = fine && isfinite(s->mean[j]) && isfinite(s->spread[j]) && s->spread[j] >= 0.0;
    }
    for (size_t i = 0; i < s->k * s->d; i++) fine = fine && isfinite(s->centre[i]);
    uint64_t all = 0;
    for (size_t c = 0; c < s->k; c++) {
        fine = fine && !__builtin_add_overflow(all, s->users[c], &all);
    }
    if (fine && all > 0) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT, "the segments hold impossible numbers; train them again",
                   "分群数据中有不可能的数值；请重新训练");
}

static heed_err read_all(const hd_safetensors *in, hd_segments *s) {
    HD_TRY(copy(in, "segments.mean", HD_F64, s->mean, s->d));
    HD_TRY(copy(in, "segments.spread", HD_F64, s->spread, s->d));
    HD_TRY(copy(in, "segments.centre", HD_F64, s->centre, s->k * s->d));
    HD_TRY(copy(in, "segments.natural", HD_F64, s->natural, s->k * s->d));
    HD_TRY(copy(in, "segments.users", HD_U64, s->users, s->k));
    HD_TRY(copy(in, "segments.silhouette", HD_F64, &s->silhouette, 1));
    HD_TRY(check_values(s));
    return hd_segments_make_names(s);
}

heed_err hd_segments_load(const hd_safetensors *in, hd_segments **out) {
    HD_TRY(check_dimensions(in));
    const hd_tensor_view *centre;
    HD_TRY(hd_safetensors_get(in, "segments.centre", HD_F64, 2, &centre));
    if (centre->shape[0] < 1 || centre->shape[0] > HD_SEGMENTS_MAX) {
        return HD_FAIL(HEED_CORRUPT, "the file holds %zu segments; train them again",
                       "文件中有 %zu 个分群，数目不对；请重新训练", centre->shape[0]);
    }
    hd_segments *s;
    HD_TRY(hd_segments_new(centre->shape[0], &s));
    heed_err err = read_all(in, s);
    if (err == HEED_OK) {
        *out = s;
    } else {
        hd_segments_free(s);
    }
    return err;
}
