# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The model that fine-tuning begins with, its head trained or new; what of it is trained, and by which optimizer."""

from typing import Any, NamedTuple

import torch
from torch import nn
from transformers.utils import logging

from ..bundled import find_checkpoint
from ..configuration_pixio import PixioConfig
from ..modeling_pixio import PixioModel
from ..training.distributed import synchronize_batch_norm
from ..training.optimization import HEAD_BETAS, encoder_and_head_groups
from .adapters import add_lora
from .arguments import FineTuningArguments
from .recipes import FineTuningRecipe

logger = logging.get_logger(__name__)

SMOKE_SIZES = {"hidden_size": 28, "num_hidden_layers": 4, "neck_hidden_sizes": [4, 8, 8, 8], "fusion_hidden_size": 4}
FARTHEST_LOGIT = 4.0  # sigmoid(4) = 0.98: nearly max_depth


def count_encoder_parameters(config: PixioConfig) -> int:
    """Parameters of the encoder of a configuration."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in PixioModel(config).parameters())


class StartingModel(NamedTuple):
    """A model in float32, whether its head is trained, and a sentence that says so and why."""

    model: Any
    has_trained_head: bool
    origin: str


def read_starting_config(args: FineTuningArguments) -> PixioConfig:
    """Configuration of the checkpoint or preset that a run starts from."""
    if args.model is None:
        return PixioConfig.preset(args.preset or "pixio-tiny")
    return PixioConfig.from_pretrained(find_checkpoint(args.model))


def start_model(
    model_class: Any, args: FineTuningArguments, class_names: tuple[str, ...] | None = None, **head: Any
) -> StartingModel:
    """The model that a run starts from: a checkpoint, or random weights of a preset.

    The head of a checkpoint is kept if it belongs to the same model class, head type and classes.

    Args:
        class_names: for segmentation.
        head: fields of the configuration.

    Raises:
        ValueError: a checkpoint that lacks a part of its head.
    """
    fields: dict[str, Any] = dict(head)
    if class_names is not None:
        fields["id2label"] = dict(enumerate(class_names))
        fields["label2id"] = {label: index for index, label in enumerate(class_names)}
    if args.model is None:
        sizes = SMOKE_SIZES if args.smoke else {}
        model = model_class(PixioConfig.preset(args.preset or "pixio-tiny", **sizes, **fields))
        return StartingModel(model, False, "Starting from random weights.")
    path, name = find_checkpoint(args.model), args.model
    stored = PixioConfig.from_pretrained(path)
    config = PixioConfig.from_pretrained(path, **fields)
    if reason := _find_misfit(model_class, stored, config, class_names):
        model = model_class(config)
        model.pixio = PixioModel.from_pretrained(path, config=config, dtype=torch.float32)
        return StartingModel(model, False, f"Starting from {name} with a new {config.head_type} head: {reason}.")
    model, info = model_class.from_pretrained(path, config=config, dtype=torch.float32, output_loading_info=True)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{name} is damaged: it lacks {missing[0]}, {len(missing)} weights in all; get it again.")
    note = f"Starting from {name} with its trained {config.head_type} head"
    if stored.depth_estimation_type != config.depth_estimation_type:
        invert_head(model)
        return StartingModel(model, True, note + ", turned from metres to relative inverse depth.")
    if model_class.__name__ == "PixioForDepthEstimation" and stored.max_depth != config.max_depth:
        note += f", which was trained for depths to {stored.max_depth:g} m and is stretched to {config.max_depth:g} m"
    return StartingModel(model, True, note + ".")


@torch.no_grad()
def invert_head(model: Any) -> None:
    """Let the head of metric depth begin as one of relative depth: what was far is small, the farthest 0.

    Metric depth is a sigmoid of the logit, and 1 / sigmoid(z) = 1 + exp(-z) falls with z, as FARTHEST_LOGIT - z does.
    """
    layer = model.head.output_layer
    layer.weight.neg_()
    layer.bias.copy_(FARTHEST_LOGIT - layer.bias)


def _find_misfit(
    model_class: type, stored: PixioConfig, config: PixioConfig, class_names: tuple[str, ...] | None
) -> str:
    """Why a checkpoint's head cannot be used; empty if it can."""
    made_by = (stored.architectures or ["PixioModel"])[0]
    if made_by != model_class.__name__:
        return "the checkpoint holds none" if made_by == "PixioModel" else f"the checkpoint is a {made_by}"
    if stored.head_type != config.head_type:
        return f"the checkpoint's is a {stored.head_type} head"
    if stored.depth_estimation_type == "relative" and config.depth_estimation_type == "metric":
        return "the checkpoint's predicts relative depth, no metres"
    if class_names is not None and (known := tuple((stored.id2label or {}).values())) != class_names:
        if len(known) != len(class_names):
            return f"the checkpoint's knows {len(known)} classes, the data set has {len(class_names)}"
        return "the checkpoint's knows other classes"
    return ""


def select_trainable(
    model: Any, args: FineTuningArguments, recipe: FineTuningRecipe, device: torch.device, num_processes: int
) -> Any:
    """Freeze the encoder, put adapters into it, or neither; returns what is trained, on its device.

    That is the model itself, or with adapters a `peft.PeftModel` around it, which shares its layers.
    """
    if args.model is None and (recipe.freeze_encoder or args.lora_rank):
        logger.warning("The encoder has random weights and they stay so: give --model.")
    model.set_attn_implementation(args.attn_implementation)
    trained = model
    if args.lora_rank is not None:
        trained = add_lora(model, args.lora_rank, args.lora_alpha, args.lora_targets)
    elif recipe.freeze_encoder:
        model.freeze_encoder()
    synchronize_batch_norm(model, device.type, num_processes)
    return trained.to(device)


def make_optimizer(trained: nn.Module, recipe: FineTuningRecipe) -> torch.optim.AdamW:
    """AdamW of docs/specification.md 5.5 over what is trained; all parameters of the head decay alike."""
    encoder_rate = recipe.encoder_learning_rate or recipe.learning_rate
    groups = encoder_and_head_groups(trained, encoder_rate, recipe.learning_rate, recipe.layer_decay)
    return torch.optim.AdamW(groups, betas=HEAD_BETAS, weight_decay=recipe.weight_decay, fused=True)
