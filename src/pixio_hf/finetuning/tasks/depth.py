# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Metric depth."""

from collections.abc import Mapping
from typing import Any

from ...configuration_pixio import PixioConfig
from ...data.labelled.batches import DepthCollator
from ...data.labelled.depth_datasets import find_depth_protocol, open_depth_dataset
from ...data.labelled.paired_augmentation import AugmentedDataset, DepthAugmentation
from ...evaluation.baselines import Baselines, depth_baselines
from ...evaluation.depth import evaluate_depth
from ...evaluation.prediction import PredictionOptions
from ...image_processing_pixio import PixioImageProcessor
from ...modeling_pixio_dense import PixioForDepthEstimation
from ..recipes import DEPTH_RECIPES, DepthRecipe
from ..starting_model import StartingModel, start_model
from .task import FineTuningTask


class DepthTask(FineTuningTask[DepthRecipe]):
    """Depth in metres from pairs of image and depth map, in crops of native size or from whole images resized."""

    name = "depth"
    metric = metric_title = "delta1"
    recipes = DEPTH_RECIPES
    default_model = "pixio-tiny-depth"
    default_scenes = (32_768, 512)
    own_setting = "depth_scale"
    advice_without_metric = "any valid depth"

    def recognise(self, dataset: str) -> str:
        """nyuv2, kitti or folder."""
        return find_depth_protocol(dataset).name

    def open_splits(self) -> tuple[Any, Any]:
        """Images with their depth in metres."""
        train, val = (
            open_depth_dataset(
                self.args.dataset,
                split,
                protocol=self.recipe.protocol,
                split_file=split_file,
                depth_scale=self.args.depth_scale,
                allow_outside=self.args.allow_outside,
                num_scenes=self.count_scenes(split),
                image_size=self.recipe.crop_size,
                cache_dir=self.args.cache_dir,
            )
            for split, split_file in (("train", self.args.train_split_file), ("val", self.args.val_split_file))
        )
        return train, val

    def make_views(self) -> AugmentedDataset:
        """Mirrored at random: random crops without resizing (docs/specification.md 5.5), or whole images."""
        augmentation = DepthAugmentation(None if self.recipe.whole_images else self.recipe.crop_size)
        return AugmentedDataset(self.train_items, augmentation, self.args.seed)

    @property
    def collate(self) -> DepthCollator:
        """Crops stay as they are, whole images are resized."""
        return DepthCollator(self.processor if self.recipe.whole_images else PixioImageProcessor(do_resize=False))

    def build_model(self) -> StartingModel:
        """A PixioForDepthEstimation."""
        recipe = self.recipe
        window_size = None if recipe.whole_images else recipe.crop_size
        head = {"head_type": recipe.head_type, "max_depth": recipe.max_depth, "window_size": window_size}
        return start_model(PixioForDepthEstimation, self.args, **head, window_stride=None)

    @property
    def prediction(self) -> PredictionOptions:
        """In windows of the crops, or whole images."""
        window_size = None if self.recipe.whole_images else self.recipe.crop_size
        return PredictionOptions(window_size, batch_size=self.args.eval_batch_size)

    def score_constants(self) -> Baselines:
        """The mean and the median training depth."""
        return depth_baselines(self.train_items, self.val_items, PixioConfig().min_depth, self.recipe.max_depth)

    def score(self, model: Any) -> dict[str, Any]:
        """The nine metrics (docs/specification.md 5.6, 5.7)."""
        return evaluate_depth(model, self.processor, self.val_items, self.prediction).metrics

    def show(self, metrics: Mapping[str, Any], is_final: bool = False) -> str:
        """Errors in metres."""
        relative = f"abs_rel {metrics['abs_rel']:.3f}, " if is_final else ""
        return f"delta1 {metrics['delta1']:.3f}, {relative}rmse {metrics['rmse']:.3f} m"
