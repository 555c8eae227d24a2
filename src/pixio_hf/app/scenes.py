# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the tab "3D from several photos" answers: the surfaces of all photos in one scene, with their cameras."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..cameras import Camera
from ..visualization.point_clouds import Shape, shape_of_depth
from ..visualization.scene_files import write_scene
from .photo_uploads import read_upload
from .shelf import ModelShelf

MOST_PHOTOS = 8
"""Photos of one scene; every patch attends to those of all photos."""
POINTS_IN_ALL = 2**17


@dataclass(frozen=True, eq=False)
class SceneAnswer:
    """Of V photos of one size: pixels, depth in metres, cameras, and how sure the model is.

    Args:
        photos: (V, 3, H, W) uint8 as the model saw them.
        metres: (V, H, W) float32 z depth.
        confidence: (V, H, W), larger is surer.
        usable: (V, H, W) bool, False in the sky and the like.
        cameras: one per photo.
    """

    photos: np.ndarray
    metres: np.ndarray
    confidence: np.ndarray
    usable: np.ndarray
    cameras: list[Camera]


def reconstruct_scene(shelf: ModelShelf, paths: Sequence[str], model_name: str | None) -> SceneAnswer:
    """Points and cameras of some photos of one place. All are cut to the shape of the first one.

    Raises:
        ValueError: no photo or too many, or one or a model that cannot be read.
    """
    if not paths or len(paths) > MOST_PHOTOS:
        raise ValueError(f"Choose 1 to {MOST_PHOTOS} photos of one place, got {len(paths)}.")
    uploads = [read_upload(path) for path in paths]
    height, width = uploads[0].pixels.shape[-2:]
    loaded = shelf.get("scene", model_name)
    batch = loaded.processor(
        [cut_to_shape(upload.pixels, width / height) for upload in uploads],
        input_data_format="channels_first",
        return_tensors="pt",
        **_seen_size(loaded.model.config, width / height),
    )
    pixel_values = batch["pixel_values"].to(loaded.device)
    with torch.inference_mode():
        outputs = loaded.model(pixel_values[None])
    if not outputs.pointmaps.isfinite().all():
        raise ValueError("The model's points are not finite; check the model.")
    mean, std = (
        pixel_values.new_tensor(values)[:, None, None]
        for values in (loaded.processor.image_mean, loaded.processor.image_std)
    )
    seen = (255 * (pixel_values * std + mean)).round().clamp(0, 255).byte().cpu().numpy()
    intrinsics, poses = outputs.intrinsics[0].cpu().numpy(), outputs.camera_to_world[0].cpu().numpy()
    seen_height, seen_width = seen.shape[-2:]
    cameras = [
        Camera(intrinsics[view], seen_height, seen_width, poses[view], uploads[view].name)
        for view in range(len(uploads))
    ]
    return SceneAnswer(
        photos=seen,
        metres=outputs.predicted_depth[0].cpu().numpy(),
        confidence=outputs.confidence[0].cpu().numpy(),
        usable=(outputs.mask_logits[0] > 0).cpu().numpy(),
        cameras=cameras,
    )


def make_surfaces(answer: SceneAnswer, leave_out: float) -> list[Shape]:
    """One surface per photo, without the least sure share of the points, `leave_out` in [0, 1).

    Raises:
        ValueError: no point is left.
    """
    sure = answer.confidence >= np.quantile(answer.confidence, leave_out)
    keep = sure & answer.usable
    shapes = [
        shape_of_depth(
            answer.metres[view],
            answer.photos[view],
            camera.intrinsics,
            camera.camera_to_world,
            keep[view],
            max_points=POINTS_IN_ALL // len(answer.cameras),
        )
        for view, camera in enumerate(answer.cameras)
    ]
    if not any(len(shape.points) for shape in shapes):
        raise ValueError("The model is sure of no surface in these photos; leave out less, or take other photos.")
    return shapes


def write_scene_files(answer: SceneAnswer, leave_out: float, folder: Path) -> tuple[Path, Path, Path]:
    """scene.glb with cameras, scene.ply and scene.npz, in a new folder inside `folder`."""
    place = Path(tempfile.mkdtemp(dir=folder))
    shapes = make_surfaces(answer, leave_out)
    targets = place / "scene.glb", place / "scene.ply", place / "scene.npz"
    for target in targets:
        write_scene(target, shapes, answer.cameras)
    return targets


def describe_scene(answer: SceneAnswer) -> str:
    """How many photos, and how far apart they were taken."""
    centres = np.stack([camera.camera_to_world[:3, 3] for camera in answer.cameras])
    if len(centres) == 1:
        return "**One photo.** Add photos of the same place from other sides to see around corners."
    widest = max(float(np.linalg.norm(one - other)) for one in centres for other in centres)
    return f"**{len(centres)} photos**, taken up to {widest:.2f} m apart. Outlines show where the cameras stood."


def cut_to_shape(photo: np.ndarray, aspect: float) -> np.ndarray:
    """The middle of a photo (3, H, W) with a given width over height."""
    height, width = photo.shape[-2:]
    new_width, new_height = min(width, max(round(height * aspect), 1)), min(height, max(round(width / aspect), 1))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return photo[:, top : top + new_height, left : left + new_width]


def _seen_size(config: Any, aspect: float) -> dict[str, object]:
    """Options of the image processor: one size for all, the short side at the model's native size."""
    patch, side = config.patch_size, config.image_size
    height = side * max(1.0, 1 / aspect)
    width = side * max(1.0, aspect)
    size = {"height": max(round(height / patch), 1) * patch, "width": max(round(width / patch), 1) * patch}
    return {"size": size, "keep_aspect_ratio": False}
