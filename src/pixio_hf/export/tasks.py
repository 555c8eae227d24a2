# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What of a model is exported: which class computes it, which numbers come out, and the output that holds them again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers.modeling_outputs import (
    BackboneOutput,
    BaseModelOutputWithPooling,
    DepthEstimatorOutput,
    ImageClassifierOutput,
    SemanticSegmenterOutput,
)

from ..configuration_pixio import PixioConfig
from ..modeling_pixio import PixioBackbone, PixioModel, PixioPreTrainedModel
from ..modeling_pixio_classification import PixioForImageClassification
from ..modeling_pixio_dense import PixioForDepthEstimation, PixioForSemanticSegmentation
from ..modeling_pixio_reconstruction import PixioForReconstruction, PixioReconstructionOutput

_RECONSTRUCTION_OUTPUTS = (
    *("pointmaps", "camera_pointmaps", "ray_directions", "ray_depth", "predicted_depth", "camera_to_world"),
    *("camera_quaternions", "camera_translations", "intrinsics", "metric_scale", "confidence", "mask_logits"),
)


@dataclass(frozen=True)
class ExportTask:
    """One kind of export: the torch model behind it and the names of its outputs."""

    name: str
    model_class: type[PixioPreTrainedModel]
    output_class: Callable[..., Any]
    """Of transformers or ours: what the torch model returns, and the exported one too."""
    needs: str
    """What a checkpoint must hold in addition to the encoder, for messages."""
    fields: tuple[str, ...]
    """Fields of the output that are exported."""

    def output_names(self, config: PixioConfig) -> tuple[str, ...]:
        """Names of the exported tensors: the fields, and of a backbone one for each stage."""
        if self.name == "backbone":
            return tuple(f"feature_maps.{stage}" for stage in config.out_features or ())
        return self.fields

    def tensors(self, outputs: Any) -> tuple[Tensor, ...]:
        """The exported tensors of the torch model's output, in float32, in the order of `output_names`."""
        values = outputs.feature_maps if self.name == "backbone" else [getattr(outputs, name) for name in self.fields]
        return tuple(value.float() for value in values)

    def build_output(self, tensors: Sequence[Tensor]) -> Any:
        """The output class again from the exported tensors."""
        if self.name == "backbone":
            return self.output_class(feature_maps=tuple(tensors))
        return self.output_class(**dict(zip(self.fields, tensors, strict=True)))


TASKS: Mapping[str, ExportTask] = {
    task.name: task
    for task in (
        ExportTask(
            "encoder",
            PixioModel,
            BaseModelOutputWithPooling,
            "encoder",
            ("last_hidden_state", "pooler_output"),
        ),
        ExportTask("backbone", PixioBackbone, BackboneOutput, "encoder", ("feature_maps",)),
        ExportTask("depth", PixioForDepthEstimation, DepthEstimatorOutput, "depth head", ("predicted_depth",)),
        ExportTask(
            "segmentation", PixioForSemanticSegmentation, SemanticSegmenterOutput, "segmentation head", ("logits",)
        ),
        ExportTask(
            "classification", PixioForImageClassification, ImageClassifierOutput, "classification layer", ("logits",)
        ),
        ExportTask(
            "reconstruction",
            PixioForReconstruction,
            PixioReconstructionOutput,
            "reconstruction heads",
            _RECONSTRUCTION_OUTPUTS,
        ),
    )
}
_TASK_OF_CLASS = {task.model_class.__name__: task for task in TASKS.values()}


def choose_task(config: PixioConfig, wanted: str = "auto") -> ExportTask:
    """The task that was asked for; with "auto" that of the class which the configuration names, else the encoder.

    Raises:
        ValueError: no such task.
    """
    if wanted == "auto":
        return _TASK_OF_CLASS.get(next(iter(config.architectures or []), ""), TASKS["encoder"])
    if wanted not in TASKS:
        raise ValueError(f"There is no task {wanted!r} to export; choose one of {', '.join(TASKS)}.")
    return TASKS[wanted]


class ExportedForward(nn.Module):
    """A model as exporters want it: one tensor in, a tuple of float32 tensors out."""

    def __init__(self, model: PixioPreTrainedModel, task: ExportTask):
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Normalised float32 images (B, 3, H, W), of reconstruction (B, V, 3, H, W), to the task's tensors."""
        # Views in chunks would be a loop in Python, whose length a graph cannot change.
        more = {"view_chunk_size": None} if self.task.name == "reconstruction" else {}
        return self.task.tensors(self.model(pixel_values, **more))
