# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate`: open model and data, evaluate, write results.json, results.md, per_image.csv and pictures."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Subset
from tqdm.auto import tqdm

from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.depth_datasets import find_depth_protocol, open_depth_dataset
from pixio_hf.data.labelled.distance_classes import DISTANCE_CLASSES, DistanceClasses
from pixio_hf.data.labelled.image_labels import open_image_labels
from pixio_hf.data.labelled.segmentation_datasets import open_segmentation_dataset
from pixio_hf.evaluation.depth import evaluate_depth
from pixio_hf.evaluation.knn import evaluate_knn
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.evaluation.processes import join_processes, num_processes, process_index
from pixio_hf.evaluation.results import build_report, render_csv, render_json, render_markdown
from pixio_hf.evaluation.segmentation import evaluate_segmentation
from pixio_hf.metrics.knn import NUM_NEIGHBORS
from pixio_hf.modeling_pixio import PixioModel
from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation, PixioForSemanticSegmentation
from pixio_hf.shown_text import show_text
from pixio_hf.synthetic import SYNTHETIC_DATASETS
from pixio_hf.visualization.cases import load_matplotlib
from pixio_hf.visualization.worst_cases import draw_depth_evaluation, draw_segmentation_evaluation

from .files import check_targets, write_bytes
from .loading import LoadedModel, load_config, load_model

KINDS = ("best", "median", "worst")
PUBLISHED_PROTOCOLS = ("nyuv2", "kitti")
WINDOW_SIZE = 256  # SPEC 5.6
OnFailure = Callable[[str, Exception], None]
# (what to do with a picture that cannot be drawn) -> PNG of each kind.
DrawPictures = Callable[[OnFailure], dict[str, bytes]]


@dataclass(frozen=True)
class Request:
    """What all evaluations share: the model, where results go, and how many pictures of each kind are drawn."""

    model: str
    out: Path
    device: str = "auto"
    dtype: str = "float32"
    num_images: int | None = None
    num_pictures: int = 4
    overwrite: bool = False

    def check(self) -> None:
        """Raise ValueError for anything that would only come up when all the work is done; join other processes."""
        names = ("results.json", "results.md", "per_image.csv", *(f"{kind}.png" for kind in KINDS))
        check_targets([self.out / name for name in names], self.out, self.overwrite)
        check_writable(self.out)
        if self.num_pictures:
            load_matplotlib()
        self.load_config()
        join_processes()

    def load_config(self) -> Any:
        """Configuration of the model, before its weights are read."""
        return load_config(find_checkpoint(self.model))

    def load(self, model_class: Any, needs: str) -> LoadedModel:
        """The model, ready to predict."""
        return load_model(model_class, find_checkpoint(self.model), self.device, self.dtype, needs)

    def take(self, items: Any) -> Any:
        """The first `num_images` items, or all."""
        if self.num_images is None:
            return items
        if not 1 <= self.num_images <= len(items):
            raise ValueError(f"--num-images {self.num_images} must lie between 1 and the {len(items)} that there are.")
        return Subset(items, range(self.num_images))

    def settings(self, data: str, **more: Any) -> dict[str, Any]:
        """Settings for the report."""
        return {"model": self.model, "data": data, "dtype": self.dtype, **more}


