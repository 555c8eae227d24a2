# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Saved folders through everything that the field uses: pipelines, Auto classes, dtypes, devices, shards, Trainer."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import (
    AutoBackbone,
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForDepthEstimation,
    AutoModelForPreTraining,
    Trainer,
    TrainingArguments,
    pipeline,
)

from pixio_hf import (
    PixioBackbone,
    PixioForDepthEstimation,
    PixioForPreTraining,
    PixioImageProcessor,
    PixioImageProcessorPil,
    PixioModel,
)
from pixio_hf.data.labelled.batches import DepthCollator
from pixio_hf.synthetic import SyntheticSceneDataset
from tests.tiny_models import (
    assert_same_state,
    block_noise,
    random_images,
    randomize_weights,
    read_weights,
    tiny_config,
)

SIZES = [(64, 64), (50, 90), (131, 40), (1, 1)]  # height, width
MODEL_CLASSES = {
    "encoder": (AutoModel, PixioModel),
    "pretraining": (AutoModelForPreTraining, PixioForPreTraining),
    "depth": (AutoModelForDepthEstimation, PixioForDepthEstimation),
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """A local folder must never be looked up on the Hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """Saved models of random weights, each with an image processor."""
    root = tmp_path_factory.mktemp("models")
    for name, (_, model_class) in MODEL_CLASSES.items():
        randomize_weights(model_class(tiny_config())).save_pretrained(root / name)
        PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(root / name)
    return {name: str(root / name) for name in MODEL_CLASSES}


def make_photos() -> list[PIL.Image.Image]:
    generator = np.random.default_rng(0)
    return [PIL.Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in SIZES]


# Pipelines


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # the pipeline's grey picture of a single pixel
@pytest.mark.parametrize("batch_size", [1, 3])
def test_depth_pipeline_equals_model_and_post_processing(folders, batch_size):
    estimate = pipeline("depth-estimation", model=folders["depth"], device="cpu")
    assert type(estimate.model) is PixioForDepthEstimation
    results = estimate(make_photos(), batch_size=batch_size)
    model = PixioForDepthEstimation.from_pretrained(folders["depth"]).eval()
    processor = PixioImageProcessor.from_pretrained(folders["depth"])
    assert len(results) == len(SIZES)
    for photo, size, result in zip(make_photos(), SIZES, results, strict=True):
        outputs = model(**processor(photo, return_tensors="pt"))
        expected = processor.post_process_depth_estimation(outputs, [size])[0]["predicted_depth"]
        torch.testing.assert_close(torch.as_tensor(result["predicted_depth"]), expected, atol=1e-5, rtol=1e-5)
        assert expected.shape == size
        assert isinstance(result["depth"], PIL.Image.Image)
        assert result["depth"].size == (size[1], size[0])
    assert torch.as_tensor(results[0]["predicted_depth"]).std() > 1e-3


@torch.no_grad()
def test_depth_pipeline_of_relative_depth(tmp_path):
    randomize_weights(PixioForDepthEstimation(tiny_config(depth_estimation_type="relative"))).save_pretrained(tmp_path)
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    photo, (height, width) = make_photos()[1], SIZES[1]
    result = pipeline("depth-estimation", model=str(tmp_path), device="cpu")(photo)
    model = PixioForDepthEstimation.from_pretrained(tmp_path).eval()
    processor = PixioImageProcessor.from_pretrained(tmp_path)
    logits, _ = model.predict_logits(processor(photo, return_tensors="pt")["pixel_values"])
    expected = torch.nn.functional.interpolate(logits.clamp(min=0), (height, width), mode="bilinear")[0, 0]
    torch.testing.assert_close(torch.as_tensor(result["predicted_depth"]), expected, atol=1e-5, rtol=1e-5)
    # As of every depth model: the greatest prediction is white, here the nearest.
    near, far = (divmod(int(index), width) for index in (expected.argmax(), expected.argmin()))
    assert (result["depth"].getpixel(near[::-1]), result["depth"].getpixel(far[::-1])) == (255, 0)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "1"])
def test_depth_pipeline_takes_photos_of_every_mode(folders, tmp_path, mode):
    estimate = pipeline("depth-estimation", model=folders["depth"], device="cpu")
    photo = make_photos()[1].convert(mode)
    depth = torch.as_tensor(estimate(photo)["predicted_depth"])
    expected = torch.as_tensor(estimate(photo.convert("RGB"))["predicted_depth"])
    torch.testing.assert_close(depth, expected, atol=1e-5, rtol=1e-5)
    if mode == "L":
        photo.save(tmp_path / "photo.png")
        torch.testing.assert_close(torch.as_tensor(estimate(str(tmp_path / "photo.png"))["predicted_depth"]), depth)


def test_depth_pipeline_in_bfloat16(folders):
    exact, rough = (
        pipeline("depth-estimation", model=folders["depth"], device="cpu", dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rough.model.dtype == torch.bfloat16
    photo = make_photos()[1]
    difference = torch.as_tensor(rough(photo)["predicted_depth"]) - torch.as_tensor(exact(photo)["predicted_depth"])
    assert 0 < difference.abs().mean() < 0.25


@torch.no_grad()
@pytest.mark.parametrize("source", ["encoder", "pretraining", "depth"])
def test_feature_extraction_pipeline(folders, source):
    extract = pipeline("image-feature-extraction", model=folders[source], device="cpu")
    assert type(extract.model) is PixioModel
    model = PixioModel.from_pretrained(folders[source]).eval()
    processor = PixioImageProcessor.from_pretrained(folders[source])
    for photo, features in zip(make_photos(), extract(make_photos()), strict=True):
        expected = model(**processor(photo, return_tensors="pt")).last_hidden_state
        assert expected.shape == (1, 3 + 16, 32)
        torch.testing.assert_close(torch.tensor(features), expected, atol=1e-5, rtol=1e-5)
    pooled = extract(make_photos()[0], pool=True)
    inputs = processor(make_photos()[0], return_tensors="pt")
    torch.testing.assert_close(torch.tensor(pooled), model(**inputs).pooler_output, atol=1e-5, rtol=1e-5)


# Auto classes


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_auto_class_loads_its_folder(folders, name):
    auto_class, model_class = MODEL_CLASSES[name]
    model, info = auto_class.from_pretrained(folders[name], output_loading_info=True)
    assert type(model) is model_class
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert not model.training
    assert_same_state(model.state_dict(), randomize_weights(model_class(tiny_config())).state_dict())


@torch.no_grad()
def test_backbone_of_a_folder(folders):
    images = random_images()
    config = AutoConfig.from_pretrained(folders["encoder"], out_features=["stage2", "stage4"])
    backbone = AutoBackbone.from_config(config).eval()
    assert type(backbone) is PixioBackbone
    loaded = PixioBackbone.from_pretrained(folders["encoder"], out_features=["stage2", "stage4"]).eval()
    backbone.load_state_dict(loaded.state_dict())
    encoder = PixioModel.from_pretrained(folders["encoder"]).eval()
    hidden_states = encoder(images, output_hidden_states=True).hidden_states
    for model in (loaded, backbone):
        maps = model(images).feature_maps
        assert len(maps) == 2
        for feature_map, stage in zip(maps, (2, 4), strict=True):
            tokens = encoder.layernorm(hidden_states[stage])[:, 3:]
            torch.testing.assert_close(feature_map, tokens.transpose(1, 2).reshape(2, 32, 4, 4))


@pytest.mark.parametrize(
    ("backend", "processor_class"), [("torchvision", PixioImageProcessor), ("pil", PixioImageProcessorPil)]
)
def test_image_processor_of_a_folder(folders, backend, processor_class):
    processor = AutoImageProcessor.from_pretrained(folders["depth"], backend=backend)
    assert type(processor) is processor_class
    pixel_values = processor(make_photos(), return_tensors="pt").pixel_values
    assert pixel_values.shape == (len(SIZES), 3, 64, 64)
    expected = processor_class(size={"height": 64, "width": 64})(make_photos(), return_tensors="pt").pixel_values
    assert torch.equal(pixel_values, expected)


# Dtypes, devices, shards


@torch.no_grad()
@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_loading_in_bfloat16(folders, name):
    auto_class, _ = MODEL_CLASSES[name]
    exact = auto_class.from_pretrained(folders[name], dtype=torch.float32)
    rough = auto_class.from_pretrained(folders[name], dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in rough.parameters()} == {torch.bfloat16}
    rounded = {key: tensor.to(rough.state_dict()[key].dtype) for key, tensor in exact.state_dict().items()}
    assert_same_state(rough.state_dict(), rounded)
    noise = {"noise": block_noise()} if name == "pretraining" else {}
    first, second = (model(random_images(), **noise) for model in (exact, rough))
    field = {"encoder": "last_hidden_state", "pretraining": "logits", "depth": "predicted_depth"}[name]
    reference = first[field]
    assert (second[field].float() - reference).abs().mean() < 0.1 * reference.abs().mean()


def test_bfloat16_survives_saving(folders, tmp_path):
    model = AutoModelForDepthEstimation.from_pretrained(folders["depth"], dtype=torch.bfloat16)
    model.save_pretrained(tmp_path)
    stored = read_weights(tmp_path)
    assert {tensor.dtype for tensor in stored.values() if tensor.is_floating_point()} == {torch.bfloat16}
    assert AutoModelForDepthEstimation.from_pretrained(tmp_path, dtype="auto").dtype == torch.bfloat16
    assert_same_state(AutoModelForDepthEstimation.from_pretrained(tmp_path).state_dict(), model.state_dict())


@pytest.mark.parametrize("device_map", ["cpu", {"": "cpu"}])
@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_device_map(folders, name, device_map):
    auto_class, _ = MODEL_CLASSES[name]
    model = auto_class.from_pretrained(folders[name], device_map=device_map)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}
    assert_same_state(model.state_dict(), auto_class.from_pretrained(folders[name]).state_dict())


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_sharded_saving(folders, tmp_path, name):
    auto_class, _ = MODEL_CLASSES[name]
    model = auto_class.from_pretrained(folders[name])
    model.save_pretrained(tmp_path, max_shard_size="110KB")
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2
    assert (tmp_path / "model.safetensors.index.json").is_file()
    assert all(shard.stat().st_size < 130_000 for shard in shards)
    assert_same_state(read_weights(tmp_path), read_weights(Path(folders[name])))
    assert_same_state(auto_class.from_pretrained(tmp_path).state_dict(), model.state_dict())


# Trainer


def test_trainer_fine_tunes_from_a_folder(folders, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForDepthEstimation.from_pretrained(folders["pretraining"])  # the encoder; the head is new
    assert_same_state(model.pixio.state_dict(), PixioModel.from_pretrained(folders["pretraining"]).state_dict())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    processor = AutoImageProcessor.from_pretrained(folders["pretraining"])
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path / "run"),
            max_steps=2,
            per_device_train_batch_size=2,
            learning_rate=1e-3,
            logging_steps=1,
            remove_unused_columns=False,
            label_names=["labels"],
            use_cpu=True,
            report_to=[],
        ),
        train_dataset=SyntheticSceneDataset(4, image_size=64),
        data_collator=DepthCollator(processor, flip_probability=0.5),
        processing_class=processor,
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 2
    assert all(np.isfinite(losses))
    assert min(losses) > 0
    moved = [name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])]
    assert any(name.startswith("pixio.layers.0.") for name in moved)
    assert any(name.startswith("head.") for name in moved)

    trainer.save_model(str(tmp_path / "tuned"))
    tuned = AutoModelForDepthEstimation.from_pretrained(tmp_path / "tuned")
    assert_same_state(tuned.state_dict(), model.state_dict())
    # The processor travels with the model, so that the folder serves a pipeline by itself.
    estimate = pipeline("depth-estimation", model=str(tmp_path / "tuned"), device="cpu")
    assert torch.as_tensor(estimate(make_photos()[1])["predicted_depth"]).shape == SIZES[1]


# Folders that are no checkpoint


@pytest.mark.parametrize(
    "load",
    [
        AutoModel.from_pretrained,
        AutoModelForPreTraining.from_pretrained,
        AutoModelForDepthEstimation.from_pretrained,
        AutoImageProcessor.from_pretrained,
        PixioModel.from_pretrained,
        PixioForDepthEstimation.from_pretrained,
        lambda folder: pipeline("depth-estimation", model=folder),
    ],
)
def test_folder_that_is_no_checkpoint(tmp_path, load):
    """Named in the message; transformers' own error types."""
    (tmp_path / "notes.txt").write_text("no model here")
    with pytest.raises((OSError, ValueError)) as caught:
        load(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForPreTraining, AutoModelForDepthEstimation])
def test_folder_with_a_configuration_only(tmp_path, auto_class):
    tiny_config().save_pretrained(tmp_path)
    with pytest.raises(OSError, match=r"model\.safetensors") as caught:
        auto_class.from_pretrained(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_folder_with_the_weights_of_something_else(tmp_path):
    from safetensors.torch import save_file

    tiny_config().save_pretrained(tmp_path)
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for auto_class in (AutoModel, AutoModelForPreTraining, AutoModelForDepthEstimation):
        with pytest.raises(ValueError, match="lacks encoder weights"):
            auto_class.from_pretrained(str(tmp_path))
