# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which cards a person has edited, and what may be done with the others.

A card that nobody has edited is known by a mark: a comment at its end with the hash of what precedes it. It is the last
line because a card begins with its metadata, and a comment because readers of the page do not see it. Line endings and
blank ends do not count, so that git and editors that normalise them leave a card unedited.
"""

import hashlib
import re

from huggingface_hub import ModelCard, ModelCardData

_MARK = re.compile(r"<!-- pixio-hf card sha256:([0-9a-f]{64}) -->")
_CODE = re.compile(r"^```python\n.*?^```", re.DOTALL | re.MULTILINE)
_LOADED = re.compile(r'(?<=from_pretrained\()"(?:[^"\\]|\\.)*"|(?<=model=)"(?:[^"\\]|\\.)*"')
# What transformers writes into the card of a model that has none.
DEFAULT_DESCRIPTION = (
    "This is the model card of a 🤗 transformers model that has been pushed on the Hub. This model card has been"
    " automatically generated."
)


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


def is_replaceable_card(text: str) -> bool:
    """Whether a card is one of ours as it was written, only metadata, or the one that transformers writes for any model."""
    if is_unedited_card(text):
        return True
    try:
        body = ModelCard(text).text.strip()
    except Exception:  # unreadable metadata: a person was here
        return False
    default = ModelCard.from_template(ModelCardData(), model_description=DEFAULT_DESCRIPTION).text.strip()
    return body in ("", default)


def name_repository(text: str, repo_id: str) -> str:
    """The card with `owner/name` in its title and in its code, instead of the folder that it was made for.

    Only cards that nobody has edited are changed.
    """
    if not is_unedited_card(text):
        return text
    opened = {match[0] for code in _CODE.findall(text) for match in _LOADED.finditer(code)}
    named = _CODE.sub(lambda code: _LOADED.sub(f'"{repo_id}"', code[0]), text)
    for name in opened:
        named = named.replace(f"\n# {name[1:-1]}\n", f"\n# {repo_id}\n", 1)
    return text if named == text else sign_card(named)


def _normalise(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
