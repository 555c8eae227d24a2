# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Semantic segmentation."""

from collections.abc import Mapping
from typing import Any

from ...configuration_pixio import PixioConfig
from ...data.labelled.batches import SegmentationCollator
from ...data.labelled.depth_datasets import open_depth_dataset
from ...data.labelled.distance_classes import DISTANCE_CLASSES, DistanceClasses
from ...data.labelled.paired_augmentation import AugmentedDataset, SegmentationAugmentation
from ...data.labelled.segmentation_datasets import find_segmentation_protocol, open_segmentation_dataset
from ...evaluation.baselines import Baselines, segmentation_baseline
from ...evaluation.segmentation import evaluate_segmentation
from ...image_processing_pixio import PixioImageProcessor
from ...modeling_pixio_dense import PixioForSemanticSegmentation
from ...synthetic import find_scene_set
from ..recipes import SEGMENTATION_RECIPES, FineTuningRecipe
from ..starting_model import StartingModel, start_model
from .task import FineTuningTask


class SegmentationTask(FineTuningTask[FineTuningRecipe]):
    """Classes of pixels from pairs of image and mask, in crops; the classes of rendered scenes are bands of distance."""

    name = "segmentation"
    metric, metric_title = "mean_iou", "mean IoU"
    recipes = SEGMENTATION_RECIPES
    default_model = "pixio-tiny"
    default_scenes = (4096, 128)
    own_setting = "do_reduce_labels"
    advice_without_metric = "a labelled pixel"

    class_names: tuple[str, ...]

    def recognise(self, dataset: str) -> str:
        """ade20k, voc, loveda or folder."""
        return find_segmentation_protocol(dataset, can_count=True).name

    def open_splits(self) -> tuple[Any, Any]:
        """Images with their class numbers; the names of the classes become known."""
        args = self.args
        if find_scene_set(args.dataset):
            self.class_names = DISTANCE_CLASSES
            train, val = (
                DistanceClasses(
                    open_depth_dataset(
                        args.dataset,
                        split,
                        num_scenes=self.count_scenes(split),
                        image_size=self.recipe.crop_size,
                        cache_dir=args.cache_dir,
                    )
                )
                for split in ("train", "val")
            )
            return train, val
        options = {"num_classes": args.num_classes, "allow_outside": args.allow_outside}
        options |= {"protocol": self.recipe.protocol}
        train, protocol = open_segmentation_dataset(
            args.dataset, "train", split_file=args.train_split_file, do_reduce_labels=args.do_reduce_labels, **options
        )
        # Both splits count alike.
        val, _ = open_segmentation_dataset(
            args.dataset, "val", split_file=args.val_split_file, do_reduce_labels=protocol.do_reduce_labels, **options
        )
        self.class_names = protocol.class_names
        return train, val

    def make_views(self) -> AugmentedDataset:
        """Of random size, cropped and mirrored at random (docs/specification.md 6.2)."""
        return AugmentedDataset(self.train_items, SegmentationAugmentation(self.recipe.crop_size), self.args.seed)

    @property
    def collate(self) -> SegmentationCollator:
        """Crops stay as they are."""
        return SegmentationCollator(PixioImageProcessor(do_resize=False))

    def build_model(self) -> StartingModel:
        """A PixioForSemanticSegmentation."""
        head: dict[str, Any] = {"head_type": self.recipe.head_type, "window_size": self.recipe.crop_size}
        return start_model(PixioForSemanticSegmentation, self.args, self.class_names, **head, window_stride=None)

    def score_constants(self) -> Baselines:
        """The most frequent class of the training items."""
        ignore_index = PixioConfig().semantic_loss_ignore_index
        return segmentation_baseline(self.train_items, self.val_items, self.class_names, ignore_index)

    def score(self, model: Any) -> dict[str, Any]:
        """Mean IoU and pixel accuracy in percent (docs/specification.md 6.3)."""
        return evaluate_segmentation(model, self.processor, self.val_items, self.prediction).metrics

    def show(self, metrics: Mapping[str, Any], is_final: bool = False) -> str:
        """Percentages."""
        return f"mean IoU {metrics['mean_iou']:.2f} %, pixel accuracy {metrics['pixel_accuracy']:.2f} %"
