# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Check folders from others: entries must lie inside, and the configuration must describe a Pixio model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .configuration_pixio import PixioConfig

EXPORT_RECORD = "pixio_export.json"
"""Beside an exported model: what it is, and in which format (pixio_hf.export)."""


def is_exported(folder: str | Path) -> bool:
    """Whether a folder holds a model that was exported for another runtime."""
    return (Path(folder) / EXPORT_RECORD).is_file()


def check_inside(folder: Path, names: Iterable[str], source: Path | None = None) -> None:
    """Refuse entries that are not regular files, or that link out of the folder; missing entries are fine.

    The Hub's cache, whose snapshots consist of links to its blobs, counts as inside.

    Args:
        source: the real folder, if `folder` is a copy made of links to its files.

    Raises:
        ValueError: names the entry and where it leads.
    """
    root = folder.resolve()
    allowed = [root, *([root.parents[1] / "blobs"] if root.parent.name == "snapshots" else [])]
    if source is not None:
        allowed.append(source.resolve())
    for name in names:
        entry = folder / name
        try:
            target = entry.resolve(strict=True)
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError, ValueError) as error:  # circular links, or an impossible file name
            raise ValueError(f"{folder} holds {name!r}, which cannot be opened ({error}).") from error
        if not any(parent in target.parents for parent in allowed):
            raise ValueError(
                f"{entry} is a link to {target}, outside of the folder. Put the file itself there if you trust it."
            )
        if not target.is_file():
            raise ValueError(f"{entry} is no regular file, so it was not opened.")


def check_config(values: dict[str, Any], name: str) -> PixioConfig:
    """The configuration that a checkpoint's config.json describes; `name` is what messages call the file.

    Raises:
        ValueError: not of a Pixio model, or with values that no Pixio model has.
    """
    if values.get("model_type") != "pixio":
        raise ValueError(f"{name} describes a {str(values.get('model_type'))[:80]!r} model, which is no Pixio model.")
    architectures = values.get("architectures")
    if not isinstance(architectures, list | None) or not all(type(item) is str for item in architectures or []):
        raise ValueError(f"{name}: architectures must be a list of names, not {str(architectures)[:80]}.")
    try:
        return PixioConfig.from_dict(dict(values))
    except Exception as error:  # wrong types make transformers raise almost anything
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise ValueError(f"{name} describes no model that can be made: {reason}") from error
