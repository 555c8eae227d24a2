# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Turn a checkpoint of any origin into a folder for `from_pretrained`, in one pass."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..files import folder_in_progress
from ..hub.remote_code import write_remote_code
from ..image_processing_pixio import PixioImageProcessor
from ..model_cards.model_card import LICENCES, render_conversion_card
from .reading import read_weights
from .recognition import recognize_model
from .report import build_report, hash_source, write_report
from .verification import compare_tensors, describe_non_finite, find_non_finite
from .writing import check_free_space, check_target, plan_shards, write_weights


def convert_checkpoint(
    source_path: str | Path,
    output_dir: str | Path,
    *,
    kind: str = "auto",
    prefix: str | None = None,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    max_shard_size: str | int = "5GB",
    overwrite: bool = False,
    verify: bool = True,
    with_code: bool = False,
    license: str | None = None,
) -> dict[str, Any]:
    """Convert a checkpoint to config.json, preprocessor_config.json, safetensors, README.md and conversion_report.json.

    Everything is written to a temporary folder beside `output_dir` and renamed when it is complete and verified. Tensors
    go from the mapped source to the shards; only a change of type holds one shard in memory.

    Args:
        source_path: an original .pth, a safetensors file, or a folder of them.
        kind, prefix, preset, overrides: as for recognize_model.
        dtype: of the floating point weights; none keeps each tensor as it is.
        max_shard_size: size of a weight file, "5GB" or bytes.
        overwrite: replace an existing checkpoint folder.
        verify: refuse NaN and infinity, and compare every written tensor with the source, bit for bit.
        with_code: add remote code, so that the result loads where pixio_hf is not installed.
        license: as for render_conversion_card: the Hub's identifier, for weights that do not come from Meta's.

    Returns:
        The content of conversion_report.json.

    Raises:
        ValueError: bad input, a target that must not be written or that another process is writing, too small a disk,
            weights that are NaN or infinite, or a failed verification.
    """
    source_path, target = Path(source_path).expanduser(), Path(os.path.abspath(Path(output_dir).expanduser()))
    check_target(target, source_path, overwrite)
    if dtype is not None and not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating point type such as torch.bfloat16, got {dtype}.")
    if license is not None and license not in LICENCES:
        raise ValueError(f"Unknown licence {license!r} (--license); expected one of {', '.join(sorted(LICENCES))}.")

    weights = read_weights(source_path)
    model = recognize_model(weights, kind=kind, prefix=prefix, preset=preset, overrides=overrides)
    tensors = model.load(weights)
    plan = plan_shards(tensors, max_shard_size, dtype)
    check_free_space(target, plan.total_size)
    # All weights are of one type, which recognize_model has checked.
    model.config.dtype = dtype or next(iter(tensors.values())).dtype

    with folder_in_progress(target) as folder:
        check_target(target, source_path, overwrite)  # another process may have made it since
        non_finite = find_non_finite(tensors)
        if verify and non_finite:
            raise ValueError(
                f"{source_path} is not finite: {describe_non_finite(non_finite, len(tensors))}. Get another copy;"
                " --no-verify converts it all the same."
            )
        files = hash_source(source_path)
        model.config.save_pretrained(folder)
        PixioImageProcessor.for_config(model.config).save_pretrained(folder)
        if with_code:
            write_remote_code(folder)
        write_weights(folder, tensors, plan, dtype)
        verification: dict[str, Any] = {"method": "none"}
        if verify:
            verification = {
                "method": "tensors",
                "tensors_identical": compare_tensors(folder, tensors, plan, dtype),
            }
        report = build_report(
            weights,
            model,
            files=files,
            preset=preset,
            overrides=overrides or {},
            num_tensors=len(tensors),
            total_size=plan.total_size,
            verification=verification,
            non_finite=non_finite,
        )
        write_report(folder, report)
        card = render_conversion_card(model.config, report, target.name, license=license)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return report
