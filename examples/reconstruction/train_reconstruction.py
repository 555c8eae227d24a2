# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Train feed-forward 3D reconstruction with a Pixio encoder, with Accelerate.

    accelerate launch examples/reconstruction/train_reconstruction.py --cache_dir cache --output_dir runs/tiny-3d
    accelerate launch examples/reconstruction/train_reconstruction.py --recipe mapanything --encoder pixio-h16 \
        --dataset path/to/scenes --num_steps 100000 --num_workers 8 --output_dir runs/h16-3d
    accelerate launch examples/reconstruction/train_reconstruction.py --model path/to/model --dataset path/to/scenes ...
    python examples/reconstruction/train_reconstruction.py --smoke --output_dir runs/smoke

--recipe sets what no other argument sets. A run begins with the encoder of any Pixio checkpoint (--encoder) and new parts
behind it, or with a whole PixioForReconstruction (--model). Each batch has its own number of views, the same for all of its
scenes; it is as large as --images_per_batch allows.

The default data set is rendered, not photographed. Interrupt or kill it at any time; the same command, with as many
processes, continues from the last checkpoint to the same weights. train.csv, evaluation.csv and curves.png in the output
folder grow with the run. Hardware, time and result of pixio-tiny-3d stand in docs/recipes.md.
"""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForReconstruction, PixioImageProcessor, PixioModel
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.view_dataset import ViewDataset, ViewSource
from pixio_hf.data.labelled.view_sampling import ViewBatches
from pixio_hf.evaluation.reconstruction import evaluate_reconstruction, model_predictor
from pixio_hf.finetuning.run_folder import check_same_run
from pixio_hf.reconstruction_losses import LOSS_PRESETS
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.synthetic import HELD_OUT_SEEDS, SYNTHETIC_DATASETS
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.training.checkpointing import lock_output_dir, replace_folder
from pixio_hf.training.distributed import check_num_processes, reduce_number, save_whole_model
from pixio_hf.training.reconstruction_recipes import (
    RECIPES,
    ReconstructionRecipe,
    choose_recipe,
    reconstruction_groups,
)
from pixio_hf.training.run_checkpoints import resume_run, save_run
from pixio_hf.training.run_log import RunLog
from pixio_hf.training.schedules import warmup_cosine
from pixio_hf.visualization.curves import save_curves


@dataclass(frozen=True)
class ReconstructionArguments:
    """One run. Where None is the default, the recipe decides."""

    output_dir: str = field(metadata={"help": "Checkpoints, curves and the final model go here."})
    recipe: str = field(default="tiny-synthetic", metadata={"help": f"One of {', '.join(RECIPES)}."})
    model: str | None = field(default=None, metadata={"help": "A PixioForReconstruction to train further."})
    encoder: str | None = field(
        default=None,
        metadata={"help": "Folder, Hub id or short name of any Pixio checkpoint whose encoder to start with."},
    )
    freeze_encoder: bool = field(default=False, metadata={"help": "Train what stands behind the encoder alone."})
    dataset: str = field(default="synthetic-rooms", metadata={"help": f"{', '.join(SYNTHETIC_DATASETS)}."})
    num_scenes: int = field(default=12_288, metadata={"help": "Synthetic scenes to train on."})
    views_per_scene: int = field(default=4, metadata={"help": "Views of a synthetic scene to choose from."})
    num_eval_scenes: int = field(default=160, metadata={"help": "Held-out scenes to validate on."})
    eval_views: int = field(default=2, metadata={"help": "Views of each of them."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    num_render_workers: int = field(default=0, metadata={"help": "Processes that render the cache."})
    image_size: int | None = field(default=None, metadata={"help": "Side of synthetic pictures, in pixels."})
    dense_divisor: int | None = field(
        default=None, metadata={"help": "The dense head predicts at the picture's size over this, in training."}
    )
    mirror: bool | None = field(default=None, metadata={"help": "Mirror half of the scenes left to right."})
    min_views: int | None = None
    max_views: int | None = None
    images_per_batch: int | None = field(default=None, metadata={"help": "Pictures per process and step."})
    num_steps: int | None = field(default=None, metadata={"help": "Optimizer steps."})
    learning_rate: float | None = None
    encoder_factor: float | None = field(default=None, metadata={"help": "The encoder's rate over the learning rate."})
    final_factor: float | None = field(default=None, metadata={"help": "The last step's rate over the learning rate."})
    warmup_share: float | None = None
    weight_decay: float | None = None
    max_grad_norm: float | None = None
    loss_preset: str | None = field(default=None, metadata={"help": f"One of {', '.join(LOSS_PRESETS)}."})
    mixed_precision: str = field(default="bf16", metadata={"help": "no or bf16."})
    attn_implementation: str = field(default="sdpa", metadata={"help": "On a CPU in bf16, eager is faster."})
    num_workers: int = field(default=0, metadata={"help": "Processes that read, per training process."})
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the final model."})
    seed: int = 0
    logging_steps: int = 50
    eval_steps: int = 500
    save_steps: int = 500
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small model, to see that it runs."})


# What --smoke changes of the recipe.
SMOKE = {"num_steps": 2, "images_per_batch": 4, "image_size": 32, "max_views": 2, "encoder": "pixio-tiny"}


def build_model(args: ReconstructionArguments, recipe: ReconstructionRecipe) -> tuple[PixioForReconstruction, str]:
    """A whole model from a checkpoint, or an encoder from one with new parts behind it; and a sentence about it.

    Raises:
        ValueError: no start is given, or the checkpoint of --model is none of this class.
    """
    if args.model is not None:
        path = find_checkpoint(args.model)
        made_by = (PixioConfig.from_pretrained(path).architectures or ["PixioModel"])[0]
        if made_by != "PixioForReconstruction":
            raise ValueError(f"{args.model} is a {made_by}, not a PixioForReconstruction: pass it as --encoder.")
        model = PixioForReconstruction.from_pretrained(path, dtype=torch.float32)
        return model, f"Training {args.model} further."
    if recipe.encoder is None:
        raise ValueError(f"The recipe {args.recipe!r} names no encoder: pass --encoder, or --model.")
    path = find_checkpoint(recipe.encoder)
    config = PixioConfig.from_pretrained(path, **recipe.model_fields)
    model = PixioForReconstruction(config)
    model.pixio = PixioModel.from_pretrained(path, config=config, dtype=torch.float32)
    return model, f"Encoder of {recipe.encoder}; everything behind it is new."


def open_sources(args: ReconstructionArguments, recipe: ReconstructionRecipe) -> tuple[ViewSource, ViewSource]:
    """Scenes to train on and to validate on.

    Raises:
        ValueError: unknown data set.
    """
    if args.dataset not in SYNTHETIC_DATASETS:
        raise ValueError(f"Unknown dataset {args.dataset!r}; choose one of {', '.join(SYNTHETIC_DATASETS)}.")
    options: dict[str, Any] = {
        "image_size": recipe.image_size or 512,
        "kind": SYNTHETIC_DATASETS[args.dataset],
        "cache_dir": args.cache_dir,
        "num_workers": args.num_render_workers,
    }
    num_scenes, num_eval_scenes = (4, 2) if args.smoke else (args.num_scenes, args.num_eval_scenes)
    views = max(recipe.max_views, args.views_per_scene)
    train = SyntheticViewSet(num_scenes, views, **options)
    return train, SyntheticViewSet(num_eval_scenes, views, HELD_OUT_SEEDS.start, **options)


def check_arguments(args: ReconstructionArguments) -> None:
    """Refuse what cannot work before anything is read.

    Raises:
        ValueError: names the argument.
    """
    counts = ("num_scenes", "num_eval_scenes", "eval_views", "images_per_batch", "num_steps", "dense_divisor")
    require_positive(args, *counts, "logging_steps", "eval_steps", "save_steps")
    if args.model is not None and args.encoder is not None:
        raise ValueError("Pass either --model, to train it further, or --encoder, to begin with an encoder.")
    if args.loss_preset is not None and args.loss_preset not in LOSS_PRESETS:
        raise ValueError(f"Unknown loss_preset {args.loss_preset!r}; choose one of {', '.join(LOSS_PRESETS)}.")
    if args.eval_views > args.views_per_scene:
        raise ValueError(f"eval_views {args.eval_views} must be at most views_per_scene {args.views_per_scene}.")


def main(args: ReconstructionArguments) -> None:
    check_arguments(args)
    given = {name: value for name, value in asdict(args).items() if value is not None}
    recipe = choose_recipe(args.recipe, {**given, **(SMOKE if args.smoke else {})})
    num_steps = cast(int, recipe.num_steps)
    output_dir = Path(args.output_dir)
    accelerator = Accelerator(mixed_precision=args.mixed_precision, cpu=not torch.accelerator.is_available())
    check_num_processes(accelerator)

    set_seed(args.seed)  # the same weights in every process
    model, origin = build_model(args, recipe)
    model.set_attn_implementation(args.attn_implementation)
    if args.freeze_encoder:
        model.freeze_encoder()

    source, eval_source = open_sources(args, recipe)
    side = recipe.image_size or 512
    dense_size = None if recipe.dense_divisor == 1 else (side // recipe.dense_divisor, side // recipe.dense_divisor)
    views = ViewDataset(source, dense_size=dense_size, mirror=recipe.mirror)
    eval_views = ViewDataset(eval_source, args.eval_views, views_in_turn=True)
    batches = ViewBatches(
        len(source),
        recipe.images_per_batch,
        recipe.min_views,
        recipe.max_views,
        args.seed,
        accelerator.process_index,
        accelerator.num_processes,
    )
    optimizer = torch.optim.AdamW(reconstruction_groups(model, recipe), betas=(0.9, 0.95), fused=True)
    model, optimizer = accelerator.prepare(model, optimizer)

    lock = None
    if accelerator.is_main_process:
        lock = lock_output_dir(output_dir)
        check_same_run(
            output_dir, {"recipe": {**asdict(recipe), "name": args.recipe}, "dataset": args.dataset, "seed": args.seed}
        )
        print(origin, f"{len(source)} scenes, {num_steps} steps of {recipe.images_per_batch} pictures.")
    first_step = resume_run(accelerator, batches, output_dir)
    train_log, eval_log = (RunLog(output_dir / f"{name}.csv", first_step) for name in ("train", "evaluation"))
    loader = iter(DataLoader(views, batch_sampler=batches, num_workers=args.num_workers))  # pyright: ignore[reportArgumentType]

    model.train()
    sums: dict[str, torch.Tensor] = {}
    progress = tqdm(total=num_steps, initial=first_step, disable=not accelerator.is_main_process, desc="training")
    for step in range(first_step, num_steps):
        rate = warmup_cosine(
            step + 1,
            recipe.learning_rate,
            recipe.learning_rate * recipe.final_factor,
            recipe.warmup_share * num_steps,
            num_steps,
        )
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        batch = next(loader)
        labels = {name: value.to(accelerator.device) for name, value in batch["labels"].items()}
        with accelerator.autocast():
            outputs = model(
                pixel_values=batch["pixel_values"].to(accelerator.device),
                labels=labels,
                loss_preset=recipe.loss_preset,
                dense_size=dense_size,
            )
        accelerator.backward(outputs.loss)
        # Of all processes, so that all stop together.
        loss = reduce_number(accelerator, outputs.loss.detach(), "mean")
        grad_norm = float(cast(Any, accelerator.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)))
        if not (math.isfinite(grad_norm) and loss < recipe.max_loss):
            raise FloatingPointError(
                f"At step {step} the loss is {loss} and the gradient's norm {grad_norm}, at a rate of {rate:.1e}. The last"
                " checkpoint is kept. Start again with a lower learning rate, in another folder."
            )
        optimizer.step()
        optimizer.zero_grad()
        done = step + 1
        batches.first_batch = done
        for name, value in {"loss": loss, "grad_norm": grad_norm, **outputs.loss_terms}.items():
            sums[name] = sums.get(name, torch.zeros(())) + torch.as_tensor(value).detach().cpu()
        progress.update()
        if done % args.logging_steps == 0:
            count = min(args.logging_steps, done - first_step)
            values = {name: float(value) / count for name, value in sums.items()} | {"learning_rate": rate}
            progress.set_postfix(loss=f"{values['loss']:.3f}")
            sums = {}
            if accelerator.is_main_process:
                train_log.add(done, values)
        if done % args.eval_steps == 0 or done == num_steps:
            predict = model_predictor(accelerator.unwrap_model(model), args.mixed_precision == "bf16")
            result = evaluate_reconstruction(predict, eval_views, progress=False)
            if accelerator.is_main_process:
                eval_log.add(done, result.metrics)
                draw_curves(train_log, eval_log, output_dir / "curves.png")
        if done % args.save_steps == 0 or done == num_steps:
            save_run(accelerator, batches, output_dir, done)
    progress.close()

    final, unfinished = output_dir / "model", output_dir / "partial-model"
    save_whole_model(accelerator, model, PixioForReconstruction, unfinished, getattr(torch, args.save_dtype))
    if accelerator.is_main_process:
        PixioImageProcessor(size={"height": side, "width": side}).save_pretrained(unfinished)
        replace_folder(unfinished, final)
        print(f"Saved {final}")
    if lock is not None:
        lock.close()


def draw_curves(train_log: RunLog, eval_log: RunLog, file: Path) -> None:
    """Losses and metrics of the run so far as a picture; a drawing that fails does not end the run."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for log, names in ((train_log, ("loss", "pts3d", "pose_trans", "pose_quats", "scale")), (eval_log, None)):
        for row in log.read():
            for name in names or [name for name in row if name not in ("step", "num_scenes", "num_skipped")]:
                curves.setdefault(name, []).append((float(row["step"]), float(row[name])))
    try:
        save_curves(curves, file)
    except (ImportError, OSError, ValueError) as error:
        print(f"No curves: {error}")


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, ReconstructionArguments)))
