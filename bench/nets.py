#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The nets of bench/nets.c in PyTorch or TensorFlow: one net, one setting, one process; prints a line of JSON.

    nets.py NET [--framework torch|tf] [--mode eager|compile] [--precision f32|bf16] [--threads N] [--seconds S] [--losses N]

Same shapes, batches, optimisers and made-up data as the C side; with --losses the weights come from the same counter-based
generator and the first N losses are printed, so that the curves can be laid side by side."""
import argparse
import json
import math
import os
import statistics
import time

# name: (batch, optimiser, learning rate)
NETS = {
    "mlp_512": (128, "momentum", 0.01),
    "mlp_128": (64, "momentum", 0.01),
    "conv32": (32, "adam", 1e-3),
    "resnet20": (64, "momentum", 0.01),
    "resnet18": (32, "momentum", 0.01),
    "resnet50": (8, "momentum", 0.01),
    "lstm": (32, "adam", 1e-3),
    "gru": (32, "adam", 1e-3),
    "text": (32, "adam", 1e-3),
    "encoder": (32, "adamw", 1e-4),
    "gpt_mini": (12, "adamw", 1e-4),
    "gpt2": (4, "adamw", 1e-4),
    "bert_base": (8, "adamw", 1e-4),
}
TRANSFORMERS = {  # layers, width, heads, tokens, vocabulary, classes (0: next token), BERT's kind (norms behind) or GPT's
    "encoder": (4, 256, 8, 128, 10000, 2, "bert"),
    "gpt_mini": (4, 128, 4, 64, 65, 0, "gpt"),
    "gpt2": (12, 768, 12, 64, 50257, 0, "gpt"),
    "bert_base": (12, 768, 12, 128, 30522, 2, "bert"),
}
RESNETS = {  # side, classes, stem, widths, blocks, bottleneck
    "resnet20": (32, 10, "small", (16, 32, 64), (3, 3, 3), False),
    "resnet18": (64, 1000, "large", (64, 128, 256, 512), (2, 2, 2, 2), False),
    "resnet50": (224, 1000, "large", (64, 128, 256, 512), (3, 4, 6, 3), True),
}


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


def reset_peak():
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def counter(seed, stream, n):
    """n 64-bit values of heed's generator (Philox4x32-10 over block and stream; src/base/rng.c)."""
    import numpy as np

    block = np.arange((n + 1) // 2, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c = [block & low, block >> np.uint64(32), np.full_like(block, stream & 0xFFFFFFFF), np.full_like(block, stream >> 32)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    out = np.empty(2 * len(block), np.uint64)
    out[0::2], out[1::2] = c[0] | c[1] << np.uint64(32), c[2] | c[3] << np.uint64(32)
    return out[:n]


def uniform(seed, stream, shape):
    """float32 in [-1, 1)."""
    import numpy as np

    return ((counter(seed, stream, math.prod(shape)) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1).astype(np.float32).reshape(shape)


def below(seed, stream, shape, bound):
    import numpy as np

    return (counter(seed, stream, math.prod(shape)) % np.uint64(bound)).astype(np.int64).reshape(shape)


def heed_name(name, torch_name):
    """A weight's path in heed's file of the same net."""
    parts = torch_name.split(".")
    if name in RESNETS:
        layer = int(parts[0])
        if len(parts) == 2:
            last = 3 + sum(RESNETS[name][4]) + 2 + (RESNETS[name][2] == "large")
            return f"{layer - 2 if layer == last else layer}.{parts[1]}"
        inside = {"body": ("conv1", "bn1", "", "conv2", "bn2", "", "conv3", "bn3"), "short": ("downsample.0", "downsample.1")}
        return f"{layer - 1}.{inside[parts[1]][int(parts[2])]}.{parts[3]}"
    if name in TRANSFORMERS:
        gpt = TRANSFORMERS[name][6] == "gpt"
        if parts[0] == "blocks":
            inside = {"qkv": "attention.qkv", "out": "attention.out", "n1": "norm1", "n2": "norm2", "up": "linear1", "down": "linear2"}
            return f"{2 if gpt else 3}.{parts[1]}.{inside[parts[2]]}.{parts[3]}"
        first = {"tok": "tok" if gpt else "0", "pos": "1", "norm": "2.norm" if gpt else "2", "head": "5"}
        return f"{first[parts[0]]}.{parts[1]}"
    first = {"mlp": {"0": "0", "2": "1", "4": "2"}, "conv32": {"0": "0", "4": "3"}, "text": {"table": "0", "a": "2", "b": "3"}}
    table = first.get("mlp" if name.startswith("mlp") else name, {"cells": "0", "head": "2"})
    return f"{table[parts[0]]}.{parts[1]}"


def stream_of(path):
    """FNV-1a, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in path.encode():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def fill(name, net):
    """Weights as bench/nets.c and tests/nn/test_golden.c fill them: each from the stream of its path."""
    import torch

    for torch_name, p in net.named_parameters():
        path = heed_name(name, torch_name)
        u = uniform(7, stream_of(path), tuple(p.shape))
        if p.ndim == 1:
            u = u * 0.1 + (1 if path.endswith("weight") else 0)
        else:
            u = u / math.sqrt(math.prod(p.shape[1:]))
        with torch.no_grad():
            p.copy_(torch.from_numpy(u.astype("float32")))


def data(name):
    """Inputs (N,C,H,W for images) and targets, the same on every run and in bench/nets.c."""
    batch = NETS[name][0]
    if name.startswith("mlp"):
        return uniform(1, 0, (batch, 784)), below(1, 1, (batch,), 10)
    if name == "conv32":
        return uniform(1, 0, (batch, 1, 28, 28)), below(1, 1, (batch,), 10)
    if name in RESNETS:
        side, classes = RESNETS[name][:2]
        return uniform(1, 0, (batch, 3, side, side)), below(1, 1, (batch,), classes)
    if name in ("lstm", "gru"):
        return uniform(1, 0, (batch, 30, 1)), uniform(1, 1, (batch, 1))
    if name == "text":
        return below(1, 0, (batch, 50), 10000), below(1, 1, (batch, 1), 2).astype("float32")
    tokens, vocabulary, classes = TRANSFORMERS[name][3:6]
    x = below(1, 0, (batch, tokens), vocabulary)
    return x, below(1, 1, (batch,), classes) if classes else below(1, 1, (batch, tokens), vocabulary)


def torch_net(name):
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Basic(nn.Module):
        def __init__(self, cin, cout, stride, bottleneck):
            super().__init__()
            wide = cout * 4 if bottleneck else cout

            def step(a, b, k, s):
                return [nn.Conv2d(a, b, k, s, k // 2, bias=False), nn.BatchNorm2d(b)]

            if bottleneck:
                self.body = nn.Sequential(*step(cin, cout, 1, 1), nn.ReLU(True), *step(cout, cout, 3, stride), nn.ReLU(True), *step(cout, wide, 1, 1))
            else:
                self.body = nn.Sequential(*step(cin, cout, 3, stride), nn.ReLU(True), *step(cout, cout, 3, 1))
            self.short = nn.Sequential(*step(cin, wide, 1, stride)) if stride != 1 or cin != wide else nn.Identity()

        def forward(self, x):
            return F.relu(self.body(x) + self.short(x), True)

    def resnet():
        _, classes, stem, widths, blocks, bottleneck = RESNETS[name]
        c = widths[0]
        parts = [nn.Conv2d(3, c, 7 if stem == "large" else 3, 2 if stem == "large" else 1, 3 if stem == "large" else 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(True)]
        if stem == "large":
            parts.append(nn.MaxPool2d(3, 2, 1))
        for i, (w, n) in enumerate(zip(widths, blocks)):
            for j in range(n):
                parts.append(Basic(c, w, 2 if i and j == 0 else 1, bottleneck))
                c = w * 4 if bottleneck else w
        return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))

    class Block(nn.Module):
        def __init__(self, width, heads, gpt):
            super().__init__()
            self.heads, self.gpt = heads, gpt
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.n1 = nn.LayerNorm(width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.n2 = nn.LayerNorm(width)

        def attend(self, x):
            b, t, c = x.shape
            q, k, v = (p.view(b, t, self.heads, c // self.heads).transpose(1, 2) for p in self.qkv(x).split(c, 2))
            a = F.scaled_dot_product_attention(q, k, v, is_causal=self.gpt)
            return self.out(a.transpose(1, 2).reshape(b, t, c))

        def feed(self, x):
            return self.down(F.gelu(self.up(x), approximate="tanh" if self.gpt else "none"))

        def forward(self, x):
            if self.gpt:
                x = x + self.attend(self.n1(x))
                return x + self.feed(self.n2(x))
            x = self.n1(x + self.attend(x))
            return self.n2(x + self.feed(x))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            layers, width, heads, tokens, vocabulary, self.classes, kind = TRANSFORMERS[name]
            self.gpt = kind == "gpt"
            self.tok, self.pos = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
            self.norm = nn.LayerNorm(width)  # of the embeddings (BERT), or at the end (GPT)
            self.blocks = nn.ModuleList(Block(width, heads, self.gpt) for _ in range(layers))
            self.head = nn.Linear(width, self.classes) if self.classes else None  # else tied to the table

        def forward(self, x):
            h = self.tok(x) + self.pos.weight
            if not self.gpt:
                h = self.norm(h)
            for block in self.blocks:
                h = block(h)
            if self.gpt:
                h = self.norm(h)
            return self.head(h.mean(1)) if self.classes else F.linear(h, self.tok.weight)

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            kind = nn.LSTM if name == "lstm" else nn.GRU
            self.cells, self.head = kind(1, 50, 2, batch_first=True), nn.Linear(50, 1)

        def forward(self, x):
            return self.head(self.cells(x)[0][:, -1])

    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.a, self.b = nn.Embedding(10000, 16), nn.Linear(16, 24), nn.Linear(24, 1)

        def forward(self, x):
            return self.b(F.relu(self.a(self.table(x).mean(1))))

    if name == "mlp_512":
        net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    elif name == "mlp_128":
        net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    elif name == "conv32":
        net = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 10))
    elif name in RESNETS:
        net = resnet().to(memory_format=torch.channels_last)
    else:
        net = Recurrent() if name in ("lstm", "gru") else Text() if name == "text" else Transformer()
    loss = F.mse_loss if name in ("lstm", "gru") else F.binary_cross_entropy_with_logits if name == "text" else lambda y, t: F.cross_entropy(y.reshape(-1, y.shape[-1]), t.reshape(-1))
    return net, loss


def torch_step(name, args):
    import numpy as np
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    net, loss_of = torch_net(name)
    if args.losses:
        fill(name, net)
    _, kind, rate = NETS[name]
    make = {
        "momentum": lambda p: torch.optim.SGD(p, rate, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, rate),
        "adamw": lambda p: torch.optim.AdamW(p, rate, betas=(0.9, 0.95), weight_decay=0.1),
    }[kind]
    optimiser = make(net.parameters())
    x, t = (torch.from_numpy(np.ascontiguousarray(a)) for a in data(name))
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    run = torch.compile(net) if args.mode == "compile" else net
    bf16 = args.precision == "bf16"

    def step(x=x, t=t):
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y = run(x)
        loss = loss_of(y.float(), t)
        loss.backward()
        optimiser.step()
        return loss.detach()

    n = sum(p.numel() for p in net.parameters())
    return step, n, x, t, torch.__version__


def tf_net(name):
    import tensorflow as tf

    k = tf.keras
    L = k.layers

    def conv_bn(x, c, size, stride, act=True):
        x = L.BatchNormalization(momentum=0.9, epsilon=1e-5)(L.Conv2D(c, size, stride, "same", use_bias=False)(x))
        return L.ReLU()(x) if act else x

    if name.startswith("mlp"):
        x = i = k.Input((784,))
        for w in (512, 512) if name == "mlp_512" else (128,):
            x = L.Dense(w, "relu")(x)
        x = L.Dense(10)(x)
    elif name == "conv32":
        i = k.Input((28, 28, 1))
        x = L.Dense(10)(L.Flatten()(L.MaxPooling2D()(L.Conv2D(32, 3, activation="relu")(i))))
    elif name in RESNETS:
        side, classes, stem, widths, blocks, bottleneck = RESNETS[name]
        i = k.Input((side, side, 3))
        x = conv_bn(i, widths[0], 7 if stem == "large" else 3, 2 if stem == "large" else 1)
        if stem == "large":
            x = L.MaxPooling2D(3, 2, "same")(x)
        for s, (w, n) in enumerate(zip(widths, blocks)):
            for j in range(n):
                stride = 2 if s and j == 0 else 1
                wide = w * 4 if bottleneck else w
                short = conv_bn(x, wide, 1, stride, False) if stride != 1 or x.shape[-1] != wide else x
                if bottleneck:
                    y = conv_bn(conv_bn(conv_bn(x, w, 1, 1), w, 3, stride), wide, 1, 1, False)
                else:
                    y = conv_bn(conv_bn(x, w, 3, stride), w, 3, 1, False)
                x = L.ReLU()(L.Add()([y, short]))
        x = L.Dense(classes)(L.GlobalAveragePooling2D()(x))
    elif name == "lstm":
        i = k.Input((30, 1))
        x = L.Dense(1)(L.LSTM(50)(L.LSTM(50, return_sequences=True)(i)))
    elif name == "text":
        i = k.Input((50,), dtype="int32")
        x = L.Dense(1)(L.Dense(24, "relu")(L.GlobalAveragePooling1D()(L.Embedding(10000, 16)(i))))
    else:
        layers, width, heads, tokens, vocabulary, classes, kind = TRANSFORMERS[name]
        gpt = kind == "gpt"
        i = k.Input((tokens,), dtype="int32")
        table = L.Embedding(vocabulary, width)

        def norm(x):
            return L.LayerNormalization(epsilon=1e-5)(x)

        def attend(x):
            return L.MultiHeadAttention(heads, width // heads)(x, x, use_causal_mask=gpt)

        def feed(x):
            return L.Dense(width)(L.Dense(4 * width, lambda v: tf.nn.gelu(v, approximate=gpt))(x))

        x = table(i) + L.Embedding(tokens, width)(tf.range(tokens))
        x = x if gpt else norm(x)
        for _ in range(layers):
            x = x + attend(norm(x)) if gpt else norm(x + attend(x))
            x = x + feed(norm(x)) if gpt else norm(x + feed(x))
        x = norm(x) if gpt else x

        class Tied(L.Layer):
            def call(self, h):
                return tf.matmul(h, table.embeddings, transpose_b=True)

        x = L.Dense(classes)(L.GlobalAveragePooling1D()(x)) if classes else Tied()(x)
    return k.Model(i, x)


def tf_step(name, args):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if args.precision == "bf16":
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    net = tf_net(name)
    _, kind, rate = NETS[name]
    k = tf.keras.optimizers
    optimiser = {
        "momentum": lambda: k.SGD(rate, momentum=0.9),
        "adam": lambda: k.Adam(rate),
        "adamw": lambda: k.AdamW(rate, beta_1=0.9, beta_2=0.95, weight_decay=0.1),
    }[kind]()
    x, t = data(name)
    if x.ndim == 4:
        x = x.transpose(0, 2, 3, 1)
    x, t = tf.constant(x if x.dtype.kind == "f" else x.astype("int32")), tf.constant(t)

    def step(x=x, t=t):
        with tf.GradientTape() as tape:
            y = tf.cast(net(x, training=True), tf.float32)
            if name == "lstm":
                loss = tf.reduce_mean(tf.square(y - t))
            elif name == "text":
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(t, y))
            else:
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(t, y))
        optimiser.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        return loss

    if args.mode == "compile":
        step = tf.function(step)
    n = sum(math.prod(v.shape) for v in net.trainable_variables)
    return step, n, x, t, tf.__version__


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--framework", default="torch", choices=("torch", "tf"))
    parser.add_argument("--mode", default="eager", choices=("eager", "compile"))
    parser.add_argument("--precision", default="f32", choices=("f32", "bf16"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--losses", type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    step, params, x, t, version = (torch_step if args.framework == "torch" else tf_step)(args.net, args)
    out = {"net": args.net, "framework": args.framework, "version": version, "mode": args.mode, "precision": args.precision, "threads": args.threads, "parameters": params}
    if args.losses:
        out["losses"] = [float(step()) for _ in range(args.losses)]
    else:
        # Weights, moments, gradients and the libraries' own pages stand once one sample has gone through: the rest is activations.
        float(step(x[:1], t[:1]))
        base = resident()
        reset_peak()
        for _ in range(3):
            float(step())
        times = []
        end = time.monotonic() + args.seconds
        while len(times) < 5 or time.monotonic() < end:
            start = time.monotonic()
            float(step())
            times.append(time.monotonic() - start)
        median = statistics.median(times)
        out.update(step_ms=median * 1e3, best_ms=min(times) * 1e3, samples_per_s=NETS[args.net][0] / median, steps=len(times), workspace_mib=(peak() - base) / 2**20)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
