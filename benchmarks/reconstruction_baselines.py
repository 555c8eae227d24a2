# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What feed-forward reconstruction of rendered rooms has to beat, by table T3's metrics, for pairs of views.

    python benchmarks/reconstruction_baselines.py --cache_dir cache [--model runs/tiny-3d/run2/model]

The mean depth; a depth model on each view alone, with all cameras in one place; the same with poses from SIFT matches and
an essential matrix, whose translations get a fixed length; and the same with the true poses, which no model of single
views can beat. SIFT needs `pip install opencv-python-headless`, which this project does not depend on; without it that row
is left out. There is no ratio to print: the last lines are the table.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from pixio_hf import PixioForDepthEstimation, PixioForReconstruction
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.view_dataset import ViewDataset
from pixio_hf.evaluation.reconstruction import Predict, evaluate_reconstruction, format_metrics, model_predictor
from pixio_hf.evaluation.reconstruction_baselines import MeanScene, depth_model_predictor
from pixio_hf.geometry import matrix_to_quaternion
from pixio_hf.synthetic import HELD_OUT_SEEDS
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.view_geometry import ViewLabels

SIZE = 128
ASSUMED_DISTANCE = 0.8  # metres between two cameras: an essential matrix knows the direction only
MATCH_RATIO = 0.8  # a match must be that much better than the second best (Lowe, 2004)
MIN_MATCHES = 8


def sift_predictor(depth: Predict, intrinsics: Tensor) -> Predict:
    """The depth of another predictor, with the second camera placed by SIFT matches; pairs of views only."""
    import cv2  # pyright: ignore[reportMissingImports]

    sift, matcher = cv2.SIFT_create(contrastThreshold=0.01), cv2.BFMatcher()
    camera = intrinsics.numpy().astype(np.float64)

    def place(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Camera to world of the second picture, rotation and translation; where it is unknown, that of the first."""
        nowhere = np.eye(3), np.zeros(3)
        (points1, described1), (points2, described2) = (sift.detectAndCompute(one, None) for one in (first, second))
        if described1 is None or described2 is None or min(len(points1), len(points2)) < MIN_MATCHES:
            return nowhere
        pairs = matcher.knnMatch(described1, described2, k=2)
        good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < MATCH_RATIO * pair[1].distance]
        if len(good) < MIN_MATCHES:
            return nowhere
        places1 = np.array([points1[match.queryIdx].pt for match in good])
        places2 = np.array([points2[match.trainIdx].pt for match in good])
        essential, mask = cv2.findEssentialMat(places1, places2, camera, cv2.RANSAC, 0.999, 0.7)
        if essential is None or essential.shape != (3, 3):
            return nowhere
        _, rotation, direction, _ = cv2.recoverPose(essential, places1, places2, camera, mask=mask)
        return rotation.T, ASSUMED_DISTANCE * (-rotation.T @ direction[:, 0])  # it takes the first into the second

    def predict(batch: Mapping[str, Any]) -> Mapping[str, Any]:
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
        pictures = ((batch["pixel_values"] * std + mean) * 255).round().clamp(0, 255).byte()
        grey = [
            [cv2.cvtColor(view.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY) for view in pair] for pair in pictures
        ]
        placed = [place(*pair) for pair in grey]
        outputs = {name: value.clone() for name, value in depth(batch).items()}
        rotations = torch.from_numpy(np.stack([rotation for rotation, _ in placed])).float()
        outputs["camera_quaternions"][:, 1] = matrix_to_quaternion(rotations)
        outputs["camera_translations"][:, 1] = torch.from_numpy(np.stack([centre for _, centre in placed])).float()
        return outputs

    return predict


def true_pose_predictor(depth: Predict) -> Predict:
    """The depth of another predictor with the true cameras."""

    def predict(batch: Mapping[str, Any]) -> Mapping[str, Any]:
        size = (*batch["pixel_values"].shape[:2], *batch["labels"]["depth"].shape[-2:])
        geometry = ViewLabels.read(batch["labels"], size).geometry
        poses = {"camera_quaternions": geometry.quaternions, "camera_translations": geometry.translations}
        return {**depth(batch), **poses}

    return predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a PixioForReconstruction to print beside them")
    parser.add_argument("--depth_model", default="pixio-tiny-depth")
    parser.add_argument("--num_scenes", type=int, default=160)
    parser.add_argument("--num_mean_scenes", type=int, default=512, help="training scenes that the mean is taken over")
    parser.add_argument("--cache_dir", help="keep the rendered scenes here")
    args = parser.parse_args()
    train = SyntheticViewSet(args.num_mean_scenes, 1, 0, SIZE, cache_dir=args.cache_dir)
    held_out = SyntheticViewSet(args.num_scenes, 4, HELD_OUT_SEEDS.start, SIZE, cache_dir=args.cache_dir)
    mean = MeanScene.measure(ViewDataset(train, 1, views_in_turn=True))
    depth_model = PixioForDepthEstimation.from_pretrained(find_checkpoint(args.depth_model), dtype=torch.float32)
    depth = depth_model_predictor(depth_model, mean.intrinsics)
    predictors = {"mean depth, one place": mean.predict, f"{args.depth_model} per view, one place": depth}
    try:
        predictors["the same, poses from SIFT"] = sift_predictor(depth, mean.intrinsics)
    except ImportError:
        print("Without SIFT: opencv is not installed.")
    predictors["the same, true poses"] = true_pose_predictor(depth)
    if args.model is not None:
        model = PixioForReconstruction.from_pretrained(find_checkpoint(args.model), dtype=torch.float32)
        predictors[args.model] = model_predictor(model)
    sets = ViewDataset(held_out, 2, views_in_turn=True)
    print(
        format_metrics(
            {
                name: evaluate_reconstruction(predict, sets, progress=False).metrics
                for name, predict in predictors.items()
            }
        )
    )


if __name__ == "__main__":
    main()
