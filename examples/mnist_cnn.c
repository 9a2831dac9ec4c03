// SPDX-License-Identifier: Apache-2.0
//
// Handwritten digits by convolutions:   mnist_cnn FOLDER [EPOCHS]
// FOLDER holds MNIST's four files (or Fashion-MNIST's), plain or gzip'd as they come.
#include <heed/net.h>
#include <stdio.h>
#include <stdlib.h>

static const char layers[] = "- conv2d: {out: 32, kernel: 5, same: true, act: relu}\n"
                             "- max_pool\n"
                             "- conv2d: {out: 64, kernel: 5, same: true, bias: false}\n"
                             "- batch_norm: {act: relu}\n"
                             "- max_pool\n"
                             "- flatten\n"
                             "- dropout: .4\n"
                             "- linear: {out: 256, act: relu}\n"
                             "- dropout: .4\n"
                             "- linear: 10\n";

static int show(void *ctx, const heed_fit_progress *p) {
    (void)ctx;
    return fprintf(stderr, "\r%s\033[K%s", p->line, p->validated ? "\n" : "") < 0;
}

static heed_err digits(const char *folder, const char *which, heed_data **out) {
    char images[512], labels[512];
    snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", folder, which);
    snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", folder, which);
    return heed_data_idx(images, labels, out);
}

int main(int argc, char **argv) {
    heed_net *net = NULL;
    heed_data *train = NULL, *test = NULL;
    heed_fit_params fit = heed_fit_default();
    heed_fit_report report;
    if (argc < 2) return fprintf(stderr, "usage: mnist_cnn FOLDER [EPOCHS]\n"), 2;
    fit.epochs = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 10;
    fit.batch = 64;
    fit.schedule = "one_cycle";
    fit.optimizer = "adam: {rate: .003}";
    fit.metrics = "accuracy";
    fit.progress = show;
    heed_err err = digits(argv[1], "train", &train);
    if (!err) err = digits(argv[1], "t10k", &test);
    if (!err) err = heed_net_new(layers, 1, &net);
    fit.validation = test;
    if (!err) err = heed_net_fit(net, train, &fit, &report);
    if (!err) err = heed_net_save(net, "mnist_cnn.safetensors");
    if (!err) printf("%zu parameters, accuracy %.4f\n", report.parameters, report.metrics[0]);
    if (err) fprintf(stderr, "mnist_cnn: %s\n", heed_error_message(HEED_EN));
    heed_net_free(net);
    heed_data_free(test);
    heed_data_free(train);
    return heed_err_exit(err);
}
