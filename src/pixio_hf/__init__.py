# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pixio for the Hugging Face ecosystem. Importing this package registers its classes with transformers' Auto classes."""

from .bundled import bundled_checkpoint
from .configuration_pixio import PixioConfig
from .geometry import world_to_camera
from .image_processing_pil_pixio import PixioImageProcessorPil
from .image_processing_pixio import PixioImageProcessor
from .modeling_pixio import PixioBackbone, PixioModel, PixioPreTrainedModel
from .modeling_pixio_classification import PixioForImageClassification
from .modeling_pixio_dense import PixioForDepthEstimation, PixioForSemanticSegmentation
from .modeling_pixio_distillation import PixioForDistillation
from .modeling_pixio_pretraining import PixioForPreTraining
from .modeling_pixio_reconstruction import PixioForReconstruction
from .pose_alignment import align_to_poses
from .registration import register

__version__ = "0.1.0"

__all__ = [
    "PixioBackbone",
    "PixioConfig",
    "PixioForDepthEstimation",
    "PixioForDistillation",
    "PixioForImageClassification",
    "PixioForPreTraining",
    "PixioForReconstruction",
    "PixioForSemanticSegmentation",
    "PixioImageProcessor",
    "PixioImageProcessorPil",
    "PixioModel",
    "PixioPreTrainedModel",
    "align_to_poses",
    "bundled_checkpoint",
    "world_to_camera",
]

register()
