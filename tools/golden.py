#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rebuilds tests/nn/golden.txt: outputs and gradients of small nets in PyTorch (PyPI), which tests/nn/test_golden.c holds heed to.

    tools/golden.py > tests/nn/golden.txt

Weights and data come from the counter-based generator (bench/nets.py), so only results are kept: a line `net out v …` (the first
values), `net sum s` and `net norm n` over all outputs, and `net grad PATH norm first last` for each weight."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
import nets  # noqa: E402
import torch  # noqa: E402

nets.NETS = {"mlp_128": (8, "", 0), "resnet18": (4, "", 0), "lstm": (4, "", 0), "gru": (4, "", 0), "bert_mini": (2, "", 0), "gpt_mini": (2, "", 0)}
nets.RESNETS["resnet18"] = (64, 10, "large", (64, 128, 256, 512), (2, 2, 2, 2), False)
nets.TRANSFORMERS["bert_mini"] = (4, 256, 4, 16, 1000, 2, "bert")
nets.TRANSFORMERS["gpt_mini"] = (4, 128, 4, 16, 65, 0, "gpt")

for name in nets.NETS:
    net, loss_of = nets.torch_net(name)
    nets.fill(name, net)
    x, t = (torch.from_numpy(a) for a in nets.data(name))
    y = net(x)
    loss_of(y, t).backward()
    flat = y.detach().double().reshape(-1)
    print(name, "out", *(f"{v:.7g}" for v in flat[:16]))
    print(name, "all", f"{flat.sum():.9g} {flat.norm():.9g} {flat.abs().max():.9g}")
    for torch_name, p in net.named_parameters():
        g = p.grad.double().reshape(-1)
        print(name, "grad", nets.heed_name(name, torch_name), f"{g.norm():.9g} {g[0]:.9g} {g[-1]:.9g}")
