# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints that carry their code, loaded in an environment without pixio_hf and beside it."""

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import transformers
from huggingface_hub.constants import HF_HUB_CACHE
from transformers import AutoImageProcessor, AutoModel, AutoModelForDepthEstimation, pipeline

import pixio_hf
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.hub.remote_code import write_remote_code
from pixio_hf.registration import AUTO_CLASSES
from tests.tiny_models import (
    assert_same_state,
    block_noise,
    random_images,
    randomize_weights,
    read_weights,
    tiny_config,
    write_checkpoint,
)

REPO_ID = "somebody/pixio-tiny-depth"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# AutoBackbone.from_pretrained asks the Hub about local folders too (transformers 5.23); from_config is checked instead.
TASK_CLASSES = {auto.__name__: model for auto, model in AUTO_CLASSES if auto is not transformers.AutoBackbone}
WITHOUT_PIXIO_HF = """
import importlib.util, json, sys
from pathlib import Path
import PIL.Image, torch, transformers
from transformers import AutoBackbone, AutoConfig, AutoImageProcessor, AutoModel, AutoModelForDepthEstimation, pipeline

root, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(settings["num_threads"])
torch.set_grad_enabled(False)
assert importlib.util.find_spec("pixio_hf") is None, "the environment has pixio_hf"
photo, inputs = PIL.Image.open(root / "photo.png"), torch.load(root / "inputs.pt")
tensors, origins, errors = {}, {}, {}

def note_origin(name, thing):
    origins[name] = [type(thing).__module__, type(thing).__name__]

def load_encoder(name, trust):
    model, info = AutoModel.from_pretrained(root / "AutoModel", trust_remote_code=trust, output_loading_info=True)
    note_origin(name, model)
    errors[name] = sorted([*info["missing_keys"], *info["unexpected_keys"]])
    tensors[name] = {"state": model.state_dict(), "output": (model.eval()(inputs["pixel_values"]).last_hidden_state,)}

load_encoder("native_before", None)
for source in (root / "depth", settings["repo_id"]):
    estimate = pipeline("depth-estimation", str(source), trust_remote_code=True, device="cpu")
    note_origin(f"pipeline {source}", estimate.model)
    tensors[f"depth {Path(source).name}"] = estimate(photo)["predicted_depth"]
for name in settings["auto_classes"]:
    model = getattr(transformers, name).from_pretrained(root / name, trust_remote_code=True).eval()
    note_origin(name, model)
    batch = inputs if name == "AutoModelForPreTraining" else {"pixel_values": inputs["pixel_values"]}
    tensors[name] = {"state": model.state_dict(), "output": model(**batch).to_tuple()}
    model.save_pretrained(root / f"{name}_again")
for backend in ("torchvision", "pil"):
    processor = AutoImageProcessor.from_pretrained(root / "depth", trust_remote_code=True, backend=backend)
    note_origin(backend, processor)
    tensors[backend] = processor(photo, return_tensors="pt").pixel_values
    processor.save_pretrained(root / f"{backend}_again")
config = AutoConfig.from_pretrained(root / "depth", trust_remote_code=True)
note_origin("config", config)
note_origin("backbone", AutoBackbone.from_config(config, trust_remote_code=True))
load_encoder("native_after", False)
try:
    AutoModelForDepthEstimation.from_pretrained(root / "depth", trust_remote_code=False)
except ValueError as error:
    errors["untrusted depth"] = str(error)

sys.path.append(settings["package"])
import pixio_hf
model = AutoModelForDepthEstimation.from_pretrained(root / "depth", trust_remote_code=True)
note_origin("imported later", model)
tensors["imported later"] = model.state_dict()
torch.save(tensors, root / "tensors.pt")
(root / "report.json").write_text(json.dumps({"origins": origins, "errors": errors}))
"""


def copy_of_bundled(name: str, folder: Path) -> Path:
    shutil.copytree(pixio_hf.bundled_checkpoint(name), folder)
    return folder


def put_into_hub_cache(folder: Path, cache: Path) -> None:
    """Lay a folder out as if it had been downloaded as REPO_ID."""
    repository = cache / f"models--{REPO_ID.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)


