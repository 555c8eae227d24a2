# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The fine-tuning scripts, from data in their true layouts to uploaded models; interrupted runs; crops without depth."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants
from transformers import AutoModelForDepthEstimation, AutoModelForSemanticSegmentation

import pixio_hf
from pixio_hf import PixioModel
from tests import fake_datasets
from tests.hub_server import WRITER, running_hub
from tests.integration.test_examples import EXAMPLES, Interrupted, load_script, reset_accelerate
from tests.tiny_models import assert_same_state, randomize_weights, read_weights, tiny_config

pytestmark = pytest.mark.slow
LIBRARIES = ["trainer", "accelerate"]


@pytest.fixture
def load(monkeypatch):
    """A fine-tuning script as a module, as python would load it; on the CPU."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    reset_accelerate()

    def load_example(name: str):
        script = EXAMPLES / f"{name}.py"
        monkeypatch.syspath_prepend(script.parent)
        return load_script(script)

    yield load_example
    reset_accelerate()


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> str:
    """Folder of a very small encoder with a licence of its own."""
    folder = tmp_path_factory.mktemp("encoder") / "micro"
    randomize_weights(PixioModel(tiny_config())).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    return str(folder)


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with running_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def run_depth(script, output_dir: Path, **arguments) -> dict:
    defaults = {"crop_size": 64, "total_batch_size": 2, "max_steps": 2, "logging_steps": 1, "mixed_precision": "no"}
    script.main(script.FineTuningArguments(task="depth", output_dir=str(output_dir), **{**defaults, **arguments}))
    reset_accelerate()
    return json.loads((output_dir / "metrics.json").read_text())


def stop_at_first_checkpoint(monkeypatch, script, library: str, output_dir: Path, **arguments) -> None:
    """Run depth fine-tuning until its first checkpoint is written, as if it was interrupted then."""
    owner, name = (
        (script, "save_checkpoint") if library == "accelerate" else (script.ProtocolTrainer, "_save_checkpoint")
    )
    save = getattr(owner, name)

    def save_and_stop(*args, **kwargs):
        save(*args, **kwargs)
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, save_and_stop)
        with pytest.raises(Interrupted):
            run_depth(script, output_dir, **arguments)


@pytest.mark.parametrize("library", ["trainer", "accelerate"])
def test_a_run_that_stopped_after_its_last_step_trains_no_further(load, encoder, tmp_path, library):
    script = load(f"finetune_{library}")
    arguments = {"model": encoder, "num_scenes": 4, "num_eval_scenes": 2, "max_steps": 3, "eval_steps": 2}
    whole = run_depth(script, tmp_path / "run", **arguments)
    rows = (tmp_path / "run" / "evaluation.csv").read_text()
    model = read_weights(tmp_path / "run" / "model")
    shutil.rmtree(tmp_path / "run" / "model")
    reset_accelerate()
    assert run_depth(script, tmp_path / "run", **arguments) == whole
    assert (tmp_path / "run" / "evaluation.csv").read_text() == rows
    assert_same_state(read_weights(tmp_path / "run" / "model"), model)


def load_depth_model(folder: Path):
    model, info = AutoModelForDepthEstimation.from_pretrained(folder, output_loading_info=True)
    assert type(model) is pixio_hf.PixioForDepthEstimation
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    return model


@pytest.mark.parametrize(
    ("library", "layout", "head", "options"),
    [
        ("trainer", "nyuv2", "dpt", {}),
        ("accelerate", "kitti", "linear", {"freeze_encoder": False, "layer_decay": 0.75, "ema_decay": 0.5}),
    ],
)
def test_from_a_data_set_to_the_hub(load, encoder, hub, tmp_path, library, layout, head, options):
    data = tmp_path / layout
    write = getattr(fake_datasets, f"write_{layout}")
    write(data, num_train=4, num_val=1, **({"size": (120, 200)} if layout == "kitti" else {}))
    script = load(f"finetune_{library}")
    arguments = {"recipe": f"{layout}-{head}", "dataset": str(data), "model": encoder, **options}
    result = run_depth(script, tmp_path / "run", push_to_hub=f"owner/{layout}", **arguments)
    assert result["step"] == 2
    assert result["metrics"]["num_images"] == 1
    assert np.isfinite(result["metrics"]["rmse"])

    folder = tmp_path / "run" / "model"
    model = load_depth_model(folder)
    assert (model.config.max_depth, model.config.window_size) == (80 if layout == "kitti" else 10, 64)
    is_trained = not torch.equal(model.pixio.layernorm.weight, PixioModel.from_pretrained(encoder).layernorm.weight)
    assert is_trained == (not options.get("freeze_encoder", True))
    uploaded = hub.repos[f"owner/{layout}"]
    assert uploaded.private
    files = uploaded.files("main")
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    card = ModelCard(files["README.md"].decode())
    assert card.data.license == "cc-by-4.0"
    assert card.data.pipeline_tag == "depth-estimation"
    scores = {score.metric_type: score.metric_value for score in card.data.eval_results or []}
    assert scores["delta1"] == float(f"{result['metrics']['delta1']:.3g}")
    assert str(tmp_path) not in card.content

    with pytest.raises(ValueError, match="holds another run"):
        run_depth(script, tmp_path / "run", **arguments, learning_rate=1.0)
    reset_accelerate()


@pytest.mark.parametrize(
    ("library", "options"),
    [
        ("trainer", {"freeze_encoder": False, "ema_decay": 0.7}),
        ("trainer", {"lora_rank": 2, "head_type": "linear"}),
        ("accelerate", {"freeze_encoder": False, "ema_decay": 0.7, "head_type": "linear"}),
        ("accelerate", {"lora_rank": 2}),
    ],
)
def test_resumed_run_equals_an_uninterrupted_one(load, encoder, monkeypatch, tmp_path, library, options):
    if "lora_rank" in options:
        pytest.importorskip("peft")
    script = load(f"finetune_{library}")
    arguments = {"model": encoder, "num_scenes": 6, "num_eval_scenes": 2, "max_steps": 5, "eval_steps": 2, **options}
    arguments |= {"whole_images": False, "batch_size": 1, "gradient_accumulation_steps": 2, "warmup_steps": 0.0}
    whole = run_depth(script, tmp_path / "whole", **arguments)

    stop_at_first_checkpoint(monkeypatch, script, library, tmp_path / "stopped", **arguments)
    assert not (tmp_path / "stopped" / "model").exists()
    (tmp_path / "stopped" / "checkpoint-4").mkdir()  # what a process leaves that is killed while it writes
    reset_accelerate()  # as in a new process
    torch.manual_seed(999)
    resumed = run_depth(script, tmp_path / "stopped", **arguments)
    for folder in ("model", "best"):
        assert_same_state(*(read_weights(tmp_path / run / folder) for run in ("stopped", "whole")))
    assert resumed == whole
    load_depth_model(tmp_path / "whole" / "model")
    assert (tmp_path / "whole" / "adapter").exists() == ("lora_rank" in options)


@pytest.mark.parametrize("library", LIBRARIES)
def test_crops_without_depth_give_no_nan(load, encoder, tmp_path, library):
    generator = np.random.default_rng(0)
    for split, depth in (("train", 0), ("val", 2000)):
        for name in "ab":
            pixels = generator.integers(0, 256, (80, 96, 3), dtype=np.uint8)
            fake_datasets.write_picture(tmp_path / "data" / split / "images" / f"{name}.png", pixels)
            fake_datasets.write_picture(
                tmp_path / "data" / split / "depth" / f"{name}.png", np.full((80, 96), depth, np.uint16)
            )
    script = load(f"finetune_{library}")
    arguments = {"recipe": "folder-dpt", "dataset": str(tmp_path / "data"), "depth_scale": 0.001, "model": encoder}
    arguments |= {"whole_images": False}
    with pytest.raises(ValueError, match="No training depth lies between"):
        run_depth(script, tmp_path / "refused", **arguments)
    # Four pixels in a corner of one photo, which most crops miss.
    corner = np.zeros((80, 96), np.uint16)
    corner[:2, :2] = 2000
    fake_datasets.write_picture(tmp_path / "data/train/depth/b.png", corner)
    result = run_depth(script, tmp_path / "run", **arguments)
    assert all(np.isfinite(value) for value in result["metrics"].values())
    weights = read_weights(tmp_path / "run" / "model")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_trainer_does_not_multiply_the_loss(load, encoder, tmp_path):
    """Trainer takes models whose forward has **kwargs for ones that divide by num_items_in_batch themselves."""
    script = load("finetune_trainer")
    losses = []
    for lora_rank in (None, 2):
        arguments = {"model": encoder, "num_scenes": 8, "num_eval_scenes": 2, "max_steps": 1, "learning_rate": 1e-9}
        arguments |= {"total_batch_size": 8, "encoder_learning_rate": 1e-9, "lora_rank": lora_rank}
        for passes in (1, 4):
            folder = tmp_path / f"run-{passes}-{lora_rank}"
            run_depth(script, folder, **arguments, gradient_accumulation_steps=passes)
            state = json.loads((folder / "checkpoint-1" / "trainer_state.json").read_text())
            losses.append(next(entry["loss"] for entry in state["log_history"] if "loss" in entry))
    assert max(losses) < 1.3 * min(losses)


@pytest.mark.parametrize("library", LIBRARIES)
def test_segmentation(load, encoder, tmp_path, library):
    fake_datasets.write_voc(tmp_path / "voc", num_train=4, num_val=2, size=(80, 96))
    script = load(f"finetune_{library}")
    script.main(
        script.FineTuningArguments(
            task="segmentation",
            output_dir=str(tmp_path / "run"),
            recipe="voc-linear",
            dataset=str(tmp_path / "voc"),
            model=encoder,
            crop_size=64,
            total_batch_size=2,
            num_epochs=6,
            learning_rate=3e-2,
            mixed_precision="no",
        )
    )
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    assert metrics["num_images"] == 2
    assert metrics["pixel_accuracy"] > 100 / 21
    model = AutoModelForSemanticSegmentation.from_pretrained(tmp_path / "run" / "model")
    assert type(model) is pixio_hf.PixioForSemanticSegmentation
    assert (model.config.id2label[15], model.config.num_labels) == ("person", 21)
    assert "| mean IoU (%) |" in (tmp_path / "run" / "model" / "README.md").read_text()


def test_linear_probe(load, encoder, tmp_path):
    fake_datasets.write_image_classes(tmp_path / "data", num_train=6, num_val=2)
    script = load("linear_probe")
    arguments = {"model": encoder, "dataset": str(tmp_path / "data"), "max_steps": 60, "mixed_precision": "no"}
    metrics = script.main(script.ProbeArguments(output_dir=str(tmp_path / "run"), **arguments))
    assert metrics["num_images"] == 6
    assert metrics["top1"] > 60
    model = pixio_hf.PixioForImageClassification.from_pretrained(tmp_path / "run" / "model").eval()
    assert list(model.config.id2label.values()) == ["amber", "green", "violet"]
    # The saved classifier, on plain features, gives what was measured.
    items, _ = script.open_image_labels(tmp_path / "data", "val")
    processor = pixio_hf.PixioImageProcessor(do_resize=False)
    images = [script.center_crop(item["image"], 64) for item in items]
    with torch.no_grad():
        found = model(**processor(images, return_tensors="pt")).logits.argmax(dim=-1)
    accuracy = (found == torch.tensor([item["label"] for item in items])).double().mean().item()
    assert 100 * accuracy == pytest.approx(metrics["top1"])
    with pytest.raises(ValueError, match="exists already"):
        script.main(script.ProbeArguments(output_dir=str(tmp_path / "run"), **arguments))


# What the scripts of each task and library gave before they became two: all four agree by task.
SMOKE_NUMBERS = {
    "depth": {"abs_rel": 0.5372775, "rmse": 1.6351797, "log10": 0.1737281, "silog": 0.3990911, "num_images": 8},
    "segmentation": {"mean_iou": 8.14386, "pixel_accuracy": 32.09229, "num_images": 8, "num_pixels": 131072},
}


@pytest.mark.parametrize("task", SMOKE_NUMBERS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_of_a_smoke_run(load, monkeypatch, tmp_path, library, task):
    script = load(f"finetune_{library}")
    words = ["script", "--task", task, "--smoke", "--mixed_precision", "no", "--output_dir", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", words)
    (parsed,) = script.HfArgumentParser(script.FineTuningArguments).parse_args_into_dataclasses()
    script.main(parsed)
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    # Other processors round otherwise, which moves single pixels from class to class.
    tolerance = {"rel": 1e-4} if task == "depth" else {"abs": 0.05}
    for name, expected in SMOKE_NUMBERS[task].items():
        assert metrics[name] == pytest.approx(expected, **tolerance), name
