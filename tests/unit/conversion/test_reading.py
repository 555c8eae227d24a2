# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Opening checkpoints of every origin: what is found, and what is refused with which words."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from tests.source_files import OpenedCheckpoint, open_checkpoint, random_state, save, training_file
from tests.tiny_models import SPELLINGS, assert_same_state, respell

DINOV2_EXTRAS = {"blocks.0.ls1.gamma": (4,), "register_tokens": (1, 4, 4), "mask_token": (1, 4)}


def hub_names(state: dict[str, torch.Tensor], spelling: str = "official") -> dict[str, torch.Tensor]:
    hub = reference_to_hub_state(state)
    return {respell(hub_to_memory_name(name), spelling): tensor.contiguous() for name, tensor in hub.items()}


def assert_holds(source: OpenedCheckpoint, kind: str, state: dict[str, torch.Tensor]) -> None:
    assert source.model.kind == kind
    assert_same_state(dict(source.tensors), state)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("encoder", {}),
        ("pretraining", {}),
        ("distilled", {}),
        ("depth", {"head_type": "dpt"}),
        ("depth", {"head_type": "linear"}),
        ("segmentation", {"head_type": "dpt", "num_labels": 5}),
        ("segmentation", {"head_type": "linear", "num_labels": 5}),
    ],
)
def test_every_kind_is_recognised(tmp_path, kind, sizes):
    state = random_state(kind, **sizes)
    source = open_checkpoint(save(tmp_path, state))
    assert_holds(source, kind, state)
    assert (source.weights.file_format, source.model.naming) == ("torch", "original")
    assert source.model.config.head_type == sizes.get("head_type", "dpt")
    assert (source.model.prefix, source.model.ignored_keys, source.weights.training_state) == ("", (), {})
    save_file(hub_names(state), tmp_path / "model.safetensors")
    hub = open_checkpoint(tmp_path / "model.safetensors")
    assert (hub.weights.file_format, hub.model.naming) == ("safetensors", "hub")
    assert hub.model.config.head_type == sizes.get("head_type", "dpt")
    assert_holds(hub, kind, reference_to_hub_state(state))
    assert_same_state(hub_to_reference_state(hub.tensors), state)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_hub_spelling_becomes_the_official_one(tmp_path, spelling):
    state = random_state("pretraining")
    save_file(hub_names(state, spelling), tmp_path / "model.safetensors")
    assert_holds(open_checkpoint(tmp_path), "pretraining", reference_to_hub_state(state))


def test_training_files(tmp_path):
    state = random_state("pretraining")
    source = open_checkpoint(save(tmp_path, training_file(state)))
    assert_holds(source, "pretraining", state)
    arguments = {"mask_ratio": 0.5, "mask_grid": 1, "norm_pix_loss": False, "model": "tiny", "resume": None}
    assert source.weights.training_state == {"epoch": 3, "args": arguments}


def test_wrappers_and_parallel_prefixes(tmp_path):
    state = random_state("pretraining")
    parallel = {f"module.{name}": torch.nn.Parameter(tensor) for name, tensor in state.items()}
    source = open_checkpoint(save(tmp_path, {"student": {"state_dict": parallel}, "scale": torch.ones(2)}))
    assert_holds(source, "pretraining", state)
    assert (source.model.prefix, source.model.ignored_keys) == ("module.", ("scale",))
    with pytest.raises(ValueError, match=r"several models \(teacher, student\)"):
        open_checkpoint(save(tmp_path, {"teacher": state, "student": state}))


def test_encoder_inside_a_larger_model(tmp_path):
    state = random_state()
    model = {f"encoder.model.{name}": tensor for name, tensor in state.items()}
    model |= {"info_sharing.blocks.0.weight": torch.zeros(2), "other.cls_token": torch.zeros(1, 1, 4)}
    source = open_checkpoint(save(tmp_path, {"model": model}))
    assert_holds(source, "encoder", state)
    assert source.model.prefix == "encoder.model."
    assert source.model.ignored_keys == ("info_sharing.blocks.0.weight", "other.cls_token")
    model |= {f"target.{name}": tensor + 1 for name, tensor in state.items()}
    path = save(tmp_path, {"model": model})
    with pytest.raises(ValueError, match=r"several encoders.*--prefix: encoder\.model\., target\.\."):
        open_checkpoint(path)
    chosen = open_checkpoint(path, prefix="target")
    assert_holds(chosen, "encoder", {name: tensor + 1 for name, tensor in state.items()})
    assert len(chosen.model.ignored_keys) == len(state) + 2
    with pytest.raises(ValueError, match=r"no tensor below the prefix 'nowhere\.'.*encoder\.\*"):
        open_checkpoint(path, prefix="nowhere.")


def test_sharded_folders(tmp_path):
    state = reference_to_hub_state(random_state())
    names = sorted(state)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, own in shards.items():
        save_file({name: state[name].contiguous() for name in own}, tmp_path / file)
    weight_map = {name: file for file, own in shards.items() for name in own}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    assert_holds(open_checkpoint(tmp_path), "encoder", state)
    for change, message in (
        ({names[0]: "../a.safetensors"}, r"shard \.\./a\.safetensors, which is not in its folder"),
        ({names[0]: "c.safetensors"}, r"shard c\.safetensors, which is not in its folder"),
        ({names[0]: "b.safetensors"}, "contradict each other"),
        ({names[0]: 3}, "is no index"),
    ):
        index.write_text(json.dumps({"weight_map": {**weight_map, **change}}))
        with pytest.raises(ValueError, match=message):
            open_checkpoint(tmp_path)


