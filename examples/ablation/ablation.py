# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""From MAE to Pixio in steps: pre-train small models on equal budgets, freeze the encoders, and measure depth.

    python examples/ablation/ablation.py --cache_dir cache --output_dir runs/ablation --num_workers 2 --docs_dir docs
    python examples/ablation/ablation.py --output_dir runs/ablation --docs_dir docs --report_only
    python examples/ablation/ablation.py --setting photographs --photographs photographs --cache_dir cache \
        --output_dir runs/ablation_photographs
    python examples/ablation/ablation.py --smoke --output_dir runs/smoke

Each run is one variant with one seed: pre-training, then a linear and a DPT depth head on the frozen encoder, evaluated on
held-out scenes, and k-NN classification where photographs with classes are. Setting "rooms" pre-trains on rendered rooms of
64 x 64 pixels, "photographs" on photographs (examples/gather_photographs.py) and rendered scenes of 256 x 256. Finished
runs are kept in OUTPUT_DIR/runs; the same command goes on with those that are missing. Table and plot are made of what is
finished. Hardware, time and result stand in docs/ablation.md.
"""

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ablation_data import (
    Scenes,
    join_images,
    list_photographs,
    load_photographs,
    load_scenes,
    open_scenes,
    split_classes,
    take_images,
)
from ablation_probes import NUM_TAPS, build_head, encode, evaluate_head, measure_knn, train_head
from ablation_report import write_report
from ablation_settings import SETTINGS, Setting
from torch.utils.data import ConcatDataset
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForPreTraining, PixioImageProcessor, PixioModel
from pixio_hf.files import write_json
from pixio_hf.finetuning.samplers import shuffled_batches
from pixio_hf.script_exit import run_script
from pixio_hf.synthetic import SyntheticSceneDataset
from pixio_hf.training.monitoring import pretraining_flops
from pixio_hf.training.optimization import absolute_learning_rate, warmup_cosine, weight_decay_groups


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class AblationArguments:
    """Recipe of the whole table, the same for every variant."""

    output_dir: str = field(metadata={"help": "Results of the runs, table and plot go here."})
    setting: str = field(default="rooms", metadata={"help": "What is compared.", "choices": list(SETTINGS)})
    photographs: str | None = field(
        default=None, metadata={"help": "Setting photographs: the folder that gather_photographs.py made."}
    )
    cache_dir: str | None = field(default=None, metadata={"help": "Scenes are rendered once, into this folder."})
    docs_dir: str | None = field(default=None, metadata={"help": "Also put table and plot into this folder's pages."})
    report_only: bool = field(default=False, metadata={"help": "Only write table and plot of the finished runs."})
    num_workers: int = field(default=0, metadata={"help": "Runs at a time, a process of one thread each; 0: in here."})
    num_seeds: int = 3
    variants: list[str] = field(default_factory=list, metadata={"help": "Run only these now; none: all."})
    num_photographs: int = field(default=0, metadata={"help": "Photographs to use, spread evenly; 0: all."})
    num_scenes: int = field(default=8192, metadata={"help": "Rendered scenes to pre-train on."})
    num_labelled_scenes: int = field(default=4096, metadata={"help": "The first of them also train the heads."})
    num_eval_scenes: int = field(default=512, metadata={"help": "Held-out scenes."})
    num_steps: int = field(default=1500, metadata={"help": "Optimizer steps of pre-training."})
    warmup_ratio: float = 0.1
    batch_size: int = 64
    base_learning_rate: float = field(default=4e-3, metadata={"help": "Rate at a batch of 256."})
    weight_decay: float = 0.05
    head_steps: int = field(default=600, metadata={"help": "Optimizer steps of each depth head."})
    head_batch_size: int = 32
    dpt_learning_rate: float = 1e-3
    linear_learning_rate: float = 2e-3
    head_weight_decay: float = 0.01
    mixed_precision: str = field(default="no", metadata={"help": "bf16: autocast.", "choices": ["no", "bf16"]})
    device: str = field(default_factory=default_device, metadata={"help": "cpu or cuda [default: what there is]."})
    torch_compile: bool = field(default=False, metadata={"help": "Compile the model to pre-train."})
    smoke: bool = field(default=False, metadata={"help": "Two steps on few rooms, to see that it runs."})

    def recipe(self) -> dict[str, Any]:
        """The arguments that results depend on, and the model's sizes."""
        paths = {"output_dir", "cache_dir", "docs_dir", "photographs"}
        others = paths | {"device", "report_only", "num_workers", "num_seeds", "variants", "smoke"}
        return {name: value for name, value in asdict(self).items() if name not in others} | self.models.sizes

    @property
    def models(self) -> Setting:
        return SETTINGS[self.setting]

    def autocast(self) -> torch.autocast:
        # Without its cache, which would keep a head's first weights for as long as the context lasts.
        return torch.autocast(self.device, torch.bfloat16, enabled=self.mixed_precision == "bf16", cache_enabled=False)


