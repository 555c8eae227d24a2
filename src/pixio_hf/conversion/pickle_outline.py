# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a checkpoint's pickle describes, worked out without running it and without allocating a tensor.

torch's restricted loader runs no foreign code, but it believes the sizes that a pickle states. This outline is made
before it, from pickletools' list of instructions: it knows only those that torch.save writes, calls nothing, and yields
plain containers in which a TensorOutline stands for each tensor.
"""

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..safetensors_files import StoredTensor

MAX_INSTRUCTIONS = 1_000_000  # a 5B-sized model with its optimizer state takes about 100,000
_NAMESPACE, _ORDERED_DICT = "argparse.Namespace", "collections.OrderedDict"
_REBUILD_TENSOR, _REBUILD_PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
_PLAIN_GLOBALS = {_NAMESPACE, _ORDERED_DICT, _REBUILD_TENSOR, _REBUILD_PARAMETER, "torch.Size", "torch.device"}
_UNSUPPORTED_TENSORS = {
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor of the meta device, which has no values",
    "torch._utils._rebuild_tensor_v3": "a tensor of a rare type, such as float8",
    "torch._tensor._rebuild_from_type_v2": "a tensor of a special class",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a special class",
}
_STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_DTYPES = {str(dtype) for dtype in _STORAGE_DTYPES.values()}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {"BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1", "BINUNICODE", "SHORT_BINSTRING"}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


@dataclass(frozen=True)
class StorageOutline:
    """Values in the file that one or several tensors view."""

    key: str
    dtype: torch.dtype
    num_elements: int

    @property
    def num_bytes(self) -> int:
        return self.num_elements * self.dtype.itemsize


@dataclass(frozen=True)
class TensorOutline(StoredTensor):
    """A tensor's shape and dtype, and where its numbers lie in a storage."""

    storage: StorageOutline


@dataclass(frozen=True)
class _Global:
    name: str


_MARK = object()


