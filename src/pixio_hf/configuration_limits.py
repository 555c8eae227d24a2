# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What each field of a configuration may hold. Absurd values are refused before they can take memory."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeGuard, TypeVar

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers.activations import ACT2FN

ConfigType = TypeVar("ConfigType")

MAX_WIDTH = 65_536
MAX_LAYERS = 1_000
# Whole numbers: field -> smallest and largest value.
WHOLE_NUMBERS = {
    "hidden_size": (1, MAX_WIDTH),
    "num_hidden_layers": (1, MAX_LAYERS),
    "num_attention_heads": (1, 4096),
    "mlp_ratio": (1, 64),
    "num_channels": (1, 4096),
    "image_size": (1, 16_384),
    "patch_size": (1, 4096),
    "n_cls_tokens": (1, 4096),
    "decoder_hidden_size": (1, MAX_WIDTH),
    "decoder_num_hidden_layers": (1, MAX_LAYERS),
    "decoder_num_attention_heads": (1, 4096),
    "mask_grid_size": (1, 4096),
    "fusion_hidden_size": (1, 8192),
    "projection_size": (1, MAX_WIDTH),
    "window_size": (1, MAX_WIDTH),
    "window_stride": (1, MAX_WIDTH),
    "semantic_loss_ignore_index": (-(2**31), 2**31),
    "num_labels": (0, 1_000_000),
    "view_hidden_size": (1, MAX_WIDTH),
    "view_num_hidden_layers": (1, MAX_LAYERS),
    "view_num_attention_heads": (1, 4096),
    "reconstruction_fusion_hidden_size": (2, 8192),
    "pose_hidden_size": (1, 8192),
    "scale_hidden_size": (1, 8192),
}
OPTIONAL = ("projection_size", "window_size", "window_stride", "num_labels")
# Lists of sizes: field -> how many, smallest and largest of them.
SIZE_LISTS = {
    "neck_hidden_sizes": (4, 1, 8192),
    "view_taps": (2, 0, MAX_LAYERS),
    "reconstruction_neck_hidden_sizes": (4, 1, 8192),
    "geometric_dense_hidden_sizes": (3, 1, 8192),
    "geometric_global_hidden_sizes": (3, 1, 8192),
}
FLAGS = (
    "use_geometric_inputs",
    "qkv_bias",
    "apply_layernorm",
    "reshape_hidden_states",
    "norm_pix_loss",
    "output_attentions",
    "return_dict",
)
KINDS = {str: "names", int: "whole numbers"}
LISTS = {"out_features": str, "out_indices": int, "stage_names": str, "architectures": str}  # None for none
DICTIONARIES = ("id2label", "label2id")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
# Numbers in [0, 1).
RATES = ("drop_path_rate", "hidden_dropout_prob", "attention_probs_dropout_prob", "mask_ratio", "depth_loss_trim")
# Numbers above 0: field -> largest value.
POSITIVE_NUMBERS = {"layer_norm_eps": 1.0, "initializer_range": 100.0}
DEPTHS = ("min_depth", "max_depth")  # that min < max is checked by validate_heads
MAX_PARAMETERS = 200e9  # of all blocks of the encoder, or of the decoder; the largest Pixio has 5.4e9
MAX_GRID_SIZE = 1024  # patches of a side
MAX_NESTING = 32  # of dictionaries and lists in a configuration file


def check_field(name: str, value: Any) -> None:
    """Refuse a value that a field cannot hold; unknown names are accepted.

    Raises:
        ValueError: names the field and its limit.
    """
    if value is None and name in OPTIONAL:
        return
    if name in ("image_size", "patch_size") and isinstance(value, list | tuple):
        raise ValueError(f"{name} must be one number (Pixio's images and patches are square), got {_shorten(value)}.")
    if name in WHOLE_NUMBERS:
        _check_whole(name, value, *WHOLE_NUMBERS[name])
    elif name in RATES:
        if not (_is_number(value) and 0 <= value < 1):
            raise ValueError(f"{name} must lie in [0, 1), got {_shorten(value)}.")
    elif name in POSITIVE_NUMBERS:
        if not (_is_number(value) and 0 < value <= POSITIVE_NUMBERS[name]):
            raise ValueError(f"{name} must be above 0 and at most {POSITIVE_NUMBERS[name]:g}, got {_shorten(value)}.")
    elif name in DEPTHS:
        if not _is_number(value):
            raise ValueError(f"{name} must be a number of metres, got {_shorten(value)}.")
    elif name in SIZE_LISTS:
        _check_sizes(name, value, *SIZE_LISTS[name])
    elif name == "hidden_act":
        if not isinstance(value, str) or value not in ACT2FN:
            raise ValueError(
                f"hidden_act must be an activation that transformers knows, such as gelu, got {_shorten(value)}."
            )
    elif name in ("dtype", "torch_dtype"):
        _check_dtype(name, value)
    elif name in FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False, got {_shorten(value)}.")
    elif name == "output_hidden_states":
        if not isinstance(value, int):  # True and False are integers
            _check_list(name, value, int)
    elif name in LISTS:
        _check_list(name, value, LISTS[name])
    elif name in DICTIONARIES:
        if value is not None and (not isinstance(value, dict) or len(value) > WHOLE_NUMBERS["num_labels"][1]):
            raise ValueError(f"{name} must be a dictionary of labels, got {_shorten(value)}.")
    elif name == "problem_type":
        if value is not None and value not in PROBLEM_TYPES:
            raise ValueError(f"problem_type must be one of {', '.join(PROBLEM_TYPES)}, got {_shorten(value)}.")
    elif name == "attn_implementation":
        if value is not None and not isinstance(value, str | dict):
            raise ValueError(f"attn_implementation must be a name such as sdpa or eager, got {_shorten(value)}.")
    elif name == "per_layer_config" and value is not None:
        raise ValueError("per_layer_config is not supported: all blocks of a Pixio encoder are alike.")