def make_photo() -> PIL.Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """Folder, report and tensors of a process without pixio_hf, in an environment of its own, offline."""
    root = tmp_path_factory.mktemp("remote_code")
    make_photo().save(root / "photo.png")
    torch.save({"pixel_values": random_images(), "noise": block_noise()}, root / "inputs.pt")
    write_remote_code(copy_of_bundled("pixio-tiny-depth", root / "depth"))
    cache = root / "home" / Path(HF_HUB_CACHE).name
    put_into_hub_cache(root / "depth", cache)
    for name, model_class in TASK_CLASSES.items():
        write_checkpoint(root / name, make_model(model_class))
        written = write_remote_code(root / name)
        assert not [path for path in written if "processor" in path.name]

    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    # A folder of PYTHONPATH is no site folder: its .pth files, such as the one of an editable install, do nothing.
    environment |= {"PYTHONPATH": sysconfig.get_path("purelib"), "HF_HOME": str(root / "home"), "HF_HUB_OFFLINE": "1"}
    environment |= {"OMP_NUM_THREADS": "1"}
    venv.create(root / "venv", with_pip=False)
    settings = {
        "num_threads": torch.get_num_threads(),
        "repo_id": REPO_ID,
        "auto_classes": list(TASK_CLASSES),
        "package": str(Path(pixio_hf.__file__).parents[1]),
    }
    command = [str(root / "venv" / "bin" / "python"), "-c", WITHOUT_PIXIO_HF, str(root), json.dumps(settings)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=300)
    assert result.returncode == 0, result.stderr[-4000:]
    return root, json.loads((root / "report.json").read_text()), torch.load(root / "tensors.pt")


def make_model(model_class):
    model = model_class(tiny_config())
    model.config.architectures = [model_class.__name__]
    return randomize_weights(model)


def assert_remote(origin: list[str], class_name: str) -> None:
    module, name = origin
    assert module.startswith("transformers_modules."), origin
    assert name == class_name, origin


@pytest.mark.slow
@torch.no_grad()
def test_depth_pipeline_without_the_package_is_bit_identical(remote):
    root, report, tensors = remote
    estimate = pipeline("depth-estimation", pixio_hf.bundled_checkpoint("pixio-tiny-depth"), device="cpu")
    expected = estimate(make_photo())["predicted_depth"]
    assert expected.shape == (90, 130)
    assert expected.std() > 0.01
    for source in (str(root / "depth"), REPO_ID):
        assert_remote(report["origins"][f"pipeline {source}"], "PixioForDepthEstimation")
        assert torch.equal(tensors[f"depth {Path(source).name}"], expected), source


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", TASK_CLASSES)
def test_every_tensor_loads_computes_and_round_trips(remote, name):
    root, report, tensors = remote
    expected = make_model(TASK_CLASSES[name])
    assert_remote(report["origins"][name], type(expected).__name__)
    assert_same_state(tensors[name]["state"], expected.state_dict())
    inputs = torch.load(root / "inputs.pt")
    outputs = expected(**inputs if name == "AutoModelForPreTraining" else {"pixel_values": inputs["pixel_values"]})
    assert len(outputs.to_tuple()) == len(tensors[name]["output"])
    for actual, wanted in zip(tensors[name]["output"], outputs.to_tuple(), strict=True):
        assert torch.equal(actual, wanted)
    # Official names on disk, before and after.
    assert_same_state(read_weights(root / f"{name}_again"), read_weights(root / name))
    assert (root / f"{name}_again" / "modeling_pixio.py").read_text() == (
        root / name / "modeling_pixio.py"
    ).read_text()


