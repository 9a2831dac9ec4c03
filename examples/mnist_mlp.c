// SPDX-License-Identifier: Apache-2.0
//
// Handwritten digits by linear layers:   mnist_mlp FOLDER [EPOCHS]
// FOLDER holds MNIST's four files (or Fashion-MNIST's), gzip'd as they come.
#include "digits.h"

static const char layers[] = "- flatten\n"
                             "- linear: {out: 512, act: relu}\n"
                             "- dropout: .2\n"
                             "- linear: {out: 512, act: relu}\n"
                             "- dropout: .2\n"
                             "- linear: 10\n";

int main(int argc, char **argv) {
    heed_fit_params fit = heed_fit_default();
    fit.batch = 64;
    fit.schedule = "cosine";
    return digits_main(argc, argv, layers, fit, "mnist_mlp.safetensors");
}
