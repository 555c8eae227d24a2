# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate depth --relative`: depth up to scale and shift, and which of two points is nearer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .evaluate import take_first

PAIRS_FILE = "annotations.json"  # DA-2K


@dataclass(frozen=True)
class RelativeRequest:
    """The options of the command."""

    model: str
    source: str
    data: str
    out: Path
    split: str
    split_file: Path | None
    protocol: str | None
    depth_scale: float | None
    num_images: int | None
    batch_size: int
    flip_test: bool
    num_pictures: int
    cache_dir: Path | None
    truth_range: str | None
    clip_range: str | None
    by_source: bool
    device: str
    dtype: str


def evaluate_relative(request: RelativeRequest, config: Any) -> dict[str, Any]:
    """Evaluate, write the results, and return the report.

    Raises:
        ValueError: options that make no sense, or no image with depth that counts.
    """
    from pixio_hf.data.labelled.zero_shot_layouts import PointPairs
    from pixio_hf.evaluation.prediction import PredictionOptions
    from pixio_hf.evaluation.processes import num_processes, process_index
    from pixio_hf.evaluation.relative_depth import evaluate_point_pairs, evaluate_relative_depth
    from pixio_hf.evaluation.result_files import OnFailure, write_results
    from pixio_hf.evaluation.results import build_report
    from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation
    from pixio_hf.visualization.worst_cases import draw_depth_evaluation

    from .loading import load_model

    options = PredictionOptions(None, batch_size=request.batch_size, flip_test=request.flip_test)
    settings = {"model": request.model, "data": request.data, "dtype": request.dtype}
    is_pairs = (Path(request.data) / PAIRS_FILE).is_file()
    if is_pairs:
        items, rules, name = PointPairs(Path(request.data)), None, "DA-2K"
    else:
        items, rules, name = open_items(request, config)
        settings |= {"split": request.split, "truth_range": f"{rules.min_depth:g} to {rules.max_depth:g} m"}
        settings["clip_range"] = f"{rules.clip[0]:g} to {rules.clip[1]:g} m" if rules.clip else "that of the truth"
    items = take_first(items, request.num_images)
    overrides = {} if config.depth_estimation_type == "relative" else {"window_size": None, "window_stride": None}
    loaded = load_model(
        PixioForDepthEstimation, request.source, request.device, request.dtype, "depth head", **overrides
    )
    if rules is None:
        result = evaluate_point_pairs(loaded.model, loaded.processor, items, options)
    else:
        result = evaluate_relative_depth(
            loaded.model, loaded.processor, items, options, rules, by_source=request.by_source
        )
        if not result.metrics["num_images"]:
            raise ValueError(
                f"No image has 10 depths between {rules.min_depth:g} m and {rules.max_depth:g} m: check the unit"
                " (--depth-scale)."
            )
    settings |= {"protocol": name, "depth": "up to scale and shift", "images": options.describe()}
    report = build_report("relative depth", settings, result.metrics, result.seconds, num_processes())

    def draw(on_failure: OnFailure) -> dict[str, bytes]:
        assert rules is not None
        return draw_depth_evaluation(
            loaded.model,
            loaded.processor,
            items,
            result.rows,
            options,
            rules.max_depth,
            request.num_pictures,
            on_failure,
            rules,
        )

    if process_index() == 0:
        write_results(request.out, report, result.rows, draw if request.num_pictures and rules is not None else None)
    return report


def open_items(request: RelativeRequest, config: Any) -> tuple[Any, Any, str]:
    """Images with depth, what of it counts, and the name of the protocol."""
    from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
    from pixio_hf.data.labelled.depth_protocols import find_depth_protocol
    from pixio_hf.evaluation.relative_depth import RelativeRules
    from pixio_hf.synthetic import find_scene_set

    is_rendered = find_scene_set(request.data) is not None
    judged = find_depth_protocol(request.data, request.protocol)
    given = (config.min_depth, config.max_depth) if is_rendered else (judged.min_depth, judged.max_depth)
    near, far = parse_range("--truth-range", request.truth_range) or given
    clip = parse_range("--clip-range", request.clip_range)
    rules = RelativeRules(near, far, clip, None if is_rendered else judged.relative_crop)
    items = open_depth_dataset(
        request.data,
        request.split,
        protocol=request.protocol,
        split_file=request.split_file,
        depth_scale=request.depth_scale,
        num_scenes=request.num_images or 512,
        image_size=config.image_size,
        cache_dir=None if request.cache_dir is None else str(request.cache_dir),
        relative=True,
    )
    return items, rules, request.data if is_rendered else judged.name


def parse_range(option: str, text: str | None) -> tuple[float, float] | None:
    """Two numbers of metres between commas.

    Raises:
        ValueError: anything else.
    """
    if text is None:
        return None
    try:
        near, far = (float(part) for part in text.split(","))
    except ValueError:
        near = far = float("nan")
    if not 0 < near < far < float("inf"):
        raise ValueError(f"{option} must be two numbers of metres such as 0.3,10, got {text!r}.")
    return near, far
