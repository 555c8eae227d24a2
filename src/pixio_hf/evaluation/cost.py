# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a model costs: time per image and peak memory."""

import re
import statistics
import time
from pathlib import Path

import torch
from torch import nn

_PROCESS = Path("/proc/self")


@torch.inference_mode()
def time_per_image(model: nn.Module, image_size: int, device: torch.device, num_runs: int = 5) -> float:
    """Seconds of one forward pass of one square image: the median of `num_runs` after one that does not count."""
    model.eval()
    image = torch.zeros(1, 3, image_size, image_size, device=device)
    seconds = []
    for _ in range(num_runs + 1):
        started = time.perf_counter()
        model(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def reset_peak_memory(device: torch.device) -> bool:
    """Start counting the peak anew; False where the system cannot: there, `peak_memory` must not be read."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        (_PROCESS / "clear_refs").write_text("5")  # Linux: forget the peak of the resident memory
    except OSError:
        return False
    return re.search(r"VmHWM:\s+\d+ kB", (_PROCESS / "status").read_text()) is not None


def peak_memory(device: torch.device) -> float:
    """Peak in MiB: what tensors took on a GPU, or the resident memory of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    found = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
    assert found is not None, "reset_peak_memory was False"
    return int(found[1]) / 2**10
