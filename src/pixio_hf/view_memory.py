# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How much memory a reconstruction takes, before it is tried: an estimate from sizes, and what the machine has free."""

import re
from pathlib import Path

import torch

from .configuration_pixio import PixioConfig

_MEMINFO = Path("/proc/meminfo")
# Numbers per pixel that stay until the end: pictures, raw maps, points, rays, depth, once plain and once in metres.
_NUMBERS_PER_PIXEL = 40
# Numbers per patch, in widths: the encoder's features, and what a block of the multi-view transformer holds at a time.
_ENCODER_WIDTHS, _TRANSFORMER_WIDTHS = 3, 14
# Maps that the dense head holds at a time: of 8 x 8 numbers per patch and channel, and of half the channels per pixel.
_FUSION_MAPS, _OUTPUT_MAPS = 3, 3


def estimate_memory(
    config: PixioConfig, num_views: int, height: int, width: int, view_chunk_size: int | None = 8
) -> int:
    """Bytes that one scene takes in float32 without gradients, beside the weights (benchmarks/reconstruction.py measures).

    Grows with the number of views, but for the dense head, which works on `view_chunk_size` of them at a time.
    """
    pixels = height * width
    patches = pixels // config.patch_size**2  # pyright: ignore[reportOperatorIssue]
    widths = _ENCODER_WIDTHS * config.hidden_size + _TRANSFORMER_WIDTHS * config.view_hidden_size
    per_view = _NUMBERS_PER_PIXEL * pixels + widths * patches
    channels = config.reconstruction_fusion_hidden_size
    head = channels * (_FUSION_MAPS * 64 * patches + _OUTPUT_MAPS * pixels // 2)
    return 4 * (num_views * per_view + min(num_views, view_chunk_size or num_views) * head)


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def check_memory(config: PixioConfig, num_views: int, height: int, width: int, device: torch.device) -> None:
    """Refuse a scene that does not fit, before anything is computed.

    Raises:
        ValueError: says how many views would fit.
    """
    free = free_memory(device)
    if free is None or estimate_memory(config, num_views, height, width) <= free:
        return
    fitting = max(
        (views for views in range(1, num_views) if estimate_memory(config, views, height, width) <= free), default=0
    )
    needed = estimate_memory(config, num_views, height, width) / 1e9
    advice = f"about {fitting} would fit" if fitting > 1 else "not even two would fit, make them smaller"
    raise ValueError(
        f"{num_views} views of {height} x {width} (height x width) need about {needed:.1f} GB, and {free / 1e9:.1f} GB are"
        f" free: {advice}. Take fewer views (max_views), smaller ones (view_size), or a device with more memory."
    )
