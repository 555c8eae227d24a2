# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A folder of photos to depth maps, images per second from file to file, against transformers' pipeline.

    python benchmarks/throughput.py [--model pixio-tiny-depth] [--num_photos 64] [--batch_size 8] [--export FOLDER]

Both read JPEGs, predict, bring depth to the photo's size and write a 16-bit PNG in millimetres. The baseline is
transformers' pipeline over a generator of photos, as its documentation has it, with the same model in torch. Ours reads and
writes in threads beside the model, which sees one batch while the next one is decoded and the last one written. It also
measures each part alone, to say which is the limit. Rounds alternate, medians count.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import pipeline

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import ASSETS
from pixio_hf.depth_files import write_depth_png
from pixio_hf.photo_files import open_photo


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


def read(path: Path, processor: Any) -> tuple[torch.Tensor, tuple[int, int]]:
    """Normalised (1, 3, H, W) of a photo, and its own (height, width)."""
    with open_photo(path) as photo:
        image = photo.convert("RGB")
    return processor(image, return_tensors="pt")["pixel_values"], (image.height, image.width)


def predict(model: Any, processor: Any, read_photos: list[tuple[torch.Tensor, tuple[int, int]]]) -> list[np.ndarray]:
    """Depth of a batch, each (H, W) float32 metres at the photo's size."""
    with torch.inference_mode():
        outputs = model(torch.cat([pixel_values for pixel_values, _ in read_photos]))
        results = processor.post_process_depth_estimation(outputs, target_sizes=[size for _, size in read_photos])
    return [result["predicted_depth"].numpy() for result in results]


def run_ours(model: Any, processor: Any, photos: list[Path], out: Path, batch_size: int, workers: int) -> None:
    """Decode ahead and write behind in threads, while the model works."""
    with ThreadPoolExecutor(workers) as readers, ThreadPoolExecutor(workers) as writers:
        batches = [photos[start : start + batch_size] for start in range(0, len(photos), batch_size)]
        coming = [readers.submit(read, path, processor) for path in batches[0]]
        written = []
        for index, batch in enumerate(batches):
            ready = [each.result() for each in coming]
            following = batches[index + 1] if index + 1 < len(batches) else []
            coming = [readers.submit(read, path, processor) for path in following]
            for path, metres in zip(batch, predict(model, processor, ready), strict=True):
                written.append(writers.submit(write_depth_png, out / f"{path.stem}.png", metres))
        for each in written:
            each.result()


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pixio-tiny-depth")
    parser.add_argument("--export", type=Path, help="an exported folder of that model, to run ours with")
    parser.add_argument("--num_photos", type=int, default=64)
    parser.add_argument("--side", type=int, default=1024, help="width of the photos in pixels")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    processor = PixioImageProcessor.from_pretrained(args.model)
    torch_model: Any = PixioForDepthEstimation.from_pretrained(args.model).eval()
    model = torch_model
    if args.export is not None:
        from pixio_hf.export import PixioExportedModel

        model = PixioExportedModel.from_pretrained(args.export)
    plain = pipeline("depth-estimation", model=torch_model, image_processor=processor, device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = make_photos(folder, args.num_photos, args.side)
        runs: dict[str, Callable[[], Any]] = {
            "transformers' pipeline": lambda: run_pipeline(plain, photos, folder, args.batch_size),
            "ours": lambda: run_ours(model, processor, photos, folder, args.batch_size, args.workers),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, run in runs.items():
                seconds[name].append(measure(run))
        first = [read(path, processor) for path in photos[: args.batch_size]]
        parts = {
            "reading": measure(lambda: [read(path, processor) for path in photos[: args.batch_size]]),
            "the model": measure(lambda: predict(model, processor, first)),
        }
        maps = predict(model, processor, first)
        parts["writing"] = measure(
            lambda: [write_depth_png(folder / f"{index}.png", metres) for index, metres in enumerate(maps)]
        )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{args.export or args.model}, {args.num_photos} JPEGs of {args.side} x {args.side * 3 // 4}, batches of"
        f" {args.batch_size}, {args.workers} workers, {torch.get_num_threads()} threads of {os.cpu_count()} cores, torch"
        f" {torch.__version__}"
    )
    for name, median in medians.items():
        print(f"{name}: {args.num_photos / median:.2f} images/s")
    for name, elapsed in parts.items():
        print(f"{name} alone: {1000 * elapsed / len(first):.1f} ms an image")
    baseline, ours = medians.values()
    print(f"ratio throughput.folder: {baseline / ours:.2f}")


if __name__ == "__main__":
    main()
