# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Registration with transformers: the Auto classes, the key mapping and the short names; no other global state is touched.

After `import pixio_hf` the Auto classes return this package's classes for model_type "pixio";
`transformers.PixioModel` itself stays transformers' own. Processes that never import this package are not affected.
"""

from contextlib import suppress

import transformers
from transformers import (
    AutoBackbone,
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForDepthEstimation,
    AutoModelForImageClassification,
    AutoModelForImageSegmentation,
    AutoModelForPreTraining,
    AutoModelForSemanticSegmentation,
)
from transformers.models.auto import modeling_auto

from .checkpoint_names import register_key_mapping
from .configuration_pixio import PixioConfig
from .image_processing_pil_pixio import PixioImageProcessorPil
from .image_processing_pixio import PixioImageProcessor
from .modeling_pixio import PixioBackbone, PixioModel
from .modeling_pixio_classification import PixioForImageClassification
from .modeling_pixio_dense import PixioForDepthEstimation, PixioForSemanticSegmentation
from .modeling_pixio_pretraining import PixioForPreTraining
from .modeling_pixio_reconstruction import PixioForReconstruction
from .short_names import register_short_names

AUTO_CLASSES = (
    (AutoModel, PixioModel),
    (AutoBackbone, PixioBackbone),
    (AutoModelForPreTraining, PixioForPreTraining),
    (AutoModelForDepthEstimation, PixioForDepthEstimation),
    (AutoModelForSemanticSegmentation, PixioForSemanticSegmentation),
    (AutoModelForImageClassification, PixioForImageClassification),
)


def register() -> None:
    """Register configuration, models, processors, key mapping and short names; safe to call again."""
    register_key_mapping()
    register_short_names()
    register_for_pipelines()
    AutoConfig.register("pixio", PixioConfig, exist_ok=True)
    for auto_class, model_class in AUTO_CLASSES:
        auto_class.register(PixioConfig, model_class, exist_ok=True)
    # Older supported releases of transformers lack this class; nothing else depends on it.
    pointmaps = getattr(transformers, "AutoModelForPointmapEstimation", None)
    if pointmaps is not None:
        pointmaps.register(PixioConfig, PixioForReconstruction, exist_ok=True)
    # In the oldest supported transformers AutoImageProcessor is a placeholder where torchvision is missing; any use of it
    # raises an ImportError that says so, and there is nothing to register with.
    with suppress(ImportError):
        AutoImageProcessor.register(
            PixioConfig,
            image_processor_classes={"torchvision": PixioImageProcessor, "pil": PixioImageProcessorPil},
            exist_ok=True,
        )


def register_for_pipelines() -> None:
    """Let the image segmentation pipeline find the segmentation model, without a message that it is not supported."""
    AutoModelForImageSegmentation.register(PixioConfig, PixioForSemanticSegmentation, exist_ok=True)
    # That pipeline looks at a copy of this table, which lacks registered classes. The key is not a model type, so
    # nothing else reads the entry.
    names = getattr(modeling_auto, "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES", None)
    if names is not None:
        names["pixio_hf"] = PixioForSemanticSegmentation.__name__
