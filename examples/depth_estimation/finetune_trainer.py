# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fine-tune Pixio for metric depth, with transformers' Trainer.

    python examples/depth_estimation/finetune_trainer.py --model runs/pixio-tiny/model --output_dir runs/depth
    python examples/depth_estimation/finetune_trainer.py --model runs/pixio-tiny/model --freeze_encoder True \
        --output_dir runs/frozen
    python examples/depth_estimation/finetune_trainer.py --dataset path/to/folder --depth_scale 0.001 --output_dir runs/mine
    python examples/depth_estimation/finetune_trainer.py --smoke --output_dir runs/smoke

The default data set is rendered, not photographed: synthetic rooms of pixio_hf.data.synthetic_scenes, evaluated on seeds
that are never trained on. A folder of images and depth maps takes its place with --dataset: a metadata.jsonl beside the
images names them, one {"file_name": "a.jpg", "depth_file_name": "a.png"} a line. Interrupt it at any time; the same
command continues from the last checkpoint. Hardware, time and result of the bundled pixio-tiny-depth stand in
model_cards/pixio-tiny-depth.md.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from transformers import HfArgumentParser, Trainer, TrainingArguments
from transformers.trainer_utils import EvalPrediction, get_last_checkpoint

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.data.depth import DepthCollator, open_depth_datasets
from pixio_hf.metrics.depth import DepthMetrics
from pixio_hf.training.parameter_groups import encoder_and_head_groups
from pixio_hf.training.schedules import warmup_polynomial


