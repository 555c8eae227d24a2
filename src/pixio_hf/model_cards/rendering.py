# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""From a template in templates/ to a signed card. What is not passed to a template is an error, never an empty space."""

import json
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .licences import LICENCES, Licence
from .signature import sign_card

PIPELINE_TAGS = {
    "encoder": "image-feature-extraction",
    "backbone": "image-feature-extraction",
    "classification": "image-classification",
    "pretraining": "image-feature-extraction",
    "distilled": "image-feature-extraction",
    "depth": "depth-estimation",
    "segmentation": "image-segmentation",
    "reconstruction": "image-to-3d",
}
# Of huggingface_hub's ModelCard.from_template this differs in that templates can include each other.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {
    "count": "{:,}".format,
    "score": "{:.3f}".format,
    "cells": lambda scores: " | ".join(f"{score:.3f}" for score in scores.values()),
    "quoted": lambda text: json.dumps(text, ensure_ascii=False),
}


SYNTHETIC_TAG = "synthetic-data"
"""Of models that have seen rendered pictures only."""
PSEUDO_LABELS_TAG = "pseudo-labels"
"""Of models that learnt from labels of photographs that another model made."""


def read_tags(folder: str | Path) -> list[str]:
    """Tags of the card in a folder; none where there is no card that can be read."""
    card = Path(folder) / "README.md"
    if not card.is_file():
        return []
    try:
        return list(ModelCard.load(card).data.get("tags") or [])
    except (OSError, ValueError, yaml.YAMLError):
        return []


def name_base(base_model: str | None) -> tuple[str | None, str | None]:
    """How a card names the model that another was made from: as a repository of the Hub (None: it is none), and in words.

    Of a folder only its own name is told, without its path on this machine.
    """
    if base_model is None:
        return None, None
    if Path(base_model).is_dir():
        return None, Path(base_model).resolve().name
    return (base_model if "/" in base_model else None), base_model


def card_metadata(kind: str, licence: Licence, *tags: str, **more: Any) -> ModelCardData:
    """Metadata of a card of a checkpoint of one of PIPELINE_TAGS."""
    licence_fields = {"license": licence.identifier, "license_name": licence.name, "license_link": licence.link}
    return ModelCardData(
        **licence_fields,
        library_name="transformers",
        pipeline_tag=PIPELINE_TAGS[kind],
        tags=["pixio", *tags],
        **more,
    )


def render_card(template: str, data: ModelCardData, *, inherits_licence: bool = False, **fields: Any) -> str:
    """Signed card from a template, its metadata and the fields that the template names. Errors as of validate_card."""
    card = str(ModelCard(_TEMPLATES.get_template(template).render(card_data=data.to_yaml(), **fields)))
    validate_card(card, inherits_licence)
    return sign_card(card)


def validate_card(text: str, inherits_licence: bool = False) -> None:
    """Check a card without the Hub: its metadata parse and are complete, and their values are among those the Hub knows.

    A licence that is inherited from another model is what that model's card says, whatever that is.

    Raises:
        ValueError: names every fault.
    """
    try:
        data = ModelCard(text).data.to_dict()
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ValueError(f"The metadata of the card cannot be read: {error}") from error
    faults = [f"{key} is missing" for key in ("license", "library_name", "pipeline_tag", "tags") if not data.get(key)]
    if data.get("library_name") not in (None, "transformers"):
        faults.append(f"library_name is {data['library_name']!r} instead of 'transformers'")
    if data.get("pipeline_tag") not in (None, *PIPELINE_TAGS.values()):
        faults.append(f"unknown pipeline_tag {data['pipeline_tag']!r}")
    if not inherits_licence and data.get("license") not in (None, "other", *LICENCES):
        faults.append(f"unknown license {data['license']!r}")
    if not inherits_licence and data.get("license") == "other":
        faults += [f"license other needs {key}" for key in ("license_name", "license_link") if not data.get(key)]
    if faults:
        raise ValueError(f"The card is not valid: {'; '.join(faults)}.")
