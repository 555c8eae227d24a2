# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers of the model cards, from results.json: the paper's, which pixio-hf has not measured, and ours.

`paper` holds what "In Pursuit of Pixel Supervision for Visual Pre-training" (arXiv 2512.15715 v1) prints, as it prints it;
the rest is about our own checkpoints, how they were trained and what was measured on held-out synthetic rooms with the
commands that stand in the cards.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult

from ..bundled import OFFICIAL
from ..text_files import read_json_object

RESULTS: dict[str, Any] = read_json_object(Path(__file__).with_name("results.json"))
_ROOMS = RESULTS["rooms"]
HELD_OUT_ROOMS = (
    f"{_ROOMS['num_held_out']} rooms of seeds {_ROOMS['first_held_out']} to"
    f" {_ROOMS['first_held_out'] + _ROOMS['num_held_out'] - 1}"
)


@dataclass(frozen=True)
class ResultTable:
    """Rows of a Markdown table, as they are printed; an empty title gives the table alone."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        head, *body = (f"| {' | '.join(cells)} |" for cells in (self.columns, *self.rows))
        table = "\n".join([head, "|---" * len(self.columns) + "|", *body])
        return f"{self.title}:\n\n{table}" if self.title else table


@dataclass(frozen=True)
class PublishedModel:
    """A row of the paper's Table 8; its KITTI column is left out because its unit is not that of Table 1."""

    hub_id: str
    millions: int
    knn: str
    nyuv2_rmse: str
    ade20k_miou: str
    voc_miou: str

    @property
    def original_file(self) -> str:
        """Name of the original weight file."""
        return self.hub_id.split("/")[1].replace("-", "_") + ".pth"

    def table(self) -> ResultTable:
        rows = (
            ("k-NN classification, k = 10", "accuracy (%)", self.knn),
            ("NYUv2 metric depth, DPT head", "RMSE (m)", self.nyuv2_rmse),
            ("ADE20K segmentation, linear head", "mIoU (%)", self.ade20k_miou),
            ("VOC segmentation, linear head", "mIoU (%)", self.voc_miou),
        )
        return ResultTable("Table 8 of the paper", ("task", "metric", "published"), rows)


PUBLISHED = {name: PublishedModel(*OFFICIAL[name], **row) for name, row in RESULTS["paper"]["table_8"].items()}
# The paper's other comparisons were made with H/16.
PUBLISHED_H16 = tuple(
    ResultTable(table["title"], tuple(table["columns"]), tuple(map(tuple, table["rows"])))
    for table in RESULTS["paper"]["tables_of_h16"]
)


def published_tables(name: str) -> list[ResultTable]:
    """The paper's tables about one of its sizes, "pixio-b16" to "pixio-5b16"."""
    return [PUBLISHED[name].table(), *(PUBLISHED_H16 if name == "pixio-h16" else ())]


class PublishedDepth(NamedTuple):
    """RMSE in metres and delta1 in percent, as the paper prints them; delta1 is None where it gives none."""

    rmse: str
    delta1: str | None


def find_published_depth(hub_id: str, data: str, head_type: str) -> PublishedDepth | None:
    """The paper's depth of a checkpoint of the Hub with a frozen encoder, or None where it has none (Tables 1 and 8).

    Args:
        data: "NYUv2" or "KITTI".
        head_type: "dpt" or "linear".
    """
    # The checkpoints that Pixio is compared with are those of the names and sizes in Table 1.
    table_1 = {PUBLISHED["pixio-h16"].hub_id: PUBLISHED_H16[0].rows, **RESULTS["paper"]["table_1_of_others"]}
    if hub_id in table_1:
        setting = f"{data}, {'DPT' if head_type == 'dpt' else head_type}"
        return next(PublishedDepth(rmse, delta1) for name, rmse, delta1 in table_1[hub_id] if name == setting)
    for model in PUBLISHED.values():
        if model.hub_id == hub_id and (data, head_type) == ("NYUv2", "dpt"):
            return PublishedDepth(model.nyuv2_rmse, None)
    return None


SCENE_METRICS = {
    "points_rel": "relative error of points",
    "points_tau": "points within 3 % (percent)",
    "pose_auc_5": "pose AUC at 5 degrees (percent)",
    "depth_rel": "relative error of depth",
    "scale_rel": "relative error of the metric scale",
}
"""Of the first row of RESULTS["pixio-tiny-3d"]["table"], the model itself; the rows after it are baselines."""


def measured_results(name: str) -> list[EvalResult]:
    """What we measured on a bundled checkpoint, for the `model-index` of its card."""
    if name == "pixio-tiny-3d":
        scores, first = RESULTS[name]["table"][0], _ROOMS["first_held_out"]
        rooms = f"{RESULTS[name]['num_held_out']} rooms from seed {first} on"
        return [
            _result("image-to-3d", "3D reconstruction from two views", key, metric, float(scores[key]), rooms)
            for key, metric in SCENE_METRICS.items()
        ]
    task, model, losses = "Metric depth from one image", "pixio_tiny_depth", []
    size = RESULTS["pixio-tiny-depth"]["second_run"]["crop_size"]
    if name == "pixio-tiny":
        size = _ROOMS["image_size"]
        task += f", encoder frozen, DPT head trained for {RESULTS['pixio-tiny-depth']['frozen_steps']} steps"
        model = "frozen_pixio_tiny"
        metric = ("masked_pixel_loss", "mean squared error of masked pixels, ImageNet normalisation")
        value = RESULTS["masked_pixel_loss"]["pixio_tiny"]["rooms"]
        losses = [_result("image-feature-extraction", "Reconstruction of masked patches", *metric, value)]
    names = {"delta1": "delta1", "abs_rel": "absolute relative error", "rmse": "RMSE (m)"}
    scores = RESULTS["depth"][model]
    return losses + [
        _result("depth-estimation", task, key, names[key], value, size=size) for key, value in scores.items()
    ]


def _result(
    task: str,
    task_name: str,
    metric: str,
    metric_name: str,
    value: float,
    rooms: str = "",
    size: int = _ROOMS["image_size"],
) -> EvalResult:
    return EvalResult(
        task_type=task,
        task_name=task_name,
        dataset_type="synthetic-rooms",
        dataset_name=f"Synthetic rooms, held out ({rooms or HELD_OUT_ROOMS}, {size} x {size})",
        metric_type=metric,
        metric_name=metric_name,
        metric_value=value,
    )