def shrink_for_smoke(args: AblationArguments) -> AblationArguments:
    scenes = {"num_photographs": 80, "num_scenes": 12, "num_labelled_scenes": 8, "num_eval_scenes": 4}
    return replace(args, **scenes, num_seeds=1, num_steps=2, batch_size=4, head_steps=2, head_batch_size=4)


def open_all_scenes(
    args: AblationArguments, num_workers: int = 0
) -> tuple[SyntheticSceneDataset, SyntheticSceneDataset]:
    counts, size = (args.num_scenes, args.num_eval_scenes), args.models.sizes["image_size"]
    return open_scenes(args.models.scenes, *counts, size, args.cache_dir, num_workers, args.photographs)


def open_all_photographs(args: AblationArguments) -> tuple[list[dict[str, str]], np.ndarray]:
    """Which photographs, and their pixels (N, 3, H, W) uint8; none where the setting has none."""
    if not args.photographs:
        return [], np.empty((0, 3, 0, 0), np.uint8)
    rows = list_photographs(args.photographs, args.num_photographs)
    return rows, load_photographs(args.photographs, rows, args.models.sizes["image_size"], str(args.cache_dir))


def count_steps(variant: str, args: AblationArguments) -> int:
    """Pre-training steps of a variant: none, the budget, or as many as cost the FLOPs of Pixio's."""
    if variant == "random":
        return 0
    if variant != "mae_equal_flops":
        return args.num_steps
    variants, sizes = args.models.variants, args.models.sizes
    mae, pixio = (pretraining_flops(PixioConfig(**sizes, **variants[name])) for name in ("mae", "pixio"))
    return round(args.num_steps * pixio / mae)


