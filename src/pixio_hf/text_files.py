# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Text files: those that people write (lists, class names), with byte order marks and any line ends, and JSON objects."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .listings import check_regular, printable

_MARKS_OF_OTHER_ENCODINGS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_SHOWN = 120
MAX_JSON_BYTES = 16 * 2**20  # a configuration with 20,000 class names has 1 MB


def read_text_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line that is not empty, without its end; a byte order mark is left out.

    Lines end with \\n, \\r\\n or \\r and nothing else: JSON may hold the other characters that Python calls line ends.

    Raises:
        ValueError: there is no such regular file, or it is not UTF-8 text (named as file:line).
    """
    try:
        check_regular(path)
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{printable(path)} cannot be read: {error.strerror or error}.") from error
    if content.startswith(_MARKS_OF_OTHER_ENCODINGS):
        raise ValueError(f"{printable(path)}:1: is saved as UTF-16 or UTF-32; save it as UTF-8.")
    content = content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for number, line in enumerate(content.split(b"\n"), 1):
        if b"\0" in line:
            raise ValueError(
                f"{printable(path)}:{number}: holds NUL characters; if it is saved as UTF-16, save it as UTF-8."
            )
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{printable(path)}:{number}: is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}): save"
                " the file as UTF-8."
            ) from error
        if text.strip():
            yield number, text


def parse_json(text: str) -> Any:
    """Parse JSON text. Any damage raises ValueError, and nothing else."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def shorten_line(line: str) -> str:
    """A line for messages: quoted, cut if it is long."""
    return repr(line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}...")


def read_json_object(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
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
    """The object in a JSON text; `name` is what messages call its source.

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


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {twice[:80]!r} twice")
    return values
