# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which attention to choose on this device: eager, torch's fused one (sdpa), and FlashAttention 2 where it is installed.

    python benchmarks/attention.py [--preset pixio-b16] [--batch_size 4] [--dtype bfloat16] [--device cpu]

One encoder, once forward as in inference, once forward and backward as in training. Rounds alternate, medians count; the
ratios relate each way to eager attention.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers.utils.import_utils import is_flash_attn_2_available

from pixio_hf import PixioConfig, PixioModel

WARM_UP = 2


def measure(run: Callable[[], Any], device: str) -> float:
    """Seconds of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="pixio-b16")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    config, dtype = PixioConfig.preset(args.preset), getattr(torch, args.dtype)
    model = PixioModel(config).to(args.device, dtype).eval()
    pixel_values = torch.randn(args.batch_size, 3, config.image_size, config.image_size).to(args.device, dtype)
    ways = ["eager", "sdpa"]
    # FlashAttention 2 knows neither a CPU nor float32.
    if args.device == "cuda" and args.dtype != "float32" and is_flash_attn_2_available():
        ways.append("flash_attention_2")

    @torch.inference_mode()
    def encode() -> None:
        model(pixel_values)

    def train() -> None:
        model(pixel_values).last_hidden_state.sum().backward()
        model.zero_grad()

    passes = {"forward": encode, "training": train}
    seconds: dict[tuple[str, str], list[float]] = {(name, way): [] for name in passes for way in ways}
    for repeat in range(args.rounds + WARM_UP):
        for (name, way), values in seconds.items():
            model.set_attn_implementation(way)
            elapsed = measure(passes[name], args.device)
            if repeat >= WARM_UP:
                values.append(elapsed)
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    print(
        f"{args.preset}, batch {args.batch_size}, {args.dtype}, {args.device}, {torch.get_num_threads()} threads,"
        f" torch {torch.__version__}"
    )
    for (name, way), median in medians.items():
        print(f"{name}, {way}: {median * 1000:.1f} ms, {args.batch_size / median:.1f} images/s")
    if "flash_attention_2" not in ways:
        print("flash_attention_2: not measured; it needs a GPU, 16 bits and the package flash-attn")
    for name in passes:
        fastest = min(ways, key=lambda way: medians[name, way])
        print(f"fastest in {name}: {fastest}")
    for name, way in medians:
        if way != "eager":
            print(f"ratio attention.{name}.{way}: {medians[name, 'eager'] / medians[name, way]:.2f}")


if __name__ == "__main__":
    main()
