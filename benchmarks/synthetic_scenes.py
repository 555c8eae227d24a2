# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images per second of the synthetic scene renderer, in as many processes as there are cores.

    python benchmarks/synthetic_scenes.py [--image_size 256] [--kind mixed] [--version 2]

The target of the project is 50 pictures of 256 x 256 a second on two cores. The last line compares version 2 with version 1
by the time of the processor, which holds on a busy machine too.
"""

import argparse
import multiprocessing
import os
import time

import torch

from pixio_hf.synthetic import render_scenes

SCENES_PER_PROCESS = 96


def render(first_seed: int, image_size: int, kind: str, version: int) -> tuple[float, float]:
    """Scenes a second of this process, on one thread, and processor seconds a scene."""
    torch.set_num_threads(1)
    render_scenes(range(first_seed, first_seed + 2), image_size, kind, version=version)  # pyright: ignore[reportArgumentType]
    start, start_of_processor = time.time(), time.process_time()
    seeds = range(first_seed, first_seed + SCENES_PER_PROCESS)
    render_scenes(seeds, image_size, kind, version=version)  # pyright: ignore[reportArgumentType]
    seconds, of_processor = time.time() - start, time.process_time() - start_of_processor
    return SCENES_PER_PROCESS / seconds, of_processor / SCENES_PER_PROCESS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--kind", default="mixed")
    parser.add_argument("--version", type=int, default=2)
    args = parser.parse_args()
    num_processes = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(num_processes) as pool:
        measured = {}
        for version in sorted({1, args.version}):
            kind = args.kind if version == args.version else "mixed"
            jobs = [(1000 * process, args.image_size, kind, version) for process in range(num_processes)]
            measured[version] = pool.starmap(render, jobs, chunksize=1)
    rate = sum(rate for rate, _ in measured[args.version])
    size = f"{args.image_size} x {args.image_size}"
    print(f"{rate:.1f} {args.kind} scenes of {size} a second, version {args.version}, {num_processes} processes")
    costs = {version: sum(cost for _, cost in values) / num_processes for version, values in measured.items()}
    print(f"ratio synthetic_scenes.{args.kind}: {costs[1] / costs[args.version]:.2f}")


if __name__ == "__main__":
    main()
