// SPDX-License-Identifier: Apache-2.0
//
// Handwritten digits by convolutions:   mnist_cnn FOLDER [EPOCHS]
// FOLDER holds MNIST's four files (or Fashion-MNIST's), gzip'd as they come.
#include "digits.h"

static const char layers[] = "- conv2d: {out: 32, kernel: 5, same: true, act: relu}\n"
                             "- max_pool\n"
                             "- conv2d: {out: 64, kernel: 3, same: true, bias: false}\n"
                             "- batch_norm: {act: relu}\n"
                             "- max_pool\n"
                             "- conv2d: {out: 128, kernel: 3, same: true, bias: false}\n"
                             "- batch_norm: {act: relu}\n"
                             "- flatten\n"
                             "- dropout: .5\n"
                             "- linear: 10\n";

int main(int argc, char **argv) {
    heed_fit_params fit = heed_fit_default();
    fit.batch = 64;
    fit.optimizer = "adam: {rate: .003}";
    fit.schedule = "one_cycle";
    fit.average = .999; // the weights' running average is what is judged and kept
    return digits_main(argc, argv, layers, fit, "mnist_cnn.safetensors");
}
