# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which formats there are, what each can hold, and what has to be installed for it. Imports no runtime."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

DTYPES = ("float32", "bfloat16", "float16", "int8", "int8-weights")


@dataclass(frozen=True)
class Format:
    """A file format and its runtime; `module` beside this file writes and opens it."""

    name: str
    module: str
    file_name: str
    dtypes: tuple[str, ...]
    writing: tuple[str, ...]
    """Packages that writing needs; int8 and int8-weights also need nncf."""
    running: tuple[str, ...]
    opsets: tuple[int, int] | None = None
    """Lowest opset that torch writes, and highest that has been tried here; None: the format has no opsets."""

    def load(self) -> ModuleType:
        """The module with `write` and `open_session`; imports the runtime."""
        return import_module(f".{self.module}", __package__)


FORMATS = {
    each.name: each
    for each in (
        Format(
            "onnx",
            "onnx_format",
            "model.onnx",
            ("float32", "float16", "int8", "int8-weights"),
            ("onnx", "onnxscript", "onnxruntime"),
            ("onnxruntime",),
            opsets=(18, 23),
        ),
        Format("openvino", "openvino_format", "openvino_model.xml", DTYPES, ("openvino",), ("openvino",)),
        Format("torch", "torch_format", "model.pt2", ("float32", "bfloat16", "float16"), (), ()),
    )
}


def choose_format(name: str, dtype: str = "float32") -> Format:
    """The format of a name, if it can hold numbers of `dtype`.

    Raises:
        ValueError: no such format or number format, or not both together.
    """
    if name not in FORMATS:
        raise ValueError(f"There is no format {name!r} to export to; choose one of {', '.join(FORMATS)}.")
    chosen = FORMATS[name]
    if dtype not in chosen.dtypes:
        others = [other.name for other in FORMATS.values() if dtype in other.dtypes]
        hint = f" For {dtype} choose format {' or '.join(others)}." if others else ""
        raise ValueError(f"Format {name} holds {', '.join(chosen.dtypes)}, not dtype {dtype}.{hint}")
    return chosen


def check_opset(chosen: Format, opset: int | None) -> None:
    """Raise ValueError for an opset that the format has not; None is always fine."""
    if opset is None:
        return
    if chosen.opsets is None:
        raise ValueError(f"opset is of ONNX; format {chosen.name} has none. Leave it out.")
    lowest, highest = chosen.opsets
    if not lowest <= opset <= highest:
        raise ValueError(f"opset must lie between {lowest} and {highest}, got {opset}.")


def require_packages(chosen: Format, dtype: str | None = None) -> None:
    """Check that what a format needs is installed: to run it, and with `dtype` to write it.

    Raises:
        ValueError: names what is missing, and the extra that brings it.
    """
    needed = chosen.running if dtype is None else chosen.writing
    if dtype is not None and dtype.startswith("int8"):
        needed = (*needed, "nncf")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ValueError(
            f"Format {chosen.name} needs {', '.join(missing)}, not installed here: pip install 'pixio-hf[export]'."
        )
