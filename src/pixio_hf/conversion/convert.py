# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Turn a checkpoint of any origin into a folder for `from_pretrained`, in one call."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..configuration_pixio import PixioConfig
from ..hub.remote_code import write_remote_code
from ..image_processing_pixio import PixioImageProcessor
from ..model_cards.model_card import LICENCES, render_conversion_card
from .key_mapping import hub_to_reference_state, reference_to_hub_state
from .reading import SourceCheckpoint, read_checkpoint
from .recognition import recognize_config
from .report import build_report, hash_source, write_report
from .verification import (
    LARGEST_FORWARD,
    TOLERANCE,
    check_complete,
    compare_outputs,
    compare_tensors,
    describe_non_finite,
    find_non_finite,
)
from .writing import (
    ShardPlan,
    check_free_space,
    check_target,
    folder_in_progress,
    plan_shards,
    write_weights,
)


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

    Everything is written to a temporary folder beside `output_dir` and renamed when it is complete and verified.

    Args:
        source_path: what read_checkpoint takes: an original .pth, a safetensors file or folder.
        kind, prefix: as for read_checkpoint.
        preset, overrides: as for recognize_config.
        dtype: of the floating point weights; none keeps each tensor as it is.
        max_shard_size: size of a weight file, "5GB" or bytes.
        overwrite: replace an existing checkpoint folder.
        verify: refuse NaN and infinity; compare every written tensor, and outputs up to H/16, with the source.
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
    overrides = dict(overrides or {})
    source = read_checkpoint(source_path, kind=kind, prefix=prefix)
    config = recognize_config(source, preset=preset, overrides=overrides)
    tensors = to_official_names(source)
    num_parameters = check_complete(source.kind, config, tensors)
    plan = plan_shards(tensors, max_shard_size, dtype)
    check_free_space(target, plan.total_size)
    # read_checkpoint has made sure that all weights are of one type.
    config.dtype = dtype or next(iter(tensors.values())).dtype

    with folder_in_progress(target) as folder:
        check_target(target, source_path, overwrite)  # another process may have made it since
        non_finite = find_non_finite(tensors)
        if verify and non_finite:
            raise ValueError(
                f"{source_path} is not finite: {describe_non_finite(non_finite, len(tensors))}. Get another copy;"
                " --no-verify converts it all the same."
            )
        files = hash_source(source_path)
        config.save_pretrained(folder)
        build_processor(config).save_pretrained(folder)
        if with_code:
            write_remote_code(folder)
        write_weights(folder, tensors, plan, dtype)
        verification = verify_folder(folder, source, config, tensors, plan, dtype) if verify else {"method": "none"}
        report = build_report(
            source,
            config,
            files=files,
            preset=preset,
            overrides=overrides,
            num_tensors=len(tensors),
            num_parameters=num_parameters,
            total_size=plan.total_size,
            verification=verification,
            non_finite=non_finite,
        )
        write_report(folder, report)
        card = render_conversion_card(config, report, target.name, license=license)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return report


def to_official_names(source: SourceCheckpoint) -> dict[str, Tensor]:
    """The source's tensors under official Hub names, as views: nothing is read or copied."""
    return reference_to_hub_state(source.tensors) if source.naming == "original" else dict(source.tensors)


def build_processor(config: PixioConfig) -> PixioImageProcessor:
    """Image processor of the original's preprocessing at the model's native size."""
    return PixioImageProcessor(
        size={"height": config.image_size, "width": config.image_size},
        size_divisor=config.patch_size,
        patch_size=config.patch_size,
    )


def verify_folder(
    folder: Path,
    source: SourceCheckpoint,
    config: PixioConfig,
    tensors: Mapping[str, Tensor],
    plan: ShardPlan,
    dtype: torch.dtype | None,
) -> dict[str, Any]:
    """Compare a written folder with its source; returns what the report says about it. ValueError where they differ."""
    verification: dict[str, Any] = {
        "method": "tensors",
        "tensors_identical": compare_tensors(folder, tensors, plan, dtype),
    }
    if 4 * sum(tensor.numel() for tensor in tensors.values()) > LARGEST_FORWARD:
        verification["note"] = (
            f"Outputs were not computed: in float32 the model takes more than {LARGEST_FORWARD / 1e9:g} GB. Every tensor"
            " was read back and equals the source's in the written type, bit for bit."
        )
        return verification
    reference = source.tensors if source.naming == "original" else hub_to_reference_state(tensors)
    differences = compare_outputs(folder, source.kind, config, reference, dtype)
    return {
        **verification,
        "method": "tensors and outputs",
        "max_absolute_difference": max(differences.values()),
        "max_absolute_difference_of_outputs": differences,
        "relative_tolerance": TOLERANCE,
    }
