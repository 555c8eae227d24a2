# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fine-tune Pixio for metric depth or semantic segmentation, with Accelerate: the loop of finetune_trainer.py written out.

    accelerate launch examples/finetune_accelerate.py --task depth --recipe nyuv2-dpt --model facebook/pixio-vith16 \
        --dataset path/to/nyuv2 --num_workers 4 --output_dir runs/nyuv2
    accelerate launch examples/finetune_accelerate.py --task depth --recipe folder-dpt --model facebook/pixio-vitb16 \
        --dataset path/to/folder --max_depth 20 --lora_rank 8 --output_dir runs/mine
    accelerate launch examples/finetune_accelerate.py --task segmentation --recipe voc-linear \
        --model facebook/pixio-vith16 --dataset path/to/voc --num_workers 4 --output_dir runs/voc
    python examples/finetune_accelerate.py --task segmentation --smoke --output_dir runs/smoke

Recipes, data sets and outputs are those of finetune_trainer.py; docs/recipes.md has times and results of both. Interrupt or
kill it at any time; the same command continues from the last checkpoint.
"""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import (
    DataLoaderConfiguration,
    GradientAccumulationPlugin,
    ProjectConfiguration,
    set_seed,
)
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.best_checkpoint import BestWeights
from pixio_hf.finetuning.recipes import count_steps, share_batch
from pixio_hf.finetuning.samplers import endless_batches
from pixio_hf.finetuning.starting_model import make_optimizer, select_trainable
from pixio_hf.finetuning.tasks import open_task
from pixio_hf.script_exit import run_script
from pixio_hf.training.checkpointing import check_same_run, find_shared_checkpoint, lock_output_dir, save_checkpoint
from pixio_hf.training.distributed import seed_pass
from pixio_hf.training.ema import WeightAverage
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.training.optimization import fit_warmup, warmup_polynomial
from pixio_hf.visualization.curves import RunRecord
from pixio_hf.visualization.training_panels import draw_validation, save_panel


def main(args: FineTuningArguments) -> None:
    tracker, task = choose_tracker(args.report_to), open_task(args)
    on_cpu = not torch.accelerator.is_available()
    num_processes = PartialState(cpu=on_cpu).num_processes
    task.open_data(num_processes)
    args, recipe, output_dir = task.args, task.recipe, Path(args.output_dir)
    batch_size, num_passes = share_batch(
        recipe.total_batch_size, num_processes, args.batch_size, args.gradient_accumulation_steps
    )
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision=args.mixed_precision,
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=num_passes, sync_with_dataloader=False),
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=args.seed),
        log_with=tracker,
        project_config=ProjectConfiguration(project_dir=str(output_dir)),
    )
    views = task.make_views()
    num_steps, eval_steps = count_steps(recipe, len(views), batch_size * num_passes * num_processes)

    set_seed(args.seed)  # the same weights in every process
    model, has_trained_head, origin = task.build_model()
    task.measure_baselines()
    lock = None
    if accelerator.is_main_process:
        task.announce(origin, num_steps)
        lock = lock_output_dir(output_dir)
        check_same_run(output_dir, task.settings)
    trained = select_trainable(model, args, recipe, accelerator.device, num_processes)
    optimizer = make_optimizer(trained, recipe)
    rates = [group["lr"] for group in optimizer.param_groups]
    average = WeightAverage(trained, args.ema_decay) if args.ema_decay else None
    best = BestWeights(output_dir / "best", task.metric)
    loader = DataLoader(
        views,
        batch_size,
        shuffle=True,
        drop_last=True,
        collate_fn=task.collate,
        num_workers=args.num_workers,
        pin_memory=accelerator.device.type == "cuda",
        persistent_workers=args.num_workers > 0,
    )
    wrapped, optimizer, loader = accelerator.prepare(trained, optimizer, loader)
    if average is not None:
        accelerator.register_for_checkpointing(average)

    first_step = 0
    if found := find_shared_checkpoint(accelerator, output_dir):
        checkpoint, first_step = found
        accelerator.load_state(str(checkpoint))
        accelerator.print(f"Resuming from {checkpoint}")
    accelerator.init_trackers("fine-tuning", task.plain_settings)
    lines = {task.metric: task.best_constant}
    record = RunRecord(output_dir, first_step, accelerator.is_main_process, lines=lines)

    if first_step == 0 and has_trained_head:  # further training may not improve it
        with accelerator.autocast():
            metrics = task.evaluate(model)
        if accelerator.is_main_process:
            best.offer(0, metrics, trained)
        record.evaluate(0, metrics)

    batches = endless_batches(loader, views, first_step * num_passes)
    warmup = fit_warmup(recipe.warmup_steps, num_steps, accelerator.print)
    running_loss = torch.zeros((), device=accelerator.device)
    progress = tqdm(total=num_steps, initial=first_step, disable=not accelerator.is_main_process, desc="fine-tuning")
    logging_steps = min(args.logging_steps, num_steps)
    wrapped.train()
    for step in range(first_step, num_steps):
        factor = warmup_polynomial(step, 1.0, warmup, num_steps)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        for index in range(num_passes):
            batch = next(batches)
            seed_pass(args.seed, step, index, accelerator.process_index)
            with accelerator.accumulate(wrapped):
                with accelerator.autocast():
                    loss = wrapped(**batch).loss
                if not torch.isfinite(loss):
                    raise FloatingPointError(f"The loss became {loss.item()} at step {step}; lower the learning rate.")
                accelerator.backward(loss)
                if recipe.max_grad_norm and accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(trained.parameters(), recipe.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
            running_loss += loss.detach() / num_passes
        if average is not None:
            average.update()
        progress.update()
        done = step + 1
        if done % logging_steps == 0:
            mean_loss = cast(torch.Tensor, accelerator.reduce(running_loss, "mean")).item()
            mean_loss /= min(logging_steps, done - first_step)
            values = {"loss": mean_loss, "learning_rate": rates[0] * factor}
            accelerator.log(values, step=done)
            record.train(done, values)
            progress.set_postfix(loss=f"{mean_loss:.4f}")
            running_loss.zero_()
        if done % eval_steps == 0 or done == num_steps:
            with average.applied() if average else nullcontext():
                with accelerator.autocast():
                    metrics = task.evaluate(model)
                if accelerator.is_main_process:
                    best.offer(done, metrics, trained)
                    save_panel(output_dir, done, partial(draw_validation, task.name, model, *task.shown, done))
            record.evaluate(done, metrics)
            numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
            accelerator.log({f"eval_{name}": value for name, value in numbers.items()}, step=done)
            wrapped.train()
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
        task.finish(trained, best)
        record.finish()
    if lock is not None:
        lock.close()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, FineTuningArguments)))
