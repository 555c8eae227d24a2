# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images to pre-train on: synthetic scenes or a folder, as a map-style set of uint8 tensors."""

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..photos import read_photo
from .synthetic_scenes import TRAIN_SEEDS, SyntheticSceneDataset

# Name on the command line -> kind of scene. All of them are rendered, none is a photograph.
SYNTHETIC_DATASETS = {"synthetic-rooms": "room", "synthetic-outdoor": "outdoor", "synthetic-mixed": "mixed"}


class SceneImages(Dataset):
    """The pictures of synthetic scenes, without their depth: item -> (3, H, W) uint8."""

    def __init__(self, scenes: SyntheticSceneDataset):
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Tensor:
        return self.scenes[index]["image"]

    def __getitems__(self, indices: list[int]) -> list[Tensor]:
        return [scene["image"] for scene in self.scenes.__getitems__(indices)]


def load_image_folder(folder: str | Path, **kwargs):
    """Every image below a folder as one `datasets.Dataset`, whatever its path says of splits.

    Left to itself, `datasets` takes files whose name or folder contains "test" or "val" for other splits.

    Raises:
        ValueError: there is no image.
    """
    from datasets import load_dataset

    try:
        return load_dataset("imagefolder", data_dir=str(folder), data_files={"train": "**"}, split="train", **kwargs)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"Could not read a set of images from {folder}: {error}") from error


class FolderImages(Dataset):
    """Random resized crops of the images below a folder: item -> (3, H, W) uint8 (SPEC 3.4, no flip, no colour change)."""

    def __init__(self, folder: str | Path, image_size: int, crop_scale_min: float = 0.2):
        from torchvision.transforms import v2

        self.images = load_image_folder(folder, drop_labels=True)
        self.crop = v2.RandomResizedCrop(
            image_size, scale=(crop_scale_min, 1.0), interpolation=v2.InterpolationMode.BICUBIC, antialias=True
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        # Upright, in RGB and 8 bits, as the image processor reads photos.
        photo = torch.tensor(read_photo(self.images[index]["image"], do_convert_rgb=True))
        return self.crop(photo)


def open_image_dataset(
    dataset: str,
    image_size: int,
    num_scenes: int,
    cache_dir: str | None = None,
    crop_scale_min: float = 0.2,
    num_render_workers: int = 0,
) -> SceneImages | FolderImages:
    """Open a data set by name or folder: items are (3, image_size, image_size) uint8.

    Args:
        dataset: a name of SYNTHETIC_DATASETS, or a folder of images.
        num_scenes: number of synthetic scenes, from the training seeds.
        cache_dir: where synthetic scenes are kept once rendered; None renders them again each time.

    Raises:
        ValueError: neither a known name nor a folder.
    """
    if dataset in SYNTHETIC_DATASETS:
        scenes = SyntheticSceneDataset(
            num_scenes,
            first_seed=TRAIN_SEEDS.start,
            image_size=image_size,
            kind=SYNTHETIC_DATASETS[dataset],  # pyright: ignore[reportArgumentType]
            cache_dir=cache_dir,
            num_workers=num_render_workers,
        )
        return SceneImages(scenes)
    if not Path(dataset).is_dir():
        raise ValueError(f"{dataset!r} is neither a folder of images nor one of {', '.join(SYNTHETIC_DATASETS)}.")
    return FolderImages(dataset, image_size, crop_scale_min)
