# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a fine-tuning run leaves in its output folder: its settings, adapters, the final model, the metrics."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..training.checkpointing import replace_folder
from .best_checkpoint import BestWeights


def check_same_run(output_dir: str | Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new run; refuse a folder that holds a run with other ones, which could not be continued.

    Raises:
        ValueError: names the settings that differ.
    """
    file = Path(output_dir, "settings.json")
    wanted = json.loads(json.dumps(settings))
    if file.is_file():
        found = json.loads(file.read_text())
        if differing := sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name)):
            changes = ", ".join(f"{name}: {found.get(name)} -> {wanted.get(name)}" for name in differing)
            raise ValueError(f"{output_dir} holds another run ({changes}). Choose another --output_dir.")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, wanted)


def save_final_model(
    trained: Any,
    best: BestWeights,
    output_dir: str | Path,
    processor: Any,
    dtype: torch.dtype,
    write_card: Callable[[Any], str] | None = None,
) -> Any:
    """Write the weights of the best evaluation as OUTPUT_DIR/model, with the image processor; returns that model.

    The folder appears when it is whole, with the card (of the model) where one is given. Low-rank adapters are written as
    OUTPUT_DIR/adapter too, and merged into the weights of the model.
    """
    output_dir = Path(output_dir)
    best.load_into(trained)
    if hasattr(trained, "merge_and_unload"):
        partial = empty_folder(output_dir / "partial-adapter")
        trained.save_pretrained(partial)
        replace_folder(partial, output_dir / "adapter")
        trained = trained.merge_and_unload()
    trained.to(dtype)
    partial = empty_folder(output_dir / "partial-model")
    trained.save_pretrained(partial)
    processor.save_pretrained(partial)
    if write_card is not None:
        (partial / "README.md").write_text(write_card(trained), encoding="utf-8")
    replace_folder(partial, output_dir / "model")
    return trained


def empty_folder(folder: Path) -> Path:
    """The folder, without what an interrupted run may have left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_json(file: Path, content: Any) -> None:
    """Write JSON under a temporary name and rename it."""
    partial = file.with_name(f"partial-{file.name}")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, file)
