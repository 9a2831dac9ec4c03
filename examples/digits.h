// SPDX-License-Identifier: Apache-2.0
//
// What the programs for handwritten digits share: reading MNIST's files (or Fashion-MNIST's), a
// training on eleven twelfths of the training files while the rest shows how it goes, and the
// judgement by the test files, which nothing was chosen by.
#ifndef DIGITS_H
#define DIGITS_H

#include <heed/net.h>
#include <stdio.h>
#include <stdlib.h>

static int digits_show(void *ctx, const heed_fit_progress *p) {
    (void)ctx;
    return fprintf(stderr, "\r%s\033[K%s", p->line, p->validated ? "\n" : "") < 0;
}

static heed_err digits_open(const char *folder, const char *which, heed_data **out) {
    char images[512], labels[512];
    snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", folder, which);
    snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", folder, which);
    return heed_data_idx(images, labels, out);
}

static heed_err digits_run(const char *layers, const char *folder, heed_fit_params *fit,
                           const char *path) {
    heed_net *net = NULL;
    heed_data *all = NULL, *train = NULL, *test = NULL;
    heed_score score;
    heed_err err = digits_open(folder, "train", &all);
    if (!err) err = heed_data_part(all, 0, 11. / 12, 1, &train);
    if (!err) err = heed_data_part(all, 11. / 12, 1, 1, &fit->validation);
    if (!err) err = digits_open(folder, "t10k", &test);
    if (!err) err = heed_net_new(layers, 1, &net);
    if (!err) err = heed_net_fit(net, train, fit, NULL);
    if (!err) err = heed_net_save(net, path);
    if (!err) err = heed_net_evaluate(net, test, NULL, "accuracy", &score);
    if (!err)
        printf("%zu parameters, test accuracy %.4f\n", heed_net_parameters(net), score.metrics[0]);
    heed_net_free(net);
    heed_data_free(test);
    heed_data_free(fit->validation);
    heed_data_free(train);
    heed_data_free(all);
    return err;
}

// PROGRAM FOLDER [EPOCHS]: the network of `layers`, trained as `fit` says, saved at `path`.
static int digits_main(int argc, char **argv, const char *layers, heed_fit_params fit,
                       const char *path) {
    if (argc < 2) return fprintf(stderr, "usage: %s FOLDER [EPOCHS]\n", argv[0]), 2;
    fit.epochs = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 10;
    fit.metrics = "accuracy";
    fit.progress = digits_show;
    heed_err err = digits_run(layers, argv[1], &fit, path);
    if (err) fprintf(stderr, "%s: %s\n", argv[0], heed_error_message(HEED_EN));
    return heed_err_exit(err);
}

#endif
