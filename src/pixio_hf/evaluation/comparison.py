# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Compare frozen encoders on equal terms: same heads, data, order, augmentation, steps (docs/specification.md 5.5-5.7)."""

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from ..data.labelled.batches import DepthCollator
from ..data.labelled.paired_augmentation import AugmentedDataset, DepthAugmentation
from ..data.labelled.student_views import SquareViews
from ..heads import NUM_TAPS
from ..model_cards.results import ResultTable, find_published_depth
from ..shown_text import markdown_text
from ..training.optimization import (
    DEPTH_HEAD_LEARNING_RATES,
    DEPTH_WARMUP_RATIO,
    HEAD_BETAS,
    HEAD_WEIGHT_DECAY,
    warmup_polynomial,
)
from .depth import evaluate_depth
from .prediction import PredictionOptions
from .probes import FUSION_HIDDEN_SIZE, NECK_HIDDEN_SIZES, ProbeModel, fit_crop_size, load_probe
from .relative_depth import RelativeRules, evaluate_relative_depth
from .results import build_report

_PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class ComparisonRecipe:
    """How every head is trained and judged; the defaults are those of docs/specification.md 5.5 but for the length.

    learning_rate: None means the paper's, 1e-4 for DPT and 2e-4 for linear heads.
    crop_size: side in pixels of crops and windows; each model takes the largest multiple of its patch size within.
    tight_windows: move the last window inside the image instead of padding it (not docs/specification.md 5.6).
    relative: depth up to scale and shift, from squares: the short side is resized to crop_size to train, the
        whole image to be judged.
    num_workers: processes that read images; results do not depend on it.
    """

    num_steps: int = 1000
    batch_size: int = 32
    learning_rate: float | None = None
    crop_size: int = 256
    max_depth: float = 10.0
    seed: int = 0
    neck_hidden_sizes: tuple[int, ...] = NECK_HIDDEN_SIZES
    fusion_hidden_size: int = FUSION_HIDDEN_SIZE
    tight_windows: bool = False
    dtype: str = "float32"
    num_workers: int = 0
    relative: bool = False

    def check(self) -> None:
        """Raise ValueError for values that make no sense."""
        for name in ("num_steps", "batch_size", "crop_size", "max_depth"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")
        if len(self.neck_hidden_sizes) != NUM_TAPS or min(*self.neck_hidden_sizes, self.fusion_hidden_size) < 1:
            raise ValueError(
                f"neck_hidden_sizes needs {NUM_TAPS} positive sizes and fusion_hidden_size one, got"
                f" {list(self.neck_hidden_sizes)} and {self.fusion_hidden_size}."
            )
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}.")

    def peak_rate(self, head_type: str) -> float:
        """Learning rate after the warm-up."""
        return self.learning_rate or DEPTH_HEAD_LEARNING_RATES[head_type]

    def autocast(self, device: torch.device) -> torch.autocast:
        """Context in which bfloat16 is computed with, where asked for; weights stay float32."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.dtype == "bfloat16")


def compare_model(
    name: str,
    head_type: str,
    train_items: Any,
    eval_items: Any,
    recipe: ComparisonRecipe,
    *,
    paper_data: str = "NYUv2",
    device: torch.device | None = None,
    rules: RelativeRules | None = None,
) -> dict[str, Any]:
    """Train a head on the frozen encoder of a checkpoint and evaluate it: one row of the comparison, ready for JSON.

    Items are those of open_depth_dataset. `paper_data`, "NYUv2" or "KITTI", chooses the published result to stand beside;
    relative depth has none, as the paper trains whole models for it. `rules`: what counts for relative depth.

    Raises:
        ValueError: anything wrong with the model or the recipe, or fewer images than one batch.
    """
    recipe.check()
    device = device or torch.device("cpu")
    started = time.perf_counter()
    measures_memory = reset_peak_memory(device)
    torch.manual_seed(recipe.seed)
    probe, processor, normalization = load_probe(
        name,
        head_type,
        neck_hidden_sizes=recipe.neck_hidden_sizes,
        fusion_hidden_size=recipe.fusion_hidden_size,
        max_depth=recipe.max_depth,
        depth_estimation_type="relative" if recipe.relative else "metric",
    )
    probe.to(device)
    crop_size = fit_crop_size(recipe.crop_size, probe.config.patch_size)
    train_loss = train_probe(probe, processor, train_items, recipe, title=f"{name}, {head_type}: train")
    options = PredictionOptions(crop_size, batch_size=recipe.batch_size, tight_windows=recipe.tight_windows)
    with recipe.autocast(device):
        if recipe.relative:
            options = PredictionOptions(None, batch_size=recipe.batch_size)
            resizing = partial(processor, size={"height": crop_size, "width": crop_size}, do_resize=True)
            evaluation = evaluate_relative_depth(probe, resizing, eval_items, options, rules)
        else:
            evaluation = evaluate_depth(probe, processor, eval_items, options)
        seconds_per_image = time_per_image(probe, crop_size, device)
    paper = None if recipe.relative else find_published_depth(name, paper_data, head_type)
    settings = {
        "patch_size": probe.config.patch_size,
        "crop_size": crop_size,
        "learning_rate": recipe.peak_rate(head_type),
        "images": options.describe(),
        "normalization": normalization._asdict(),
    }
    return {
        "model": name,
        "head": head_type,
        "model_type": probe.config.model_type,
        "num_encoder_parameters": sum(parameter.numel() for parameter in probe.encoder.parameters()),
        "milliseconds_per_image": 1000 * seconds_per_image,
        "peak_memory_mib": peak_memory(device) if measures_memory else None,
        "train_loss": train_loss,
        "paper": None if paper is None else {"data": paper_data, **paper._asdict()},
        **build_report("depth", settings, evaluation.metrics, time.perf_counter() - started),
    }


def train_probe(
    probe: ProbeModel, processor: Any, items: Any, recipe: ComparisonRecipe, title: str = "train"
) -> float:
    """Train the head of a probe (docs/specification.md 5.5); returns the last loss.

    Random crops, mirroring, AdamW, warm-up over a tenth.

    Order and mirroring of the images depend on the seed alone, so every model sees the same ones; crops are drawn alike,
    but differ by some pixels where models need crops of different sides.

    Raises:
        ValueError: fewer items than one batch, or a loss that is no longer finite.
    """
    if len(items) < recipe.batch_size:
        raise ValueError(
            f"{len(items)} training images are fewer than a batch of {recipe.batch_size}: give a smaller batch size."
        )
    optimizer = torch.optim.AdamW(
        probe.head.parameters(),
        lr=recipe.peak_rate(probe.config.head_type),
        betas=HEAD_BETAS,
        weight_decay=HEAD_WEIGHT_DECAY,
    )
    schedule = partial(
        warmup_polynomial,
        learning_rate=1.0,
        warmup_steps=int(DEPTH_WARMUP_RATIO * recipe.num_steps),
        total_steps=recipe.num_steps,
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    probe.train()
    loss = torch.zeros(())
    crop_size = fit_crop_size(recipe.crop_size, probe.config.patch_size)
    augmentation = SquareViews(crop_size) if recipe.relative else DepthAugmentation(crop_size)
    batches = _endless_batches(AugmentedDataset(items, augmentation, recipe.seed), processor, recipe)
    bar = tqdm(total=recipe.num_steps, desc=title, unit="step")
    with bar:
        for _, batch in zip(range(recipe.num_steps), batches, strict=False):
            batch = {name: value.to(probe.device) for name, value in batch.items()}
            with recipe.autocast(probe.device):
                loss = probe(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            if recipe.relative:  # as large as a prediction is flat
                torch.nn.utils.clip_grad_norm_(probe.head.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            bar.update()
            if bar.n % 10 == 0 or bar.n == recipe.num_steps:
                bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
                if not loss.isfinite():
                    raise ValueError(f"{title}: the loss is {loss.item()} at step {bar.n}; lower the learning rate.")
    return loss.item()


def _endless_batches(views: AugmentedDataset, processor: Any, recipe: ComparisonRecipe) -> Iterator[dict[str, Any]]:
    loader = DataLoader(
        views,
        recipe.batch_size,
        shuffle=True,
        drop_last=True,
        collate_fn=DepthCollator(processor),
        generator=torch.Generator().manual_seed(recipe.seed),
        num_workers=recipe.num_workers,
    )
    epoch = 0
    while True:
        views.set_epoch(epoch)
        yield from loader
        epoch += 1


@torch.inference_mode()
def time_per_image(model: nn.Module, image_size: int, device: torch.device, num_runs: int = 5) -> float:
    """Seconds of one forward pass of one square image: the median of `num_runs` after one that does not count."""
    model.eval()
    image = torch.zeros(1, 3, image_size, image_size, device=device)
    seconds = []
    for _ in range(num_runs + 1):
        started = time.perf_counter()
        model(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def reset_peak_memory(device: torch.device) -> bool:
    """Reset the peak; False if the system cannot do that: then `peak_memory` must not be used."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        (_PROCESS / "clear_refs").write_text("5")  # Linux: forget the peak of the resident memory
    except OSError:
        return False
    return re.search(r"VmHWM:\s+\d+ kB", (_PROCESS / "status").read_text()) is not None


