# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What training and evaluation of feed-forward 3D reconstruction share: arguments, start, scenes."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from pixio_hf import PixioConfig, PixioForReconstruction, PixioModel
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.scene_folders import SceneFolders
from pixio_hf.data.labelled.view_dataset import ViewDataset, ViewSource
from pixio_hf.reconstruction_losses import LOSS_PRESETS
from pixio_hf.script_exit import require_positive
from pixio_hf.synthetic import HELD_OUT_SEEDS, SYNTHETIC_DATASETS
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.training.reconstruction_recipes import RECIPES, ReconstructionRecipe, choose_recipe


@dataclass(frozen=True)
class ReconstructionArguments:
    """One run. Where None is the default, the recipe decides."""

    output_dir: str = field(metadata={"help": "Checkpoints, curves and the final model go here."})
    recipe: str = field(default="tiny-synthetic", metadata={"help": f"One of {', '.join(RECIPES)}."})
    model: str | None = field(default=None, metadata={"help": "A PixioForReconstruction to train further."})
    encoder: str | None = field(
        default=None,
        metadata={"help": "Folder, Hub id or short name of any Pixio checkpoint whose encoder to start with."},
    )
    freeze_encoder: bool = field(default=False, metadata={"help": "Train what stands behind the encoder alone."})
    dataset: str = field(
        default="synthetic-rooms",
        metadata={"help": f"{', '.join(SYNTHETIC_DATASETS)}, or a folder of scenes (docs/reconstruction.md)."},
    )
    eval_dataset: str | None = field(
        default=None, metadata={"help": "A folder of scenes to validate on; of synthetic scenes held-out ones are."}
    )
    num_scenes: int = field(default=12_288, metadata={"help": "Synthetic scenes to train on."})
    views_per_scene: int = field(default=4, metadata={"help": "Views of a synthetic scene to choose from."})
    num_eval_scenes: int = field(default=160, metadata={"help": "Held-out scenes to validate on."})
    eval_views: int = field(default=2, metadata={"help": "Views of a set to validate on."})
    cache_dir: str | None = field(
        default=None,
        metadata={"help": "Keep rendered scenes, and what pairs of views have in common, in this folder."},
    )
    num_render_workers: int = field(default=0, metadata={"help": "Processes that render the cache."})
    image_size: int | None = field(default=None, metadata={"help": "Side of synthetic pictures, in pixels."})
    dense_divisor: int | None = field(
        default=None, metadata={"help": "The dense head predicts at the picture's size over this, in training."}
    )
    mirror: bool | None = field(default=None, metadata={"help": "Mirror half of the scenes left to right."})
    min_views: int | None = None
    max_views: int | None = None
    images_per_batch: int | None = field(default=None, metadata={"help": "Pictures per process and step."})
    max_steps: int | None = field(default=None, metadata={"help": "Optimizer steps."})
    learning_rate: float | None = None
    encoder_factor: float | None = field(default=None, metadata={"help": "The encoder's rate over the learning rate."})
    final_factor: float | None = field(default=None, metadata={"help": "The last step's rate over the learning rate."})
    warmup_steps: float | None = field(
        default=None, metadata={"help": "Of linear warm-up; below 1: a share of the run."}
    )
    weight_decay: float | None = None
    max_grad_norm: float | None = None
    loss_preset: str | None = field(default=None, metadata={"help": f"One of {', '.join(LOSS_PRESETS)}."})
    mixed_precision: str = field(default="bf16", metadata={"help": "no or bf16."})
    attn_implementation: str = field(default="sdpa", metadata={"help": "On a CPU in bf16, eager is faster."})
    num_workers: int = field(default=0, metadata={"help": "Processes that read, per training process."})
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the final model."})
    seed: int = 0
    report_to: str = field(default="tensorboard", metadata={"help": "tensorboard, wandb, trackio or none."})
    logging_steps: int = 50
    eval_steps: int = 500
    save_steps: int = 500
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small model, to see that it runs."})


# What --smoke changes of the recipe.
SMOKE = {"max_steps": 2, "images_per_batch": 4, "image_size": 32, "max_views": 2, "encoder": "pixio-tiny"}


def build_model(args: ReconstructionArguments, recipe: ReconstructionRecipe) -> tuple[PixioForReconstruction, str]:
    """A whole model from a checkpoint, or an encoder from one with new parts behind it; and a sentence about it.

    Raises:
        ValueError: the checkpoint of --model is none of this class.
    """
    if args.model is not None:
        path = find_checkpoint(args.model)
        made_by = (PixioConfig.from_pretrained(path).architectures or ["PixioModel"])[0]
        if made_by != "PixioForReconstruction":
            raise ValueError(f"{args.model} is a {made_by}, not a PixioForReconstruction: pass it as --encoder.")
        model = PixioForReconstruction.from_pretrained(path, dtype=torch.float32)
        return model, f"Training {args.model} further."
    assert recipe.encoder is not None
    path = find_checkpoint(recipe.encoder)
    config = PixioConfig.from_pretrained(path, **recipe.model_fields)
    model = PixioForReconstruction(config)
    model.pixio = PixioModel.from_pretrained(path, config=config, dtype=torch.float32)
    return model, f"Encoder of {recipe.encoder}; everything behind it is new."


