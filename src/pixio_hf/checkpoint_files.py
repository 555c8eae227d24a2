# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files of a checkpoint folder that somebody else may have made: regular ones inside it, of a sane size and content."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .configuration_pixio import PixioConfig

MAX_CONFIG_BYTES = 16 * 2**20  # a configuration that names 20,000 classes has one


def check_inside(folder: Path, names: Iterable[str], source: Path | None = None) -> None:
    """Refuse entries of a folder that are no regular files, or links to somewhere else; entries that are missing are fine.

    The Hub's cache, whose snapshots consist of links to its blobs, counts as inside.

    Args:
        source: folder of which `folder` is a copy made of links.

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
        except (OSError, RuntimeError, ValueError) as error:  # a circle of links, or a name that no file can have
            raise ValueError(f"{folder} holds {name!r}, which cannot be opened ({error}).") from error
        if not any(parent in target.parents for parent in allowed):
            raise ValueError(
                f"{entry} is a link to {target}, outside of the folder. Put the file itself there if you trust it."
            )
        if not target.is_file():
            raise ValueError(f"{entry} is no regular file, so it was not opened.")


def read_json_object(path: Path, max_bytes: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: no regular file, larger than `max_bytes`, or whatever parse_json_object refuses.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no regular file.")
    try:
        if path.stat().st_size > max_bytes:
            raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than any file of its kind needs.")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_json_object(content, str(path))


def parse_json_object(content: bytes | str, name: str) -> dict[str, Any]:
    """The object in a JSON text; `name` says in messages where it stood.

    Raises:
        ValueError: not UTF-8, no JSON, nested too deeply, no object, or an object that names a key twice.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("it begins with a byte order mark, which transformers does not read; save it without")
        values = json.loads(text, object_pairs_hook=_refuse_repeated_keys)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no UTF-8 text (byte {error.start}).") from error
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deeply to be read.") from error
    except ValueError as error:
        raise ValueError(f"{name} is no JSON: {str(error)[:200]}.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{name} holds a {type(values).__name__} instead of an object.")
    return values


def check_config(values: dict[str, Any], name: str) -> PixioConfig:
    """The configuration that a checkpoint's config.json describes; `name` says in messages where it stood.

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


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {twice[:80]!r} twice")
    return values
