# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What importing this package changes, and what it leaves alone; processes of their own see it from the start."""

import os
import subprocess
import sys

import pytest
import torch
import transformers
from transformers import (
    AutoBackbone,
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForDepthEstimation,
    AutoModelForImageClassification,
    AutoModelForPreTraining,
    AutoModelForSemanticSegmentation,
)

import pixio_hf
from tests.tiny_models import (
    SPELLINGS,
    assert_same_state,
    randomize_weights,
    read_weights,
    tiny_config,
    write_checkpoint,
)

WITHOUT_PIXIO_HF = """
import sys, torch
from transformers import AutoBackbone, AutoConfig, AutoModel
config = AutoConfig.for_model("pixio", hidden_size=32, num_hidden_layers=4, num_attention_heads=4, image_size=64)
torch.manual_seed(0)
model = AutoModel.from_config(config)
for parameter in model.parameters():
    torch.nn.init.normal_(parameter)
model.save_pretrained(sys.argv[1])
torch.save(model.state_dict(), sys.argv[1] + "/memory.pt")
assert "pixio_hf" not in sys.modules
classes = [type(config), type(model), type(AutoBackbone.from_config(config))]
print(" ".join(kind.__module__ for kind in classes))
"""
WITH_PIXIO_HF = """
import sys
from transformers import AutoModel, PixioModel
import pixio_hf
from transformers import AutoConfig
model = AutoModel.from_pretrained(sys.argv[1])
assert PixioModel.__module__ == "transformers.models.pixio.modeling_pixio"
lazy = [name for name in ("pixio_hf.data", "pixio_hf_cli", "pixio_hf.training", "datasets") if name in sys.modules]
print(type(AutoConfig.for_model("pixio")).__module__, type(model).__module__, isinstance(model, PixioModel), lazy)
"""


def run_python(code: str, *arguments: str) -> list[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, timeout=240
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1].split(maxsplit=3)


@pytest.fixture(scope="module")
def upstream_folder(tmp_path_factory) -> tuple[str, list[str]]:
    """What transformers' own PixioModel wrote in a process without this package, and the modules of its classes."""
    folder = str(tmp_path_factory.mktemp("upstream"))
    return folder, run_python(WITHOUT_PIXIO_HF, folder)


def test_processes_without_this_package_keep_transformers_classes(upstream_folder):
    _, modules = upstream_folder
    assert len(modules) == 3
    assert all(module.startswith("transformers.models.pixio.") for module in modules)


def test_checkpoint_of_transformers_itself_loads_exactly(upstream_folder):
    folder, _ = upstream_folder
    model = AutoModel.from_pretrained(folder)
    assert type(model) is pixio_hf.PixioModel
    assert_same_state(model.state_dict(), torch.load(f"{folder}/memory.pt"))


def test_import_in_a_fresh_process(upstream_folder):
    folder, _ = upstream_folder
    config_module, model_module, is_upstream, lazy = run_python(WITH_PIXIO_HF, folder)
    assert config_module == "pixio_hf.configuration_pixio"
    assert model_module == "pixio_hf.modeling_pixio"
    assert is_upstream == "True"
    assert lazy == "[]"


def test_auto_classes_from_configuration():
    assert type(AutoConfig.for_model("pixio")) is pixio_hf.PixioConfig
    for auto_class, model_class in (
        (AutoModel, pixio_hf.PixioModel),
        (AutoBackbone, pixio_hf.PixioBackbone),
        (AutoModelForPreTraining, pixio_hf.PixioForPreTraining),
        (AutoModelForDepthEstimation, pixio_hf.PixioForDepthEstimation),
        (AutoModelForSemanticSegmentation, pixio_hf.PixioForSemanticSegmentation),
        (AutoModelForImageClassification, pixio_hf.PixioForImageClassification),
    ):
        model = auto_class.from_config(tiny_config())
        assert type(model) is model_class
        assert model.config_class is pixio_hf.PixioConfig


