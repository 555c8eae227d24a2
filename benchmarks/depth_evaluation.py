# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Windowed depth evaluation of images as NYUv2 has them, 426 x 560, against one window at a time in float32.

    python benchmarks/depth_evaluation.py [--preset pixio-b16] [--num_images 2] [--batch_size 16] [--device cpu]

Model: an encoder of the preset with the DPT head in its default sizes, random weights. The baseline predicts each window
whole, padding included, in a forward pass of its own, in float32, as the original does. Both go through `evaluate_depth`,
metrics included: the same windows of the same images. Times on a CPU are process CPU time, which other work on the machine
disturbs less; runs alternate. Beside each stands the time of its matrix products and convolutions alone: random numbers of
the same shapes and format, nothing between them. In the end it checks, with the bundled model on held-out synthetic scenes,
that bfloat16 and batches leave delta1 as it is.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor, bundled_checkpoint
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.evaluation.depth import evaluate_depth
from pixio_hf.evaluation.prediction import PredictionOptions

HEIGHT, WIDTH, WINDOW_SIZE = 426, 560, 256  # 12 windows an image
MAX_DELTA1_CHANGE = 0.1  # percentage points


class WholeWindows:
    """What `evaluate_depth` asks of a model, without `predict_parts`: windows are predicted with their padding."""

    def __init__(self, model: PixioForDepthEstimation):
        self.predict_logits, self.eval = model.predict_logits, model.eval
        self.config, self.device, self.dtype = model.config, model.device, model.dtype


def choose_clock(model: Any) -> Callable[[], float]:
    return time.perf_counter if model.device.type == "cuda" else time.process_time


def measure(model: Any, items: list[dict[str, Any]], batch_size: int) -> float:
    """Seconds of one evaluation: of the process on a CPU, of the clock on a GPU."""
    clock = choose_clock(model)
    start = clock()
    # Metrics of an image need its prediction on the CPU, so a GPU has finished when this returns.
    evaluate_depth(model, PixioImageProcessor(), items, options(batch_size), progress=False)
    return clock() - start


