# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluate feed-forward 3D reconstruction as the paper's table T3 does, for any numbers of views.

    python examples/reconstruction/evaluate_views.py --model runs/tiny-3d/run2/model --cache_dir cache --num_views 2 3 4
    python examples/reconstruction/evaluate_views.py --model path/to/model --dataset path/to/eth3d --sets_per_scene 10 \
        --min_covisibility 0.025 --mixed_precision bf16 --output_file eth3d.json
    python examples/reconstruction/evaluate_views.py --model path/to/model --smoke

Prints eight metrics per number of views: means over sets of views, which the seed of the protocol chooses by what they
have in common. --depth_model adds two baselines to compare with: the mean of training scenes, and that model on every view
alone; both put all cameras into one place. Numbers of rendered rooms say nothing about photographs. Published numbers
need the sets that MapAnything's benchmark distributes; docs/reconstruction.md says what could be checked here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from transformers import HfArgumentParser

from pixio_hf import PixioForDepthEstimation, PixioForReconstruction
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.scene_folders import SceneFolders
from pixio_hf.data.labelled.view_dataset import ViewDataset
from pixio_hf.evaluation.processes import join_processes, process_index
from pixio_hf.evaluation.reconstruction import (
    Predict,
    evaluate_reconstruction,
    format_metrics,
    model_predictor,
)
from pixio_hf.evaluation.reconstruction_baselines import MeanScene, depth_model_predictor
from pixio_hf.files import write_json
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.synthetic import HELD_OUT_SEEDS, SYNTHETIC_DATASETS
from pixio_hf.synthetic.view_sets import SyntheticViewSet

NUM_MEAN_SCENES = 512  # training scenes that the mean is taken over


@dataclass(frozen=True)
class EvaluationArguments:
    """One evaluation."""

    model: str = field(metadata={"help": "Folder, Hub id or short name of a PixioForReconstruction."})
    dataset: str = field(
        default="synthetic-rooms",
        metadata={"help": f"{', '.join(SYNTHETIC_DATASETS)}, or a folder of scenes (docs/reconstruction.md)."},
    )
    num_views: list[int] = field(default_factory=lambda: [2], metadata={"help": "Views of a set; several numbers."})
    num_scenes: int = field(default=160, metadata={"help": "Held-out synthetic scenes."})
    views_per_scene: int = field(default=4, metadata={"help": "Views of a synthetic scene."})
    sets_per_scene: int = field(default=1, metadata={"help": "Sets of views of each scene of a folder; 10 in T3."})
    min_covisibility: float = field(
        default=0.25, metadata={"help": "Of views that follow each other; 0.025 for ETH3D."}
    )
    image_size: int | None = field(default=None, metadata={"help": "Of synthetic scenes; none: the model's."})
    batch_size: int = field(default=10, metadata={"help": "Sets per forward pass."})
    mixed_precision: str = field(default="no", metadata={"help": "no, or bf16 as in the protocol."})
    depth_model: str | None = field(default=None, metadata={"help": "A PixioForDepthEstimation for the baselines."})
    cache_dir: str | None = field(default=None, metadata={"help": "Where rendered scenes are kept."})
    smoke: bool = field(default=False, metadata={"help": "Two scenes, to see that it runs."})
    output_file: str | None = field(default=None, metadata={"help": "A JSON file for all numbers of all sets."})


def open_sets(args: EvaluationArguments, num_views: int, side: int) -> ViewDataset:
    """The sets of views of one number.

    Raises:
        ValueError: no such data set, or scenes with fewer views.
    """
    if args.dataset in SYNTHETIC_DATASETS:
        kind, views = SYNTHETIC_DATASETS[args.dataset], max(args.views_per_scene, num_views)
        num_scenes = 2 if args.smoke else args.num_scenes
        scenes = SyntheticViewSet(num_scenes, views, HELD_OUT_SEEDS.start, side, kind, cache_dir=args.cache_dir)
        return ViewDataset(scenes, num_views, views_in_turn=True)
    folders = SceneFolders(args.dataset, min_views=num_views, cache_dir=args.cache_dir)
    return ViewDataset(folders, num_views, sets_per_scene=args.sets_per_scene, min_covisibility=args.min_covisibility)


def open_baselines(args: EvaluationArguments, side: int) -> dict[str, Predict]:
    """Predictors by name; none without a depth model.

    Raises:
        ValueError: the data set is no synthetic one, whose training scenes the mean is taken over.
    """
    if args.depth_model is None:
        return {}
    if args.dataset not in SYNTHETIC_DATASETS:
        raise ValueError("The baselines of --depth_model take means over training scenes: choose a synthetic dataset.")
    model = PixioForDepthEstimation.from_pretrained(find_checkpoint(args.depth_model), dtype=torch.float32)
    kind = SYNTHETIC_DATASETS[args.dataset]
    scenes = SyntheticViewSet(4 if args.smoke else NUM_MEAN_SCENES, 1, 0, side, kind, cache_dir=args.cache_dir)
    mean = MeanScene.measure(ViewDataset(scenes, 1, views_in_turn=True))
    return {
        "mean depth, one place": mean.predict,
        f"{args.depth_model} per view, one place": depth_model_predictor(model, mean.intrinsics),
    }


def main(args: EvaluationArguments) -> None:
    require_positive(args, "num_scenes", "views_per_scene", "sets_per_scene", "batch_size", "image_size")
    if not args.num_views or min(args.num_views) < 1:
        raise ValueError(f"num_views must hold numbers of at least 1, got {args.num_views}.")
    if args.dataset not in SYNTHETIC_DATASETS and not Path(args.dataset).is_dir():
        raise ValueError(f"{args.dataset!r} is neither a folder of scenes nor one of {', '.join(SYNTHETIC_DATASETS)}.")
    join_processes()
    model = PixioForReconstruction.from_pretrained(find_checkpoint(args.model), dtype=torch.float32)
    if torch.accelerator.is_available():
        model.to(torch.accelerator.current_accelerator())  # pyright: ignore[reportArgumentType]
    side = args.image_size or cast(int, model.config.image_size)
    predictors = {args.model: model_predictor(model, args.mixed_precision == "bf16"), **open_baselines(args, side)}
    results: dict[str, Any] = {}
    for num_views in args.num_views:
        sets = open_sets(args, num_views, side)
        for name, predict in predictors.items():
            result = evaluate_reconstruction(predict, sets, args.batch_size)
            results[f"{name}, {num_views} views"] = {"metrics": result.metrics, "sets": result.rows}
    if process_index() == 0:
        print(format_metrics({name: result["metrics"] for name, result in results.items()}))
        if args.output_file is not None:
            write_json(args.output_file, results)


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, EvaluationArguments)))
