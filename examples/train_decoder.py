# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Train a decoder on a frozen Pixio encoder, with Accelerate: released encoders have none, hence cannot reconstruct.

    accelerate launch examples/train_decoder.py --model pixio-h16 --dataset path/to/images \
        --output_dir runs/h16-decoder
    python examples/train_decoder.py --model pixio-tiny --smoke --output_dir runs/smoke

The encoder is never changed: what is saved holds it bit for bit, in the source's dtype, beside the decoder. A model that
has a decoder already gets that one trained further, unless --reset_decoder True starts a new one. Interrupt it at any
time; the same command continues from the last checkpoint.

Measured on **synthetic** rooms, a new decoder for version 0.1.0's pixio-tiny, on one core of an AMD EPYC (Zen 4): 200
steps in 73 s of processor time. Held-out masked-pixel loss (128 rooms of evaluate_reconstruction.py): 1.651 untrained,
0.434 trained; the mean visible colour gives 1.119. Its pictures show the colours of walls and floors, hardly any objects.

    python examples/train_decoder.py --model pixio-tiny --reset_decoder True --num_scenes 1024 \
        --cache_dir cache --max_steps 200 --warmup_steps 20 --batch_size 32 --base_learning_rate 1.2e-2 \
        --attn_implementation eager --output_dir runs/tiny-decoder
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForPreTraining, PixioImageProcessor, PixioModel
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.streaming.decoding import normalize_crops
from pixio_hf.data.streaming.loader import open_pretraining_stream
from pixio_hf.data.streaming.mask_noise import draw_mask_noise
from pixio_hf.data.streaming.stream import StreamOptions
from pixio_hf.masking import num_mask_blocks
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.training.checkpointing import folder_of_run, lock_output_dir, resume_run, save_run
from pixio_hf.training.distributed import check_num_processes
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.training.optimization import absolute_learning_rate, fit_warmup, warmup_cosine, weight_decay_groups
from pixio_hf.visualization.curves import RunRecord
from pixio_hf.visualization.reconstruction import draw_training_images
from pixio_hf.visualization.training_panels import save_panel

DECODER_SIZES = ("decoder_hidden_size", "decoder_num_hidden_layers", "decoder_num_attention_heads")


