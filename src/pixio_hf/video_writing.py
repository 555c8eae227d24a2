# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures to a video, frame by frame of another one, so that what was stopped can go on.

The frames are taken in parts of PART_FRAMES. Each part becomes a video of its own in a hidden folder beside the result,
written whole or not at all; at the end the parts are put one behind the other without encoding them again, the frames get
the times of the original, and the folder goes. A run that was stopped leaves its folder: the next one with the same video
and settings takes its finished parts over. Sound is left out.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from .files import file_in_progress, write_json
from .listings import show_path
from .videos import BT709, VideoFrame, in_batches, load_av, open_video

PART_FRAMES = 64
TICKS = 90_000  # per second, of the times in the result
# The first that this build of FFmpeg has: H.264 plays everywhere, MPEG-4 is in every build.
_ENCODERS = ("libx264", "libopenh264", "mpeg4")
# With its macroblock tree, x264 encodes equal pictures differently now and then.
_X264_OPTIONS = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}
_BITS_PER_PIXEL = 0.2  # of the others
_TV_RANGE = 1  # black is 16 and white 235, as players expect

Draw = Callable[[list[VideoFrame]], Sequence[np.ndarray]]


@dataclass(frozen=True)
class WrittenVideo:
    """What became of a video: frames in all, those taken over from a stopped run, and what could not be read, in words."""

    num_frames: int
    num_resumed: int
    damage: str


def draw_video(
    source: str | os.PathLike,
    target: str | os.PathLike,
    draw: Draw,
    settings: Mapping[str, Any],
    batch_size: int = 1,
    when_done: Callable[[int, int], object] | None = None,
) -> WrittenVideo:
    """Write an .mp4 with a picture for every frame of a video; an older file of that name is replaced.

    Args:
        draw: makes (H, W, 3) uint8 pictures of up to `batch_size` frames, all of one size.
        settings: what the pictures depend on beside the video, as JSON; parts made with others are not taken over.
        when_done: is told how many frames are done, and about how many there are (0: unknown).

    Raises:
        ValueError: the video cannot be read, another process writes `target`, PyAV is missing, or what `draw` raises.
    """
    source, target = Path(source), Path(target)
    folder = target.with_name(f".{target.name}.parts")
    with open_video(source) as video, file_in_progress(target) as partial:
        encoder = _choose_encoder()
        with _parts_folder(folder, {**_describe_source(source), **encoder, "settings": dict(settings)}):
            frames, times, parts, num_resumed = video.frames(), [], [], 0

            def note(frame: VideoFrame) -> VideoFrame:
                times.append(frame.seconds)
                if when_done is not None:
                    when_done(len(times), video.announced_frames)
                return frame

            while (first := next(frames, None)) is not None:
                part = map(note, chain([first], islice(frames, PART_FRAMES - 1)))
                parts.append(folder / f"{len(parts):06d}.mp4")
                if parts[-1].is_file():
                    num_resumed += sum(1 for _ in part)
                else:
                    pictures = chain.from_iterable(map(draw, in_batches(part, batch_size)))
                    _write_part(parts[-1], pictures, encoder["encoder"], video.rate)
            _join_parts(parts, partial, times, folder)
            damage = video.describe_damage()
        shutil.rmtree(folder)
    return WrittenVideo(len(times), num_resumed, damage)


def _describe_source(source: Path) -> dict[str, Any]:
    status = source.stat()
    return {"video": source.name, "bytes": status.st_size, "changed": status.st_mtime_ns}


def _choose_encoder() -> dict[str, str]:
    av = load_av()
    for name in _ENCODERS:
        if name in av.codecs_available:
            # Parts of two versions may not fit together.
            return {"encoder": name, "version": av.__version__}
    raise ValueError("This build of PyAV writes neither H.264 nor MPEG-4; install the one from PyPI: pip install av.")


@contextmanager
def _parts_folder(folder: Path, state: dict[str, Any]) -> Iterator[None]:
    """A folder of finished parts, emptied where they were made of something else; it stays when there are some."""
    state_file = folder / "state.json"
    try:
        is_ours = json.loads(state_file.read_bytes()) == json.loads(json.dumps(state))
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(state_file, state)
    try:
        yield
    except BaseException:
        if not any(folder.glob("*.mp4")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_part(path: Path, pictures: Iterable[np.ndarray], encoder: str, rate: Fraction) -> None:
    """Encode pictures at a constant rate, one key frame at the beginning, none that refers to a later one."""
    av = load_av()
    rate = rate.limit_denominator(1001)
    with file_in_progress(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        stream = None
        for picture in pictures:
            height, width = picture.shape[:2]
            if stream is None:
                stream = container.add_stream(encoder, rate=rate)
                stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
                context = stream.codec_context
                context.max_b_frames = 0  # so that frames lie in the file as they are shown
                context.color_range, context.colorspace = _TV_RANGE, BT709
                context.color_primaries = context.color_trc = BT709
                if encoder == "libx264":
                    context.options = _X264_OPTIONS
                else:
                    context.bit_rate = int(_BITS_PER_PIXEL * stream.height * stream.width * rate)
            # The encoders need even sides: the last row and column are repeated.
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if picture.shape[:2] != (stream.height, stream.width):
                raise ValueError(f"Pictures of one video must have one size, got {picture.shape[:2]} after others.")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        assert stream is not None, "a part has at least one frame"
        container.mux(stream.encode())


def _join_parts(parts: Sequence[Path], target: Path, times: Sequence[float], folder: Path) -> None:
    """Put parts one behind the other without encoding them again; each frame gets its time in seconds."""
    av = load_av()
    ticks: list[int] = []
    for seconds in times:
        ticks.append(max(round(seconds * TICKS), ticks[-1] + 1 if ticks else 0))
    index, out, extradata = 0, None, None
    options = {"movflags": "+faststart", "video_track_timescale": str(TICKS)}
    with av.open(str(target), "w", format="mp4", options=options) as container:
        for part in parts:
            with av.open(str(part)) as opened:
                stream = opened.streams.video[0]
                if out is None:
                    out, extradata = container.add_stream_from_template(stream), stream.codec_context.extradata
                if stream.codec_context.extradata != extradata:
                    raise _unfit(folder)
                for packet in opened.demux(stream):
                    if packet.size == 0:  # the end
                        continue
                    if index == len(ticks):
                        raise _unfit(folder)
                    following = ticks[index + 1] if index + 1 < len(ticks) else None
                    packet.pts = packet.dts = ticks[index]
                    packet.duration = following - ticks[index] if following else _last_step(ticks)
                    packet.time_base, packet.stream = Fraction(1, TICKS), out
                    container.mux(packet)
                    index += 1
    if index < len(ticks):
        raise _unfit(folder)


def _last_step(ticks: Sequence[int]) -> int:
    return ticks[-1] - ticks[-2] if len(ticks) > 1 else TICKS // 25


def _unfit(folder: Path) -> ValueError:
    return ValueError(
        f"The parts in {show_path(folder)} do not belong to one video any more. Remove that folder and start again."
    )
