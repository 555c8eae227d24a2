# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The model that fine-tuning begins with: a checkpoint with its trained head where that fits, else with a new one."""

from typing import Any, TypeVar

import torch

from ..configuration_pixio import PixioConfig
from ..modeling_pixio import PixioModel
from ..modeling_pixio_dense import PixioDensePreTrainedModel

Model = TypeVar("Model", bound=PixioDensePreTrainedModel)


def count_encoder_parameters(config: PixioConfig) -> int:
    """Parameters of the encoder of a configuration."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in PixioModel(config).parameters())


def load_starting_model(
    model_class: type[Model], path: str, name: str, class_names: tuple[str, ...] | None = None, **head: Any
) -> tuple[Model, bool, str]:
    """Model in float32, whether its head is trained, and a sentence that says so and why.

    The head of a checkpoint is kept where it was made by the same class, is of the same type and knows the same classes.

    Args:
        path, name: of the checkpoint, to load and to show.
        class_names: of segmentation.
        head: fields of the configuration.

    Raises:
        ValueError: a checkpoint that lacks a part of its head.
    """
    stored = PixioConfig.from_pretrained(path)
    fields: dict[str, Any] = dict(head)
    if class_names is not None:
        fields["id2label"] = dict(enumerate(class_names))
        fields["label2id"] = {label: index for index, label in enumerate(class_names)}
    config = PixioConfig.from_pretrained(path, **fields)
    reason = _find_misfit(model_class, stored, config, class_names)
    if reason:
        model: Any = model_class(config)  # pyright: ignore[reportCallIssue]
        model.pixio = PixioModel.from_pretrained(path, config=config, dtype=torch.float32)
        return model, False, f"Starting from {name} with a new {config.head_type} head: {reason}."
    model, info = model_class.from_pretrained(path, config=config, dtype=torch.float32, output_loading_info=True)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{name} is damaged: it lacks {missing[0]}, {len(missing)} weights in all; get it again.")
    note = f"Starting from {name} with its trained {config.head_type} head"
    if model_class.__name__ == "PixioForDepthEstimation" and stored.max_depth != config.max_depth:
        note += f", which was trained for depths to {stored.max_depth:g} m and is stretched to {config.max_depth:g} m"
    return model, True, note + "."


def _find_misfit(
    model_class: type, stored: PixioConfig, config: PixioConfig, class_names: tuple[str, ...] | None
) -> str:
    """Why a checkpoint's head cannot be used; empty where it can."""
    made_by = (stored.architectures or ["PixioModel"])[0]
    if made_by != model_class.__name__:
        return "the checkpoint holds none" if made_by == "PixioModel" else f"the checkpoint is a {made_by}"
    if stored.head_type != config.head_type:
        return f"the checkpoint's is a {stored.head_type} head"
    if class_names is not None and (known := tuple((stored.id2label or {}).values())) != class_names:
        if len(known) != len(class_names):
            return f"the checkpoint's knows {len(known)} classes, the data set has {len(class_names)}"
        return "the checkpoint's knows other classes"
    return ""
