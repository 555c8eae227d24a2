# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Videos in and out, for every command: with a progress bar, and going on after a stop."""

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from pixio_hf.video_writing import Draw, WrittenVideo, draw_video

from .result_plan import Job


def write_video(job: Job, draw: Draw, settings: Mapping[str, Any], batch_size: int) -> WrittenVideo:
    """Write the video of a job from pictures of its frames; says what was taken over, and what could not be read.

    Args:
        draw, settings: as of `pixio_hf.video_writing.draw_video`.
    """
    (target,) = job.targets.values()
    with tqdm(desc=job.source.shown, unit="frame", leave=False) as bar:

        def when_done(num_done: int, num_announced: int) -> None:
            bar.total = max(num_announced, num_done) if num_announced else None
            bar.update(num_done - bar.n)

        written = draw_video(job.source.place, target, draw, settings, batch_size, when_done)
    if written.num_resumed:
        num = f"{written.num_resumed} of {written.num_frames} frames"
        tqdm.write(f"{job.source.shown}: {num} were taken over from a run that was stopped.", file=sys.stderr)
    if written.damage:
        tqdm.write(f"{job.source.shown}: {written.damage}.", file=sys.stderr)
    return written
