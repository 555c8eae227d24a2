# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Model cards of what the training scripts write, other than fine-tuned models: what was trained, on what, how it went."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundled import find_checkpoint, hub_id
from ..configuration_pixio import PixioConfig
from .licences import inherited_licence
from .rendering import PIPELINE_TAGS, card_metadata, name_base, render_card
from .results import ResultTable

_WHAT = {
    "pretraining": "Encoder and decoder of a masked autoencoder, pre-trained",
    "decoder": "Encoder as it was, and a decoder trained to reconstruct hidden patches,",
    "distilled": "Encoder distilled from a larger one,",
    "classification": "Linear classifier on a frozen encoder, trained",
    "reconstruction": "Points and cameras from several photos of one place, trained",
}
_TAGS = {"decoder": "pretraining"}
_USES = {
    "pretraining": "Image features, frozen or fine-tuned; reconstruction of masked images.",
    "decoder": "Reconstruction of masked images; the encoder's features are those of the model it came from.",
    "distilled": "Image features for dense prediction, retrieval and classification, frozen or fine-tuned.",
    "classification": "Telling images of the classes below apart.",
    "reconstruction": "Points and cameras from a few photos of one place, of the kind that it was trained on.",
}


@dataclass(frozen=True)
class TrainingRun:
    """What a card says about a run; settings that are None are left out."""

    kind: str
    """pretraining, decoder, distilled, classification or reconstruction."""
    base_model: str | None
    """Folder, Hub id or bundled name that training began with, or the teacher; None: random weights."""
    dataset: str
    """Data set as given; of a folder the last part alone is told."""
    settings: Mapping[str, Any]
    results: Mapping[str, Any]
    """The last numbers of the run, or those of its evaluation."""
    measured: str
    """What the results were measured on."""


def render_trained_card(config: PixioConfig, run: TrainingRun, folder_name: str) -> str:
    """Signed card of a trained model, with its settings and its last numbers.

    Args:
        folder_name: name under which the card's code opens the model.

    Raises:
        ValueError: another kind.
    """
    if run.kind not in _WHAT:
        raise ValueError(f"No card for {run.kind!r}; expected one of {', '.join(_WHAT)}.")
    base_model = hub_id(find_checkpoint(run.base_model)) if run.base_model else None
    repository, base = name_base(base_model)
    kind = _TAGS.get(run.kind, run.kind)
    settings = [(name, f"`{_without_folders(value)}`") for name, value in run.settings.items() if value is not None]
    numbers = [
        (name, f"{value:.4g}" if isinstance(value, float) else f"{value}")
        for name, value in run.results.items()
        if isinstance(value, int | float)
    ]
    licence = inherited_licence(base_model)
    return render_card(
        "trained_card.md",
        card_metadata(
            kind,
            licence,
            "trained",
            base_model=repository,
        ),
        inherits_licence=True,
        config=config,
        kind=kind,
        task=PIPELINE_TAGS[kind],
        title=folder_name,
        folder=folder_name,
        what=_WHAT[run.kind],
        use=_USES[run.kind],
        dataset=_without_folders(run.dataset),
        base=base,
        is_teacher=run.kind == "distilled",
        class_names=[str(name) for name in (config.id2label or {}).values()] if kind == "classification" else [],
        licence=licence,
        settings=ResultTable("", ("setting", "value"), tuple(settings)),
        results=ResultTable("", ("number", "value"), tuple(numbers)) if numbers else "",
        measured=run.measured,
    )


def write_trained_card(folder: Path, run: TrainingRun, folder_name: str) -> None:
    """Put the card of a run into the folder of a model. A card that cannot be made is no reason to lose the model."""
    try:
        (folder / "README.md").write_text(
            render_trained_card(PixioConfig.from_pretrained(folder), run, folder_name), encoding="utf-8"
        )
    except Exception as error:  # of the base model's own card, and of the Hub
        print(f"No model card: {error}")


def _without_folders(value: Any) -> Any:
    """A setting without the folders of this machine, which are nobody's business."""
    return Path(value).name if isinstance(value, str) and Path(value).exists() else value
