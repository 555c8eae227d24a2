# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Videos to frames: upright, with their times, past what is damaged. video_writing.py makes videos of pictures.

FFmpeg reads them, through PyAV. Times come from the file, so that a variable frame rate stays what it is.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from .listings import check_regular, show_path

VIDEO_ENDINGS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv")
USUAL_RATE = Fraction(25)  # frames per second where a file does not tell
BT709 = 1  # the number of high definition's colours in FFmpeg
_HIGHEST_RATE = 1000
_MISSING_SECONDS = 0.5  # files may announce that much more than they hold
_MISSING_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame; its pixels are converted when they are asked for.

    Args:
        index: from 0, of the frames that can be read.
        seconds: since the first frame; grows from frame to frame.
    """

    index: int
    seconds: float
    _decoded: Any
    _size: tuple[int, int]
    _quarter_turns: int

    def pixels(self) -> np.ndarray:
        """The frame upright: (3, H, W) uint8, the same size for all frames of a video."""
        height, width = self._size
        # Later frames of another size, and pixels that are not square, are scaled to what the first frame shows.
        # PyAV before 17 takes the colours of high definition for those of old television, unless both are named.
        colors = ("ITU709", "ITU601") if self._decoded.colorspace == BT709 else (None, None)
        picture = self._decoded.reformat(width, height, "rgb24", *colors).to_ndarray()
        return np.moveaxis(np.rot90(picture, self._quarter_turns), -1, 0)


class Video:
    """An open video; `open_video` makes it, and it is read once from its beginning."""

    def __init__(self, container: Any, path: str | os.PathLike) -> None:
        self._container, self._path = container, path
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate or USUAL_RATE
        self.rate: Fraction = rate if 0 < rate <= _HIGHEST_RATE else USUAL_RATE
        """Frames per second, on average."""
        self.num_damaged = 0
        """Parts that could not be read so far."""
        self.num_read = 0
        """Frames that could be read so far."""
        self._seconds = -1.0

    @property
    def announced_seconds(self) -> float:
        """Length that the file tells; 0 where it tells none."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return (self._container.duration or 0) / 1e6

    @property
    def announced_frames(self) -> int:
        """About how many frames there are; 0 where the file does not tell."""
        return self._stream.frames or round(self.announced_seconds * self.rate)

    def frames(self) -> Iterator[VideoFrame]:
        """All frames that can be read, in the order in which they are shown.

        Raises:
            ValueError: at the end, where there was none.
        """
        first_time, size, turns, last = None, (0, 0), 0, -1.0
        step = 1 / float(self.rate)
        for decoded in self._decode():
            if first_time is None:
                first_time = decoded.time or 0.0
                size, turns = self._shown_size(decoded), round(decoded.rotation / 90)
            time = decoded.time
            seconds = last + step if time is None and last >= 0 else max((time or first_time) - first_time, 0.0)
            if seconds <= last:  # damage, or a file whose times say nothing
                seconds = last + step
            last = self._seconds = seconds
            yield VideoFrame(self.num_read, seconds, decoded, size, turns)
            self.num_read += 1
        if not self.num_read:
            raise ValueError(f"{show_path(self._path)} holds no frame that can be read: it is damaged or cut off.")

    def describe_damage(self) -> str:
        """What could not be read, as a part of a sentence after all frames were; empty where nothing is missing."""
        reasons = []
        if self.num_damaged:
            reasons.append(f"{self.num_damaged} damaged part{'s' * (self.num_damaged > 1)} left out")
        end, announced = self._seconds + 1 / float(self.rate), self.announced_seconds
        if announced - end > max(_MISSING_SECONDS, _MISSING_SHARE * announced):
            reasons.append(f"it ends after {end:.1f} of {announced:.1f} seconds")
        return "; ".join(reasons)

    def _decode(self) -> Iterator[Any]:
        av = load_av()
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                self.num_damaged += 1
                packet = None
            if packet is None:
                return
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self.num_damaged += 1
                continue
            for frame in decoded:
                self.num_damaged += bool(frame.is_corrupt)
                yield frame

    def _shown_size(self, decoded: Any) -> tuple[int, int]:
        """Height and width before the turn, with square pixels."""
        aspect = self._stream.sample_aspect_ratio
        is_square = not aspect or not 0.1 < aspect < 10
        return decoded.height, decoded.width if is_square else max(1, round(decoded.width * aspect))


@contextmanager
def open_video(path: str | os.PathLike) -> Iterator[Video]:
    """Open a video file.

    Raises:
        ValueError: no regular file, not a video that FFmpeg reads, without pictures, or PyAV is missing.
    """
    av = load_av()
    check_regular(path)
    try:
        container = av.open(os.fspath(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ValueError(
            f"{show_path(path)} cannot be read as a video: it is damaged, cut off or in a format that is not known"
            f" ({' '.join(str(error).split())})."
        ) from error
    with container:
        if not container.streams.video:
            raise ValueError(f"{show_path(path)} holds no pictures.")
        yield Video(container, path)


def read_frames(path: str | os.PathLike) -> Iterator[VideoFrame]:
    """All frames of a video file that can be read. Raises ValueError as open_video does, and where there is no frame."""
    with open_video(path) as video:
        yield from video.frames()


def sample_frames(path: str | os.PathLike, num_frames: int) -> Iterator[VideoFrame]:
    """About `num_frames` frames spread over a video, the first among them; a few more where its length is not told.

    The whole video is decoded for it, since key frames are often ten seconds apart.

    Raises:
        ValueError: as of read_frames.
    """
    with open_video(path) as video:
        stride, num_chosen = max(1, video.announced_frames // num_frames), 0
        for frame in video.frames():
            if frame.index % stride == 0:
                yield frame
                num_chosen += 1
                if num_chosen % num_frames == 0:
                    stride *= 2


def in_batches(frames: Iterable[VideoFrame], batch_size: int) -> Iterator[list[VideoFrame]]:
    """Lists of up to batch_size frames that follow each other."""
    frames = iter(frames)
    while batch := list(islice(frames, batch_size)):
        yield batch


def load_av() -> Any:
    """PyAV. Raises ValueError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise ValueError("Videos need PyAV: pip install 'pixio-hf[video]'.") from error
    return av
