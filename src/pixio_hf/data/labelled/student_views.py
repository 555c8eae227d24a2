# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a student of depth is shown: squares of an image with its depth, with changed colours, blur and CutMix.

The strong perturbations of Depth Anything (Yang et al., 2024), as functions of a NumPy generator. The teacher's labels were
made from the photographs as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageFilter

from ...label_maps import resize_nearest
from .paired_augmentation import AugmentedDataset, crop_pair_at_random, flip_pair_at_random

JITTER_PROBABILITY, GREY_PROBABILITY, BLUR_PROBABILITY = 0.8, 0.2, 0.5
JITTER = 0.4  # of brightness, contrast and colourfulness: factors from 1 - JITTER to 1 + JITTER
HUE_SHIFT = 0.1  # of the whole circle, to either side
BLUR_RADIUS = (0.1, 2.0)  # pixels
CUTMIX_PROBABILITY = 0.5
CUTMIX_AREA = (0.1, 0.5)  # share of the picture that comes from the other one


@dataclass(frozen=True)
class SquareViews:
    """Training view of a depth item: a square of one size, mirrored at random.

    The short side is resized to `size` and a square cut at a random place; or the whole image is resized to the square,
    which changes its shape. The image is resized bicubically, depth by index.
    """

    size: int
    whole_images: bool = False
    flip_probability: float = 0.5

    def __call__(self, item: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
        image, depth = item["image"], item["depth"]
        height, width = self.size, self.size
        if not self.whole_images:
            scale = self.size / min(depth.shape)
            height, width = (max(self.size, round(side * scale)) for side in depth.shape)
        image = image.resize((width, height), PIL.Image.Resampling.BICUBIC)
        image, depth = crop_pair_at_random(image, resize_nearest(depth, (height, width)), self.size, 0, generator)
        image, depth = flip_pair_at_random(image, depth, self.flip_probability, generator)
        return {**item, "image": image, "depth": depth}


class CutMixViews(AugmentedDataset):
    """Views of one size with strong perturbations; half of them hold a rectangle of another item's view.

    Items have `regions` (H, W), True in that rectangle. As in AugmentedDataset a view depends on (seed, epoch, index) only.
    """

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = self._generator(index)
        view = self.augment(self.dataset[index], generator)
        view = {**view, "image": perturb_photo(view["image"], generator)}
        height, width = view["depth"].shape
        regions = np.zeros((height, width), dtype=bool)
        if generator.random() < CUTMIX_PROBABILITY:
            other = self.augment(self.dataset[int(generator.integers(len(self)))], generator)
            rows, columns = draw_rectangle(height, width, generator)
            regions[rows, columns] = True
            pixels = np.array(view["image"])
            pixels[regions] = np.asarray(perturb_photo(other["image"], generator))[regions]
            view["image"] = PIL.Image.fromarray(pixels)
            view["depth"] = np.where(regions, other["depth"], view["depth"])
        return {**view, "regions": regions}


def draw_rectangle(height: int, width: int, generator: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a random rectangle that covers CUTMIX_AREA of a picture, of its shape up to a factor of 2."""
    area, stretch = generator.uniform(*CUTMIX_AREA), 2 ** generator.uniform(-0.5, 0.5)
    sizes = [
        min(side, max(1, round(side * area**0.5 * factor)))
        for side, factor in ((height, stretch), (width, 1 / stretch))
    ]
    top, left = (
        int(generator.integers(side - size, endpoint=True)) for side, size in zip((height, width), sizes, strict=True)
    )
    return slice(top, top + sizes[0]), slice(left, left + sizes[1])


def perturb_photo(photo: PIL.Image.Image, generator: np.random.Generator) -> PIL.Image.Image:
    """Change brightness, contrast, colourfulness and hue, turn grey, and blur, each with its probability."""
    if generator.random() < JITTER_PROBABILITY:
        for change in (PIL.ImageEnhance.Brightness, PIL.ImageEnhance.Contrast, PIL.ImageEnhance.Color):
            photo = change(photo).enhance(float(generator.uniform(1 - JITTER, 1 + JITTER)))
        photo = shift_hue(photo, float(generator.uniform(-HUE_SHIFT, HUE_SHIFT)))
    if generator.random() < GREY_PROBABILITY:
        photo = photo.convert("L").convert("RGB")
    if generator.random() < BLUR_PROBABILITY:
        photo = photo.filter(PIL.ImageFilter.GaussianBlur(float(generator.uniform(*BLUR_RADIUS))))
    return photo


def shift_hue(photo: PIL.Image.Image, share: float) -> PIL.Image.Image:
    """Turn the hue of an RGB photo by a share of the whole circle."""
    hue, saturation, value = photo.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int16) + round(255 * share)) % 256
    channels = (PIL.Image.fromarray(turned.astype(np.uint8)), saturation, value)
    return PIL.Image.merge("HSV", channels).convert("RGB")