def test_tensors_are_views_of_the_mapped_file(tmp_path):
    state = random_state("encoder", hidden_size=64)
    path, names = save(tmp_path, state), tmp_path / "model.safetensors"
    save_file(hub_names(state), names)
    maps = []
    for file in (path, names):
        source = open_checkpoint(file)
        maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(file) in line]
        ranges = [tuple(int(bound, 16) for bound in line[0].split("-")) for line in maps]
        for name, tensor in source.tensors.items():
            assert any(start <= tensor.data_ptr() < end for start, end in ranges), name


def test_kinds_that_contradict_the_file(tmp_path):
    path = save(tmp_path, random_state())
    with pytest.raises(ValueError, match=r"source\.pth is of kind 'encoder', not 'depth'"):
        open_checkpoint(path, kind="depth")
    with pytest.raises(ValueError, match="one of auto, encoder, pretraining"):
        open_checkpoint(path, kind="decoder")
    plain = save(tmp_path, random_state(n_cls_tokens=1))
    with pytest.raises(ValueError, match=r"single class token, like any plain ViT.*--kind encoder"):
        open_checkpoint(plain)
    assert open_checkpoint(plain, kind="encoder").model.kind == "encoder"


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("encoder", {name: torch.zeros(shape) for name, shape in DINOV2_EXTRAS.items()}, r"3 names.*blocks\.0\.ls1"),
        ("encoder", {"norm.weight": None}, r"lacks 1 of the 30 weights of a Pixio encoder model: norm\.weight"),
        ("encoder", {"blocks.9.norm1.bias": torch.zeros(4)}, "numbers up to 9"),
        ("encoder", {"blocks.3.norm1.bias": torch.zeros(4)}, r"lacks 23 .*blocks\.2\.attn\.proj\.bias"),
        ("encoder", {"cls_token": None}, "none of its tensors is a cls_token"),
        ("encoder", {"norm.bias": torch.zeros(5)}, r"norm\.bias of shape \(5,\).*expected \(4,\)"),
        ("encoder", {"blocks.1.attn.qkv.weight": torch.zeros(8, 4)}, r"blocks\.1\.attn\.qkv\.weight.*\(12, 4\)"),
        ("encoder", {"pos_embed": torch.zeros(1, 7, 4)}, "7 positions for 2 class tokens"),
        ("encoder", {"cls_token": torch.zeros(2, 4)}, r"cls_token of shape \(2, 4\); expected 3 axes"),
        ("encoder", {"blocks.0.mlp.fc1.weight": torch.zeros(9, 4)}, "MLP of 9 channels"),
        (
            "encoder",
            {"norm.bias": torch.zeros(4, dtype=torch.bfloat16)},
            r"mixes types.*norm\.bias is torch\.bfloat16",
        ),
        ("encoder", {"norm.bias": torch.zeros(4, dtype=torch.complex64)}, r"norm\.bias as torch\.complex64"),
        ("encoder", {"norm.bias": torch.zeros(0)}, "without values"),
        ("encoder", {"cls_token": torch.zeros(1, 2, 0)}, r"cls_token of shape \(1, 2, 0\): a tensor without values"),
        ("encoder", {"patch_embed.proj.weight": None}, r"lacks 1 of the 30 weights .*: patch_embed\.proj\.weight"),
        ("encoder", {"pos_embed": None}, r"lacks 1 of the 30 weights of a Pixio encoder model: pos_embed"),
        ("encoder", {"blocks.0.mlp.fc1.weight": None}, r"lacks 1 of the 30 weights .*: blocks\.0\.mlp\.fc1\.weight"),
        ("pretraining", {"decoder_embed.weight": None}, r"lacks 1 .* Pixio pretraining model: decoder_embed\.weight"),
        ("depth", {"head.scratch.layer1_rn.weight": None}, r"lacks 1 .*: head\.scratch\.layer1_rn\.weight"),
        ("encoder", {"norm.bias": 3}, r"1 entries among its weights that are no tensors.*norm\.bias"),
        ("encoder", {"norm.bias": torch.zeros(4).to_sparse()}, "a sparse tensor"),
        ("encoder", {"norm.bias": torch.zeros(4, device="meta")}, "meta device"),
        ("pretraining", {"decoder_norm.bias": None}, r"lacks 1 .* Pixio pretraining model: decoder_norm\.bias"),
        ("pretraining", {"last_proj.0.bias": torch.zeros(6)}, "several kinds of model"),
        ("depth", {"head.projects.0.bias": None}, r"lacks 1 .* Pixio dense model: head\.projects\.0\.bias"),
        ("depth", {"encoder.norm.bias": None}, r"lacks 1 .* Pixio dense model: encoder\.norm\.bias"),
    ],
)
def test_incomplete_and_foreign_models_are_named(tmp_path, kind, change, message):
    state = {**random_state(kind), **change}
    path = save(tmp_path, {name: tensor for name, tensor in state.items() if tensor is not None})
    with pytest.raises(ValueError, match=message) as error:
        open_checkpoint(path)
    assert str(path) in str(error.value)


def test_query_key_and_value_have_to_be_equally_wide(tmp_path):
    state = hub_names(random_state())
    start = "encoder.layer.1.attention.attention"
    state |= {f"{start}.query.weight": torch.zeros(5, 4), f"{start}.key.weight": torch.zeros(3, 4)}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"attention\.query\.weight of shape \(5, 4\).*expected \(4, 4\)"):
        open_checkpoint(tmp_path)


def test_missing_files_and_unusable_folders(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        open_checkpoint(tmp_path / "nothing.pth")
    save(tmp_path, random_state())
    with pytest.raises(
        ValueError, match=r"neither model\.safetensors nor.*Name one of its files instead: source\.pth"
    ):
        open_checkpoint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        open_checkpoint(tmp_path / "pipe")