def peak_memory(device: torch.device) -> float:
    """Peak in MiB: what tensors took on a GPU, or the resident memory of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    found = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
    assert found is not None, "reset_peak_memory was False"
    return int(found[1]) / 2**10


def render_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The comparison as one Markdown table; published columns only where a row has a published result."""
    is_relative = any("order" in row["metrics"] for row in rows)
    errors = {"abs_rel": "abs_rel", "order": "order"} if is_relative else {"rmse": "rmse (m)"}
    columns = [
        "model",
        "head",
        "delta1",
        *errors.values(),
        "encoder parameters",
        "image",
        "ms per image",
        "peak memory (MiB)",
    ]
    papers = sorted({row["paper"]["data"] for row in rows if row["paper"]})
    for data in papers:
        columns += [f"paper: {data} delta1", f"paper: {data} rmse (m)"]
    lines = []
    for row in rows:
        metrics, settings = row["metrics"], row["settings"]
        cells = [
            row["model"],
            row["head"],
            _number(metrics["delta1"], 3),
            *(_number(metrics[name], 3) for name in errors),
            f"{row['num_encoder_parameters'] / 1e6:.1f} M",
            f"{settings['crop_size']} px, patches of {settings['patch_size']}",
            _number(row["milliseconds_per_image"], 1),
            _number(row["peak_memory_mib"], 0),
        ]
        for data in papers:
            paper = row["paper"] if row["paper"] and row["paper"]["data"] == data else {}
            # The paper prints percent; beside each other the numbers need one unit.
            delta1 = paper.get("delta1") and float(paper["delta1"]) / 100
            cells += [_number(delta1, 3), paper.get("rmse") or "-"]
        lines.append(tuple(markdown_text(cell) for cell in cells))
    return str(ResultTable("", tuple(columns), tuple(lines)))


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
