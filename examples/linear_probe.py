# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Train a linear classifier on a frozen encoder, on a folder of images for every class.

    python examples/linear_probe.py --model facebook/pixio-vith16 --dataset path/to/folder \
        --output_dir runs/probe
    python examples/linear_probe.py --smoke --output_dir runs/smoke

The folder has train/<class>/*.jpg and val/<class>/*.jpg; tables of `datasets` work too. Every image passes the encoder
once, its short side resized to the model's size and the middle cut out; the classifier then learns from these features in
seconds, without augmentation. OUTPUT_DIR/model is a PixioForImageClassification, metrics.json has its accuracy.

The default data set is rendered: synthetic rooms against synthetic outdoor scenes. Measured there with pixio-tiny, 512
scenes of each for training and 128 held out of each: all 256 right, as is to be expected of classes this different.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from torch import Tensor
from torch.utils.data import ConcatDataset
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForImageClassification, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.data.labelled.image_labels import open_image_labels
from pixio_hf.evaluation.knn import center_crop
from pixio_hf.files import write_json
from pixio_hf.finetuning.samplers import shuffled_batches
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.training.checkpointing import folder_of_run
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.training.optimization import fit_warmup, warmup_cosine
from pixio_hf.visualization.curves import RunRecord
from pixio_hf.visualization.training_panels import draw_classified, save_panel

NUM_SHOWN, SHOWN_SIDE = 8, 192
SYNTHETIC_CLASSES = ("synthetic-rooms", "synthetic-outdoor")


@dataclass(frozen=True)
class ProbeArguments:
    """One linear probe."""

    output_dir: str = field(metadata={"help": "The model and its metrics go here."})
    model: str = field(default="pixio-tiny", metadata={"help": "Folder, Hub id or bundled name of the encoder."})
    dataset: str = field(
        default="synthetic", metadata={"help": "synthetic, a folder of class folders, or owner/name on the Hub."}
    )
    num_scenes: int = field(default=512, metadata={"help": "Synthetic scenes of each class to train on."})
    num_eval_scenes: int = field(default=128, metadata={"help": "Held-out scenes of each class."})
    cache_dir: str | None = field(default=None, metadata={"help": "Render synthetic scenes once, into this folder."})
    eval_batch_size: int = field(default=32, metadata={"help": "Images per pass through the encoder."})
    mixed_precision: str = field(default="bf16", metadata={"help": "no or bf16, of the encoder."})
    max_steps: int = field(default=2000, metadata={"help": "Optimizer steps."})
    batch_size: int = field(default=1024, metadata={"help": "Features per step."})
    warmup_steps: float = field(default=0.05, metadata={"help": "Of linear warm-up; below 1: a share of the run."})
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    seed: int = 0
    report_to: str = field(default="tensorboard", metadata={"help": "tensorboard, wandb, trackio or none."})
    logging_steps: int = 50
    smoke: bool = field(default=False, metadata={"help": "Two steps on four scenes of each class."})


def open_data(args: ProbeArguments, image_size: int) -> tuple[list[Any], list[str]]:
    """Training and validation sets as lists of (items, label of all or None), and the names of the classes."""
    if args.dataset != "synthetic":
        train, names = open_image_labels(args.dataset, "train")
        val, _ = open_image_labels(args.dataset, "val", class_names=names)
        return [[(train, None)], [(val, None)]], names
    counts = {"train": args.num_scenes, "val": args.num_eval_scenes}
    splits = [
        [
            (
                open_depth_dataset(
                    name,
                    split,
                    num_scenes=4 if args.smoke else count,
                    image_size=image_size,
                    cache_dir=args.cache_dir,
                ),
                label,
            )
            for label, name in enumerate(SYNTHETIC_CLASSES)
        ]
        for split, count in counts.items()
    ]
    return splits, list(SYNTHETIC_CLASSES)


@torch.inference_mode()
def encode(model: Any, parts: Sequence[tuple[Any, int | None]], args: ProbeArguments) -> tuple[Tensor, Tensor]:
    """Mean normalised class tokens (n, D) float32, and class numbers (n,), on the CPU."""
    processor = PixioImageProcessor(do_resize=False)
    features, labels = [], []
    for items, label in parts:
        for start in tqdm(range(0, len(items), args.eval_batch_size), desc="encoding", unit="batch"):
            batch = [items[index] for index in range(start, min(start + args.eval_batch_size, len(items)))]
            images = [center_crop(item["image"], model.config.image_size) for item in batch]
            pixel_values = processor(images, return_tensors="pt").pixel_values.to(model.device)
            with torch.autocast(model.device.type, torch.bfloat16, enabled=args.mixed_precision == "bf16"):
                features.append(model.pixio(pixel_values).pooler_output.float().cpu())
            labels += [item["label"] if label is None else label for item in batch]
    return torch.cat(features), torch.tensor(labels)


def draw_held_out(parts: Sequence[tuple[Any, int | None]], logits: Tensor, labels: Tensor, names: list[str]) -> bytes:
    """PNG with held-out images from all over the set, and what the classifier says of each."""
    indices = np.unique(np.linspace(0, len(labels) - 1, NUM_SHOWN).astype(int)).tolist()
    items: Any = ConcatDataset([part for part, _ in parts])
    images = [np.asarray(center_crop(items[index]["image"], SHOWN_SIDE)) for index in indices]
    truth = [names[number] for number in labels[indices].tolist()]
    return draw_classified(images, truth, logits[indices], names)


def count_correct(logits: Tensor, labels: Tensor, k: int) -> float:
    """Share of images whose class is among the k likeliest, in percent."""
    found = logits.topk(min(k, logits.shape[-1])).indices == labels[:, None]
    return 100 * found.any(dim=-1).double().mean().item()


def main(args: ProbeArguments) -> dict[str, float]:
    require_positive(
        args, "num_scenes", "num_eval_scenes", "eval_batch_size", "max_steps", "batch_size", "logging_steps"
    )
    if args.mixed_precision not in ("no", "bf16"):
        raise ValueError(f"mixed_precision must be no or bf16, got {args.mixed_precision!r}.")
    output_dir, tracker = Path(args.output_dir), choose_tracker(args.report_to)
    if (output_dir / "model").exists():
        raise ValueError(f"{output_dir / 'model'} exists already: choose another --output_dir.")
    source = find_checkpoint(args.model)
    image_size = PixioConfig.from_pretrained(source).image_size
    (train, val), names = open_data(args, image_size)
    torch.manual_seed(args.seed)
    model = PixioForImageClassification.from_pretrained(source, dtype=torch.float32, num_labels=len(names)).eval()
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    model.freeze_encoder()
    model.to("cuda" if torch.cuda.is_available() else "cpu")

    features, labels = encode(model, train, args)
    mean, std = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)
    num_steps = 2 if args.smoke else args.max_steps
    classifier = model.classifier.cpu()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay)
    batches = shuffled_batches(len(features), min(args.batch_size, len(features)), num_steps, args.seed)
    accelerator = Accelerator(log_with=tracker, project_config=ProjectConfiguration(project_dir=str(output_dir)))
    settings = {name: value for name, value in asdict(args).items() if value is not None}
    accelerator.init_trackers("linear-probe", settings)
    record, logging_steps = RunRecord(output_dir), min(args.logging_steps, num_steps)
    warmup = fit_warmup(args.warmup_steps, num_steps, print)
    progress = tqdm(enumerate(batches), total=num_steps, desc="linear probe")
    for step, batch in progress:
        for group in optimizer.param_groups:
            group["lr"] = warmup_cosine(step, args.learning_rate, 0.0, warmup, num_steps)
        # Whitened features make one learning rate fit all of them.
        logits = classifier((features[batch] - mean) / std)
        loss = torch.nn.functional.cross_entropy(logits, labels[batch])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % logging_steps == 0:
            progress.set_postfix(loss=f"{loss.item():.4f}")
            right = (logits.argmax(dim=-1) == labels[batch]).double().mean().item()
            values = {"loss": loss.item(), "top1": 100 * right, "learning_rate": optimizer.param_groups[0]["lr"]}
            accelerator.log(values, step=step + 1)
            record.train(step + 1, values)
    with torch.no_grad():  # the same function of plain features
        classifier.weight /= std
        classifier.bias.sub_(classifier.weight @ mean)

    features, labels = encode(model, val, args)
    with torch.no_grad():
        logits = classifier(features)
    metrics = {f"top{k}": count_correct(logits, labels, k) for k in (1, 5)} | {"num_images": len(labels)}
    accelerator.log({f"eval_{name}": value for name, value in metrics.items()}, step=num_steps)
    accelerator.end_training()
    record.evaluate(num_steps, metrics)
    save_panel(output_dir, num_steps, partial(draw_held_out, val, logits, labels, names))
    with folder_of_run(output_dir / "model") as folder:  # its name comes last: it says that the run is finished
        model.save_pretrained(folder)
        PixioImageProcessor(size={"height": image_size, "width": image_size}).save_pretrained(folder)
        record.write_card(folder, "classification", args.model, args.dataset, settings)
        write_json(output_dir / "metrics.json", metrics)
    print(f"Saved {output_dir / 'model'}; top-1 {metrics['top1']:.2f} % of {len(labels)} images")
    record.finish()
    return metrics


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, ProbeArguments)))