class Products(TorchDispatchMode):
    """Records every matrix product and convolution that runs inside of it, and runs them again with nothing else."""

    aten = torch.ops.aten
    functions = (aten.addmm, aten.mm, aten.bmm, aten.baddbmm, aten.linear, aten.matmul, aten.convolution, aten.conv2d)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
        self.numbers: dict[tuple[Any, ...], torch.Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func.overloadpacket
        if packet in self.functions:
            self.calls.append((func, tuple(self.stand_in(arg) for arg in args), kwargs or {}))
        elif "scaled_dot_product" in func.name():  # fused attention, which has another name on every device
            query, key, value = (self.stand_in(arg).flatten(0, 1).contiguous() for arg in args[:3])
            scores = self.stand_in(query.new_empty(len(query), query.shape[1], key.shape[1]))
            self.calls.append((torch.bmm, (query, key.mT), {}))
            self.calls.append((torch.bmm, (scores, value), {}))
        return func(*args, **kwargs or {})

    def stand_in(self, value: Any) -> Any:
        """Random numbers in place of a tensor, the same ones for every tensor of that shape."""
        if not isinstance(value, torch.Tensor):
            return value
        kind = (value.shape, value.stride(), value.dtype)
        if kind not in self.numbers:
            self.numbers[kind] = torch.empty_strided(*kind[:2], dtype=value.dtype, device=value.device).normal_()
        return self.numbers[kind]

    @torch.inference_mode()
    def measure(self, clock: Callable[[], float]) -> float:
        """Seconds that they take."""
        start = clock()
        for function, args, kwargs in self.calls:
            function(*args, **kwargs)
        if next(iter(self.numbers.values())).is_cuda:
            torch.cuda.synchronize()
        return clock() - start


def record_products(model: Any, items: list[dict[str, Any]], batch_size: int) -> Products:
    with Products() as products:
        measure(model, items, batch_size)
    return products


def options(batch_size: int, window_size: int = WINDOW_SIZE) -> PredictionOptions:
    return PredictionOptions(window_size, batch_size=batch_size)


def make_items(num_images: int) -> list[dict[str, Any]]:
    """Random images and depths of NYUv2's size."""
    generator = np.random.default_rng(0)
    return [
        {
            "image": generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
            "depth": generator.uniform(0.5, 9.5, (HEIGHT, WIDTH)).astype(np.float32),
        }
        for _ in range(num_images)
    ]


def check_delta1(num_scenes: int, batch_size: int) -> None:
    """Compare delta1 of the bundled model: windows one at a time in float32 against batches, also in bfloat16."""
    folder = bundled_checkpoint("pixio-tiny-depth")
    # The checkpoint is stored in bfloat16, and loaded so where nothing else is asked for.
    model = PixioForDepthEstimation.from_pretrained(folder, dtype=torch.float32)
    size = model.config.image_size
    scenes = open_depth_dataset("synthetic-mixed-v2", "val", num_scenes=num_scenes, image_size=size)
    scenes = [scenes[index] for index in range(num_scenes)]
    processor = PixioImageProcessor.from_pretrained(folder)

    def delta1(model: Any, batch_size: int) -> float:
        result = evaluate_depth(model, processor, scenes, options(batch_size, size), progress=False)
        return 100 * result.metrics["delta1"]

    reference, batched = delta1(WholeWindows(model), 1), delta1(model, batch_size)
    low_precision = delta1(model.bfloat16(), batch_size)
    print(
        f"delta1 of pixio-tiny-depth on {num_scenes} synthetic scenes, in windows: {reference:.3f} % one by one in float32,"
        f" {batched - reference:+.4f} points in batches, {low_precision - reference:+.4f} in batches in bfloat16"
    )
    for change in (batched - reference, low_precision - reference):
        if not abs(change) < MAX_DELTA1_CHANGE:
            raise SystemExit(f"delta1 changed by {change:+.4f} points, {MAX_DELTA1_CHANGE} are allowed.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="pixio-b16")
    parser.add_argument("--num_images", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=PredictionOptions().batch_size, help="windows at once")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--num_scenes", type=int, default=128)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    float32 = PixioForDepthEstimation(PixioConfig.preset(args.preset)).eval().to(args.device)
    bfloat16 = copy.deepcopy(float32).bfloat16()
    runs = {
        "one whole window at a time, float32": (WholeWindows(float32), 1),
        "batches, float32": (float32, args.batch_size),
        "batches, bfloat16": (bfloat16, args.batch_size),
    }
    items = make_items(args.num_images)
    small = [{name: values[:WINDOW_SIZE, :WINDOW_SIZE] for name, values in items[0].items()}]
    for model, batch_size in runs.values():
        measure(model, small, batch_size)
    products = {name: record_products(model, items, batch_size) for name, (model, batch_size) in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    alone: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.repeats):
        for name, (model, batch_size) in runs.items():
            seconds[name].append(measure(model, items, batch_size))
            alone[name].append(products[name].measure(choose_clock(model)))
    baseline, *ours = (statistics.median(values) for values in seconds.values())
    limits = [statistics.median(values) for values in alone.values()]
    print(
        f"{args.preset}, DPT head, {args.num_images} images of {HEIGHT} x {WIDTH}, batches of {args.batch_size},"
        f" {args.device}, torch {torch.__version__}"
    )
    if args.device == "cpu":
        extensions = {
            "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
            "amx_tile": torch.cpu._is_amx_tile_supported(),
        }
        found = ", ".join(name for name, there in extensions.items() if there)
        print(f"{torch.get_num_threads()} threads; bf16 instructions of this CPU: {found or 'none'}")
    for name, median, limit in zip(runs, (baseline, *ours), limits, strict=True):
        per_image = median / args.num_images, limit / args.num_images
        print(f"{name}: {per_image[0]:.2f} s an image, products alone {per_image[1]:.2f} s")
    check_delta1(args.num_scenes, args.batch_size)
    for dtype, median, limit in zip(("fp32", "bf16"), ours, limits[1:], strict=True):
        print(f"ratio depth_evaluation.{dtype}: {baseline / median:.2f}")
        print(f"ratio depth_evaluation.{dtype}_of_product_limit: {limit / median:.2f}")


if __name__ == "__main__":
    main()
