# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What `pixio-hf depth` does with a photo and with a video, once its model is loaded."""

import re
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pixio_hf.cameras import FocalLength, find_focal_length, make_intrinsics
from pixio_hf.depth_files import DepthStorage, choose_storage, describe_unknown, write_npy, write_npz
from pixio_hf.files import write_bytes
from pixio_hf.videos import VideoFrame, in_batches, sample_frames
from pixio_hf.visualization.panels import depth_limits, draw_depth, draw_relative_depth
from pixio_hf.visualization.point_clouds import Shape, as_points, shape_of_depth
from pixio_hf.visualization.scene_files import write_scene
from pixio_hf.visualization.video_frames import DepthFrames

from .depth import predict_depths, seen_size
from .early_checks import show_name
from .loading import LoadedModel
from .photo_loop import LoadedPhoto, open_source, write_video
from .result_plan import Job

PNG, COLOR, NPY, NPZ, PLY, GLB = (
    *("_depth.png", "_depth_color.png", "_depth.npy", "_depth.npz"),
    *("_points.ply", "_mesh.glb"),
)
COLOR_VIDEO, FRAMES = "_depth_color.mp4", "_frames"
NUM_SCALE_FRAMES = 24
"""Frames, spread over a video, that its colour scale is taken from."""

Writers = list[tuple[Path, Callable[[Path], object]]]


def choose_endings(
    color: bool = True, npy: bool = False, npz: bool = False, ply: bool = False, glb: bool = False
) -> list[str]:
    """What the names of a photo's results end in."""
    wanted = ((COLOR, color), (NPY, npy), (NPZ, npz), (PLY, ply), (GLB, glb))
    return [PNG, *(ending for ending, is_wanted in wanted if is_wanted)]


