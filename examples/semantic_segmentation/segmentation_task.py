# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What finetune_trainer.py and finetune_accelerate.py share: arguments, data, model, evaluation, and the end of a run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from pixio_hf import PixioConfig, PixioForSemanticSegmentation, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.data.labelled.distance_classes import DISTANCE_CLASSES, DistanceClasses
from pixio_hf.data.labelled.paired_augmentation import AugmentedDataset, SegmentationAugmentation
from pixio_hf.data.labelled.segmentation_datasets import find_segmentation_protocol, open_segmentation_dataset
from pixio_hf.evaluation.baselines import (
    Baselines,
    describe_baselines,
    segmentation_baseline,
    warn_unless_better,
)
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.evaluation.processes import process_index
from pixio_hf.evaluation.segmentation import evaluate_segmentation
from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.best_checkpoint import BestWeights
from pixio_hf.finetuning.recipes import (
    SEGMENTATION_RECIPES,
    FineTuningRecipe,
    choose_recipe,
    suit_checkpoint,
)
from pixio_hf.finetuning.run_folder import save_final_model, write_json
from pixio_hf.finetuning.starting_model import count_encoder_parameters, load_starting_model
from pixio_hf.hub.push import push_folder
from pixio_hf.model_cards.finetuned_card import FineTuning, render_finetuned_card
from pixio_hf.synthetic import SYNTHETIC_DATASETS

DEFAULT_MODEL = "pixio-tiny"
SMOKE_MODEL = {"hidden_size": 28, "num_hidden_layers": 4, "neck_hidden_sizes": [4, 8, 8, 8], "fusion_hidden_size": 4}


@dataclass(frozen=True)
class SegmentationArguments(FineTuningArguments):
    """Arguments of every fine-tuning script, and those of segmentation."""

    dataset: str = field(
        default="synthetic-rooms",
        metadata={
            "help": "synthetic-rooms (classes are bands of distance); a folder (ADE20K, VOC, LoveDA, your own), Parquet"
            " files, or owner/name on the Hub."
        },
    )
    num_classes: int | None = field(default=None, metadata={"help": "Needed for a folder of your own."})
    do_reduce_labels: bool | None = field(
        default=None, metadata={"help": "Masks count from 1, 0 is no class; default: the data set's, or recognised."}
    )
    train_split_file: str | None = field(default=None, metadata={"help": "Lines 'image mask', below the folder."})
    val_split_file: str | None = None
    num_scenes: int = field(default=4096, metadata={"help": "Synthetic scenes to train on."})
    num_eval_scenes: int = field(default=128, metadata={"help": "Held-out scenes to evaluate on."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})


def complete(args: SegmentationArguments) -> SegmentationArguments:
    """The arguments with a recipe and a model that suit the data set, where none is given."""
    name = args.recipe
    if name is None:
        is_rendered = args.dataset in SYNTHETIC_DATASETS
        protocol = None if is_rendered else find_segmentation_protocol(args.dataset).name
        name = "tiny-synthetic" if protocol is None else f"{protocol}-dpt"
    starts_random = args.preset or args.smoke or args.dataset in SYNTHETIC_DATASETS
    return replace(args, recipe=name, model=args.model or (None if starts_random else DEFAULT_MODEL))


def choose_segmentation_recipe(args: SegmentationArguments) -> FineTuningRecipe:
    """The named recipe, with what the arguments say otherwise and what the checkpoint decides."""
    recipe = choose_recipe(SEGMENTATION_RECIPES, str(args.recipe), args)
    if args.smoke:
        short = {"total_batch_size": 4, "num_epochs": None, "max_steps": 2, "eval_steps": None}
        return replace(recipe, **short, crop_size=recipe.crop_size or 128)
    config = read_config(args)
    recipe = suit_checkpoint(recipe, config.image_size, count_encoder_parameters(config))
    if recipe.crop_size % config.patch_size:
        raise ValueError(f"--crop_size {recipe.crop_size} must be a multiple of the patch size {config.patch_size}.")
    return recipe


def read_config(args: SegmentationArguments) -> PixioConfig:
    """Configuration of the checkpoint or preset."""
    if args.model is None:
        return PixioConfig.preset(args.preset or "pixio-tiny")
    return PixioConfig.from_pretrained(find_checkpoint(args.model))


def describe_run(args: SegmentationArguments, recipe: FineTuningRecipe) -> dict[str, Any]:
    """The settings that make up a run, for its folder and its card."""
    names = ("recipe", "dataset", "do_reduce_labels", "lora_rank", "lora_alpha", "ema_decay", "bf16", "seed")
    given = {name: getattr(args, name) for name in names}
    return {**given, **asdict(recipe), "model": args.model}


