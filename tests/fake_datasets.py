# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Small made-up data sets in the true folder layouts: NYUv2, KITTI, ADE20K, Pascal VOC, LoveDA, a folder per class.

Everything is random but learnable: near is bright, and every class has its colour. Each function writes below `root` and
returns {split: maps}, the depths in metres or the class numbers (255 = none) of each image in the order of the listing.
"""

from pathlib import Path

import numpy as np
import PIL.Image

Maps = dict[str, list[np.ndarray]]
IGNORED = 255


def smooth_field(size: tuple[int, int], generator: np.random.Generator, cells: int = 4) -> np.ndarray:
    """(H, W) float32 in [0, 1]: random corners of a coarse grid, interpolated."""
    coarse = PIL.Image.fromarray(generator.random((cells, cells), dtype=np.float32))
    return np.clip(np.asarray(coarse.resize((size[1], size[0]), PIL.Image.Resampling.BICUBIC)), 0, 1)


def write_picture(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> None:
    """Write an image, making its folders; JPEG in high quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette)
    picture.save(path, quality=95)


def draw_depth_pair(
    size: tuple[int, int], near: float, far: float, density: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and depth (H, W) metres; a share `density` of the pixels is measured, the rest is 0."""
    field = smooth_field(size, generator)
    depth = near + (far - near) * field
    noise = generator.normal(0, 6, (*size, 3))
    image = np.clip(230 * (1 - field)[..., None] * [1, 0.9, 0.7] + 15 + noise, 0, 255).astype(np.uint8)
    return image, np.where(generator.random(size) < density, depth, 0)


def write_nyuv2(root: Path, num_train: int = 2, num_val: int = 1, seed: int = 0, write_lists: bool = False) -> Maps:
    """sync/<scene>/rgb_XXXXX.jpg, sync_depth_XXXXX.png (millimetres); official_splits/test; 480 x 640."""
    maps: Maps = {}
    for split, folder, count in (("train", "sync", num_train), ("val", "official_splits/test", num_val)):
        generator, lines, maps[split] = np.random.default_rng((seed, len(maps))), [], []
        for index in range(count):
            scene = Path(folder) / ("kitchen_0001", "office_0002")[index % 2]
            number = f"{index:05d}"
            image, depth = draw_depth_pair((480, 640), 0.7, 9.5, 0.9, generator)
            millimetres = np.round(depth * 1000).astype(np.uint16)
            write_picture(root / scene / f"rgb_{number}.jpg", image)
            write_picture(root / scene / f"sync_depth_{number}.png", millimetres)
            lines.append((f"{scene}/rgb_{number}.jpg {scene}/sync_depth_{number}.png", millimetres / 1000))
        _finish_split(root, split, lines, maps, write_lists)
    return maps


def write_kitti(
    root: Path,
    num_train: int = 2,
    num_val: int = 1,
    seed: int = 0,
    size: tuple[int, int] = (375, 1242),
    write_lists: bool = False,
) -> Maps:
    """images/<date>/<drive>/image_02/data and annotations/<drive>/proj_depth/groundtruth/image_02, 1/256 m, sparse.

    As in the real data the images have frames before and after those with depth.
    """
    maps: Maps = {}
    for split, drive, count in (
        ("train", "2011_09_26_drive_0001_sync", num_train),
        ("val", "2011_09_26_drive_0002_sync", num_val),
    ):
        generator, lines, maps[split] = np.random.default_rng((seed, len(maps))), [], []
        images = Path("images") / drive[:10] / drive / "image_02/data"
        depths = Path("annotations") / drive / "proj_depth/groundtruth/image_02"
        for index in range(-1, count + 1):
            frame = f"{index + 5:010d}.png"
            image, depth = draw_depth_pair(size, 4, 75, 0.16, generator)
            write_picture(root / images / frame, image)
            if 0 <= index < count:
                depth[: size[0] // 3] = 0  # a lidar does not see the sky
                units = np.round(depth * 256).astype(np.uint16)
                write_picture(root / depths / frame, units)
                lines.append((f"{images / frame} {depths / frame}", units / 256))
        _finish_split(root, split, lines, maps, write_lists)
    return maps


def _finish_split(root: Path, split: str, lines: list, maps: Maps, write_lists: bool) -> None:
    lines.sort(key=lambda line: line[0])
    maps[split] = [depth.astype(np.float32) for _, depth in lines]
    if write_lists:
        (root / f"{split}.txt").write_text("".join(f"{line}\n" for line, _ in lines))


def draw_mask_pair(
    size: tuple[int, int], num_classes: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 with a colour per class, and its classes (H, W) uint8 with an ignored corner.

    The last class always occurs, below the corner, so that a mask tells how it counts.
    """
    classes = (smooth_field(size, generator, cells=5) * num_classes).astype(np.uint8).clip(0, num_classes - 1)
    corner = min(size) // 8
    classes[:corner, :corner] = IGNORED
    classes[corner : 2 * corner, :corner] = num_classes - 1
    image = class_colors(num_classes)[classes] + generator.normal(0, 6, (*size, 3))
    return np.clip(image, 0, 255).astype(np.uint8), classes


def class_colors(num_classes: int) -> np.ndarray:
    """(256, 3) one colour for each number, the same in every data set; ignored pixels are black."""
    colors = np.random.default_rng(num_classes).integers(30, 226, (256, 3))
    colors[IGNORED] = 0
    return colors


def write_ade20k(
    root: Path,
    num_train: int = 2,
    num_val: int = 1,
    seed: int = 0,
    size: tuple[int, int] = (96, 128),
    raw: bool = False,
) -> Maps:
    """images/{training,validation}/*.jpg, annotations/...; raw: 0 = no class, 1..150, else 255 and 0..149."""
    places = {
        "train": [("images/training/ADE_train_{:08d}.jpg", "annotations/training/ADE_train_{:08d}.png", num_train)],
        "val": [("images/validation/ADE_val_{:08d}.jpg", "annotations/validation/ADE_val_{:08d}.png", num_val)],
    }
    return _write_masks(root, places, 150, size, seed, counts_from_one=raw)


def write_voc(
    root: Path, num_train: int = 2, num_val: int = 1, seed: int = 0, size: tuple[int, int] = (96, 128)
) -> Maps:
    """JPEGImages, SegmentationClass (palette PNG) and ImageSets/Segmentation/{train,val}.txt."""
    image, mask = "JPEGImages/{split}_{:06d}.jpg", "SegmentationClass/{split}_{:06d}.png"
    counts = {"train": num_train, "val": num_val}
    places = {
        split: [(image.replace("{split}", split), mask.replace("{split}", split), count)]
        for split, count in counts.items()
    }
    palette = class_colors(21).astype(np.uint8).ravel().tolist()
    maps = _write_masks(root, places, 21, size, seed, counts_from_one=False, palette=palette)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, count in counts.items():
        (lists / f"{split}.txt").write_text("".join(f"{split}_{index:06d}\n" for index in range(count)))
    return maps


def write_loveda(
    root: Path,
    num_train: int = 2,
    num_val: int = 2,
    seed: int = 0,
    size: tuple[int, int] = (128, 128),
    remapped: bool = False,
) -> Maps:
    """{Train/Train,Val/Val}/{Rural,Urban}/{images_png,masks_png}, half each; remapped: as after the original's script."""
    places = {
        split: [
            (f"{folder}/{area}/images_png/{{}}.png", f"{folder}/{area}/masks_png/{{}}.png", part)
            for area, part in (("Rural", (count + 1) // 2), ("Urban", count // 2))
        ]
        for split, folder, count in (("train", "Train/Train", num_train), ("val", "Val/Val", num_val))
    }
    for areas in places.values():
        for image, mask, _ in areas:
            (root / image).parent.mkdir(parents=True)
            (root / mask).parent.mkdir(parents=True)
    return _write_masks(root, places, 7, size, seed, counts_from_one=not remapped)


def _write_masks(root, places, num_classes, size, seed, counts_from_one, palette=None) -> Maps:
    maps: Maps = {}
    for split, areas in places.items():
        generator, maps[split] = np.random.default_rng((seed, len(maps))), []
        for image_name, mask_name, count in areas:
            for index in range(count):
                image, classes = draw_mask_pair(size, num_classes, generator)
                stored = np.where(classes == IGNORED, 0, classes + 1).astype(np.uint8) if counts_from_one else classes
                write_picture(root / image_name.format(index), image)
                write_picture(root / mask_name.format(index), stored, palette)
                maps[split].append(classes.astype(np.int64))
    return maps


def write_image_classes(root: Path, num_train: int = 4, num_val: int = 2, seed: int = 0, side: int = 64) -> list[str]:
    """{train,val}/{amber,green,violet}/*.jpg, num_train and num_val images per class; returns the class names."""
    colors = {"amber": (220, 160, 40), "green": (50, 160, 70), "violet": (130, 70, 190)}
    for part, (split, count) in enumerate((("train", num_train), ("val", num_val))):
        generator = np.random.default_rng((seed, part))
        for name, color in colors.items():
            for index in range(count):
                field = smooth_field((side, side), generator)[..., None] * 0.5 + 0.5
                pixels = np.clip(field * color + generator.normal(0, 8, (side, side, 3)), 0, 255)
                write_picture(root / split / name / f"{index}.jpg", pixels.astype(np.uint8))
    return list(colors)