@dataclass(frozen=True)
class DepthTask:
    """Predicts depth and writes all of its files.

    Args:
        endings: of a photo's results (`choose_endings`).
        size: short side that the model sees; None: its native size, or windows at the photo's own.
        fov: field of view across the width in degrees; None: from EXIF or assumed.
        frames: whether each frame of a video gets the files with numbers, too.
        settings: of the model, which the pictures of a video depend on.
    """

    loaded: LoadedModel
    endings: Sequence[str]
    size: int | None
    fov: float | None
    frames: bool
    batch_size: int
    allow_private: bool
    settings: Mapping[str, Any]
    title: str = "depth"

    @property
    def storage(self) -> DepthStorage:
        """How the model's depth goes into files."""
        return choose_storage(self.loaded.model.config)

    @property
    def is_spatial(self) -> bool:
        """Whether a result needs the camera."""
        return not {NPZ, PLY, GLB}.isdisjoint(self.endings)

    def read(self, job: Job) -> LoadedPhoto:
        """Pixels and focal length; says where an own field of view does not tell the latter."""
        with open_source(job, self.allow_private) as (pixels, image):
            if not self.is_spatial:
                return LoadedPhoto(job, pixels)
            height, width = pixels.shape[-2:]
            return LoadedPhoto(job, pixels, find_focal_length(height, width, self.fov, image))

    def group(self, photo: LoadedPhoto) -> Hashable:
        """The size at which the model sees it; windows of one photo are a batch already."""
        return seen_size(self.loaded, photo.pixels, self.size)

    def predict(self, photos: Sequence[LoadedPhoto]) -> list[np.ndarray]:
        """Metres (H, W) of each photo."""
        return predict_depths(self.loaded, [photo.pixels for photo in photos], self.size)

    def write(self, photo: LoadedPhoto, result: np.ndarray) -> None:
        """Write all files of a photo: one that fails does not stop the others."""
        targets, name = photo.job.targets, photo.job.source.shown
        writers = self.write_numbers(targets, photo.pixels, result, photo.focal)
        if COLOR in targets:
            drawn = photo.shrink()
            draw = draw_depth if self.storage.is_metric else draw_relative_depth
            writers.append((targets[COLOR], lambda path: write_bytes(path, draw(drawn, result))))
        write_all(writers)
        if photo.focal is not None and self.fov is None:
            tell(f"{name}: focal length {photo.focal.pixels:.0f} pixels, {photo.focal.origin}.")
        if message := self.storage.describe_lost(result):
            held = (
                f"{targets[NPY].name} holds them as they are"
                if NPY in targets
                else "--npy also writes them as they are"
            )
            tell(f"{name}: {message} in {show_name(targets[PNG])}; {held}.")

    def write_numbers(
        self, targets: Mapping[str, Path], pixels: np.ndarray, metres: np.ndarray, focal: FocalLength | None
    ) -> Writers:
        """Functions that write the files of numbers and of shapes that were asked for, each with its path."""
        writers: Writers = [(targets[PNG], lambda path: self.storage.write_png(path, metres))]
        if NPY in targets:
            writers.append((targets[NPY], lambda path: write_npy(path, metres)))
        if focal is None:
            return writers
        intrinsics = make_intrinsics(focal.pixels, *metres.shape)
        shape = shape_of_depth(metres, pixels, intrinsics)
        points = as_points(shape)
        writers += [
            (targets[ending], lambda path, part=part: write_scene(path, [part]))
            for ending, part in ((PLY, points), (GLB, shape))
            if ending in targets
        ]
        if NPZ in targets:
            writers.append((targets[NPZ], lambda path: write_arrays(path, metres, intrinsics, points)))
        return writers

    def write_video(self, job: Job) -> None:
        """Write the colour video, with one scale for all frames, and the numbers of each frame where wanted."""
        limits, sample = self.find_limits(job.source.place)
        pictures = DepthFrames(limits, sample)
        height, width = sample.shape[-2:]
        focal = find_focal_length(height, width, self.fov) if self.is_spatial and self.frames else None
        lost: list[str] = []

        def draw(frames: list[VideoFrame]) -> list[np.ndarray]:
            photos = [frame.pixels() for frame in frames]
            depths = self.predict_frames(photos)
            if self.frames:
                for frame, photo, metres in zip(frames, photos, depths, strict=True):
                    targets = {ending: name_frame(job, frame.index, ending) for ending in self.endings}
                    write_all(self.write_numbers(targets, photo, metres, focal))
                    lost.extend(filter(None, [describe_unknown(metres)]))
            return [pictures.draw(photo, metres) for photo, metres in zip(photos, depths, strict=True)]

        if focal is not None and self.fov is None:
            tell(f"{job.source.shown}: focal length {focal.pixels:.0f} pixels, {focal.origin}.")
        asked = {"size": self.size, "limits": limits, "frames": self.frames and [*self.endings, self.fov]}
        written = write_video(job, draw, {**self.settings, **asked}, self.batch_size)
        if self.frames:
            remove_frames_beyond(job, written.num_frames)
        if lost:
            tell(f"{job.source.shown}: in {len(lost)} frames such as the first of them {lost[0]}.")

    def predict_frames(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Metres (H, W) of frames, which all have one size; windows of one frame are a batch already."""
        if seen_size(self.loaded, photos[0], self.size) is not None:
            return predict_depths(self.loaded, photos, self.size)
        return [predict_depths(self.loaded, [photo], self.size)[0] for photo in photos]

    def find_limits(self, place: str) -> tuple[tuple[float, float], np.ndarray]:
        """Ends of the colour scale of a video in metres, from frames all over it; and one of the frames."""
        ends, photos = [], []
        for frames in in_batches(sample_frames(place, NUM_SCALE_FRAMES), self.batch_size):
            photos = [frame.pixels() for frame in frames]
            # Of each frame only its ends, as two depths.
            ends.extend(np.array(depth_limits(metres)) for metres in self.predict_frames(photos))
        low, high = depth_limits(*ends)
        # Rounded, so that a run that goes on finds the same ends.
        return (round(low, 2), round(high, 2)), photos[0]


def write_arrays(path: Path, metres: np.ndarray, intrinsics: np.ndarray, points: Shape) -> None:
    """Write an .npz: `depth` (H, W) float32 metres, `intrinsics` (3, 3), `points` (N, 3) metres, `colors` (N, 3)."""
    write_npz(path, depth=metres, intrinsics=intrinsics, points=points.points, colors=points.colors)


def name_frame(job: Job, index: int, ending: str) -> Path:
    """Where a frame's file lies: NAME_frames/000012_depth.png."""
    return job.beside(FRAMES) / f"{index:06d}{ending}"


def remove_frames_beyond(job: Job, num_frames: int) -> None:
    """Remove the files of frames that an older, longer video of this name had."""
    for path in job.beside(FRAMES).glob("[0-9]*"):
        number = re.fullmatch(rf"(\d{{6,}})({'|'.join(map(re.escape, (PNG, NPY, NPZ, PLY, GLB)))})", path.name)
        if number and int(number[1]) >= num_frames:
            path.unlink()


def tell(sentence: str) -> None:
    """Say something beside the progress bar."""
    tqdm.write(sentence, file=sys.stderr)


def write_all(writers: Sequence[tuple[Path, Callable[[Path], object]]]) -> None:
    """Write several files, each with its own function: one that fails does not stop the others.

    Raises:
        ValueError: after all were tried, naming the files that could not be written.
    """
    problems = []
    for path, write in writers:
        try:
            write(path)
        except Exception as error:  # after any error the other files are still written
            problems.append(f"{show_name(path)} was not written: {error or type(error).__name__}")
    if problems:
        raise ValueError("; ".join(problems))
