# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForReconstruction for 2, 8 and 32 views: against depth of each view by itself, and against the form without chunks.

    python benchmarks/reconstruction.py [--size tiny] [--views 2 8 32]
    python benchmarks/reconstruction.py --size h16 --device cuda     # the paper's model at 512 x 384; also --dtype bfloat16

reconstruction.vs_depth_loop_V relates the time of PixioForDepthEstimation, called for one view after the other with the
same encoder, to that of one reconstruction, which also finds the cameras. reconstruction.memory_V relates the peak memory
of the plain form, all views through encoder and dense head at once, to that of the chunks of 8 that are the default; both
beside the weights. Memory is that of tensors on a GPU, and of a whole process on a CPU (Linux only). Weights are random.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioForReconstruction
from pixio_hf.evaluation.comparison import peak_memory, reset_peak_memory
from pixio_hf.training.reconstruction_recipes import TINY_FIELDS
from pixio_hf.view_memory import estimate_memory

SIZES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "tiny": ("pixio-tiny", dict(TINY_FIELDS), (128, 128)),
    "b16": ("pixio-b16", {}, (384, 512)),
    "h16": ("pixio-h16", {}, (384, 512)),
}
REPEATS = 3


@torch.inference_mode()
def measure(run: Callable[[Tensor], Any], views: Tensor, repeats: int) -> tuple[float, float | None]:
    """Median seconds of a call after the first, and MiB that the first takes beside what was held before."""
    device = views.device
    run(views[:, :1])  # libraries take memory of their own in their first call
    measures_memory = reset_peak_memory(device)
    before = peak_memory(device) if measures_memory else 0.0
    run(views)
    taken = peak_memory(device) - before if measures_memory else None
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run(views)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), taken


def measure_apart(
    run: Callable[[Tensor], Any], views: Tensor, repeats: int, num_threads: int
) -> tuple[float, float | None]:
    """The same on a CPU, in a process of its own: what one run frees stays with its process, and would hide the next."""
    receiver, sender = (context := multiprocessing.get_context("fork")).Pipe(duplex=False)

    def work() -> None:
        torch.set_num_threads(num_threads)
        sender.send(measure(run, views, repeats))

    process = context.Process(target=work)
    process.start()
    sender.close()
    result = receiver.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="tiny", choices=SIZES)
    parser.add_argument("--views", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    device, dtype, num_threads = torch.device(args.device), getattr(torch, args.dtype), torch.get_num_threads()
    torch.set_num_threads(1)  # a process that has used several cannot be forked
    preset, fields, (height, width) = SIZES[args.size]
    config = PixioConfig.preset(preset, **fields)
    model = PixioForReconstruction(config).to(device, dtype).eval()
    depth_model = PixioForDepthEstimation(config).to(device, dtype).eval()
    print(
        f"{args.size}, {height} x {width}, {args.dtype}, {device.type}, {torch.get_num_threads()} threads,"
        f" {torch.__version__}"
    )

    def in_chunks(views: Tensor) -> Any:
        return model(views)

    def plain(views: Tensor) -> Any:
        return model(views, view_chunk_size=None)

    def depth_loop(views: Tensor) -> list[Any]:
        return [depth_model(views[:, view]).predicted_depth for view in range(views.shape[1])]

    ratios, taken = [], {}
    for num_views in args.views:
        views = torch.randn(1, num_views, 3, height, width, device=device, dtype=dtype)

        results = {}
        for run in (in_chunks, plain, depth_loop):
            on_cpu = device.type == "cpu"
            results[run.__name__] = (
                measure_apart(run, views, args.repeats, num_threads) if on_cpu else measure(run, views, args.repeats)
            )
        for name, (seconds, memory) in results.items():
            shown = "" if memory is None else f", {memory:.0f} MiB"
            print(f"{num_views} views, {name}: {num_views / seconds:.2f} images/s{shown}")
        estimate = estimate_memory(config, num_views, height, width) / 2**20
        print(f"{num_views} views, estimated in float32: {estimate:.0f} MiB")
        ratios.append(
            f"ratio reconstruction.vs_depth_loop_{num_views}: {results['depth_loop'][0] / results['in_chunks'][0]:.2f}"
        )
        chunked, whole = results["in_chunks"][1], results["plain"][1]
        taken[num_views] = chunked
        if chunked and whole:
            ratios.append(f"ratio reconstruction.memory_{num_views}: {whole / chunked:.2f}")
    few, many = min(taken), max(taken)
    if many > few and (most := taken[many]) is not None and (least := taken[few]) is not None:
        print(f"each further view: {(most - least) / (many - few) * 2**20 / 1e6:.1f} MB")
    print("\n".join(ratios))


if __name__ == "__main__":
    main()
