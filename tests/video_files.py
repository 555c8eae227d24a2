# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Small videos for tests, with every kind of trouble."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

COLORS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40))
"""Of the quarters of each frame: upper left, upper right, lower left, lower right."""


def frame_pixels(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8: four quarters of COLORS, which get lighter from frame to frame."""
    picture = np.empty((height, width, 3), np.uint8)
    rows, columns = (slice(0, height // 2), slice(height // 2, None)), (slice(0, width // 2), slice(width // 2, None))
    for quarter, color in enumerate(COLORS):
        picture[rows[quarter // 2], columns[quarter % 2]] = np.minimum(np.array(color) + index, 255)
    return picture


def write_video(
    path: Path,
    num_frames: int = 30,
    size: tuple[int, int] = (48, 64),
    rotation: int = 0,
    times: Sequence[float] | None = None,
    rate: int = 25,
    aspect: Fraction | None = None,
    codec: str = "mpeg4",
) -> Path:
    """A video of (height, width); `rotation` in degrees counter-clockwise, `times` in seconds where the rate varies."""
    import av

    options = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = (*size, "yuv420p")
        stream.codec_context.gop_size = 10
        stream.codec_context.bit_rate = 2_000_000
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(frame_pixels(index, *size), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[index]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if rotation:
        _turn(path, rotation)
    return path


def _turn(path: Path, rotation: int) -> None:
    """Write how an .mp4 is shown turned, in degrees counter-clockwise, as phones do: the matrix of its track header."""
    cosine, sine = round(np.cos(np.deg2rad(rotation))), round(np.sin(np.deg2rad(rotation)))
    one = 1 << 16
    matrix = (cosine * one, -sine * one, 0, sine * one, cosine * one, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    data[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
