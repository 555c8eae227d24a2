# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Rendered rooms as photos in a folder, and a stand-in for a trained model of reconstruction."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from pixio_hf import PixioForReconstruction, PixioImageProcessor
from pixio_hf.geometry import rays_of_intrinsics
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.view_fitting import ViewFit
from pixio_hf.visualization.scene_folder import SceneResult
from tests.tiny_models import tiny_view_config

VIEW_SIZE = 64


def save_stand_in(folder: Path) -> Path:
    """A checkpoint with random weights whose rays look forward, about 2 m deep; for the way through, not for quality."""
    torch.manual_seed(0)
    model = PixioForReconstruction(tiny_view_config())
    last = [module for module in model.dense_head.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight.mul_(0.3)
        last.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.7, 0.0, 2.0]))
    model.save_pretrained(folder)
    PixioImageProcessor(view_size=VIEW_SIZE).save_pretrained(folder)
    return folder


def render_photos(folder: Path, num_views: int = 2, image_size: int = 64, seed: int = 3) -> list[Path]:
    """Pictures of one rendered room as room_0.png, room_1.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    views = SyntheticViewSet(1, num_views, first_seed=seed, image_size=image_size)[0]
    paths = [folder / f"room_{view}.png" for view in range(num_views)]
    for path, image in zip(paths, views.images, strict=True):
        PIL.Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    return paths


def write_scene(folder, views, depth_ending=".npy", with_meta=False):
    """A scene as a folder, with cameras.json or as MapAnything's conversion writes it."""
    (folder / "images").mkdir(parents=True)
    (folder / "depth").mkdir()
    entries = []
    for view in range(len(views.images)):
        name = f"{view:06d}"
        PIL.Image.fromarray(views.images[view].permute(1, 2, 0).numpy()).save(folder / "images" / f"{name}.png")
        depth = views.depth[view].numpy()
        if depth_ending == ".npy":
            np.save(folder / "depth" / f"{name}.npy", depth)
        else:
            millimetres = (depth.clip(0) * 1000).round().astype(np.uint16)
            PIL.Image.fromarray(millimetres).save(folder / "depth" / f"{name}.png")
        entries.append((name, views.intrinsics[view], views.camera_to_world[view]))
    if with_meta:
        frames = [
            {
                "frame_name": name,
                "file_path": f"images/{name}.png",
                "image": f"images/{name}.png",
                "depth": f"depth/{name}{depth_ending}",
                "transform_matrix": pose.tolist(),
                "fl_x": camera[0, 0].item(),
                "fl_y": camera[1, 1].item(),
                "cx": camera[0, 2].item(),
                "cy": camera[1, 2].item(),
            }
            for name, camera, pose in entries
        ]
        content = {
            "scene_name": folder.name,
            "camera_model": "PINHOLE",
            "camera_convention": "opencv",
            "scale_type": "metric",
            "h": views.images.shape[-2],
            "w": views.images.shape[-1],
            "frames": frames,
            "scene_modalities": {},
            "frame_modalities": {"depth": {"frame_key": "depth", "format": "depth"}},
        }
        (folder / "scene_meta.json").write_text(json.dumps(content))
        return content
    content = {
        "unit": "metre",
        "is_synthetic": True,
        "depth_scale": 1.0 if depth_ending == ".npy" else 0.001,
        "views": [
            {
                "image": f"images/{name}.png",
                "depth": f"depth/{name}{depth_ending}",
                "intrinsics": [camera[0, 0].item(), camera[1, 1].item(), camera[0, 2].item(), camera[1, 2].item()],
                "camera_to_world": pose.tolist(),
            }
            for name, camera, pose in entries
        ],
    }
    (folder / "cameras.json").write_text(json.dumps(content))
    return content


def true_scene(num_views: int = 2, image_size: int = 96, seed: int = 3) -> SceneResult:
    """A rendered room as a perfect model would give it; the photos have twice the size of the views, and more beside."""
    room = SyntheticViewSet(1, num_views, first_seed=seed, image_size=image_size)[0]
    rays = rays_of_intrinsics(room.intrinsics, image_size, image_size)
    camera_points = rays / rays[..., 2:] * room.depth.clamp(min=0)[..., None]
    rotation, centre = room.camera_to_world[:, None, :3, :3], room.camera_to_world[:, None, None, :3, 3]
    views = room.images.permute(0, 2, 3, 1).numpy()
    photos = [PIL.Image.fromarray(view).resize((2 * image_size, 2 * image_size)) for view in views]
    photos = [PIL.ImageOps.expand(photo, (20, 0, 20, 0)) for photo in photos]
    fits = [ViewFit.plan((photo.height, photo.width), (image_size, image_size)) for photo in photos]
    of_photos = [
        torch.from_numpy(fit.intrinsics_of_photo(camera.double().numpy()))
        for fit, camera in zip(fits, room.intrinsics, strict=True)
    ]
    scene = {
        "pointmaps": camera_points @ rotation.mT + centre,
        "predicted_depth": room.depth.clamp(min=0),
        "mask": room.depth > 0,
        "confidence": torch.full_like(room.depth, 2.0),
        "camera_to_world": room.camera_to_world,
        "intrinsics": torch.stack(of_photos).float(),
        "view_intrinsics": room.intrinsics,
        "metric_scale": torch.tensor(1.0),
    }
    return SceneResult(views, photos, [f"room_{view}" for view in range(num_views)], scene)
