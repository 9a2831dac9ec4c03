// SPDX-License-Identifier: Apache-2.0
//
// The operators: one row each. tests/tensor/test_ops.c walks through them.
#include "tensor/operator.h"

// X(name): hd_operator_<name>, sorted.
#define HD_OPERATOR_LIST(X) \
    X(abs)                  \
    X(add)                  \
    X(attention)            \
    X(avg_pool)             \
    X(avg_pool_back)        \
    X(batch_norm)           \
    X(bce_logits)           \
    X(broadcast)            \
    X(cast)                 \
    X(clamp)                \
    X(concat)               \
    X(conv2d)               \
    X(conv2d_dw)            \
    X(conv_transpose2d)     \
    X(cross_entropy)        \
    X(ctc)                  \
    X(distance_bias)        \
    X(div)                  \
    X(dropout)              \
    X(embedding)            \
    X(exp)                  \
    X(gather)               \
    X(gelu)                 \
    X(gelu_tanh)            \
    X(group_norm)           \
    X(huber)                \
    X(l2_normalize)         \
    X(layer_norm)           \
    X(leaky_relu)           \
    X(linear)               \
    X(linear_cross_entropy) \
    X(log)                  \
    X(log_softmax)          \
    X(mask_equal)           \
    X(matmul)               \
    X(max)                  \
    X(max_over)             \
    X(max_pool)             \
    X(max_pool_back)        \
    X(mean)                 \
    X(min)                  \
    X(mul)                  \
    X(norm_again)           \
    X(norm_back)            \
    X(pad)                  \
    X(part)                 \
    X(permute)              \
    X(pow)                  \
    X(recurrent)            \
    X(relu)                 \
    X(reshape)              \
    X(rms_norm)             \
    X(rotary)               \
    X(row_norm_back)        \
    X(scale)                \
    X(shift)                \
    X(sigmoid)              \
    X(silu)                 \
    X(slice)                \
    X(softmax)              \
    X(softplus)             \
    X(sqrt)                 \
    X(square)               \
    X(sub)                  \
    X(sum)                  \
    X(tanh)                 \
    X(upsample)             \
    X(upsample_back)

#define DECLARE(name) extern const hd_operator hd_operator_##name;
HD_OPERATOR_LIST(DECLARE)

#define ROW(name) &hd_operator_##name,
const hd_operator *const hd_operators[] = {HD_OPERATOR_LIST(ROW) NULL};
