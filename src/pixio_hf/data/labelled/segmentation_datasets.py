# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with class numbers for every pixel: ADE20K, Pascal VOC, LoveDA, folders and tables of `datasets`.

See docs/specification.md 6.2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from transformers.utils import logging

from ...text_files import read_text_lines, shorten_line
from .class_names import ADE20K_CLASSES, LOVEDA_CLASSES, VOC_CLASSES
from .class_numbers import IGNORED, MAX_CLASSES, tell_vanished_class
from .columns import open_encoded
from .file_listing import Listing, MissingSplit, keep_existing
from .file_pairs import list_folder, pair_by_name
from .pair_reading import MASK_ENDINGS, name_of, read_mask, read_mask_pair

# Only one mask in fifty of the published ADE20K has class 150 (flag), which shows that numbers start from 1.
NUM_PROBED_MASKS = 512
NUM_MASKS_LOOKED_AT = 16
logger = logging.get_logger(__name__)


def list_ade20k(root: Path, split: str | None) -> Listing:
    """images/{training,validation}/*.jpg with annotations/{training,validation}/*.png."""
    folder = {"train": "training", "val": "validation"}[split or ""]
    return pair_by_name(root / "images" / folder, root / "annotations" / folder, (".png",))


def list_voc(root: Path, split: str | None) -> Listing:
    """JPEGImages/*.jpg with SegmentationClass/*.png, for the names in ImageSets/Segmentation/{train,val}.txt.

    The published 10,582 training images are VOC's 1,464 and those of SBD. Other projects list them in trainaug.txt, used
    instead of train.txt where there is one, and put SBD's masks into SegmentationClassAug.

    Raises:
        ValueError: that list is missing or has lines that are no names (file:line).
    """
    lists = root / "ImageSets" / "Segmentation"
    names = lists / ("trainaug.txt" if split == "train" and (lists / "trainaug.txt").is_file() else f"{split}.txt")
    if not names.is_file():
        raise MissingSplit(f"{names} is missing: the folders of Pascal VOC do not tell its splits. Pass a split file.")
    pairs = []
    for number, line in read_text_lines(names):
        if len(line.split()) != 1 or "/" in line:
            raise ValueError(
                f"{names}:{number}: expected one image name without folder and ending, got {shorten_line(line)}."
            )
        name = line.strip()
        mask, added = (root / folder / f"{name}.png" for folder in ("SegmentationClass", "SegmentationClassAug"))
        pairs.append((root / "JPEGImages" / f"{name}.jpg", added if added.is_file() and not mask.is_file() else mask))
    return keep_existing(pairs)


def find_loveda_split(root: Path, split: str) -> Path | None:
    """Folder of a split: Train/Train as published, or Train where Train.zip was unpacked into the root itself."""
    name = {"train": "Train", "val": "Val"}[split]
    for folder in (root / name / name, root / name):
        if (folder / "Rural").is_dir() or (folder / "Urban").is_dir():
            return folder
    return None


def list_loveda(root: Path, split: str | None) -> Listing:
    """{Train/Train,Val/Val}/{Rural,Urban}/images_png/*.png with masks_png/*.png; also without the doubled folder.

    Raises:
        ValueError: there is no such folder.
    """
    folder = find_loveda_split(root, split or "")
    if folder is None:
        raise MissingSplit(f"The folder {root} holds no LoveDA: Train/Train/Rural or Train/Rural, and Val likewise.")
    joined = Listing([])
    for area in ("Rural", "Urban"):
        listing = pair_by_name(folder / area / "images_png", folder / area / "masks_png", (".png",))
        joined.pairs.extend(listing.pairs)
        joined.problems.extend(listing.problems)
        joined.notes.extend(listing.notes)
    return joined


list_mask_folder = partial(
    list_folder,
    label_key="segmentation_map_file_name",
    label_folders=("masks", "segmentation_maps", "annotations", "labels"),
    endings=MASK_ENDINGS,
)


