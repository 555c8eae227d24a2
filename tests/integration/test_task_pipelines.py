# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Segmentation and classification from saved folders: pipelines, Auto classes, names on disk, Trainer."""

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForImageClassification,
    AutoModelForSemanticSegmentation,
    Trainer,
    TrainingArguments,
    pipeline,
)

from pixio_hf import (
    PixioForDepthEstimation,
    PixioForImageClassification,
    PixioForSemanticSegmentation,
    PixioImageProcessor,
    PixioModel,
)
from tests.tiny_models import (
    SPELLINGS,
    assert_same_state,
    random_images,
    randomize_weights,
    read_weights,
    respell,
    tiny_config,
    write_checkpoint,
)

SIZES = [(64, 64), (50, 90), (131, 40), (1, 1)]  # height, width
NAMES = ("wall", "floor", "ceiling", "sofa", "lamp")
TASKS = {
    "segmentation": (AutoModelForSemanticSegmentation, PixioForSemanticSegmentation),
    "classification": (AutoModelForImageClassification, PixioForImageClassification),
}


def build_model(task: str, seed: int = 0, **overrides):
    config = tiny_config(
        id2label=dict(enumerate(NAMES)), label2id={name: i for i, name in enumerate(NAMES)}, **overrides
    )
    return randomize_weights(TASKS[task][1](config), seed)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """A local folder must never be looked up on the Hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """Saved models of random weights, each with an image processor."""
    root = tmp_path_factory.mktemp("tasks")
    models = {task: build_model(task) for task in TASKS}
    models["encoder"] = randomize_weights(PixioModel(tiny_config()))
    models["windows"] = build_model("segmentation", window_size=64)
    for name, model in models.items():
        model.save_pretrained(root / name)
        processor = PixioImageProcessor(size={"height": 64, "width": 64})
        if name == "windows":  # photos at their own size, whatever it is
            processor = PixioImageProcessor(do_resize=False, size_divisor=1)
        processor.save_pretrained(root / name)
    return {name: str(root / name) for name in models}


def make_photos() -> list[PIL.Image.Image]:
    generator = np.random.default_rng(0)
    return [PIL.Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in SIZES]


# Pipelines


def assemble(segments: list[dict]) -> np.ndarray:
    """Class number of every pixel from the pipeline's masks; each pixel lies in exactly one of them."""
    masks = np.stack([np.asarray(segment["mask"]) for segment in segments])
    assert set(np.unique(masks)) <= {0, 255}
    assert ((masks > 0).sum(axis=0) == 1).all()
    return np.array([NAMES.index(segment["label"]) for segment in segments])[masks.argmax(axis=0)]


@torch.no_grad()
@pytest.mark.parametrize(("name", "batch_size"), [("segmentation", 1), ("segmentation", 2), ("windows", 1)])
def test_segmentation_pipeline_equals_model_and_post_processing(folders, name, batch_size):
    segment = pipeline("image-segmentation", model=folders[name], device="cpu")
    assert type(segment.model) is PixioForSemanticSegmentation
    results = segment(make_photos(), batch_size=batch_size)
    assert len(results) == len(SIZES)
    model = PixioForSemanticSegmentation.from_pretrained(folders[name]).eval()
    processor = PixioImageProcessor.from_pretrained(folders[name])
    for photo, size, result in zip(make_photos(), SIZES, results, strict=True):
        logits = model(**processor(photo, return_tensors="pt")).logits
        assert logits.shape[-2:] == (size if name == "windows" else (64, 64))
        expected = torch.nn.functional.interpolate(logits, size, mode="bilinear").argmax(dim=1)[0]
        assert expected.shape == size
        # Two classes may be equal up to rounding, which depends on the batch.
        assert (torch.as_tensor(assemble(result)) == expected).float().mean() > 0.999
    assert len(results[1]) > 1


@torch.no_grad()
def test_segmentation_scores_at_the_size_of_each_photo(folders):
    model = PixioForSemanticSegmentation.from_pretrained(folders["segmentation"]).eval()
    processor = PixioImageProcessor.from_pretrained(folders["segmentation"])
    outputs = model(**processor(make_photos(), return_tensors="pt"))
    plain = processor.post_process_semantic_segmentation(outputs, target_sizes=SIZES)
    scored = processor.post_process_semantic_segmentation(outputs, SIZES, return_segmentation_scores=True)
    for index, size in enumerate(SIZES):
        assert plain[index].shape == size
        assert plain[index].dtype == torch.int64
        assert scored[index]["segmentation_scores"].shape == (5, *size)
        assert torch.equal(scored[index]["segmentation_scores"].argmax(dim=0), plain[index])
        assert torch.equal(scored[index]["segmentation"], plain[index])
    assert torch.equal(plain[0], outputs.logits[0].argmax(dim=0))


@torch.no_grad()
@pytest.mark.parametrize("batch_size", [1, 2])
def test_classification_pipeline_equals_model(folders, batch_size):
    classify = pipeline("image-classification", model=folders["classification"], device="cpu")
    assert type(classify.model) is PixioForImageClassification
    results = classify(make_photos(), batch_size=batch_size, top_k=3)
    model = PixioForImageClassification.from_pretrained(folders["classification"]).eval()
    processor = PixioImageProcessor.from_pretrained(folders["classification"])
    for photo, result in zip(make_photos(), results, strict=True):
        probabilities = model(**processor(photo, return_tensors="pt")).logits[0].softmax(dim=0)
        best = probabilities.sort(descending=True)
        assert [entry["label"] for entry in result] == [NAMES[index] for index in best.indices[:3]]
        torch.testing.assert_close(torch.tensor([entry["score"] for entry in result]), best.values[:3])
    assert len({result[0]["score"] for result in results}) == len(SIZES)


