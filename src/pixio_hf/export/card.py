# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The card of an exported folder: how to open it, how far it is from torch, and the licence of its weights."""

from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard

from ..bundled import hub_id
from ..configuration_pixio import PixioConfig
from ..model_cards.licences import inherited_licence
from ..model_cards.rendering import card_metadata, render_card
from ..model_cards.results import ResultTable


def render_exported_card(source: str, config: PixioConfig, record: dict[str, Any], folder_name: str) -> str:
    """Signed card of an export; tags of the source's card, such as `synthetic-data`, stay."""
    base = hub_id(source)
    is_folder = Path(base).is_dir()
    kept = [tag for tag in read_tags(base) if tag == "synthetic-data"] if is_folder else []
    differences = record["verification"]["differences"].values()
    rows = tuple(
        (each["name"], f"{each['largest']:.3g}", f"{each['mean']:.3g}", f"{each['size']:.3g}") for each in differences
    )
    return render_card(
        "exported_card.md",
        card_metadata(
            record["task"],
            licence := inherited_licence(base),
            record["format"],
            *kept,
            base_model=None if is_folder else base,
        ),
        inherits_licence=True,
        config=config,
        record=record,
        title=folder_name,
        folder=folder_name,
        base=Path(base).resolve().name if is_folder else base,
        licence=licence,
        differences=ResultTable("", ("output", "largest", "mean", "mean size of torch's numbers"), rows),
        versions=", ".join(f"{name} {number}" for name, number in record["versions"].items()),
    )


def read_tags(folder: str) -> list[str]:
    """Tags of the card in a folder; none where there is no card that can be read."""
    try:
        return list(ModelCard.load(Path(folder) / "README.md").data.get("tags") or [])
    except (OSError, ValueError, yaml.YAMLError):
        return []