@dataclass(frozen=True)
class SegmentationProtocol:
    """What the numbers of a data set's masks mean (docs/specification.md 6.2)."""

    name: str
    list_pairs: Callable[..., Listing] = field(repr=False)
    num_classes: int = 0
    """0: the user has to give it."""
    class_names: tuple[str, ...] = field(default=(), repr=False)
    do_reduce_labels: bool | None = False
    """Whether stored masks count from 1 with 0 = no class; None: there are both kinds, recognised by their numbers."""
    has_two_kinds: bool = False
    """Masks as published (see above) never hold 255; copies with lowered numbers exist, too."""
    num_pairs: Mapping[str, int] = field(default_factory=dict)
    """Published size of each split."""

    def read_pair(self, image: Any, mask: Any) -> tuple[PIL.Image.Image, np.ndarray]:
        """RGB image and (H, W) int64 class numbers, 255 = none; see read_mask_pair."""
        return read_mask_pair(image, mask, self.num_classes, bool(self.do_reduce_labels), self.has_two_kinds)

    def with_num_classes(self, num_classes: int) -> "SegmentationProtocol":
        """The protocol with so many classes, named by their numbers. Raises ValueError for an impossible number."""
        if not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(
                f"num_classes must be 1 to {MAX_CLASSES}, since {IGNORED} marks pixels without a class; got {num_classes}."
            )
        names = tuple(f"class {index}" for index in range(num_classes))
        return replace(self, num_classes=num_classes, class_names=names)


SEGMENTATION_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        SegmentationProtocol("ade20k", list_ade20k, 150, ADE20K_CLASSES, None, True, {"train": 20_210, "val": 2_000}),
        SegmentationProtocol("voc", list_voc, 21, VOC_CLASSES, False, False, {"train": 10_582, "val": 1_449}),
        SegmentationProtocol("loveda", list_loveda, 7, LOVEDA_CLASSES, None, True, {"train": 2_522, "val": 1_669}),
        SegmentationProtocol("folder", list_mask_folder),
    )
}


def recognise_masks(path: Path) -> str:
    """Name of the protocol whose folders a data set has; "folder" for all others."""
    if (path / "SegmentationClass").is_dir():
        return "voc"
    if find_loveda_split(path, "train") or find_loveda_split(path, "val"):
        return "loveda"
    is_ade = any((path / f"annotations/{name}").is_dir() for name in ("training", "validation"))
    return "ade20k" if is_ade else "folder"


def find_segmentation_protocol(
    name_or_path: str | Path,
    protocol: str | None = None,
    num_classes: int | None = None,
    do_reduce_labels: bool | None = None,
    can_count: bool = False,
) -> SegmentationProtocol:
    """The named protocol, or the one that fits the folder's layout, with the given values.

    can_count: whether a missing num_classes is left 0, for a caller who counts the classes.

    Raises:
        ValueError: unknown name, or a num_classes that contradicts the protocol or is missing.
    """
    protocol = protocol or recognise_masks(Path(name_or_path))
    if protocol not in SEGMENTATION_PROTOCOLS:
        raise ValueError(f"Unknown segmentation protocol {protocol!r}; there are {', '.join(SEGMENTATION_PROTOCOLS)}.")
    chosen = SEGMENTATION_PROTOCOLS[protocol]
    if do_reduce_labels is not None:
        chosen = replace(chosen, do_reduce_labels=do_reduce_labels)
    if chosen.num_classes:
        if num_classes not in (None, chosen.num_classes):
            raise ValueError(f"{protocol} has {chosen.num_classes} classes, not {num_classes}; use protocol 'folder'.")
        return chosen
    if num_classes is not None:
        return chosen.with_num_classes(num_classes)
    if can_count:
        return chosen
    raise ValueError(
        f"{name_or_path}: pass its number of classes (num_classes), 1 to {MAX_CLASSES}; `pixio-hf check-data` counts them."
    )


