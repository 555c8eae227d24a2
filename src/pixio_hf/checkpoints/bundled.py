# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The small checkpoints that travel inside the package."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def bundled_checkpoint(name: str) -> str:
    """Path of a bundled checkpoint, usable in any `from_pretrained`: "pixio-tiny" or "pixio-tiny-depth".

    Raises:
        ValueError: no such checkpoint; the message lists those that exist.
    """
    available = sorted(path.parent.name for path in ASSETS.glob("*/config.json"))
    if name not in available:
        raise ValueError(f"No bundled checkpoint {name!r}; there are: {', '.join(available) or 'none'}.")
    return str(ASSETS / name)
