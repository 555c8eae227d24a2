# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What of a model with an encoder and a head is trained, and by which optimizer."""

from typing import Any

import torch
from torch import nn
from transformers.utils import logging

from ..training.batch_norm import synchronize_batch_norm
from ..training.parameter_groups import encoder_and_head_groups
from .adapters import add_lora
from .arguments import FineTuningArguments
from .recipes import FineTuningRecipe

logger = logging.get_logger(__name__)


def select_trainable(
    model: Any, args: FineTuningArguments, recipe: FineTuningRecipe, device: torch.device, num_processes: int
) -> Any:
    """Freeze the encoder, put adapters into it, or neither; returns what is trained, on its device.

    That is the model itself, or with adapters a `peft.PeftModel` around it: its layers are those of the model.
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
    """AdamW of SPEC 5.5 over what is trained; all parameters of the head decay alike."""
    encoder_rate = recipe.encoder_learning_rate or recipe.learning_rate
    groups = encoder_and_head_groups(trained, encoder_rate, recipe.learning_rate, recipe.layer_decay)
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), weight_decay=recipe.weight_decay, fused=True)