def open_sources(
    args: ReconstructionArguments, recipe: ReconstructionRecipe, patch_size: int
) -> tuple[ViewSource, ViewDataset | None, tuple[int, int]]:
    """Scenes to train on, sets of views to validate on, and the size (height, width) of all pictures.

    Raises:
        ValueError: no such data set, one whose scenes do not serve, or a size that is no multiple of the patch.
    """
    if recipe.image_size is not None and recipe.image_size % patch_size:
        raise ValueError(f"image_size {recipe.image_size} must be a multiple of the patch size {patch_size}.")
    if args.dataset in SYNTHETIC_DATASETS:
        side = recipe.image_size or 512
        options: dict[str, Any] = {
            "image_size": side,
            "kind": SYNTHETIC_DATASETS[args.dataset],
            "cache_dir": args.cache_dir,
            "num_workers": args.num_render_workers,
        }
        num_scenes, num_eval_scenes = (4, 2) if args.smoke else (args.num_scenes, args.num_eval_scenes)
        views = max(recipe.max_views, args.views_per_scene)
        train = SyntheticViewSet(num_scenes, views, **options)
        held_out = SyntheticViewSet(num_eval_scenes, views, HELD_OUT_SEEDS.start, **options)
        return train, ViewDataset(held_out, args.eval_views, views_in_turn=True), (side, side)
    if not Path(args.dataset).is_dir():
        raise ValueError(f"{args.dataset!r} is neither a folder of scenes nor one of {', '.join(SYNTHETIC_DATASETS)}.")
    size = None if recipe.image_size is None else (recipe.image_size, recipe.image_size)
    scenes = SceneFolders(args.dataset, size, min_views=recipe.max_views, cache_dir=args.cache_dir)
    if args.eval_dataset is None:
        return scenes, None, scenes.size
    held_out = SceneFolders(args.eval_dataset, scenes.size, min_views=args.eval_views, cache_dir=args.cache_dir)
    return scenes, ViewDataset(held_out, args.eval_views), scenes.size


def choose_dense_size(size: tuple[int, int], divisor: int) -> tuple[int, int] | None:
    """Size of the dense head's maps in training; None: that of the pictures.

    Raises:
        ValueError: maps of less than two pixels.
    """
    if divisor == 1:
        return None
    dense_size = (size[0] // divisor, size[1] // divisor)
    if min(dense_size) < 2:
        raise ValueError(f"dense_divisor {divisor} leaves nothing of views of {size[0]} x {size[1]}.")
    return dense_size


def choose_run(args: ReconstructionArguments) -> ReconstructionRecipe:
    """The recipe of a run; what cannot work is refused before anything is read.

    Raises:
        ValueError: names the argument.
    """
    counts = ("num_scenes", "num_eval_scenes", "views_per_scene", "eval_views", "min_views", "max_views")
    require_positive(args, *counts, "images_per_batch", "max_steps", "dense_divisor", "image_size")
    require_positive(args, "logging_steps", "eval_steps", "save_steps")
    if args.model is not None and args.encoder is not None:
        raise ValueError("Pass either --model, to train it further, or --encoder, to begin with an encoder.")
    if args.loss_preset is not None and args.loss_preset not in LOSS_PRESETS:
        raise ValueError(f"Unknown loss_preset {args.loss_preset!r}; choose one of {', '.join(LOSS_PRESETS)}.")
    if args.save_dtype not in ("float32", "bfloat16"):
        raise ValueError(f"save_dtype must be float32 or bfloat16, got {args.save_dtype!r}.")
    if args.mixed_precision not in ("no", "bf16"):
        raise ValueError(
            f"mixed_precision must be no or bf16, got {args.mixed_precision!r}: exponentials overflow fp16."
        )
    if args.eval_views > args.views_per_scene and args.dataset in SYNTHETIC_DATASETS:
        raise ValueError(f"eval_views {args.eval_views} must be at most views_per_scene {args.views_per_scene}.")
    if args.eval_dataset is not None and args.dataset in SYNTHETIC_DATASETS:
        raise ValueError("eval_dataset goes with a folder of scenes; synthetic scenes are validated on held-out ones.")
    given = {name: value for name, value in asdict(args).items() if value is not None}
    recipe = choose_recipe(args.recipe, {**given, **(SMOKE if args.smoke else {})})
    if args.model is None and recipe.encoder is None:
        raise ValueError(f"The recipe {args.recipe!r} names no encoder: pass --encoder, or --model.")
    return recipe


def describe_run(args: ReconstructionArguments, recipe: ReconstructionRecipe) -> dict[str, Any]:
    """What a run that goes on has to agree in with the one that began."""
    names = ("model", "dataset", "num_scenes", "views_per_scene", "freeze_encoder", "seed")
    return {"recipe": args.recipe, **asdict(recipe), **{name: getattr(args, name) for name in names}}
