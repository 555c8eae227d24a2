# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What `pixio-hf features` does with photos and videos: find the colours of all of them first, then draw each."""

import hashlib
import tempfile
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixio_hf.files import write_bytes
from pixio_hf.photo_addresses import fetch, is_address
from pixio_hf.photo_files import open_fetched
from pixio_hf.videos import VideoFrame, in_batches, sample_frames
from pixio_hf.visualization.features import FeatureColors, draw_features, find_colors, upscale_colors
from pixio_hf.visualization.video_frames import join_panels, panel_size, photo_panel

from .features import encode_photos
from .loading import LoadedModel
from .photo_fitting import read_pixels, scaled_size
from .photo_loop import LoadedPhoto, Outcome, open_source, process_jobs, write_video
from .result_plan import Job, ResultPlan

PICTURE, VIDEO = "_features.png", "_features.mp4"
MAX_TOKEN_BYTES = 2**27
"""Of the tokens that the colours are found in; the search for them takes about five times as much."""
NUM_SAMPLED_FRAMES = 16
"""Of each video, for the colours."""


def color_jobs(
    plan: ResultPlan,
    loaded: LoadedModel,
    size: int,
    batch_size: int,
    num_workers: int,
    allow_private: bool,
    settings: Mapping[str, Any],
) -> Outcome:
    """Find the colours of all photos and videos together, then draw each of them, with workers.

    Those whose results exist count for the colours, too: a second call that skips them draws the rest in the same ones.
    """
    jobs = plan.everything
    with tempfile.TemporaryDirectory(prefix="pixio-hf-features-") as copies:
        seeing = EncodeTask(loaded, size, batch_size, allow_private, Path(copies))
        step = -(-len(jobs) // choose_num_photos(loaded, size))
        # An even choice; where its photos fail or are small, the others follow.
        order = [job for start in range(step) for job in jobs[start::step]]
        outcome = Outcome()
        while order and seeing.num_bytes < MAX_TOKEN_BYTES and not outcome.is_stopped:
            chosen, order = order[: -(-len(jobs) // step)], order[-(-len(jobs) // step) :]
            # Without workers: colours depend on the order in which tokens are kept.
            found = process_jobs(chosen, seeing, batch_size)
            skipped = {job.source.shown for job in plan.skipped}
            outcome.failures += [failure for failure in found.failures if failure[0] not in skipped]
            outcome.is_stopped = found.is_stopped
        if not seeing.samples or outcome.is_stopped:
            return outcome
        colors = find_colors(seeing.samples)
        drawing = DrawTask(seeing, colors, settings)
        failed = {shown for shown, _ in outcome.failures}
        to_draw = [job for job in plan.jobs if job.source.shown not in failed]
        drawn = process_jobs(to_draw, drawing, batch_size, num_workers)
    return Outcome(drawn.num_done, outcome.failures + drawn.failures, drawn.is_stopped)


def choose_num_photos(loaded: LoadedModel, size: int) -> int:
    """How many photos have their tokens within MAX_TOKEN_BYTES, at least one."""
    config = loaded.model.config
    photo_bytes = 4 * config.hidden_size * (size // config.patch_size) ** 2
    return max(1, MAX_TOKEN_BYTES // photo_bytes)


@dataclass
class EncodeTask:
    """Encodes photos and keeps their tokens.

    Args:
        copies: folder for what is fetched from addresses, which is read twice.
        samples: tokens (h, w, D) that the colours are found in.
        tokens: those of whole photos, by place.
    """

    loaded: LoadedModel
    size: int
    batch_size: int
    allow_private: bool
    copies: Path
    samples: list[Tensor] = field(default_factory=list)
    tokens: dict[str, Tensor] = field(default_factory=dict)
    num_bytes: int = 0
    title: str = "features"

    def read(self, job: Job) -> LoadedPhoto:
        """Pixels of a photo; one at an address is fetched once."""
        if not is_address(job.source.place):
            with open_source(job, self.allow_private) as (pixels, _):
                return LoadedPhoto(job, pixels)
        from pixio_hf.read_limits import MAX_IMAGE_BYTES

        copy = self.copies / hashlib.sha256(job.source.place.encode("utf-8", "surrogateescape")).hexdigest()
        if not copy.exists():
            copy.write_bytes(fetch(job.source.place, MAX_IMAGE_BYTES, self.allow_private))
        with open_fetched(copy.read_bytes(), job.source.shown) as image:
            return LoadedPhoto(job, read_pixels(image))

    def group(self, photo: LoadedPhoto) -> Hashable:
        """The size at which the model sees it."""
        height, width = photo.pixels.shape[-2:]
        return scaled_size(height, width, self.size, self.loaded.model.config.patch_size)

    def predict(self, photos: Sequence[LoadedPhoto]) -> list[Tensor]:
        """Tokens (h, w, D) of each photo."""
        return encode_photos(self.loaded, [photo.pixels for photo in photos], self.size)

    def write(self, photo: LoadedPhoto, result: Tensor) -> None:
        """Keep the tokens of a photo, as long as there is room."""
        if self.num_bytes < MAX_TOKEN_BYTES:
            self.tokens[photo.job.source.place] = result
            self._keep(result)

    def write_video(self, job: Job) -> None:
        """Keep the tokens of frames all over a video."""
        for frames in in_batches(sample_frames(job.source.place, NUM_SAMPLED_FRAMES), self.batch_size):
            for tokens in encode_photos(self.loaded, [frame.pixels() for frame in frames], self.size):
                self._keep(tokens)

    def _keep(self, tokens: Tensor) -> None:
        self.samples.append(tokens)
        self.num_bytes += tokens.numel() * tokens.element_size()


@dataclass
class DrawTask:
    """Draws photos and videos in colours that were found."""

    seeing: EncodeTask
    colors: FeatureColors
    settings: Mapping[str, Any]
    title: str = "pictures"

    @property
    def loaded(self) -> LoadedModel:
        """The model that predicts."""
        return self.seeing.loaded

    def read(self, job: Job) -> LoadedPhoto:
        """Pixels of a photo."""
        return self.seeing.read(job)

    def group(self, photo: LoadedPhoto) -> Hashable:
        """The size at which the model sees it; what was encoded already needs no company."""
        return None if photo.job.source.place in self.seeing.tokens else self.seeing.group(photo)

    def predict(self, photos: Sequence[LoadedPhoto]) -> list[np.ndarray]:
        """Colours (h, w, 3) of each photo."""
        kept = self.seeing.tokens.get(photos[0].job.source.place) if len(photos) == 1 else None
        return [self.colors.paint(each) for each in (self.seeing.predict(photos) if kept is None else [kept])]

    def write(self, photo: LoadedPhoto, result: np.ndarray) -> None:
        """Draw a photo beside its colours."""
        write_bytes(photo.job.targets[PICTURE], draw_features(photo.shrink(), result))

    def write_video(self, job: Job) -> None:
        """Draw each frame of a video beside its colours."""

        def draw(frames: list[VideoFrame]) -> list[np.ndarray]:
            photos = [frame.pixels() for frame in frames]
            height, width = panel_size(photos[0], 2)
            tokens = encode_photos(self.seeing.loaded, photos, self.seeing.size)
            return [
                join_panels(
                    [photo_panel(photo), upscale_colors(self.colors.paint(each), height, width)], height, width
                )
                for photo, each in zip(photos, tokens, strict=True)
            ]

        write_video(job, draw, {**self.settings, "colors": hash_colors(self.colors)}, self.seeing.batch_size)


def hash_colors(colors: FeatureColors) -> str:
    """What tells the colours of one call from those of another; equal ones differ by rounding only."""
    numbers = torch.cat((colors.mean[:, None], colors.directions), dim=1).numpy()
    return hashlib.sha256(np.round(numbers, 3).tobytes()).hexdigest()
