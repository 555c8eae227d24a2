# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth, metric or relative."""

from collections.abc import Mapping
from typing import Any

from torch.utils.data import ConcatDataset

from ...configuration_pixio import PixioConfig
from ...data.labelled.batches import DepthCollator
from ...data.labelled.depth_datasets import open_depth_dataset
from ...data.labelled.depth_protocols import find_depth_protocol
from ...data.labelled.paired_augmentation import AugmentedDataset, DepthAugmentation
from ...data.labelled.student_views import CutMixViews, SquareViews
from ...evaluation.baselines import Baselines, depth_baselines
from ...evaluation.depth import evaluate_depth
from ...evaluation.prediction import PredictionOptions
from ...evaluation.relative_depth import RelativeRules, evaluate_relative_depth, relative_depth_baselines
from ...image_processing_pixio import PixioImageProcessor
from ...modeling_pixio_dense import PixioForDepthEstimation
from ...synthetic import check_scene_photographs, find_scene_set
from ..arguments import FineTuningArguments
from ..recipes import DEPTH_RECIPES, DepthRecipe
from ..starting_model import StartingModel, start_model
from .task import FineTuningTask

FARTHEST_OF_TEACHER = 20.0  # times as far as the nearest point; what is farther has hardly any inverse depth


class DepthTask(FineTuningTask[DepthRecipe]):
    """Depth from pairs of image and depth map, in crops of native size or from whole images resized.

    Relative depth is trained on squares of crop_size: whole images, or crops of images whose short side has that size.
    """

    name = "depth"
    metric = metric_title = "delta1"
    recipes = DEPTH_RECIPES
    default_model = "pixio-tiny-depth"
    default_scenes = (32_768, 512)
    own_setting = "depth_scale"
    advice_without_metric = "any valid depth"

    def __init__(self, args: FineTuningArguments):
        """As for every task.

        Raises:
            ValueError: also options of relative depth without it, strong perturbations of crops of metric depth, or
                photographs for scenes that cannot show them.
        """
        super().__init__(args)
        recipe = self.recipe
        if recipe.depth_loss_trim and not self.is_relative:
            raise ValueError("--depth_loss_trim is for --depth_estimation_type relative.")
        if recipe.strong_perturbations and not (self.is_relative or recipe.whole_images):
            raise ValueError("--strong_perturbations of metric depth need --whole_images: CutMix needs one size.")
        check_scene_photographs(self.args.scene_photographs, [self.args.dataset, *(self.args.mix_with or [])])

    @property
    def is_relative(self) -> bool:
        """Whether the model learns relative depth."""
        return self.recipe.depth_estimation_type == "relative"

    def recognise(self, dataset: str) -> str:
        """nyuv2, kitti or folder; other layouts are trained on as a folder is."""
        name = find_depth_protocol(dataset).name
        return name if f"{name}-dpt" in self.recipes else "folder"

    def open_splits(self) -> tuple[Any, Any]:
        """Images with their depth in metres; for relative depth infinity is the sky."""
        train = self._open(self.args.dataset, "train", self.args.train_split_file)
        if self.args.mix_with:
            train = ConcatDataset([train, *(self._open(name, "train") for name in self.args.mix_with)])
        return train, self._open(self.args.dataset, "val", self.args.val_split_file)

    def _open(self, dataset: str, split: str, split_file: str | None = None) -> Any:
        is_first = dataset == self.args.dataset
        return open_depth_dataset(
            dataset,
            split,
            protocol=self.recipe.protocol if is_first else None,
            split_file=split_file,
            depth_scale=self.args.depth_scale if is_first else None,
            allow_outside=self.args.allow_outside,
            num_scenes=self.count_scenes(split),
            image_size=self.recipe.crop_size,
            cache_dir=self.args.cache_dir,
            scene_photographs=self.args.scene_photographs,
            relative=self.is_relative,
        )

    @property
    def rules(self) -> RelativeRules:
        """What of the validation set counts for relative depth; a teacher's unit is the distance of the nearest point."""
        is_rendered = find_scene_set(self.args.dataset) is not None
        if not is_rendered and find_depth_protocol(self.args.dataset, self.recipe.protocol).stores_inverse:
            return RelativeRules(0.5, FARTHEST_OF_TEACHER)
        return RelativeRules(PixioConfig().min_depth, self.recipe.max_depth)

    @property
    def settings(self) -> dict[str, Any]:
        """With the data sets that are mixed in."""
        mixed = {"mix_with": self.args.mix_with} if self.args.mix_with else {}
        return {**super().settings, **mixed}

    def make_views(self) -> AugmentedDataset:
        """Mirrored at random: random crops without resizing (docs/specification.md 5.5), or whole images.

        Relative depth: squares, also of resized images.
        """
        recipe = self.recipe
        augmentation = DepthAugmentation(None if recipe.whole_images else recipe.crop_size)
        if self.is_relative or recipe.strong_perturbations:
            augmentation = SquareViews(recipe.crop_size, recipe.whole_images)
        views = CutMixViews if recipe.strong_perturbations else AugmentedDataset
        return views(self.train_items, augmentation, self.args.seed)

    @property
    def collate(self) -> DepthCollator:
        """Crops stay as they are, whole images are resized."""
        return DepthCollator(self.processor if self.recipe.whole_images else PixioImageProcessor(do_resize=False))

    def build_model(self) -> StartingModel:
        """A PixioForDepthEstimation."""
        recipe = self.recipe
        head = {
            "head_type": recipe.head_type,
            "max_depth": recipe.max_depth,
            "window_size": self.prediction.window_size,
            "window_stride": None,
            "depth_estimation_type": recipe.depth_estimation_type,
            "depth_loss_trim": recipe.depth_loss_trim,
        }
        return start_model(PixioForDepthEstimation, self.args, **head)

    @property
    def prediction(self) -> PredictionOptions:
        """In windows of the crops, or whole images; relative depth always whole, as windows have no common scale."""
        window_size = None if self.recipe.whole_images or self.is_relative else self.recipe.crop_size
        return PredictionOptions(window_size, batch_size=self.args.eval_batch_size)

    def score_constants(self) -> Baselines:
        """The mean and the median training depth; or a constant and "near at the bottom" for relative depth."""
        if self.is_relative:
            return relative_depth_baselines(self.val_items, self.rules)
        return depth_baselines(self.train_items, self.val_items, PixioConfig().min_depth, self.recipe.max_depth)

    def score(self, model: Any) -> dict[str, Any]:
        """The nine metrics (docs/specification.md 5.6, 5.7); of relative depth once it is aligned, and the order."""
        if self.is_relative:
            return evaluate_relative_depth(model, self.processor, self.val_items, self.prediction, self.rules).metrics
        return evaluate_depth(model, self.processor, self.val_items, self.prediction).metrics

    def show(self, metrics: Mapping[str, Any], is_final: bool = False) -> str:
        """Errors in metres; of relative depth the order instead."""
        relative = f"abs_rel {metrics['abs_rel']:.3f}, " if is_final else ""
        last = f"order {metrics['order']:.3f}" if self.is_relative else f"rmse {metrics['rmse']:.3f} m"
        return f"delta1 {metrics['delta1']:.3f}, {relative}{last}"
