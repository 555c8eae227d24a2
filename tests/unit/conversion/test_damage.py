# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Damage that only a checksum or a header shows, weights that are NaN, folders that lead elsewhere, two writers at once."""

import json
import os
import resource
import struct
import subprocess
import sys
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from pixio_hf import files
from pixio_hf.checkpoint_files import check_config
from pixio_hf.conversion.convert import convert_checkpoint
from pixio_hf.conversion.export import export_checkpoint
from pixio_hf.conversion.verification import find_non_finite
from pixio_hf.files import file_in_progress, folder_in_progress
from pixio_hf.hub.folder import read_checkpoint_folder
from pixio_hf.text_files import parse_json_object
from tests.source_files import open_checkpoint, random_state, save, training_file

FIELDS = {"num_attention_heads": 2}


def flip(path, position, bit=0):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def record_span(path, name):
    """Offset and size of a record's bytes, and its zip entry."""
    with zipfile.ZipFile(path) as archive:
        info = next(info for info in archive.infolist() if info.filename.partition("/")[2] == name)
    data = path.read_bytes()
    name_length, extra_length = struct.unpack("<2H", data[info.header_offset + 26 : info.header_offset + 30])
    return info.header_offset + 30 + name_length + extra_length, info.file_size, info


# --- checksums and headers of .pth files ---


@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_in_any_record_that_is_read_is_named(tmp_path, bit):
    path = save(tmp_path, random_state())
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = [info.filename.partition("/")[2] for info in archive.infolist()]
    assert {"data.pkl", "version", "byteorder", "data/0"} <= set(names)
    for name in names:
        start, size, info = record_span(path, name)
        flip(path, start + size // 2, bit)
        with pytest.raises(ValueError, match=f"checksum.*{info.filename!r} is wrong. Download it again"):
            open_checkpoint(path)
        path.write_bytes(whole)
    assert torch.equal(open_checkpoint(path).tensors["cls_token"], random_state()["cls_token"])


def test_an_optimizer_s_damage_does_not_matter(tmp_path):
    state = random_state("pretraining")
    path = save(tmp_path, training_file(state))
    start, _, _ = record_span(path, f"data/{len(state)}")  # the first record behind the weights
    flip(path, start)
    tensors = open_checkpoint(path).tensors
    assert all(torch.equal(tensors[name], state[name]) for name in state)


def test_records_that_other_zip_writers_store(tmp_path):
    path = save(tmp_path, random_state())
    with zipfile.ZipFile(path) as archive:
        contents = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    assert torch.equal(open_checkpoint(path).tensors["norm.bias"], random_state()["norm.bias"])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("source/data/0", contents["source/data/0"])
    with pytest.raises(ValueError, match="two of its records have the same name"):
        open_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            method = zipfile.ZIP_DEFLATED if name.endswith("/data/1") else zipfile.ZIP_STORED
            archive.writestr(name, content, method)
    with pytest.raises(ValueError, match=r"compressed records \(data/1\)"):
        open_checkpoint(path)


@pytest.mark.parametrize(("offset", "change"), [(6, 1), (8, 8), (14, 1), (18, 1), (22, 1), (30, 1)])
def test_a_record_s_own_header_has_to_agree_with_the_directory(tmp_path, offset, change):
    """Flags, method, CRC-32, both sizes, and the name."""
    path = save(tmp_path, random_state())
    _, _, info = record_span(path, "data/3")
    data = bytearray(path.read_bytes())
    if offset == 6:
        data[info.header_offset + 6] &= ~8  # no descriptor: then the header's own zeros count
    else:
        data[info.header_offset + offset] ^= change
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"data/3' and the archive's directory contradict"):
        open_checkpoint(path)


def test_a_directory_s_wrong_numbers_are_refused(tmp_path):
    path = save(tmp_path, random_state())
    whole = path.read_bytes()
    entry = whole.rindex(b"source/data/3") - 46
    for offset in (16, 20, 24, 42):  # CRC-32, both sizes, offset of the header
        flip(path, entry + offset, 2)
        with pytest.raises(ValueError, match=r"damaged|truncated"):
            open_checkpoint(path)
        path.write_bytes(whole)


