# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What both backends of the image processor share: options, labels, masks, sizes and post-processing."""

# transformers' backends override each other's methods with other parameters; so must their subclasses.
# pyright: reportIncompatibleMethodOverride=false

from typing import Any

import numpy as np
import torch
from transformers.image_processing_base import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_utils import (
    ImageInput,
    PILImageResampling,
    SizeDict,
)
from transformers.processing_utils import ImagesKwargs
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from typing_extensions import Unpack

from .image_sizes import check_multiple, resized_size
from .label_maps import DEPTH_MODES, SEGMENTATION_MODES, read_maps, to_class_ids, to_metres
from .masking import num_mask_blocks, random_block_mask
from .photos import flatten_inputs, per_channel_statistics, warn_if_rescaled_twice
from .processor_options import check_options, check_size, explain_misfits
from .processor_outputs import PixioPostProcessing
from .scene_inputs import count_views, describe_fits, fit_intrinsics, plan_views, resize_view


class PixioImageProcessorKwargs(ImagesKwargs, total=False):
    """Options beyond transformers' ImagesKwargs; each can be set at construction or in a call.

    keep_aspect_ratio: scale both sides by the factor that changes the photo least, not each to `size`.
    size_divisor: every resulting side is a multiple of it (the model's patch size).
    do_mask, mask_ratio, mask_grid_size, mask_seed, patch_size: return `bool_masked_pos` (B, N), True = masked, with
        blocks of mask_grid_size x mask_grid_size patches; the same mask_seed gives the same masks in every call.
    do_reduce_labels: in segmentation maps 0 becomes 255 (ignored), every other class is lowered by 1.
    depth_scale: metres per unit of the depth maps (0.001: millimetres).
    view_size: longer side of the views of a scene; their shorter side follows from the photos.
    """

    keep_aspect_ratio: bool
    size_divisor: int
    do_mask: bool
    mask_ratio: float | int
    mask_grid_size: int
    mask_seed: int | None
    patch_size: int
    do_reduce_labels: bool
    depth_scale: float | int
    view_size: int


