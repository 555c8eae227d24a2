# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How the depth of published data sets and of folders is laid out, stored, cropped and judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from .file_listing import Listing, MissingSplit, keep_existing, list_files
from .file_pairs import list_folder
from .kitti_split import KITTI_TEST_FRAMES, is_left_out
from .pair_reading import DEPTH_ENDINGS
from .zero_shot_layouts import (
    list_diode_indoors,
    list_diode_outdoor,
    list_eth3d,
    list_sintel,
    read_diode,
    read_eth3d,
    read_sintel,
)


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
list_inverse_folder = partial(
    list_folder, label_key="disparity_file_name", label_folders=("disparity",), endings=(".png",)
)
INVERSE_STEPS = 65_534  # stored inverse depth: 0 is none, 1 is 0 (the sky), 65535 is 1


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
    read_values: Callable[[Path, Path], np.ndarray] | None = field(default=None, repr=False)
    """Depth file and image file -> (H, W) numbers as stored, for formats of the publisher's own."""
    stores_inverse: bool = False
    """16-bit inverse depth without scale and shift, as a teacher of relative depth gives (INVERSE_STEPS)."""
    relative_crop: tuple[float, float, float, float] | None = None
    """What counts in the evaluation of relative depth: top, bottom, left, right, as shares of the sides of an image."""


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
            "kitti",
            list_kitti,
            depth_scale=1 / 256,
            max_depth=80.0,
            num_pairs={"train": 23_158, "val": 652},
            relative_crop=(0.3324324, 0.91351351, 0.0359477, 0.96405229),  # Eigen et al., 2014
        ),
        DepthProtocol("folder", list_depth_folder),
        DepthProtocol("disparity", list_inverse_folder, stores_inverse=True),
        # The ranges of the scanner, and those of MiDaS (Ranftl et al., 2020) for Sintel and ETH3D.
        DepthProtocol(
            "diode-indoor",
            list_diode_indoors,
            min_depth=0.6,
            max_depth=350.0,
            num_pairs={"val": 325},
            read_values=read_diode,
        ),
        DepthProtocol(
            "diode-outdoor",
            list_diode_outdoor,
            min_depth=0.6,
            max_depth=350.0,
            num_pairs={"val": 446},
            read_values=read_diode,
        ),
        DepthProtocol("sintel", list_sintel, max_depth=72.0, num_pairs={"val": 1064}, read_values=read_sintel),
        DepthProtocol("eth3d", list_eth3d, max_depth=72.0, num_pairs={"val": 454}, read_values=read_eth3d),
    )
}


def find_depth_protocol(name_or_path: str | Path, protocol: str | None = None) -> DepthProtocol:
    """The named protocol; without a name the one whose layout the folder has, "folder" if none.

    Raises:
        ValueError: unknown name, or DIODE with both of its halves, which are judged apart.
    """
    if protocol is not None:
        if protocol not in DEPTH_PROTOCOLS:
            raise ValueError(f"Unknown depth protocol {protocol!r}; there are {', '.join(DEPTH_PROTOCOLS)}.")
        return DEPTH_PROTOCOLS[protocol]
    path = Path(name_or_path)
    if (path / "sync").is_dir() or (path / "official_splits").is_dir():
        return DEPTH_PROTOCOLS["nyuv2"]
    if (path / "training" / "depth").is_dir():
        return DEPTH_PROTOCOLS["sintel"]
    if any(path.glob("*/ground_truth_depth")):
        return DEPTH_PROTOCOLS["eth3d"]
    places = {"diode-indoor": "indoors", "diode-outdoor": "outdoor"}
    halves = [name for name, place in places.items() if (path / "val" / place).is_dir()]
    if len(halves) == 2:
        raise ValueError(f"{path} holds both halves of DIODE, which are judged apart: name one as the protocol.")
    if halves:
        return DEPTH_PROTOCOLS[halves[0]]
    if _stores_inverse(path):
        return DEPTH_PROTOCOLS["disparity"]
    return DEPTH_PROTOCOLS["kitti" if any(path.glob("annotations/*/proj_depth")) else "folder"]


def _stores_inverse(path: Path) -> bool:
    """Whether a folder holds disparity/ beside images/, or Parquet files with a column disparity and none of depth."""
    if any((base / "disparity").is_dir() for base in (path, path / "train", path / "val")):
        return True
    tables = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []
    if not tables or not tables[0].is_file():
        return False
    try:
        columns = pyarrow.parquet.read_schema(tables[0]).names
    except (OSError, pyarrow.ArrowException):
        return False  # said by whoever opens it
    return "disparity" in columns and "depth" not in columns
