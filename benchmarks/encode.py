# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Encode images with PixioModel against transformers' own PixioModel: same weights, same inputs, same process.

    python benchmarks/encode.py [--preset pixio-b16] [--batch_size 4] [--dtype float32] [--device cpu] [--compile]

encode.of_gemm_limit relates our time to that of its matrix products alone, same shapes and number format, measured in
turns with the rest: 1 would be an encoder that does nothing else. The way to 1 is what normalisation, softmax, GELU and
copies cost. --compile adds our model behind torch.compile, which fuses much of that; on a CPU, set TORCHINDUCTOR_FREEZING=1
beside it, so that weights are packed for the products, and bias and GELU join them.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers
from torch import nn

from pixio_hf import PixioConfig, PixioModel

REPEATS = 7


@torch.inference_mode()
def measure(run: Callable[[], Any], device: str) -> float:
    """Seconds of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


class MatrixProducts:
    """The matrix products of an encoder's forward pass and nothing else, on random numbers of the same shapes."""

    def __init__(self, model: PixioModel, pixel_values: torch.Tensor):
        config, batch_size = model.config, len(pixel_values)
        num_tokens = config.n_cls_tokens + config.patch_grid_size**2
        self.pixel_values = pixel_values
        self.convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        self.linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
        self.num_attentions = config.num_hidden_layers
        widths = {linear.in_features for linear in self.linears}
        self.tokens = {width: pixel_values.new_empty(batch_size, num_tokens, width).normal_() for width in widths}
        head_size = config.hidden_size // config.num_attention_heads
        shape = (batch_size * config.num_attention_heads, num_tokens)
        self.heads = pixel_values.new_empty(*shape, head_size).normal_()
        self.scores = pixel_values.new_empty(*shape, num_tokens).normal_()

    def __call__(self) -> None:
        for convolution in self.convolutions:
            convolution(self.pixel_values)
        for linear in self.linears:
            linear(self.tokens[linear.in_features])
        for _ in range(self.num_attentions):
            torch.bmm(self.heads, self.heads.mT)
            torch.bmm(self.scores, self.heads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="pixio-b16")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    config, dtype = PixioConfig.preset(args.preset), getattr(torch, args.dtype)
    ours = PixioModel(config).eval().to(args.device, dtype)
    theirs = transformers.PixioModel(config).eval().to(args.device, dtype)
    theirs.load_state_dict(ours.state_dict())
    pixel_values = torch.randn(args.batch_size, 3, config.image_size, config.image_size).to(args.device, dtype)
    runs = {
        "transformers": partial(theirs, pixel_values),
        "pixio_hf": partial(ours, pixel_values),
        "matrix products alone": MatrixProducts(ours, pixel_values),
    }
    if args.compile:
        runs["pixio_hf, compiled"] = partial(torch.compile(ours), pixel_values)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(REPEATS + 2):
        # In changing order: what runs just before leaves its traces in caches and clock rates.
        for name, run in random.Random(repeat).sample(list(runs.items()), len(runs)):
            elapsed = measure(run, args.device)
            if repeat >= 2:
                seconds[name].append(elapsed)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{args.preset}, batch {args.batch_size}, {args.dtype}, {args.device}, {torch.get_num_threads()} threads,"
        f" torch {torch.__version__}"
    )
    for name, median in medians.items():
        print(f"{name}: {median * 1000:.1f} ms, {args.batch_size / median:.1f} images/s")
    print(f"ratio encode.vs_transformers: {medians['transformers'] / medians['pixio_hf']:.2f}")
    print(f"ratio encode.of_gemm_limit: {medians['matrix products alone'] / medians['pixio_hf']:.2f}")
    if args.compile:
        limit = medians["matrix products alone"] / medians["pixio_hf, compiled"]
        print(f"ratio encode.compiled_of_gemm_limit: {limit:.2f}")


if __name__ == "__main__":
    main()
