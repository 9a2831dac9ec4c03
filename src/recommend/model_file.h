// SPDX-License-Identifier: Apache-2.0
//
// What the files of all methods have in common: metadata "method" and "format", a tensor
// "parameters" (F64, as many as the method has), and one-dimensional tensors of the method's own.
#ifndef HD_RECOMMEND_MODEL_FILE_H
#define HD_RECOMMEND_MODEL_FILE_H

#include "recommend/recommender.h"

// HEED_INPUT naming the parameter that is not a number, out of range, or not whole.
heed_err hd_model_values_check(const hd_method *method, const double *values) HEED_CHECK;

// values: (n_params), borrowed until the file is written.
heed_err hd_model_file_begin(const hd_method *method, const double *values,
                             hd_safetensors_writer *out) HEED_CHECK;
// Checks method, format and parameters; values: (n_params), written. HEED_CORRUPT, HEED_VERSION.
heed_err hd_model_file_check(const hd_method *method, const hd_safetensors *in,
                             double *values) HEED_CHECK;

// A copy of a one-dimensional tensor. *n: the length it must have, or SIZE_MAX: set to what it has.
// *out: hd_free.
heed_err hd_model_tensor(const hd_safetensors *in, const char *name, hd_dtype dtype, size_t *n,
                         void **out) HEED_CHECK;
// HEED_CORRUPT unless all are finite and ≥ 0.
heed_err hd_model_floats_check(const char *name, const float *x, size_t n) HEED_CHECK;
heed_err hd_model_doubles_check(const char *name, const double *x, size_t n) HEED_CHECK;

#endif