@torch.no_grad()
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch_size", [1, 2])
def test_feature_extraction_pipeline_reads_the_encoder_of_every_task(folders, task, batch_size):
    extract = pipeline("image-feature-extraction", model=folders[task], device="cpu")
    model, processor = build_model(task).pixio, PixioImageProcessor.from_pretrained(folders[task])
    assert_same_state(extract.model.state_dict(), model.state_dict())
    for photo, features in zip(make_photos(), extract(make_photos(), batch_size=batch_size), strict=True):
        expected = model(**processor(photo, return_tensors="pt")).last_hidden_state
        torch.testing.assert_close(torch.tensor(features), expected, atol=1e-5, rtol=1e-5)


# Saving and loading


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_loads_exactly_and_is_saved_as_the_official_one(tmp_path, task, spelling):
    model = build_model(task)
    write_checkpoint(tmp_path / "source", model, spelling)
    loaded, info = TASKS[task][0].from_pretrained(tmp_path / "source", output_loading_info=True)
    assert type(loaded) is TASKS[task][1]
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert_same_state(loaded.state_dict(), model.state_dict())
    assert loaded.config.id2label == dict(enumerate(NAMES))
    loaded.save_pretrained(tmp_path / "saved")
    official = {respell(name, "official"): tensor for name, tensor in model.state_dict().items()}
    assert_same_state(read_weights(tmp_path / "saved"), official)
    assert_same_state(TASKS[task][0].from_pretrained(tmp_path / "saved").state_dict(), model.state_dict())


@pytest.mark.parametrize("task", TASKS)
def test_encoder_checkpoint_leaves_only_the_head_new(folders, task):
    auto_class, _ = TASKS[task]
    model, info = auto_class.from_pretrained(folders["encoder"], num_labels=7, output_loading_info=True)
    head = {name for name, _ in model.named_parameters() if not name.startswith("pixio.")}
    assert len(head) >= 2
    assert all(name.startswith(("head.", "classifier.")) for name in head)
    buffers = {name for name, _ in model.named_buffers() if name.startswith("head.")}
    assert head <= set(info["missing_keys"]) <= head | buffers
    assert not info["unexpected_keys"]
    assert_same_state(model.pixio.state_dict(), PixioModel.from_pretrained(folders["encoder"]).state_dict())
    outputs = model.eval()(random_images())
    assert outputs.logits.shape[1] == 7
    assert torch.isfinite(outputs.logits).all()


@pytest.mark.parametrize("task", TASKS)
def test_another_number_of_classes_is_not_taken_silently(folders, task):
    auto_class, _ = TASKS[task]
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        auto_class.from_pretrained(folders[task], num_labels=7)
    model = auto_class.from_pretrained(folders[task], num_labels=7, ignore_mismatched_sizes=True)
    assert_same_state(model.pixio.state_dict(), build_model(task).pixio.state_dict())


def test_heads_of_two_tasks_do_not_mix(folders):
    """A depth head has the names of a segmentation head but one channel."""
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        PixioForDepthEstimation.from_pretrained(folders["segmentation"])


# Trainer


class RandomTaskData(torch.utils.data.Dataset):
    """Four images of noise with a label for each, or for each of its pixels."""

    def __init__(self, task: str):
        shape = (4, 64, 64) if task == "segmentation" else (4,)
        self.images = random_images(4)
        self.labels = torch.randint(0, 5, shape, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pixel_values": self.images[index], "labels": self.labels[index]}


def train_one_step(task: str, folder: str, batch_size: int) -> tuple[Trainer, dict[str, Tensor]]:
    """One optimiser step over the four images, in pieces of batch_size; the trainer and how far each weight moved."""
    model = build_model(task)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=4 // batch_size,
        optim="sgd",
        learning_rate=0.1,
        max_grad_norm=0.0,
        logging_steps=1,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=RandomTaskData(task), eval_dataset=RandomTaskData(task)
    )
    trainer.train()
    return trainer, {name: tensor - before[name] for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("task", TASKS)
def test_gradient_accumulation_equals_one_batch(tmp_path, task):
    data = RandomTaskData(task)
    with torch.no_grad():
        expected = build_model(task)(data.images, labels=data.labels).loss.item()
    whole, whole_moves = train_one_step(task, str(tmp_path / "whole"), batch_size=4)
    pieces, piece_moves = train_one_step(task, str(tmp_path / "pieces"), batch_size=1)
    for trainer in (whole, pieces):
        assert trainer.state.log_history[0]["loss"] == pytest.approx(expected, abs=2e-4)  # rounded for the log
    assert max(move.abs().max() for move in whole_moves.values()) > 1e-2
    for name, move in whole_moves.items():
        torch.testing.assert_close(piece_moves[name], move, atol=1e-5, rtol=1e-3, msg=name)
    evaluated = whole.evaluate()["eval_loss"]
    with torch.no_grad():
        direct = whole.model.eval()(data.images, labels=data.labels).loss.item()
    assert evaluated == pytest.approx(direct, rel=1e-4)
    assert direct < expected
