# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Model cards of fine-tuned models: how they were trained, what they scored, and the licence that they inherit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

from ..bundled import hub_id
from ..configuration_pixio import PixioConfig
from ..hub.folder import META_LICENCE
from .model_card import validate_card
from .results import PUBLISHED, ResultTable
from .signature import sign_card
from .texts import PIPELINE_TAGS, usage_code

_TEMPLATE = Path(__file__).with_name("finetuned_card_template.md")
_TASKS = {"depth": "Metric depth from one image", "segmentation": "Semantic segmentation"}
_UNITS = {"rmse": "RMSE (m)", "mean_iou": "mean IoU (%)", "pixel_accuracy": "pixel accuracy (%)"}


@dataclass(frozen=True)
class FineTuning:
    """What a card says about a run; metrics that are no float, and settings that are None, are left out."""

    kind: str
    """depth or segmentation."""
    base_model: str | None
    """Folder or Hub id that training began with; None: random weights."""
    dataset: str
    """Name of the data set, without folders."""
    metrics: Mapping[str, float]
    settings: Mapping[str, Any]
    protocol: str
    """How it was evaluated."""
    num_training_images: int | None = None
    """Where it is known."""
    baselines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Metrics of predictions that look at no image, by their names."""
    warning: str = ""
    """Said above the results."""


@dataclass(frozen=True)
class Licence:
    """A licence as the metadata of a card state it."""

    identifier: str
    name: str | None = None
    link: str | None = None


# What weights of unknown origin are taken to have: nobody has said that they are not Meta's.
META = Licence("other", META_LICENCE, f"https://huggingface.co/{PUBLISHED['pixio-h16'].hub_id}")


def inherited_licence(base_model: str | None) -> Licence:
    """Licence of a model trained from `base_model`: that of its card; Meta's where it has none; ours for random weights."""
    if base_model is None:
        return Licence("apache-2.0")
    if base_model.lower().startswith("facebook/pixio"):
        return Licence("other", META_LICENCE, f"https://huggingface.co/{base_model}")
    try:
        path = Path(base_model)
        data = ModelCard.load(path / "README.md" if path.is_dir() else base_model).data
    except (OSError, ValueError, EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError):
        return META
    identifier = data.get("license")
    if identifier == "other":
        return Licence("other", data.get("license_name") or META_LICENCE, data.get("license_link"))
    return Licence(identifier) if isinstance(identifier, str) else META


def render_finetuned_card(config: PixioConfig, run: FineTuning, folder_name: str) -> str:
    """Signed card of a fine-tuned depth or segmentation model, with its scores in `model-index`.

    Args:
        folder_name: name under which the card's code opens the model.

    Raises:
        ValueError: another kind, or a base model whose licence the Hub does not know.
    """
    if run.kind not in _TASKS:
        raise ValueError(f"No card for {run.kind!r}; expected one of {', '.join(_TASKS)}.")
    base_model = hub_id(run.base_model) if run.base_model else None
    licence = inherited_licence(base_model)
    base = _public_name(base_model)
    measured = {name: value for name, value in run.metrics.items() if isinstance(value, float)}
    data = ModelCardData(
        license=licence.identifier,
        license_name=licence.name,
        license_link=licence.link,
        library_name="transformers",
        pipeline_tag=PIPELINE_TAGS[run.kind],
        tags=["pixio", "fine-tuned"],
        base_model=base if base == base_model and base and "/" in base else None,
        model_name=folder_name,
        eval_results=[
            EvalResult(
                task_type=PIPELINE_TAGS[run.kind],
                task_name=_TASKS[run.kind],
                dataset_type=run.dataset.lower(),
                dataset_name=run.dataset,
                metric_type=name,
                metric_name=_UNITS.get(name, name),
                metric_value=float(f"{value:.3g}"),
            )
            for name, value in measured.items()
        ],
    )
    settings = tuple((name, f"`{value}`") for name, value in run.settings.items() if value is not None)
    scores = tuple(
        (
            _UNITS.get(name, name),
            f"{value:.3g}",
            *(f"{values[name]:.3g}" for values in run.baselines.values()),
        )
        for name, value in measured.items()
    )
    columns = ("metric", "value", *run.baselines)
    warning = f"**Warning:** {run.warning}\n\n" if run.warning else ""
    started = f"Training began with {base}." if base else "Training began with random weights."
    if run.num_training_images is not None:
        started += f" It saw {run.num_training_images:,} training images."
    head = f"{config.head_type} head, {config.num_hidden_layers} blocks of width {config.hidden_size}"
    card = ModelCard.from_template(
        data,
        template_path=str(_TEMPLATE),
        title=folder_name,
        summary=f"{_TASKS[run.kind]}: Pixio, {head}, fine-tuned on {run.dataset} with pixio-hf.",
        code=usage_code(run.kind, folder_name, config),
        training=f"{started}\n\n{ResultTable('', ('setting', 'value'), settings)}",
        results=f"{warning}On the validation split of {run.dataset}; {run.protocol}.\n\n"
        f"{ResultTable('', columns, scores)}",
        limits=_describe_limits(run.kind, config),
        base=base,
        licence=licence.identifier,
        licence_name=licence.name,
        licence_link=licence.link,
    )
    validate_card(str(card))
    return sign_card(str(card))


def _public_name(base_model: str | None) -> str | None:
    """A folder's own name, without where it lies on this machine."""
    return Path(base_model).resolve().name if base_model and Path(base_model).is_dir() else base_model


def _describe_limits(kind: str, config: PixioConfig) -> str:
    what = (
        f"Depths lie between {config.min_depth:g} and {config.max_depth:g} metres."
        if kind == "depth"
        else f"It knows {config.num_labels} classes."
    )
    return f"{what} The scores hold for images like those of the validation split, not for others."
