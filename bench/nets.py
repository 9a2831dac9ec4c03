#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The nets of bench/nets.c in PyTorch or TensorFlow: one net, one setting, one process; prints a line of JSON.

    nets.py NET [--framework torch|tf] [--mode eager|compile] [--precision f32|bf16] [--threads N] [--seconds S] [--losses N]
    nets.py --all [--out FILE] [--minutes M] [--build DIR]    # every net, side by side with bench_nets; tables at the end

Same shapes, batches, optimisers and made-up data as the C side; with --losses the weights come from the same counter-based
generator and the first N losses are printed, so that the curves can be laid side by side.

--all runs ours and theirs in turn, each in a process of its own, twice, and takes each side's better median; then the
rate of products on the same machine (bench_kernels), and steps beside a process that loads each core. Lines of JSON go to
FILE as they come; what doesn't fit into M minutes is left out and said."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
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


# ── Side by side ──

SLOW = ("resnet50", "gpt2", "bert_base")  # a step takes seconds
SINGLE = [n for n in NETS if n not in ("gru",)]


class Race:
    """Runs processes one after another, keeps their lines, and stops when its time is up."""

    def __init__(self, args):
        self.args, self.end = args, time.monotonic() + args.minutes * 60
        self.rows, self.left_out = {}, []
        self.file = open(args.out, "a") if args.out else None

    def run(self, key, command, timeout):
        if time.monotonic() > self.end:
            self.left_out.append(key)
            return
        env = dict(os.environ, OMP_NUM_THREADS=str(key[4]), TF_CPP_MIN_LOG_LEVEL="3")
        try:
            text = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env).stdout.strip()
            row = json.loads(text.splitlines()[-1])
        except (subprocess.TimeoutExpired, IndexError, json.JSONDecodeError):
            self.left_out.append(key)
            return
        row["busy"] = key[5]
        if self.file:
            print(json.dumps(row), file=self.file, flush=True)
        print(f"{' '.join(map(str, key)):55s} {row['step_ms']:10.2f} ms {row['workspace_mib']:8.1f} MiB", file=sys.stderr, flush=True)
        best = self.rows.get(key)
        if not best or row["step_ms"] < best["step_ms"]:
            self.rows[key] = row

    def heed(self, net, precision, threads, seconds, busy=""):
        command = [self.args.build + "/bench/bench_nets", net, precision, str(threads), str(seconds)]
        self.run((net, "heed", "", precision, threads, busy), command, 180)

    def peer(self, net, framework, mode, precision, threads, seconds, busy=""):
        command = [sys.executable, __file__, net, "--framework", framework, "--mode", mode, "--precision", precision]
        command += ["--threads", str(threads), "--seconds", str(seconds)]
        self.run((net, framework, mode, precision, threads, busy), command, 240)

    def step(self, *key):
        row = self.rows.get(key)
        return row["step_ms"] if row else None


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def table(head, lines):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for line in lines:
        print("| " + " | ".join("–" if v is None else v if isinstance(v, str) else f"{v:.2f}" for v in line) + " |")
    print()


def over(a, b):
    return a / b if a and b else None


def eager_tables(race):
    for threads in (1, 2):
        lines = []
        for net in SINGLE:
            f32, bf16 = (race.step(net, "heed", "", p, threads, "") for p in ("f32", "bf16"))
            t32, t16 = (race.step(net, "torch", "eager", p, threads, "") for p in ("f32", "bf16"))
            memory = [race.rows.get((net, *k, "f32", threads, ""), {}).get("workspace_mib") for k in (("heed", ""), ("torch", "eager"))]
            if not any((f32, t32, bf16, t16)):
                continue
            lines.append([net, f32, t32, over(t32, f32), bf16, t16, over(t32, bf16), over(t16, bf16), over(*memory)])
        if not lines:
            continue
        means = [geomean([line[i] for line in lines if line[i]]) for i in (3, 6, 7, 8)]
        lines.append(["geometric mean", "", "", means[0], "", "", means[1], means[2], means[3]])
        print(f"{threads} thread(s), ms per step; ratios of speed above 1: heed is faster\n")
        table(["net", "f32", "PyTorch", "ratio", "bf16", "PyTorch bf16", "to its f32", "to its bf16", "memory, f32"], lines)


def other_table(race):
    kinds = [("torch", "compile"), ("tf", "eager"), ("tf", "compile")]
    lines = []
    for net in SINGLE:
        f32, theirs = race.step(net, "heed", "", "f32", 1, ""), [race.step(net, *k, "f32", 1, "") for k in kinds]
        if any(theirs):
            lines.append([net, f32] + [v for t in theirs for v in (t, over(t, f32))])
    print("1 thread, f32, ms per step and ratio of speed\n")
    table(["net", "heed", "PyTorch compiled", "ratio", "TensorFlow eager", "ratio", "TensorFlow compiled", "ratio"], lines)


