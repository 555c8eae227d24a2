# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth models in other runtimes and number formats against torch, in one process: time of a call, and delta1 lost.

    OMP_NUM_THREADS=2 python benchmarks/deployment.py [--model pixio-b16] [--exports openvino.int8 ...] [--folder exports]
    OMP_NUM_THREADS=2 python benchmarks/deployment.py --model pixio-tiny-depth
    python benchmarks/deployment.py --model pixio-h16 --exports --device cuda     # torch alone: exports run on CPUs

pixio-b16 has the DPT head in its default sizes and random weights; int8 is calibrated on the bundled photos, which is
enough for its time. pixio-tiny-depth is calibrated on rendered scenes of version 2, and delta1 is that of other ones. The
baseline is our model in torch, float32; transformers' PixioModel with the same head, and both in bfloat16, run beside it.
Rounds alternate, medians count. Exports are kept in --folder and used again by the next run.
"""

import argparse
import copy
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import ASSETS
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.evaluation.depth import evaluate_depth
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.export import PixioExportedModel, export_model
from pixio_hf.heads import concat_class_mean

EXPORTS = ("onnx.float32", "onnx.int8", "openvino.float32", "openvino.bfloat16", "openvino.int8")
INSTRUCTIONS = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
DATASET = "synthetic-mixed-v2"
NUM_CALIBRATION_SCENES = 32


class PlainModel:
    """transformers' PixioModel with our head: what somebody has who writes the model down without this package."""

    def __init__(self, model: PixioForDepthEstimation):
        config = transformers.PixioConfig(
            **{
                name: value
                for name, value in model.config.to_dict().items()
                if hasattr(transformers.PixioConfig(), name)
            }
        )
        self.encoder: Any = transformers.PixioModel(config).eval()
        self.encoder.to(model.device, model.dtype)
        self.encoder.load_state_dict(model.pixio.state_dict())
        self.head, self.taps, self.config = model.head, model.tapped_blocks, model.config

    def __call__(self, pixel_values: torch.Tensor) -> torch.Tensor:
        states: Any = self.encoder(pixel_values, output_hidden_states=True).hidden_states
        size, num_class_tokens = pixel_values.shape[-2:], self.config.n_cls_tokens
        grid = (size[0] // self.config.patch_size, size[1] // self.config.patch_size)
        features = []
        for block in self.taps:
            tokens = self.encoder.layernorm(states[block + 1])
            features.append(concat_class_mean(tokens[:, num_class_tokens:], tokens[:, :num_class_tokens], grid))
        return self.config.max_depth * self.head(features, tuple(size)).sigmoid().squeeze(1)


class LogitsOfDepth:
    """What `evaluate_depth` asks of a model, from one that returns depth."""

    def __init__(self, model: PixioExportedModel):
        self.model, self.config = model, model.config
        self.device, self.dtype = model.device, model.dtype

    def predict_logits(self, pixel_values: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor, None]:
        depth = self.model(pixel_values).predicted_depth
        return torch.logit(depth / self.config.max_depth, eps=1e-7)[:, None], None

    def eval(self) -> "LogitsOfDepth":
        return self


def save_model(name: str, folder: Path) -> Path:
    """Folder of the checkpoint to measure: random weights of a preset, or a trained model as float32."""
    target = folder / name
    if not (target / "config.json").is_file():
        torch.manual_seed(0)
        trained = name.endswith("-depth")
        model: Any = (
            PixioForDepthEstimation.from_pretrained(name)
            if trained
            else PixioForDepthEstimation(PixioConfig.preset(name))
        )
        model.save_pretrained(target)
        processor = PixioImageProcessor.for_config(model.config)
        processor.save_pretrained(target)
    return target


def save_scenes(folder: Path, image_size: int) -> Path:
    """Photographs to calibrate on: rendered scenes of the training split."""
    target = folder / "scenes"
    if not target.is_dir():
        scenes = open_depth_dataset(DATASET, "train", num_scenes=NUM_CALIBRATION_SCENES, image_size=image_size)
        target.mkdir()
        for index in range(NUM_CALIBRATION_SCENES):
            image: Any = scenes[index]["image"]
            (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(target / f"{index:03}.png")
    return target


def read_instructions() -> str:
    """Those of INSTRUCTIONS that this CPU has, as Linux tells it."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return "unknown"
    return ", ".join(name for name in INSTRUCTIONS if name in flags) or "none"


def measure(run: Callable[[], Any], clock: str) -> float:
    """Seconds of one call, of the wall clock or of the process's CPU time over the threads that share it."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    if clock == "cpu":
        return (time.process_time() - cpu) / torch.get_num_threads()
    return time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pixio-b16", help="a preset, or a trained depth model: pixio-tiny-depth")
    parser.add_argument("--exports", nargs="*", default=EXPORTS, metavar="FORMAT.DTYPE")
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--num_scenes", type=int, default=128)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where other work runs too")
    parser.add_argument("--device", default="cpu", help="cuda: for torch, with no exports")
    parser.add_argument("--folder", type=Path, help="where exports stay [default: nowhere]")
    args = parser.parse_args()
    if args.exports and args.device != "cpu":
        parser.error(f"exports run on the CPU, not on {args.device}; write --exports without names behind it.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        compare(args, folder)


@torch.inference_mode()
def compare(args: argparse.Namespace, folder: Path) -> None:
    source = save_model(args.model, folder)
    float32: Any = PixioForDepthEstimation.from_pretrained(source).eval().to(args.device)
    bfloat16 = copy.deepcopy(float32).bfloat16()
    plain, plain_bfloat16 = PlainModel(float32), PlainModel(bfloat16)
    is_trained = args.model.endswith("-depth")
    calibration = save_scenes(folder, float32.config.image_size) if is_trained else ASSETS / "photos"
    exports: dict[str, PixioExportedModel] = {}
    for name in args.exports:
        format, _, dtype = name.partition(".")
        target = folder / f"{args.model}.{name}"
        if not target.is_dir():
            with torch.inference_mode(False):
                export_model(source, target, format=format, dtype=dtype, calibration=calibration)
        threads = None if format == "torch" else torch.get_num_threads()
        exports[name] = PixioExportedModel.from_pretrained(target, num_threads=threads)

    side = float32.config.image_size
    pixel_values = torch.randn(args.batch_size, 3, side, side, device=args.device)
    rounded = pixel_values.bfloat16()
    runs: dict[str, Callable[[], Any]] = {
        "torch.float32": lambda: float32(pixel_values),
        "torch.bfloat16": lambda: bfloat16(rounded),
        "transformers.float32": lambda: plain(pixel_values),
        "transformers.bfloat16": lambda: plain_bfloat16(rounded),
        **{name: (lambda model=model: model(pixel_values)) for name, model in exports.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(args.rounds + 1):
        # In changing order: what runs just before leaves its traces in caches and clock rates.
        for name, run in random.Random(repeat).sample(list(runs.items()), len(runs)):
            elapsed = measure(run, args.clock)
            if repeat:  # the first call of a runtime prepares it
                seconds[name].append(elapsed)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{args.model}, DPT head, batch {args.batch_size} of {side} x {side}, {args.device}, {torch.get_num_threads()}"
        f" threads of {os.cpu_count()} cores ({read_instructions()}), torch {torch.__version__}, {args.clock} time"
    )
    lost = lost_delta1(args, source, exports) if is_trained else {}
    for name, median in medians.items():
        note = f", delta1 {lost[name]:+.2f} points" if name in lost else ""
        print(f"{name}: {1000 * median:.1f} ms, {args.batch_size / median:.1f} images/s{note}")
    baseline = medians["torch.float32"]
    for name in ("transformers.bfloat16", "torch.bfloat16", "transformers.float32", *exports):
        print(f"ratio deployment.{name}: {baseline / medians[name]:.2f}")


def lost_delta1(args: argparse.Namespace, source: Path, exports: dict[str, PixioExportedModel]) -> dict[str, float]:
    """Percentage points of delta1 on held-out scenes, each export's less that of torch in float32."""
    model: Any = PixioForDepthEstimation.from_pretrained(source).eval()
    side, processor = model.config.image_size, PixioImageProcessor.from_pretrained(source)
    dataset = open_depth_dataset(DATASET, "val", num_scenes=args.num_scenes, image_size=side)
    scenes = [dataset[index] for index in range(args.num_scenes)]

    def delta1(model: Any) -> float:
        result = evaluate_depth(model, processor, scenes, PredictionOptions(side, batch_size=16), progress=False)
        return 100 * result.metrics["delta1"]

    reference = delta1(model)
    return {name: delta1(LogitsOfDepth(exported)) - reference for name, exported in exports.items()}


if __name__ == "__main__":
    main()
