# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pre-train Pixio as a masked autoencoder, with Accelerate.

    accelerate launch examples/pretrain.py --preset pixio-tiny --output_dir runs/pixio-tiny
    accelerate launch examples/pretrain.py --dataset path/to/images --preset pixio-b16 --output_dir runs/b16
    accelerate launch examples/pretrain.py --dataset "path/to/shards/*train*.tar" --num_workers 8 ...
    accelerate launch --config_file examples/accelerate_configs/multi_node.yaml ... \
        examples/pretrain.py --recipe h16-imagenet --output_dir runs/h16
    python examples/pretrain.py --smoke --output_dir runs/smoke

--recipe sets what no other argument sets; the learning rate follows from its base rate and the total batch, over
processes and gradient accumulation. Crops and masks depend only on the sample: N processes do what one does with N
times the batch.

The default data set is rendered, not photographed: synthetic rooms of pixio_hf.synthetic. A folder of images
or shards (.tar in WebDataset layout, .parquet; local or on the Hub) take their place with --dataset. Interrupt or kill it
at any time; the same command, with as many processes and workers, continues from the last checkpoint to the same weights.
Hardware, time and result of the bundled pixio-tiny stand in model_cards/pixio-tiny.md.
"""

import math
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForPreTraining, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.curation.selection import CurationTests, open_curation
from pixio_hf.data.streaming.decoding import normalize_crops
from pixio_hf.data.streaming.loader import open_pretraining_stream
from pixio_hf.data.streaming.mask_noise import draw_mask_noise
from pixio_hf.data.streaming.stream import StreamOptions
from pixio_hf.masking import num_mask_blocks
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.training.checkpointing import (
    checkpoint_path,
    folder_of_run,
    lock_output_dir,
    resume_run,
    save_run,
)
from pixio_hf.training.distributed import (
    check_num_processes,
    keep_loss_in_float32,
    reduce_number,
    save_whole_model,
)
from pixio_hf.training.monitoring import ThroughputMeter, choose_tracker
from pixio_hf.training.optimization import absolute_learning_rate, fit_warmup, warmup_cosine, weight_decay_groups
from pixio_hf.training.pretraining_recipes import RECIPES, PretrainingRecipe, choose_recipe
from pixio_hf.visualization.curves import RunRecord
from pixio_hf.visualization.reconstruction import draw_training_images
from pixio_hf.visualization.training_panels import save_panel


@dataclass(frozen=True)
class PretrainingArguments:
    """One run. Where None is the default, the recipe decides, and where it is silent the preset or the loaded model."""

    output_dir: str = field(metadata={"help": "Checkpoints, logs, panels and the final model go here."})
    recipe: str = field(default="tiny", metadata={"help": f"One of {', '.join(RECIPES)}."})
    preset: str | None = field(default=None, metadata={"help": "Size of the model, a preset of PixioConfig."})
    model: str | None = field(
        default=None,
        metadata={
            "help": "Folder, Hub id or bundled name to start from, encoder or whole model; none: random weights."
        },
    )
    n_cls_tokens: int | None = None
    mask_ratio: float | None = None
    mask_grid_size: int | None = field(default=None, metadata={"help": "Side of a mask block, in patches."})
    decoder_hidden_size: int | None = None
    decoder_num_hidden_layers: int | None = None
    decoder_num_attention_heads: int | None = None
    drop_path_rate: float | None = field(default=None, metadata={"help": "Stochastic depth of the last block."})
    norm_pix_loss: bool = field(default=True, metadata={"help": "Reconstruct pixels normalised per patch."})
    dataset: str | None = field(
        default=None,
        metadata={
            "help": "synthetic-rooms, synthetic-mixed and others of pixio_hf.synthetic; a folder of images; a folder,"
            " pattern or address of .tar or .parquet shards; or OWNER/NAME on the Hub. Folders and rendered scenes can be"
            " mixed by weights: '4 x kitchens + flowers + synthetic-rooms'."
        },
    )
    num_scenes: int = field(default=32_768, metadata={"help": "Synthetic scenes to render."})
    scene_version: int = field(default=2, metadata={"help": "Of the synthetic scenes: 1 or 2."})
    scene_photographs: str | None = field(
        default=None, metadata={"help": "Folder of photographs that synthetic scenes show on their surfaces."}
    )
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    num_render_workers: int = field(default=0, metadata={"help": "Processes that render the cache."})
    crop_scale_min: float | None = field(
        default=None,
        metadata={"help": "Smallest area of a random crop, as a share; synthetic scenes are not cropped."},
    )
    shuffle_buffer: int | None = field(default=None, metadata={"help": "Samples that a worker shuffles at a time."})
    max_damaged: float = field(default=0.01, metadata={"help": "Unreadable samples put up with: a share or a number."})
    statistics: str | None = field(default=None, metadata={"help": "Folder of curate.py, for the next three."})
    min_histogram_score: float | None = field(default=None, metadata={"help": "0: no threshold."})
    min_resolution: int | None = field(default=None, metadata={"help": "In pixels; 0: no threshold."})
    soft_sampling: bool | None = field(default=None, metadata={"help": "Prefer images that are hard to reconstruct."})
    max_steps: int | None = field(default=None, metadata={"help": "Optimizer steps."})
    warmup_steps: float | None = field(default=None, metadata={"help": "Linear; below 1: a share of the run."})
    batch_size: int | None = field(default=None, metadata={"help": "Images per process and forward pass."})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Forward passes per optimizer step."})
    base_learning_rate: float | None = field(default=None, metadata={"help": "Rate at a total batch of 256."})
    min_learning_rate: float | None = None
    weight_decay: float | None = None
    mixed_precision: str = field(default="bf16", metadata={"help": "no, bf16 or fp16."})
    attn_implementation: str = field(
        default="sdpa", metadata={"help": "sdpa, eager, flash_attention_2; in bf16 on a CPU eager is faster."}
    )
    compile: bool = field(default=False, metadata={"help": "torch.compile the model."})
    num_workers: int | None = field(default=None, metadata={"help": "Processes that read, per training process."})
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the final model."})
    seed: int = 0
    report_to: str = field(default="tensorboard", metadata={"help": "tensorboard, wandb, trackio or none."})
    logging_steps: int = 50
    save_steps: int | None = None
    panel_steps: int = field(default=1000, metadata={"help": "Steps between reconstruction panels (PNG)."})
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small model, to see that it runs."})


# What --smoke changes of the recipe, and of the preset.
SMOKE_RECIPE = {"max_steps": 2, "warmup_steps": 1, "batch_size": 4, "dataset": "synthetic-rooms", "num_workers": 0}
SMOKE_RECIPE |= {"min_histogram_score": 0, "min_resolution": 0, "soft_sampling": False}
SMOKE_SIZES = {
    "hidden_size": 28,
    "num_hidden_layers": 4,
    "num_attention_heads": 7,
    "decoder_hidden_size": 12,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 3,
}


def build_model(args: PretrainingArguments, recipe: PretrainingRecipe) -> tuple[PixioForPreTraining, str]:
    """Model of a preset or from a checkpoint, and what is to say about its weights."""
    decoder = ("decoder_hidden_size", "decoder_num_hidden_layers", "decoder_num_attention_heads")
    names = ("n_cls_tokens", "mask_ratio", "mask_grid_size", *decoder, "drop_path_rate")
    settings = {name: value for name in names if (value := getattr(recipe, name)) is not None}
    settings["norm_pix_loss"] = args.norm_pix_loss
    if args.model is None:
        settings |= SMOKE_SIZES if args.smoke else {}
        return PixioForPreTraining(PixioConfig.preset(recipe.preset, **settings)), "All weights are new."
    model, info = PixioForPreTraining.from_pretrained(
        find_checkpoint(args.model), dtype=torch.float32, output_loading_info=True, **settings
    )
    new, unread = (", ".join(sorted(info[keys])) or "none" for keys in ("missing_keys", "unexpected_keys"))
    return model, f"Weights from {args.model}; new ones: {new}; not used: {unread}."


def main(args: PretrainingArguments) -> None:
    require_positive(
        args, "max_steps", "batch_size", "gradient_accumulation_steps", "logging_steps", "save_steps", "panel_steps"
    )
    given = {name: value for name, value in asdict(args).items() if value is not None}
    tracker = choose_tracker(args.report_to)
    recipe = choose_recipe(args.recipe, {**(SMOKE_RECIPE if args.smoke else {}), **given})
    tests = CurationTests(recipe.min_histogram_score, recipe.min_resolution, recipe.soft_sampling)
    keep = open_curation(str(recipe.dataset), args.statistics, tests)
    output_dir = Path(args.output_dir)
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        log_with=tracker,
        project_config=ProjectConfiguration(project_dir=str(output_dir)),
    )
    check_num_processes(accelerator)
    keep_loss_in_float32(accelerator)
    set_seed(args.seed)
    model, origin = build_model(args, recipe)
    set_seed(args.seed, device_specific=True)  # for stochastic depth
    config = model.config
    num_blocks = num_mask_blocks(config.patch_grid_size, config.patch_grid_size, config.mask_grid_size)
    options = StreamOptions(
        config.image_size,
        seed=args.seed,
        crop_scale=(recipe.crop_scale_min, 1.0),
        shuffle_buffer=recipe.shuffle_buffer,
        max_damaged=args.max_damaged,
        keep=keep,
    )
    loader = open_pretraining_stream(
        str(recipe.dataset),
        options,
        recipe.batch_size,
        accelerator.process_index,
        accelerator.num_processes,
        recipe.num_workers,
        pin_memory=accelerator.device.type == "cuda",
        num_scenes=8 if args.smoke else args.num_scenes,
        cache_dir=args.cache_dir,
        num_render_workers=args.num_render_workers,
        scene_version=args.scene_version,
        scene_photographs=args.scene_photographs,
    )

    model.set_attn_implementation(args.attn_implementation)
    images_per_pass = recipe.batch_size * accelerator.num_processes
    total_batch_size = images_per_pass * args.gradient_accumulation_steps
    learning_rate = absolute_learning_rate(recipe.base_learning_rate, total_batch_size)
    optimizer = torch.optim.AdamW(
        weight_decay_groups(model.named_parameters(), recipe.weight_decay),
        lr=learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    forward = torch.compile(model) if args.compile else model

    settings = {**given, **asdict(recipe), "num_processes": accelerator.num_processes}
    settings |= {"total_batch_size": total_batch_size, "learning_rate": learning_rate}
    settings = {name: value for name, value in settings.items() if value is not None}
    accelerator.print(origin, ", ".join(f"{name} {value}" for name, value in settings.items()), sep="\n")
    warmup = fit_warmup(recipe.warmup_steps, recipe.max_steps, accelerator.print)
    accelerator.init_trackers("pretraining", settings)
    lock = lock_output_dir(output_dir) if accelerator.is_main_process else None
    first_step = resume_run(accelerator, loader, output_dir)
    record = RunRecord(output_dir, first_step, accelerator.is_main_process)

    model.train()
    sum_of_losses, newest_pass = 0.0, cast(Any, None)  # images and outputs, for the panel
    progress = tqdm(
        total=recipe.max_steps, initial=first_step, disable=not accelerator.is_main_process, desc="pre-training"
    )
    batches, meter = iter(loader), ThroughputMeter(images_per_pass)
    logging_steps = min(args.logging_steps, recipe.max_steps)
    for step in range(first_step, recipe.max_steps):
        rate = warmup_cosine(step, learning_rate, recipe.min_learning_rate, warmup, recipe.max_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        step_loss = torch.zeros((), device=accelerator.device)
        for _ in range(args.gradient_accumulation_steps):
            batch = meter.next_batch(batches)
            images = batch["images"].to(accelerator.device, non_blocking=True)
            pixel_values = normalize_crops(images)
            noise = draw_mask_noise(batch["seeds"], num_blocks).to(accelerator.device, non_blocking=True)
            with accelerator.accumulate(model):
                with accelerator.autocast():
                    outputs = forward(pixel_values, noise=noise)
                accelerator.backward(outputs.loss)
            newest_pass = pixel_values, outputs
            step_loss += outputs.loss.detach() / args.gradient_accumulation_steps
        # Of all processes, so that all stop together; an infinite limit measures the gradient without clipping it.
        loss = reduce_number(accelerator, step_loss, "mean")
        grad_norm = float(cast(Any, accelerator.clip_grad_norm_(model.parameters(), math.inf)))
        if not math.isfinite(loss) or (accelerator.scaler is None and not math.isfinite(grad_norm)):
            kept = save_run(accelerator, loader, output_dir / "stopped", step)
            raise FloatingPointError(
                f"At step {step} the loss is {loss} and the gradient's norm {grad_norm}, at a learning rate of {rate:.1e}."
                f" {kept} holds the state before that step. Start again with a lower rate; or, to leave this batch out,"
                f" move that folder to {checkpoint_path(output_dir, step)} and start the same command."
            )
        optimizer.step()
        optimizer.zero_grad()
        sum_of_losses += loss
        progress.update()
        done = step + 1
        if done % logging_steps == 0:
            mean_loss, sum_of_losses = sum_of_losses / min(logging_steps, done - first_step), 0.0
            values = {"loss": mean_loss, "learning_rate": rate, "grad_norm": grad_norm, **meter.read()}
            values["damaged_samples"] = reduce_number(accelerator, loader.num_damaged, "sum")
            accelerator.log(values, step=done)
            record.train(done, values)
            progress.set_postfix({name: f"{value:.3g}" for name, value in values.items()})
        if (done % args.panel_steps == 0 or done == recipe.max_steps) and accelerator.is_main_process:
            drawn = (accelerator.unwrap_model(model), *newest_pass, done)
            save_panel(output_dir, done, partial(draw_training_images, *drawn))
        if done % recipe.save_steps == 0 or done == recipe.max_steps:
            save_run(accelerator, loader, output_dir, done)
    progress.close()

    damaged = reduce_number(accelerator, loader.num_damaged, "sum")
    if damaged:
        accelerator.print(f"{damaged:.0f} samples could not be read and were replaced by the next.")
    final = output_dir / "model"
    with folder_of_run(final, accelerator.is_main_process, accelerator.wait_for_everyone) as folder:
        save_whole_model(accelerator, model, PixioForPreTraining, folder, getattr(torch, args.save_dtype))
        if accelerator.is_main_process:
            processor = PixioImageProcessor(size={"height": config.image_size, "width": config.image_size})
            processor.save_pretrained(folder)
            record.write_card(folder, "pretraining", args.model, str(recipe.dataset), settings)
    accelerator.print(f"Saved {final}")
    record.finish()
    accelerator.end_training()
    if lock is not None:
        lock.close()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, PretrainingArguments)))
