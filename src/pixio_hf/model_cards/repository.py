# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A card that was written for a local folder, as it has to read in a repository on the Hub."""

import re

from .signature import is_unedited_card, sign_card

_CODE = re.compile(r"^```python\n.*?^```", re.DOTALL | re.MULTILINE)
_LOADED = re.compile(r'(?<=from_pretrained\()"(?:[^"\\]|\\.)*"|(?<=model=)"(?:[^"\\]|\\.)*"')


def name_repository(text: str, repo_id: str) -> str:
    """The card with `owner/name` where its code opens the folder that it was made for, and in its title.

    Only cards that nobody has edited are changed: a person's text is the person's.
    """
    if not is_unedited_card(text):
        return text
    opened = {match[0] for code in _CODE.findall(text) for match in _LOADED.finditer(code)}
    named = _CODE.sub(lambda code: _LOADED.sub(f'"{repo_id}"', code[0]), text)
    for name in opened:
        named = named.replace(f"\n# {name[1:-1]}\n", f"\n# {repo_id}\n", 1)
    return text if named == text else sign_card(named)
