# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The small checkpoints that travel inside the package, and what a model name stands for."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def list_bundled() -> list[str]:
    """Names of the checkpoints inside the package."""
    return sorted(path.parent.name for path in ASSETS.glob("*/config.json"))


def bundled_checkpoint(name: str) -> str:
    """Path of a bundled checkpoint, usable in any `from_pretrained`: "pixio-tiny" or "pixio-tiny-depth".

    Raises:
        ValueError: no such checkpoint; the message lists those that exist.
    """
    available = list_bundled()
    if name not in available:
        raise ValueError(f"No bundled checkpoint {name!r}; there are: {', '.join(available) or 'none'}.")
    return str(ASSETS / name)


def find_checkpoint(name: str) -> str:
    """Folder or Hub id that a model name stands for: an existing folder, a bundled name, or `owner/name`.

    Raises:
        ValueError: none of them, or a folder that holds no configuration.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ValueError(f"The folder {name} is no checkpoint: it holds no config.json.")
        return str(path)
    if path.exists():
        raise ValueError(f"{name} is a file; name the folder of a checkpoint.")
    if (ASSETS / name / "config.json").is_file():
        return bundled_checkpoint(name)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return name
    bundled = ", ".join(list_bundled()) or "none"
    raise ValueError(f"No folder, Hub id (owner/name) or bundled checkpoint {name!r}; bundled are: {bundled}.")