@pytest.mark.slow
def test_encoder_stays_transformers_own_without_trust(remote):
    root, report, tensors = remote
    stored = {hub_to_memory_name(key): tensor for key, tensor in read_weights(root / "AutoModel").items()}
    for name in ("native_before", "native_after"):
        assert report["origins"][name] == ["transformers.models.pixio.modeling_pixio", "PixioModel"]
        assert not report["errors"][name]
        assert_same_state(tensors[name]["state"], stored)
    assert_same_state(tensors["AutoModel"]["state"], stored)
    assert torch.equal(tensors["native_before"]["output"][0], tensors["native_after"]["output"][0])
    assert "trust_remote_code=True" in report["errors"]["untrusted depth"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torchvision", "pil"])
def test_both_processor_backends_travel(remote, backend):
    root, report, tensors = remote
    processor = AutoImageProcessor.from_pretrained(pixio_hf.bundled_checkpoint("pixio-tiny-depth"), backend=backend)
    assert_remote(report["origins"][backend], type(processor).__name__)
    expected = processor(make_photo(), return_tensors="pt").pixel_values
    assert torch.equal(tensors[backend], expected)
    again = json.loads((root / f"{backend}_again" / "preprocessor_config.json").read_text())
    assert again["auto_map"]["AutoImageProcessor"].endswith(f".{type(processor).__name__}")


@pytest.mark.slow
def test_config_and_backbone_travel_and_the_package_takes_over_once_imported(remote):
    _, report, tensors = remote
    assert_remote(report["origins"]["config"], "PixioConfig")
    assert_remote(report["origins"]["backbone"], "PixioBackbone")
    assert report["origins"]["imported later"] == ["pixio_hf.modeling_pixio_dense", "PixioForDepthEstimation"]
    expected = AutoModelForDepthEstimation.from_pretrained(pixio_hf.bundled_checkpoint("pixio-tiny-depth"))
    assert_same_state(tensors["imported later"], expected.state_dict())


def test_imported_package_wins_over_the_code_in_the_folder(tmp_path):
    folder = copy_of_bundled("pixio-tiny-depth", tmp_path / "depth")
    write_remote_code(folder)
    (folder / "modeling_pixio_dense.py").write_text("raise RuntimeError('the code of the folder ran')\n")
    model = AutoModelForDepthEstimation.from_pretrained(folder, trust_remote_code=True)
    assert type(model) is pixio_hf.PixioForDepthEstimation
    assert type(AutoModel.from_pretrained(folder, trust_remote_code=True)) is pixio_hf.PixioModel
    processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
    assert type(processor) is pixio_hf.PixioImageProcessor


def test_only_what_the_model_needs_travels_and_writing_again_changes_nothing(tmp_path):
    folder = copy_of_bundled("pixio-tiny", tmp_path / "model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    written = write_remote_code(folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == set(before) | {path.name for path in written}
    assert {"modeling_pixio_pretraining.py", "patches.py", "checkpoint_names.py"} <= set(first)
    assert not {"modeling_pixio_dense.py", "heads.py", "registration.py"} & set(first)
    package = Path(pixio_hf.__file__).parent
    for name, content in first.items():
        if name.endswith(".py"):
            assert content == (package / name).read_bytes()
            assert b"Apache License" in content.splitlines()[0]
    for name in ("config.json", "preprocessor_config.json"):
        changed = json.loads(first[name])
        assert changed.pop("auto_map")
        assert changed == json.loads(before[name])
    assert first["model.safetensors"] == before["model.safetensors"]

    assert write_remote_code(folder) == written
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_a_foreign_processor_is_left_alone(tmp_path):
    folder = copy_of_bundled("pixio-tiny", tmp_path / "model")
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "BitImageProcessor"}')
    written = {path.name for path in write_remote_code(folder)}
    assert not {"preprocessor_config.json", "image_processing_pixio.py"} & written
    assert (folder / "preprocessor_config.json").read_text() == '{"image_processor_type": "BitImageProcessor"}'


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "holds no config.json"),
        ("{", "is no JSON"),
        ("[]", "holds a list instead of an object"),
        ('{"model_type": "vit"}', "type 'vit', not 'pixio'"),
        ('{"model_type": "pixio"}', r"architectures \[\]"),
        ('{"model_type": "pixio", "architectures": ["PixioForChess"]}', "PixioForChess.*can load.*PixioModel"),
    ],
)
def test_folders_that_cannot_carry_code_are_refused(tmp_path, config, message):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=message):
        write_remote_code(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_other_origin_is_not_overwritten(tmp_path):
    folder = copy_of_bundled("pixio-tiny", tmp_path / "model")
    (folder / "patches.py").write_text("MINE = True\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=r"patches\.py is not one of pixio_hf's files"):
        write_remote_code(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
