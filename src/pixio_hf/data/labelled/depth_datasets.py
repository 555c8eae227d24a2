# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with metric depth: NYUv2, KITTI, folders, tables of `datasets` and synthetic scenes behind one opener."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from torch.utils.data import Dataset

from ...synthetic import HELD_OUT_SEEDS, SYNTHETIC_DATASETS, TRAIN_SEEDS, SyntheticSceneDataset
from .columns import open_encoded
from .file_listing import Listing, MissingSplit, keep_existing, list_files
from .file_pairs import list_folder
from .kitti_split import KITTI_TEST_FRAMES, is_left_out
from .pair_reading import DEPTH_ENDINGS, read_depth_pair


def list_nyuv2(root: Path, split: str | None) -> Listing:
    """rgb_XXXXX.jpg beside sync_depth_XXXXX.png, below sync (train) and official_splits/test (val)."""
    folder = root / ("official_splits/test" if split == "val" else "sync")
    problems: list[str] = []
    images = [path for path in list_files(folder, (".jpg",), problems) if path.name.startswith("rgb_")]
    pairs = ((path, path.with_name(f"sync_depth_{path.stem.removeprefix('rgb_')}.png")) for path in images)
    return keep_existing(pairs, problems)


def list_kitti(root: Path, split: str | None) -> Listing:
    """Annotated frames of the left colour camera: Eigen's 652 test frames (val) or all of the training drives (train).

    Where some of the 652 are missing, as in an excerpt of KITTI, val is every annotated frame of the 28 test drives.
    """
    pairs, annotations, problems = [], root / "annotations", []
    if not annotations.is_dir():
        raise MissingSplit(f"The folder {annotations} is missing.")
    for drive in sorted(path for path in annotations.iterdir() if path.is_dir()):
        if (drive.name in KITTI_TEST_FRAMES) != (split == "val") or is_left_out(drive.name):
            continue
        for depth in list_files(drive / "proj_depth/groundtruth/image_02", (".png",), problems):
            pairs.append((root / "images" / drive.name[:10] / drive.name / "image_02/data" / depth.name, depth))
    tested = [pair for pair in pairs if pair[1].name in KITTI_TEST_FRAMES.get(pair[1].parts[-5], ())]
    is_complete = len(tested) == sum(map(len, KITTI_TEST_FRAMES.values()))
    return keep_existing(tested if is_complete else pairs, problems)


list_depth_folder = partial(
    list_folder, label_key="depth_file_name", label_folders=("depth", "depths"), endings=DEPTH_ENDINGS
)


@dataclass(frozen=True)
class DepthProtocol:
    """How the depth of a data set is stored, cropped and judged (docs/specification.md 5.8)."""

    name: str
    list_pairs: Callable[..., Listing] = field(repr=False)
    depth_scale: float = 1.0
    """Metres per stored unit."""
    max_depth: float = 10.0
    """Metres; depths beyond it neither train nor count."""
    min_depth: float = 1e-3
    crop: tuple[int, int, int, int] | None = None
    """Part of every image that is kept: first row, end row, first column, end column; ends are excluded."""
    stored_size: tuple[int, int] | None = None
    """Height and width that every file must have, where the crop depends on them."""
    num_pairs: Mapping[str, int] = field(default_factory=dict)
    """Published size of each split."""


DEPTH_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        DepthProtocol(
            "nyuv2",
            list_nyuv2,
            depth_scale=0.001,
            crop=(45, 471, 41, 601),
            stored_size=(480, 640),
            num_pairs={"train": 24_231, "val": 654},
        ),
        DepthProtocol(
            "kitti", list_kitti, depth_scale=1 / 256, max_depth=80.0, num_pairs={"train": 23_158, "val": 652}
        ),
        DepthProtocol("folder", list_depth_folder),
    )
}


def find_depth_protocol(name_or_path: str | Path, protocol: str | None = None) -> DepthProtocol:
    """The named protocol; without a name the one whose layout the folder has, "folder" if none.

    Raises:
        ValueError: unknown name.
    """
    if protocol is not None:
        if protocol not in DEPTH_PROTOCOLS:
            raise ValueError(f"Unknown depth protocol {protocol!r}; there are {', '.join(DEPTH_PROTOCOLS)}.")
        return DEPTH_PROTOCOLS[protocol]
    path = Path(name_or_path)
    if (path / "sync").is_dir() or (path / "official_splits").is_dir():
        return DEPTH_PROTOCOLS["nyuv2"]
    return DEPTH_PROTOCOLS["kitti" if any(path.glob("annotations/*/proj_depth")) else "folder"]


