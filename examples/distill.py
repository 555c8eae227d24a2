# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Distil a large ViT into smaller Pixio encoders, with Accelerate (docs/specification.md 4).

    accelerate launch examples/distill.py --recipe 5b-to-1b --teacher path/to/pixio-5b16 \
        --student pixio-1b16 --student pixio-h16 --dataset path/to/images --output_dir runs/from-5b
    python examples/distill.py --teacher facebook/dinov2-base --teacher_image_size 224 \
        --student pixio-b16 --dataset path/to/images --output_dir runs/from-dinov2
    python examples/distill.py --smoke --output_dir runs/smoke

All students learn from one pass of the teacher over the same images, each with its own optimizer. A student is a preset or
a config.json of any size, both with random weights, or a checkpoint to start from; it is saved as a plain PixioModel with
its image processor, in OUTPUT_DIR/students/NAME. The teacher is a Pixio checkpoint, or a DINOv2, DINOv3, ViT or ViTMAE of
transformers; its patch grid has to be the students' (pixio_hf.training.teachers says which of its tokens are taken).

The learning rate follows from the recipe's base rate and the total batch, over processes and gradient accumulation.
Crops and masks depend only on the sample: N processes do what one does with N times the batch, and all students see
the same patches. With examples/accelerate_configs/fsdp2_5b.yaml students are sharded (FSDP2); each GPU has a whole teacher.

The default data set is rendered, not photographed: synthetic rooms of pixio_hf.synthetic. --dataset takes
your own images instead, a folder or shards. Interrupt it at any time; the same command continues from the last checkpoint.

Measured: an earlier pixio-tiny (8 blocks of 224) to 4 blocks of 112 (a config.json) by the default recipe and
`--mixed_precision no`, on synthetic rooms: 3 minutes of CPU time on one core. Mean loss 0.463 over the first 50 steps,
0.016 over the last. On 64 held-out rooms, after 500 of the 600 steps, 0.0165 (class tokens 0.0058, patches 0.0273); the
mean teacher token at each place scores 0.167 there.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioImageProcessor, PixioModel
from pixio_hf.bundled import find_checkpoint
from pixio_hf.configuration_pixio import PRESETS
from pixio_hf.data.streaming.decoding import normalize_crops
from pixio_hf.data.streaming.loader import open_pretraining_stream
from pixio_hf.data.streaming.mask_noise import draw_mask_noise
from pixio_hf.data.streaming.stream import StreamOptions
from pixio_hf.masking import num_mask_blocks
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from pixio_hf.script_exit import run_script
from pixio_hf.training.checkpointing import folder_of_run, resume_run, save_run
from pixio_hf.training.distillation_recipes import RECIPES, DistillationRecipe, choose_recipe
from pixio_hf.training.distributed import check_num_processes, keep_loss_in_float32, save_whole_model
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.training.optimization import absolute_learning_rate, fit_warmup, warmup_cosine, weight_decay_groups
from pixio_hf.training.teachers import DistillationTeacher, load_teacher
from pixio_hf.visualization.curves import RunRecord


