// SPDX-License-Identifier: Apache-2.0
//
// Builders: one per operator. Each appends to the graph of its first tensor and returns the result;
// shapes are checked there and then, misuse sticks in the graph. Binary ones broadcast as NumPy
// does: missing leading dimensions and ones stretch.
#ifndef HD_TENSOR_OPS_H
#define HD_TENSOR_OPS_H

#include "kernel/gemm.h"
#include "kernel/recurrent.h"
#include "tensor/graph.h"

// ── Elementwise ──
hd_tensor *hd_tensor_add(hd_tensor *a, hd_tensor *b);
hd_tensor *hd_tensor_sub(hd_tensor *a, hd_tensor *b);
hd_tensor *hd_tensor_mul(hd_tensor *a, hd_tensor *b);
hd_tensor *hd_tensor_div(hd_tensor *a, hd_tensor *b);
hd_tensor *hd_tensor_min(hd_tensor *a, hd_tensor *b); // equal values share the gradient
hd_tensor *hd_tensor_max(hd_tensor *a, hd_tensor *b);
hd_tensor *hd_tensor_neg(hd_tensor *x);
hd_tensor *hd_tensor_scale(hd_tensor *x, float by);
hd_tensor *hd_tensor_shift(hd_tensor *x, float by); // x + by
hd_tensor *hd_tensor_exp(hd_tensor *x);
hd_tensor *hd_tensor_log(hd_tensor *x);
hd_tensor *hd_tensor_sqrt(hd_tensor *x);
hd_tensor *hd_tensor_square(hd_tensor *x);
hd_tensor *hd_tensor_abs(hd_tensor *x);
hd_tensor *hd_tensor_pow(hd_tensor *x, float exponent);
hd_tensor *hd_tensor_clamp(hd_tensor *x, float low, float high);
hd_tensor *hd_tensor_relu(hd_tensor *x);
hd_tensor *hd_tensor_leaky_relu(hd_tensor *x, float slope);
hd_tensor *hd_tensor_gelu(hd_tensor *x);      // x·Φ(x)
hd_tensor *hd_tensor_gelu_tanh(hd_tensor *x); // its approximation by tanh
hd_tensor *hd_tensor_silu(hd_tensor *x);
hd_tensor *hd_tensor_sigmoid(hd_tensor *x);
hd_tensor *hd_tensor_tanh(hd_tensor *x);
hd_tensor *hd_tensor_softplus(hd_tensor *x);
hd_tensor *hd_tensor_huber(hd_tensor *x, float delta); // x²/2 within ±delta, linear outside
hd_tensor *hd_tensor_act(hd_tensor *x, hd_act act);
// In training each value is 0 with probability p, else divided by 1 − p. Not in training: x.
hd_tensor *hd_tensor_dropout(hd_tensor *x, float p);
hd_tensor *hd_tensor_cast(hd_tensor *x, hd_dtype to); // i32 ↔ f32

// ── Reductions: over dimensions [dim, dim + n); dim < 0 counts from the end ──
hd_tensor *hd_tensor_sum(hd_tensor *x, int dim, int n, bool keep_dims);
hd_tensor *hd_tensor_mean(hd_tensor *x, int dim, int n, bool keep_dims);
hd_tensor *hd_tensor_max_over(hd_tensor *x, int dim, int n, bool keep_dims); // output 1: i32 place
hd_tensor *hd_tensor_sum_all(hd_tensor *x);
hd_tensor *hd_tensor_mean_all(hd_tensor *x);

// ── Shape ──
hd_tensor *hd_tensor_reshape(hd_tensor *x, int n_dims, const size_t *shape);
hd_tensor *hd_tensor_flatten(hd_tensor *x, int from);         // dimensions from … last become one
hd_tensor *hd_tensor_permute(hd_tensor *x, const int *order); // out.shape[i] = x.shape[order[i]]
hd_tensor *hd_tensor_concat(int n, hd_tensor *const *x, int dim);
hd_tensor *hd_tensor_slice(hd_tensor *x, int dim, size_t from, size_t length);
// before, after: (n_dims), how many zeros stand there.
hd_tensor *hd_tensor_pad(hd_tensor *x, const size_t *before, const size_t *after);
hd_tensor *hd_tensor_broadcast(hd_tensor *x, int n_dims, const size_t *shape);

// ── Products ──
// (…, m, k)·(…, k, n); transpose_b: b is (…, n, k). Leading dimensions agree, or b has none.
hd_tensor *hd_tensor_matmul(hd_tensor *a, hd_tensor *b, bool transpose_a, bool transpose_b);
// act(x·wᵀ + b + residual): x (…, in), w (out, in), b (out) or NULL, residual (…, out) or NULL.
hd_tensor *hd_tensor_linear(hd_tensor *x, hd_tensor *w, hd_tensor *b, hd_tensor *residual,
                            hd_act act);
// What a plain linear (no residual, no act) was made of; false: t is something else. *b may be
// NULL.
bool hd_tensor_linear_parts(const hd_tensor *t, hd_tensor **x, hd_tensor **w, hd_tensor **b);

