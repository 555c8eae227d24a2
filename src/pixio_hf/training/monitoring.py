# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a run is watched by: its speed, the operations of a step by formula, and where its numbers are logged to."""

import importlib
import inspect
import time
from collections.abc import Iterator
from typing import Any

from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType

from ..configuration_pixio import PixioConfig
from ..masking import num_kept_blocks, num_mask_blocks


class ThroughputMeter:
    """Counts images, time and time spent waiting for batches, between readings.

    Args:
        images_per_batch: images that all processes together train on for each batch of this one.
    """

    def __init__(self, images_per_batch: int):
        self.images_per_batch = images_per_batch
        self.restart()

    def restart(self) -> None:
        self.started, self.waited, self.num_batches = time.perf_counter(), 0.0, 0

    def next_batch(self, batches: Iterator[Any]) -> Any:
        """Next item of an iterator; the wait counts as waiting for data."""
        asked = time.perf_counter()
        batch = next(batches)
        self.waited += time.perf_counter() - asked
        self.num_batches += 1
        return batch

    def read(self) -> dict[str, float]:
        """Images per second and the share of time that this process waited for data, since the last reading."""
        elapsed = time.perf_counter() - self.started
        reading = {
            "images_per_second": self.num_batches * self.images_per_batch / elapsed,
            "data_wait_share": self.waited / elapsed,
        }
        self.restart()
        return reading


def block_flops(num_tokens: int, width: int, mlp_ratio: int) -> int:
    """Operations of a transformer block for one image: two per multiply-add of its matrix products, nothing else.

    Query, key, value and output projections: 8 T D^2; scores and their product with the values: 4 T^2 D; MLP: 4 r T D^2.
    """
    return (8 + 4 * mlp_ratio) * num_tokens * width**2 + 4 * num_tokens**2 * width


def pretraining_flops(config: PixioConfig) -> float:
    """Operations of a forward and backward pass for one image of the native size: three times the forward pass.

    Counts the model's work, independent of the implementation: encoder blocks on visible tokens, each as often as
    stochastic depth keeps it on average; decoder blocks on all tokens; patch embedding of all patches, as in MAE;
    decoder embedding and prediction. The patch embedding has no gradient of its input, which saves one of its three.
    """
    num_blocks = num_mask_blocks(config.patch_grid_size, config.patch_grid_size, config.mask_grid_size)
    num_patches = config.patch_grid_size**2
    num_visible = num_kept_blocks(num_blocks, config.mask_ratio) * config.mask_grid_size**2 + config.n_cls_tokens
    num_tokens = num_patches + config.n_cls_tokens
    width, decoder_width = config.hidden_size, config.decoder_hidden_size
    patch_values = config.patch_size**2 * config.num_channels
    blocks_kept = sum(1 - rate for rate in config.drop_path_rates())
    embedding = 2 * num_patches * patch_values * width
    encoder = blocks_kept * block_flops(num_visible, width, config.mlp_ratio)
    decoder = config.decoder_num_hidden_layers * block_flops(num_tokens, decoder_width, config.mlp_ratio)
    bridge = 2 * num_visible * width * decoder_width + 2 * num_tokens * decoder_width * patch_values
    return 2 * embedding + 3 * (encoder + decoder + bridge)


def choose_tracker(name: str) -> str | None:
    """Tracker for accelerate's `log_with`: tensorboard, wandb, trackio or another that it knows; None for "none".

    Raises:
        ValueError: not installed or unknown, which accelerate would leave out without a word; only in part, or too old.
    """
    installed = [tracker.value for tracker in get_available_trackers()]
    if name != "none" and name not in installed:
        known = [tracker.value for tracker in LoggerType]
        reason = f"pip install {name}" if name in known else "accelerate knows no package of that name"
        raise ValueError(
            f"Cannot report to {name!r}: it is not installed ({reason}). Choose --report_to from what there is:"
            f" {', '.join([*installed, 'none'])}."
        )
    if name in ("wandb", "trackio"):
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"Cannot report to {name!r}: the installed package {name} does not work ({error}). Try"
                f" pip install --upgrade {name}, or choose another --report_to."
            ) from error
        # The first versions, which pip chooses beside a Pillow that newer ones do not allow, fail when a run starts.
        if name == "trackio" and "space_id" not in inspect.signature(package.init).parameters:
            raise ValueError(
                f"Cannot report to 'trackio': version {package.__version__} is too old. Try pip install 'trackio>=0.43',"
                " or choose another --report_to."
            )
    return None if name == "none" else name
