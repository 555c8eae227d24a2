# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""BatchNorm of linear heads in distributed training (SPEC 5.3)."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers.utils import logging

logger = logging.get_logger(__name__)


def synchronize_batch_norm(model: nn.Module, device_type: str, num_processes: int) -> None:
    """Have BatchNorm use the statistics of all processes together, as the paper does; the weights' names stay.

    torch has that for GPUs only. On a CPU every process normalises by its own images, and a warning says so.
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
