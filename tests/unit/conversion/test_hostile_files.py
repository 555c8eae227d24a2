# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files that are no weights, damaged ones and hostile ones: refused with a reason, and nothing in them is run."""

import argparse
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import _utils

from tests.source_files import open_checkpoint, random_state, save


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>Access restricted</html>", "web page.*accept the licence.*hf auth login"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        (b'{"error":"Access to model facebook/pixio is restricted"}', "text file.*Access to model.*hf auth login"),
        (b'{"a": [{"b": 1}]}', "text file"),
        (b"Access to model is restricted \xc3\xa9", "text file, not weights"),
        (b"\x80\x02K\x01.", r"bare pickle, as torch wrote before version 1\.6.*torch\.save"),
        (b"\x00\x01\x02\x03" * 9, "is no checkpoint"),
        (struct.pack("<Q", 2**60) + b"{}", "truncated or damaged"),
        (b"PK\x03\x04" + bytes(100), "no readable end"),
    ],
)
def test_files_that_are_no_weights(tmp_path, content, message):
    path = tmp_path / "source.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        open_checkpoint(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02X\xff\xff\xff\x7fabc", "broken pickle"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "instruction EXT4"),
    ],
)
def test_pickles_that_torch_does_not_write(tmp_path, content, message):
    path = tmp_path / "source.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("source/data.pkl", content)
    with pytest.raises(ValueError, match=message) as error:
        open_checkpoint(path)
    assert str(path) in str(error.value)


def test_the_format_of_before_torch_1_6_is_refused(tmp_path):
    path = save(tmp_path, random_state(), _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"source\.pth is a bare pickle, as torch wrote before version 1\.6"):
        open_checkpoint(path)


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    names = ["\x1b[2J" + "x" * 400 + str(index) for index in range(9)]
    path = save(tmp_path, {**random_state(), **{name: torch.zeros(1) for name in names}})
    with pytest.raises(ValueError, match=r"9 names that no Pixio encoder model has: \?\[2Jxxx.*--prefix") as error:
        open_checkpoint(path)
    assert len(str(error.value)) < 1300


def test_names_that_would_take_forever(tmp_path):
    with pytest.raises(ValueError, match="a name of 200000 characters"):
        open_checkpoint(save(tmp_path, {"a." * 100_000: torch.zeros(1)}))
    one = torch.zeros(1)
    marks = ("cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.weight")
    with pytest.raises(ValueError, match="several encoders"):
        open_checkpoint(save(tmp_path, {f"m{index}.{mark}": one for index in range(2000) for mark in marks}))


@pytest.mark.parametrize("name", ["zip.pth", "model.safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_files(tmp_path, name, share):
    path = tmp_path / name
    if name.endswith(".pth"):
        save(tmp_path, random_state(), name)
    else:
        save_file(random_state(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"(truncated|damaged|broken).*again"):
        open_checkpoint(path)


def test_zip_archives_of_other_kinds(tmp_path):
    path = tmp_path / "source.pth"
    for names, method, message in (
        (["a.txt"], zipfile.ZIP_STORED, "none of torch.save"),
        (["a/data.pkl", "a/constants.pkl"], zipfile.ZIP_STORED, "TorchScript"),
        (["a/data.pkl"], zipfile.ZIP_DEFLATED, "compressed records"),
    ):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in names:
                archive.writestr(name, bytes(50_000_000 if method else 10))  # a bomb, where it is compressed
        with pytest.raises(ValueError, match=message):
            open_checkpoint(path)


class Call:
    """Pickles to a call of any function."""

    def __init__(self, function: Any, *arguments: Any):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


class StatefulNamespace(argparse.Namespace):
    """Pickles to a Namespace whose state is a call."""

    def __init__(self, call: Call):
        super().__init__()
        self.call = call

    def __reduce__(self):
        return argparse.Namespace, (), {"__setstate__": self.call, "__class__": self.call}


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, r"posix\.system"),
        (eval, r"__builtin__\.eval"),
        (exec, r"__builtin__\.exec"),
        (torch.load, r"torch\.serialization\.load"),
        (pickle.loads, r"_?pickle\.loads"),
        (bytearray, r"__builtin__\.bytearray"),  # torch's loader allows it: a terabyte in a few bytes
        (torch.Tensor, r"torch\._tensor\.Tensor|torch\.Tensor"),
        (Path.touch, r"__builtin__\.getattr"),
    ],
)
def test_hostile_pickles_run_nothing(tmp_path, function, named):
    canary = tmp_path / "canary"
    arguments = {
        os.system: f"touch {canary}",
        eval: f"open({str(canary)!r}, 'w')",
        exec: f"open({str(canary)!r}, 'w')",
        pickle.loads: pickle.dumps(Call(os.system, f"touch {canary}")),
        bytearray: 10**12,
        torch.Tensor: 10**11,
        Path.touch: canary,
    }
    call = Call(function, arguments.get(function, str(canary)))
    hidden = {"model": random_state(), "args": StatefulNamespace(call)}
    for content in (call, {**random_state(), "norm.bias": call}, hidden):
        with pytest.raises(ValueError, match=f"(?i)global {named}.*nothing in it was run"):
            open_checkpoint(save(tmp_path, content))
        with pytest.raises(ValueError, match=r"bare pickle.* was not opened"):
            open_checkpoint(save(tmp_path, content, _use_new_zipfile_serialization=False))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("_rebuild_qtensor", "a quantised tensor"),
        ("_rebuild_tensor_v3", "float8"),
        ("_rebuild_tensor", "needs the global"),
    ],
)
def test_tensors_that_no_pixio_model_has(tmp_path, function, message):
    path = save(tmp_path, {**random_state(), "norm.bias": Call(getattr(_utils, function))})
    with pytest.raises(ValueError, match=message):
        open_checkpoint(path)


def test_sizes_beyond_the_file_are_refused_before_memory_is_taken(tmp_path):
    path = save(tmp_path, {"norm.bias": torch.zeros(1000)})
    number = b"M" + struct.pack("<H", 1000)  # BININT2, in the storage and in the shape
    huge = b"\x8a\x06" + (10**13).to_bytes(6, "little")
    assert path.read_bytes().count(number) == 2
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, record in records.items():
            archive.writestr(name, record.replace(number, huge))
    with pytest.raises(ValueError, match="needs 40000000000000 bytes"):
        open_checkpoint(path)


def test_deeply_nested_pickles(tmp_path):
    path = tmp_path / "source.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    with pytest.raises(ValueError, match="holds no state dict"):
        open_checkpoint(path)
