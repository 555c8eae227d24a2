# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Frozen encoders of any family under one multi-view transformer and heads: what encoders are compared by in 3D.

As in the paper's comparison (table T3), but with the encoder frozen, so that minutes are enough and no rate has to be found
for each family.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..configuration_pixio import PixioConfig
from ..data.labelled.scene_sets import open_scene_sets, open_training_scenes
from ..data.labelled.view_dataset import ViewDataset
from ..data.labelled.view_sampling import ViewBatches
from ..modeling_pixio_reconstruction import PixioForReconstruction
from ..training.optimization import fit_warmup, warmup_cosine
from ..training.reconstruction_recipes import TINY, TINY_FIELDS, reconstruction_groups
from ..vit_encoders import Normalization, VitEncoder, find_normalization, load_model, read_config
from .probes import fit_crop_size
from .reconstruction import evaluate_reconstruction, model_predictor


@dataclass(frozen=True)
class SceneRecipe:
    """How every transformer with its heads is trained and judged. The same for all encoders.

    images_per_batch: pictures per step, in sets of `num_views`.
    image_size: longer side; each model takes the largest multiple of its patch size within.
    num_train, num_eval: rendered scenes; all scenes of a folder are taken.
    model_fields: of PixioConfig, for transformer and heads.
    """

    num_steps: int = 1000
    images_per_batch: int = 32
    learning_rate: float = TINY.learning_rate
    num_views: int = 2
    image_size: int = 128
    num_train: int = 1024
    num_eval: int = 160
    seed: int = 0
    dtype: str = "float32"
    model_fields: Mapping[str, Any] = field(default_factory=lambda: dict(TINY_FIELDS))

    def check(self) -> None:
        """Raise ValueError for values that make no sense."""
        for name in ("num_steps", "num_views", "image_size", "num_train", "num_eval", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")
        if self.images_per_batch < self.num_views:
            raise ValueError(f"A batch of {self.images_per_batch} pictures holds no set of {self.num_views} views.")


class ViewProbe(PixioForReconstruction):
    """PixioForReconstruction with another encoder in the place of Pixio's, frozen. Takes ImageNet-normalised pictures.

    Args:
        encoder: of any family.
        normalization: what the encoder's pictures are normalised with.
        fields: of PixioConfig, for transformer and heads.
    """

    def __init__(self, encoder: VitEncoder, normalization: Normalization, fields: Mapping[str, Any]):
        # Of Pixio's own encoder only the width counts: a single block is built, and thrown away.
        config = PixioConfig(
            hidden_size=encoder.hidden_size,
            patch_size=encoder.patch_size,
            image_size=4 * encoder.patch_size,
            num_hidden_layers=1,
            num_attention_heads=1,
            n_cls_tokens=1,
            **fields,
        )
        super().__init__(config)
        self.pixio = encoder
        self.freeze_encoder()
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
        own_mean, own_std = (torch.tensor(values)[:, None, None] for values in normalization[:2])
        self.register_buffer("factor", std / own_std, persistent=False)
        self.register_buffer("offset", (mean - own_mean) / own_std, persistent=False)

    def check_views(self, pixel_values: Tensor, view_chunk_size: int | None) -> None:
        """The encoder checks its pictures itself."""
        if pixel_values.dim() != 5:
            raise ValueError(f"pixel_values must be (B, V, 3, H, W), got {tuple(pixel_values.shape)}.")

    @torch.no_grad()
    def encode_views(self, images: Tensor, view_chunk_size: int | None, **kwargs: Any) -> tuple[Tensor, dict]:
        """Patch features of the last block: (B * V, 3, H, W) -> (B * V, N, D)."""
        encoder: Any = self.pixio
        images = images * self.factor + self.offset  # pyright: ignore[reportOperatorIssue]
        last = [encoder.num_hidden_layers - 1]
        parts = [encoder(images[part], last)[0].patch_tokens for part in self.chunks(len(images), view_chunk_size)]
        return torch.cat(parts), {"hidden_states": None, "attentions": None}


def load_view_probe(name: str, fields: Mapping[str, Any]) -> tuple[ViewProbe, Normalization]:
    """New transformer and heads on the frozen encoder of a checkpoint, and its normalisation.

    Raises:
        ValueError: not found, an unknown family, or missing weights.
    """
    config = read_config(name)
    normalization = find_normalization(name, config.model_type)
    return ViewProbe(VitEncoder(load_model(name, config)), normalization, fields), normalization


def compare_scene_model(
    name: str, data: str, recipe: SceneRecipe, cache_dir: str | None = None, device: torch.device | None = None
) -> dict[str, Any]:
    """Train transformer and heads on the frozen encoder of a checkpoint, and evaluate: one row, ready for JSON.

    Raises:
        ValueError: anything wrong with the model, the data or the recipe.
    """
    recipe.check()
    device = device or torch.device("cpu")
    started = time.perf_counter()
    torch.manual_seed(recipe.seed)
    probe, normalization = load_view_probe(name, recipe.model_fields)
    probe.to(device)
    patch_size = int(probe.config.patch_size)  # pyright: ignore[reportArgumentType]
    size: dict[str, Any] = {"image_size": fit_crop_size(recipe.image_size, patch_size), "divisor": patch_size}
    train = open_training_scenes(data, recipe.num_views, num_scenes=recipe.num_train, cache_dir=cache_dir, **size)
    held_out = open_scene_sets(data, recipe.num_views, num_scenes=recipe.num_eval, cache_dir=cache_dir, **size)
    train_loss = train_view_probe(probe, train, recipe, title=f"{name}: train")
    result = evaluate_reconstruction(model_predictor(probe, recipe.dtype == "bfloat16"), held_out)
    encoder: Any = probe.pixio
    return {
        "model": name,
        "head": "scene",
        "model_type": encoder.model_type,
        "num_encoder_parameters": sum(weight.numel() for weight in encoder.parameters()),
        "num_trained_parameters": sum(weight.numel() for weight in probe.parameters() if weight.requires_grad),
        "train_loss": train_loss,
        "metrics": {key: value if value == value else None for key, value in result.metrics.items()},
        "settings": {**size, "normalization": normalization._asdict()},
        "seconds": round(time.perf_counter() - started, 2),
    }


def train_view_probe(probe: ViewProbe, source: Any, recipe: SceneRecipe, title: str = "train") -> float:
    """Train all but the encoder, as pixio-tiny-3d is trained; returns the last loss.

    Sets of views and their order depend on the seed alone, so every model sees the same ones.

    Raises:
        ValueError: a loss that is no longer finite.
    """
    optimizer = torch.optim.AdamW(reconstruction_groups(probe, TINY), betas=(0.9, 0.95))
    probe.train()
    loss = torch.zeros(())
    bar = tqdm(total=recipe.num_steps, desc=title, unit="step")
    with bar:
        for step, batch in zip(range(recipe.num_steps), _batches(source, recipe), strict=False):
            rate = warmup_cosine(
                step + 1,
                recipe.learning_rate,
                recipe.learning_rate * TINY.final_factor,
                fit_warmup(TINY.warmup_steps, recipe.num_steps),
                recipe.num_steps,
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            labels = {name: value.to(probe.device) for name, value in batch["labels"].items()}
            with torch.autocast(probe.device.type, torch.bfloat16, enabled=recipe.dtype == "bfloat16"):
                pictures = batch["pixel_values"].to(probe.device)
                loss = probe(pictures, labels=labels, dense_size=tuple(labels["depth"].shape[-2:])).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(probe.parameters(), TINY.max_grad_norm)
            optimizer.step()
            bar.update()
            if bar.n % 10 == 0 or bar.n == recipe.num_steps:
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                if not loss.isfinite():
                    raise ValueError(f"{title}: the loss is {loss.item()} at step {bar.n}; lower the learning rate.")
    return loss.item()


def _batches(source: Any, recipe: SceneRecipe) -> Iterator[dict[str, Any]]:
    first = source.load(0, [0])
    height, width = (side // TINY.dense_divisor for side in first.images.shape[-2:])
    views = ViewDataset(source, recipe.num_views, dense_size=(height, width), mirror=True)
    batches = ViewBatches(len(source), recipe.images_per_batch, recipe.num_views, recipe.num_views, recipe.seed)
    return iter(DataLoader(views, batch_sampler=batches))  # pyright: ignore[reportArgumentType]
