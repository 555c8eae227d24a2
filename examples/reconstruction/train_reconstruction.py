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
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from reconstruction_task import (
    ReconstructionArguments,
    build_model,
    choose_dense_size,
    choose_run,
    describe_run,
    open_sources,
)
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioForReconstruction, PixioImageProcessor
from pixio_hf.data.labelled.view_dataset import ViewDataset
from pixio_hf.data.labelled.view_sampling import ViewBatches
from pixio_hf.evaluation.reconstruction import evaluate_reconstruction, model_predictor
from pixio_hf.script_exit import run_script
from pixio_hf.training.checkpointing import (
    check_same_run,
    folder_of_run,
    lock_output_dir,
    resume_run,
    save_run,
)
from pixio_hf.training.distributed import check_num_processes, reduce_number, save_whole_model
from pixio_hf.training.optimization import warmup_cosine
from pixio_hf.training.reconstruction_recipes import reconstruction_groups
from pixio_hf.training.run_log import RunLog
from pixio_hf.visualization.curves import save_curves


def main(args: ReconstructionArguments) -> None:
    recipe, output_dir = choose_run(args), Path(args.output_dir)
    num_steps = cast(int, recipe.num_steps)
    accelerator = Accelerator(mixed_precision=args.mixed_precision, cpu=not torch.accelerator.is_available())
    check_num_processes(accelerator)

    set_seed(args.seed)  # the same weights in every process
    model, origin = build_model(args, recipe)
    model.set_attn_implementation(args.attn_implementation)
    if args.freeze_encoder:
        model.freeze_encoder()

    source, eval_views, size = open_sources(args, recipe, model.config.patch_size)
    dense_size = choose_dense_size(size, recipe.dense_divisor)
    views = ViewDataset(source, dense_size=dense_size, mirror=recipe.mirror)
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
        check_same_run(output_dir, describe_run(args, recipe))
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
        if eval_views is not None and (done % args.eval_steps == 0 or done == num_steps):
            predict = model_predictor(accelerator.unwrap_model(model), args.mixed_precision == "bf16")
            result = evaluate_reconstruction(predict, eval_views, progress=False)
            if accelerator.is_main_process:
                eval_log.add(done, result.metrics)
                draw_curves(train_log, eval_log, output_dir / "curves.png")
        if done % args.save_steps == 0 or done == num_steps:
            save_run(accelerator, batches, output_dir, done)
    progress.close()

    final = output_dir / "model"
    with folder_of_run(final, accelerator.is_main_process, accelerator.wait_for_everyone) as folder:
        save_whole_model(accelerator, model, PixioForReconstruction, folder, getattr(torch, args.save_dtype))
        if accelerator.is_main_process:
            processor = PixioImageProcessor(size={"height": size[0], "width": size[1]}, view_size=max(size))
            processor.save_pretrained(folder)
    accelerator.print(f"Saved {final}")
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
