# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""transformers' Trainer with an evaluation protocol of its own, the best weights, and an average of weights."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..training.checkpointing import save_checkpoint
from ..training.distributed import seed_pass
from ..training.ema import WeightAverage
from .best_checkpoint import BestWeights

_AVERAGE_FILE = "weight_average.safetensors"


class ProtocolTrainer(Trainer):
    """Trainer whose evaluation is a function of the model, so that metrics are streamed and images keep their size.

    Args:
        evaluate_model: model -> metrics; called in every process, under autocast.
        best: keeps the trained weights of the best evaluation.
        average: if given, evaluated and kept instead of the weights themselves.

    A training data set with `set_epoch` is told the epoch. Checkpoints appear whole or not at all. Random numbers of a
    training pass depend only on the run's seed, the step and the pass within it, so that a resumed run ends
    bit-identical.
    """

    def __init__(
        self,
        *args: Any,
        evaluate_model: Callable[[nn.Module], dict[str, Any]],
        best: BestWeights,
        average: WeightAverage | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.evaluate_model, self.best, self.average = evaluate_model, best, average
        self.folder_of_checkpoints: str | None = None
        self.last_pass = (-1, 0)
        self.add_callback(EpochCallback(self.train_dataset))
        if average is not None:
            self.add_callback(AverageCallback(average))

    def train(self, resume_from_checkpoint: Any = None, trial: Any = None, ignore_keys_for_eval: Any = None) -> Any:
        """As Trainer's, which would do one step more from a checkpoint of the last step: that is the end here."""
        if resume_from_checkpoint is not None:
            state = TrainerState.load_from_json(str(Path(resume_from_checkpoint, TRAINER_STATE_NAME)))
            if state.global_step >= self.args.max_steps > 0:
                self._load_from_checkpoint(resume_from_checkpoint)
                self.state = state
                return None
        return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"):
        """Metrics of `evaluate_model` under `metric_key_prefix`; the weights are kept if they are the best so far."""
        model = self.accelerator.unwrap_model(self.model)
        with self.average.applied() if self.average else nullcontext():
            with self.accelerator.autocast():
                metrics = self.evaluate_model(model)
            if self.is_world_process_zero():
                self.best.offer(self.state.global_step, metrics, model)
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log({name: value for name, value in named.items() if isinstance(value, int | float)})
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        return named

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """As Trainer's, with a random state for this pass alone."""
        step, (last_step, last_index) = self.state.global_step, self.last_pass
        self.last_pass = (step, last_index + 1 if step == last_step else 0)
        seed_pass(self.args.seed, *self.last_pass, self.args.process_index)
        return super().training_step(model, inputs, num_items_in_batch)

    def _get_output_dir(self, trial: Any) -> str:
        return self.folder_of_checkpoints or super()._get_output_dir(trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Trainer's checkpoint, written under another name and renamed when it is whole (see save_checkpoint)."""
        output_dir = super()._get_output_dir(trial)

        def write(folder: str) -> None:
            # Trainer makes a folder of the checkpoint's name in there; its contents move up.
            self.folder_of_checkpoints = folder
            try:
                super(ProtocolTrainer, self)._save_checkpoint(model, trial)
            finally:
                self.folder_of_checkpoints = None
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                inner = Path(folder, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
                for path in inner.iterdir():
                    path.rename(Path(folder, path.name))
                inner.rmdir()
            self.accelerator.wait_for_everyone()

        save_checkpoint(
            output_dir,
            self.state.global_step,
            write,
            keep=self.args.save_total_limit or 2,
            is_main_process=self.is_world_process_zero(),
            wait_for_everyone=self.accelerator.wait_for_everyone,
        )

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As Trainer's, and the average of weights too."""
        super().save_model(output_dir, _internal_call)
        if self.average is not None and self.is_world_process_zero():
            state = {name: tensor.contiguous() for name, tensor in self.average.state_dict().items()}
            save_file(state, Path(output_dir or str(self.args.output_dir), _AVERAGE_FILE))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.average is not None:
            file = Path(resume_from_checkpoint, _AVERAGE_FILE)
            if not file.is_file():
                raise ValueError(f"{file} is missing: the run was made without --ema_decay. Resume it without.")
            self.average.load_state_dict(load_file(file))


class EpochCallback(TrainerCallback):
    """Tell a data set whose views change with the epoch which epoch begins."""

    def __init__(self, dataset: Any):
        self.dataset = dataset

    def on_epoch_begin(self, args, state, control, **kwargs):
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(int(state.epoch or 0))


class AverageCallback(TrainerCallback):
    """Update an average of weights after every step."""

    def __init__(self, average: WeightAverage):
        self.average = average

    def on_step_end(self, args, state, control, **kwargs):
        self.average.update()


class LossCallback(TrainerCallback):
    """Hand the loss, and what is logged with it, to a function of step and numbers."""

    def __init__(self, record: Callable[[int, dict[str, float]], object]):
        self.record = record

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs and state.is_world_process_zero:
            self.record(state.global_step, {name: value for name, value in logs.items() if name != "epoch"})
