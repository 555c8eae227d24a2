# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Shards, temporary folders, refused targets, and the comparison of what was written."""

import hashlib
import json
from collections import namedtuple

import pytest
import torch
from safetensors.torch import load_file, save_file

from pixio_hf import PixioConfig, PixioModel
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion import writing
from pixio_hf.conversion.key_mapping import reference_to_hub_state
from pixio_hf.conversion.report import find_preset, hash_source
from pixio_hf.conversion.verification import check_model, compare_tensors, same_bits
from pixio_hf.conversion.writing import (
    check_free_space,
    check_target,
    convert_tensor,
    plan_shards,
    write_weights,
)
from pixio_hf.files import file_in_progress, folder_in_progress
from pixio_hf.safetensors_files import StoredTensor
from tests.tiny_models import assert_same_state, read_weights, tiny_config


def random_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {f"tensor_{index}": torch.randn(10, 25, generator=generator) for index in range(5)}  # 1000 bytes each


def write_model_folder(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"weight": torch.ones(2)}, folder / "model.safetensors")
    return folder


# --- shards ---


def test_shards_follow_the_size_and_keep_every_bit(tmp_path):
    tensors = random_tensors()
    plan = plan_shards(tensors, 2000, None)
    assert [len(names) for names in plan.files.values()] == [2, 2, 1]
    write_weights(tmp_path, tensors, plan)
    names = [f"model-0000{shard}-of-00003.safetensors" for shard in (1, 2, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names, "model.safetensors.index.json"]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 5000
    for name, file in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / file)[name], tensors[name])
    assert compare_tensors(tmp_path, tensors, plan) == 5


def test_one_shard_has_no_index(tmp_path):
    tensors = random_tensors()
    write_weights(tmp_path, tensors, plan_shards(tensors, "5GB", None))
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert_same_state(load_file(tmp_path / "model.safetensors"), tensors)


def test_views_of_a_fused_matrix_count_and_are_written_each(tmp_path):
    tensors = reference_to_hub_state({"blocks.0.attn.qkv.weight": torch.randn(30, 10)})
    assert plan_shards(tensors, "5GB", None).total_size == 1200
    plan = plan_shards(tensors, 400, None)
    assert [len(names) for names in plan.files.values()] == [1, 1, 1]
    write_weights(tmp_path, tensors, plan)
    assert_same_state(read_weights(tmp_path), tensors)


def test_planned_size_is_that_of_the_written_type():
    assert plan_shards(random_tensors(), "5GB", torch.bfloat16).total_size == 2500


@pytest.mark.parametrize("size", ["5 parsecs", "GB", "", "0GB", "-1GB", 0])
def test_bad_shard_sizes(size):
    with pytest.raises(ValueError, match=r"max_shard_size .* is no size above 0.*such as 5GB"):
        plan_shards(random_tensors(), size, None)


def test_tensors_keep_their_memory_or_become_the_asked_type():
    tensor = torch.randn(3, 4)
    assert convert_tensor("weight", tensor, None).data_ptr() == tensor.data_ptr()
    assert torch.equal(convert_tensor("weight", tensor, torch.bfloat16), tensor.bfloat16())
    counter = torch.tensor(7)
    assert convert_tensor("num_batches_tracked", counter, torch.bfloat16).dtype == torch.int64


def test_values_that_the_type_cannot_hold_are_refused():
    with pytest.raises(ValueError, match=r"layernorm\.weight holds values up to 1e\+05, which float16 cannot hold"):
        convert_tensor("layernorm.weight", torch.tensor([1.0, -1e5]), torch.float16)
    # What was infinite before is no overflow.
    assert convert_tensor("weight", torch.tensor([float("inf")]), torch.float16).isinf().all()


# --- comparison ---


def test_bits_are_compared_not_values():
    nan = torch.tensor([float("nan")])
    assert same_bits(nan, nan.clone())
    assert same_bits(torch.tensor(3), torch.tensor(3))
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert not same_bits(torch.zeros(2), torch.zeros(2, dtype=torch.float64))
    assert not same_bits(torch.zeros(2), torch.zeros(2, 1))


def test_one_flipped_bit_is_found(tmp_path):
    tensors = random_tensors()
    plan = plan_shards(tensors, 2000, None)
    write_weights(tmp_path, tensors, plan)
    file = tmp_path / "model-00002-of-00003.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"different from the source: \['tensor_3'\]"):
        compare_tensors(tmp_path, tensors, plan)


