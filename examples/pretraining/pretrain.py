# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pre-train Pixio as a masked autoencoder, with Accelerate.

    accelerate launch examples/pretraining/pretrain.py --preset pixio-tiny --output_dir runs/pixio-tiny
    accelerate launch examples/pretraining/pretrain.py --dataset path/to/images --preset pixio-b16 --output_dir runs/b16
    python examples/pretraining/pretrain.py --smoke --output_dir runs/smoke

The default data set is rendered, not photographed: synthetic rooms of pixio_hf.data.synthetic_scenes. A folder of images
takes its place with --dataset. Interrupt it at any time; the same command continues from the last checkpoint.
Hardware, time and result of the bundled pixio-tiny stand in model_cards/pixio-tiny.md.
"""

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForPreTraining, PixioImageProcessor
from pixio_hf.data.images import open_image_dataset
from pixio_hf.training.parameter_groups import weight_decay_groups
from pixio_hf.training.pictures import save_reconstruction_panel
from pixio_hf.training.resume import StepBatchSampler, find_last_checkpoint, save_checkpoint
from pixio_hf.training.schedules import absolute_learning_rate, warmup_cosine


@dataclass(frozen=True)
class PretrainingArguments:
    """Recipe of one run."""

    output_dir: str = field(metadata={"help": "Checkpoints, logs, panels and the final model go here."})
    preset: str = field(default="pixio-tiny", metadata={"help": "Size of the model, a preset of PixioConfig."})
    model: str | None = field(
        default=None,
        metadata={"help": "Folder or Hub id to start from, encoder or whole model; none: random weights."},
    )
    norm_pix_loss: bool = field(default=True, metadata={"help": "Reconstruct pixels normalised per patch (SPEC 2.5)."})
    dataset: str = field(
        default="synthetic-rooms",
        metadata={"help": "synthetic-rooms, synthetic-outdoor, synthetic-mixed, or a folder of images."},
    )
    num_scenes: int = field(default=32_768, metadata={"help": "Synthetic scenes to render."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    num_render_workers: int = field(default=0, metadata={"help": "Processes that render the cache."})
    crop_scale_min: float = field(
        default=0.2, metadata={"help": "Smallest area of the random crop of an image folder."}
    )
    num_steps: int = field(default=6000, metadata={"help": "Optimizer steps."})
    warmup_steps: int = field(default=300, metadata={"help": "Steps of linear warm-up."})
    batch_size: int = field(default=64, metadata={"help": "Images per process and step."})
    base_learning_rate: float = field(default=2.4e-3, metadata={"help": "Rate at a total batch of 256."})
    min_learning_rate: float = 0.0
    weight_decay: float = 0.05
    mask_ratio: float | None = field(default=None, metadata={"help": "Defaults to the preset's."})
    mask_grid_size: int | None = field(default=None, metadata={"help": "Defaults to the preset's."})
    drop_path_rate: float = 0.0
    mixed_precision: str = field(default="bf16", metadata={"help": "no, bf16 or fp16."})
    attn_implementation: str = field(
        default="sdpa", metadata={"help": "sdpa, eager, flash_attention_2; in bf16 on a CPU eager is faster."}
    )
    compile: bool = field(default=False, metadata={"help": "torch.compile the model."})
    num_workers: int = 0
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the final model."})
    seed: int = 0
    logging_steps: int = 50
    save_steps: int = 500
    panel_steps: int = field(default=1000, metadata={"help": "Steps between reconstruction panels (PNG)."})
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small model, to see that it runs."})


def main(args: PretrainingArguments) -> None:
    output_dir = Path(args.output_dir)
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        log_with="tensorboard",
        project_config=ProjectConfiguration(project_dir=str(output_dir)),
    )
    set_seed(args.seed, device_specific=True)

    overrides = {"drop_path_rate": args.drop_path_rate, "norm_pix_loss": args.norm_pix_loss}
    overrides |= {
        name: value for name in ("mask_ratio", "mask_grid_size") if (value := getattr(args, name)) is not None
    }
    if args.model is None:
        if args.smoke:
            overrides |= {"hidden_size": 28, "num_hidden_layers": 4}
            overrides |= {"decoder_hidden_size": 12, "decoder_num_hidden_layers": 2}
        model = PixioForPreTraining(PixioConfig.preset(args.preset, **overrides))
    else:
        model = PixioForPreTraining.from_pretrained(args.model, dtype=torch.float32, **overrides)
    config = model.config
    num_steps, num_scenes, batch_size = (2, 8, 4) if args.smoke else (args.num_steps, args.num_scenes, args.batch_size)

    dataset = open_image_dataset(
        args.dataset, config.image_size, num_scenes, args.cache_dir, args.crop_scale_min, args.num_render_workers
    )
    processor = PixioImageProcessor(size={"height": config.image_size, "width": config.image_size}, do_resize=False)

    model.set_attn_implementation(args.attn_implementation)
    total_batch_size = batch_size * accelerator.num_processes
    learning_rate = absolute_learning_rate(args.base_learning_rate, total_batch_size)
    optimizer = torch.optim.AdamW(
        weight_decay_groups(model.named_parameters(), args.weight_decay),
        lr=learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )
    model, optimizer = accelerator.prepare(model, optimizer)

    first_step = 0
    if (last := find_last_checkpoint(output_dir)) is not None:
        checkpoint, first_step = last
        accelerator.load_state(str(checkpoint))
        accelerator.print(f"Resuming from {checkpoint}")
    sampler = StepBatchSampler(len(dataset), total_batch_size, num_steps, args.seed, first_step)
    # A generator of its own: otherwise starting the loader would draw from the global one, and a resumed run would mask
    # other blocks than an uninterrupted one.
    generator = torch.Generator().manual_seed(args.seed)
    loader = accelerator.prepare(
        DataLoader(dataset, batch_sampler=sampler, num_workers=args.num_workers, generator=generator)
    )
    accelerator.init_trackers(
        "tensorboard", {name: value for name, value in asdict(args).items() if value is not None}
    )
    forward = torch.compile(model) if args.compile else model

    model.train()
    running_loss = torch.zeros((), device=accelerator.device)
    progress = tqdm(total=num_steps, initial=first_step, disable=not accelerator.is_main_process, desc="pre-training")
    for step, images in enumerate(loader, start=first_step):
        rate = warmup_cosine(step, learning_rate, args.min_learning_rate, args.warmup_steps, num_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixel_values = processor(images, return_tensors="pt").pixel_values
        with accelerator.autocast():
            outputs = forward(pixel_values)
        if not torch.isfinite(outputs.loss):
            raise FloatingPointError(f"The loss became {outputs.loss.item()} at step {step}; lower the learning rate.")
        accelerator.backward(outputs.loss)
        optimizer.step()
        optimizer.zero_grad()
        running_loss += outputs.loss.detach()
        progress.update()
        done = step + 1
        if done % args.logging_steps == 0:
            mean_loss = accelerator.reduce(running_loss, "mean")
            assert isinstance(mean_loss, torch.Tensor)
            loss = mean_loss.item() / min(args.logging_steps, done - first_step)
            accelerator.log({"loss": loss, "learning_rate": rate}, step=done)
            progress.set_postfix(loss=f"{loss:.4f}", lr=f"{rate:.1e}")
            running_loss.zero_()
        if done % args.panel_steps == 0 and accelerator.is_main_process:
            panel = output_dir / "panels" / f"step-{done:07d}.png"
            save_reconstruction_panel(accelerator.unwrap_model(model), pixel_values[:6], outputs, panel)
        if done % args.save_steps == 0 and done < num_steps:
            save_checkpoint(
                output_dir,
                done,
                accelerator.save_state,
                is_main_process=accelerator.is_main_process,
                wait_for_everyone=accelerator.wait_for_everyone,
            )
    progress.close()

    accelerator.end_training()
    if accelerator.is_main_process:
        final = output_dir / "model"
        accelerator.unwrap_model(model).to(getattr(torch, args.save_dtype)).save_pretrained(final)
        PixioImageProcessor(size={"height": config.image_size, "width": config.image_size}).save_pretrained(final)
        print(f"Saved {final}")


if __name__ == "__main__":
    (arguments,) = HfArgumentParser(cast(Any, PretrainingArguments)).parse_args_into_dataclasses(sys.argv[1:])
    main(arguments)
