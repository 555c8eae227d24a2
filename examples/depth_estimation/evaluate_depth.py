# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Measure a depth model on held-out synthetic scenes, beside the baseline that predicts the mean depth everywhere.

    python examples/depth_estimation/evaluate_depth.py --model pixio-tiny-depth
    python examples/depth_estimation/evaluate_depth.py --model runs/depth/model --output_file runs/depth/held_out.json

The numbers of model_cards/pixio-tiny-depth.md come from this script: 512 rooms of seeds that no model was trained on.
They are rendered rooms, not photographs: the numbers say nothing about NYUv2 or KITTI.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.checkpoints.bundled import find_checkpoint
from pixio_hf.data.depth import DepthCollator, mean_depth, open_depth_datasets
from pixio_hf.metrics.depth import DepthMetrics


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
    depth_scale: float = 1.0
    batch_size: int = 32
    dtype: str = "float32"
    output_file: str | None = field(default=None, metadata={"help": "JSON with all numbers."})
    smoke: bool = field(default=False, metadata={"help": "Four scenes, to see that it runs."})


@torch.no_grad()
def main(args: EvaluationArguments) -> dict[str, dict[str, float]]:
    path = find_checkpoint(args.model)
    model = PixioForDepthEstimation.from_pretrained(path, dtype=getattr(torch, args.dtype)).eval()
    size = model.config.image_size
    processor = PixioImageProcessor(size={"height": size, "width": size}, depth_scale=args.depth_scale)
    num_train, num_eval = (4, 4) if args.smoke else (args.num_train_scenes, args.num_eval_scenes)
    train, held_out = open_depth_datasets(args.dataset, size, num_train, num_eval, args.cache_dir)
    constant = mean_depth(train, processor)

    limits = {"min_depth": model.config.min_depth, "max_depth": model.config.max_depth}
    metrics = {"model": DepthMetrics(**limits), "mean_depth": DepthMetrics(**limits)}
    loader = torch.utils.data.DataLoader(held_out, batch_size=args.batch_size, collate_fn=DepthCollator(processor))
    for batch in tqdm(loader, desc="held-out scenes"):
        predicted = model(batch["pixel_values"].to(model.dtype)).predicted_depth
        metrics["model"].add_batch(predictions=predicted, references=batch["labels"])
        metrics["mean_depth"].add_batch(predictions=torch.full_like(predicted, constant), references=batch["labels"])
    results = {name: metric.compute() or {} for name, metric in metrics.items()}
    for name, values in results.items():
        shown = ", ".join(f"{key} {values[key]:.4f}" for key in ("delta1", "abs_rel", "rmse"))
        print(f"{name}: {shown} ({values['num_images']} images)")
    if args.output_file:
        target = Path(args.output_file)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"partial-{target.name}")
        partial.write_text(json.dumps(results, indent=2) + "\n")
        os.replace(partial, target)
    return results


if __name__ == "__main__":
    (arguments,) = HfArgumentParser(cast(Any, EvaluationArguments)).parse_args_into_dataclasses(sys.argv[1:])
    main(arguments)
