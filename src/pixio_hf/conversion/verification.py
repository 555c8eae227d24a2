# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Compare a written checkpoint with its source: every tensor bit for bit, and outputs with an independent forward."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from tqdm.auto import tqdm
from transformers import AutoModel
from transformers.utils import logging

from ..checkpoint_names import memory_to_hub_name
from ..configuration_pixio import PixioConfig
from ..modeling_pixio import PixioModel
from ..modeling_pixio_dense import PixioForDepthEstimation, PixioForSemanticSegmentation
from ..modeling_pixio_distillation import PixioForDistillation
from ..modeling_pixio_pretraining import PixioForPreTraining
from . import reference_forward
from .writing import ShardPlan, convert_tensor

# kind -> class of its whole model.
MODEL_CLASSES: dict[str, Any] = {
    "encoder": PixioModel,
    "pretraining": PixioForPreTraining,
    "distilled": PixioForDistillation,
    "depth": PixioForDepthEstimation,
    "segmentation": PixioForSemanticSegmentation,
}
# Outputs are computed for models of at most this many bytes in float32: up to H/16 with its decoder. Larger ones would
# not fit the small machines that conversion is meant for.
LARGEST_FORWARD = 3_000_000_000
# Largest difference of two float32 forwards, as a share of the largest output; rounding in 32 blocks stays below 1e-5.
TOLERANCE = 2e-4


def check_complete(kind: str, config: PixioConfig, tensors: Mapping[str, Tensor]) -> int:
    """Compare names and shapes with those of the model that the configuration describes; nothing is allocated.

    Args:
        tensors: under their official Hub names.

    Returns:
        Number of the model's parameters.

    Raises:
        ValueError: names tensors that are missing, unknown, or of another shape.
    """
    try:
        with torch.device("meta"):
            model = MODEL_CLASSES[kind](config)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"No {kind} model can be made of this configuration: {error}.") from error
    expected = {memory_to_hub_name(name): tensor.shape for name, tensor in model.state_dict().items()}
    problems = []
    if missing := [name for name in expected if name not in tensors]:
        problems.append(f"missing are {_shorten(missing)}")
    if unknown := [name for name in tensors if name not in expected]:
        problems.append(f"unknown are {_shorten(unknown)}")
    if reshaped := [
        f"{name} {tuple(tensor.shape)} instead of {tuple(expected[name])}"
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name]
    ]:
        problems.append(f"of another shape are {_shorten(reshaped)}")
    if problems:
        raise ValueError(
            f"The weights do not fit the {kind} model of this configuration: {'; '.join(problems)}. Is the file complete,"
            " and do --kind, --preset and --set describe it?"
        )
    return sum(parameter.numel() for parameter in model.parameters())


