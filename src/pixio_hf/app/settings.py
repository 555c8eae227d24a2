# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which models an app offers, who may use it, and what predicts for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from ..bundled import ASSETS, list_bundled
from ..read_limits import MAX_IMAGE_BYTES
from ..text_files import read_json_object

Task = Literal["depth", "features", "reconstruction", "scene"]
TASKS: tuple[Task, ...] = ("depth", "features", "reconstruction", "scene")
# Classes whose bundled checkpoints a tab offers; every checkpoint holds an encoder, so features take them all.
_CLASSES = {
    "depth": "PixioForDepthEstimation",
    "reconstruction": "PixioForPreTraining",
    "scene": "PixioForReconstruction",
}


class LoadedModel(Protocol):
    """A model in eval mode on its device, and the image processor that belongs to it."""

    @property
    def model(self) -> Any: ...
    @property
    def processor(self) -> Any: ...
    @property
    def device(self) -> Any: ...


@dataclass(frozen=True)
class Predictors:
    """What loads and predicts. The command line hands over its own functions, so that both give the same numbers.

    Args:
        load: task and model (folder, Hub id or short name) to a loaded model; ValueError where it cannot.
        predict_depth: a photo (3, H, W) uint8 to (H, W) float32 metres.
        encode_photo: a photo and the short side that the model sees to patch tokens (h, w, D) float32 on the CPU.
        describe_training: one line of warning on what a depth model has seen, or nothing.
    """

    load: Callable[[Task, str], LoadedModel]
    predict_depth: Callable[[LoadedModel, np.ndarray], np.ndarray]
    encode_photo: Callable[[LoadedModel, np.ndarray, int], Tensor]
    describe_training: Callable[[str], str]


@dataclass(frozen=True)
class AppSettings:
    """What an app offers.

    Args:
        models: for each task the models of its list, the first one chosen at the start; bundled ones are added.
        open_to_others: whether other machines reach the app. Then only listed models are loaded: a name from a visitor
            could be any folder of this machine, or a download of many gigabytes.
        max_upload_bytes: the largest photo that is taken.
    """

    models: Mapping[Task, Sequence[str]] = field(default_factory=dict)
    open_to_others: bool = False
    max_upload_bytes: int = min(32 * 2**20, MAX_IMAGE_BYTES)

    def listed(self, task: Task) -> list[str]:
        """Models of a task's list: given ones, then the bundled ones that fit, none twice."""
        return list(dict.fromkeys((*self.models.get(task, ()), *bundled_for(task))))

    def offered_tasks(self) -> list[Task]:
        """Tasks that get a tab: those with a model."""
        return [task for task in TASKS if self.listed(task)]


def bundled_for(task: Task) -> list[str]:
    """Short names of the bundled checkpoints that can do a task."""
    wanted = _CLASSES.get(task)
    return [name for name in list_bundled() if wanted is None or wanted in _read_classes(name)]


def _read_classes(name: str) -> list[str]:
    return read_json_object(ASSETS / name / "config.json").get("architectures") or []
