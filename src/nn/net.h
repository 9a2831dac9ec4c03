// SPDX-License-Identifier: Apache-2.0
//
// A network: its layers' specification, its weights, and what it takes in. Graphs are built from it
// for one batch size each (a program) and share its weights.
#ifndef HD_NN_NET_H
#define HD_NN_NET_H

#include "nn/data.h"
#include "nn/layer.h"
#include "nn/loss.h"

typedef struct hd_net {
    hd_spec spec;                    // root: {"layers": […]}
    hd_weights weights;              // made by the first build
    hd_data_field inputs[HD_FIELDS]; // inputs and lengths, set by hd_net_prepare
    int n_inputs;
    json_t *meta; // strings kept in its file for others
} hd_net;

// layers: YAML, a list. name: of the file it stands in, for messages, may be "".
heed_err hd_net_new(const char *layers, const char *name, uint64_t seed, hd_net **out) HEED_CHECK;
// The same of a list that was read with other things. where: of the list; its lines are copied.
heed_err hd_net_from_list(const json_t *layers, const hd_where *where, uint64_t seed,
                          hd_net **out) HEED_CHECK;
void hd_net_free(hd_net *net); // NULL is fine

// Makes the weights for inputs like these, once; another shape of inputs later: HEED_INPUT where
// weights depend on it.
heed_err hd_net_prepare(hd_net *net, const hd_data_field *fields, int n_fields) HEED_CHECK;
// The weights as text: path, shape, values; then the sum.
void hd_net_describe(const hd_net *net, hd_str *out);

// ── Programs ──

typedef struct hd_program_opts {
    size_t batch;
    const hd_loss *loss; // NULL: output alone
    bool training;       // with gradients, dropout and batch statistics
    hd_precision precision;
    uint64_t seed;       // of dropout
    size_t memory_limit; // 0: none
    bool check_finite;   // each operator's result, by name
    bool profile;        // each operator's time, in the plan
} hd_program_opts;

typedef struct hd_program {
    hd_graph *graph;
    size_t batch;
    size_t length; // of sequences, for who keeps several programs; 0: as the data has them
    hd_tensor *fields[HD_FIELDS]; // like the data's; NULL where unused
    hd_tensor *out;  // without values where the loss took in the last layer (many classes)
    hd_tensor *loss; // NULL: none
} hd_program;

// fields: as a source delivers them. pool: borrowed, may be NULL.
heed_err hd_program_new(hd_net *net, const hd_data_field *fields, int n_fields,
                        const hd_program_opts *opts, hd_pool *pool, hd_program **out) HEED_CHECK;
void hd_program_free(hd_program *program);
// Reads from these memories, (batch, …) each, from the next run on.
void hd_program_bind(hd_program *program, int n_fields, void *const *fields);

// ── Files: safetensors, with the specification in its metadata ──

heed_err hd_net_save(const hd_net *net, const char *path) HEED_CHECK;
// A network as it was saved: every weight there, none more, all of the right shape.
heed_err hd_net_open(const char *path, hd_net **out) HEED_CHECK;
heed_err hd_net_from_memory(const void *data, size_t n, const char *name,
                            hd_net **out) HEED_CHECK; // data: aligned to 8
// Takes what fits from another file: tensors whose name begins with `from`, that put in place by
// `to`. net must be prepared. report: JSON {taken, missing, unused, unlike}, for json_decref; may
// be NULL. HEED_INPUT when nothing fits.
heed_err hd_net_load(hd_net *net, const char *path, const char *from, const char *to,
                     json_t **report) HEED_CHECK;
// For checkpoints: adds the weights and the metadata.
heed_err hd_net_add_to(const hd_net *net, hd_safetensors_writer *writer,
                       hd_arena *arena) HEED_CHECK;

#endif
