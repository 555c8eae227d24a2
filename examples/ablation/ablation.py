# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""From MAE to Pixio in steps: pre-train small models on equal budgets, freeze the encoders, and measure depth.

    python examples/ablation/ablation.py --cache_dir cache --output_dir runs/ablation --num_workers 2 --docs_dir docs
    python examples/ablation/ablation.py --output_dir runs/ablation --docs_dir docs --report_only
    python examples/ablation/ablation.py --smoke --output_dir runs/smoke

Each run is one variant with one seed: pre-training on rendered rooms, then a linear and a DPT depth head on the frozen
encoder, evaluated on held-out rooms. The rooms are synthetic (pixio_hf.synthetic). Finished runs are kept in
OUTPUT_DIR/runs; the same command goes on with those that are missing. Table and plot are made of whatever is finished.
Hardware, time and result stand in docs/ablation.md.
"""

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from ablation_depth import NUM_TAPS, build_head, encode, evaluate_head, train_head
from ablation_report import write_report
from torch import Tensor
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForPreTraining, PixioImageProcessor
from pixio_hf.files import write_json
from pixio_hf.finetuning.samplers import shuffled_batches
from pixio_hf.script_exit import run_script
from pixio_hf.synthetic import HELD_OUT_SEEDS, TRAIN_SEEDS, SyntheticSceneDataset
from pixio_hf.training.monitoring import pretraining_flops
from pixio_hf.training.optimization import absolute_learning_rate, warmup_cosine, weight_decay_groups

MAE: dict[str, Any] = {"decoder_num_hidden_layers": 1, "mask_grid_size": 1, "n_cls_tokens": 1}
DEEP = {**MAE, "decoder_num_hidden_layers": 4}
BLOCKS = {**DEEP, "mask_grid_size": 2}
PIXIO = {**BLOCKS, "n_cls_tokens": 8}
# Each differs from the one before by one change, but for the last: MAE with as many FLOPs as Pixio, in more steps.
VARIANTS: dict[str, dict[str, Any]] = {
    "random": MAE,
    "mae": MAE,
    "deep_decoder": DEEP,
    "block_masks": BLOCKS,
    "pixio": PIXIO,
    "mae_equal_flops": MAE,
}
SIZES: dict[str, Any] = {
    "image_size": 64,
    "patch_size": 8,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "decoder_hidden_size": 64,
    "decoder_num_attention_heads": 2,
    "neck_hidden_sizes": [16, 32, 32, 32],
    "fusion_hidden_size": 16,
    "attn_implementation": "eager",  # torch's fused attention is slow to differentiate on a CPU
}


@dataclass(frozen=True)
class AblationArguments:
    """Recipe of the whole table, the same for every variant."""

    output_dir: str = field(metadata={"help": "Results of the runs, table and plot go here."})
    cache_dir: str | None = field(default=None, metadata={"help": "Rooms are rendered once, into this folder."})
    docs_dir: str | None = field(default=None, metadata={"help": "Also put table and plot into this folder's pages."})
    report_only: bool = field(default=False, metadata={"help": "Only write table and plot of the finished runs."})
    num_workers: int = field(default=0, metadata={"help": "Runs at a time, a process of one thread each; 0: in here."})
    num_seeds: int = 3
    num_scenes: int = field(default=8192, metadata={"help": "Rooms to pre-train on."})
    num_labelled_scenes: int = field(default=4096, metadata={"help": "The first of them also train the heads."})
    num_eval_scenes: int = field(default=512, metadata={"help": "Held-out rooms."})
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
    smoke: bool = field(default=False, metadata={"help": "Two steps on few rooms, to see that it runs."})

    def recipe(self) -> dict[str, Any]:
        """The arguments that results depend on, and the model's sizes."""
        others = {"output_dir", "cache_dir", "docs_dir", "report_only", "num_workers", "num_seeds", "smoke"}
        return {name: value for name, value in asdict(self).items() if name not in others} | SIZES


def shrink_for_smoke(args: AblationArguments) -> AblationArguments:
    scenes = {"num_scenes": 12, "num_labelled_scenes": 8, "num_eval_scenes": 4}
    return replace(args, **scenes, num_seeds=1, num_steps=2, batch_size=4, head_steps=2, head_batch_size=4)


def open_rooms(args: AblationArguments, num_render_workers: int = 0) -> tuple[SyntheticSceneDataset, ...]:
    """Rooms to train on and held-out ones, anti-aliased."""
    train, held_out = (
        SyntheticSceneDataset(
            num_scenes, seeds.start, SIZES["image_size"], "room", args.cache_dir, num_render_workers, supersample=True
        )
        for num_scenes, seeds in ((args.num_scenes, TRAIN_SEEDS), (args.num_eval_scenes, HELD_OUT_SEEDS))
    )
    return train, held_out


def load_rooms(rooms: SyntheticSceneDataset, num_labelled: int) -> tuple[Tensor, Tensor]:
    """All pictures (N, 3, H, W) uint8, and the depth of the first (num_labelled, H, W) metres."""
    items = rooms.__getitems__(list(range(len(rooms))))
    return torch.stack([item["image"] for item in items]), torch.stack(
        [item["depth"] for item in items[:num_labelled]]
    )