@dataclass(frozen=True)
class SegmentationReader:
    """Decode encoded pairs: batch of columns image, segmentation_map, name -> RGB images and (H, W) int64 classes."""

    protocol: SegmentationProtocol

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        columns = (batch["image"], batch["segmentation_map"], batch["name"])
        items = [self.read(*pair) for pair in zip(*columns, strict=True)]
        images, maps = zip(*items, strict=True)
        return {"image": list(images), "segmentation_map": list(maps), "name": batch["name"]}

    def read(self, image: Any, mask: Any, name: str) -> tuple[PIL.Image.Image, np.ndarray]:
        """One pair; ValueError names the item when it cannot be read or has a number that is no class."""
        try:
            return self.protocol.read_pair(image, mask)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def masks_count_from_one(masks: Sequence[Any], num_classes: int) -> bool:
    """Tell masks as published (0 = no class, 1..num_classes) from ready ones (0..num_classes-1, 255 = no class).

    Up to 512 masks, evenly spread, are read until one decides: the number num_classes occurs in the first kind only,
    255 in the second only.

    Raises:
        ValueError: no mask decides, or one has both numbers.
    """
    probed = spread_indices(len(masks), NUM_PROBED_MASKS)
    for index in probed:
        mask = read_mask(masks[index])
        is_published, is_ready = bool((mask == num_classes).any()), bool((mask == IGNORED).any())
        if is_published and is_ready:
            raise ValueError(f"{name_of(masks[index])} holds both {num_classes} and {IGNORED}: no kind of mask does.")
        if is_published or is_ready:
            return is_published
    raise ValueError(
        f"None of {len(probed)} masks tells whether they count from 0 with {IGNORED} = no class (ready made) or from 1 with"
        " 0 = no class (as published). Pass do_reduce_labels=False or do_reduce_labels=True."
    )


def open_segmentation_dataset(
    name_or_path: str | Path,
    split: str | None = "train",
    *,
    protocol: str | None = None,
    split_file: str | Path | None = None,
    num_classes: int | None = None,
    do_reduce_labels: bool | None = None,
    image_column: str = "image",
    label_column: str = "segmentation_map",
    allow_outside: bool = False,
) -> tuple[Any, SegmentationProtocol]:
    """Open images with class numbers: items {"image": RGB PIL image, "segmentation_map": (H, W) int64, "name": str}.

    Also returns the protocol, which knows num_classes and class_names. Masks are never changed on disk: those that count
    from 1 (LoveDA and ADE20K as published) are lowered when they are read.

    Args:
        name_or_path: a folder (ADE20K, VOC, LoveDA, images/ and masks/, metadata.jsonl), a save_to_disk folder, Parquet
            files or a Hub id.
        split: "train" or "val"; None: your own folder, or a table without splits.
        protocol: name in SEGMENTATION_PROTOCOLS; None recognises it by the layout.
        split_file: pairs "image mask", one a line, relative to the folder (docs/specification.md 6.2); None lists the
            folder.
        num_classes: needed where the protocol has none.
        do_reduce_labels: whether stored masks count from 1 with 0 = no class; None: the protocol's, and for ADE20K and
            LoveDA recognised by their numbers (`masks_count_from_one`).
        image_column, label_column: of a table.
        allow_outside: accept files outside of the folder, also by way of links, in a split file or metadata.jsonl.

    Raises:
        ValueError: as open_depth_dataset; also masks whose numbering is unclear, and numbers that are no class.
    """
    chosen = find_segmentation_protocol(name_or_path, protocol, num_classes, do_reduce_labels)
    columns = {"image": image_column, "segmentation_map": label_column}
    encoded = open_encoded(name_or_path, split, columns, chosen, split_file, allow_outside)
    chosen = settle_numbering(chosen, encoded["segmentation_map"])
    if not chosen.num_pairs:
        warn_of_vanished_class(chosen, encoded["segmentation_map"], str(name_or_path))
    return encoded.with_transform(SegmentationReader(chosen)), chosen


def settle_numbering(protocol: SegmentationProtocol, masks: Sequence[Any]) -> SegmentationProtocol:
    """The protocol; a do_reduce_labels that was left open is decided by the masks."""
    if protocol.do_reduce_labels is not None:
        return protocol
    return replace(protocol, do_reduce_labels=masks_count_from_one(masks, protocol.num_classes))


def spread_indices(total: int, count: int) -> list[int]:
    """Up to `count` different indices below `total`, evenly spread."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).astype(int)).tolist()


def warn_of_vanished_class(protocol: SegmentationProtocol, masks: Sequence[Any], source: str) -> None:
    """Warn when a few masks, evenly spread, show a class that seems to be stored under a number read as "no class"."""
    stored: set[int] = set()
    for index in spread_indices(len(masks), NUM_MASKS_LOOKED_AT):
        try:
            stored.update(np.unique(read_mask(masks[index])).tolist())
        except ValueError:
            continue  # reported with its name when it is read
    if told := tell_vanished_class(stored, protocol.num_classes, bool(protocol.do_reduce_labels)):
        logger.warning(
            f"{source}: {told} (In the {NUM_MASKS_LOOKED_AT} masks looked at; `pixio-hf check-data` reads all.)"
        )
