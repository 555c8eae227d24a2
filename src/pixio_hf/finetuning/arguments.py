# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Command-line arguments of the fine-tuning scripts, for every task."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field

_RECIPE = {"help": "Defaults to the recipe's."}
# Task -> the options that only it has; None is the default of each.
OWN_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "depth": (
        "depth_scale",
        "max_depth",
        "whole_images",
        "depth_estimation_type",
        "depth_loss_trim",
        "strong_perturbations",
        "mix_with",
        "scene_photographs",
    ),
    "segmentation": ("num_classes", "do_reduce_labels"),
}


@dataclass(frozen=True)
class FineTuningArguments:
    """One run: task, data, model, recipe and what replaces parts of it, precision, output."""

    task: str = field(metadata={"help": "depth or segmentation."})
    output_dir: str = field(metadata={"help": "Checkpoints, logs, metrics and the final model go here."})
    dataset: str = field(
        default="synthetic-rooms",
        metadata={
            "help": "synthetic-rooms (classes are bands of distance), or -v2 behind the name for version 2 of the renderer;"
            " a folder (NYUv2, KITTI; ADE20K, VOC, LoveDA; your own), Parquet files, or owner/name on the Hub."
        },
    )
    depth_scale: float | None = field(
        default=None, metadata={"help": "Depth: metres per unit of the depth maps, such as 0.001 for millimetres."}
    )
    max_depth: float | None = field(default=None, metadata={"help": "Depth: metres. " + _RECIPE["help"]})
    whole_images: bool | None = field(
        default=None, metadata={"help": "Depth: resize images to crop_size instead of cropping. " + _RECIPE["help"]}
    )
    depth_estimation_type: str | None = field(
        default=None, metadata={"help": "Depth: metric, or relative (no scale and shift). " + _RECIPE["help"]}
    )
    depth_loss_trim: float | None = field(
        default=None,
        metadata={"help": "Relative depth: share of the worst pixels left out of the loss. " + _RECIPE["help"]},
    )
    strong_perturbations: bool | None = field(
        default=None, metadata={"help": "Depth: colours, blur and CutMix, for a student. " + _RECIPE["help"]}
    )
    mix_with: list[str] | None = field(
        default=None,
        metadata={
            "help": "Depth: further data sets to train on, whole images of --dataset's kind or rendered scenes."
        },
    )
    scene_photographs: str | None = field(
        default=None,
        metadata={
            "help": "Depth: folder of photographs for the pictures and textures of scenes such as synthetic-mixed-v2."
        },
    )
    num_classes: int | None = field(default=None, metadata={"help": "Segmentation: needed for a folder of your own."})
    do_reduce_labels: bool | None = field(
        default=None,
        metadata={
            "help": "Segmentation: masks count from 1, 0 is no class. Defaults to the data set's, or recognised."
        },
    )
    train_split_file: str | None = field(
        default=None, metadata={"help": "Lines 'image depth' or 'image mask', below the folder."}
    )
    val_split_file: str | None = None
    num_scenes: int | None = field(
        default=None, metadata={"help": "Synthetic scenes to train on: 32768 for depth, 4096 for segmentation."}
    )
    num_eval_scenes: int | None = field(
        default=None, metadata={"help": "Held-out scenes to evaluate on: 512 for depth, 128 for segmentation."}
    )
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    model: str | None = field(
        default=None,
        metadata={
            "help": "Folder, Hub id or bundled name of an encoder or whole model, whose head is trained further where it"
            " fits. Default: a bundled one; random weights for rendered scenes, or where --preset is given."
        },
    )
    preset: str | None = field(
        default=None, metadata={"help": "Start from random weights of this size, a preset of PixioConfig."}
    )
    recipe: str | None = field(
        default=None,
        metadata={"help": "See pixio_hf.finetuning.recipes. Default: what suits the data set's layout."},
    )
    head_type: str | None = field(default=None, metadata={"help": "dpt or linear. " + _RECIPE["help"]})
    freeze_encoder: bool | None = field(default=None, metadata=_RECIPE)
    learning_rate: float | None = field(default=None, metadata={"help": "Of the head. " + _RECIPE["help"]})
    encoder_learning_rate: float | None = field(default=None, metadata=_RECIPE)
    layer_decay: float | None = field(
        default=None, metadata={"help": "Factor on the rate from block to block, from the head down."}
    )
    weight_decay: float | None = field(default=None, metadata=_RECIPE)
    warmup_steps: float | None = field(
        default=None, metadata={"help": "Steps of linear warm-up, or a share of the run below 1. " + _RECIPE["help"]}
    )
    max_grad_norm: float | None = field(default=None, metadata={"help": "0: none. " + _RECIPE["help"]})
    num_epochs: int | None = field(default=None, metadata=_RECIPE)
    max_steps: int | None = field(default=None, metadata={"help": "Optimizer steps, instead of epochs."})
    crop_size: int | None = field(default=None, metadata={"help": "Pixels. " + _RECIPE["help"]})
    total_batch_size: int | None = field(default=None, metadata={"help": "Images per step. " + _RECIPE["help"]})
    batch_size: int | None = field(
        default=None, metadata={"help": "Images per process and forward pass; the total batch is accumulated."}
    )
    gradient_accumulation_steps: int | None = field(default=None, metadata={"help": "Forward passes per step."})
    lora_rank: int | None = field(
        default=None, metadata={"help": "Train low-rank adapters of this rank beside the head; needs peft."}
    )
    lora_alpha: float | None = field(default=None, metadata={"help": "Their scale times the rank; default 2 x rank."})
    lora_targets: list[str] = field(
        default_factory=lambda: ["q_proj", "v_proj"],
        metadata={"help": "Linears of the encoder that get adapters: q_proj k_proj v_proj o_proj fc1 fc2."},
    )
    ema_decay: float | None = field(
        default=None, metadata={"help": "Evaluate and keep an average of the weights, such as 0.999; default: none."}
    )
    mixed_precision: str = field(default="bf16", metadata={"help": "no or bf16."})
    attn_implementation: str = field(
        default="sdpa", metadata={"help": "sdpa, eager, flash_attention_2; in bf16 on a CPU eager is faster."}
    )
    allow_outside: bool = field(
        default=False,
        metadata={"help": "Accept split files and metadata.jsonl that name files outside of the folder."},
    )
    num_workers: int = field(default=0, metadata={"help": "Processes that read images, per training process."})
    eval_steps: int | None = field(default=None, metadata={"help": "Steps between evaluations and checkpoints."})
    eval_batch_size: int = field(default=16, metadata={"help": "Windows or images per forward pass of evaluation."})
    report_to: str = field(default="tensorboard", metadata={"help": "tensorboard, wandb, trackio or none."})
    logging_steps: int = 50
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the final model."})
    push_to_hub: str | None = field(default=None, metadata={"help": "owner/name to upload the final model to."})
    public: bool = field(default=False, metadata={"help": "Make a new repository public."})
    seed: int = 0
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small model, to see that it runs."})

    def __post_init__(self) -> None:
        if self.task not in OWN_OPTIONS:
            raise ValueError(f"--task must be {' or '.join(OWN_OPTIONS)}, got {self.task!r}.")
        for task, options in OWN_OPTIONS.items():
            given = [f"--{option}" for option in options if getattr(self, option) is not None]
            if task != self.task and given:
                raise ValueError(
                    f"Only --task {task} knows {', '.join(given)}: leave that out with --task {self.task}."
                )
        if self.model is not None and self.preset is not None:
            raise ValueError("Give --model or --preset (random weights), not both.")
        for name in ("batch_size", "gradient_accumulation_steps", "eval_batch_size", "logging_steps"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"--{name} must be at least 1, got {value}.")
        if self.num_workers < 0:
            raise ValueError(f"--num_workers must not be negative, got {self.num_workers}.")
        if self.lora_rank is not None and importlib.util.find_spec("peft") is None:
            raise ValueError("--lora_rank needs peft, which is not installed: pip install 'pixio-hf[train]'.")
        if self.lora_rank is not None:
            if self.lora_rank < 1:
                raise ValueError(f"--lora_rank must be at least 1, got {self.lora_rank}.")
            if self.freeze_encoder is False:
                raise ValueError(
                    "With --lora_rank the encoder's own weights stay frozen: drop --freeze_encoder False."
                )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"--ema_decay must lie between 0 and 1, got {self.ema_decay}.")
        if self.mixed_precision not in ("no", "bf16"):
            raise ValueError(f"--mixed_precision must be no or bf16, got {self.mixed_precision!r}.")
        if self.save_dtype not in ("float32", "bfloat16"):
            raise ValueError(f"--save_dtype must be float32 or bfloat16, got {self.save_dtype!r}.")
