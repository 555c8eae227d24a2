# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Random changes of an image together with its map, as functions of a NumPy generator.

See docs/specification.md 5.5 and 6.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch
from torch.utils.data import Dataset

from ...label_maps import resize_nearest
from .pair_reading import IGNORED

Pair = tuple[PIL.Image.Image, np.ndarray]


def pad_pair(image: PIL.Image.Image, label: np.ndarray, size: int, fill: float) -> Pair:
    """Extend image (black) and map (`fill`) at the right and the bottom to at least size x size."""
    bottom, right = (max(size - side, 0) for side in label.shape)
    if not (bottom or right):
        return image, label
    padded = PIL.Image.new(image.mode, (image.width + right, image.height + bottom))
    padded.paste(image)
    return padded, np.pad(label, ((0, bottom), (0, right)), constant_values=fill)


def crop_pair_at_random(
    image: PIL.Image.Image, label: np.ndarray, size: int, fill: float, generator: np.random.Generator
) -> Pair:
    """Cut size x size out of both at one random place, all places equally likely; what is smaller is padded first."""
    image, label = pad_pair(image, label, size, fill)
    top, left = (int(generator.integers(side - size, endpoint=True)) for side in label.shape)
    return image.crop((left, top, left + size, top + size)), label[top : top + size, left : left + size]


def flip_pair_at_random(
    image: PIL.Image.Image, label: np.ndarray, probability: float, generator: np.random.Generator
) -> Pair:
    """Mirror both left to right with a probability."""
    if generator.random() >= probability:
        return image, label
    return PIL.ImageOps.mirror(image), np.ascontiguousarray(label[:, ::-1])


def resize_pair_at_random(
    image: PIL.Image.Image, label: np.ndarray, scale: tuple[float, float], generator: np.random.Generator
) -> Pair:
    """Scale both: long side a random integer from int(scale[0] * long) to int(scale[1] * long) inclusive.

    The short side keeps the shape, rounded half up; the image is resized bicubically, the map by index. See
    docs/specification.md 6.2.
    """
    height, width = label.shape
    long = max(height, width)
    new_long = max(int(generator.integers(int(scale[0] * long), int(scale[1] * long), endpoint=True)), 1)
    new_short = max(int(min(height, width) * new_long / long + 0.5), 1)
    size = (new_long, new_short) if height > width else (new_short, new_long)
    return image.resize((size[1], size[0]), PIL.Image.Resampling.BICUBIC), resize_nearest(label, size)


@dataclass(frozen=True)
class DepthAugmentation:
    """Training view of a depth item: random crop without resizing, random mirroring, nothing else.

    An image smaller than the crop is padded at the right and the bottom: black, depth 0 = none. See
    docs/specification.md 5.5.
    """

    crop_size: int | None = 256
    """None: the whole image, for a processor that resizes it."""
    flip_probability: float = 0.5

    def __call__(self, item: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
        image, depth = item["image"], item["depth"]
        if self.crop_size is not None:
            image, depth = crop_pair_at_random(image, depth, self.crop_size, 0, generator)
        image, depth = flip_pair_at_random(image, depth, self.flip_probability, generator)
        return {**item, "image": image, "depth": depth}


@dataclass(frozen=True)
class SegmentationAugmentation:
    """Training view of a segmentation item: random size, padding and crop, mirroring, no colour change.

    An image smaller than the crop is padded at the right and the bottom: black, class 255 = ignored. See
    docs/specification.md 6.2.
    """

    crop_size: int = 256
    scale: tuple[float, float] = (0.5, 2.0)
    flip_probability: float = 0.5

    def __call__(self, item: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
        image, classes = resize_pair_at_random(item["image"], item["segmentation_map"], self.scale, generator)
        image, classes = crop_pair_at_random(image, classes, self.crop_size, IGNORED, generator)
        image, classes = flip_pair_at_random(image, classes, self.flip_probability, generator)
        return {**item, "image": image, "segmentation_map": classes}


class AugmentedDataset(Dataset):
    """A map-style data set with augmentation; a view depends on (seed, epoch, index) and nothing else.

    So the numbers of workers and processes change no view, and a resumed run sees the same ones. Call `set_epoch`
    before each epoch (Accelerate and Trainer do so in a single process only); persistent workers see it too.
    """

    def __init__(
        self, dataset: Any, augment: Callable[[dict[str, Any], np.random.Generator], dict[str, Any]], seed: int = 0
    ):
        self.dataset, self.augment, self.seed = dataset, augment, seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw new views from now on."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.augment(self.dataset[index], self._generator(index))

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, int(self._epoch), index % len(self)))