def test_conversion_and_its_leftovers(tmp_path):
    path = save(tmp_path, random_state())
    start, _, _ = record_span(path, "data/0")
    flip(path, start)
    with pytest.raises(ValueError, match=r"checksum .*source/data/0"):
        convert_checkpoint(path, tmp_path / "model", overrides=FIELDS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source.pth"]


# --- NaN ---


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_non_finite_tensors_are_found(value, dtype):
    tensors = {"fine": torch.full((4,), torch.finfo(dtype).max, dtype=dtype), "empty": torch.zeros(0, dtype=dtype)}
    tensors |= {"bad": torch.tensor([1.0, value, 2.0], dtype=dtype), "count": torch.tensor(3)}
    assert find_non_finite(tensors) == ["bad"]


def test_nan_weights_are_refused_or_named(tmp_path):
    state = random_state()
    state["norm.bias"][1] = float("nan")
    path = save(tmp_path, state)
    with pytest.raises(ValueError, match=r"1 of \d+ tensors hold NaN or infinity \(layernorm.bias\)"):
        convert_checkpoint(path, tmp_path / "model", overrides=FIELDS)
    assert not (tmp_path / "model").exists()
    report = convert_checkpoint(path, tmp_path / "model", overrides=FIELDS, verify=False)
    assert report["non_finite_tensors"] == ["layernorm.bias"]
    assert "cannot be used" in report["warnings"][0]
    exported = export_checkpoint(tmp_path / "model", tmp_path / "out.pth")
    assert len(exported["warnings"]) == 1
    assert "layernorm.bias" in exported["warnings"][0]


def test_the_stored_type_is_reported_whatever_the_configuration_says(tmp_path):
    report = convert_checkpoint(
        save(tmp_path, random_state()), tmp_path / "model", overrides=FIELDS, dtype=torch.bfloat16
    )
    assert report["dtype"] == "bfloat16"
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "dtype": "float32"}))
    assert export_checkpoint(tmp_path / "model", tmp_path / "out.pth")["dtype"] == "bfloat16"
    again = convert_checkpoint(tmp_path / "model", tmp_path / "again", overrides=FIELDS)
    assert again["dtype"] == "bfloat16"


# --- folders ---


@pytest.fixture
def folder(tmp_path):
    convert_checkpoint(
        save(tmp_path, random_state()), tmp_path / "model", overrides=FIELDS, max_shard_size=600, license="mit"
    )
    return tmp_path / "model"


def open_everywhere(folder, tmp_path):
    """The messages with which converter, exporter and upload refuse a folder."""
    messages = []
    for read in (
        lambda: convert_checkpoint(folder, tmp_path / "new", overrides=FIELDS),
        lambda: export_checkpoint(folder, tmp_path / "new.pth"),
        lambda: read_checkpoint_folder(folder, own_weights=True),
    ):
        with pytest.raises(ValueError, match=r"\w") as error:
            read()
        messages.append(str(error.value))
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.pth").exists()
    return messages


@pytest.mark.parametrize("target", ["../secret.safetensors", "/etc/passwd", "..", "a/b.safetensors", "", "x\0y"])
def test_an_index_cannot_name_files_elsewhere(folder, tmp_path, target):
    save_file({"a": torch.zeros(1)}, tmp_path / "secret.safetensors")
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["norm.bias"] = target
    index.write_text(json.dumps(content))
    for message in open_everywhere(folder, tmp_path):
        assert "not in its folder" in message or "no regular file" in message or "is a link" in message, message


@pytest.mark.parametrize("name", ["model-00001-of-", "model.safetensors.index.json"])
def test_links_out_of_the_folder_and_pipes_are_refused(folder, tmp_path, name):
    entry = next(path for path in sorted(folder.iterdir()) if path.name.startswith(name))
    elsewhere = tmp_path / "elsewhere"
    entry.rename(elsewhere)
    entry.symlink_to(elsewhere)
    assert all("outside of the folder" in message for message in open_everywhere(folder, tmp_path))
    entry.unlink()
    os.mkfifo(entry)
    open_everywhere(folder, tmp_path)
    entry.unlink()
    entry.symlink_to(entry)
    open_everywhere(folder, tmp_path)


