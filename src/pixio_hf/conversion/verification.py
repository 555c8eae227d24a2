# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Whether weights are those of a model, before they are read, and whether what was written equals them, bit for bit."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from tqdm.auto import tqdm

from ..checkpoint_names import memory_to_hub_name
from ..configuration_pixio import PixioConfig
from ..modeling_pixio import PixioModel
from ..modeling_pixio_dense import PixioForDepthEstimation, PixioForSemanticSegmentation
from ..modeling_pixio_distillation import PixioForDistillation
from ..modeling_pixio_pretraining import PixioForPreTraining
from ..modeling_pixio_reconstruction import PixioForReconstruction
from ..safetensors_files import StoredTensor
from .key_mapping import hub_to_reference_state
from .writing import ShardPlan, convert_tensor

# kind -> class of its whole model.
MODEL_CLASSES: dict[str, Any] = {
    "encoder": PixioModel,
    "pretraining": PixioForPreTraining,
    "distilled": PixioForDistillation,
    "depth": PixioForDepthEstimation,
    "segmentation": PixioForSemanticSegmentation,
    "reconstruction": PixioForReconstruction,
}
DENSE_KINDS = ("depth", "segmentation")
_NUM_NAMED = 5


def check_model(kind: str, config: PixioConfig, stored: Mapping[str, StoredTensor], naming: str = "hub") -> int:
    """Compare names and shapes with those of the model that a configuration describes; nothing is allocated.

    Args:
        stored: by their names in `naming`, "original" or "hub".

    Returns:
        Number of the model's parameters.

    Raises:
        ValueError: names tensors that are missing, unknown, or of another shape. The message is the end of a sentence
            about the file.
    """
    try:
        with torch.device("meta"):
            model = MODEL_CLASSES[kind](config)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"holds no {kind} model that can be made: {error}") from error
    state = {memory_to_hub_name(name): tensor for name, tensor in model.state_dict().items()}
    expected = hub_to_reference_state(state) if naming == "original" else state
    noun = "dense" if kind in DENSE_KINDS else kind
    unknown, missing = sorted(stored.keys() - expected.keys()), sorted(expected.keys() - stored.keys())
    if unknown:
        also = f", and lacks {len(missing)} that it has ({missing[0]})" if missing else ""
        raise ValueError(
            f"has {len(unknown)} names that no Pixio {noun} model has: {list_names(unknown)}{also}. It is another model,"
            " or part of a larger one: then name what stands before its encoder's names with --prefix."
        )
    if missing:
        raise ValueError(
            f"lacks {len(missing)} of the {len(expected)} weights of a Pixio {noun} model: {list_names(missing)}. It is"
            " incomplete; download or save it again."
        )
    for name, tensor in expected.items():
        if stored[name].shape != tuple(tensor.shape):
            raise ValueError(
                f"has {name} of shape {stored[name].shape}, which does not fit its other weights: expected"
                f" {tuple(tensor.shape)}. It is another model, or damaged."
            )
    return sum(parameter.numel() for parameter in model.parameters())


def find_non_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity; reads them once and needs no memory."""
    found = []
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel():
            # NaN would show in both, and infinity is at one end of the range.
            smallest, largest = torch.aminmax(tensor)
            if not (smallest.isfinite() and largest.isfinite()):
                found.append(name)
    return found


def describe_non_finite(names: list[str], num_tensors: int) -> str:
    """Words for what find_non_finite found."""
    return f"{len(names)} of {num_tensors} tensors hold NaN or infinity ({list_names(names)})"


def compare_tensors(
    folder: Path, tensors: Mapping[str, Tensor], plan: ShardPlan, dtype: torch.dtype | None = None
) -> int:
    """Read every written tensor back and compare its bits with the source's; returns how many. One tensor in memory.

    Raises:
        ValueError: names the tensors that differ.
    """
    different, count = [], 0
    with tqdm(total=plan.total_size, desc="comparing", unit="B", unit_scale=True, delay=0.5) as progress:
        for file in plan.files:
            with safe_open(folder / file, "pt") as stored:
                for name in stored.keys():  # noqa: SIM118 - not a mapping
                    actual, expected = stored.get_tensor(name), convert_tensor(name, tensors[name], dtype)
                    if not same_bits(actual, expected):
                        different.append(name)
                    count += 1
                    progress.update(actual.nbytes)
    if different or count != len(tensors):
        raise ValueError(f"{count} of {len(tensors)} tensors were written; different from the source: {different}.")
    return count


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bits; NaN equals the same NaN, 0 is not -0."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(first.reshape(-1).view(torch.uint8), second.reshape(-1).view(torch.uint8))


def list_names(names: Iterable[str]) -> str:
    """The first few of many names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + more
