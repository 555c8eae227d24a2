# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Train feed-forward 3D reconstruction with a Pixio encoder, with Accelerate.

    accelerate launch examples/reconstruction/train_reconstruction.py --cache_dir cache --output_dir runs/tiny-3d
    accelerate launch examples/reconstruction/train_reconstruction.py --recipe mapanything --encoder pixio-h16 \
        --dataset path/to/scenes --max_steps 100000 --num_workers 8 --output_dir runs/h16-3d
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
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from reconstruction_task import (
    ReconstructionArguments,
    build_model,
    choose_dense_size,
    choose_run,
    describe_run,
    open_sources,
)
from torch.utils.data import DataLoader, default_collate
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioForReconstruction, PixioImageProcessor
from pixio_hf.data.labelled.view_dataset import ViewDataset
from pixio_hf.data.labelled.view_sampling import ViewBatches
from pixio_hf.evaluation.reconstruction import Predict, evaluate_reconstruction, model_predictor
from pixio_hf.script_exit import run_script
from pixio_hf.training.checkpointing import (
    check_same_run,
    folder_of_run,
    lock_output_dir,
    resume_run,
    save_run,
)
from pixio_hf.training.distributed import check_num_processes, reduce_number, save_whole_model
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.training.optimization import fit_warmup, warmup_cosine
from pixio_hf.training.reconstruction_recipes import reconstruction_groups
from pixio_hf.visualization.curves import RunRecord
from pixio_hf.visualization.training_panels import draw_views, save_panel

SHOWN_LOSSES = ("loss", "pts3d", "pose_trans", "pose_quats", "scale")
NUM_SHOWN = 3  # sets of views in a picture


def main(args: ReconstructionArguments) -> None:
    tracker, recipe, output_dir = choose_tracker(args.report_to), choose_run(args), Path(args.output_dir)
    num_steps = cast(int, recipe.max_steps)
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        cpu=not torch.accelerator.is_available(),
        log_with=tracker,
        project_config=ProjectConfiguration(project_dir=str(output_dir)),
    )
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
    settings = {name: value for name, value in describe_run(args, recipe).items() if value is not None}
    accelerator.init_trackers("reconstruction", {name: str(value) for name, value in settings.items()})
    record = RunRecord(output_dir, first_step, accelerator.is_main_process, SHOWN_LOSSES)
    warmup = fit_warmup(recipe.warmup_steps, num_steps, accelerator.print)
    logging_steps = min(args.logging_steps, num_steps)
    loader = iter(DataLoader(views, batch_sampler=batches, num_workers=args.num_workers))  # pyright: ignore[reportArgumentType]

    model.train()
    sums: dict[str, torch.Tensor] = {}
    progress = tqdm(total=num_steps, initial=first_step, disable=not accelerator.is_main_process, desc="training")
    for step in range(first_step, num_steps):
        rate = warmup_cosine(
            step + 1,
            recipe.learning_rate,
            recipe.learning_rate * recipe.final_factor,
            warmup,
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
        if done % logging_steps == 0:
            count = min(logging_steps, done - first_step)
            values = {name: float(value) / count for name, value in sums.items()} | {"learning_rate": rate}
            progress.set_postfix(loss=f"{values['loss']:.3f}")
            sums = {}
            accelerator.log(values, step=done)
            record.train(done, values)
        if eval_views is not None and (done % args.eval_steps == 0 or done == num_steps):
            predict = model_predictor(accelerator.unwrap_model(model), args.mixed_precision == "bf16")
            result = evaluate_reconstruction(predict, eval_views, progress=False)
            numbers = {name: value for name, value in result.metrics.items() if isinstance(value, int | float)}
            accelerator.log({f"eval_{name}": value for name, value in numbers.items()}, step=done)
            record.evaluate(done, numbers)
            if accelerator.is_main_process:
                save_panel(output_dir, done, partial(draw_predicted_views, predict, eval_views, done))
        if done % args.save_steps == 0 or done == num_steps:
            save_run(accelerator, batches, output_dir, done)
    progress.close()

    final = output_dir / "model"
    with folder_of_run(final, accelerator.is_main_process, accelerator.wait_for_everyone) as folder:
        save_whole_model(accelerator, model, PixioForReconstruction, folder, getattr(torch, args.save_dtype))
        if accelerator.is_main_process:
            processor = PixioImageProcessor(size={"height": size[0], "width": size[1]}, view_size=max(size))
            processor.save_pretrained(folder)
            start = args.model or recipe.encoder
            record.write_card(folder, "reconstruction", start, args.dataset, settings)
    accelerator.print(f"Saved {final}")
    record.finish()
    accelerator.end_training()
    if lock is not None:
        lock.close()


def draw_predicted_views(predict: Predict, views: Any, step: int) -> bytes:
    """PNG of the first sets of views to validate on, and what is predicted for them."""
    samples = [views[index] for index in range(min(NUM_SHOWN, len(views)))]
    with torch.inference_mode():
        outputs = [predict(default_collate([sample])) for sample in samples]
    return draw_views(samples, outputs, step)


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, ReconstructionArguments)))
