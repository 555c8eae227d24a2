# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How `check-data` says what it found: long lists cut, equal sentences once, options by the names that were typed."""

import re
from collections.abc import Sequence

MAX_SHOWN = 5
_SHOWN_IN_GROUP = 3
# What differs between sentences that say the same of several files: paths, file names and numbers.
_VARIABLE = re.compile(r"[^\s'\"(]*[/\\.][^\s'\",;:)]+|\d+")
_OPTIONS = (
    (re.compile(r"(?<![\w/.-])do_reduce_labels=True\b"), "--reduce-labels"),
    (re.compile(r"(?<![\w/.-])do_reduce_labels=False\b"), "--no-reduce-labels"),
    (re.compile(r"(?<![\w/.-])allow_outside=True\b"), "--allow-outside"),
    (re.compile(r"(?<![\w/.-])num_classes=(\d+)"), r"--num-classes \1"),
    (re.compile(r"(?<![\w/.-])num_classes\b"), "--num-classes"),
    (re.compile(r"(?<![\w/.-])depth_scale=([\d.e-]+\d)"), r"--depth-scale \1"),
    (re.compile(r"(?<![\w/.-])depth_scale\b"), "--depth-scale"),
    (re.compile(r"(?<![\w/.-])image_column\b"), "--image-column"),
    (re.compile(r"(?<![\w/.-])(label|depth)_column\b"), "--label-column"),
    (re.compile(r"use protocol 'folder'"), "pass --protocol folder"),
)


def list_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:MAX_SHOWN]) + (f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else "")


def name_options(text: str) -> str:
    """A message of the library with the command's options in place of Python's arguments."""
    for pattern, option in _OPTIONS:
        text = pattern.sub(option, text)
    return text


def group_equal(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    """Sentences of which those that differ in names and numbers only are said once, with a count and the first few.

    names: of the samples; they count as the same word wherever they occur.
    """
    known = set(names)
    groups: dict[str, list[str]] = {}
    for text in texts:
        words = " ".join("*" if word.rstrip(":,.;") in known else word for word in text.split(" "))
        groups.setdefault(_VARIABLE.sub("*", words), []).append(text)
    lines = []
    for group in groups.values():
        if len(group) <= _SHOWN_IN_GROUP:
            lines.extend(group)
            continue
        others = [found.group() for text in group[1:_SHOWN_IN_GROUP] if (found := _VARIABLE.search(text))]
        lines.append(f"{group[0]} The same for {len(group) - 1} more: {', '.join(others)} ...")
    return lines