def pretrain(
    model: PixioForPreTraining, images: ConcatDataset, num_steps: int, args: AblationArguments, seed: int
) -> list[float]:
    """Train on shuffled images; returns the loss of every step."""
    processor = PixioImageProcessor(do_resize=False)
    peak = absolute_learning_rate(args.base_learning_rate, args.batch_size)
    groups = weight_decay_groups(model.named_parameters(), args.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
    batches = shuffled_batches(len(images), args.batch_size, num_steps, seed)
    losses = []
    model.train()
    forward = torch.compile(model) if args.torch_compile else model
    for step, batch in enumerate(tqdm(batches, total=num_steps, desc="pre-training", leave=False, mininterval=5)):
        for group in optimizer.param_groups:
            group["lr"] = warmup_cosine(step, peak, 0.0, args.warmup_ratio * num_steps, num_steps)
        pixel_values = processor(take_images(images, batch), return_tensors="pt").pixel_values.to(args.device)
        with args.autocast():
            loss = forward(pixel_values).loss
        if not torch.isfinite(loss):
            raise FloatingPointError(f"The loss became {loss.item()} at step {step}; lower base_learning_rate.")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def run(variant: str, seed: int, args: AblationArguments) -> str:
    """Pre-train and evaluate one variant with one seed, and write the result as JSON."""
    train, held_out = open_all_scenes(args)
    scenes = load_scenes(train, held_out, args.num_labelled_scenes)
    rows, photographs = open_all_photographs(args)
    images = join_images(scenes.images.numpy(), *([photographs] if rows else []))
    num_steps = count_steps(variant, args)
    torch.manual_seed(seed)
    model = PixioForPreTraining(PixioConfig(**args.models.sizes, **args.models.variants[variant])).to(args.device)
    # Other work on the machine disturbs CPU time less; of a GPU it says nothing.
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    config, start = model.config, clock()
    losses = pretrain(model, images, num_steps, args, seed)
    result: dict[str, Any] = {
        "variant": variant,
        "seed": seed,
        "num_steps": num_steps,
        "images_seen": num_steps * args.batch_size,
        "pretraining_seconds": clock() - start,
        "pretraining_flops": num_steps * args.batch_size * pretraining_flops(config),
        "last_pretraining_loss": sum(losses[-50:]) / len(losses[-50:]) if losses else None,
    }
    start = clock()
    model.set_attn_implementation("sdpa")  # the fastest that is not differentiated
    with args.autocast():
        result |= measure_depth(model.pixio, scenes, args, seed)
        if rows:
            result |= measure_knn(model.pixio, photographs, split_classes(rows))
    result["evaluation_seconds"] = clock() - start
    result |= {"recipe": args.recipe(), "torch": torch.__version__}
    write_json(result_path(args, variant, seed), result)
    return f"{variant}, seed {seed}: DPT delta1 {result['dpt']['delta1']:.4f}, linear {result['linear']['delta1']:.4f}"


def measure_depth(encoder: PixioModel, scenes: Scenes, args: AblationArguments, seed: int) -> dict[str, Any]:
    """Metrics of a linear and a DPT head that are trained on a frozen encoder."""
    tokens = encode(encoder, scenes.images[: len(scenes.depth)])
    held_out_tokens = encode(encoder, scenes.held_out_images)
    metrics = {}
    for name, learning_rate in (("linear", args.linear_learning_rate), ("dpt", args.dpt_learning_rate)):
        torch.manual_seed(seed)
        head, taps = build_head(name, encoder.config).to(args.device), slice(-NUM_TAPS[name], None)
        train_head(
            head,
            tokens[taps],
            scenes.depth,
            encoder.config,
            num_steps=args.head_steps,
            batch_size=args.head_batch_size,
            learning_rate=learning_rate,
            weight_decay=args.head_weight_decay,
            seed=seed,
        )
        metrics[name] = evaluate_head(head, held_out_tokens[taps], scenes.held_out_depth, encoder.config)
    return metrics


def result_path(args: AblationArguments, variant: str, seed: int) -> Path:
    return Path(args.output_dir) / "runs" / f"{variant}-{seed}.json"


def read_results(args: AblationArguments) -> dict[tuple[str, int], dict[str, Any]]:
    """Finished runs by variant and seed.

    Raises:
        ValueError: a run was made with other settings, so that it must not share a table with these.
    """
    results = {}
    for seed in range(args.num_seeds):
        for variant in args.models.variants:
            path = result_path(args, variant, seed)
            if not path.exists():
                continue
            result = json.loads(path.read_text())
            recipe, asked = result["recipe"], args.recipe()
            if different := [name for name in asked if recipe.get(name) != asked[name]]:
                raise ValueError(
                    f"{path} was made with other settings ({', '.join(different)}): choose another output_dir, or"
                    " delete it."
                )
            results[variant, seed] = result
    return results


def main(args: AblationArguments) -> None:
    if args.num_labelled_scenes > args.num_scenes:
        raise ValueError(f"num_labelled_scenes {args.num_labelled_scenes} exceeds num_scenes {args.num_scenes}.")
    if unknown := [variant for variant in args.variants if variant not in args.models.variants]:
        raise ValueError(f"variants has {', '.join(unknown)}; choose from {', '.join(args.models.variants)}.")
    if args.setting == "photographs" and not (args.photographs and args.cache_dir):
        raise ValueError(
            "Setting photographs needs --photographs, the folder that examples/gather_photographs.py makes, and --cache_dir"
            " for the photographs in the size of the models."
        )
    if args.setting == "rooms" and args.photographs:
        raise ValueError("Setting rooms shows no photographs: add --setting photographs, or leave --photographs out.")
    args = shrink_for_smoke(args) if args.smoke else args
    if args.photographs:
        list_photographs(args.photographs, args.num_photographs)  # a folder that is none is refused before work begins
    results = read_results(args)
    if not args.report_only:
        # Seeds outermost, so that a table of fewer seeds can be made early.
        todo = [(variant, seed) for seed in range(args.num_seeds) for variant in args.variants or args.models.variants]
        todo = [pair for pair in todo if pair not in results]
        print(f"{len(results)} runs are finished already, {len(todo)} to do.", flush=True)
        if todo and args.cache_dir:  # once, before the processes ask for them
            open_all_scenes(args, args.num_workers)
            open_all_photographs(args)
        for message in tqdm(run_all(todo, args), total=len(todo), desc="runs"):
            tqdm.write(message)
        results = read_results(args)
    write_report(list(results.values()), Path(args.output_dir), args.docs_dir, args.setting)


def run_all(todo: list[tuple[str, int]], args: AblationArguments) -> Iterator[str]:
    """Make the runs, several at a time where asked for; yields a line for each that is finished."""
    if args.num_workers == 0:
        yield from (run(variant, seed, args) for variant, seed in todo)
        return
    # Spawned, not forked: torch's thread pool does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.num_workers, context, torch.set_num_threads, (1,)) as pool:
        for finished in as_completed([pool.submit(run, variant, seed, args) for variant, seed in todo]):
            yield finished.result()


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, AblationArguments)))
