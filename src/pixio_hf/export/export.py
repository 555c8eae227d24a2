# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Export a checkpoint for another runtime, verify it against torch, and only then let the folder appear."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..bundled import find_checkpoint
from ..checkpoint_files import EXPORT_RECORD, is_exported
from ..configuration_pixio import PixioConfig
from ..files import folder_in_progress, write_json, write_text
from ..image_processing_pixio import PixioImageProcessor
from ..quiet_loading import quiet_loading
from .card import render_exported_card
from .exported_model import RECORD_VERSION, PixioExportedModel
from .formats import check_opset, choose_format, require_packages
from .photographs import find_photographs, read_inputs
from .tasks import ExportedForward, ExportTask, choose_task
from .tracing import trace
from .verification import check_differences, compare

NUM_VERIFIED = 3
"""Photographs that an export is verified on."""
_HALF_IN_GRAPH = {"onnx": ("float16",), "torch": ("float16", "bfloat16")}
"""Formats whose graph holds the number format itself; OpenVINO's is float32, and its runtime converts."""


def export_model(
    model: str | Path,
    output_dir: str | Path,
    format: str = "onnx",
    dtype: str = "float32",
    task: str = "auto",
    calibration: str | Path | None = None,
    num_views: int | None = None,
    opset: int | None = None,
    max_difference: float | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a model as ONNX, OpenVINO or torch.export file, with its processor, configuration and card.

    Batches and image sizes stay open; reconstruction takes `num_views` views of the native size.

    Args:
        model: folder, Hub id or short name.
        output_dir: the folder to make; it appears when everything is written and verified.
        format: onnx, openvino or torch.
        dtype: float32, float16, bfloat16, int8 or int8-weights, as the format has them.
        task: encoder, backbone, depth, segmentation, classification or reconstruction; "auto": the checkpoint's own.
        calibration: folder of photographs, for int8; where given, its first ones are verified too.
        num_views: of a scene, for reconstruction; None: 2.
        opset: of ONNX.
        max_difference: share by which numbers may differ from torch's on average; None: by dtype.
        overwrite: replace `output_dir` if it is an export.

    Returns:
        What is noted in pixio_export.json: format, dtype, task, versions, and the differences from torch.

    Raises:
        ValueError: what cannot be exported so, a missing package, photographs or weights, or a failed verification.
    """
    chosen = choose_format(format, dtype)
    check_opset(chosen, opset)
    require_packages(chosen, dtype)
    if dtype == "int8" and calibration is None:
        raise ValueError(
            "dtype int8 needs calibration, a folder of photographs like those it will see; or int8-weights."
        )
    photos = find_photographs(None if calibration is None else Path(calibration).expanduser())
    target = Path(output_dir).expanduser()
    check_target(target, overwrite)
    source = find_checkpoint(str(model))
    if is_exported(source):
        raise ValueError(f"{model} is an exported folder already; export the checkpoint that it was made from.")
    config: PixioConfig = PixioConfig.from_pretrained(source)
    wanted = choose_task(config, task)
    views, size = choose_views(wanted, config, num_views)
    processor = load_processor(source, config)
    inputs = read_inputs(photos if dtype == "int8" else photos[:NUM_VERIFIED], processor, views, size)
    verified = verification_inputs(inputs[:NUM_VERIFIED], config, size)

    forward = load_forward(wanted, source, "float32")
    with torch.inference_mode():
        expected = [forward(images) for images in verified]
    if dtype in _HALF_IN_GRAPH.get(format, ()):
        forward = load_forward(wanted, source, dtype)
    program = trace(forward, config, views, size)
    del forward

    names = wanted.output_names(config)
    with folder_in_progress(target) as folder:
        check_target(target, overwrite)
        details = chosen.load().write(program, folder / chosen.file_name, names, dtype, inputs, opset)
        del program
        config.architectures = [wanted.model_class.__name__]
        config.save_pretrained(folder)
        processor.save_pretrained(folder)
        record = {
            "version": RECORD_VERSION,
            "format": format,
            "dtype": dtype,
            "task": wanted.name,
            "outputs": list(names),
            "num_views": views,
            "size": size,
            **details,
            "num_calibration_photos": len(inputs) if dtype == "int8" else 0,
            "versions": find_versions(*chosen.writing, *chosen.running),
        }
        write_json(folder / EXPORT_RECORD, record)
        exported = PixioExportedModel.from_pretrained(folder)
        differences = compare(names, expected, [exported.run(images) for images in verified])
        record["verification"] = check_differences(differences, dtype, max_difference)
        write_json(folder / EXPORT_RECORD, record)
        write_text(folder / "README.md", render_exported_card(source, config, record, target.name))
    return record


def check_target(target: Path, overwrite: bool) -> None:
    """Raise ValueError unless a folder can be made, or replaced, under that name."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not is_exported(target):
        raise ValueError(f"{target} exists and is no exported model; choose another output_dir.")
    if not overwrite:
        raise ValueError(f"{target} exists already. Pass --overwrite to replace it, or choose another output_dir.")


def choose_views(task: ExportTask, config: PixioConfig, num_views: int | None) -> tuple[int | None, Any]:
    """Number of views and (height, width) that the graph is fixed to; None and None for all but reconstruction.

    Raises:
        ValueError: views for a task of single images, or fewer than one.
    """
    if task.name != "reconstruction":
        if num_views is not None:
            raise ValueError(f"num_views is of reconstruction; a {task.name} model takes single images. Leave it out.")
        return None, None
    if num_views is not None and num_views < 1:
        raise ValueError(f"num_views must be at least 1, got {num_views}.")
    # Its head crops where the grid is odd, which a graph for every size cannot decide.
    return num_views or 2, (config.image_size, config.image_size)


def load_processor(source: str, config: PixioConfig) -> Any:
    """Image processor of a checkpoint, the default one at the model's native size where none is saved."""
    try:
        return PixioImageProcessor.from_pretrained(source)
    except OSError:
        return PixioImageProcessor.for_config(config)


def load_forward(task: ExportTask, source: str, dtype: str) -> ExportedForward:
    """The torch model, whole and in eval mode, as exporters want it.

    Raises:
        ValueError: weights are missing.
    """
    with quiet_loading():
        model, report = task.model_class.from_pretrained(
            source, dtype=getattr(torch, dtype), window_size=None, output_loading_info=True
        )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"{source!r} has no {task.needs} ({missing[0]} and more are missing): choose another task.")
    return ExportedForward(model.eval(), task).eval()


def verification_inputs(inputs: list[Tensor], config: PixioConfig, size: tuple[int, int] | None) -> list[Tensor]:
    """The images one by one, as one batch, and, where sizes are open, the first one at a size of its own."""
    batches = [*inputs, torch.cat(inputs)] if len({images.shape for images in inputs}) == 1 else list(inputs)
    if size is None:
        side = config.patch_size
        other = (config.image_size // side * side + side, config.image_size // side * side + 4 * side)
        batches.append(torch.nn.functional.interpolate(inputs[0], size=other, mode="bilinear"))
    return batches


def find_versions(*packages: str) -> dict[str, str]:
    """Versions of what wrote an export."""
    versions = {"python": platform.python_version()}
    for name in ("pixio-hf", "torch", "transformers", *packages):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # pixio-hf from its sources
            continue
    return versions
