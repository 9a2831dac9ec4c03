// SPDX-License-Identifier: Apache-2.0
//
// Tensors are copied out of the mapped file: a model lives longer than its file is open, and what
// was checked can then not change beneath it.
#include "recommend/model_file.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define FORMAT "1"

static bool fits(const hd_method_param *param, double value) {
    if (!(value >= param->min && value <= param->max)) return false; // NaN fails here
    return !param->integer || value == floor(value);
}

heed_err hd_model_values_check(const hd_method *method, const double *values) {
    for (size_t p = 0; p < method->n_params; p++) {
        const hd_method_param *param = &method->params[p];
        if (fits(param, values[p])) continue;
        if (param->integer) {
            return HD_FAIL(HEED_INPUT,
                           "parameter '%s' of '%s' is %g: give a whole number from %g to %g",
                           "方法“%2$s”的参数“%1$s”为 %3$g：请给出 %4$g 到 %5$g 之间的整数",
                           param->name, method->name, values[p], param->min, param->max);
        }
        return HD_FAIL(HEED_INPUT, "parameter '%s' of '%s' is %g: give a number from %g to %g",
                       "方法“%2$s”的参数“%1$s”为 %3$g：请给出 %4$g 到 %5$g 之间的数", param->name,
                       method->name, values[p], param->min, param->max);
    }
    return HEED_OK;
}

heed_err hd_model_file_begin(const hd_method *method, const double *values,
                             hd_safetensors_writer *out) {
    HD_TRY(hd_safetensors_add_meta(out, "method", method->name));
    HD_TRY(hd_safetensors_add_meta(out, "format", FORMAT));
    return hd_safetensors_add(out, "parameters", HD_F64, 1, &method->n_params, values);
}

heed_err hd_model_file_check(const hd_method *method, const hd_safetensors *in, double *values) {
    const char *name = hd_safetensors_meta(in, "method");
    if (!name || strcmp(name, method->name) != 0) {
        return HD_FAIL(HEED_CORRUPT, "the model file holds '%s', not '%s': train it again",
                       "模型文件中是“%s”，而不是“%s”：请重新训练", name ? name : "?", method->name);
    }
    const char *format = hd_safetensors_meta(in, "format");
    if (!format || strcmp(format, FORMAT) != 0) {
        return HD_FAIL(HEED_VERSION,
                       "the model file of '%s' has format '%s', this heed reads '%s': train it "
                       "again",
                       "“%s”的模型文件格式为“%s”，本版 heed 读取“%s”：请重新训练", method->name,
                       format ? format : "?", FORMAT);
    }
    const hd_tensor_view *view = NULL;
    HD_TRY(hd_safetensors_get(in, "parameters", HD_F64, 1, &view));
    if (view->shape[0] != method->n_params) {
        return HD_FAIL(HEED_CORRUPT, "the model file of '%s' has %zu parameters, not %zu",
                       "“%s”的模型文件有 %zu 个参数，应为 %zu 个", method->name, view->shape[0],
                       method->n_params);
    }
    if (method->n_params > 0) memcpy(values, view->data, method->n_params * sizeof *values);
    if (hd_model_values_check(method, values) == HEED_OK) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT, "the model file of '%s' has a parameter out of range",
                   "“%s”的模型文件中有参数超出范围", method->name);
}

heed_err hd_model_tensor(const hd_safetensors *in, const char *name, hd_dtype dtype, size_t *n,
                         void **out) {
    const hd_tensor_view *view = NULL;
    HD_TRY(hd_safetensors_get(in, name, dtype, 1, &view));
    if (*n != SIZE_MAX && view->shape[0] != *n) {
        return HD_FAIL(HEED_CORRUPT, "tensor '%s' of the model file has %zu entries, not %zu",
                       "模型文件的张量“%s”有 %zu 个元素，应为 %zu 个", name, view->shape[0], *n);
    }
    void *copy = hd_alloc(view->bytes + 1);
    if (!copy) return HD_FAIL_MEMORY(view->bytes);
    if (view->bytes > 0) memcpy(copy, view->data, view->bytes);
    *n = view->shape[0];
    *out = copy;
    return HEED_OK;
}

static heed_err bad_number(const char *name, size_t i) {
    return HD_FAIL(HEED_CORRUPT, "entry %2$zu of tensor '%1$s' in the model file is out of range",
                   "模型文件的张量“%1$s”第 %2$zu 个元素超出范围", name, i);
}

heed_err hd_model_floats_check(const char *name, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= 0) || !isfinite(x[i])) return bad_number(name, i);
    }
    return HEED_OK;
}

heed_err hd_model_doubles_check(const char *name, const double *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= 0) || !isfinite(x[i])) return bad_number(name, i);
    }
    return HEED_OK;
}
