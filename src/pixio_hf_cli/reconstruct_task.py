# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What `pixio-hf reconstruct` does with a photo and with a video, once its model is loaded."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from pixio_hf.files import write_bytes
from pixio_hf.videos import VideoFrame
from pixio_hf.visualization.reconstruction import Reconstruction, draw_reconstruction, restore_aspect
from pixio_hf.visualization.video_frames import join_panels, panel_size, photo_panel

from .loading import LoadedModel
from .photo_loop import LoadedPhoto, open_source, write_video
from .reconstruct import reconstruct_photos
from .result_plan import Job

PICTURE, VIDEO = "_reconstruction.png", "_reconstruction.mp4"


@dataclass(frozen=True)
class ReconstructTask:
    """Hides blocks of photos, fills them in, and draws it.

    Args:
        size: side of the square that the model sees; None: its native size.
        settings: of the model and its mask, which the pictures of a video depend on.
    """

    loaded: LoadedModel
    seed: int
    size: int | None
    batch_size: int
    allow_private: bool
    settings: Mapping[str, Any]
    title: str = "reconstruct"

    def read(self, job: Job) -> LoadedPhoto:
        """Pixels of a photo."""
        with open_source(job, self.allow_private) as (pixels, _):
            return LoadedPhoto(job, pixels)

    def group(self, photo: LoadedPhoto) -> Hashable:
        """All photos become squares of one size."""
        return "square"

    def predict(self, photos: Sequence[LoadedPhoto]) -> list[Reconstruction]:
        """The pictures of each photo."""
        return reconstruct_photos(self.loaded, [photo.pixels for photo in photos], self.seed, self.size)

    def write(self, photo: LoadedPhoto, result: Reconstruction) -> None:
        """Draw a photo and tell its loss."""
        drawn = restore_aspect(result, *photo.pixels.shape[-2:])
        write_bytes(photo.job.targets[PICTURE], draw_reconstruction(drawn))
        share = f"over the hidden {result.hidden_share:.0%} of the pixels"
        tqdm.write(f"{photo.job.source.shown}: loss {result.loss:.4f} {share}")

    def write_video(self, job: Job) -> None:
        """Draw each frame of a video, and tell the mean loss of those that were computed in this run."""
        losses = []

        def draw(frames: list[VideoFrame]) -> list[np.ndarray]:
            photos = [frame.pixels() for frame in frames]
            results = reconstruct_photos(self.loaded, photos, self.seed, self.size)
            losses.extend(result.loss for result in results)
            size = panel_size(photos[0], 3)
            return [
                join_panels([photo_panel(photo), result.masked, result.reconstructed], *size)
                for photo, result in zip(photos, results, strict=True)
            ]

        write_video(job, draw, {**self.settings, "seed": self.seed, "size": self.size}, self.batch_size)
        if losses:
            mean = f"mean loss {np.mean(losses):.4f} over the hidden pixels of {len(losses)} frames"
            tqdm.write(f"{job.source.shown}: {mean}")
