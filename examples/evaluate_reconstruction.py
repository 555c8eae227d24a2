# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Measure a pre-training model's masked-pixel loss on images it never saw, beside predicting the mean visible colour.

    python examples/evaluate_reconstruction.py --model pixio-tiny
    python examples/evaluate_reconstruction.py --model runs/pixio-tiny/model --photos photographs/held_out

Masks come from noise of seed 0. The numbers in model_cards/pixio-tiny.md come from this script: 512 rendered rooms of seeds
that no model was trained on; and, with --photos, a folder of photographs, in which each folder is a source of its own. The
last line is the mean over all photographs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import PIL.Image
import torch
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioForPreTraining, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.listings import find_files, photo_endings
from pixio_hf.losses import masked_pixel_loss
from pixio_hf.masking import num_mask_blocks
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.synthetic import HELD_OUT_SEEDS, SyntheticSceneDataset


@dataclass(frozen=True)
class EvaluationArguments:
    """What to measure, and on how much."""

    model: str = field(default="pixio-tiny", metadata={"help": "Folder, Hub id or bundled name."})
    photos: str | None = field(default=None, metadata={"help": "Folder of photographs, instead of rendered rooms."})
    num_eval_scenes: int = 512
    cache_dir: str | None = None
    batch_size: int = 64
    smoke: bool = field(default=False, metadata={"help": "Four scenes, to see that it runs."})


def list_photos(folder: Path) -> dict[str, list[Path]]:
    """Photographs of every source: of each folder in this one, or of the folder itself where it has none."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
    return {path.name: [path / name for name in find_files(path, photo_endings()).files] for path in folders}


@torch.inference_mode()
def measure(
    model: PixioForPreTraining, processor: Any, name: str, num_images: int, read: Callable[[int], Any], batch_size: int
) -> tuple[float, float]:
    """Loss of the model and of the mean visible colour over images 0 to `num_images` - 1 that `read` opens."""
    config = model.config
    num_blocks = num_mask_blocks(config.patch_grid_size, config.patch_grid_size, config.mask_grid_size)
    generator = torch.Generator().manual_seed(0)
    loss = loss_of_mean_color = 0.0
    for start in tqdm(range(0, num_images, batch_size), desc=name):
        images = [read(index) for index in range(start, min(start + batch_size, num_images))]
        pixel_values = processor(images, return_tensors="pt").pixel_values
        outputs = model(pixel_values, noise=torch.rand(len(images), num_blocks, generator=generator))
        target = model.target_patches(pixel_values)
        colors, visible = target.unflatten(2, (-1, config.num_channels)).mean(2), 1 - outputs.mask
        mean_color = (colors * visible[..., None]).sum(1) / visible.sum(1, keepdim=True)
        constant = mean_color[:, None].expand(-1, target.shape[1], -1).repeat(1, 1, config.patch_size**2)
        share = len(images) / num_images
        loss += share * outputs.loss.item()
        loss_of_mean_color += share * masked_pixel_loss(constant, target, outputs.mask).item()
    report(loss, loss_of_mean_color, f"{num_images} {name}")
    return loss, loss_of_mean_color


def report(loss: float, loss_of_mean_color: float, what: str) -> None:
    print(f"masked-pixel loss {loss:.4f}; of the mean visible colour {loss_of_mean_color:.4f} ({what})")


def main(args: EvaluationArguments) -> tuple[float, float]:
    require_positive(args, "num_eval_scenes", "batch_size")
    path = find_checkpoint(args.model)
    model = PixioForPreTraining.from_pretrained(path, dtype=torch.float32).eval()
    if model.config.norm_pix_loss:
        raise ValueError(
            "The mean visible colour is a baseline for plain pixels; this model predicts normalised ones."
        )
    processor = PixioImageProcessor.from_pretrained(path)
    if args.photos is None:
        num_scenes = 4 if args.smoke else args.num_eval_scenes
        scenes = SyntheticSceneDataset(
            num_scenes, HELD_OUT_SEEDS.start, model.config.image_size, cache_dir=args.cache_dir
        )
        return measure(model, processor, "images", num_scenes, lambda index: scenes[index]["image"], args.batch_size)
    total = total_of_constant = num_photos = 0
    for source, photos in list_photos(Path(args.photos)).items():
        chosen = photos[:4] if args.smoke else photos
        images = [PIL.Image.open(photo).convert("RGB") for photo in chosen]
        loss, of_constant = measure(model, processor, source, len(chosen), images.__getitem__, args.batch_size)
        total, total_of_constant = total + loss * len(chosen), total_of_constant + of_constant * len(chosen)
        num_photos += len(chosen)
    report(total / num_photos, total_of_constant / num_photos, f"{num_photos} photographs")
    return total / num_photos, total_of_constant / num_photos


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, EvaluationArguments)))
