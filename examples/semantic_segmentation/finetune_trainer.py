# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fine-tune Pixio for semantic segmentation, with transformers' Trainer.

    python examples/semantic_segmentation/finetune_trainer.py --recipe ade20k-linear --model facebook/pixio-vith16 \
        --dataset path/to/ade20k --num_workers 4 --output_dir runs/ade20k
    python examples/semantic_segmentation/finetune_trainer.py --recipe folder-dpt --model facebook/pixio-vitb16 \
        --dataset path/to/folder --num_classes 5 --output_dir runs/mine
    python examples/semantic_segmentation/finetune_trainer.py --smoke --output_dir runs/smoke

A recipe says what is trained and how (pixio_hf.finetuning.recipes); arguments replace parts of it. The paper's
train the head alone; --freeze_encoder False --layer_decay 0.75 trains everything, --lora_rank 8 the head and adapters.
Several GPUs: `accelerate launch` in place of `python`; the total batch stays what the recipe says.

Data sets are those of pixio_hf.data.labelled.segmentation_datasets; masks hold class numbers and 255 for none. The default
is rendered, so that it runs without a download: synthetic rooms whose classes are bands of distance.

OUTPUT_DIR/model is the model of the best evaluation (mean IoU) with its card, OUTPUT_DIR/adapter its LoRA weights alone.
Interrupt it at any time; the same command continues from the last checkpoint. docs/recipes.md has times and results.
"""

from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import PartialState
from segmentation_task import (
    SegmentationArguments,
    SegmentationCollator,
    build_model,
    choose_segmentation_recipe,
    complete,
    describe_run,
    evaluate,
    finish,
    make_views,
    measure_baselines,
    open_data,
)
from torch.optim.lr_scheduler import LambdaLR
from transformers import HfArgumentParser, TrainingArguments, set_seed

from pixio_hf.evaluation.baselines import describe_baselines
from pixio_hf.finetuning.best_checkpoint import BestWeights
from pixio_hf.finetuning.recipes import count_steps, share_batch, suit_set, warn_of_few_steps
from pixio_hf.finetuning.run_folder import check_same_run
from pixio_hf.finetuning.trainable_model import make_optimizer, select_trainable
from pixio_hf.finetuning.trainer import ProtocolTrainer, find_complete_checkpoint
from pixio_hf.script_exit import run_script
from pixio_hf.training.checkpointing import lock_output_dir
from pixio_hf.training.ema import WeightAverage
from pixio_hf.training.schedules import warmup_polynomial
from pixio_hf.training.trackers import choose_tracker


def main(args: SegmentationArguments) -> None:
    args, tracker = complete(args), choose_tracker("tensorboard")
    recipe, output_dir = choose_segmentation_recipe(args), Path(args.output_dir)
    state = PartialState(cpu=not torch.accelerator.is_available())
    train_items, val_items, class_names = open_data(args, recipe)
    unit = state.num_processes * (args.batch_size or 1) * (args.gradient_accumulation_steps or 1)
    recipe = suit_set(recipe, len(train_items), unit)
    batch_size, num_passes = share_batch(
        recipe.total_batch_size, state.num_processes, args.batch_size, args.gradient_accumulation_steps
    )
    views = make_views(train_items, args, recipe)
    num_steps, eval_steps = count_steps(recipe, len(views), batch_size * num_passes * state.num_processes)
    training_args = TrainingArguments(
        output_dir=args.output_dir,
        max_steps=num_steps,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=num_passes,
        dataloader_drop_last=True,
        dataloader_num_workers=args.num_workers,
        dataloader_persistent_workers=args.num_workers > 0,
        remove_unused_columns=False,  # the data set has no columns of the model's names; the collator makes them
        label_names=["labels"],
        max_grad_norm=recipe.max_grad_norm,
        use_cpu=not torch.accelerator.is_available(),
        bf16=args.bf16,
        eval_strategy="steps",
        eval_steps=eval_steps,
        save_steps=eval_steps,
        save_total_limit=2,
        logging_steps=min(args.logging_steps, num_steps),
        report_to=tracker,
        seed=args.seed,
        data_seed=args.seed,
    )

    set_seed(args.seed)
    model, has_trained_head, origin = build_model(args, recipe, class_names)
    baselines = measure_baselines(train_items, val_items, class_names)
    if state.is_main_process:
        print(origin, f"{len(train_items)} training images, {num_steps} steps of {recipe.total_batch_size}.")
        print(f"mean_iou of a constant: {describe_baselines(baselines, 'mean_iou')}")
        if not args.smoke and (few := warn_of_few_steps(num_steps, recipe, len(train_items))):
            print(f"WARNING: {few}")
    lock = None
    if state.is_main_process:
        lock = lock_output_dir(output_dir)
        check_same_run(output_dir, describe_run(args, recipe))
    trained = select_trainable(model, args, recipe, training_args.device, state.num_processes)
    optimizer = make_optimizer(trained, recipe)
    warmup_steps = int(recipe.warmup_ratio * num_steps)
    schedule = partial(warmup_polynomial, learning_rate=1.0, warmup_steps=warmup_steps, total_steps=num_steps)
    best = BestWeights(output_dir / "best", "mean_iou")
    trainer = ProtocolTrainer(
        model=trained,
        args=training_args,
        data_collator=SegmentationCollator(),
        train_dataset=views,
        eval_dataset=val_items,
        optimizers=(optimizer, LambdaLR(optimizer, schedule)),
        evaluate_model=lambda model: evaluate(model, val_items, args, recipe, baselines),
        best=best,
        average=WeightAverage(trained, args.ema_decay) if args.ema_decay else None,
    )
    checkpoint = find_complete_checkpoint(output_dir)
    if checkpoint is None and has_trained_head:
        trainer.evaluate()  # further training may not improve it
    trainer.train(resume_from_checkpoint=checkpoint)
    if num_steps % eval_steps:
        trainer.evaluate()
    if state.is_main_process:
        finish(trained, best, baselines, len(train_items), args, recipe)
    if lock is not None:
        lock.close()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, SegmentationArguments)))
