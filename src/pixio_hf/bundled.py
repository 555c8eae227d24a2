# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The place that resolves model names: what a short name stands for. Imports the standard library only.

A short name means a local folder of that name, else the checkpoint inside the package, else the official repository.
`short_names` does the same inside transformers. `pixio-hf` runs this file alone, as importing the package loads torch.
"""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

ASSETS = Path(__file__).resolve().parent / "assets"


class OfficialModel(NamedTuple):
    """A repository of Meta's: a gated encoder."""

    hub_id: str
    millions: int  # of parameters


OFFICIAL = {
    "pixio-b16": OfficialModel("facebook/pixio-vitb16", 86),
    "pixio-l16": OfficialModel("facebook/pixio-vitl16", 303),
    "pixio-h16": OfficialModel("facebook/pixio-vith16", 631),
    "pixio-1b16": OfficialModel("facebook/pixio-vit1b16", 1362),
    "pixio-5b16": OfficialModel("facebook/pixio-vit5b16", 5441),
}


def list_bundled() -> list[str]:
    """Names of the checkpoints inside the package."""
    return sorted(path.parent.name for path in ASSETS.glob("*/config.json"))


def list_short_names() -> list[str]:
    """Every short name: bundled ones first, then the official ones by size."""
    return [*list_bundled(), *OFFICIAL]


def bundled_checkpoint(name: str) -> str:
    """Path of a bundled checkpoint, usable in any `from_pretrained`: "pixio-tiny", "pixio-tiny-depth", ...

    Raises:
        ValueError: no such checkpoint; the message lists those that exist.
    """
    available = list_bundled()
    if name not in available:
        raise ValueError(f"No bundled checkpoint {name!r}; there are: {', '.join(available) or 'none'}.")
    return str(ASSETS / name)


def resolve_name(name: object) -> str | None:
    """Bundled folder or Hub id of a short name; None for any other name, or if a local folder has that name.

    Only a plain string that is exactly a short name counts: not a Path, "owner/pixio-tiny" or "pixio-tiny/".
    """
    if not isinstance(name, str) or os.path.isdir(name):
        return None
    if name in OFFICIAL:
        return OFFICIAL[name].hub_id
    return str(ASSETS / name) if name in list_bundled() else None


def hub_id(source: str) -> str:
    """Hub id of an official short name, for functions that ask the Hub themselves; other names unchanged."""
    return OFFICIAL[source].hub_id if source in OFFICIAL and not os.path.isdir(source) else source


def find_checkpoint(name: str) -> str:
    """What to pass to `from_pretrained` for a name: an existing or bundled folder, an official short name, `owner/name`.

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
    if name in list_bundled():
        return bundled_checkpoint(name)
    if name in OFFICIAL or (name.count("/") == 1 and not name.startswith((".", "/", "~"))):
        return name
    near = difflib.get_close_matches(name, list_short_names(), n=1)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"No folder, Hub id (owner/name) or bundled checkpoint {name!r}.{suggestion} Short names are"
        f" {', '.join(list_short_names())}; `pixio-hf models` says more."
    )
