# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with depth: published data sets, folders, tables of `datasets` and synthetic scenes behind one opener."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from torch.utils.data import Dataset

from ...synthetic import HELD_OUT_SEEDS, TRAIN_SEEDS, SyntheticSceneDataset, find_scene_set
from .columns import open_encoded
from .depth_protocols import INVERSE_STEPS, DepthProtocol, find_depth_protocol
from .pair_reading import name_of, read_depth_pair


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
            photo, metres = read_stored_pair(image, depth, self.protocol)
            photo, metres = crop_pair(photo, metres, self.protocol)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        is_depth = (metres > 0) & (np.isfinite(metres) | self.protocol.stores_inverse)
        return photo, np.where(is_depth, metres, np.float32(0))


def read_stored_pair(image: Any, depth: Any, protocol: DepthProtocol) -> tuple[PIL.Image.Image, np.ndarray]:
    """Image and depth of a data set, as stored -> RGB image, (H, W) float32 metres as they are.

    Of stored inverse depth comes depth in a unit of its own, infinity for what is infinitely far.

    Raises:
        ValueError: as read_depth_pair; or a file that is not in the format of the protocol.
    """
    if protocol.read_values is not None:
        depth = protocol.read_values(*(Path(source["path"]) for source in (depth, image)))
    if not protocol.stores_inverse:
        return read_depth_pair(image, depth, protocol.depth_scale)
    photo, stored = read_depth_pair(image, depth, 1e-3)  # of whole numbers it would warn that they are no metres
    stored = np.rint(1000 * stored.astype(np.float64))
    if stored.max(initial=0) > INVERSE_STEPS + 1:
        raise ValueError(f"{name_of(depth)}: stored inverse depth has 16 bits, but reaches {stored.max():g}.")
    with np.errstate(divide="ignore"):
        return photo, np.where(stored > 0, INVERSE_STEPS / np.maximum(stored - 1, 0), 0).astype(np.float32)


def store_inverse(inverse_depth: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Relative inverse depth (H, W) -> (H, W) uint16 as `read_stored_pair` reads it: 0 stays 0 (the sky), the largest is 1.

    Where not valid, or not finite, there is none. Negative numbers are 0.
    """
    known = np.isfinite(inverse_depth) if valid is None else np.isfinite(inverse_depth) & valid
    values = np.where(known, np.maximum(inverse_depth, 0), 0).astype(np.float64)
    scaled = values / (values.max(initial=0) or 1)
    return np.where(known, 1 + np.rint(INVERSE_STEPS * scaled), 0).astype(np.uint16)


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

    def __init__(self, scenes: SyntheticSceneDataset, marks_sky: bool = False):
        self.scenes = scenes
        self.marks_sky = marks_sky
        """Depth of the sky is infinity instead of 0, which elsewhere means unknown."""

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        scene = self.scenes[index]
        depth = scene["depth"].numpy()
        return {
            "image": PIL.Image.fromarray(scene["image"].permute(1, 2, 0).contiguous().numpy()),
            "depth": np.where((depth == 0) & self.marks_sky, np.float32(np.inf), depth),
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
    depth_column: str | None = None,
    num_scenes: int = 1024,
    image_size: int = 256,
    cache_dir: str | None = None,
    num_render_workers: int = 0,
    allow_outside: bool = False,
    scene_photographs: str | None = None,
    relative: bool = False,
) -> Any:
    """Open images with depth: items {"image": RGB PIL image, "depth": (H, W) float32 metres, 0 = none, "name": str}.

    Nothing is decoded before it is asked for. The same split gives the same order everywhere.

    Args:
        name_or_path: a folder (NYUv2, KITTI, images/ and depth/, metadata.jsonl), a save_to_disk folder, Parquet files,
            a Hub id, or a name of SYNTHETIC_DATASETS, with "-v2" behind it for version 2 of the renderer.
        split: "train" or "val"; None: your own folder, or a table without splits.
        protocol: name in DEPTH_PROTOCOLS; None recognises it by the layout.
        split_file: pairs "image depth", one a line, relative to the folder (docs/specification.md 5.8); None lists the
            folder.
        depth_scale: metres per stored unit; None: the protocol's.
        image_column, depth_column: of a table; None: depth, or disparity of inverse depth.
        num_scenes, image_size, cache_dir, num_render_workers: of synthetic scenes, as in SyntheticSceneDataset.
        scene_photographs: folder of photographs, the pictures and textures in scenes of version 2.
        relative: for relative depth: the sky of rendered scenes is infinity, and sets of inverse depth can be opened, whose
            depth has a unit of its own.
        allow_outside: accept files outside of the folder, also by way of links, in a split file or metadata.jsonl.

    Raises:
        ValueError: nothing there, missing counterparts, a split-file line that does not parse; when an item is read:
            unreadable files, different sizes. Files are named.
    """
    if scene_set := find_scene_set(name_or_path):
        if split not in ("train", "val"):
            raise ValueError(f"Synthetic scenes have the splits train and val, not {split!r}.")
        first_seed = (TRAIN_SEEDS if split == "train" else HELD_OUT_SEEDS).start
        scenes = scene_set.open(num_scenes, first_seed, image_size, cache_dir, num_render_workers, scene_photographs)
        return SceneDepth(scenes, marks_sky=relative)
    chosen = adapt_protocol(name_or_path, protocol, depth_scale)
    if chosen.stores_inverse and not relative:
        raise ValueError(
            f"{name_or_path} holds inverse depth without scale and shift, no metres: train with"
            " --depth_estimation_type relative, evaluate with --relative."
        )
    columns = {"image": image_column, "depth": depth_column or ("disparity" if chosen.stores_inverse else "depth")}
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
