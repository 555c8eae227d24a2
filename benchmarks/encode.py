# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Encode images with PixioModel against transformers' own PixioModel: same weights, same inputs, same process.

python benchmarks/encode.py [--preset pixio-b16] [--batch_size 4] [--device cpu]
"""

import argparse
import statistics
import time

import torch
import transformers

from pixio_hf import PixioConfig, PixioModel

REPEATS = 7


@torch.inference_mode()
def measure(model: torch.nn.Module, pixel_values: torch.Tensor) -> float:
    """Seconds of one forward pass."""
    if pixel_values.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    model(pixel_values)
    if pixel_values.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="pixio-b16")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    config = PixioConfig.preset(args.preset)
    ours = PixioModel(config).eval().to(args.device)
    theirs = transformers.PixioModel(config).eval().to(args.device)
    theirs.load_state_dict(ours.state_dict())
    pixel_values = torch.randn(args.batch_size, 3, config.image_size, config.image_size, device=args.device)
    seconds: dict[str, list[float]] = {"transformers": [], "pixio_hf": []}
    for repeat in range(REPEATS + 2):
        for name, model in (("transformers", theirs), ("pixio_hf", ours)):
            elapsed = measure(model, pixel_values)
            if repeat >= 2:
                seconds[name].append(elapsed)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{args.preset}, batch {args.batch_size}, {args.device}, torch {torch.__version__}")
    for name, median in medians.items():
        print(f"{name}: {median * 1000:.1f} ms, {args.batch_size / median:.1f} images/s")
    print(f"ratio encode.vs_transformers: {medians['transformers'] / medians['pixio_hf']:.2f}")


if __name__ == "__main__":
    main()