@dataclass(frozen=True)
class DecoderArguments:
    """Recipe of one run. Options that are None follow the configuration of the model."""

    model: str = field(metadata={"help": "Folder, Hub id or bundled name of an encoder or of a whole model."})
    output_dir: str = field(metadata={"help": "Checkpoints, logs, panels and the final model go here."})
    reset_decoder: bool = field(default=False, metadata={"help": "Start a new decoder where the model has one."})
    decoder_hidden_size: int | None = None
    decoder_num_hidden_layers: int | None = None
    decoder_num_attention_heads: int | None = None
    mask_ratio: float | None = None
    mask_grid_size: int | None = None
    norm_pix_loss: bool | None = field(default=None, metadata={"help": "Reconstruct pixels normalised per patch."})
    dataset: str = field(
        default="synthetic-rooms",
        metadata={
            "help": "synthetic-rooms, synthetic-outdoor, synthetic-mixed; a folder of images; a folder, pattern or address"
            " of .tar or .parquet shards; or OWNER/NAME on the Hub."
        },
    )
    num_scenes: int = field(default=32_768, metadata={"help": "Synthetic scenes to render."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    crop_scale_min: float = field(
        default=0.2, metadata={"help": "Smallest area of a random crop, as a share; synthetic scenes are not cropped."}
    )
    max_steps: int = field(default=6000, metadata={"help": "Optimizer steps."})
    warmup_steps: float = field(default=300, metadata={"help": "Of linear warm-up; below 1: a share of the run."})
    batch_size: int = field(default=64, metadata={"help": "Images per process and step."})
    base_learning_rate: float = field(default=2.4e-3, metadata={"help": "Rate at a total batch of 256."})
    min_learning_rate: float = 0.0
    weight_decay: float = 0.05
    mixed_precision: str = field(default="bf16", metadata={"help": "no, bf16 or fp16."})
    attn_implementation: str = field(
        default="sdpa", metadata={"help": "sdpa, eager, flash_attention_2; in bf16 on a CPU eager is faster."}
    )
    compile: bool = field(default=False, metadata={"help": "torch.compile the model."})
    num_workers: int = field(default=0, metadata={"help": "Processes that read and decode, per training process."})
    seed: int = 0
    report_to: str = field(default="tensorboard", metadata={"help": "tensorboard, wandb, trackio or none."})
    logging_steps: int = 50
    save_steps: int = 500
    panel_steps: int = field(default=1000, metadata={"help": "Steps between reconstruction panels (PNG)."})
    smoke: bool = field(default=False, metadata={"help": "Two steps on eight scenes, to see that it runs."})


def load_model(args: DecoderArguments) -> tuple[PixioForPreTraining, bool]:
    """The source's encoder, frozen, with its decoder or a new one, in float32; and whether the decoder is new.

    Raises:
        ValueError: the source has a decoder, but not one of this configuration.
    """
    path = find_checkpoint(args.model)
    names = (*DECODER_SIZES, "mask_ratio", "mask_grid_size", "norm_pix_loss")
    overrides = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.reset_decoder:
        model = PixioForPreTraining(PixioConfig.from_pretrained(path, **overrides))
        model.pixio = PixioModel.from_pretrained(path, config=model.config, dtype=torch.float32)
        is_new = True
    else:
        model, info = PixioForPreTraining.from_pretrained(
            path, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True, **overrides
        )
        # The encoder is complete: from_pretrained refuses any other.
        missing, mismatched = set(info["missing_keys"]), [key for key, *_ in info["mismatched_keys"]]
        is_new = missing == {key for key in model.state_dict() if key.startswith("decoder.")} and not mismatched
        unread = [key for key in info["unexpected_keys"] if key.startswith("decoder.")]
        if misfits := sorted({*unread, *mismatched, *(missing if not is_new else ())}):
            raise ValueError(
                f"{args.model} has weights of another size than asked for: {', '.join(misfits[:3])}, {len(misfits)} in all."
                f" Leave out {', '.join(DECODER_SIZES)} to train its decoder further, or pass --reset_decoder True to"
                " start a new one."
            )
    model.pixio.requires_grad_(False)
    return model, is_new


def lossless_dtype(model: PixioForPreTraining, source: str) -> torch.dtype:
    """Dtype of the source where its encoder is exact in it, else float32."""
    stated = PixioConfig.from_pretrained(find_checkpoint(source)).dtype or torch.float32
    dtype = getattr(torch, str(stated).removeprefix("torch."))
    tensors = model.pixio.state_dict().values()
    return dtype if all(torch.equal(tensor.to(dtype).float(), tensor) for tensor in tensors) else torch.float32


def main(args: DecoderArguments) -> None:
    require_positive(args, "num_scenes", "max_steps", "batch_size", "logging_steps", "save_steps", "panel_steps")
    output_dir, tracker = Path(args.output_dir), choose_tracker(args.report_to)
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        log_with=tracker,
        project_config=ProjectConfiguration(project_dir=str(output_dir)),
    )
    check_num_processes(accelerator)
    set_seed(args.seed)

    model, is_new = load_model(args)
    config, save_dtype = model.config, lossless_dtype(model, args.model)
    num_blocks = num_mask_blocks(config.patch_grid_size, config.patch_grid_size, config.mask_grid_size)
    size = sum(parameter.numel() for parameter in model.decoder.parameters())
    accelerator.print(
        f"{'New decoder' if is_new else 'Decoder of the checkpoint'}: {size:,} parameters; encoder frozen."
    )
    num_steps, num_scenes, batch_size = (2, 8, 4) if args.smoke else (args.max_steps, args.num_scenes, args.batch_size)
    warmup = fit_warmup(args.warmup_steps, num_steps, accelerator.print)

    loader = open_pretraining_stream(
        args.dataset,
        StreamOptions(config.image_size, seed=args.seed, crop_scale=(args.crop_scale_min, 1.0)),
        batch_size,
        accelerator.process_index,
        accelerator.num_processes,
        args.num_workers,
        pin_memory=accelerator.device.type == "cuda",
        num_scenes=num_scenes,
        cache_dir=args.cache_dir,
    )

    model.set_attn_implementation(args.attn_implementation)
    total_batch_size = batch_size * accelerator.num_processes
    learning_rate = absolute_learning_rate(args.base_learning_rate, total_batch_size)
    optimizer = torch.optim.AdamW(
        weight_decay_groups(model.decoder.named_parameters(), args.weight_decay),
        lr=learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )
    # Only the decoder is prepared, so that checkpoints hold what is trained and processes exchange nothing else.
    model.to(accelerator.device)
    model.decoder, optimizer = accelerator.prepare(model.decoder, optimizer)

    lock = lock_output_dir(output_dir) if accelerator.is_main_process else None
    first_step = resume_run(accelerator, loader, output_dir)
    record = RunRecord(output_dir, first_step, accelerator.is_main_process)
    settings = {name: value for name, value in asdict(args).items() if value is not None}
    accelerator.init_trackers("decoder", settings)
    forward = torch.compile(model) if args.compile else model

    model.train()
    model.pixio.eval()
    running_loss = torch.zeros((), device=accelerator.device)
    progress = tqdm(total=num_steps, initial=first_step, disable=not accelerator.is_main_process, desc="decoder")
    batches, logging_steps = iter(loader), min(args.logging_steps, num_steps)
    for step in range(first_step, num_steps):
        rate = warmup_cosine(step, learning_rate, args.min_learning_rate, warmup, num_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = next(batches)
        pixel_values = normalize_crops(batch["images"].to(accelerator.device, non_blocking=True))
        noise = draw_mask_noise(batch["seeds"], num_blocks).to(accelerator.device, non_blocking=True)
        with accelerator.autocast():
            outputs = forward(pixel_values, noise=noise)
        if not torch.isfinite(outputs.loss):
            raise FloatingPointError(f"The loss became {outputs.loss.item()} at step {step}; lower the learning rate.")
        accelerator.backward(outputs.loss)
        optimizer.step()
        optimizer.zero_grad()
        running_loss += outputs.loss.detach()
        progress.update()
        done = step + 1
        if done % logging_steps == 0:
            mean_loss = accelerator.reduce(running_loss, "mean")
            assert isinstance(mean_loss, torch.Tensor)
            loss = mean_loss.item() / min(logging_steps, done - first_step)
            accelerator.log({"loss": loss, "learning_rate": rate}, step=done)
            record.train(done, {"loss": loss, "learning_rate": rate})
            progress.set_postfix(loss=f"{loss:.4f}", lr=f"{rate:.1e}")
            running_loss.zero_()
        if (done % args.panel_steps == 0 or done == num_steps) and accelerator.is_main_process:
            save_panel(output_dir, done, partial(draw_training_images, model, pixel_values, outputs, done))
        if done % args.save_steps == 0 or done == num_steps:
            save_run(accelerator, loader, output_dir, done)
    progress.close()

    accelerator.end_training()
    if accelerator.is_main_process:
        model.decoder = accelerator.unwrap_model(model.decoder)
        processor = PixioImageProcessor(size={"height": config.image_size, "width": config.image_size})
        with folder_of_run(output_dir / "model") as folder:
            cast(Any, model).to(save_dtype).save_pretrained(folder)
            processor.save_pretrained(folder)
            record.write_card(folder, "decoder", args.model, args.dataset, settings)
        print(f"Saved {output_dir / 'model'}")
        record.finish()
    if lock is not None:
        lock.close()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, DecoderArguments)))
