// SPDX-License-Identifier: Apache-2.0
//
// A training's checkpoint: taken up, or refused. The training is that of the corpus (two inputs, a
// layer of three, eight samples), so that bytes behind the identity are reached.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "nn/train.h"
#include "nn/training.h"

enum { N = 8, MOST_MEMORY = 256 << 20, MOST_BYTES = 1 << 16 };

static heed_err make_data(hd_data **out) {
    static float x[2 * N];
    static int32_t y[N];
    for (int i = 0; i < N; i++) {
        x[2 * i] = (float)(i % 3);
        x[2 * i + 1] = (float)(i % 5);
        y[i] = i % 2;
    }
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = y}};
    return hd_data_memory(N, 2, columns, out);
}

// One more step where the checkpoint was taken up. (Another checkpoint isn't written: its path
// can't be replaced.)
static void resume(hd_net *net, hd_data *data, const char *path) {
    const hd_train_opts opts = {.threads = 1,
                                .batch = 2,
                                .epochs = 3,
                                .average = 0.9,
                                .schedule = "plateau",
                                .metrics = "accuracy",
                                .ahead = -1,
                                .checkpoint = path,
                                .checkpoint_every = 1000,
                                .resume = true};
    if (hd_net_train(net, data, &opts, NULL) == HEED_INTERNAL) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char layers[] = "- linear: {out: 3, act: relu}\n- batch_norm\n- linear: 2\n";
    char path[64];
    hd_net *net = NULL;
    hd_data *samples = NULL;
    if (size > MOST_BYTES || hd_mem_adopt_libraries() != HEED_OK) return 0;
    hd_mem_limit_set(MOST_MEMORY);
    int fd = memfd_create("checkpoint", 0);
    if (fd < 0) abort();
    if (write(fd, data, size) != (ssize_t)size) abort();
    hd_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (make_data(&samples) == HEED_OK && hd_net_new(layers, "", 1, &net) == HEED_OK) {
        resume(net, samples, path);
    }
    hd_net_free(net);
    hd_data_free(samples);
    close(fd);
    return 0;
}
