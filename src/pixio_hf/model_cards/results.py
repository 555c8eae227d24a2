# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers of the model cards: the paper's, which pixio-hf has not measured, and those measured on our own checkpoints."""

from dataclasses import dataclass

from huggingface_hub import EvalResult

from ..bundled import OFFICIAL

HELD_OUT_ROOMS = "512 rooms of seeds 20000000 to 20000511"


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


# ---- Published: "In Pursuit of Pixel Supervision for Visual Pre-training", arXiv 2512.15715 v1. Never our measurement.


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


PUBLISHED = {
    "pixio-b16": PublishedModel(*OFFICIAL["pixio-b16"], "64.0", "0.373", "45.5", "79.9"),
    "pixio-l16": PublishedModel(*OFFICIAL["pixio-l16"], "67.7", "0.286", "49.3", "81.7"),
    "pixio-h16": PublishedModel(*OFFICIAL["pixio-h16"], "63.2", "0.268", "50.2", "82.2"),
    "pixio-1b16": PublishedModel(*OFFICIAL["pixio-1b16"], "66.4", "0.247", "50.8", "82.5"),
    "pixio-5b16": PublishedModel(*OFFICIAL["pixio-5b16"], "68.4", "0.238", "50.2", "82.0"),
}
# The paper's other comparisons were made with H/16.
PUBLISHED_H16 = (
    ResultTable(
        "Table 1, metric depth with a frozen encoder",
        ("data, head", "RMSE (m)", "delta1 (%)"),
        (
            ("NYUv2, DPT", "0.268", "95.5"),
            ("NYUv2, linear", "0.366", "90.8"),
            ("KITTI, DPT", "2.210", "96.7"),
            ("KITTI, linear", "3.494", "90.3"),
        ),
    ),
    ResultTable(
        "Table 4, semantic segmentation with a frozen encoder, mIoU (%)",
        ("head", "ADE20K", "VOC", "LoveDA"),
        (("DPT", "53.6", "85.9", "54.7"), ("linear", "50.2", "82.2", "53.9")),
    ),
    ResultTable(
        "Table 2, zero-shot relative depth after training the whole model as Depth Anything V2 does (on DA-2K: 97.3)",
        ("data", "relative error", "delta1 (%)"),
        (
            ("NYU", "0.041", "98.0"),
            ("KITTI", "0.083", "93.4"),
            ("DIODE, indoor", "0.034", "98.6"),
            ("DIODE, outdoor", "0.075", "94.3"),
            ("Sintel", "0.535", "75.8"),
        ),
    ),
    ResultTable(
        "Table 3, reconstruction from two views with MapAnything",
        ("data", "scale rel", "points rel", "points tau", "pose auc5", "depth rel", "depth tau"),
        (
            ("ScanNet++ v2", "0.029", "0.041", "78.8", "80.5", "0.042", "72.4"),
            ("ETH3D", "0.160", "0.120", "51.3", "37.8", "0.080", "34.6"),
            ("TartanAirV2", "0.224", "0.185", "34.1", "38.4", "0.111", "26.7"),
        ),
    ),
)


def published_tables(name: str) -> list[ResultTable]:
    """The paper's tables about one of its sizes, "pixio-b16" to "pixio-5b16"."""
    return [PUBLISHED[name].table(), *(PUBLISHED_H16 if name == "pixio-h16" else ())]


# ---- Measured by us on held-out synthetic rooms; the commands stand in the cards.


@dataclass(frozen=True)
class DepthResult:
    """Metric depth of one model over HELD_OUT_ROOMS; rmse in metres."""

    delta1: float
    abs_rel: float
    rmse: float


FINE_TUNED_FROM_THIRD_STAGE = DepthResult(0.932, 0.100, 0.405)
BUNDLED_DEPTH = DepthResult(0.939, 0.096, 0.391)
FINE_TUNED_FROM_FIRST_STAGE = DepthResult(0.920, 0.104, 0.423)
FINE_TUNED_FROM_RANDOM = DepthResult(0.922, 0.103, 0.418)
FROZEN_PIXIO_TINY = DepthResult(0.867, 0.122, 0.506)
FROZEN_STAGE_2 = DepthResult(0.856, 0.127, 0.527)
FROZEN_RANDOM = DepthResult(0.809, 0.143, 0.596)
MEAN_DEPTH = DepthResult(0.388, 0.375, 1.323)

MASKED_PIXEL_LOSS = 0.406
MASKED_PIXEL_LOSS_STAGE_2 = 0.417
MASKED_PIXEL_LOSS_OF_MEAN_COLOR = 1.130


def depth_table(first_column: str, results: dict[str, DepthResult]) -> ResultTable:
    """Table of depth results; each label names what was measured."""
    rows = tuple(
        (label, f"{result.delta1:.3f}", f"{result.abs_rel:.3f}", f"{result.rmse:.3f}")
        for label, result in results.items()
    )
    return ResultTable("", (first_column, "delta1", "abs_rel", "rmse (m)"), rows)


def measured_results(name: str) -> list[EvalResult]:
    """What we measured on a bundled checkpoint, for the `model-index` of its card."""
    if name == "pixio-tiny-depth":
        return _depth_results("Metric depth from one image", BUNDLED_DEPTH)
    task = "Metric depth from one image, encoder frozen, DPT head trained for 600 steps"
    loss = _result(
        "image-feature-extraction",
        "Reconstruction of masked patches",
        "masked_pixel_loss",
        "mean squared error of masked pixels, ImageNet normalisation",
        MASKED_PIXEL_LOSS,
    )
    return [loss, *_depth_results(task, FROZEN_PIXIO_TINY)]


def _depth_results(task_name: str, result: DepthResult) -> list[EvalResult]:
    named = {"delta1": "delta1", "abs_rel": "absolute relative error", "rmse": "RMSE (m)"}
    return [
        _result("depth-estimation", task_name, metric, metric_name, getattr(result, metric))
        for metric, metric_name in named.items()
    ]


def _result(task: str, task_name: str, metric: str, metric_name: str, value: float) -> EvalResult:
    return EvalResult(
        task_type=task,
        task_name=task_name,
        dataset_type="synthetic-rooms",
        dataset_name=f"Synthetic rooms, held out ({HELD_OUT_ROOMS}, 128 x 128)",
        metric_type=metric,
        metric_name=metric_name,
        metric_value=value,
    )
