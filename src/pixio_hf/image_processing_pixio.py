# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioImageProcessor (torchvision backend). Without torchvision the name stands for the PIL backend."""

# transformers' backends override each other's methods with other parameters; so must their subclasses.
# pyright: reportIncompatibleMethodOverride=false

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.image_processing_backends import TorchvisionBackend
from transformers.image_transforms import group_images_by_shape, reorder_images
from transformers.image_utils import SizeDict
from transformers.utils.import_utils import is_torchvision_available

from .image_processing_base_pixio import PixioImageProcessing, PixioImageProcessorKwargs
from .image_processing_pil_pixio import PixioImageProcessorPil
from .photos import find_channel_axis, read_photo

LARGE_PHOTO = 2**26
"""Photos with more numbers than this, all channels together, are resized one channel at a time."""


class PixioImageProcessor(PixioImageProcessing, TorchvisionBackend):
    """Pixio's image processor on tensors: bicubic resize to 256 x 256, 1/255, ImageNet mean and std.

    Photos of one size are processed as a batch, tensors stay on their device, and `device` moves the work to another.
    Options: PixioImageProcessorKwargs.
    """

    def process_image(
        self,
        image: Any,
        do_convert_rgb: bool | None = None,
        input_data_format: Any = None,
        device: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        """One photo -> (C, H, W) uint8 or float32 tensor; see photos.read_photo."""
        if isinstance(image, Tensor) and image.device.type != "cpu":
            device = image.device if device is None else device
            if image.dtype == torch.uint8 and image.ndim == 3 and image.numel():
                axis = find_channel_axis(tuple(image.shape), input_data_format)
                if image.shape[axis] == 3:
                    # Nothing to convert or to check: the photo need not leave its device.
                    return image.movedim(axis, 0).contiguous().to(device)
        photo = read_photo(image, bool(do_convert_rgb), input_data_format)
        # PIL images have read-only memory, which tensors cannot have; a copy in the same order is the cheapest.
        tensor = torch.from_numpy(photo if photo.flags.writeable else photo.copy(order="K"))
        return tensor.to(device or "cpu").contiguous()

    def resize(self, image: Tensor, size: SizeDict, resample: Any = None, **kwargs: Any) -> Tensor:
        """Resize (B, C, H, W), antialiased; large photos one channel at a time, with the same result."""
        if image.numel() <= LARGE_PHOTO:
            return super().resize(image, size, resample, **kwargs)
        # On processors without a kernel for bytes, torch resizes floats, which are four times as large.
        channels = [
            super(PixioImageProcessor, self).resize(c, size, resample, **kwargs) for c in image.split(1, dim=1)
        ]
        return torch.cat(channels, dim=1)

    def _preprocess(self, images: list[Tensor], **kwargs: Any) -> list[Tensor]:
        disable_grouping = kwargs.get("disable_grouping")
        groups, places = group_images_by_shape(images, disable_grouping=disable_grouping)
        for key, stack in groups.items():
            if kwargs["do_resize"]:
                height, width = self._output_size(tuple(stack.shape[-2:]), **kwargs)
                groups[key] = self.resize(stack, SizeDict(height=height, width=width), kwargs["resample"])
        # Photos of different sizes have one size now, and can be normalised together.
        groups, places = group_images_by_shape(reorder_images(groups, places), disable_grouping=disable_grouping)
        for key, stack in groups.items():
            groups[key] = self.rescale_and_normalize(
                stack,
                kwargs["do_rescale"],
                kwargs["rescale_factor"],
                kwargs["do_normalize"],
                kwargs["image_mean"],
                kwargs["image_std"],
            )
        return list(reorder_images(groups, places))

    def _from_numpy(self, values: np.ndarray, device: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device or "cpu")

    def _stack(self, views: list[Tensor]) -> Tensor:
        return torch.stack(views)


if not is_torchvision_available():
    PixioImageProcessor = PixioImageProcessorPil  # pyright: ignore[reportAssignmentType]

__all__ = ["PixioImageProcessor", "PixioImageProcessorKwargs"]
