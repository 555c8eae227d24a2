# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Loading and saving: every spelling of a checkpoint is read completely, and only the official one is written."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pixio_hf import PixioBackbone, PixioForDepthEstimation, PixioForPreTraining, PixioModel
from pixio_hf.checkpoint_names import register_key_mapping
from tests.tiny_models import (
    SPELLINGS,
    assert_same_state,
    block_noise,
    random_images,
    randomize_weights,
    read_weights,
    respell,
    tiny_config,
    write_checkpoint,
)

CLASSES = (PixioModel, PixioBackbone, PixioForPreTraining, PixioForDepthEstimation)
OFFICIAL_BLOCK = [
    f"{module}.{kind}"
    for module in (
        "norm1",
        "norm2",
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
        "mlp.fc1",
        "mlp.fc2",
    )
    for kind in ("weight", "bias")
]
OFFICIAL_ENCODER = [
    "embeddings.cls_token",
    "embeddings.position_embeddings",
    "embeddings.patch_embeddings.projection.weight",
    "embeddings.patch_embeddings.projection.bias",
    *(f"encoder.layer.{block}.{name}" for block in range(4) for name in OFFICIAL_BLOCK),
    "layernorm.weight",
    "layernorm.bias",
]


def build(model_class: type) -> torch.nn.Module:
    return randomize_weights(model_class(tiny_config()), seed=7)


def official_names(model_class: type) -> set[str]:
    """The encoder's names, below pixio. in larger models; decoder blocks are named like the encoder's."""
    prefix = "" if model_class is PixioModel else "pixio."
    names = {prefix + name for name in OFFICIAL_ENCODER}
    if model_class is PixioForPreTraining:
        names |= {f"decoder.blocks.{block}.{name}" for block in range(2) for name in OFFICIAL_BLOCK}
        names |= {f"decoder.{name}.{kind}" for name in ("embed", "norm", "predict") for kind in ("weight", "bias")}
        names |= {"decoder.mask_token", "decoder.position_embeddings"}
    return names


def test_official_names(tmp_path):
    for model_class in CLASSES:
        folder = tmp_path / model_class.__name__
        build(model_class).save_pretrained(folder)
        names = set(read_weights(folder))
        expected = official_names(model_class)
        assert {name for name in names if not name.startswith("head.")} == expected
        assert any(name.startswith("head.") for name in names) == (model_class is PixioForDepthEstimation)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("model_class", CLASSES)
def test_own_checkpoint_in_every_spelling(tmp_path, model_class, spelling):
    model = build(model_class)
    folder = write_checkpoint(tmp_path / "source", model, spelling)
    loaded, info = model_class.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert_same_state(loaded.state_dict(), model.state_dict())
    # Whatever was read, the official names are written, and read back.
    loaded.save_pretrained(tmp_path / "saved")
    saved = read_weights(tmp_path / "saved")
    assert_same_state(saved, {respell(name, "official"): tensor for name, tensor in model.state_dict().items()})
    assert_same_state(model_class.from_pretrained(tmp_path / "saved").state_dict(), model.state_dict())


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("model_class", CLASSES[1:])
def test_encoder_checkpoint_in_every_spelling(tmp_path, model_class, spelling):
    encoder = build(PixioModel)
    folder = write_checkpoint(tmp_path / "source", encoder, spelling)
    model, info = model_class.from_pretrained(folder, output_loading_info=True)
    assert_same_state(model.pixio.state_dict(), encoder.state_dict())
    # Heads are new, and only reported.
    expected = {name for name in model.state_dict() if not name.startswith("pixio.")}
    assert set(info["missing_keys"]) == expected
    assert not info["unexpected_keys"]
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
    model.save_pretrained(tmp_path / "saved")
    assert {name for name in read_weights(tmp_path / "saved") if name.startswith("pixio.")} == {
        f"pixio.{name}" for name in OFFICIAL_ENCODER
    }
    assert_same_state(model_class.from_pretrained(tmp_path / "saved").state_dict(), model.state_dict())


