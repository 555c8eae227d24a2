# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Two processes that accumulate gradients distil as one with four times the batch does, sharded or not; what they save."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from transformers import AutoModel

from pixio_hf import PixioImageProcessor, PixioModel
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from tests.integration.test_two_processes import read_log, train, write_images
from tests.tiny_models import assert_same_state, randomize_weights, read_weights, tiny_config

NUM_STEPS = 4
STUDENTS = ("fresh", "started")


def job(folder: Path, name: str, num_processes: int, batch_size: int, **more) -> dict:
    arguments = {
        "output_dir": str(folder / name),
        "teacher": str(folder / "teacher"),
        "student": [str(folder / "fresh" / "config.json"), str(folder / "started")],
        "dataset": str(folder / "images"),
        "mask_ratio": 0.5,
        "max_steps": NUM_STEPS,
        "warmup_steps": 1,
        "batch_size": batch_size,
        "base_learning_rate": 0.1,
        "save_steps": 2,
        "logging_steps": 1,
        "mixed_precision": "no",
        **more.pop("arguments", {}),
    }
    return {"arguments": arguments, "num_processes": num_processes, **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny teacher and two students, one of random weights; the runs that the tests compare."""
    folder = tmp_path_factory.mktemp("distributed_distillation")
    randomize_weights(PixioModel(tiny_config())).save_pretrained(folder / "teacher")
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder / "teacher")
    sizes = {"projection_size": 32, "hidden_size": 16, "num_hidden_layers": 2}
    tiny_config(**sizes).save_pretrained(folder / "fresh")
    randomize_weights(PixioForDistillation(tiny_config(**sizes))).save_pretrained(folder / "started")
    write_images(folder / "images")
    resumed = [str(folder / "sharded" / "checkpoint-2"), str(folder / "resumed" / "checkpoint-2")]
    halved = {"arguments": {"gradient_accumulation_steps": 2}}
    train(
        job(folder, "one", 1, 4),
        job(folder, "two", 2, 1, **halved),
        job(folder, "sharded", 2, 1, sharded=True, **halved),
        job(folder, "resumed", 2, 1, sharded=True, copy=resumed, **halved),
        job(folder, "sharded-bf16", 2, 2, sharded=True, arguments={"mixed_precision": "bf16"}),
        script="distill",
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("other", ["two", "sharded"])
def test_loss_curve_is_that_of_one_process_with_all_the_images(folder, other):
    expected, log = read_log(folder / "one", "distillation"), read_log(folder / other, "distillation")
    names = [f"{student}/{loss}" for student in STUDENTS for loss in ("loss", "loss_cls", "loss_patch")]
    assert {*names, "learning_rate"} == log.keys()
    for name in (*names, "learning_rate"):
        assert len(expected[name]) == NUM_STEPS
        assert np.ptp(expected[name]) > 1e-4
        np.testing.assert_allclose(log[name], expected[name], rtol=1e-5, err_msg=name)
    assert expected["learning_rate"][1] == pytest.approx(0.1 * 4 / 256)


@pytest.mark.slow
@pytest.mark.parametrize("student", STUDENTS)
def test_sharded_students_are_saved_whole(folder, student, tmp_path):
    """As plain encoders, equal to those of the run that was not sharded; and from its last checkpoint when resumed."""
    saved = folder / "sharded" / "students" / student
    model, info = AutoModel.from_pretrained(saved, output_loading_info=True)
    assert type(model) is PixioModel
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.architectures == ["PixioModel"]
    assert (saved / "preprocessor_config.json").is_file()
    sharded, whole = read_weights(saved), read_weights(folder / "one" / "students" / student)
    assert sharded.keys() == whole.keys()
    for name, tensor in whole.items():
        # Adam makes a step of the noise of gradients that are next to nothing.
        torch.testing.assert_close(sharded[name], tensor, rtol=0, atol=1e-3, msg=name)
    assert_same_state(read_weights(folder / "resumed" / "students" / student), sharded)
    assert len(read_log(folder / "resumed", "distillation")[f"{student}/loss"]) == NUM_STEPS - 2

    index = STUDENTS.index(student)
    checkpoint = folder / "sharded" / "checkpoint-2"
    assert (checkpoint / f"optimizer_{index}").is_dir()
    assert (checkpoint / "data-1.json").is_file()
    dcp_to_torch_save(checkpoint / f"pytorch_model_fsdp_{index}", tmp_path / "whole.pt")
    state = torch.load(tmp_path / "whole.pt", weights_only=True)["model"]
    assert state["pixio.embeddings.cls_token"].shape == model.embeddings.cls_token.shape


@pytest.mark.slow
@pytest.mark.parametrize("student", STUDENTS)
def test_sharded_bfloat16_learns_as_float32_does(folder, student):
    expected, log = read_log(folder / "one", "distillation"), read_log(folder / "sharded-bf16", "distillation")
    np.testing.assert_allclose(log[f"{student}/loss"], expected[f"{student}/loss"], rtol=2e-2)
    assert any(loss != torch.tensor(loss).bfloat16().item() for loss in log[f"{student}/loss"])
