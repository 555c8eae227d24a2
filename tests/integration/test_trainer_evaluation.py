# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Trainer's evaluation of models that return a loss without labels."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

from pixio_hf import PixioForDistillation, PixioForPreTraining
from tests.tiny_models import randomize_weights, tiny_config


class Samples(torch.utils.data.Dataset):
    """Four images, their masks' noise, and for a student the tokens of a teacher."""

    def __init__(self, is_distillation: bool):
        self.is_distillation = is_distillation

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        sample = {"pixel_values": torch.randn(3, 64, 64, generator=generator)}
        if self.is_distillation:
            return {**sample, "teacher_hidden_states": torch.randn(3 + 16, 8, generator=generator)}
        return {**sample, "noise": torch.rand(4, generator=generator)}


@pytest.mark.parametrize("model_class", [PixioForPreTraining, PixioForDistillation])
def test_evaluation_loss_best_model_and_predictions(tmp_path, model_class):
    model = randomize_weights(model_class(tiny_config(projection_size=8)))
    data = Samples(model_class is PixioForDistillation)
    options = {
        "use_cpu": True,
        "report_to": [],
        "per_device_train_batch_size": 2,
        "per_device_eval_batch_size": 2,
        "disable_tqdm": True,
        "max_steps": 2,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_steps": 1,
        "load_best_model_at_end": True,
    }
    trainer = Trainer(model, TrainingArguments(str(tmp_path), **options), train_dataset=data, eval_dataset=data)
    batch = {name: torch.stack([data[index][name] for index in range(4)]) for name in data[0]}
    with torch.no_grad():
        expected = model(**batch).loss.item()
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected, rel=1e-5)
    trainer.train()
    assert trainer.state.best_model_checkpoint is not None
    assert trainer.predict(data).predictions is not None  # nested outputs are gathered
    with torch.no_grad():
        assert model(**batch, return_loss=False).loss is None
