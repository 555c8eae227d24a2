# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The mark by which a model card that nobody has edited is known: a comment at its end with the hash of what precedes it.

It is the last line because a card begins with its metadata, and a comment because readers of the page do not see it. Line
endings and blank ends do not count, so that git and editors that normalise them leave a card unedited.
"""

import hashlib
import re

_MARK = re.compile(r"<!-- pixio-hf card sha256:([0-9a-f]{64}) -->")


def sign_card(text: str) -> str:
    """Card with the mark of its text as last line; a mark that it carries already is replaced."""
    body = _normalise(_MARK.sub("", text))
    return f"{body}\n\n<!-- pixio-hf card sha256:{_hash(body)} -->\n"


def is_unedited_card(text: str) -> bool:
    """Whether a card ends with one mark, and the mark fits its text."""
    marks = list(_MARK.finditer(text))
    if len(marks) != 1 or text[marks[0].end() :].strip():
        return False
    return _hash(_normalise(text[: marks[0].start()])) == marks[0][1]


def _normalise(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
