# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The tasks that can be fine-tuned for, each one object."""

from collections.abc import Mapping
from typing import Any

from ..arguments import FineTuningArguments
from .depth import DepthTask
from .segmentation import SegmentationTask
from .task import FineTuningTask

TASKS: Mapping[str, type[FineTuningTask]] = {"depth": DepthTask, "segmentation": SegmentationTask}


def open_task(args: FineTuningArguments) -> FineTuningTask[Any]:
    """The task that is asked for, with its recipe; no data is opened yet."""
    return TASKS[args.task](args)
