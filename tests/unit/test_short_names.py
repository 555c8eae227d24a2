# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Short names: what they stand for, in every class of transformers, in an empty folder and without any network."""

import shutil
import socket
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image
from transformers import pipeline
from transformers.utils import hub

import pixio_hf
from pixio_hf import bundled, short_names
from pixio_hf.model_cards.finetuned_card import FineTuning, render_finetuned_card
from tests.tiny_models import assert_same_state, randomize_weights, tiny_config

TINY, DEPTH = (pixio_hf.bundled_checkpoint(name) for name in ("pixio-tiny", "pixio-tiny-depth"))
CLASSES = [
    (transformers.AutoModel, "pixio-tiny", pixio_hf.PixioModel),
    (transformers.AutoModelForPreTraining, "pixio-tiny", pixio_hf.PixioForPreTraining),
    (transformers.AutoModelForDepthEstimation, "pixio-tiny-depth", pixio_hf.PixioForDepthEstimation),
    (pixio_hf.PixioModel, "pixio-tiny", pixio_hf.PixioModel),
    (pixio_hf.PixioForPreTraining, "pixio-tiny", pixio_hf.PixioForPreTraining),
    (pixio_hf.PixioForDepthEstimation, "pixio-tiny-depth", pixio_hf.PixioForDepthEstimation),
    (transformers.PixioModel, "pixio-tiny", transformers.PixioModel),
]


@pytest.fixture(autouse=True)
def empty_folder_without_network(tmp_path, monkeypatch):
    """An empty working folder, online mode, and no socket that may be opened."""

    def refuse(*arguments, **_):
        raise AssertionError(f"a connection was attempted: {arguments}")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(("loader", "name", "expected"), CLASSES, ids=lambda value: getattr(value, "__name__", value))
def test_models_equal_those_of_the_path(loader, name, expected):
    model = loader.from_pretrained(name)
    assert type(model) is expected
    assert model.name_or_path == name
    assert_same_state(model.state_dict(), loader.from_pretrained(pixio_hf.bundled_checkpoint(name)).state_dict())


