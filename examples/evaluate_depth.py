# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Measure a depth model on held-out synthetic scenes, beside the baseline that predicts the mean depth everywhere.

    python examples/evaluate_depth.py --model pixio-tiny-depth
    python examples/evaluate_depth.py --model runs/depth/model --output_file runs/depth/held_out.json

The numbers of model_cards/pixio-tiny-depth.md come from this script: 512 rooms of seeds that no model was trained on.
They are rendered rooms, not photographs: the numbers say nothing about NYUv2 or KITTI. Without the baseline, but with
windows, pictures and the rules of those data sets: `pixio-hf evaluate depth`.
"""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from transformers import HfArgumentParser

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.batches import mean_depth
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.evaluation.depth import evaluate_depth
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.files import write_json
from pixio_hf.metrics.depth import DepthMetrics
from pixio_hf.script_exit import require_positive, run_script

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class EvaluationArguments:
    """What to measure, and on what."""

    model: str = field(default="pixio-tiny-depth", metadata={"help": "Folder, Hub id or bundled name."})
    dataset: str = field(
        default="synthetic-rooms", metadata={"help": "synthetic-rooms, or a folder with train and val."}
    )
    num_eval_scenes: int = 512
    num_train_scenes: int = field(default=1024, metadata={"help": "Scenes whose mean depth is the baseline."})
    cache_dir: str | None = None
    depth_scale: float | None = field(default=None, metadata={"help": "Metres per unit stored in a folder's files."})
    batch_size: int = 32
    dtype: str = "float32"
    output_file: str | None = field(default=None, metadata={"help": "JSON with all numbers."})
    smoke: bool = field(default=False, metadata={"help": "Four scenes, to see that it runs."})


def main(args: EvaluationArguments) -> dict[str, dict[str, float]]:
    require_positive(args, "num_eval_scenes", "num_train_scenes", "batch_size")
    if args.dtype not in DTYPES:
        raise ValueError(f"--dtype must be one of {', '.join(DTYPES)}, got {args.dtype!r}.")
    path = find_checkpoint(args.model)
    model = PixioForDepthEstimation.from_pretrained(path, dtype=getattr(torch, args.dtype)).eval()
    config, size = model.config, model.config.image_size
    processor = PixioImageProcessor(size={"height": size, "width": size})
    num_train, num_eval = (4, 4) if args.smoke else (args.num_train_scenes, args.num_eval_scenes)
    shared = {"depth_scale": args.depth_scale, "image_size": size, "cache_dir": args.cache_dir}
    train = open_depth_dataset(args.dataset, "train", num_scenes=num_train, **shared)
    held_out = open_depth_dataset(args.dataset, "val", num_scenes=num_eval, **shared)

    # The whole image at once, as the model was trained, not in windows.
    options = PredictionOptions(window_size=None, batch_size=args.batch_size)
    evaluation = evaluate_depth(model, processor, held_out, options)
    constant = mean_depth(train, processor)
    baseline = DepthMetrics(min_depth=config.min_depth, max_depth=config.max_depth)
    for index in range(len(held_out)):
        depth = held_out[index]["depth"]
        baseline.add(prediction=np.full_like(depth, constant), reference=depth)
    results = {"model": evaluation.metrics, "mean_depth": baseline.compute() or {}}
    for name, values in results.items():
        shown = ", ".join(f"{key} {values[key]:.4f}" for key in ("delta1", "abs_rel", "rmse"))
        print(f"{name}: {shown} ({values['num_images']} images)")
    if args.output_file:
        write_json(args.output_file, results)
    return results


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, EvaluationArguments)))
