# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Noise for masks, a function of the sample alone: the number of processes changes no image's mask."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .sample_order import derive_seed


def draw_mask_noise(seeds: Sequence[int], num_blocks: int) -> Tensor:
    """Uniform noise in [0, 1) from the seeds of samples, one number per mask block: (B,) seeds -> (B, num_blocks).

    A stream's seed depends only on sample and epoch, and so does the mask.
    """
    generator = torch.Generator()
    # Not the seed itself: the crop was drawn with that, and masks must not depend on crops.
    rows = [torch.rand(num_blocks, generator=generator.manual_seed(derive_seed(seed, "mask"))) for seed in seeds]
    return torch.stack(rows)