def check_block_parameters(prefix: str, hidden_size: int, num_layers: int, mlp_ratio: int) -> None:
    """Refuse widths and depths that are fine alone, but too large together.

    Args:
        prefix: of the names of the fields, such as "decoder_"; "" for the encoder.

    Raises:
        ValueError: more parameters than MAX_PARAMETERS.
    """
    parameters = num_layers * (4 + 2 * mlp_ratio) * hidden_size**2
    if parameters > MAX_PARAMETERS:
        raise ValueError(
            f"{prefix}num_hidden_layers {num_layers}, {prefix}hidden_size {hidden_size} and mlp_ratio {mlp_ratio} make"
            f" {parameters / 1e9:.0f} billion parameters; at most {MAX_PARAMETERS / 1e9:.0f} billion are supported."
        )


def check_nesting(values: Mapping[str, Any]) -> None:
    """Refuse a dictionary from a configuration file that is nested too deeply to be handled safely.

    Raises:
        ValueError: deeper than MAX_NESTING.
    """
    level: list[Any] = [values]
    for _ in range(MAX_NESTING):
        inner = [item.values() if isinstance(item, Mapping) else item for item in level]
        level = [value for items in inner for value in items if isinstance(value, Mapping | list | tuple)]
        if not level:
            return
    raise ValueError(f"The configuration is nested too deeply: at most {MAX_NESTING} levels are allowed.")


@contextmanager
def explain_field_errors() -> Iterator[None]:
    """Turn the errors of transformers and the dataclass library about wrong types into ValueErrors."""
    try:
        yield
    except StrictDataclassError as error:
        raise ValueError(str(error.__cause__ or error)) from error
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"No configuration can be made of these values: {error}.") from error


def checked_fields(cls: type[ConfigType]) -> type[ConfigType]:
    """Class decorator: check each field before it is set; errors of the dataclass library become ValueErrors."""
    construct, assign = cls.__init__, cls.__setattr__

    @functools.wraps(construct)
    def __init__(self, *args, **kwargs):  # noqa: N807 - it becomes the class's own
        with explain_field_errors():
            construct(self, *args, **kwargs)

    @functools.wraps(assign)
    def __setattr__(self, name, value):  # noqa: N807
        check_field(name, value)
        with explain_field_errors():
            assign(self, name, value)

    cls.__init__ = __init__
    cls.__setattr__ = __setattr__
    return cls


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_whole(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {_shorten(value)}.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {_shorten(value)}.")
    if value > high:
        raise ValueError(f"{name} must be at most {high}, got {_shorten(value)}.")


def _check_sizes(name: str, value: Any, length: int, low: int, high: int) -> None:
    sizes = value if isinstance(value, list | tuple) else ()
    whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if len(sizes) != length or not whole or min(sizes) < low or max(sizes) > high:
        count = {2: "two", 3: "three", 4: "four"}[length]
        kind = f"{count} positive widths" if low else f"{count} block numbers"
        raise ValueError(f"{name} must be {kind} of at most {high}, got {_shorten(value)}.")


def _check_dtype(name: str, value: Any) -> None:
    if isinstance(value, str):
        value = getattr(torch, value, value)
    if value is not None and not (isinstance(value, torch.dtype) and value.is_floating_point):
        raise ValueError(f"{name} must be a floating point type such as float32 or bfloat16, got {_shorten(value)}.")


def _check_list(name: str, value: Any, kind: type) -> None:
    if value is None:
        return
    is_list = isinstance(value, list | tuple)
    if not is_list or not all(isinstance(item, kind) and not isinstance(item, bool) for item in value):
        raise ValueError(f"{name} must be a list of {KINDS[kind]}, got {_shorten(value)}.")


def _shorten(value: Any) -> str:
    # An integer of thousands of digits cannot even be written out.
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a number of over 40 digits"
    return text if len(text) <= 80 else f"{text[:77]}..."