// ── Images (n, h, w, c); series (n, length, c) ──
// Filters are (o, kh, kw, c / groups); of a transposed convolution (c, kh, kw, o / groups). Zeros
// in the options are the defaults: stride, dilation and groups 1.
typedef struct hd_conv_opts {
    size_t stride[2], pad[2], dilation[2], groups; // height, width; of a series the first counts
    size_t out_pad[2];                             // transposed: so much larger
    hd_act act;
} hd_conv_opts;
hd_tensor *hd_tensor_conv2d(hd_tensor *x, hd_tensor *w, hd_tensor *b, const hd_conv_opts *opts);
hd_tensor *hd_tensor_conv1d(hd_tensor *x, hd_tensor *w, hd_tensor *b, const hd_conv_opts *opts);
hd_tensor *hd_tensor_conv_transpose2d(hd_tensor *x, hd_tensor *w, hd_tensor *b,
                                      const hd_conv_opts *opts);
typedef struct hd_pool_opts {
    size_t k[2], stride[2], pad[2]; // stride 0: k
    bool skip_pad;                  // an average divides by the values there are
} hd_pool_opts;
hd_tensor *hd_tensor_max_pool(hd_tensor *x, const hd_pool_opts *opts); // output 1: i32 place
hd_tensor *hd_tensor_avg_pool(hd_tensor *x, const hd_pool_opts *opts);
hd_tensor *hd_tensor_adaptive_pool(hd_tensor *x, size_t out_h, size_t out_w, bool largest);
hd_tensor *hd_tensor_global_pool(hd_tensor *x, bool largest); // (n, c)
// Centres at halves (align_corners = false); not bilinear: nearest.
hd_tensor *hd_tensor_upsample(hd_tensor *x, size_t out_h, size_t out_w, bool bilinear);
hd_tensor *hd_tensor_pixel_shuffle(hd_tensor *x,
                                   size_t by);     // (n, h, w, c·by²) to (n, h·by, w·by, c)
hd_tensor *hd_tensor_channels_last(hd_tensor *x);  // (n, c, h, w) to (n, h, w, c)
hd_tensor *hd_tensor_channels_first(hd_tensor *x); // and back

// ── Normalisation; gamma and beta may be NULL ──
// Of each channel (the last dimension) over all else; act(… + residual) in the same pass. In
// training the batch's statistics, which move the running ones (states, or NULL) by momentum; else
// the running ones.
hd_tensor *hd_tensor_batch_norm(hd_tensor *x, hd_tensor *gamma, hd_tensor *beta,
                                hd_tensor *running_mean, hd_tensor *running_var, float eps,
                                float momentum, hd_tensor *residual, bool relu);
// Of each image's groups of channels.
hd_tensor *hd_tensor_group_norm(hd_tensor *x, size_t groups, hd_tensor *gamma, hd_tensor *beta,
                                float eps);
// Of each row.
hd_tensor *hd_tensor_layer_norm(hd_tensor *x, hd_tensor *gamma, hd_tensor *beta, float eps);
hd_tensor *hd_tensor_rms_norm(hd_tensor *x, hd_tensor *gamma, float eps);

// ── Over the last dimension ──
hd_tensor *hd_tensor_softmax(hd_tensor *x);
hd_tensor *hd_tensor_log_softmax(hd_tensor *x);
hd_tensor *hd_tensor_l2_normalize(hd_tensor *x, float eps); // x / max(|x|, eps)

// ── Losses ──
typedef enum hd_reduction { HD_REDUCE_MEAN, HD_REDUCE_SUM, HD_REDUCE_NONE } hd_reduction;
typedef struct hd_cross_entropy_opts {
    hd_reduction reduction;
    float smoothing;    // of labels: this share is spread over all classes
    bool ignore;        // rows of this label count for nothing
    int32_t ignored;    //
    hd_tensor *weights; // (V) of the classes, or NULL. The mean is then a weighted one
} hd_cross_entropy_opts;
// logits (…, V), labels (…) i32. Softmax, logarithm and choice in one.
hd_tensor *hd_tensor_cross_entropy(hd_tensor *logits, hd_tensor *labels,
                                   const hd_cross_entropy_opts *opts);
// cross_entropy(linear(x, w, b), labels) without keeping the logits: x (…, D), w (V, D), b (V).
hd_tensor *hd_tensor_linear_cross_entropy(hd_tensor *x, hd_tensor *w, hd_tensor *b,
                                          hd_tensor *labels, const hd_cross_entropy_opts *opts);
// max(x, 0) − x·y + log(1 + exp(−|x|)), elementwise.
hd_tensor *hd_tensor_bce_logits(hd_tensor *x, hd_tensor *y);

