# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What examples/ablation/ablation.py measures with: depth heads on tokens that are computed once, and k-NN."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ablation_data import ClassSplit
from torch import Tensor, nn
from tqdm.auto import tqdm

from pixio_hf import PixioConfig, PixioImageProcessor, PixioModel
from pixio_hf.evaluation.knn import evaluate_knn
from pixio_hf.finetuning.samplers import shuffled_batches
from pixio_hf.heads import DPTHead, LinearHead, concat_class_mean, dpt_tap_blocks
from pixio_hf.losses import silog_loss
from pixio_hf.metrics.depth import DepthMetrics
from pixio_hf.training.optimization import warmup_polynomial

NUM_TAPS = {"linear": 1, "dpt": 4}
NUM_NEIGHBORS = 10


@torch.no_grad()
def encode(encoder: PixioModel, images: Tensor, batch_size: int = 64) -> list[Tensor]:
    """Normalised tokens of the blocks that a DPT head taps, (N, 3, H, W) uint8 -> 4 x (N, T, D).

    Source: docs/specification.md 5.1, 5.2.
    """
    processor = PixioImageProcessor(do_resize=False)
    taps = dpt_tap_blocks(encoder.config.num_hidden_layers)
    encoded: list[list[Tensor]] = [[] for _ in taps]
    encoder.eval()
    for batch in images.split(batch_size):
        pixel_values = processor(batch, return_tensors="pt").pixel_values
        hidden_states = encoder(pixel_values.to(encoder.device), output_hidden_states=True).hidden_states
        for tokens, block in zip(encoded, taps, strict=True):
            tokens.append(encoder.layernorm(hidden_states[block + 1]).cpu())  # [0] is the embedding
    return [torch.cat(tokens) for tokens in encoded]


def build_head(name: str, config: PixioConfig) -> nn.Module:
    """A new head, "linear" or "dpt"."""
    channels = 2 * config.hidden_size  # patch tokens beside the mean class token (docs/specification.md 5.1)
    if name == "linear":
        return LinearHead(channels, 1)
    return DPTHead(channels, config.neck_hidden_sizes, config.fusion_hidden_size, 1)


def predict_depth(head: nn.Module, tokens: Sequence[Tensor], config: PixioConfig) -> Tensor:
    """Depth from the tokens of a frozen encoder, taps x (B, T, D) -> (B, H, W) metres (docs/specification.md 5.2, 5.3)."""
    tokens = [tap.to(next(head.parameters()).device) for tap in tokens]
    count, grid = config.n_cls_tokens, (config.patch_grid_size, config.patch_grid_size)
    features = [concat_class_mean(tap[:, count:], tap[:, :count], grid) for tap in tokens]
    # In float32 where the head ran in bfloat16, whose steps are centimetres.
    return config.max_depth * head(features, (config.image_size, config.image_size)).squeeze(1).float().sigmoid()


def train_head(
    head: nn.Module,
    tokens: list[Tensor],
    labels: Tensor,
    config: PixioConfig,
    *,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
) -> None:
    """Train a depth head on encoded scenes and their depth (docs/specification.md 5.5, without crops and flips)."""
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=weight_decay, fused=True)
    batches = shuffled_batches(len(labels), batch_size, num_steps, seed)
    head.train()
    for step, batch in enumerate(tqdm(batches, total=num_steps, desc="depth head", leave=False, mininterval=5)):
        for group in optimizer.param_groups:
            group["lr"] = warmup_polynomial(step, learning_rate, int(0.1 * num_steps), num_steps)
        predicted = predict_depth(head, [tap[batch] for tap in tokens], config)
        silog_loss(predicted, labels[batch].to(predicted.device), config.min_depth, config.max_depth).backward()
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def evaluate_head(head: nn.Module, tokens: list[Tensor], labels: Tensor, config: PixioConfig) -> dict[str, float]:
    """The nine depth metrics on encoded scenes, means over scenes."""
    metrics = DepthMetrics(config.min_depth, config.max_depth)
    head.eval()
    for batch in torch.arange(len(labels)).split(64):
        predicted = predict_depth(head, [tap[batch] for tap in tokens], config).cpu()
        metrics.add_batch(predictions=predicted, references=labels[batch])
    return metrics.compute() or {}


def measure_knn(
    encoder: PixioModel, photographs: np.ndarray, splits: Mapping[str, ClassSplit]
) -> dict[str, dict[str, float]]:
    """Accuracy in percent of a vote of the ten nearest photographs, for every split (docs/specification.md 7).

    photographs: (N, 3, H, W) uint8, to which the splits point.
    """
    encoder.eval()
    processor, results = PixioImageProcessor(do_resize=False), {}

    def items(indices: list[int], labels: list[int]) -> list[dict[str, Any]]:
        pairs = zip(indices, labels, strict=True)
        return [{"image": photographs[index], "label": label} for index, label in pairs]

    for name, split in splits.items():
        train, test = items(split.train, split.train_labels), items(split.test, split.test_labels)
        metrics = evaluate_knn(encoder, processor, train, test, (NUM_NEIGHBORS,), progress=False).metrics
        results[name] = {"top1": metrics[f"k{NUM_NEIGHBORS}_top1"], "num_test_images": metrics["num_images"]}
    return results
