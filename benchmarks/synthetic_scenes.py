# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images per second of the synthetic scene renderer, in as many processes as there are cores.

    python benchmarks/synthetic_scenes.py [--image_size 256] [--kind room]

There is no baseline to compare with; the target of the project is 50 rooms of 256 x 256 a second on two cores.
"""

import argparse
import multiprocessing
import os
import time

import torch

from pixio_hf.synthetic import render_scenes

SCENES_PER_PROCESS = 96


def render(first_seed: int, image_size: int, kind: str) -> float:
    """Scenes a second of this process, on one thread."""
    torch.set_num_threads(1)
    render_scenes(range(first_seed, first_seed + 2), image_size, kind)  # pyright: ignore[reportArgumentType]
    start = time.time()
    render_scenes(range(first_seed, first_seed + SCENES_PER_PROCESS), image_size, kind)  # pyright: ignore[reportArgumentType]
    return SCENES_PER_PROCESS / (time.time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--kind", default="room")
    args = parser.parse_args()
    num_processes = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(num_processes) as pool:
        jobs = [(1000 * process, args.image_size, args.kind) for process in range(num_processes)]
        rates = pool.starmap(render, jobs, chunksize=1)
    print(
        f"{sum(rates):.1f} {args.kind} scenes of {args.image_size} x {args.image_size} a second, {num_processes} processes"
    )


if __name__ == "__main__":
    main()
