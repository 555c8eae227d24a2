# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioImageProcessorPil: the image processor on PIL and NumPy, which needs no torchvision."""

# transformers' backends override each other's methods with other parameters; so must their subclasses.
# pyright: reportIncompatibleMethodOverride=false

from typing import Any

import numpy as np
import PIL.Image
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import PILImageResampling, SizeDict

from .image_processing_base_pixio import PixioImageProcessing, PixioImageProcessorKwargs
from .photos import read_photo


class PixioImageProcessorPil(PixioImageProcessing, PilBackend):
    """Pixio's image processor on PIL and NumPy: bicubic resize to 256 x 256, 1/255, ImageNet mean and std.

    Needs no torchvision. What it saves loads as PixioImageProcessor too. Options: PixioImageProcessorKwargs.
    """

    def process_image(
        self, image: Any, do_convert_rgb: bool | None = None, input_data_format: Any = None, **kwargs: Any
    ) -> np.ndarray:
        """One photo -> (C, H, W) uint8 or float32; see photos.read_photo."""
        return read_photo(image, bool(do_convert_rgb), input_data_format)

    def resize(self, image: np.ndarray, size: SizeDict, resample: Any = None, **kwargs: Any) -> np.ndarray:
        """Resize (C, H, W) channel by channel, so that floats keep their precision and no channel acts as opacity."""
        height, width = int(size.height or 0), int(size.width or 0)
        filter_ = PILImageResampling(PILImageResampling.BILINEAR if resample is None else int(resample))
        channels = [PIL.Image.fromarray(channel).resize((width, height), filter_) for channel in image]
        return np.stack([np.asarray(channel) for channel in channels])

    def _preprocess(self, images: list[np.ndarray], **kwargs: Any) -> list[np.ndarray]:
        processed = []
        for image in images:
            height, width = self._output_size(image.shape[-2:], **kwargs)
            if kwargs["do_resize"]:
                image = self.resize(image, SizeDict(height=height, width=width), kwargs["resample"])
            if kwargs["do_rescale"]:
                image = self.rescale(image, kwargs["rescale_factor"])
            if kwargs["do_normalize"]:
                image = self.normalize(image, kwargs["image_mean"], kwargs["image_std"])
            processed.append(image)
        return processed

    def _from_numpy(self, values: np.ndarray, device: Any) -> np.ndarray:
        return values

    def _stack(self, views: list[np.ndarray]) -> np.ndarray:
        return np.stack(views)


__all__ = ["PixioImageProcessorKwargs", "PixioImageProcessorPil"]
