# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Data sets to judge zero-shot depth on, in the layouts of their publishers: DIODE, Sintel, ETH3D, the pairs of DA-2K.

A reader of depth takes the paths of depth file and image, and gives (H, W) numbers as stored.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from torch.utils.data import Dataset

from ...listings import check_regular
from ...map_files import check_num_pixels, read_array
from ...text_files import read_json_object
from .file_listing import Listing, MissingSplit, keep_existing, list_files
from .pair_reading import read_image

_DPT_TAG = 202021.25  # the first number of a .dpt, in little-endian float32


def list_diode(root: Path, split: str | None, place: str) -> Listing:
    """SPLIT/PLACE/scene_*/scan_*/NAME.png beside NAME_depth.npy and NAME_depth_mask.npy; a place is indoors or outdoor."""
    problems: list[str] = []
    images = list_files(root / str(split) / place, (".png",), problems)
    return keep_existing(((path, path.with_name(f"{path.stem}_depth.npy")) for path in images), problems)


list_diode_indoors = partial(list_diode, place="indoors")
list_diode_outdoor = partial(list_diode, place="outdoor")


def read_diode(depth: Path, image: Path) -> np.ndarray:
    """Metres; 0 where NAME_depth_mask.npy says that the scanner saw nothing."""
    mask = depth.with_name(depth.name.replace("_depth.npy", "_depth_mask.npy"))
    metres, valid = (np.squeeze(np.asarray(read_array(path))) for path in (depth, mask))
    if metres.shape != valid.shape:
        raise ValueError(f"{mask} is {valid.shape}, but {depth} is {metres.shape}.")
    return np.where(valid > 0, metres, 0).astype(np.float32)


def list_sintel(root: Path, split: str | None) -> Listing:
    """training/final/SCENE/frame_XXXX.png beside training/depth/SCENE/frame_XXXX.dpt; the only split is called val."""
    folder, problems = root / "training" / "final", []
    images = list_files(folder, (".png",), problems)
    depths = (root / "training/depth" / path.relative_to(folder).with_suffix(".dpt") for path in images)
    return keep_existing(zip(images, depths, strict=True), problems)


def read_sintel(depth: Path, image: Path) -> np.ndarray:
    """The numbers of a .dpt: tag, width, height, float32 rows."""
    check_regular(depth)
    content = depth.read_bytes()
    width, height = (int(side) for side in np.frombuffer(content[4:12].ljust(8, b"\0"), "<i4"))
    tag = np.frombuffer(content[:4].ljust(4, b"\0"), "<f4")[0]
    if tag != np.float32(_DPT_TAG) or width < 1 or height < 1 or len(content) != 12 + 4 * width * height:
        raise ValueError(f"{depth} is no whole .dpt file of depth.")
    return np.frombuffer(content, "<f4", offset=12).reshape(height, width)


def list_eth3d(root: Path, split: str | None) -> Listing:
    """SCENE/images/dslr_images/NAME.JPG beside SCENE/ground_truth_depth/dslr_images/NAME.JPG; the only split is val."""
    scenes = sorted(path.parent for path in root.glob("*/ground_truth_depth"))
    if not scenes:
        raise MissingSplit(f"The folder {root} holds no scene with ground_truth_depth.")
    pairs, problems = [], []
    for scene in scenes:
        # Not every photograph has depth, but each depth has a photograph.
        for depth in list_files(scene / "ground_truth_depth" / "dslr_images", (".jpg",), problems):
            pairs.append((scene / "images" / "dslr_images" / depth.name, depth))
    return keep_existing(pairs, problems)


def read_eth3d(depth: Path, image: Path) -> np.ndarray:
    """Bare float32 metres in the shape of the photograph; infinity where the laser saw nothing."""
    check_regular(depth)
    with PIL.Image.open(image) as opened:
        width, height = opened.size
    check_num_pixels(width * height)
    if depth.stat().st_size != 4 * width * height:
        raise ValueError(f"{depth} does not hold {width * height} numbers of 4 bytes, one for each pixel of {image}.")
    return np.fromfile(depth, "<f4").reshape(height, width)


class PointPairs(Dataset):
    """DA-2K: annotations.json beside images/; items have image (RGB), name, and pairs (n, 2, 2), the nearer point first.

    Points are rows and columns. Images are read when asked for.

    Raises:
        ValueError: no such file, an image that is missing, or pairs that do not parse.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        annotations = read_json_object(folder / "annotations.json")
        self.pairs = {name: _parse_pairs(folder, name, found) for name, found in annotations.items()}
        self.names = list(self.pairs)
        if not self.names:
            raise ValueError(f"{folder / 'annotations.json'} holds no pairs.")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name = self.names[index]
        return {"image": read_image(str(self.folder / name)), "name": name, "pairs": self.pairs[name]}


def _parse_pairs(folder: Path, name: str, annotations: Any) -> np.ndarray:
    file = folder / "annotations.json"
    if not (folder / name).is_file():
        raise ValueError(f"{file} names {name}, which is no file below {folder}.")
    pairs = []
    try:
        for annotation in annotations:
            points = [annotation["point1"], annotation["point2"]]
            nearer = ("point1", "point2").index(annotation["closer_point"])
            pairs.append([points[nearer], points[1 - nearer]])
        return np.array(pairs, dtype=np.int64).reshape(-1, 2, 2)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: {name} has a pair that does not parse ({error}).") from error