def open_data(args: SegmentationArguments, recipe: FineTuningRecipe) -> tuple[Any, Any, tuple[str, ...]]:
    """Training and validation items, at native size, and the names of the classes."""
    if args.dataset in SYNTHETIC_DATASETS:
        counts = {"train": args.num_scenes, "val": args.num_eval_scenes}
        train, val = (
            DistanceClasses(
                open_depth_dataset(
                    args.dataset,
                    split,
                    num_scenes=min(count, 8) if args.smoke else count,
                    image_size=recipe.crop_size,
                    cache_dir=args.cache_dir,
                )
            )
            for split, count in counts.items()
        )
        return train, val, DISTANCE_CLASSES
    options = {"protocol": recipe.protocol, "num_classes": args.num_classes, "allow_outside": args.allow_outside}
    train, protocol = open_segmentation_dataset(
        args.dataset, "train", split_file=args.train_split_file, do_reduce_labels=args.do_reduce_labels, **options
    )
    # Both splits count alike.
    val, _ = open_segmentation_dataset(
        args.dataset, "val", split_file=args.val_split_file, do_reduce_labels=protocol.do_reduce_labels, **options
    )
    return train, val, protocol.class_names


def make_processor(recipe: FineTuningRecipe) -> PixioImageProcessor:
    """The image processor that is saved with the model."""
    return PixioImageProcessor(size={"height": recipe.crop_size, "width": recipe.crop_size})


def make_views(items: Any, args: SegmentationArguments, recipe: FineTuningRecipe) -> AugmentedDataset:
    """What is trained on: items of random size, cropped and mirrored at random (SPEC 6.2)."""
    return AugmentedDataset(items, SegmentationAugmentation(recipe.crop_size), args.seed)


class SegmentationCollator:
    """Items of one size to a model's batch: pixel_values (B, 3, H, W), labels (B, H, W) class numbers."""

    def __init__(self) -> None:
        self.processor = PixioImageProcessor(do_resize=False)

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        images, maps = ([item[name] for item in items] for name in ("image", "segmentation_map"))
        batch = self.processor(images=images, segmentation_maps=maps, return_tensors="pt")
        return {"pixel_values": batch["pixel_values"], "labels": batch["labels"]}


def build_model(
    args: SegmentationArguments, recipe: FineTuningRecipe, class_names: Sequence[str]
) -> tuple[PixioForSemanticSegmentation, bool, str]:
    """A segmentation model whose windows are the crops it learns from; whether its head is trained; a sentence."""
    head: dict[str, Any] = {"head_type": recipe.head_type, "window_size": recipe.crop_size, "window_stride": None}
    if args.model is not None:
        path, names = find_checkpoint(args.model), tuple(class_names)
        return load_starting_model(PixioForSemanticSegmentation, path, args.model, names, **head)
    overrides = SMOKE_MODEL if args.smoke else {}
    config = PixioConfig.preset(args.preset or "pixio-tiny", num_labels=len(class_names), **overrides, **head)
    config.id2label = dict(enumerate(class_names))
    config.label2id = {name: index for index, name in enumerate(class_names)}
    return PixioForSemanticSegmentation(config), False, "Starting from random weights."


def evaluate(
    model: Any, items: Any, args: SegmentationArguments, recipe: FineTuningRecipe, baselines: Baselines
) -> dict[str, Any]:
    """Mean IoU and pixel accuracy over the validation items at native size (SPEC 6.3), printed beside the baseline's."""
    metrics = evaluate_segmentation(model, make_processor(recipe), items, make_options(args, recipe)).metrics
    if process_index() == 0:
        tqdm.write(
            f"mean IoU {metrics['mean_iou']:.2f} %, pixel accuracy {metrics['pixel_accuracy']:.2f} %; mean IoU of a"
            f" constant: {describe_baselines(baselines, 'mean_iou')}"
        )
    return metrics


def measure_baselines(train: Any, val: Any, class_names: Sequence[str]) -> Baselines:
    """What the most frequent class of the training items scores on the validation items."""
    return segmentation_baseline(train, val, class_names, PixioConfig().semantic_loss_ignore_index)


def make_options(args: SegmentationArguments, recipe: FineTuningRecipe) -> PredictionOptions:
    """How evaluation predicts."""
    return PredictionOptions(recipe.crop_size, batch_size=args.eval_batch_size)


def finish(
    trained: Any,
    best: BestWeights,
    baselines: Baselines,
    num_images: int,
    args: SegmentationArguments,
    recipe: FineTuningRecipe,
) -> None:
    """Write model, card and metrics of the best evaluation, and upload them where asked for; for the main process."""
    output_dir = Path(args.output_dir)
    evaluation = best.read()
    if evaluation is None:
        raise ValueError(
            "No evaluation gave a number, so there is no model to save: has the val split a labelled pixel?"
        )
    metrics, dataset = evaluation["metrics"], Path(args.dataset).name
    warning = warn_unless_better(metrics, baselines, best.metric)
    run = FineTuning(
        kind="segmentation",
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
        f"Saved {output_dir / 'model'}; mean IoU {metrics['mean_iou']:.2f} %, pixel accuracy"
        f" {metrics['pixel_accuracy']:.2f} % ({step}); mean IoU of a constant:"
        f" {describe_baselines(baselines, 'mean_iou')}"
    )
    if warning:
        print(f"WARNING: {warning}")
    if args.push_to_hub:
        result = push_folder(output_dir / "model", args.push_to_hub, private=not args.public)
        print(f"Uploaded to {args.push_to_hub}: {result.commit_url or 'it was there already'}")
