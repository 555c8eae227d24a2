# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What finetune_trainer.py and finetune_accelerate.py share: arguments, data, model, evaluation, and the end of a run."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.depth_batches import DepthCollator
from pixio_hf.data.labelled.depth_datasets import find_depth_protocol, open_depth_dataset
from pixio_hf.data.labelled.paired_augmentation import AugmentedDataset, DepthAugmentation
from pixio_hf.evaluation.baselines import Baselines, depth_baselines, describe_baselines, warn_unless_better
from pixio_hf.evaluation.depth import evaluate_depth
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.evaluation.processes import process_index
from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.best_checkpoint import BestWeights
from pixio_hf.finetuning.recipes import DEPTH_RECIPES, DepthRecipe, choose_recipe, suit_checkpoint
from pixio_hf.finetuning.run_folder import save_final_model, write_json
from pixio_hf.finetuning.starting_model import count_encoder_parameters, load_starting_model
from pixio_hf.hub.push import push_folder
from pixio_hf.model_cards.finetuned_card import FineTuning, render_finetuned_card
from pixio_hf.synthetic import SYNTHETIC_DATASETS

DEFAULT_MODEL = "pixio-tiny-depth"
SMOKE_MODEL = {"hidden_size": 28, "num_hidden_layers": 4, "neck_hidden_sizes": [4, 8, 8, 8], "fusion_hidden_size": 4}


@dataclass(frozen=True)
class DepthArguments(FineTuningArguments):
    """Arguments of every fine-tuning script, and those of depth; the defaults made the first run of pixio-tiny-depth."""

    dataset: str = field(
        default="synthetic-rooms",
        metadata={
            "help": "synthetic-rooms; a folder (NYUv2, KITTI, your own), Parquet files, or owner/name on the Hub."
        },
    )
    depth_scale: float | None = field(
        default=None, metadata={"help": "Metres per unit of the depth maps, such as 0.001 for millimetres."}
    )
    train_split_file: str | None = field(default=None, metadata={"help": "Lines 'image depth', below the folder."})
    val_split_file: str | None = None
    max_depth: float | None = field(default=None, metadata={"help": "Metres. Defaults to the recipe's."})
    whole_images: bool | None = field(
        default=None, metadata={"help": "Resize images to crop_size instead of cropping. Defaults to the recipe's."}
    )
    num_scenes: int = field(default=32_768, metadata={"help": "Synthetic scenes to train on."})
    num_eval_scenes: int = field(default=512, metadata={"help": "Held-out scenes to evaluate on."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})


def complete(args: DepthArguments) -> DepthArguments:
    """The arguments with a recipe and a model that suit the data set, where none is given."""
    name = args.recipe
    if name is None:
        is_rendered = args.dataset in SYNTHETIC_DATASETS
        protocol = None if is_rendered else find_depth_protocol(args.dataset).name
        name = "tiny-synthetic" if protocol is None else f"{protocol}-dpt"
    starts_random = args.preset or args.smoke or args.dataset in SYNTHETIC_DATASETS
    return replace(args, recipe=name, model=args.model or (None if starts_random else DEFAULT_MODEL))


def choose_depth_recipe(args: DepthArguments) -> DepthRecipe:
    """The named recipe, with what the arguments say otherwise and what the checkpoint decides."""
    recipe = choose_recipe(DEPTH_RECIPES, str(args.recipe), args)
    if args.smoke:
        short = {"total_batch_size": 4, "num_epochs": None, "max_steps": 2, "eval_steps": None}
        return replace(recipe, **short, crop_size=recipe.crop_size or 128)
    config = read_config(args)
    recipe = suit_checkpoint(recipe, config.image_size, count_encoder_parameters(config))
    if recipe.crop_size % config.patch_size:
        raise ValueError(f"--crop_size {recipe.crop_size} must be a multiple of the patch size {config.patch_size}.")
    return recipe


def read_config(args: DepthArguments) -> PixioConfig:
    """Configuration of the checkpoint or preset."""
    if args.model is None:
        return PixioConfig.preset(args.preset or "pixio-tiny")
    return PixioConfig.from_pretrained(find_checkpoint(args.model))


def describe_run(args: DepthArguments, recipe: DepthRecipe) -> dict[str, Any]:
    """The settings that make up a run, for its folder and its card."""
    names = ("recipe", "dataset", "depth_scale", "lora_rank", "lora_alpha", "ema_decay", "bf16", "seed")
    given = {name: getattr(args, name) for name in names}
    return {**given, **asdict(recipe), "model": args.model}


def open_data(args: DepthArguments, recipe: DepthRecipe) -> tuple[Any, Any]:
    """Training and validation items, at native size."""
    train, val = (
        open_depth_dataset(
            args.dataset,
            split,
            protocol=recipe.protocol,
            split_file=split_file,
            depth_scale=args.depth_scale,
            allow_outside=args.allow_outside,
            num_scenes=min(num_scenes, 8) if args.smoke else num_scenes,
            image_size=recipe.crop_size,
            cache_dir=args.cache_dir,
        )
        for split, split_file, num_scenes in (
            ("train", args.train_split_file, args.num_scenes),
            ("val", args.val_split_file, args.num_eval_scenes),
        )
    )
    return train, val


