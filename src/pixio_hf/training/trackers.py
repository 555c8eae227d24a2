# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Where a run is logged to, through accelerate."""

from accelerate.tracking import get_available_trackers


def choose_tracker(name: str) -> str | None:
    """Tracker for accelerate's `log_with`: tensorboard, wandb, trackio or another that it knows; None for "none".

    Raises:
        ValueError: not installed, or unknown: accelerate would leave it out without a word.
    """
    installed = [tracker.value for tracker in get_available_trackers()]
    if name != "none" and name not in installed:
        raise ValueError(
            f"Cannot report to {name!r}: it is not installed (pip install 'pixio-hf[train]' brings tensorboard). There"
            f" are {', '.join([*installed, 'none'])}."
        )
    return None if name == "none" else name