def test_the_hub_s_cache_consists_of_links(folder, tmp_path):
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "1", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, entry in enumerate(sorted(folder.iterdir())):
        entry.rename(blobs / str(number))
        (snapshot / entry.name).symlink_to(f"../../blobs/{number}")
    assert export_checkpoint(snapshot, tmp_path / "out.pth")["kind"] == "encoder"
    assert "config.json" in read_checkpoint_folder(snapshot, own_weights=True).files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' * 200_000, "nested too deeply"),
        (b"\xff\xfe{}", "no UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"model_type": "pixio", "model_type": "vit"}', "'model_type' twice"),
        (b'{"a": 1', "no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"[]", "list instead of an object"),
    ],
)
def test_json_that_nothing_can_be_made_of(folder, tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        parse_json_object(content, "config.json")
    (folder / "config.json").write_bytes(content)
    refused = []
    for read in (lambda: export_checkpoint(folder, tmp_path / "x.pth"), lambda: read_checkpoint_folder(folder, True)):
        with pytest.raises(ValueError, match=message) as error:
            read()
        refused.append(error)
    assert len(refused) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "vit"},
        {"architectures": "PixioModel"},
        {"architectures": [3]},
        {"hidden_size": "wide"},
        {"hidden_size": 3.5},
        {"num_attention_heads": 3},
        {"dtype": "float99"},
        {"neck_hidden_sizes": 4},
        {"head_type": "x" * 100_000},
    ],
)
def test_configurations_that_describe_no_model(change):
    good = {"model_type": "pixio", "hidden_size": 8, "num_attention_heads": 2, "architectures": ["PixioModel"]}
    assert check_config(good, "config.json").hidden_size == 8
    with pytest.raises(ValueError, match=r"config\.json") as error:
        check_config({**good, **change}, "config.json")
    assert len(str(error.value)) < 600


# --- two writers, and a full disk ---

# Loads the module by itself: the package would bring torch, which takes seconds.
HOLD = """
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("in_progress", sys.argv[3])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with (module.file_in_progress if sys.argv[2] == "file" else module.folder_in_progress)(Path(sys.argv[1])) as partial:
    (partial if sys.argv[2] == "file" else partial / "half").write_text("half")
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_second_writer_is_refused_and_a_killed_one_blocks_nobody(tmp_path, kind):
    target = tmp_path / "target"
    write = file_in_progress if kind == "file" else folder_in_progress
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, target, kind, files.__file__], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is being written by another process"), write(target):
            raise AssertionError("two writers")
        assert [path.name for path in tmp_path.iterdir()] == [".target.partial"]
    finally:
        holder.kill()
        holder.wait()
    with write(target) as partial:
        assert (partial.read_text() if kind == "file" else list(partial.iterdir())) in ("", [])
        (partial if kind == "file" else partial / "whole").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (target if kind == "file" else target / "whole").read_text() == "whole"


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    (tmp_path / ".model.replaced").mkdir()
    (tmp_path / ".model.replaced" / "old").touch()
    with pytest.raises(KeyError), folder_in_progress(tmp_path / "model"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "old").is_file()


def test_a_target_made_in_the_meantime_is_not_replaced(tmp_path):
    with (
        pytest.raises(ValueError, match="in the meantime"),
        file_in_progress(tmp_path / "a", replace=False) as partial,
    ):
        partial.write_text("ours")
        (tmp_path / "a").write_text("theirs")
    assert (tmp_path / "a").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk: the system's error comes from the same place."""
    path = save(tmp_path, random_state(hidden_size=64))
    convert_checkpoint(path, tmp_path / "model", overrides=FIELDS)
    before = sorted(tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ValueError, match=r"full.*Nothing was left"):
            convert_checkpoint(path, tmp_path / "again", overrides=FIELDS)
        with pytest.raises(ValueError, match=r"full.*Nothing was left"):
            export_checkpoint(tmp_path / "model", tmp_path / "out.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.iterdir()) == before