def run_evaluate_depth(
    request: Request,
    data: str,
    split: str,
    options: PredictionOptions,
    window: str | None = None,
    protocol: str | None = None,
    split_file: Path | None = None,
    depth_scale: float | None = None,
    cache_dir: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a depth model and write the results; returns the report.

    Raises:
        ValueError: anything wrong with the request, the model or the data.
    """
    request.check()
    config = request.load_config()
    judged = find_depth_protocol(data, protocol)
    default = config.window_size or (WINDOW_SIZE if judged.name in PUBLISHED_PROTOCOLS else None)
    options = with_window(options, window, default)
    options.check(config.patch_size)
    items = open_depth_dataset(
        data,
        split,
        protocol=protocol,
        split_file=split_file,
        depth_scale=depth_scale,
        num_scenes=request.num_images or 512,
        image_size=config.image_size,
        cache_dir=None if cache_dir is None else str(cache_dir),
    )
    items = request.take(items)
    loaded = request.load(PixioForDepthEstimation, "depth head")
    # Synthetic scenes have no rules of their own.
    max_depth, rules = (config.max_depth, None) if data in SYNTHETIC_DATASETS else (judged.max_depth, judged.name)
    result = evaluate_depth(loaded.model, loaded.processor, items, options, max_depth=max_depth)
    if not result.metrics["num_images"]:
        raise ValueError(
            f"No image has 10 depths between {config.min_depth:g} m and {max_depth:g} m: check the unit (--depth-scale)."
        )
    settings = request.settings(data, split=split, protocol=rules, max_depth=max_depth, images=options.describe())
    report = build_report("depth", settings, result.metrics, result.seconds, num_processes())
    if process_index() == 0:

        def draw(on_failure: OnFailure) -> dict[str, bytes]:
            model, processor, count = loaded.model, loaded.processor, request.num_pictures
            return draw_depth_evaluation(model, processor, items, result.rows, options, max_depth, count, on_failure)

        write_results(request.out, report, result.rows, draw if request.num_pictures else None)
    return report


def run_evaluate_segmentation(
    request: Request,
    data: str,
    split: str,
    options: PredictionOptions,
    window: str | None = None,
    protocol: str | None = None,
    split_file: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a segmentation model and write the results; returns the report.

    Raises:
        ValueError: anything wrong with the request, the model or the data, also another number of classes.
    """
    request.check()
    config = request.load_config()
    options = with_window(options, window, config.window_size or WINDOW_SIZE)
    options.check(config.patch_size)
    # A folder of one's own has no names, the model may.
    names = [config.id2label[index] for index in range(config.num_labels)]
    if data in SYNTHETIC_DATASETS:
        if names != list(DISTANCE_CLASSES):
            raise ValueError(
                f"{data} has the classes {', '.join(DISTANCE_CLASSES)}; the model has {', '.join(names)}."
            )
        scenes = open_depth_dataset(data, split, num_scenes=request.num_images or 512, image_size=config.image_size)
        items, rules = DistanceClasses(scenes), None
    else:
        items, judged = open_segmentation_dataset(
            data, split, protocol=protocol, split_file=split_file, num_classes=config.num_labels
        )
        names, rules = (names if judged.name == "folder" else list(judged.class_names)), judged.name
    items = request.take(items)
    loaded = request.load(PixioForSemanticSegmentation, "segmentation head")
    result = evaluate_segmentation(loaded.model, loaded.processor, items, options)
    settings = request.settings(data, split=split, protocol=rules, images=options.describe())
    report = build_report("segmentation", settings, result.metrics, result.seconds, num_processes())
    if process_index() == 0:

        def draw(on_failure: OnFailure) -> dict[str, bytes]:
            model, processor, count = loaded.model, loaded.processor, request.num_pictures
            return draw_segmentation_evaluation(
                model, processor, items, result.rows, options, names, count, on_failure
            )

        write_results(request.out, report, result.rows, draw if request.num_pictures else None, names)
    return report


def run_evaluate_knn(
    request: Request, train: str, test: str, num_neighbors: Sequence[int] | None = None, batch_size: int = 128
) -> dict[str, Any]:
    """Evaluate an encoder by k-NN on two folders of class folders and write the results; returns the report.

    Without num_neighbors, those of the protocol that the training images suffice for (`choose_neighbors`).

    Raises:
        ValueError: anything wrong with the request, the model or the data, also a k above the training images.
    """
    request.check()
    train_items, names = open_image_labels(train, None)
    test_items, _ = open_image_labels(test, None, class_names=names)
    test_items = request.take(test_items)
    if num_neighbors is None:
        num_neighbors = choose_neighbors(train_items["label"])
    elif max(num_neighbors) > len(train_items):
        raise ValueError(
            f"--k {max(num_neighbors)} needs as many training images; there are {len(train_items)}. Give a smaller --k,"
            " or none to have it chosen."
        )
    loaded = request.load(PixioModel, "encoder")
    result = evaluate_knn(
        loaded.model,
        loaded.processor,
        train_items,
        test_items,
        num_neighbors,
        batch_size=batch_size,
        num_classes=len(names),
    )
    settings = request.settings(test, train=train, image_size=loaded.model.config.image_size, temperature=0.07)
    report = build_report("k-NN classification", settings, result.metrics, result.seconds, num_processes())
    if process_index() == 0:
        rows = [
            {
                "index": row["index"],
                "class": names[row["label"]],
                **{f"rank_k{k}": rank for k, rank in zip(num_neighbors, row["ranks"], strict=True)},
            }
            for row in result.rows
        ]
        write_results(request.out, report, rows)
    return report


def choose_neighbors(labels: Sequence[int]) -> list[int]:
    """The protocol's numbers of neighbours that a training set has images for, or one that suits a small set; says so.

    Below ten images it is the size of the smallest class: more would be voted down by the larger ones.
    """
    fitting = [k for k in NUM_NEIGHBORS if k <= len(labels)]
    chosen = fitting or [min(Counter(labels).values())]
    if len(fitting) < len(NUM_NEIGHBORS) and process_index() == 0:
        shown, asked = (", ".join(map(str, numbers)) for numbers in (chosen, NUM_NEIGHBORS))
        tqdm.write(f"k = {shown}: {len(labels)} training images are too few for all of {asked} (--k chooses).")
    return chosen


def with_window(options: PredictionOptions, window: str | None, default: int | None) -> PredictionOptions:
    """Options with the --window of a command: a number of pixels, "none" for the whole image, or the default."""
    if window is None:
        return replace(options, window_size=default)
    if window.lower() == "none":
        return replace(options, window_size=None)
    if not window.isdigit():
        raise ValueError(f"--window must be a number of pixels or none, got {window!r}.")
    return replace(options, window_size=int(window))


def write_results(
    out: Path,
    report: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    draw: DrawPictures | None = None,
    class_names: Sequence[str] = (),
) -> None:
    """Write the numbers, results.json last: where it is, they are whole. Then draw, which must not cost them.

    A picture that cannot be drawn or written is named in a warning and left out.
    """
    for kind in KINDS:
        # With --overwrite, a smaller evaluation must not leave pictures of the one before.
        (out / f"{kind}.png").unlink(missing_ok=True)

    def write_page(pictures: Sequence[str]) -> None:
        write_bytes(out / "results.md", render_markdown(report, pictures, class_names).encode())

    write_bytes(out / "per_image.csv", render_csv(rows).encode())
    write_page(())
    write_bytes(out / "results.json", render_json(report).encode())
    if draw is None:
        return

    def warn(kind: str, error: Exception) -> None:
        reason = show_text(" ".join(str(error).split()) or type(error).__name__, 300)
        tqdm.write(f"Warning: {kind}.png could not be drawn: {reason}. The results are whole.", file=sys.stderr)

    written = []
    for kind, content in draw(warn).items():
        try:
            write_bytes(out / f"{kind}.png", content)
            written.append(f"{kind}.png")
        except OSError as error:
            warn(kind, error)
    try:
        write_page(written)
    except OSError as error:
        tqdm.write(f"Warning: results.md names no pictures: {error}. The results are whole.", file=sys.stderr)


def check_writable(out: Path) -> None:
    """Raise ValueError where the results could not be written once all is computed."""
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out} cannot be written: {place} does not let you. Choose another folder.")


def summarize(report: dict[str, Any], out: Path) -> str:
    """The metrics in one line, and where the rest is."""
    shown = (
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in report["metrics"].items()
        if not isinstance(value, list) and not (name == "num_skipped" and value == 0)
    )
    return f"{', '.join(shown)}\nResults in {out}"
