# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Training in one process or several: random states, BatchNorm of all, sums over all, saving a sharded model."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import PreTrainedModel
from transformers.utils import logging

logger = logging.get_logger(__name__)


def check_num_processes(accelerator: Accelerator) -> None:
    """Raise if the launcher started more processes than Accelerate knows of: each would train alone.

    Raises:
        ValueError: the two numbers differ.
    """
    launched = int(os.environ.get("WORLD_SIZE", 1))
    if launched != accelerator.num_processes:
        raise ValueError(
            f"{launched} processes were launched, but accelerate counts {accelerator.num_processes}: each would train on"
            " its own. To train on the CPU, set ACCELERATE_USE_CPU=true."
        )


def keep_loss_in_float32(accelerator: Accelerator) -> None:
    """Have FSDP2 compute blocks in the lower precision, but leave images, masks, loss and summed gradients in float32.

    Accelerate's own policy rounds all of them to bfloat16: equal noise in two mask blocks, coarse targets, and a loss of
    three digits. Call it before `accelerator.prepare`; without FSDP2 it does nothing.
    """
    if accelerator.is_fsdp2 and accelerator.mixed_precision != "no":
        plugin: Any = accelerator.state.fsdp_plugin
        plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=plugin.mixed_precision_policy.param_dtype,
            reduce_dtype=torch.float32,
            cast_forward_inputs=False,
        )


def synchronize_batch_norm(model: nn.Module, device_type: str, num_processes: int) -> None:
    """Have BatchNorm use the statistics of all processes together, as the paper does (docs/specification.md 5.3).

    The names stay. torch has that for GPUs only. On a CPU every process normalises by its own images, and a warning says
    so.
    """
    if num_processes == 1 or not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return
    if device_type != "cuda":
        logger.warning(
            f"BatchNorm is not synchronised on {device_type}: each of {num_processes} processes normalises by the"
            " statistics of its own images."
        )
        return
    nn.SyncBatchNorm.convert_sync_batchnorm(model)


def seed_pass(seed: int, step: int, index: int = 0, process: int = 0) -> None:
    """Make random numbers of a forward pass (dropout, stochastic depth) depend only on run, step, pass and process.

    So a resumed run draws the same as an uninterrupted one, whatever else used torch's random state meanwhile.

    Args:
        step: optimizer step, from 0.
        index: number of the pass within the step.
    """
    # SeedSequence mixes the numbers, so that neighbours get unrelated streams.
    torch.manual_seed(int(np.random.SeedSequence((seed, step, index, process)).generate_state(1, np.uint64)[0] >> 1))


def reduce_number(accelerator: Accelerator, value: Tensor | int, how: str) -> float:
    """Mean or sum (`how`) of a number over all processes, the same on each; not finite where one of them is not."""
    reduced = accelerator.reduce(torch.as_tensor(value, device=accelerator.device), how)
    assert isinstance(reduced, Tensor)
    return reduced.item()


def save_whole_model(
    accelerator: Accelerator,
    model: nn.Module,
    model_class: type[PreTrainedModel],
    folder: str | Path,
    dtype: torch.dtype,
    prefix: str = "",
) -> None:
    """Write a prepared model, gathered where it is sharded, as a folder for from_pretrained.

    Every process calls this; the main one writes.

    Args:
        model_class: class of what is written. FSDP2 gives the model in memory a class of its own.
        prefix: write only names that start with it, without it; such as "pixio." for the encoder alone.
    """
    state_dict: Any = accelerator.get_state_dict(model)
    if accelerator.is_main_process:
        with torch.device("meta"):  # without memory; used because the sharded model cannot be cast to another dtype
            whole: Any = model_class(accelerator.unwrap_model(model).config)
        written = {
            key.removeprefix(prefix): value.to(dtype) for key, value in state_dict.items() if key.startswith(prefix)
        }
        whole.to(dtype).save_pretrained(folder, state_dict=written)