def test_backbone_of_the_auto_class():
    backbone = transformers.AutoBackbone.from_pretrained("pixio-tiny", out_features=["stage4", "stage8"])
    expected = pixio_hf.PixioBackbone.from_pretrained(TINY, out_features=["stage4", "stage8"])
    assert type(backbone) is pixio_hf.PixioBackbone
    assert_same_state(backbone.state_dict(), expected.state_dict())
    images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    for one, other in zip(backbone(images).feature_maps, expected(images).feature_maps, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("loader", [transformers.AutoConfig, pixio_hf.PixioConfig], ids=lambda kind: kind.__name__)
def test_configurations(loader):
    config, expected = (loader.from_pretrained(source) for source in ("pixio-tiny-depth", DEPTH))
    assert type(config) is pixio_hf.PixioConfig
    assert config.to_json_string() == expected.to_json_string()
    model = pixio_hf.PixioForDepthEstimation.from_pretrained("pixio-tiny-depth", config=config)
    assert_same_state(model.state_dict(), pixio_hf.PixioForDepthEstimation.from_pretrained(DEPTH).state_dict())


@pytest.mark.parametrize(
    "loader",
    [
        transformers.AutoImageProcessor,
        transformers.AutoProcessor,
        pixio_hf.PixioImageProcessor,
        pixio_hf.PixioImageProcessorPil,
    ],
    ids=lambda kind: kind.__name__,
)
def test_processors(loader):
    photo = Image.effect_noise((90, 60), 60).convert("RGB")
    values, expected = (
        loader.from_pretrained(source)(photo, return_tensors="pt").pixel_values for source in ("pixio-tiny", TINY)
    )
    assert torch.equal(values, expected)


@pytest.mark.parametrize(
    ("task", "name", "options"),
    [
        ("depth-estimation", "pixio-tiny-depth", {}),
        ("depth-estimation", "pixio-tiny-depth", {"image_processor": "pixio-tiny"}),
        (None, "pixio-tiny-depth", {}),
        ("image-feature-extraction", "pixio-tiny", {}),
        (None, "pixio-tiny", {}),
    ],
)
def test_pipelines(task, name, options):
    photo = Image.effect_noise((90, 60), 60).convert("RGB")
    run = pipeline(task, model=name, device="cpu", **options)
    used = pixio_hf.bundled_checkpoint(options.get("image_processor", name))
    processor = pixio_hf.PixioImageProcessor.from_pretrained(used)
    expected = pipeline(run.task, model=pixio_hf.bundled_checkpoint(name), image_processor=processor, device="cpu")
    if run.task == "depth-estimation":
        assert torch.equal(run(photo)["predicted_depth"], expected(photo)["predicted_depth"])
    else:
        assert run(photo) == expected(photo)


def test_options_for_the_hub_are_taken():
    options = {"revision": "main", "cache_dir": "cache", "token": "hf_x", "local_files_only": True}
    model = transformers.AutoModel.from_pretrained("pixio-tiny", **options)
    assert_same_state(model.state_dict(), transformers.AutoModel.from_pretrained(TINY).state_dict())
    assert list(Path().iterdir()) == []
    with pytest.raises(ValueError, match="model_type"):  # as for a folder
        transformers.AutoModel.from_pretrained("pixio-tiny", subfolder="missing")
    with pytest.raises(OSError, match="fp16"):
        transformers.AutoModel.from_pretrained("pixio-tiny", variant="fp16")


def test_a_local_folder_comes_first():
    model = randomize_weights(pixio_hf.PixioModel(tiny_config()))
    for name in ("pixio-tiny", "pixio-h16"):
        model.save_pretrained(name)
        loaded = transformers.AutoModel.from_pretrained(name)
        assert_same_state(loaded.state_dict(), model.state_dict())
        assert type(transformers.AutoBackbone.from_pretrained(name)) is pixio_hf.PixioBackbone
        assert bundled.find_checkpoint(name) == name
        assert bundled.hub_id(name) == name


@pytest.mark.parametrize("name", ["pixio-tiny", "pixio-h16"])
@pytest.mark.parametrize(
    "loader", [transformers.AutoModel, transformers.AutoConfig, pixio_hf.PixioModel, pixio_hf.PixioImageProcessor]
)
def test_a_folder_that_is_no_checkpoint_is_named(name, loader):
    Path(name).mkdir()
    with pytest.raises(OSError, match=f"The folder {name} in .* is no checkpoint: it holds no config.json"):
        loader.from_pretrained(name)


@pytest.mark.parametrize(
    "name",
    ["owner/pixio-tiny", "pixio-tiny/", "./pixio-tiny", "Pixio-tiny", "pixio-tiny ", "", None, Path("pixio-tiny"), 3],
)
def test_anything_else_is_no_short_name(name, monkeypatch):
    assert bundled.resolve_name(name) is None
    seen = []
    monkeypatch.setattr(hub, "hf_hub_download", lambda *arguments, **_: seen.append(arguments))
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    if isinstance(name, str):
        hub.cached_files(name, ["config.json"], _raise_exceptions_for_missing_entries=False)
        assert [arguments[0] for arguments in seen] == [name]


def test_what_names_stand_for():
    assert bundled.resolve_name("pixio-tiny") == TINY
    assert bundled.resolve_name("pixio-h16") == "facebook/pixio-vith16"
    assert {name: model.hub_id.rpartition("-vit")[2] for name, model in bundled.OFFICIAL.items()} == {
        f"pixio-{size}": size for size in ("b16", "l16", "h16", "1b16", "5b16")
    }


def test_registration_can_be_repeated_and_undone():
    replaced = (hub.cached_files, hub.has_file, hub.HfApi)
    short_names.register_short_names()
    assert (hub.cached_files, hub.has_file, hub.HfApi) == replaced
    short_names.unregister_short_names()
    try:
        assert not hasattr(hub.cached_files, "__wrapped__")
        assert hub.HfApi is short_names.HfApi
        with pytest.raises(OSError, match="couldn't connect"):
            transformers.AutoConfig.from_pretrained("pixio-tiny", local_files_only=True)
    finally:
        short_names.register_short_names()
    assert transformers.AutoConfig.from_pretrained("pixio-tiny").hidden_size == 224


def test_cards_name_the_repository():
    run = FineTuning("depth", "pixio-h16", "rooms", {"rmse": 0.5}, {}, "whole images")
    card = render_finetuned_card(tiny_config(), run, "mine")
    assert "base_model: facebook/pixio-vith16" in card
    assert "fair-noncommercial" in card


def test_copy_of_a_bundled_model_under_its_name():
    shutil.copytree(TINY, "pixio-tiny-depth")
    assert_same_state(
        transformers.AutoModel.from_pretrained("pixio-tiny-depth").state_dict(),
        transformers.AutoModel.from_pretrained(TINY).state_dict(),
    )