class PixioImageProcessing(PixioPostProcessing, BaseImageProcessor):
    """The parts of Pixio's image processing that do not depend on the backend; not for use by itself."""

    valid_kwargs = PixioImageProcessorKwargs
    model_input_names = ["pixel_values"]

    resample = PILImageResampling.BICUBIC
    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD
    size = {"height": 256, "width": 256}
    default_to_square = True
    do_resize = True
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    do_convert_rgb = True
    keep_aspect_ratio = False
    size_divisor = 16
    do_mask = False
    mask_ratio = 0.75
    mask_grid_size = 4
    mask_seed = None
    patch_size = 16
    do_reduce_labels = False
    depth_scale = 1.0
    view_size = 512

    def __init__(self, **kwargs: Unpack[PixioImageProcessorKwargs]):
        super().__init__(**kwargs)

    @classmethod
    def for_config(cls, config: Any, **options: Any) -> Any:
        """Image processor that fits a model: photos at the configuration's native size, in its patches.

        Args:
            config: a PixioConfig.
            options: any of PixioImageProcessorKwargs, for example `do_resize=False`.
        """
        fitting = {
            "size": {"height": config.image_size, "width": config.image_size},
            "size_divisor": config.patch_size,
            "patch_size": config.patch_size,
        }
        return cls(**{**fitting, **options})

    @classmethod
    def get_image_processor_dict(cls, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read preprocessor_config.json as transformers does; one that is nested absurdly deep is a ValueError."""
        try:
            return super().get_image_processor_dict(*args, **kwargs)
        except RecursionError as error:
            raise ValueError(f"The processor's file in {args[0] if args else None!r} is nested too deeply.") from error

    def preprocess(
        self,
        images: ImageInput,
        segmentation_maps: ImageInput | None = None,
        depth_maps: ImageInput | None = None,
        intrinsics: Any = None,
        **kwargs: Unpack[PixioImageProcessorKwargs],
    ) -> BatchFeature:
        """Photos to `pixel_values` (B, 3, H, W); maps to `labels` (B, H, W); with do_mask `bool_masked_pos` (B, N).

        A list of lists holds the photos of B scenes, [[a, b], [c, d]], and becomes `pixel_values` (B, V, 3, H, W) for
        PixioForReconstruction: one size for the whole call, scaled to cover it and cropped. `original_sizes` (B, V, 2)
        and `photo_to_view` (B, V, 3, 3) lead back to the photos. `intrinsics`, one pinhole camera for each photo and in
        its pixels, come back as those of the views (B, V, 3, 3).

        Photos may be PIL images (turned upright as their EXIF says), arrays, tensors, paths or addresses. Depth maps
        (2-D arrays or PIL modes F, I, I;16) become float32 metres, where 0 and NaN stay as they are and mean "not
        measured"; segmentation maps become int64 class numbers. Maps take the nearest value, values are never mixed.

        Raises:
            ValueError: unreadable or wrong input, sides that are no multiple of size_divisor (nothing is cropped),
                maps of another size or count than the photos, both kinds of maps at once, or sizes that cannot form
                one batch.
        """
        with explain_misfits():
            return super().preprocess(images, segmentation_maps, depth_maps, intrinsics, **kwargs)

    @classmethod
    def from_dict(cls, image_processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build a processor from a dictionary; options of a wrong kind are a ValueError."""
        with explain_misfits():
            return super().from_dict(image_processor_dict, **kwargs)

    def _validate_preprocess_kwargs(self, **kwargs: Any) -> None:
        check_options(kwargs)
        super()._validate_preprocess_kwargs(**kwargs)
        if kwargs.get("do_center_crop") or kwargs.get("do_pad"):
            raise ValueError("Pixio's image processors neither crop nor pad; do it before, to photos and maps alike.")
        data_format = kwargs.get("data_format")
        if getattr(data_format, "value", data_format) not in (None, "channels_first"):
            raise ValueError('data_format must be "channels_first": the models take (B, 3, H, W).')
        size: SizeDict | None = kwargs.get("size")
        if size is not None:
            check_size(size.height, size.width)
        if kwargs["do_resize"] and size is not None:
            if not (size.height and size.width):
                raise ValueError(
                    f"size must have height and width, got {dict(size)}; to keep the aspect ratio pass them with"
                    " keep_aspect_ratio=True."
                )
            check_multiple(size.height, size.width, kwargs["size_divisor"], "size")

    def _preprocess_image_like_inputs(
        self,
        images: ImageInput,
        segmentation_maps: ImageInput | None,
        depth_maps: ImageInput | None,
        intrinsics: Any = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """All steps of a call: read, size, resize, normalise, label, mask, stack."""
        if (counts := count_views(images)) is not None:
            if segmentation_maps is not None or depth_maps is not None or kwargs["do_mask"]:
                raise ValueError(
                    "Scenes, [[a, b], ...], take no maps and no masks: for those pass a flat list of photos."
                )
            return self._preprocess_scenes(images, counts, intrinsics, **kwargs)
        if intrinsics is not None:
            raise ValueError("intrinsics go with scenes: pass images as a list of scenes, [[a, b], ...].")
        if segmentation_maps is not None and depth_maps is not None:
            raise ValueError("pass depth_maps or segmentation_maps, not both: each of them becomes `labels`.")
        photos = self._read_photos(images, **kwargs)
        photo_sizes = [tuple(photo.shape[-2:]) for photo in photos]
        sizes = [self._output_size(photo_size, **kwargs) for photo_size in photo_sizes]
        if kwargs["return_tensors"] is not None and len(set(sizes)) > 1:
            raise ValueError(
                f"the photos end up with different sizes {sorted(set(sizes))} (height, width) and cannot form one"
                " batch; resize to one size (do_resize=True, keep_aspect_ratio=False) or process them one by one."
            )
        data: dict[str, Any] = {"pixel_values": self._normalize_photos(photos, **kwargs)}
        if depth_maps is not None:
            maps = read_maps(depth_maps, DEPTH_MODES, photo_sizes, sizes, "depth map")
            labels = [to_metres(values, kwargs["depth_scale"]) for values in maps]
            data["labels"] = [self._from_numpy(label, kwargs.get("device")) for label in labels]
        elif segmentation_maps is not None:
            maps = read_maps(segmentation_maps, SEGMENTATION_MODES, photo_sizes, sizes, "segmentation map")
            labels = [to_class_ids(values, bool(kwargs["do_reduce_labels"])) for values in maps]
            data["labels"] = [self._from_numpy(label, kwargs.get("device")) for label in labels]
        if kwargs["do_mask"]:
            masks = draw_masks(sizes, **{name: kwargs[name] for name in MASK_OPTIONS})
            data["bool_masked_pos"] = [self._from_numpy(mask, kwargs.get("device")) for mask in masks]
        return BatchFeature(data=data, tensor_type=kwargs["return_tensors"])

    def _preprocess_scenes(self, images: Any, counts: list[int], intrinsics: Any, **kwargs: Any) -> BatchFeature:
        """The same for scenes of `counts` photos: `pixel_values` (B, V, C, H, W), cameras, and the way back."""
        if kwargs["return_tensors"] is not None and len(set(counts)) > 1:
            raise ValueError(
                f"the scenes have different numbers of photos {counts} and cannot form one batch; process them one by one."
            )
        photos = self._read_photos(images, **kwargs)
        sizes = [tuple(photo.shape[-2:]) for photo in photos]
        view_size, divisor, has_intrinsics = kwargs["view_size"], kwargs["size_divisor"], intrinsics is not None
        fits = plan_views(sizes, view_size, divisor, kwargs["do_resize"], has_intrinsics)
        device = kwargs.get("device")
        photos = [self._from_numpy(resize_view(photo, fit), device) for photo, fit in zip(photos, fits, strict=True)]
        views = iter(self._normalize_photos(photos, **{**kwargs, "do_resize": False}))
        data = {"pixel_values": [self._stack([next(views) for _ in range(count)]) for count in counts]}
        described = describe_fits(counts, fits)
        if has_intrinsics:
            described["intrinsics"] = fit_intrinsics(intrinsics, counts, fits)
        for name, scenes in described.items():
            data[name] = [self._from_numpy(scene, device) for scene in scenes]
        return BatchFeature(data=data, tensor_type=kwargs["return_tensors"])

    def _normalize_photos(self, photos: list[Any], **kwargs: Any) -> list[Any]:
        if kwargs["do_normalize"]:
            kwargs.update(per_channel_statistics(photos, kwargs["image_mean"], kwargs["image_std"]))
        warn_if_rescaled_twice(photos, kwargs["do_rescale"], kwargs["rescale_factor"])
        return self._preprocess(photos, **kwargs)

    def _read_photos(self, images: ImageInput, **kwargs: Any) -> list[Any]:
        photos = []
        for index, image in enumerate(flatten_inputs(images, (2, 3), "images")):
            try:
                photos.append(
                    self.process_image(
                        image,
                        do_convert_rgb=kwargs["do_convert_rgb"],
                        input_data_format=kwargs["input_data_format"],
                        device=kwargs.get("device"),
                    )
                )
            except ValueError as error:
                raise ValueError(f"photo {index}: {error}") from error
        return photos

    def _output_size(self, photo_size: tuple[int, int], **kwargs: Any) -> tuple[int, int]:
        size, divisor = kwargs["size"], kwargs["size_divisor"]
        if not kwargs["do_resize"]:
            check_multiple(*photo_size, divisor, "with do_resize=False a photo of")
            return photo_size
        return resized_size(photo_size, (size.height, size.width), bool(kwargs["keep_aspect_ratio"]), divisor)

    def _from_numpy(self, values: np.ndarray, device: Any) -> Any:
        raise NotImplementedError

    def _stack(self, views: list[Any]) -> Any:
        raise NotImplementedError


MASK_OPTIONS = ("mask_ratio", "mask_grid_size", "mask_seed", "patch_size")


def draw_masks(
    sizes: list[tuple[int, int]], mask_ratio: float, mask_grid_size: int, mask_seed: int | None, patch_size: int
) -> list[np.ndarray]:
    """One bool block mask (N,) per photo of size (H, W), True = masked; seeded, or from torch's global generator."""
    generator = None if mask_seed is None else torch.Generator().manual_seed(mask_seed)
    masks = []
    for height, width in sizes:
        check_multiple(height, width, patch_size, "with do_mask=True a resized photo of")
        grid_height, grid_width = height // patch_size, width // patch_size
        noise = torch.rand(1, num_mask_blocks(grid_height, grid_width, mask_grid_size), generator=generator)
        mask = random_block_mask(noise, grid_height, grid_width, mask_grid_size, mask_ratio).mask
        masks.append(mask[0].bool().numpy())
    return masks
