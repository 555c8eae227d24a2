# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Licences of weights: which one a card must state, and which one a model inherits from the weights it was trained from."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import ModelCard
from huggingface_hub.errors import EntryNotFoundError

from ..bundled import OFFICIAL

META_LICENCE = "fair-noncommercial-research-license"
# Licences that the Hub knows by these identifiers and that suit weights.
LICENCES = (
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nd-4.0",
    "openrail",
    "openrail++",
    "creativeml-openrail-m",
    "bigscience-openrail-m",
    "mpl-2.0",
    "gpl-3.0",
    "lgpl-3.0",
    "agpl-3.0",
    "unlicense",
)


@dataclass(frozen=True)
class Licence:
    """A licence as the metadata of a card state it."""

    identifier: str
    name: str | None = None
    link: str | None = None


def meta_licence(hub_id: str | None = None) -> Licence:
    """Meta's licence, as it lies beside one of Meta's models; H/16 where it is not known which."""
    return Licence("other", META_LICENCE, f"https://huggingface.co/{hub_id or OFFICIAL['pixio-h16'].hub_id}")


def is_metas(model: object) -> bool:
    """Whether the name of a model on the Hub is one of Meta's."""
    return str(model).lower().startswith("facebook/pixio")


def inherited_licence(base_model: str | None) -> Licence:
    """Licence of a model trained from `base_model`: that of its card; Meta's where it has none; ours for random weights.

    Nobody has said of weights of unknown origin that they are not Meta's.
    """
    if base_model is None:
        return Licence("apache-2.0")
    if is_metas(base_model):
        return meta_licence(base_model)
    try:
        path = Path(base_model)
        data = ModelCard.load(path / "README.md" if path.is_dir() else base_model).data
    except (OSError, ValueError, EntryNotFoundError, yaml.YAMLError):
        return meta_licence()
    identifier = data.get("license")
    if identifier == "other":
        return Licence("other", data.get("license_name") or META_LICENCE, data.get("license_link"))
    return Licence(identifier) if isinstance(identifier, str) else meta_licence()


def check_licence(card_path: Path, is_converted: bool) -> None:
    """Check that the card states a licence, and for weights that come from Meta's, Meta's licence.

    They count as Meta's if the card names one of Meta's models as base, or a conversion report lies in the folder.

    Raises:
        ValueError: no card, unreadable metadata, no licence, or another than Meta's weights must keep.
    """
    if not card_path.is_file():
        raise ValueError(f"{card_path} is missing: a model on the Hub needs a card that states its licence.")
    try:
        card = ModelCard.load(card_path)
    except Exception as error:  # huggingface_hub lets the YAML parser's own errors through
        raise ValueError(f"The metadata of {card_path} cannot be read: {error}") from error
    licence = card.data.get("license")
    if not licence:
        raise ValueError(f"{card_path} states no licence: add `license: ...` to the metadata between the --- lines.")
    bases = card.data.get("base_model") or []
    meta_base = next(filter(is_metas, [bases] if isinstance(bases, str) else bases), None)
    kept = licence == "other" and str(card.data.get("license_name", "")).startswith(META_LICENCE)
    if kept or not (meta_base or is_converted):
        return
    origin = f"come from {meta_base}" if meta_base else "were converted from an original file"
    hint = "" if meta_base else " If you trained them yourself, say so with --own-weights (own_weights=True)."
    raise ValueError(
        f"{card_path} states the licence {licence!r}, but the weights {origin}. Meta's weights keep their licence:"
        f" write `license: other` and `license_name: {META_LICENCE}` into the metadata.{hint}"
    )