def test_weights_that_do_not_fit_the_configuration_are_named():
    model = PixioModel(tiny_config())
    stored = {
        memory_to_hub_name(name): StoredTensor(tuple(tensor.shape), tensor.dtype)
        for name, tensor in model.state_dict().items()
    }
    assert check_model("encoder", tiny_config(), stored) == model.num_parameters()
    with pytest.raises(ValueError, match=r"lacks 16 of the 86 .*: encoder\.layer\.4\..* more"):
        check_model("encoder", tiny_config(num_hidden_layers=5), stored)
    with pytest.raises(ValueError, match=r"has 16 names that no Pixio encoder model has: encoder\.layer\.3"):
        check_model("encoder", tiny_config(num_hidden_layers=3), stored)
    with pytest.raises(ValueError, match=r"layernorm\.weight of shape \(1,\), .*expected \(32,\)"):
        check_model("encoder", tiny_config(), {**stored, "layernorm.weight": StoredTensor((1,), torch.float32)})


# --- targets ---


def test_targets_that_must_not_be_written(tmp_path):
    source = tmp_path / "input" / "weights.pth"
    source.parent.mkdir()
    source.touch()
    check_target(tmp_path / "new", source, overwrite=False)
    check_target(tmp_path / "deep" / "new", source, overwrite=False)
    existing = write_model_folder(tmp_path / "existing")
    with pytest.raises(ValueError, match=r"exists already.*--overwrite"):
        check_target(existing, source, overwrite=False)
    check_target(existing, source, overwrite=True)
    photos = tmp_path / "photos"
    photos.mkdir()
    check_target(photos, source, overwrite=True)
    (photos / "cat.jpg").touch()
    (photos / "config.json").touch()
    with pytest.raises(ValueError, match="no checkpoint"):
        check_target(photos, source, overwrite=True)
    with pytest.raises(ValueError, match="is no folder"):
        check_target(photos / "cat.jpg", source, overwrite=True)
    with pytest.raises(ValueError, match=r"cat\.jpg is a file"):
        check_target(photos / "cat.jpg" / "new", source, overwrite=True)
    (tmp_path / "link").symlink_to(existing)
    with pytest.raises(ValueError, match="is a link"):
        check_target(tmp_path / "link", source, overwrite=True)


def test_source_and_target_may_not_hold_each_other(tmp_path):
    folder = write_model_folder(tmp_path / "model")
    with pytest.raises(ValueError, match="lies inside the input"):
        check_target(folder / "converted", folder, overwrite=False)
    with pytest.raises(ValueError, match="lies inside the input"):
        check_target(folder, folder, overwrite=True)
    with pytest.raises(ValueError, match="would delete that"):
        check_target(folder, folder / "model.safetensors", overwrite=True)


def test_full_disk_is_noticed_before_writing(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda place: usage(10**12, 0, 10**9))
    check_free_space(tmp_path / "new" / "folder", 9 * 10**8)
    with pytest.raises(ValueError, match=r"has 1\.00 GB free; the output needs 2\.02 GB"):
        check_free_space(tmp_path / "new" / "folder", 2 * 10**9)


# --- nothing half-written ---


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_folder_leaves_nothing(tmp_path, error):
    with pytest.raises(error), folder_in_progress(tmp_path / "deep" / "er" / "model") as folder:
        (folder / "weights").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_replacement_keeps_the_old_folder(tmp_path, error):
    target = write_model_folder(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(error), folder_in_progress(target) as folder:
        (folder / "weights").write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_a_failed_rename_puts_the_old_folder_back(tmp_path, monkeypatch):
    target = write_model_folder(tmp_path / "model")
    rename = type(target).rename

    def fail_for_the_new(path, new_name):
        if path.name.endswith(".partial"):
            raise OSError("no")
        return rename(path, new_name)

    monkeypatch.setattr(type(target), "rename", fail_for_the_new)
    with pytest.raises(OSError, match="no"), folder_in_progress(target) as folder:
        (folder / "new").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (target / "model.safetensors").is_file()
    assert not (target / "new").exists()


def test_a_complete_folder_replaces_the_old_one(tmp_path):
    target = write_model_folder(tmp_path / "model")
    with folder_in_progress(target) as folder:
        (folder / "new").touch()
        assert (target / "config.json").is_file()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "weights.pth"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), file_in_progress(target) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]
    assert target.read_text() == "old"
    with file_in_progress(target) as partial:
        partial.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]
    assert target.read_text() == "new"


# --- report ---


def test_source_hashes(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"pixio" * 1000)
    expected = hashlib.sha256(b"pixio" * 1000).hexdigest()
    assert hash_source(file) == [{"name": "weights.pth", "size": 5000, "sha256": expected}]
    folder = write_model_folder(tmp_path / "model")
    assert [entry["name"] for entry in hash_source(folder)] == ["model.safetensors"]


def test_presets_are_found_by_the_encoder():
    assert find_preset(PixioConfig.preset("pixio-h16", max_depth=80.0)) == "pixio-h16"
    assert find_preset(PixioConfig.preset("pixio-tiny")) == "pixio-tiny"
    assert find_preset(PixioConfig.preset("pixio-h16", num_attention_heads=20)) is None