@dataclass(frozen=True)
class DepthReader:
    """Decode encoded pairs: batch of columns image, depth, name -> lists of RGB images and (H, W) float32 metres."""

    protocol: DepthProtocol

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        items = [self.read(*pair) for pair in zip(batch["image"], batch["depth"], batch["name"], strict=True)]
        images, depths = zip(*items, strict=True)
        return {"image": list(images), "depth": list(depths), "name": batch["name"]}

    def read(self, image: Any, depth: Any, name: str) -> tuple[PIL.Image.Image, np.ndarray]:
        """One pair; depth that is not finite or negative becomes 0, which is no depth. ValueError names the item."""
        try:
            photo, metres = read_depth_pair(image, depth, self.protocol.depth_scale)
            photo, metres = crop_pair(photo, metres, self.protocol)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        return photo, np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def crop_pair(
    photo: PIL.Image.Image, metres: np.ndarray, protocol: DepthProtocol
) -> tuple[PIL.Image.Image, np.ndarray]:
    """Keep the protocol's part of an image and its depth; ValueError when they are not of the size it is meant for."""
    if protocol.stored_size and metres.shape != protocol.stored_size:
        raise ValueError(
            f"{protocol.name} images are {' x '.join(map(str, protocol.stored_size))} (height x width), this one is"
            f" {metres.shape[0]} x {metres.shape[1]}; its crop would not fit."
        )
    if protocol.crop is None:
        return photo, metres
    top, bottom, left, right = protocol.crop
    return photo.crop((left, top, right, bottom)), metres[top:bottom, left:right]


class SceneDepth(Dataset):
    """Synthetic scenes as a depth data set: items hold a PIL image, (H, W) float32 metres, a name."""

    def __init__(self, scenes: SyntheticSceneDataset):
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        scene = self.scenes[index]
        return {
            "image": PIL.Image.fromarray(scene["image"].permute(1, 2, 0).contiguous().numpy()),
            "depth": scene["depth"].numpy(),
            "name": f"scene {self.scenes.first_seed + index % len(self)}",
        }


def open_depth_dataset(
    name_or_path: str | Path,
    split: str | None = "train",
    *,
    protocol: str | None = None,
    split_file: str | Path | None = None,
    depth_scale: float | None = None,
    image_column: str = "image",
    depth_column: str = "depth",
    num_scenes: int = 1024,
    image_size: int = 256,
    cache_dir: str | None = None,
    num_render_workers: int = 0,
    allow_outside: bool = False,
) -> Any:
    """Open images with depth: items {"image": RGB PIL image, "depth": (H, W) float32 metres, 0 = none, "name": str}.

    Nothing is decoded before it is asked for. The same split gives the same order everywhere.

    Args:
        name_or_path: a folder (NYUv2, KITTI, images/ and depth/, metadata.jsonl), a save_to_disk folder, Parquet files,
            a Hub id, or a name of SYNTHETIC_DATASETS.
        split: "train" or "val"; None: your own folder, or a table without splits.
        protocol: name in DEPTH_PROTOCOLS; None recognises it by the layout.
        split_file: pairs "image depth", one a line, relative to the folder (docs/specification.md 5.8); None lists the
            folder.
        depth_scale: metres per stored unit; None: the protocol's.
        image_column, depth_column: of a table.
        num_scenes, image_size, cache_dir, num_render_workers: of synthetic scenes, as in SyntheticSceneDataset.
        allow_outside: accept files outside of the folder, also by way of links, in a split file or metadata.jsonl.

    Raises:
        ValueError: nothing there, missing counterparts, a split-file line that does not parse; when an item is read:
            unreadable files, different sizes. Files are named.
    """
    if str(name_or_path) in SYNTHETIC_DATASETS:
        if split not in ("train", "val"):
            raise ValueError(f"Synthetic scenes have the splits train and val, not {split!r}.")
        scenes = SyntheticSceneDataset(
            num_scenes,
            first_seed=(TRAIN_SEEDS if split == "train" else HELD_OUT_SEEDS).start,
            image_size=image_size,
            kind=SYNTHETIC_DATASETS[str(name_or_path)],
            cache_dir=cache_dir,
            num_workers=num_render_workers,
        )
        return SceneDepth(scenes)
    chosen = adapt_protocol(name_or_path, protocol, depth_scale)
    columns = {"image": image_column, "depth": depth_column}
    encoded = open_encoded(name_or_path, split, columns, chosen, split_file, allow_outside)
    return encoded.with_transform(DepthReader(chosen))


def adapt_protocol(name_or_path: str | Path, protocol: str | None, depth_scale: float | None) -> DepthProtocol:
    """The protocol of a data set with another depth_scale (metres per unit) where given."""
    chosen = find_depth_protocol(name_or_path, protocol)
    if depth_scale is None:
        return chosen
    if not 0 < depth_scale < float("inf"):
        raise ValueError(f"depth_scale must be metres per unit, above 0, got {depth_scale}.")
    return replace(chosen, depth_scale=depth_scale)
