# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""transformers' own Trainer, as the README uses it, stopped and resumed with everything trained."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback, TrainingArguments

from pixio_hf import PixioForDepthEstimation, PixioForPreTraining, PixioModel
from tests.tiny_models import (
    SPELLINGS,
    assert_same_state,
    random_images,
    randomize_weights,
    tiny_config,
    write_checkpoint,
)


class StopAfterTwoSteps(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == 2


def train(output_dir, stop: bool = False, resume: bool = False) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = PixioForDepthEstimation(tiny_config())
    images = random_images(8)
    items = [{"pixel_values": image, "labels": 1 + image[0].abs()} for image in images]
    arguments = TrainingArguments(
        str(output_dir), max_steps=4, save_steps=2, per_device_train_batch_size=2, learning_rate=1e-2, use_cpu=True,
        report_to=[], disable_tqdm=True, save_strategy="steps", label_names=["labels"], remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=items, callbacks=[StopAfterTwoSteps] if stop else [])  # pyright: ignore[reportArgumentType]
    trainer.train(resume_from_checkpoint=resume)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_resumed_training_equals_uninterrupted(tmp_path):
    uninterrupted = train(tmp_path / "whole")
    stopped = train(tmp_path / "parts", stop=True)
    assert not torch.equal(stopped["pixio.layers.0.mlp.fc1.weight"], uninterrupted["pixio.layers.0.mlp.fc1.weight"])
    assert_same_state(train(tmp_path / "parts", resume=True), uninterrupted)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("model_class", [PixioModel, PixioForPreTraining, PixioForDepthEstimation])
def test_state_dicts_load_in_every_spelling(tmp_path, spelling, model_class):
    source = randomize_weights(model_class(tiny_config()))
    state = load_file(write_checkpoint(tmp_path, source, spelling) / "model.safetensors")
    target = model_class(tiny_config())
    result = target.load_state_dict(state)
    assert not result.missing_keys
    assert not result.unexpected_keys
    assert_same_state(target.state_dict(), source.state_dict())
