# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Measure a pre-training model's masked-pixel loss on held-out synthetic rooms, beside predicting the mean visible colour.

    python examples/evaluate_reconstruction.py --model pixio-tiny
    python examples/evaluate_reconstruction.py --model runs/pixio-tiny/model

Masks come from noise of seed 0. The number in model_cards/pixio-tiny.md comes from this script: 512 rooms of seeds that no
model was trained on. They are rendered, not photographed.
"""

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioForPreTraining, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.losses import masked_pixel_loss
from pixio_hf.masking import num_mask_blocks
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.synthetic import HELD_OUT_SEEDS, SyntheticSceneDataset


@dataclass(frozen=True)
class EvaluationArguments:
    """What to measure, and on how much."""

    model: str = field(default="pixio-tiny", metadata={"help": "Folder, Hub id or bundled name."})
    num_eval_scenes: int = 512
    cache_dir: str | None = None
    batch_size: int = 64
    smoke: bool = field(default=False, metadata={"help": "Four scenes, to see that it runs."})


@torch.inference_mode()
def main(args: EvaluationArguments) -> tuple[float, float]:
    require_positive(args, "num_eval_scenes", "batch_size")
    path = find_checkpoint(args.model)
    model = PixioForPreTraining.from_pretrained(path, dtype=torch.float32).eval()
    if model.config.norm_pix_loss:
        raise ValueError(
            "The mean visible colour is a baseline for plain pixels; this model predicts normalised ones."
        )
    config = model.config
    processor = PixioImageProcessor.from_pretrained(path)
    num_scenes = 4 if args.smoke else args.num_eval_scenes
    scenes = SyntheticSceneDataset(num_scenes, HELD_OUT_SEEDS.start, config.image_size, cache_dir=args.cache_dir)
    num_blocks = num_mask_blocks(config.patch_grid_size, config.patch_grid_size, config.mask_grid_size)
    generator = torch.Generator().manual_seed(0)

    loss = loss_of_mean_color = 0.0
    for start in tqdm(range(0, num_scenes, args.batch_size), desc="held-out scenes"):
        items = scenes.__getitems__(list(range(start, min(start + args.batch_size, num_scenes))))
        pixel_values = processor([item["image"] for item in items], return_tensors="pt").pixel_values
        outputs = model(pixel_values, noise=torch.rand(len(items), num_blocks, generator=generator))
        target = model.target_patches(pixel_values)
        colors, visible = target.unflatten(2, (-1, config.num_channels)).mean(2), 1 - outputs.mask
        mean_color = (colors * visible[..., None]).sum(1) / visible.sum(1, keepdim=True)
        constant = mean_color[:, None].expand(-1, target.shape[1], -1).repeat(1, 1, config.patch_size**2)
        share = len(items) / num_scenes
        loss += share * outputs.loss.item()
        loss_of_mean_color += share * masked_pixel_loss(constant, target, outputs.mask).item()
    print(f"masked-pixel loss {loss:.4f}; of the mean visible colour {loss_of_mean_color:.4f} ({num_scenes} images)")
    return loss, loss_of_mean_color


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, EvaluationArguments)))
