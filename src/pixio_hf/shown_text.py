# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of files, models and classes made fit for terminals, pictures and Markdown. Pure functions.

Users' text may hold anything: matplotlib's $, line ends, bytes that are not UTF-8, characters that no font has.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

_LONGEST = 120
_MOST_NAMES = 5


def show_text(text: object, longest: int = _LONGEST) -> str:
    """One line that can be printed and stored as UTF-8: other characters as escapes, the middle of a long one left out."""
    # Python keeps bytes of names that are not UTF-8 as surrogates; they are shown as the bytes that they are.
    raw = str(text).encode("utf-8", "surrogateescape" if not _has_lone_surrogates(str(text)) else "backslashreplace")
    shown = raw.decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown)
    if len(shown) <= longest:
        return shown
    head = (longest - 3) // 2
    return f"{shown[:head]}...{shown[head + 3 - longest :]}"


def list_names(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    left_out = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {left_out} more" if left_out > 0 else "")


def plot_text(text: object, longest: int = _LONGEST) -> str:
    """Text for matplotlib, which takes $ for mathematics and hides labels that begin with an underscore.

    Characters that its font lacks become escapes, such as \\u7167.
    """
    shown = "".join(
        char if _has_glyph(char) else char.encode("unicode_escape").decode() for char in show_text(text, longest)
    )
    shown = show_text(shown, longest)
    return f"{' ' if shown.startswith('_') else ''}{shown}".replace("$", r"\$")


def markdown_text(text: object, longest: int = _LONGEST) -> str:
    """Text for Markdown pages and table cells, with all special characters escaped."""
    escaped = re.sub(r"([\\`*\[\]<>|])", r"\\\1", show_text(text, longest))
    # Inside a word, Markdown leaves underscores alone.
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", escaped)


def _has_lone_surrogates(text: str) -> bool:
    """Whether there are surrogates that do not stand for a byte."""
    return any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in text)


@lru_cache(maxsize=4096)
def _has_glyph(char: str) -> bool:
    if char.isascii():
        return True
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties())).get_char_index(ord(char)) != 0
