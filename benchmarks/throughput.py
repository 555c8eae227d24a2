# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A folder of photos to depth maps, images per second from file to file, against transformers' pipeline.

    python benchmarks/throughput.py [--model pixio-tiny-depth] [--num_photos 64] [--batch_size 8] [--num_workers 2]
                                    [--export FOLDER] [--one_core]

Both read JPEGs, predict, bring depth to the photo's size and write a 16-bit PNG in millimetres. Ours is the loop of
`pixio-hf depth --no-color`, loaded once. The baseline is transformers' pipeline over a generator of photos, as its
documentation has it, with the same model in torch that sees photos at the same size, and our writer. Each part is also
measured alone, to say which is the limit. Rounds take turns in changing order; medians count.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import pipeline

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import ASSETS
from pixio_hf.depth_files import write_depth_png
from pixio_hf_cli.depth import load_depth_model, seen_size
from pixio_hf_cli.depth_task import DepthTask, choose_endings
from pixio_hf_cli.photo_loop import LoadedPhoto, begin, process_jobs
from pixio_hf_cli.result_plan import Job


def make_photos(folder: Path, num_photos: int, side: int) -> list[Path]:
    """JPEGs of `side` x 3/4 `side` pixels, cut from the bundled photos."""
    sources = [Image.open(path).convert("RGB") for path in sorted((ASSETS / "photos").glob("*.jpg"))]
    paths = []
    for index in range(num_photos):
        source = sources[index % len(sources)]
        shift = index // len(sources) % 16
        box = (shift, shift, source.width - 16 + shift, source.height - 16 + shift)
        paths.append(folder / f"{index:04}.jpg")
        source.crop(box).resize((side, side * 3 // 4)).save(paths[-1], quality=90)
    return paths


def run_ours(jobs: list[Job], task: DepthTask, num_workers: int) -> None:
    """What `pixio-hf depth` does once its model is loaded."""
    outcome = process_jobs(jobs, task, task.batch_size, num_workers)
    if outcome.failures:
        raise RuntimeError(f"Not all photos were computed: {outcome.failures[0]}")


def run_pipeline(run: Any, photos: list[Path], out: Path, batch_size: int) -> None:
    """transformers' pipeline over a generator of photos."""

    def generate() -> Iterator[Image.Image]:
        for path in photos:
            yield Image.open(path)

    for path, result in zip(photos, run(generate(), batch_size=batch_size), strict=True):
        write_depth_png(out / f"{path.stem}.png", result["predicted_depth"].numpy())


def measure(run: Callable[[], Any]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure_parts(task: DepthTask, jobs: list[Job]) -> dict[str, float]:
    """Milliseconds an image of reading, predicting and writing a batch, each by itself."""
    photos: list[LoadedPhoto] = []
    results: list[Any] = []
    parts = {
        "reading": lambda: photos.extend(task.read(job) for job in jobs),
        "the model": lambda: results.extend(task.predict(photos)),
        "writing": lambda: [task.write(*each) for each in zip(photos, results, strict=True)],
    }
    return {name: 1000 * measure(part) / len(jobs) for name, part in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pixio-tiny-depth")
    parser.add_argument("--export", help="an exported folder of that model, to run ours with")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of torch, in both")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--num_photos", type=int, default=64)
    parser.add_argument("--side", type=int, default=1024, help="width of the photos in pixels")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--one_core", action="store_true", help="run everything on one core")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        torch.set_num_threads(1)
    loaded = load_depth_model(args.export or args.model, args.device, "float32" if args.export else args.dtype)
    task = DepthTask(loaded, choose_endings(color=False), None, None, False, args.batch_size, False, {})
    model = PixioForDepthEstimation.from_pretrained(args.model, dtype=args.dtype).eval()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = make_photos(folder, args.num_photos, args.side)
        jobs = begin([str(path) for path in photos], folder, task.endings, [], False, False, False).jobs
        height, width = seen_size(loaded, task.read(jobs[0]).pixels) or (args.side * 3 // 4, args.side)
        size = {"height": height, "width": width}
        processor = PixioImageProcessor.from_pretrained(args.model, size=size, keep_aspect_ratio=False)
        plain = pipeline("depth-estimation", model=model, image_processor=processor, device=args.device)
        runs: dict[str, Callable[[], Any]] = {
            "transformers' pipeline": lambda: run_pipeline(plain, photos, folder, args.batch_size),
            "ours": lambda: run_ours(jobs, task, args.num_workers),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(args.rounds):
            for name, run in random.Random(turn).sample(list(runs.items()), len(runs)):
                seconds[name].append(measure(run))
        parts = measure_parts(task, jobs[: args.batch_size])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    what = args.export or f"{args.model} in {args.dtype} on {args.device}"
    print(
        f"{what}, {args.num_photos} JPEGs of {args.side} x {args.side * 3 // 4} seen at {width} x {height}, batches of"
        f" {args.batch_size}, {args.num_workers} workers, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for name, median in medians.items():
        print(f"{name}: {args.num_photos / median:.2f} images/s")
    for name, milliseconds in parts.items():
        print(f"{name} alone: {milliseconds:.1f} ms an image")
    baseline, ours = medians.values()
    print(f"ratio throughput.folder: {baseline / ours:.2f}")


if __name__ == "__main__":
    main()
