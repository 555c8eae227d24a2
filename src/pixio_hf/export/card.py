# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The card of an exported folder: how to open it, how far it is from torch, and the licence of its weights."""

from typing import Any

from ..bundled import hub_id
from ..configuration_pixio import PixioConfig
from ..model_cards.licences import inherited_licence
from ..model_cards.rendering import PSEUDO_LABELS_TAG, SYNTHETIC_TAG, card_metadata, name_base, read_tags, render_card
from ..model_cards.results import ResultTable


def render_exported_card(source: str, config: PixioConfig, record: dict[str, Any], folder_name: str) -> str:
    """Signed card of an export; tags of the source's card, such as `synthetic-data`, stay."""
    base = hub_id(source)
    repository, base_name = name_base(base)
    kept = [tag for tag in read_tags(base) if tag in (SYNTHETIC_TAG, PSEUDO_LABELS_TAG)]
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
            base_model=repository,
        ),
        inherits_licence=True,
        config=config,
        record=record,
        title=folder_name,
        folder=folder_name,
        base=base_name,
        licence=licence,
        differences=ResultTable("", ("output", "largest", "mean", "mean size of torch's numbers"), rows),
        versions=", ".join(f"{name} {number}" for name, number in record["versions"].items()),
    )
