#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures for the image recipes: clothes in colour before something else. Needs Pillow, numpy and Debian's dataset-fashion-mnist.

    pictures.py OUT CLASS CLASS… [--count N] [--side PIXELS] [--seed N]

Writes N pictures of each class (a name of NAMES) to OUT/CLASS/*.jpg. Each piece of clothing of Fashion-MNIST's training part is used
once: tinted, turned by up to 12°, at .6 to .95 of the picture's size, anywhere before a gradient with up to two shapes."""
import argparse
import gzip
import os

import numpy
from PIL import Image, ImageDraw

NAMES = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
FOLDER = "/usr/share/datasets/fashion-mnist"


def idx(name, skip):
    with gzip.open(os.path.join(FOLDER, name)) as f:
        return numpy.frombuffer(f.read(), numpy.uint8, offset=skip)


def backdrop(rng, side):
    ends = rng.integers(0, 200, (2, 3))
    along = numpy.linspace(0, 1, side)[:, None, None]
    rows = ends[0] * (1 - along) + ends[1] * along
    picture = Image.fromarray(numpy.broadcast_to(rows, (side, side, 3)).astype(numpy.uint8))
    picture = picture.rotate(90 * int(rng.integers(4)))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(3))):
        x, y = rng.integers(0, side, 2)
        size = int(rng.integers(side // 8, side // 3))
        shape = draw.ellipse if rng.integers(2) else draw.rectangle
        shape([int(x), int(y), int(x) + size, int(y) + size], fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return picture


def picture_of(rng, grey, side):
    picture = backdrop(rng, side)
    size = int(side * rng.uniform(0.6, 0.95))
    mask = Image.fromarray(grey).resize((size, size), Image.BICUBIC).rotate(rng.uniform(-12, 12), Image.BICUBIC)
    tint = rng.uniform(0.4, 1, 3)
    colour = (numpy.asarray(mask)[:, :, None] * tint).clip(0, 255).astype(numpy.uint8)
    over = mask.point(lambda v: 255 if v > 24 else v * 10)
    at = tuple(int(v) for v in rng.integers(0, side - size + 1, 2))
    picture.paste(Image.fromarray(colour), at, over)
    return picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("classes", nargs="+", choices=NAMES, metavar="CLASS")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    images = idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = idx("train-labels-idx1-ubyte.gz", 8)
    for name in args.classes:
        rng = numpy.random.default_rng([args.seed, NAMES.index(name)])
        folder = os.path.join(args.out, name)
        os.makedirs(folder, exist_ok=True)
        for i, at in enumerate(numpy.flatnonzero(labels == NAMES.index(name))[: args.count]):
            picture_of(rng, images[at], args.side).save(os.path.join(folder, f"{i:04d}.jpg"), quality=90)


if __name__ == "__main__":
    main()