@dataclass(frozen=True)
class DistillationArguments:
    """Teacher, students and recipe of one run."""

    output_dir: str = field(metadata={"help": "Checkpoints, logs and the students go here."})
    teacher: str = field(default="pixio-tiny", metadata={"help": "Folder, Hub id or bundled name of the teacher."})
    student: list[str] = field(
        default_factory=list,
        metadata={
            "action": "extend",
            "help": "Preset or config.json (random weights), or folder or Hub id; may be given several times.",
        },
    )
    image_size: int | None = field(
        default=None, metadata={"help": "Side of the students' images in pixels; defaults to the first one's own."}
    )
    teacher_image_size: int | None = field(
        default=None, metadata={"help": "Side of the teacher's images in pixels; defaults to its configuration's."}
    )
    recipe: str = field(default="tiny", metadata={"help": f"One of {', '.join(RECIPES)}."})
    mask_ratio: float | None = field(default=None, metadata={"help": "Like the next six, defaults to the recipe's."})
    mask_grid_size: int | None = None
    drop_path_rate: float | None = None
    max_steps: int | None = field(default=None, metadata={"help": "Optimizer steps."})
    warmup_steps: float | None = field(default=None, metadata={"help": "Linear; below 1: a share of the run."})
    batch_size: int | None = field(default=None, metadata={"help": "Images per process and forward pass."})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Forward passes per optimizer step."})
    base_learning_rate: float | None = field(default=None, metadata={"help": "Rate at a total batch of 256."})
    min_learning_rate: float = 0.0
    weight_decay: float = 0.05
    loss_fn_cls: str = field(default="cosine", metadata={"help": "cosine, l1 or mse."})
    loss_fn_patch: str = field(default="cosine", metadata={"help": "cosine, l1 or mse."})
    loss_fuse: str = field(default="avg", metadata={"help": "avg, or sum: weighted by numbers of tokens."})
    dataset: str = field(
        default="synthetic-rooms",
        metadata={"help": "synthetic-rooms, -outdoor, -mixed, a folder of images, or tar or Parquet shards."},
    )
    num_scenes: int = field(default=4096, metadata={"help": "Synthetic scenes to render."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    num_render_workers: int = field(default=0, metadata={"help": "Processes that render the cache."})
    crop_scale_min: float = field(
        default=0.2, metadata={"help": "Smallest share of a photo's area in its random crop."}
    )
    mixed_precision: str = field(default="bf16", metadata={"help": "no, bf16 or fp16."})
    attn_implementation: str = field(
        default="sdpa", metadata={"help": "sdpa, eager, flash_attention_2; in bf16 on a CPU eager is faster."}
    )
    num_workers: int = 0
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the saved students."})
    seed: int = 0
    report_to: str = field(default="tensorboard", metadata={"help": "tensorboard, wandb, trackio or none."})
    logging_steps: int = 50
    save_steps: int = 500
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small student, to see that it runs."})


def name_students(sources: list[str]) -> list[str]:
    """Folder names for students: the preset, the folder of the checkpoint or of the config.json."""
    paths = [Path(source).resolve() for source in sources]
    names = [path.parent.name if path.suffix == ".json" else path.name for path in paths]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"Name at least one --student, each by another name; got {', '.join(names) or 'none'}.")
    return names


def build_student(
    source: str, teacher: DistillationTeacher, recipe: DistillationRecipe, image_size: int | None, **overrides: Any
) -> PixioForDistillation:
    """A student of random weights from a preset or config.json, or one that continues a checkpoint."""
    overrides |= {
        "projection_size": teacher.hidden_size,
        "drop_path_rate": recipe.drop_path_rate,
        "mask_grid_size": recipe.mask_grid_size,
    }
    if source not in PRESETS and not source.endswith(".json"):
        # A checkpoint keeps its native size and interpolates its positions to other ones.
        return PixioForDistillation.from_pretrained(find_checkpoint(source), dtype=torch.float32, **overrides)
    if image_size is not None:
        overrides["image_size"] = image_size
    if teacher.num_class_tokens > 1:
        overrides["n_cls_tokens"] = teacher.num_class_tokens
    make_config = PixioConfig.preset if source in PRESETS else PixioConfig.from_pretrained
    return PixioForDistillation(make_config(source, **overrides))


def view_of_students(images: torch.Tensor, image_size: int) -> torch.Tensor:
    """Normalised images of the students' side S, of crops that the teacher may need larger: uint8 -> (B, 3, S, S).

    Raises:
        ImportError: the sides differ, and torchvision is not installed.
    """
    if images.shape[-1] != image_size:
        try:
            from torchvision.transforms.v2.functional import InterpolationMode, resize
        except ImportError as error:
            raise ImportError("Images of two sizes need torchvision: pip install 'pixio-hf[train]'.") from error
        images = resize(images, [image_size, image_size], InterpolationMode.BICUBIC, antialias=True)
    return normalize_crops(images)


def main(args: DistillationArguments) -> None:
    output_dir, tracker = Path(args.output_dir), choose_tracker(args.report_to)
    given = {**asdict(args), **({"max_steps": 2, "batch_size": 4} if args.smoke else {})}
    recipe = choose_recipe(args.recipe, given)
    sources = args.student or (["pixio-tiny"] if args.smoke else [])
    names = name_students(sources)
    final = output_dir / "students"
    if final.exists():
        raise ValueError(f"This run is finished: {final} exists. Choose another --output_dir.")
    if args.mixed_precision == "fp16" and len(names) > 1 and args.gradient_accumulation_steps > 1:
        # Accelerate has one loss scale, which each student's step may change: in the midst of the next one's sum.
        raise ValueError("Several students cannot accumulate gradients in fp16; choose --mixed_precision bf16.")
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        log_with=tracker,
        project_config=ProjectConfiguration(project_dir=str(output_dir)),
    )
    check_num_processes(accelerator)
    keep_loss_in_float32(accelerator)

    set_seed(args.seed)
    teacher = load_teacher(find_checkpoint(args.teacher), args.teacher_image_size).to(accelerator.device)
    teacher.encoder.model.set_attn_implementation(args.attn_implementation)
    overrides = {} if args.student else {"hidden_size": 28, "num_hidden_layers": 4}
    students, image_size = [], args.image_size
    for name, source in zip(names, sources, strict=True):
        student = build_student(source, teacher, recipe, image_size, **overrides)
        image_size = image_size or student.config.image_size
        teacher.check_student(name, student.config, image_size)
        student.set_attn_implementation(args.attn_implementation)
        students.append(student)
    assert image_size is not None
    set_seed(args.seed, device_specific=True)  # for stochastic depth
    grid = teacher.grid_size
    num_blocks = num_mask_blocks(grid, grid, recipe.mask_grid_size) if recipe.mask_ratio else 0

    # The same crop for teacher and students, each of which resizes it to its own side.
    loader = open_pretraining_stream(
        args.dataset,
        StreamOptions(max(image_size, teacher.image_size), args.seed, (args.crop_scale_min, 1.0)),
        recipe.batch_size,
        accelerator.process_index,
        accelerator.num_processes,
        args.num_workers,
        pin_memory=accelerator.device.type == "cuda",
        num_scenes=8 if args.smoke else args.num_scenes,
        cache_dir=args.cache_dir,
        num_render_workers=args.num_render_workers,
    )

    total_batch_size = recipe.batch_size * accelerator.num_processes * args.gradient_accumulation_steps
    learning_rate = absolute_learning_rate(recipe.base_learning_rate, total_batch_size)
    optimizers = []
    for index, student in enumerate(students):
        groups = weight_decay_groups(student.named_parameters(), args.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)
        # Pair by pair, in one order for both: to shard, Accelerate takes one model and its optimizer at a time.
        students[index], optimizer = accelerator.prepare(student, optimizer)
        optimizers.append(optimizer)
    first_step = resume_run(accelerator, loader, output_dir, "data", {"students": names})

    settings = {**asdict(args), **asdict(recipe), "student": " ".join(sources)}
    settings = {name: value for name, value in settings.items() if value is not None}
    warmup = fit_warmup(recipe.warmup_steps, recipe.max_steps, accelerator.print)
    accelerator.init_trackers("distillation", settings)
    record = RunRecord(output_dir, first_step, accelerator.is_main_process)

    losses = ("loss", "loss_cls", "loss_patch")
    running = torch.zeros(len(names), len(losses), device=accelerator.device)
    progress = tqdm(
        total=recipe.max_steps, initial=first_step, disable=not accelerator.is_main_process, desc="distillation"
    )
    for student in students:
        student.train()
    batches, logging_steps = iter(loader), min(args.logging_steps, recipe.max_steps)
    for step in range(first_step, recipe.max_steps):
        rate = warmup_cosine(step, learning_rate, args.min_learning_rate, warmup, recipe.max_steps)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        for _ in range(args.gradient_accumulation_steps):
            batch = next(batches)
            images = batch["images"].to(accelerator.device, non_blocking=True)
            pixel_values = view_of_students(images, image_size)
            noise = draw_mask_noise(batch["seeds"], num_blocks).to(accelerator.device, non_blocking=True)
            with accelerator.autocast():
                teacher_hidden_states = teacher(images)
            with accelerator.accumulate(*students):
                for index, (student, optimizer) in enumerate(zip(students, optimizers, strict=True)):
                    with accelerator.autocast():
                        outputs = student(
                            pixel_values,
                            teacher_hidden_states,
                            noise=noise,
                            mask_ratio=recipe.mask_ratio,
                            loss_fn_cls=args.loss_fn_cls,
                            loss_fn_patch=args.loss_fn_patch,
                            loss_fuse=args.loss_fuse,
                        )
                    # Of all processes, so that all stop together.
                    values = torch.stack([outputs[name].detach() for name in losses])
                    means = cast(torch.Tensor, accelerator.reduce(values, "mean"))
                    if not torch.isfinite(means[0]):
                        raise FloatingPointError(
                            f"The loss of {names[index]} became {means[0]} at step {step}; lower the learning rate."
                        )
                    accelerator.backward(outputs.loss)
                    # Both wait for the last pass of the step; then one student's gradients go before the next one's come.
                    optimizer.step()
                    optimizer.zero_grad()
                    running[index] += means / args.gradient_accumulation_steps
        progress.update()
        done = step + 1
        if done % logging_steps == 0:
            rows = (running / min(logging_steps, done - first_step)).tolist()
            logged = {
                f"{name}/{loss}": value
                for name, row in zip(names, rows, strict=True)
                for loss, value in zip(losses, row, strict=True)
            }
            accelerator.log({**logged, "learning_rate": rate}, step=done)
            record.train(done, {**logged, "learning_rate": rate})
            progress.set_postfix({name: f"{row[0]:.4f}" for name, row in zip(names, rows, strict=True)})
            running.zero_()
        if done % args.save_steps == 0 and done < recipe.max_steps:
            save_run(accelerator, loader, output_dir, done, "data", {"students": names})
    progress.close()

    processor = PixioImageProcessor(size={"height": image_size, "width": image_size})
    dtype = getattr(torch, args.save_dtype)
    with folder_of_run(final, accelerator.is_main_process, accelerator.wait_for_everyone) as folder:
        for name, student in zip(names, students, strict=True):
            save_whole_model(accelerator, student, PixioModel, folder / name, dtype, prefix="pixio.")
            if accelerator.is_main_process:
                processor.save_pretrained(folder / name)
                record.write_card(folder / name, "distilled", args.teacher, args.dataset, settings, f"{name}/")
    accelerator.print(f"Saved {', '.join(names)} in {final}")
    record.finish()
    accelerator.end_training()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, DistillationArguments)))