def find_non_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity; reads them once and needs no memory."""
    found = []
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel():
            # NaN passes through both, and a finite range has finite ends.
            smallest, largest = torch.aminmax(tensor)
            if not (smallest.isfinite() and largest.isfinite()):
                found.append(name)
    return found


def describe_non_finite(names: list[str], num_tensors: int) -> str:
    """Words for what find_non_finite found."""
    return f"{len(names)} of {num_tensors} tensors hold NaN or infinity ({_shorten(names)})"


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


def compare_outputs(
    folder: Path,
    kind: str,
    config: PixioConfig,
    reference_state: Mapping[str, Tensor],
    dtype: torch.dtype | None = None,
) -> dict[str, float]:
    """Re-open a written checkpoint and compare its outputs with reference_forward, in float32 on one random image.

    The encoder is opened through AutoModel, any larger model through its own class as well.

    Args:
        reference_state: the source's weights under the original's names.
        dtype: in which floating point weights were written, where they were converted.

    Returns:
        Largest absolute difference of each output.

    Raises:
        ValueError: an output differs by more than TOLERANCE times its largest value, or is not finite.
    """
    state = _FloatView(reference_state, dtype)
    generator = torch.Generator().manual_seed(0)
    side = config.image_size
    image = torch.randn(1, config.num_channels, side, side, generator=generator)
    noise = torch.rand(1, config.patch_grid_size**2, generator=generator)
    differences = {}
    with torch.inference_mode(), _quiet_transformers():
        prefix = "encoder." if kind in ("depth", "segmentation") else ""
        tokens = reference_forward.encode(state, image, config.num_attention_heads, prefix=prefix)[-1]
        expected = torch.cat((tokens.cls_norm, tokens.patch_norm), dim=1)
        del tokens
        actual = _open(AutoModel, folder)(image).last_hidden_state
        differences["last_hidden_state"] = _compare("last_hidden_state", actual, expected)
        if kind != "encoder":
            name, run, run_reference = _task_outputs(kind, config, state, image, noise)
            actual = run(_open(MODEL_CLASSES[kind], folder))
            differences[name] = _compare(name, actual, run_reference())
    return differences


def _task_outputs(
    kind: str, config: PixioConfig, state: Mapping[str, Tensor], image: Tensor, noise: Tensor
) -> tuple[str, Callable[[Any], Tensor], Callable[[], Tensor]]:
    """Name of the output of a task, how our model computes it, and how the reference does."""
    heads = config.num_attention_heads
    if kind == "pretraining":
        # Half the patches, one by one: fits every size, whatever the configuration says about masks.
        mask_grid, ratio = 1, 0.5 if noise.numel() > 1 else 0.0

        def predict_patches(model: Any) -> Tensor:
            model.config.mask_grid_size, model.config.mask_ratio = mask_grid, ratio
            return model(image, noise=noise).logits

        return (
            "logits",
            predict_patches,
            lambda: reference_forward.predict_patches(
                state, image, heads, config.decoder_num_attention_heads, noise, mask_grid, ratio
            ),
        )
    if kind == "distilled":
        return (
            "projected_hidden_states",
            lambda model: model(image).projected_hidden_states,
            lambda: reference_forward.project_tokens(state, image, heads),
        )
    # Before the sigmoid, which would hide differences where it saturates.
    return (
        "logits",
        lambda model: model.predict_logits(image)[0],
        lambda: reference_forward.predict_dense_logits(state, image, heads),
    )


def _open(opener: Any, folder: Path) -> Any:
    # Our classes, not remote code beside the weights, whatever the configuration names.
    return opener.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False).eval()


def _compare(name: str, actual: Tensor, expected: Tensor) -> float:
    if not (actual.isfinite().all() and expected.isfinite().all()):
        raise ValueError(
            f"Verification failed: {name} is not finite. The weights hold NaN or infinity, or values too large to compute"
            " with; --no-verify converts them all the same."
        )
    difference, largest = (actual - expected).abs().max().item(), expected.abs().max().item()
    if difference > TOLERANCE * max(largest, 1.0):
        raise ValueError(
            f"Verification failed: {name} of the converted model differs by {difference:.3g} from the source's, whose"
            f" largest value is {largest:.3g}. Was a field set that is not Pixio's, such as hidden_act or layer_norm_eps?"
        )
    return difference


class _FloatView(Mapping[str, Tensor]):
    """A state dict that hands out float32 tensors, rounded to `dtype` before, each converted when it is used."""

    def __init__(self, state: Mapping[str, Tensor], dtype: torch.dtype | None):
        self.state = state
        self.dtype = dtype

    def __getitem__(self, name: str) -> Tensor:
        return convert_tensor(name, self.state[name], self.dtype).float()

    def __iter__(self) -> Iterator[str]:
        return iter(self.state)

    def __len__(self) -> int:
        return len(self.state)


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without the list of head weights that an encoder does not use, and without a progress bar of loading."""
    verbosity = logging.get_verbosity()
    had_progress_bar = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_progress_bar:
            logging.enable_progress_bar()


def _shorten(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
