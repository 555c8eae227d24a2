# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Text files that people write (lists, metadata, class names): with byte order marks and any line ends. Pure reading."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .image_files import check_regular, printable

_MARKS_OF_OTHER_ENCODINGS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_SHOWN = 120


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
    """What a JSON text stands for. Raises ValueError, and nothing else, for whatever damage."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def shorten_line(line: str) -> str:
    """A line as it is shown in a message: quoted, the end of a long one left out."""
    return repr(line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}...")