def outline_pickle(content: bytes) -> tuple[Any, dict[str, StorageOutline]]:
    """Outline the pickle of a checkpoint, and all its storages by key.

    Raises:
        ValueError: an instruction, a global or a tensor that no checkpoint of weights needs, or a broken pickle. The
            message is the end of a sentence that begins with the file's name.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(_read_instructions(content)):
            if count > MAX_INSTRUCTIONS:
                raise ValueError(f"has a pickle of over {MAX_INSTRUCTIONS:,} instructions; no checkpoint needs that.")
            machine.step(opcode.name, argument)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"has a broken pickle ({error}). Download it again.") from error
    if len(machine.stack) != 1:
        raise ValueError("has a broken pickle (it leaves more than one value). Download it again.")
    return machine.stack[0], machine.storages


def _read_instructions(content: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    try:
        yield from pickletools.genops(content)
    except ValueError as error:
        raise ValueError(f"has a broken pickle ({str(error)[:80]}). Download it again.") from error


class _Machine:
    """The stack and the memo of a pickle, filled with outlines."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, StorageOutline] = {}
        self.actions: dict[str, Callable[[], None]] = {
            "REDUCE": self.reduce,
            "NEWOBJ": self.reduce,
            "BUILD": self.build,
            "BINPERSID": self.open_storage,
        }

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "TUPLE":
            items = self.pop_to_mark()
            stack.append(tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            items = [self.pop() for _ in range(int(name[-1]))]
            stack.append(tuple(reversed(items)))
        elif name in ("APPEND", "APPENDS"):
            items = [self.pop()] if name == "APPEND" else self.pop_to_mark()
            _expect(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [self.pop(), self.pop()][::-1] if name == "SETITEM" else self.pop_to_mark()
            _fill(_expect(stack[-1], dict), items)
        elif name == "GLOBAL":
            stack.append(_Global(_check_global(argument)))
        elif name in self.actions:
            self.actions[name]()
        elif name != "STOP" and not (name == "PROTO" and argument == 2):
            raise ValueError(f"has a pickle with the instruction {name}, which torch.save does not write by default.")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise IndexError("a mark where a value is needed")
        return value

    def pop_to_mark(self) -> list[Any]:
        items = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def reduce(self) -> None:
        arguments, target = _expect(self.pop(), tuple), _expect(self.pop(), _Global).name
        if target == _REBUILD_TENSOR and not any(arguments[5:]):  # neither hooks nor conjugation
            self.stack.append(_outline_tensor(*arguments[:4]))
        elif target == _REBUILD_PARAMETER:
            self.stack.append(_expect(arguments[0], TensorOutline))
        elif target in (_NAMESPACE, _ORDERED_DICT) and not arguments:
            self.stack.append({})
        elif target == "torch.Size":
            self.stack.append(tuple(_expect(size, int) for size in _expect(arguments[0], tuple)))
        elif target == "torch.device":
            self.stack.append(str(arguments[0]))
        else:
            raise ValueError(f"has a broken pickle: it calls {target} in a way in which torch.save never does.")

    def build(self) -> None:
        """Attributes: of a Namespace its content; of an OrderedDict torch's version numbers, which are dropped."""
        state, target = _expect(self.pop(), dict), _expect(self.stack[-1], dict)
        if state.keys() != {"_metadata"}:
            target.update(state)

    def open_storage(self) -> None:
        identity = _expect(self.pop(), tuple)
        if len(identity) != 5 or identity[0] != "storage":
            raise ValueError("refers to data outside itself, or to views of views; save it again with torch 2.")
        _, storage_type, key, _, num_elements = identity
        name = _expect(storage_type, _Global).name.rpartition(".")[2]
        if name not in _STORAGE_DTYPES:
            raise ValueError(
                f"has a tensor of an unsupported type ({name}); convert it to a floating-point type first."
            )
        storage = StorageOutline(_expect(key, str), _STORAGE_DTYPES[name], _expect(num_elements, int))
        if self.storages.setdefault(storage.key, storage) != storage or storage.num_elements < 0:
            raise ValueError(f"contradicts itself about storage {storage.key!r}: it is damaged.")
        self.stack.append(storage)


def _outline_tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> TensorOutline:
    storage = _expect(storage, StorageOutline)
    numbers = (_expect(offset, int), *_expect(shape, tuple), *_expect(stride, tuple))
    if len(shape) != len(stride) or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(f"has a tensor of shape {shape} and stride {stride}: it is damaged.")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if 0 not in shape and last >= storage.num_elements:
        raise ValueError(
            f"has a tensor of shape {shape} that reaches beyond its storage {storage.key!r} of "
            f"{storage.num_elements} elements: it is damaged."
        )
    return TensorOutline(shape, storage.dtype, storage)


def _check_global(argument: str) -> str:
    module, _, attribute = argument.partition(" ")
    name = f"{module}.{attribute}"
    if name in _UNSUPPORTED_TENSORS:
        raise ValueError(f"holds {_UNSUPPORTED_TENSORS[name]}; Pixio's weights are plain dense tensors.")
    is_storage = module in ("torch", "torch.storage") and attribute.endswith("Storage")
    if name not in _PLAIN_GLOBALS and name not in _DTYPES and not is_storage:
        raise ValueError(
            f"needs the global {name[:80]}, which weights have no use for, so it was not opened and nothing in it was run. "
            "If you trust where it comes from, load it yourself and save the state dict alone."
        )
    return name


def _expect(value: Any, kind: type) -> Any:
    """The value itself, if it is of that kind (a bool is no int)."""
    if type(value) is not kind:
        raise TypeError(f"{type(value)} instead of {kind}")
    return value


def _fill(target: dict[Any, Any], items: list[Any]) -> None:
    if len(items) % 2:
        raise IndexError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Nothing else is a key in a checkpoint, and hashing nested tuples can take forever.
        if type(key) not in (str, int):
            raise TypeError("a key that is no text or number")
        target[key] = value