@pytest.mark.parametrize(
    ("auto_class", "model_class"),
    [
        (AutoModel, pixio_hf.PixioModel),
        (AutoModelForPreTraining, pixio_hf.PixioForPreTraining),
        (AutoModelForDepthEstimation, pixio_hf.PixioForDepthEstimation),
        (AutoModelForSemanticSegmentation, pixio_hf.PixioForSemanticSegmentation),
        (AutoModelForImageClassification, pixio_hf.PixioForImageClassification),
    ],
)
def test_auto_classes_from_a_folder(tmp_path, auto_class, model_class):
    model = randomize_weights(model_class(tiny_config()))
    model.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(tmp_path)
    assert type(loaded) is model_class
    assert_same_state(loaded.state_dict(), model.state_dict())


def test_image_processors_from_a_folder(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    pixio_hf.PixioImageProcessor().save_pretrained(tmp_path)
    assert type(AutoImageProcessor.from_pretrained(tmp_path)) is pixio_hf.PixioImageProcessor
    assert type(AutoImageProcessor.from_pretrained(tmp_path, backend="pil")) is pixio_hf.PixioImageProcessorPil


def test_transformers_own_classes_stay():
    assert transformers.PixioModel.__module__ == "transformers.models.pixio.modeling_pixio"
    assert transformers.PixioConfig.__module__ == "transformers.models.pixio.configuration_pixio"
    assert transformers.PixioBackbone is not pixio_hf.PixioBackbone


def test_transformers_own_class_loads_what_is_saved_here(tmp_path):
    model = randomize_weights(pixio_hf.PixioModel(tiny_config()))
    model.save_pretrained(tmp_path)
    theirs = transformers.PixioModel.from_pretrained(tmp_path)
    assert_same_state(theirs.state_dict(), model.state_dict())


SAVE_UPSTREAM = """
import sys
from pathlib import Path
if sys.argv[2] == "with":
    import pixio_hf
import torch
from safetensors import safe_open
from transformers import PixioBackbone, PixioConfig, PixioModel
fields = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, image_size=64)
for model_class in (PixioModel, PixioBackbone):
    torch.manual_seed(0)
    model = model_class(PixioConfig(**fields))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    folder = Path(sys.argv[1]) / model_class.__name__
    model.save_pretrained(folder / "new")
    loaded = model_class.from_pretrained(folder / "new")
    if model_class is PixioModel:  # transformers 5.23 does not read all of what its own PixioBackbone saves
        assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    loaded.save_pretrained(folder / "again")
print(sys.argv[2])
"""


def test_transformers_own_classes_save_as_without_this_package(tmp_path):
    for case in ("without", "with"):
        run_python(SAVE_UPSTREAM, str(tmp_path / case), case)
    files = sorted(path.relative_to(tmp_path / "with") for path in (tmp_path / "with").rglob("model.safetensors"))
    assert len(files) == 4
    for file in files:
        if "PixioBackbone/again" in str(file):
            continue  # holds what was not read, drawn at random
        assert (tmp_path / "with" / file).read_bytes() == (tmp_path / "without" / file).read_bytes()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_our_backbone_inside_another_model_saves_and_loads_whole(tmp_path, spelling):
    from transformers import UperNetConfig, UperNetForSemanticSegmentation

    config = UperNetConfig(
        backbone_config=tiny_config(out_features=["stage1", "stage2", "stage3", "stage4"]),
        num_labels=3,
        hidden_size=16,
        auxiliary_in_channels=32,
        auxiliary_channels=8,
    )
    model = randomize_weights(UperNetForSemanticSegmentation(config))
    assert type(model.backbone) is pixio_hf.PixioBackbone
    write_checkpoint(tmp_path, model, spelling)
    loaded, info = UperNetForSemanticSegmentation.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert_same_state(loaded.state_dict(), model.state_dict())
    loaded.save_pretrained(tmp_path / "saved")
    again = UperNetForSemanticSegmentation.from_pretrained(tmp_path / "saved")
    assert_same_state(again.state_dict(), model.state_dict())


def test_registering_again_is_safe(tmp_path):
    pixio_hf.registration.register()
    model = randomize_weights(pixio_hf.PixioForDepthEstimation(tiny_config()))
    model.save_pretrained(tmp_path)
    assert any(name.startswith("pixio.encoder.layer.0.attention.attention.query") for name in read_weights(tmp_path))
    assert_same_state(AutoModelForDepthEstimation.from_pretrained(tmp_path).state_dict(), model.state_dict())