def count_steps(variant: str, args: AblationArguments) -> int:
    """Pre-training steps of a variant: none, the budget, or as many as cost the FLOPs of Pixio's."""
    if variant == "random":
        return 0
    if variant != "mae_equal_flops":
        return args.num_steps
    mae, pixio = (pretraining_flops(PixioConfig(**SIZES, **changes)) for changes in (MAE, PIXIO))
    return round(args.num_steps * pixio / mae)


def pretrain(
    model: PixioForPreTraining, images: Tensor, num_steps: int, args: AblationArguments, seed: int
) -> list[float]:
    """Train on shuffled images (N, 3, H, W) uint8; returns the loss of every step."""
    processor = PixioImageProcessor(do_resize=False)
    peak = absolute_learning_rate(args.base_learning_rate, args.batch_size)
    groups = weight_decay_groups(model.named_parameters(), args.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
    batches = shuffled_batches(len(images), args.batch_size, num_steps, seed)
    losses = []
    model.train()
    for step, batch in enumerate(tqdm(batches, total=num_steps, desc="pre-training", leave=False, mininterval=5)):
        for group in optimizer.param_groups:
            group["lr"] = warmup_cosine(step, peak, 0.0, args.warmup_ratio * num_steps, num_steps)
        loss = model(processor(images[batch], return_tensors="pt").pixel_values).loss
        if not torch.isfinite(loss):
            raise FloatingPointError(f"The loss became {loss.item()} at step {step}; lower base_learning_rate.")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def run(variant: str, seed: int, args: AblationArguments) -> str:
    """Pre-train and evaluate one variant with one seed, and write the result as JSON."""
    train, held_out = open_rooms(args)
    images, depth = load_rooms(train, args.num_labelled_scenes)
    held_out_images, held_out_depth = load_rooms(held_out, args.num_eval_scenes)
    num_steps = count_steps(variant, args)
    torch.manual_seed(seed)
    model = PixioForPreTraining(PixioConfig(**SIZES, **VARIANTS[variant]))
    config, start = model.config, time.process_time()
    losses = pretrain(model, images, num_steps, args, seed)
    result: dict[str, Any] = {
        "variant": variant,
        "seed": seed,
        "num_steps": num_steps,
        "images_seen": num_steps * args.batch_size,
        "pretraining_cpu_seconds": time.process_time() - start,
        "pretraining_flops": num_steps * args.batch_size * pretraining_flops(config),
        "last_pretraining_loss": sum(losses[-50:]) / len(losses[-50:]) if losses else None,
    }
    start = time.process_time()
    tokens = encode(model.pixio, images[: args.num_labelled_scenes])
    held_out_tokens = encode(model.pixio, held_out_images)
    for name, learning_rate in (("linear", args.linear_learning_rate), ("dpt", args.dpt_learning_rate)):
        torch.manual_seed(seed)
        head, taps = build_head(name, config), slice(-NUM_TAPS[name], None)
        train_head(
            head,
            tokens[taps],
            depth,
            config,
            num_steps=args.head_steps,
            batch_size=args.head_batch_size,
            learning_rate=learning_rate,
            weight_decay=args.head_weight_decay,
            seed=seed,
        )
        result[name] = evaluate_head(head, held_out_tokens[taps], held_out_depth, config)
    result["evaluation_cpu_seconds"] = time.process_time() - start
    result |= {"recipe": args.recipe(), "torch": torch.__version__}
    write_json(result_path(args, variant, seed), result)
    return f"{variant}, seed {seed}: DPT delta1 {result['dpt']['delta1']:.4f}, linear {result['linear']['delta1']:.4f}"


def result_path(args: AblationArguments, variant: str, seed: int) -> Path:
    return Path(args.output_dir) / "runs" / f"{variant}-{seed}.json"


def read_results(args: AblationArguments) -> dict[tuple[str, int], dict[str, Any]]:
    """Finished runs by variant and seed.

    Raises:
        ValueError: a run was made with other settings, so that it must not share a table with these.
    """
    results = {}
    for seed in range(args.num_seeds):
        for variant in VARIANTS:
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
    args = shrink_for_smoke(args) if args.smoke else args
    results = read_results(args)
    if not args.report_only:
        # Seeds outermost, so that a table of fewer seeds can be made early.
        todo = [(variant, seed) for seed in range(args.num_seeds) for variant in VARIANTS]
        todo = [pair for pair in todo if pair not in results]
        print(f"{len(results)} runs are finished already, {len(todo)} to do.", flush=True)
        if todo and args.cache_dir:
            open_rooms(args, args.num_workers)  # once, before the processes ask for them
        for message in tqdm(run_all(todo, args), total=len(todo), desc="runs"):
            tqdm.write(message)
        results = read_results(args)
    write_report(list(results.values()), Path(args.output_dir), args.docs_dir)


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
