// SPDX-License-Identifier: Apache-2.0
//
// The table of kernels of the chosen path. A family of kernels is one file in kernel/path/, written
// once against kernel/path/simd.h and compiled once per instruction set (src/kernel/meson.build);
// it ends with a const table named by HD_PATH. To add a family: the file, its line in
// meson.build's path_src, a member here, a row in kernels.c.
#ifndef HD_KERNEL_KERNELS_H
#define HD_KERNEL_KERNELS_H

typedef struct hd_kernels {
    const struct hd_attention_kernels *attention; // kernel/attention.h
    const struct hd_conv_kernels *conv;           // kernel/conv_path.h
    const struct hd_norm_kernels *norm;           // kernel/norm_path.h
    const struct hd_optim_kernels *optim;         // kernel/optim.h
    const struct hd_pack_kernels *pack;           // kernel/pack.h
    const struct hd_pooling_kernels *pooling;     // kernel/pooling_path.h
    const struct hd_recurrent_kernels *recurrent; // kernel/recurrent.h
    const struct hd_softmax_kernels *softmax;     // kernel/softmax.h
    const struct hd_tile_kernels *tile;           // kernel/tile.h
    const struct hd_vec_kernels *vec;             // kernel/vec.h
} hd_kernels;

// Never NULL, and no member is.
const hd_kernels *hd_kernels_get(void);

#endif