// ── Sequences ──
typedef struct hd_attention_opts {
    size_t heads;
    size_t kv_heads;    // heads of keys and values, which query heads share; 0: heads
    float scale;        // of the products; 0: 1/√(values of a head)
    bool causal;        // query t sees keys 0 … first + t
    size_t first;       // keys that stand before the first query
    hd_tensor *lengths; // (B) i32: only that many keys are seen; NULL: all
    // Added to the scaled products: (H, T + S − 1) by s − t + T − 1 (hd_tensor_distance_bias), and
    // (H, buckets) by the bucket of |q_time − k_time|, of which there are 2^octave_bits to each
    // doubling. Times: (B, T), (B, S) i32; k_time NULL: q_time.
    hd_tensor *by_distance, *by_time, *q_time, *k_time;
    unsigned octave_bits; // 0 … 3
    float dropout;        // in training: of the weights that values are summed by
} hd_attention_opts;
// softmax(scale·q·kᵀ + bias)·v by heads: (B, T, H·D). q (B, T, H·D), k and v (B, S, Hkv·D); v NULL:
// k is (B, S, 2·Hkv·D), keys before values; both NULL: q is (B, T, (H + 2·Hkv)·D).
hd_tensor *hd_tensor_attention(hd_tensor *q, hd_tensor *k, hd_tensor *v,
                               const hd_attention_opts *opts);

// Turns pairs of values of the first `heads` heads of x (B, T, W), head_dim each, by angles that
// grow with the place: those of queries and keys of a packed projection, in place.
typedef struct hd_rotary_opts {
    size_t heads, head_dim;
    size_t rotated;    // only the first so many values of a head; 0: all
    float base;        // 0: 10,000
    bool adjacent;     // pairs are values 2j and 2j + 1; false: j and j + rotated/2
    size_t first;      // place of the first
    hd_tensor *places; // (B, T) i32 below n_places, instead; or NULL
    size_t n_places;
} hd_rotary_opts;
hd_tensor *hd_tensor_rotary(hd_tensor *x, const hd_rotary_opts *opts);
// The sinusoids of places first … first + n − 1, (n, width): to be added to embeddings.
hd_tensor *hd_graph_sinusoids(hd_graph *graph, size_t first, size_t n, size_t width);

// A learned bias of attention by distance, as T5 has it: table (H, buckets) to by_distance.
typedef struct hd_distance_opts {
    size_t queries, keys, first;
    size_t far; // from this distance on it is the last bucket; 0: 128
    bool both;  // keys after the query have half of the buckets; false (causal): distance 0
} hd_distance_opts;
hd_tensor *hd_tensor_distance_bias(hd_tensor *table, const hd_distance_opts *opts);

// One direction of a recurrent layer (kernel/recurrent.h), weights (G·H, In), (G·H, H), (G·H).
typedef struct hd_recurrent_weights {
    hd_tensor *w_ih, *w_hh;
    hd_tensor *b_ih, *b_hh; // or NULL
    hd_tensor *h0, *c0;     // (B, H), or NULL: 0
} hd_recurrent_weights;
typedef struct hd_recurrent_opts {
    hd_cell cell;
    hd_act act; // HD_ACT_TANH as a rule
    bool reverse;
    hd_tensor *lengths; // (B) i32, or NULL: all steps
} hd_recurrent_opts;
// x (B, T, In): (B, T, H), zeros behind a row's length. Output 1: the last h (B, H); 2: of an LSTM
// the last c.
hd_tensor *hd_tensor_recurrent(hd_tensor *x, const hd_recurrent_weights *weights,
                               const hd_recurrent_opts *opts);

typedef struct hd_ctc_opts {
    int32_t blank;      // its class
    bool zero_infinity; // targets that don't fit count 0 instead of infinity
    hd_tensor *steps;   // (B) i32: steps of each; NULL: all
    hd_tensor *lengths; // (B) i32: of the targets; NULL: all
} hd_ctc_opts;
// logits (B, T, C), targets (B, L) i32: each sequence's −log P (B).
hd_tensor *hd_tensor_ctc(hd_tensor *logits, hd_tensor *targets, const hd_ctc_opts *opts);

// ── Ranking ──
typedef struct hd_sampled_opts {
    float scale;          // of the products: 1/temperature; 0: 1
    hd_tensor *log_q;     // (M) f32: logarithms of how often each is drawn, taken off; or NULL
    hd_tensor *log_q_own; // (N), the same of the rows' own items; or NULL
    hd_reduction reduction;
} hd_sampled_opts;
// Softmax loss of x (N, D) over its own item and M drawn ones: items (V, D), labels (N) i32, drawn
// (M) i32; a drawn item that is the row's own doesn't count.
hd_tensor *hd_tensor_sampled_softmax(hd_tensor *x, hd_tensor *items, hd_tensor *labels,
                                     hd_tensor *drawn, const hd_sampled_opts *opts);
// x (N, M), −1e30 where rows (N) i32 and cols (M) i32 are equal.
hd_tensor *hd_tensor_mask_equal(hd_tensor *x, hd_tensor *rows, hd_tensor *cols);
// Mean of −log σ(better − worse).
hd_tensor *hd_tensor_bpr(hd_tensor *better, hd_tensor *worse);

// ── Rows by index ──
hd_tensor *hd_tensor_embedding(hd_tensor *table, hd_tensor *index); // (V, D), (…) i32: (…, D)
// x (N, …), index (M) i32: out[m] = x[index[m]].
hd_tensor *hd_tensor_gather(hd_tensor *x, hd_tensor *index);

#endif
