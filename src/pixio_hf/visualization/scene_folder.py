# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A reconstructed scene to a folder: points, cameras and photos as other programs read them, and what is known of each.

The folder is laid out as COLMAP and programs for Gaussian splatting expect it: images/ and sparse/0/.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..cameras import Camera
from ..covisibility import seen_shares
from ..files import write_bytes, write_json
from ..photo_files import load_upright
from ..photos import read_photo
from ..shown_text import list_names
from .point_clouds import Shape
from .scene_files import write_colmap, write_scene

MAX_POINTS = 500_000
"""Points of a scene's files: what viewers turn smoothly."""
MAX_COLMAP_POINTS = 100_000
"""Points of points3D.txt: what Gaussian splatting starts from."""
LITTLE_IN_COMMON = 0.1
"""A view is placed by a guess if the others see a smaller share of its points than this."""
SAME_PICTURE = 1.0  # mean difference in grey levels
JPEG_QUALITY = 95
_NO_NAME = re.compile(r"[^\w.()+=@-]+")


@dataclass(frozen=True, eq=False)
class SceneResult:
    """A reconstructed scene with its photos.

    Args:
        views: (V, H, W, 3) uint8, the photos as the model saw them.
        photos: the whole photos, upright.
        names: of the photos, each its own.
        scene: from `post_process_reconstruction`, with the sizes of the photos.
    """

    views: np.ndarray
    photos: Sequence[PIL.Image.Image]
    names: Sequence[str]
    scene: Mapping[str, Tensor]

    @classmethod
    def from_outputs(
        cls,
        processor: Any,
        photos: Sequence[PIL.Image.Image],
        inputs: Mapping[str, Tensor],
        outputs: Any,
        names: Sequence[str] | None = None,
        confidence_percentile: float | None = 10.0,
        mask_edges: bool = True,
    ) -> "SceneResult":
        """The result of one scene: `inputs = processor([photos], return_tensors="pt")`, `outputs = model(**inputs)`.

        Args:
            names: of the photos; by default view_0, view_1, ...
            confidence_percentile, mask_edges: see `post_process_reconstruction`. The percentile is left out where a model
                does not tell its points apart (`is_graded`): it would drop all that tie.

        Raises:
            ValueError: another number of scenes or photos than in `inputs`, or as of `post_process_reconstruction`.
        """
        pixel_values = inputs["pixel_values"].float().cpu()
        if pixel_values.shape[:2] != (1, len(photos)):
            raise ValueError(f"inputs must be of one scene of {len(photos)} photos, got {tuple(pixel_values.shape)}.")
        if confidence_percentile is not None and not is_graded(outputs.confidence, confidence_percentile):
            confidence_percentile = None
        (scene,) = processor.post_process_reconstruction(
            outputs, inputs["original_sizes"], confidence_percentile, mask_edges, inputs.get("photo_to_view")
        )
        mean, std = (torch.tensor(getattr(processor, name))[:, None, None] for name in ("image_mean", "image_std"))
        views = ((pixel_values[0] * std + mean) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        given = names or [f"view_{view}" for view in range(len(photos))]
        kept = {name: tensor.cpu() for name, tensor in scene.items()}
        return cls(views, [load_upright(photo) for photo in photos], name_views(given), kept)

    def save(self, path: str | Path, max_points: int = MAX_POINTS) -> None:
        """Write points and cameras as the ending says: .glb, .ply or .npz. Errors as of `scene_files.write_scene`."""
        write_scene(path, self.shapes(max_points), self.cameras())

    def cameras(self) -> list[Camera]:
        """The cameras of the whole photos."""
        poses, intrinsics = (self.scene[name].double().cpu().numpy() for name in ("camera_to_world", "intrinsics"))
        return [
            Camera(intrinsics[index], photo.height, photo.width, poses[index], f"{name}.jpg")
            for index, (photo, name) in enumerate(zip(self.photos, self.names, strict=True))
        ]

    def shapes(self, max_points: int = MAX_POINTS) -> list[Shape]:
        """The kept points of each view with their colours; if there are too many, a random part, the same in each call."""
        points, mask = self.scene["pointmaps"].cpu().numpy(), self.scene["mask"].cpu().numpy()
        # Where the model overflows, a point is nowhere.
        mask = mask & np.isfinite(points).all(axis=-1)
        share = max_points / max(int(mask.sum()), 1)
        if share < 1:
            mask = mask & (np.random.default_rng(0).random(mask.shape) < share)
        return [Shape(points[view][mask[view]], self.views[view][mask[view]]) for view in range(len(points))]

    def describe_views(self) -> list[dict[str, Any]]:
        """Of each view: its name, shares of usable points and of points that another view confirms, its confidence."""
        mask = self.scene["mask"]
        depth = torch.where(mask, self.scene["predicted_depth"], 0)
        seen = seen_shares(depth, self.scene["view_intrinsics"], self.scene["camera_to_world"]).cpu()
        confirmed = (seen - torch.eye(len(seen))).amax(dim=1)
        return [
            {
                "name": camera.name,
                "size": [camera.height, camera.width],
                "usable": mask[view].float().mean().item(),
                "confirmed": confirmed[view].item() if len(seen) > 1 else None,
                "confidence": self.scene["confidence"][view].median().item(),
                "intrinsics": camera.intrinsics.tolist(),
                "camera_to_world": camera.camera_to_world.tolist(),
            }
            for view, camera in enumerate(self.cameras())
        ]

    def find_doubts(self) -> list[str]:
        """Sentences about what makes this scene doubtful: equal photos, views without overlap, impossible cameras."""
        doubts = []
        small = self.views[:, ::4, ::4].astype(np.int16)
        for second in range(1, len(small)):
            for first in range(second):
                if np.abs(small[first] - small[second]).mean() < SAME_PICTURE:
                    doubts.append(
                        f"{self.names[first]} and {self.names[second]} are the same picture: a second one adds nothing, and"
                        " agrees with the first whatever is wrong. Take each photo from another place."
                    )
        views = self.describe_views()
        few = [view["name"] for view in views if view["usable"] < LITTLE_IN_COMMON]
        alone = [view["name"] for view in views if (view["confirmed"] or 0) < LITTLE_IN_COMMON and len(views) > 1]
        unfit = [view["name"] for view in views if not is_pinhole(view["intrinsics"])]
        if few:
            doubts.append(f"{list_names(few)}: less than {LITTLE_IN_COMMON:.0%} of the points are usable.")
        if alone:
            doubts.append(
                f"{list_names(alone)}: other views confirm less than {LITTLE_IN_COMMON:.0%} of the points, so the place of"
                " such a view is a guess. Take photos that show at least a third of the same things."
            )
        if unfit:
            doubts.append(f"{list_names(unfit)}: the rays fit no pinhole camera; the intrinsics mean nothing.")
        return doubts

    def write(self, folder: Path, about: Mapping[str, Any], max_points: int = MAX_POINTS) -> None:
        """Write scene.{glb,ply,npz,json}, images/ and sparse/0/ into an existing folder; `about` goes into scene.json.

        Raises:
            ValueError: no point is usable, or trimesh is missing.
        """
        cameras = self.cameras()
        self.save(folder / "scene.glb", max_points)
        self.save(folder / "scene.ply", max_points)
        write_bytes(folder / "scene.npz", self.encode_arrays())
        (folder / "images").mkdir()
        for camera, photo in zip(cameras, self.photos, strict=True):
            pixels = np.ascontiguousarray(np.moveaxis(read_photo(photo), 0, -1))
            image = PIL.Image.fromarray(pixels)
            image.save(folder / "images" / camera.name, quality=JPEG_QUALITY, subsampling=0)
        write_colmap(folder / "sparse" / "0", cameras, self.shapes(min(max_points, MAX_COLMAP_POINTS)))
        write_json(folder / "scene.json", {**about, "views": self.describe_views(), "doubts": self.find_doubts()})

    def encode_arrays(self) -> bytes:
        """An .npz of all that was predicted, at the size of the views, with names, sizes and cameras of the photos."""
        arrays: dict[str, Any] = {name: tensor.cpu().numpy() for name, tensor in self.scene.items()}
        arrays["names"] = np.array([camera.name for camera in self.cameras()])
        arrays["sizes"] = np.array([(photo.height, photo.width) for photo in self.photos])
        buffer = io.BytesIO()
        np.savez_compressed(buffer, views=self.views, **arrays)
        return buffer.getvalue()


def is_graded(confidence: Tensor, percentile: float) -> bool:
    """Whether no more than `percentile` percent of the pixels of each view (..., H, W) share its least confidence."""
    pixels = confidence.flatten(-2)
    ties = (pixels == pixels.amin(-1, keepdim=True)).float().mean(-1)
    return bool((100 * ties <= max(percentile, 1.0)).all())


def is_pinhole(intrinsics: Sequence[Sequence[float]]) -> bool:
    """Whether a matrix is finite and looks forward."""
    camera = np.array(intrinsics)
    return bool(np.isfinite(camera).all() and min(camera[0, 0], camera[1, 1]) > 0)


def name_views(names: Sequence[str]) -> list[str]:
    """Names that files and COLMAP's lines can hold, each its own also where case does not count."""
    taken: set[str] = set()
    result = []
    for name in names:
        plain = _NO_NAME.sub("_", name).strip("._") or "view"
        number, own = 1, plain
        while own.casefold() in taken:
            number += 1
            own = f"{plain}_{number}"
        taken.add(own.casefold())
        result.append(own)
    return result
