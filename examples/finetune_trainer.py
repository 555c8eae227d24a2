# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fine-tune Pixio for metric depth or semantic segmentation, with transformers' Trainer.

    python examples/finetune_trainer.py --task depth --recipe nyuv2-dpt --model facebook/pixio-vith16 \
        --dataset path/to/nyuv2 --num_workers 4 --output_dir runs/nyuv2
    python examples/finetune_trainer.py --task depth --recipe folder-dpt --model facebook/pixio-vitb16 \
        --dataset path/to/folder --depth_scale 0.001 --max_depth 20 --output_dir runs/mine
    python examples/finetune_trainer.py --task segmentation --recipe ade20k-linear --model facebook/pixio-vith16 \
        --dataset path/to/ade20k --num_workers 4 --output_dir runs/ade20k
    python examples/finetune_trainer.py --task segmentation --model facebook/pixio-vitb16 --dataset path/to/folder \
        --num_classes 5 --output_dir runs/mine
    python examples/finetune_trainer.py --task depth --smoke --output_dir runs/smoke

A recipe says what is trained and how (pixio_hf.finetuning.recipes); arguments replace parts of it. The paper's
train the head alone; --freeze_encoder False --layer_decay 0.75 trains everything, --lora_rank 8 the head and adapters.
Several GPUs: `accelerate launch` in place of `python`; the total batch stays what the recipe says.

The default data set is rendered, not photographed: synthetic rooms, evaluated on seeds that are never trained on; the
classes of segmentation are bands of distance. With --dataset, NYUv2 and KITTI, ADE20K, VOC and LoveDA in the layout of
their publishers, or folders train and val: each with images/ and depth/ (16-bit PNG, npy, EXR) or masks/ (class numbers,
255 for none), or a metadata.jsonl. `pixio-hf check-data` looks at a folder first.

OUTPUT_DIR/model is the model of the best evaluation (delta1 or mean IoU) with its card, OUTPUT_DIR/adapter its LoRA weights
alone. Interrupt it at any time; the same command continues from the last checkpoint.

Measured: version 0.1.0's pixio-tiny frozen, 150 steps of 16 synthetic rooms at 128 x 128, on one busy CPU core: delta1
0.801 on 128 held-out rooms with the DPT head (a minute of CPU time), 0.622 with the linear head (half a minute).
finetune_accelerate.py gives the same numbers, digit by digit. docs/recipes.md has more; those of the bundled
pixio-tiny-depth stand in model_cards/pixio-tiny-depth.md.
"""

from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import PartialState
from torch.optim.lr_scheduler import LambdaLR
from transformers import HfArgumentParser, TrainingArguments, set_seed

from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.best_checkpoint import BestWeights
from pixio_hf.finetuning.recipes import count_steps, share_batch
from pixio_hf.finetuning.starting_model import make_optimizer, select_trainable
from pixio_hf.finetuning.tasks import open_task
from pixio_hf.finetuning.trainer import LossCallback, ProtocolTrainer
from pixio_hf.script_exit import run_script
from pixio_hf.training.checkpointing import check_same_run, find_last_checkpoint, lock_output_dir
from pixio_hf.training.ema import WeightAverage
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.training.optimization import fit_warmup, warmup_polynomial
from pixio_hf.visualization.curves import RunRecord
from pixio_hf.visualization.training_panels import draw_validation, save_panel


def main(args: FineTuningArguments) -> None:
    tracker, task = choose_tracker(args.report_to), open_task(args)
    on_cpu = not torch.accelerator.is_available()
    state = PartialState(cpu=on_cpu)
    task.open_data(state.num_processes)
    args, recipe, output_dir = task.args, task.recipe, Path(args.output_dir)
    batch_size, num_passes = share_batch(
        recipe.total_batch_size, state.num_processes, args.batch_size, args.gradient_accumulation_steps
    )
    views = task.make_views()
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
        use_cpu=on_cpu,
        bf16=args.mixed_precision == "bf16",
        eval_strategy="steps",
        eval_steps=eval_steps,
        save_steps=eval_steps,
        save_total_limit=2,
        logging_steps=min(args.logging_steps, num_steps),
        report_to=tracker or "none",
        project="pixio-hf",  # of trackio
        seed=args.seed,
        data_seed=args.seed,
    )

    set_seed(args.seed)
    model, has_trained_head, origin = task.build_model()
    task.measure_baselines()
    lock = None
    if state.is_main_process:
        task.announce(origin, num_steps)
        lock = lock_output_dir(output_dir)
        check_same_run(output_dir, task.settings)
    trained = select_trainable(model, args, recipe, training_args.device, state.num_processes)
    optimizer = make_optimizer(trained, recipe)
    warmup = fit_warmup(recipe.warmup_steps, num_steps, print if state.is_main_process else None)
    schedule = partial(warmup_polynomial, learning_rate=1.0, warmup_steps=warmup, total_steps=num_steps)
    best = BestWeights(output_dir / "best", task.metric)
    found = find_last_checkpoint(output_dir)
    checkpoint, first_step = (str(found[0]), found[1]) if found else (None, 0)
    record = RunRecord(output_dir, first_step, state.is_main_process, lines={task.metric: task.best_constant})

    def evaluate(model: Any) -> dict[str, Any]:
        metrics, step = task.evaluate(model), trainer.state.global_step
        record.evaluate(step, metrics)
        if state.is_main_process:
            save_panel(output_dir, step, partial(draw_validation, task.name, model, *task.shown, step))
        return metrics

    trainer = ProtocolTrainer(
        model=trained,
        args=training_args,
        data_collator=task.collate,
        train_dataset=views,
        eval_dataset=task.val_items,
        optimizers=(optimizer, LambdaLR(optimizer, schedule)),
        evaluate_model=evaluate,
        best=best,
        average=WeightAverage(trained, args.ema_decay) if args.ema_decay else None,
        callbacks=[LossCallback(record.train)],
    )
    if checkpoint is None and has_trained_head:
        trainer.evaluate()  # further training may not improve it
    trainer.train(resume_from_checkpoint=checkpoint)
    if num_steps % eval_steps:
        trainer.evaluate()
    if state.is_main_process:
        task.finish(trained, best)
        record.finish()
    if lock is not None:
        lock.close()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, FineTuningArguments)))
