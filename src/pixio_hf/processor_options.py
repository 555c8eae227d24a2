# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the options of the image processors may hold, whether they come from a call or from preprocessor_config.json."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

WHOLE_NUMBERS = ("size_divisor", "mask_grid_size", "patch_size", "view_size")
POSITIVE_NUMBERS = ("depth_scale", "rescale_factor")
FLAGS = (
    "do_resize",
    "do_rescale",
    "do_normalize",
    "do_convert_rgb",
    "keep_aspect_ratio",
    "do_mask",
    "do_reduce_labels",
)
STATISTICS = ("image_mean", "image_std")
MAX_WHOLE_NUMBER = 16_384
MAX_MESSAGE = 1000  # characters


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse values that an option cannot hold; None and missing options are accepted where allowed.

    Raises:
        ValueError: names the option and what it must be.
    """
    for name in WHOLE_NUMBERS:
        value = options.get(name)
        if name in options and (not isinstance(value, int) or isinstance(value, bool)):
            raise ValueError(f"{name} must be a whole number, got {_shorten(value)}.")
        if name in options and not 1 <= options[name] <= MAX_WHOLE_NUMBER:
            limit = "at least 1" if options[name] < 1 else f"at most {MAX_WHOLE_NUMBER}"
            raise ValueError(f"{name} must be {limit}, got {_shorten(value)}.")
    for name in POSITIVE_NUMBERS:
        value = options.get(name, 1)
        if name == "rescale_factor" and value is None:
            continue
        if not _is_number(value) or not value > 0:
            meaning = "metres per unit, above 0" if name == "depth_scale" else "a number above 0"
            raise ValueError(f"{name} must be {meaning}, got {_shorten(value)}.")
    for name in FLAGS:
        if not isinstance(options.get(name), bool | int | None):
            raise ValueError(f"{name} must be True or False, got {_shorten(options[name])}.")
    for name in STATISTICS:
        value = options.get(name)
        numbers = value if isinstance(value, list | tuple) else [value]
        if value is not None and not all(_is_number(number) for number in numbers):
            raise ValueError(f"{name} must be a number or one number per channel, got {_shorten(value)}.")


def check_size(height: Any, width: Any) -> None:
    """Refuse absurd sides before they can take memory.

    Raises:
        ValueError: names both.
    """
    for side in (height, width):
        whole = isinstance(side, int) and not isinstance(side, bool)
        if side is not None and not (whole and 0 <= side <= MAX_WHOLE_NUMBER):
            raise ValueError(
                f"size must have whole numbers of at most {MAX_WHOLE_NUMBER} as height and width, got"
                f" {_shorten(height)} and {_shorten(width)}."
            )


@contextmanager
def explain_misfits() -> Iterator[None]:
    """Turn what transformers raises for options of a wrong kind into a ValueError."""
    try:
        yield
    except ValueError as error:
        if len(str(error)) > MAX_MESSAGE:  # the message repeats an option that is absurdly long
            raise ValueError(f"{str(error)[:MAX_MESSAGE]}...") from error
        raise
    except (TypeError, AttributeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        if "unexpected keyword" in str(error):  # a mistyped option, which transformers reports as Python does
            raise
        reason = f"{type(error).__name__}: {_shorten(str(error))}"
        raise ValueError(f"The image processor cannot work with these options ({reason}).") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