@dataclass(frozen=True)
class DepthArguments:
    """Recipe of one run; the defaults are those of the bundled pixio-tiny-depth."""

    output_dir: str = field(metadata={"help": "Checkpoints, logs, metrics and the final model go here."})
    model: str | None = field(default=None, metadata={"help": "Folder or Hub id of the encoder; none: a random one."})
    preset: str = field(
        default="pixio-tiny", metadata={"help": "Size of the random encoder, a preset of PixioConfig."}
    )
    freeze_encoder: bool = field(default=False, metadata={"help": "Train the head only, as the paper does."})
    head_type: str = field(default="dpt", metadata={"help": "dpt or linear."})
    max_depth: float = field(default=10.0, metadata={"help": "Metres."})
    dataset: str = field(default="synthetic-rooms", metadata={"help": "synthetic-rooms, or a folder; see above."})
    depth_scale: float = field(default=1.0, metadata={"help": "Metres per unit of the folder's depth maps."})
    num_scenes: int = field(default=32_768, metadata={"help": "Synthetic scenes to train on."})
    num_eval_scenes: int = field(default=512, metadata={"help": "Held-out scenes to evaluate on."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    max_steps: int = field(default=2200, metadata={"help": "Optimizer steps."})
    batch_size: int = field(default=32, metadata={"help": "Images per device and step."})
    learning_rate: float = field(default=1e-3, metadata={"help": "Peak rate of the head."})
    encoder_learning_rate: float = field(default=5e-4, metadata={"help": "Peak rate of the encoder."})
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    bf16: bool = True
    attn_implementation: str = field(
        default="sdpa", metadata={"help": "sdpa, eager, flash_attention_2; in bf16 on a CPU eager is faster."}
    )
    torch_compile: bool = False
    num_workers: int = 0
    eval_steps: int = 550
    save_dtype: str = field(default="float32", metadata={"help": "float32 or bfloat16, of the final model."})
    seed: int = 0
    smoke: bool = field(default=False, metadata={"help": "Two steps of a very small model, to see that it runs."})


def compute_depth_metrics(metric: DepthMetrics, prediction: EvalPrediction, compute_result: bool) -> dict[str, float]:
    """Add one batch of depth maps to the metric; return the means over images after the last one."""
    metric.add_batch(predictions=prediction.predictions, references=prediction.label_ids)
    return (metric.compute() or {}) if compute_result else {}


class DepthTrainer(Trainer):
    """Trainer whose evaluation sees images as they are: the collator that flips serves training only."""

    def __init__(self, *args, eval_collator: DepthCollator, **kwargs):
        super().__init__(*args, **kwargs)
        self.eval_collator = eval_collator

    def get_eval_dataloader(self, eval_dataset=None):
        training_collator, self.data_collator = self.data_collator, self.eval_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = training_collator


def build_model(args: DepthArguments) -> PixioForDepthEstimation:
    """A depth model around a pre-trained encoder, or around a random one."""
    head = {"head_type": args.head_type, "max_depth": args.max_depth}
    if args.smoke and args.model is None:
        return PixioForDepthEstimation(
            PixioConfig.preset(
                "pixio-tiny",
                hidden_size=28,
                num_hidden_layers=4,
                neck_hidden_sizes=[4, 8, 8, 8],
                fusion_hidden_size=4,
                **head,
            )
        )
    if args.model is None:
        return PixioForDepthEstimation(PixioConfig.preset(args.preset, **head))
    return PixioForDepthEstimation.from_pretrained(args.model, dtype=torch.float32, **head)


def main(args: DepthArguments) -> None:
    max_steps, num_scenes, num_eval_scenes, batch_size = (
        (2, 8, 4, 4) if args.smoke else (args.max_steps, args.num_scenes, args.num_eval_scenes, args.batch_size)
    )
    training_args = TrainingArguments(
        output_dir=args.output_dir,
        max_steps=max_steps,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        use_cpu=not torch.accelerator.is_available(),
        bf16=args.bf16,
        torch_compile=args.torch_compile,
        dataloader_num_workers=args.num_workers,
        remove_unused_columns=False,  # the data set has no columns of the model's names; the collator makes them
        label_names=["labels"],
        batch_eval_metrics=True,  # metrics are reduced batch by batch, depth maps are never collected
        eval_strategy="steps",
        eval_steps=args.eval_steps,
        save_steps=args.eval_steps,
        save_total_limit=2,
        logging_steps=min(50, max_steps),
        report_to=["tensorboard"],
        seed=args.seed,
    )
    torch.manual_seed(args.seed)
    model = build_model(args)
    model.set_attn_implementation(args.attn_implementation)
    if args.freeze_encoder:
        model.freeze_encoder()

    size = model.config.image_size
    processor = PixioImageProcessor(size={"height": size, "width": size}, depth_scale=args.depth_scale)
    train_dataset, eval_dataset = open_depth_datasets(args.dataset, size, num_scenes, num_eval_scenes, args.cache_dir)

    groups = encoder_and_head_groups(model, args.encoder_learning_rate, args.learning_rate)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), weight_decay=args.weight_decay, fused=True)
    warmup_steps = int(args.warmup_ratio * max_steps)
    schedule = partial(warmup_polynomial, learning_rate=1.0, warmup_steps=warmup_steps, total_steps=max_steps)
    metric = DepthMetrics(min_depth=model.config.min_depth, max_depth=model.config.max_depth)

    trainer = DepthTrainer(
        model=model,
        args=training_args,
        data_collator=DepthCollator(processor, flip_probability=0.5),
        eval_collator=DepthCollator(processor),
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        compute_metrics=partial(compute_depth_metrics, metric),
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)),
    )
    checkpoint = get_last_checkpoint(args.output_dir) if Path(args.output_dir).is_dir() else None
    trainer.train(resume_from_checkpoint=checkpoint)

    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        final = Path(args.output_dir) / "model"
        model.to(getattr(torch, args.save_dtype)).save_pretrained(final)
        processor.save_pretrained(final)
        report = final.with_name("metrics.json")
        report.with_suffix(".partial").write_text(json.dumps(metrics, indent=2) + "\n")
        os.replace(report.with_suffix(".partial"), report)
        delta1, abs_rel, rmse = (metrics[f"eval_{name}"] for name in ("delta1", "abs_rel", "rmse"))
        print(f"Saved {final}; delta1 {delta1:.4f}, abs_rel {abs_rel:.4f}, rmse {rmse:.4f} m")


if __name__ == "__main__":
    (arguments,) = HfArgumentParser(cast(Any, DepthArguments)).parse_args_into_dataclasses(sys.argv[1:])
    main(arguments)