def rate_of_products(race, precision):
    """GFLOP/s that bench_kernels reaches on large products, one thread."""
    command = [race.args.build + "/bench/bench_kernels", precision, "1", "cube 1024"]
    text = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="1")).stdout
    rates = [float(line.split("GFLOP/s")[0].split()[-1]) for line in text.splitlines() if line.startswith("cube")]
    return geomean(rates)


def efficiency_table(race):
    lines = []
    for precision in ("f32", "bf16"):
        rate = rate_of_products(race, precision)
        for net in ("resnet20", "resnet18", "resnet50", "encoder", "gpt_mini", "gpt2", "bert_base"):
            row = race.rows.get((net, "heed", "", precision, 1, ""))
            if row:
                reached = row["gflop"] / row["step_ms"] * 1e3
                lines.append([net, precision, f"{reached:.0f}", f"{rate:.0f}", f"{100 * reached / rate:.0f}%"])
    print("GFLOP/s of whole steps against those of products (1024³, mean of the three ways), one thread\n")
    table(["net", "", "step", "products", "share"], lines)


def busy_table(race, loads):
    lines = []
    for net, framework, mode, threads in loads:
        idle, busy = (race.step(net, framework, mode, "f32", threads, b) for b in ("idle", "busy"))
        lines.append([net, framework, str(threads), idle, busy, over(busy, idle)])
    print("A step beside a process that loads each core\n")
    table(["net", "", "threads", "idle, ms", "busy, ms", "ratio"], lines)


def race_busy(race, nets):
    loads = [(n, f, m, t) for n in ("mlp_512", "resnet20", "gpt_mini") if n in nets for t in (1, 2) for f, m in (("heed", ""), ("torch", "eager"))]
    for state in ("idle", "busy"):
        burners = []
        if state == "busy" and not race.args.tables:
            burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
        try:
            for net, framework, mode, threads in loads:
                if framework == "heed":
                    race.heed(net, "f32", threads, 2, state)
                else:
                    race.peer(net, framework, mode, "f32", threads, 2, state)
        finally:
            for b in burners:
                b.kill()
                b.wait()
    return loads


def load(race, path):
    with open(path) as f:
        for row in map(json.loads, f):
            key = (row["net"], row["framework"], row.get("mode", ""), row["precision"], row["threads"], row["busy"])
            if key not in race.rows or row["step_ms"] < race.rows[key]["step_ms"]:
                race.rows[key] = row


def race_all(args):
    race = Race(args)
    nets = [n for n in SINGLE if not args.net or n == args.net]
    if args.tables:
        load(race, args.tables)
        nets, race.end = [], 0
    for threads in (1, 2):  # what matters most first
        for precision in ("f32", "bf16"):
            for net in nets:
                for _ in range(1 if net in SLOW else 2):
                    race.heed(net, precision, threads, args.seconds)
                    race.peer(net, "torch", "eager", precision, threads, args.seconds)
    loads = race_busy(race, nets or SINGLE)
    for framework, mode in (("tf", "compile"), ("torch", "compile"), ("tf", "eager")):
        for net in nets:
            if net not in SLOW and net != "resnet18":
                race.peer(net, framework, mode, "f32", 1, args.seconds)
    eager_tables(race)
    other_table(race)
    efficiency_table(race)
    busy_table(race, loads)
    for key in race.left_out if not args.tables else ():
        print("left out (time, or it failed):", *key)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS, nargs="?")
    parser.add_argument("--all", action="store_true", help="every net (or this one), ours and theirs in turn")
    parser.add_argument("--out", help="lines of JSON")
    parser.add_argument("--tables", metavar="FILE", help="with --all: only the tables, of lines written before")
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--build", default="build-release")
    parser.add_argument("--framework", default="torch", choices=("torch", "tf"))
    parser.add_argument("--mode", default="eager", choices=("eager", "compile"))
    parser.add_argument("--precision", default="f32", choices=("f32", "bf16"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--losses", type=int, default=0)
    args = parser.parse_args()
    args.seconds = args.seconds or (1 if args.all else 5)
    if args.all:
        return race_all(args)
    if not args.net:
        parser.error("which net?")
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
        start = time.monotonic()
        float(step())
        slow = time.monotonic() - start > 1  # steps of seconds need fewer to be warm, and to be told
        for _ in range(0 if slow and args.mode == "eager" else 2):
            float(step())
        times, spent = [], []
        end = time.monotonic() + args.seconds
        while len(times) < (3 if slow else 5) or time.monotonic() < end:
            start, cpu = time.monotonic(), time.process_time()
            float(step())
            times.append(time.monotonic() - start)
            spent.append(time.process_time() - cpu)
        median = statistics.median(times)
        out.update(step_ms=median * 1e3, best_ms=min(times) * 1e3, cpu_ms=statistics.median(spent) * 1e3, best_cpu_ms=min(spent) * 1e3, samples_per_s=NETS[args.net][0] / median, steps=len(times), workspace_mib=(peak() - base) / 2**20)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
