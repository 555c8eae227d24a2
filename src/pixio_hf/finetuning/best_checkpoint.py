# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The trained weights of a run's best evaluation, kept on disk through interruptions, and the model that they become."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..training.checkpointing import folder_of_run


class BestWeights:
    """Folder with the trained weights, and the metrics, of the best evaluation so far; frozen weights are not copied.

    In a distributed run the main process alone uses it.
    """

    def __init__(self, folder: str | Path, metric: str, greater_is_better: bool = True):
        self.folder, self.metric = Path(folder), metric
        self.sign = 1 if greater_is_better else -1

    def read(self) -> dict[str, Any] | None:
        """{"step", "metrics"} of the best evaluation; None where there was none."""
        file = self.folder / "evaluation.json"
        return json.loads(file.read_text()) if file.is_file() else None

    def offer(self, step: int, metrics: Mapping[str, Any], model: nn.Module) -> bool:
        """Keep the evaluated weights if they are the best so far; a metric that is NaN is never the best.

        Raises:
            ValueError: the metric is not among them.
        """
        if self.metric not in metrics:
            raise ValueError(f"There is no metric {self.metric!r}, only {', '.join(metrics)}.")
        best = self.read()
        value = metrics[self.metric]
        if math.isnan(value) or (best and self.sign * value <= self.sign * best["metrics"][self.metric]):
            return False
        state = {name: tensor.contiguous() for name, tensor in trained_state(model).items()}
        with folder_of_run(self.folder) as partial:
            save_file(state, partial / "weights.safetensors")
            evaluation = json.dumps({"step": step, "metrics": dict(metrics)}, indent=2)
            (partial / "evaluation.json").write_text(evaluation + "\n")
        return True

    @torch.no_grad()
    def load_into(self, model: nn.Module) -> None:
        """Give the model the kept weights.

        Raises:
            ValueError: the weights belong to another model, or to another choice of trained parts.
        """
        kept, state = load_file(self.folder / "weights.safetensors"), trained_state(model)
        wrong = sorted(
            name
            for name in kept.keys() | state.keys()
            if name not in kept or name not in state or kept[name].shape != state[name].shape
        )
        if wrong:
            raise ValueError(f"{self.folder} holds the weights of another run; it differs in {', '.join(wrong[:4])}.")
        for name, tensor in kept.items():
            state[name].copy_(tensor)


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that training changes: trainable parameters, and buffers such as running statistics."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def save_final_model(
    trained: Any,
    best: BestWeights,
    output_dir: str | Path,
    processor: Any,
    dtype: torch.dtype,
    write_card: Callable[[Any], str] | None = None,
) -> Any:
    """Write the weights of the best evaluation as OUTPUT_DIR/model, with the image processor; returns that model.

    The folder appears when it is complete, with a card if `write_card` makes one. Low-rank adapters are also written
    as OUTPUT_DIR/adapter, and merged into the weights of the model.
    """
    output_dir = Path(output_dir)
    best.load_into(trained)
    if hasattr(trained, "merge_and_unload"):
        with folder_of_run(output_dir / "adapter") as partial:
            trained.save_pretrained(partial)
        trained = trained.merge_and_unload()
    trained.to(dtype)
    with folder_of_run(output_dir / "model") as partial:
        trained.save_pretrained(partial)
        processor.save_pretrained(partial)
        if write_card is not None:
            (partial / "README.md").write_text(write_card(trained), encoding="utf-8")
    return trained