def make_processor(recipe: DepthRecipe) -> PixioImageProcessor:
    """The image processor that is saved with the model."""
    return PixioImageProcessor(size={"height": recipe.crop_size, "width": recipe.crop_size})


def make_views(items: Any, args: DepthArguments, recipe: DepthRecipe) -> tuple[AugmentedDataset, DepthCollator]:
    """What is trained on, mirrored at random: random crops without resizing (SPEC 5.5), or whole images resized."""
    augmentation = DepthAugmentation(None if recipe.whole_images else recipe.crop_size)
    processor = make_processor(recipe) if recipe.whole_images else PixioImageProcessor(do_resize=False)
    return AugmentedDataset(items, augmentation, args.seed), DepthCollator(processor)


def build_model(args: DepthArguments, recipe: DepthRecipe) -> tuple[PixioForDepthEstimation, bool, str]:
    """A depth model whose windows are the crops it learns from; whether its head is trained; a sentence about that."""
    head: dict[str, Any] = {"head_type": recipe.head_type, "max_depth": recipe.max_depth}
    head |= {"window_size": None if recipe.whole_images else recipe.crop_size, "window_stride": None}
    if args.model is None:
        overrides = SMOKE_MODEL if args.smoke else {}
        config = PixioConfig.preset(args.preset or "pixio-tiny", **overrides, **head)
        return PixioForDepthEstimation(config), False, "Starting from random weights."
    return load_starting_model(PixioForDepthEstimation, find_checkpoint(args.model), args.model, **head)


def evaluate(
    model: Any, items: Any, args: DepthArguments, recipe: DepthRecipe, baselines: Baselines
) -> dict[str, Any]:
    """The nine metrics over the validation items at native size (SPEC 5.6, 5.7), printed beside the baselines'."""
    metrics = evaluate_depth(model, make_processor(recipe), items, make_options(args, recipe)).metrics
    if process_index() == 0:
        tqdm.write(
            f"delta1 {metrics['delta1']:.3f}, rmse {metrics['rmse']:.3f} m; delta1 of a constant:"
            f" {describe_baselines(baselines, 'delta1')}"
        )
    return metrics


def measure_baselines(train: Any, val: Any, recipe: DepthRecipe) -> Baselines:
    """What the mean and the median training depth score on the validation items."""
    return depth_baselines(train, val, PixioConfig().min_depth, recipe.max_depth)


def make_options(args: DepthArguments, recipe: DepthRecipe) -> PredictionOptions:
    """How evaluation predicts: in windows of the crops, or whole images."""
    return PredictionOptions(None if recipe.whole_images else recipe.crop_size, batch_size=args.eval_batch_size)


def finish(
    trained: Any, best: BestWeights, baselines: Baselines, num_images: int, args: DepthArguments, recipe: DepthRecipe
) -> None:
    """Write model, card and metrics of the best evaluation, and upload them where asked for; for the main process."""
    output_dir = Path(args.output_dir)
    evaluation = best.read()
    if evaluation is None:
        raise ValueError(
            "No evaluation gave a number, so there is no model to save: has the val split any valid depth?"
        )
    metrics, dataset = evaluation["metrics"], Path(args.dataset).name
    warning = warn_unless_better(metrics, baselines, best.metric)
    run = FineTuning(
        kind="depth",
        base_model=None if args.model is None else find_checkpoint(args.model),
        dataset=dataset,
        metrics=metrics,
        settings={**describe_run(args, recipe), "dataset": dataset, "model": None, "step": evaluation["step"]},
        protocol=make_options(args, recipe).describe(),
        num_training_images=num_images,
        baselines=baselines,
        warning=warning,
    )
    name = args.push_to_hub or output_dir.resolve().name
    write_json(output_dir / "metrics.json", {**evaluation, "baselines": baselines, "warning": warning})
    dtype = getattr(torch, args.save_dtype)
    save_final_model(
        trained,
        best,
        output_dir,
        make_processor(recipe),
        dtype,
        lambda model: render_finetuned_card(model.config, run, name),
    )
    step = f"step {evaluation['step']}" if evaluation["step"] else "as it began: training did not improve it"
    print(
        f"Saved {output_dir / 'model'}; delta1 {metrics['delta1']:.3f}, abs_rel {metrics['abs_rel']:.3f},"
        f" rmse {metrics['rmse']:.3f} m ({step}); delta1 of a constant:"
        f" {describe_baselines(baselines, 'delta1')}"
    )
    if warning:
        print(f"WARNING: {warning}")
    if args.push_to_hub:
        result = push_folder(output_dir / "model", args.push_to_hub, private=not args.public)
        print(f"Uploaded to {args.push_to_hub}: {result.commit_url or 'it was there already'}")
