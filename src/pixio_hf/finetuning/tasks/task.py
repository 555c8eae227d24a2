# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What fine-tuning asks of a task: data, views, model, evaluation, and what a finished run leaves."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic

import torch
from tqdm.auto import tqdm

from ...bundled import find_checkpoint
from ...data.labelled.paired_augmentation import AugmentedDataset
from ...evaluation.baselines import Baselines, describe_baselines, warn_unless_better
from ...evaluation.prediction import PredictionOptions
from ...evaluation.processes import process_index
from ...files import write_json
from ...hub.push import push_folder
from ...image_processing_pixio import PixioImageProcessor
from ...model_cards.finetuned_card import FineTuning, render_finetuned_card
from ...synthetic import find_scene_set
from ..arguments import FineTuningArguments
from ..best_checkpoint import BestWeights, save_final_model
from ..recipes import Recipe, choose_recipe, suit_checkpoint, suit_set, warn_of_few_steps
from ..starting_model import StartingModel, count_encoder_parameters, read_starting_config


class FineTuningTask(ABC, Generic[Recipe]):
    """A task with the recipe and the data of one run.

    A run opens the data, trains a model on views of the items in batches of `collate`, keeps the weights of the evaluation
    with the highest `metric`, and finishes. `args` are what was asked for, with model, recipe and numbers of scenes filled
    in.
    """

    name: str
    metric: str
    metric_title: str
    recipes: Mapping[str, Recipe]
    default_model: str
    default_scenes: tuple[int, int]
    """Synthetic scenes to train on, and to evaluate on."""
    own_setting: str
    """The option of this task, beside the recipe's, that changes what is learnt."""
    advice_without_metric: str

    train_items: Any
    val_items: Any
    baselines: Baselines

    def __init__(self, args: FineTuningArguments):
        """Choose the recipe: the named one, or what suits the data set, changed by the arguments and the checkpoint.

        Raises:
            ValueError: arguments that do not fit together or to the checkpoint.
        """
        is_rendered = find_scene_set(args.dataset) is not None
        starts_random = args.preset or args.smoke or is_rendered
        scenes = (args.num_scenes, args.num_eval_scenes)
        self.args = args = replace(
            args,
            recipe=args.recipe or ("tiny-synthetic" if is_rendered else f"{self.recognise(args.dataset)}-dpt"),
            model=args.model or (None if starts_random else self.default_model),
            num_scenes=scenes[0] if scenes[0] is not None else self.default_scenes[0],
            num_eval_scenes=scenes[1] if scenes[1] is not None else self.default_scenes[1],
        )
        self.recipe = choose_recipe(self.recipes, str(args.recipe), args)
        if args.smoke:
            short = {"total_batch_size": 4, "num_epochs": None, "max_steps": 2, "eval_steps": None}
            self.recipe = replace(self.recipe, **short, crop_size=self.recipe.crop_size or 128)
            return
        config = read_starting_config(args)
        self.recipe = suit_checkpoint(self.recipe, config.image_size, count_encoder_parameters(config))
        if self.recipe.crop_size % config.patch_size:
            raise ValueError(
                f"--crop_size {self.recipe.crop_size} must be a multiple of the patch size {config.patch_size}."
            )

    # What differs from task to task.

    @abstractmethod
    def recognise(self, dataset: str) -> str:
        """Name of the layout that a data set has."""

    @abstractmethod
    def open_splits(self) -> tuple[Any, Any]:
        """Training and validation items, at native size."""

    @abstractmethod
    def make_views(self) -> AugmentedDataset:
        """What is trained on: the training items, changed at random."""

    @property
    @abstractmethod
    def collate(self) -> Callable[[Any], Any]:
        """Views to a model's batch: pixel_values (B, 3, H, W), labels (B, H, W)."""

    @abstractmethod
    def build_model(self) -> StartingModel:
        """The model that the run starts from; its windows are the crops it learns from."""

    @abstractmethod
    def score_constants(self) -> Baselines:
        """What predictions that look at no image score on the validation items."""

    @abstractmethod
    def score(self, model: Any) -> dict[str, Any]:
        """Metrics of a model over the validation items, at native size."""

    @abstractmethod
    def show(self, metrics: Mapping[str, Any], is_final: bool = False) -> str:
        """The metrics in a few words."""

    # What all tasks share.

    def open_data(self, num_processes: int = 1) -> None:
        """Open the data, and settle the batch where it depends on the number of images."""
        self.train_items, self.val_items = self.open_splits()
        unit = num_processes * (self.args.batch_size or 1) * (self.args.gradient_accumulation_steps or 1)
        self.recipe = suit_set(self.recipe, len(self.train_items), unit)

    def count_scenes(self, split: str) -> int:
        """Synthetic scenes of a split."""
        count = self.args.num_scenes if split == "train" else self.args.num_eval_scenes
        assert count is not None
        return min(count, 8) if self.args.smoke else count

    @property
    def processor(self) -> PixioImageProcessor:
        """The image processor that is saved with the model."""
        return PixioImageProcessor(size={"height": self.recipe.crop_size, "width": self.recipe.crop_size})

    @property
    def prediction(self) -> PredictionOptions:
        """How evaluation predicts: in windows of the crops."""
        return PredictionOptions(self.recipe.crop_size, batch_size=self.args.eval_batch_size)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes up the run: another run must not go on in its folder."""
        names = (
            "recipe",
            "dataset",
            self.own_setting,
            "lora_rank",
            "lora_alpha",
            "ema_decay",
            "mixed_precision",
            "seed",
        )
        given = {name: getattr(self.args, name) for name in names}
        return {**given, **asdict(self.recipe), "model": self.args.model}

    @property
    def plain_settings(self) -> dict[str, Any]:
        """The settings that trackers can show: numbers and texts; a list becomes a text."""
        given = {name: value for name, value in self.settings.items() if value is not None}
        return {name: value if isinstance(value, int | float | str) else str(value) for name, value in given.items()}

    @property
    def shown(self) -> tuple[Any, Any, PredictionOptions]:
        """Image processor, validation items and how to predict them, for pictures of the run."""
        return self.processor, self.val_items, self.prediction

    @property
    def best_constant(self) -> float:
        """The best that a prediction reaches which looks at no image, by the metric of the task."""
        return max(values[self.metric] for values in self.baselines.values())

    def measure_baselines(self) -> None:
        """Score constants on the validation items, to be shown beside every evaluation; in every process."""
        self.baselines = self.score_constants()

    def announce(self, origin: str, num_steps: int) -> None:
        """Print how the run begins, and a warning where it will be short."""
        num_images = len(self.train_items)
        print(origin, f"{num_images} training images, {num_steps} steps of {self.recipe.total_batch_size}.")
        print(f"{self.metric} of a constant: {describe_baselines(self.baselines, self.metric)}")
        if not self.args.smoke and (few := warn_of_few_steps(num_steps, self.recipe, num_images)):
            print(f"WARNING: {few}")

    def evaluate(self, model: Any) -> dict[str, Any]:
        """Metrics of a model over the validation items, printed beside the baselines'; in every process."""
        metrics = self.score(model)
        if process_index() == 0:
            tqdm.write(f"{self.show(metrics)}; {self._show_baselines()}")
        return metrics

    def finish(self, trained: Any, best: BestWeights) -> None:
        """Write model, card and metrics of the best evaluation, and upload them where asked for; for the main process.

        Raises:
            ValueError: no evaluation gave a number.
        """
        args, output_dir, evaluation = self.args, Path(self.args.output_dir), best.read()
        if evaluation is None:
            raise ValueError(
                f"No evaluation gave a number, so there is no model to save: has the val split"
                f" {self.advice_without_metric}?"
            )
        metrics, dataset = evaluation["metrics"], Path(args.dataset).name
        warning = warn_unless_better(metrics, self.baselines, self.metric)
        run = FineTuning(
            kind=self.name,
            base_model=None if args.model is None else find_checkpoint(args.model),
            dataset=dataset,
            metrics=metrics,
            settings={**self.settings, "dataset": dataset, "model": None, "step": evaluation["step"]},
            protocol=self.prediction.describe(),
            num_training_images=len(self.train_items),
            baselines=self.baselines,
            warning=warning,
        )
        card_title = args.push_to_hub or output_dir.resolve().name
        write_json(output_dir / "metrics.json", {**evaluation, "baselines": self.baselines, "warning": warning})
        save_final_model(
            trained,
            best,
            output_dir,
            self.processor,
            getattr(torch, args.save_dtype),
            lambda model: render_finetuned_card(model.config, run, card_title),
        )
        step = f"step {evaluation['step']}" if evaluation["step"] else "as it began: training did not improve it"
        print(f"Saved {output_dir / 'model'}; {self.show(metrics, is_final=True)} ({step}); {self._show_baselines()}")
        if warning:
            print(f"WARNING: {warning}")
        if args.push_to_hub:
            result = push_folder(output_dir / "model", args.push_to_hub, private=not args.public)
            print(f"Uploaded to {args.push_to_hub}: {result.commit_url or 'it was there already'}")

    def _show_baselines(self) -> str:
        return f"{self.metric_title} of a constant: {describe_baselines(self.baselines, self.metric)}"