@pytest.mark.parametrize("model_class", CLASSES[1:])
def test_encoder_out_of_a_larger_model(tmp_path, model_class):
    model = build(model_class)
    model.save_pretrained(tmp_path)
    assert_same_state(PixioModel.from_pretrained(tmp_path).state_dict(), model.pixio.state_dict())
    assert_same_state(PixioBackbone.from_pretrained(tmp_path).pixio.state_dict(), model.pixio.state_dict())


def test_depth_model_from_pretraining_checkpoint(tmp_path):
    pretrained = build(PixioForPreTraining)
    pretrained.save_pretrained(tmp_path)
    model, info = PixioForDepthEstimation.from_pretrained(tmp_path, output_loading_info=True)
    assert_same_state(model.pixio.state_dict(), pretrained.pixio.state_dict())
    assert {key.split(".")[0] for key in info["unexpected_keys"]} == {"decoder"}


@pytest.mark.parametrize("model_class", CLASSES)
def test_missing_encoder_weights_are_an_error(tmp_path, model_class):
    folder = write_checkpoint(tmp_path, build(PixioModel))
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.2.norm1.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks encoder weights: (pixio\.)?layers\.2\.layernorm_before\.weight"):
        model_class.from_pretrained(folder)
    model, info = model_class.from_pretrained(folder, allow_incomplete_encoder=True, output_loading_info=True)
    assert isinstance(model, model_class)
    assert any("layernorm_before" in key for key in info["missing_keys"])


@pytest.mark.parametrize("model_class", CLASSES)
def test_unexpected_encoder_weights_are_an_error(tmp_path, model_class):
    folder = write_checkpoint(tmp_path, build(PixioModel))
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.9.mlp.fc1.weight"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"holds encoder weights that the model lacks: .*layers\.9\.mlp\.fc1"):
        model_class.from_pretrained(folder)


def test_fewer_layers_on_request(tmp_path):
    encoder = build(PixioModel)
    folder = write_checkpoint(tmp_path, encoder)
    with pytest.raises(ValueError, match="holds encoder weights that the model lacks"):
        PixioModel.from_pretrained(folder, num_hidden_layers=2)
    short = PixioModel.from_pretrained(folder, num_hidden_layers=2, allow_incomplete_encoder=True)
    assert len(short.layers) == 2
    assert torch.equal(short.layers[1].mlp.fc1.weight, encoder.layers[1].mlp.fc1.weight)


def test_folder_that_is_no_checkpoint(tmp_path):
    for model_class in CLASSES:
        with pytest.raises(OSError, match="no file named"):
            model_class.from_pretrained(tmp_path)
    tiny_config().save_pretrained(tmp_path)
    with pytest.raises(OSError, match=r"model\.safetensors"):
        PixioModel.from_pretrained(tmp_path)


def test_checkpoint_of_another_size(tmp_path):
    folder = write_checkpoint(tmp_path, build(PixioModel))
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**fields, "hidden_size": 64}))
    with pytest.raises((RuntimeError, ValueError), match="mismatch"):
        PixioModel.from_pretrained(folder)


@torch.no_grad()
@pytest.mark.parametrize("model_class", CLASSES)
def test_shards_devices_and_dtypes(tmp_path, model_class):
    model = build(model_class)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 2
    assert {name for name in index["weight_map"] if not name.startswith("head.")} == official_names(model_class)
    for device_map in (None, "cpu", "auto"):
        loaded = model_class.from_pretrained(tmp_path, device_map=device_map)
        assert_same_state({name: tensor.cpu() for name, tensor in loaded.state_dict().items()}, model.state_dict())
    half = model_class.from_pretrained(tmp_path, dtype=torch.bfloat16)
    expected = {
        name: tensor.bfloat16() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    assert_same_state(half.state_dict(), expected)
    kwargs = {"noise": block_noise()} if model_class is PixioForPreTraining else {}
    first = next(iter(half.eval()(random_images(), **kwargs).values()))
    first = first[0] if isinstance(first, tuple) else first
    assert torch.isfinite(first).all()


def test_registering_again_changes_nothing(tmp_path):
    register_key_mapping()
    register_key_mapping()
    model = build(PixioModel)
    model.save_pretrained(tmp_path)
    assert set(read_weights(tmp_path)) == set(OFFICIAL_ENCODER)
    assert_same_state(PixioModel.from_pretrained(tmp_path).state_dict(), model.state_dict())
