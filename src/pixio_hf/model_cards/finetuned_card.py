# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Model cards of fine-tuned models: how they were trained, what they scored, and the licence that they inherit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import EvalResult

from ..bundled import hub_id
from ..configuration_pixio import PixioConfig
from .licences import inherited_licence
from .rendering import PIPELINE_TAGS, card_metadata, name_base, render_card
from .results import ResultTable

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
    """Shown above the results."""


def render_finetuned_card(config: PixioConfig, run: FineTuning, folder_name: str) -> str:
    """Signed card of a fine-tuned depth or segmentation model, with its scores in `model-index`.

    Args:
        folder_name: name under which the card's code opens the model.

    Raises:
        ValueError: another kind.
    """
    if run.kind not in _TASKS:
        raise ValueError(f"No card for {run.kind!r}; expected one of {', '.join(_TASKS)}.")
    is_relative = run.kind == "depth" and config.depth_estimation_type == "relative"
    task_name = "Relative depth from one image" if is_relative else _TASKS[run.kind]
    base_model = hub_id(run.base_model) if run.base_model else None
    repository, base = name_base(base_model)
    licence = inherited_licence(base_model)
    measured = {name: value for name, value in run.metrics.items() if isinstance(value, float)}
    evaluations = [
        EvalResult(
            task_type=PIPELINE_TAGS[run.kind],
            task_name=task_name,
            dataset_type=run.dataset.lower(),
            dataset_name=run.dataset,
            metric_type=name,
            metric_name=_UNITS.get(name, name),
            metric_value=float(f"{value:.3g}"),
        )
        for name, value in measured.items()
    ]
    settings = [(name, f"`{value}`") for name, value in run.settings.items() if value is not None]
    scores = [
        (_UNITS.get(name, name), *(f"{column[name]:.3g}" for column in (measured, *run.baselines.values())))
        for name in measured
    ]
    return render_card(
        "finetuned_card.md",
        card_metadata(
            run.kind,
            licence,
            "fine-tuned",
            base_model=repository,
            model_name=folder_name,
            eval_results=evaluations,
        ),
        inherits_licence=True,
        config=config,
        run=run,
        kind=run.kind,
        task=PIPELINE_TAGS[run.kind],
        task_name=task_name,
        title=folder_name,
        folder=folder_name,
        base=base,
        licence=licence,
        settings=ResultTable("", ("setting", "value"), tuple(settings)),
        scores=ResultTable("", ("metric", "value", *run.baselines), tuple(scores)),
    )
