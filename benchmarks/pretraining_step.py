# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Speed, memory and model-FLOPs utilisation of a pre-training step, against transformers' ViTMAEForPreTraining, in one run.

    python benchmarks/pretraining_step.py                                    # pixio-tiny on a CPU; H/16 and 1B/16 on a GPU
    python benchmarks/pretraining_step.py --preset pixio-b16 --decoder_num_hidden_layers 8 --batch_size 8 --rounds 5
    python benchmarks/pretraining_step.py --compile                          # a compiled step beside the others
    python benchmarks/pretraining_step.py --ways ViTMAE "as MAE, compiled"   # these only

A step is forward and backward pass in bfloat16 autocast and AdamW, on images already in memory. On a CPU the ways take
turns, one step a round, in random order. ViTMAE has the same widths, depths, heads, image size and mask ratio, fused AdamW
and its own default attention. It knows neither eight class tokens nor block masks: it is compared with our model "as MAE",
one class token and single masked patches, which is the same work, and compiled with compiled. "plain" is Pixio with eager
attention and AdamW unfused. vs_eager_loop relates ViTMAE's plain loop, not compiled, to ours compiled.
Stochastic depth: rate 0.4, computed for all samples and multiplied by zero (plain form), or for kept samples only (ours).

Model FLOPs come from training/flops.py: what the model needs, whatever was computed. Utilisation relates them to the best
bfloat16 matrix product measured in the same process, on a GPU also to the data sheet. Memory is the peak of a process that
runs this way only (CPU) or of the allocator (GPU). On a machine with other load use --clock cpu and OMP_NUM_THREADS=1.
"""

import argparse
import copy
import multiprocessing
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers
from torch import nn
from transformers import ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.pixio.modeling_pixio import PixioDropPath

from pixio_hf import PixioConfig, PixioForPreTraining
from pixio_hf.training.monitoring import pretraining_flops
from pixio_hf.training.optimization import weight_decay_groups

Measured = tuple[dict[str, float], dict[str, list[float]]]  # peak memory in GB, seconds of steps, by way
DROP_PATH_RATE = 0.4
WARM_UP = 2
DEFAULT_ATTENTION = {"cpu": "eager", "cuda": "sdpa"}
# Dense bfloat16; the first name that occurs in that of the card counts.
DATA_SHEET_TFLOPS = {"H100 PCIe": 756, "H100 NVL": 835, "H200": 989, "H100": 989, "A100": 312}
# Name -> attention, fused AdamW, stochastic depth ("" for none).
WAYS = {
    "ViTMAE": ("", True, ""),
    "ViTMAE, compiled": ("", True, ""),
    "as MAE": ("", True, ""),
    "as MAE, compiled": ("", True, ""),
    "plain": ("eager", False, ""),
    "eager attention": ("eager", True, ""),
    "sdpa attention": ("sdpa", True, ""),
    "compiled": ("", True, ""),
    "stochastic depth, plain form": ("", True, "plain"),
    "stochastic depth": ("", True, "efficient"),
}


def set_stochastic_depth(model: Any, form: str) -> None:
    """Switch between none, the plain form (all samples computed) and the efficient one (kept samples only)."""
    last = max(len(model.pixio.layers) - 1, 1)
    for block, layer in enumerate(model.pixio.layers):
        rate = DROP_PATH_RATE * block / last if form else 0.0
        layer.drop_path = PixioDropPath(rate) if rate else nn.Identity()
        layer.drop_path_rate = rate if form == "efficient" else 0.0


def build_vitmae(config: PixioConfig) -> ViTMAEForPreTraining:
    """transformers' MAE of the dimensions of a Pixio configuration."""
    return ViTMAEForPreTraining(
        ViTMAEConfig(
            **{name: getattr(config, name) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")},
            intermediate_size=config.hidden_size * config.mlp_ratio,
            image_size=config.image_size,
            patch_size=config.patch_size,
            decoder_hidden_size=config.decoder_hidden_size,
            decoder_num_hidden_layers=config.decoder_num_hidden_layers,
            decoder_num_attention_heads=config.decoder_num_attention_heads,
            decoder_intermediate_size=config.mlp_ratio * config.decoder_hidden_size,
            mask_ratio=config.mask_ratio,
            norm_pix_loss=config.norm_pix_loss,
        )
    )


class Steps:
    """Training steps of one configuration in every way; our ways share one model."""

    def __init__(self, config: PixioConfig, batch_size: int, device: str):
        self.config, self.batch_size, self.device = config, batch_size, device
        self.models: dict[str, Any] = {}
        self.optimizers: dict[tuple[str, bool], torch.optim.Optimizer] = {}
        self.images = torch.randn(batch_size, 3, config.image_size, config.image_size, device=device)

    def model(self, kind: str) -> Any:
        if kind not in self.models:
            config = configuration(self.config, kind)
            is_vitmae = kind.startswith("ViTMAE")
            with torch.device(self.device):  # a GPU draws a billion random weights faster than a CPU
                model: Any = build_vitmae(config) if is_vitmae else PixioForPreTraining(config)
            model.to(self.device).train()
            if not is_vitmae:
                model.set_attn_implementation(DEFAULT_ATTENTION[self.device])
            self.models[kind] = torch.compile(model) if kind.endswith("compiled") else model
        return self.models[kind]

    def run(self, way: str) -> None:
        attention, fused, stochastic_depth = WAYS[way]
        kind = way if "MAE" in way or way == "compiled" else "pixio"
        model = self.model(kind)
        if kind == "pixio":
            model.set_attn_implementation(attention or DEFAULT_ATTENTION[self.device])
            set_stochastic_depth(model, stochastic_depth)
        if (kind, fused) not in self.optimizers:
            groups = weight_decay_groups(model.named_parameters(), 0.05)
            self.optimizers[kind, fused] = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=fused)
        with torch.autocast(self.device, torch.bfloat16):
            loss = model(self.images).loss
        loss.backward()
        self.optimizers[kind, fused].step()
        self.optimizers[kind, fused].zero_grad()


def configuration(config: PixioConfig, way: str) -> PixioConfig:
    """Configuration that a way trains: the given one, with MAE's token and masks, or with stochastic depth."""
    config = copy.deepcopy(config)
    if "MAE" in way:
        config.n_cls_tokens, config.mask_grid_size = 1, 1
    config.drop_path_rate = DROP_PATH_RATE if way.startswith("stochastic depth") else 0.0
    return config


def clock(device: str, kind: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() if kind == "cpu" else time.perf_counter()


def measure(run: Callable[[], Any], device: str, kind: str) -> float:
    """Seconds that a call takes."""
    start = clock(device, kind)
    run()
    return clock(device, kind) - start


def gemm_flops(device: str, kind: str) -> float:
    """Best measured rate of bfloat16 matrix products, in operations per second."""
    side = 8192 if device == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / min(measure(lambda: left @ right, device, kind) for _ in range(8))


def measure_on_gpu(config: PixioConfig, batch_size: int, ways: list[str], args: argparse.Namespace) -> Measured:
    """One way after the other, so that each has the whole memory."""
    memory, seconds = {}, {}
    for way in ways:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        run = partial(Steps(config, batch_size, "cuda").run, way)
        seconds[way] = [measure(run, "cuda", args.clock) for _ in range(args.rounds + WARM_UP)][WARM_UP:]
        memory[way] = torch.cuda.max_memory_allocated() / 1e9
    return memory, seconds


def measure_on_cpu(config: PixioConfig, batch_size: int, ways: list[str], args: argparse.Namespace) -> Measured:
    """All ways in turns, as other load comes and goes."""
    steps, seconds = Steps(config, batch_size, "cpu"), {way: [] for way in ways}
    memory = {way: peak_memory(steps, way) for way in ways}
    for number in range(args.rounds + WARM_UP):
        for way in random.sample(ways, len(ways)):
            elapsed = measure(partial(steps.run, way), "cpu", args.clock)
            if number >= WARM_UP:
                seconds[way].append(elapsed)
    return memory, seconds


def peak_memory(steps: Steps, way: str) -> float:
    """Peak memory in GB of a process that trains this way for two steps; it is forked before the models exist."""

    def report(connection: Any) -> None:
        for _ in range(2):
            steps.run(way)
        connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=report, args=(sender,))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"The process that measures the memory of {way!r} ended with status {process.exitcode}.")
    return receiver.recv()


def largest_batch_size(config: PixioConfig, ways: list[str]) -> int:
    """Largest power of two that fits on the GPU in every way."""
    batch_size = 16
    while True:
        try:
            for way in ways:
                torch.cuda.empty_cache()
                Steps(config, 2 * batch_size, "cuda").run(way)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return batch_size
        batch_size *= 2


def compare(config: PixioConfig, name: str, args: argparse.Namespace) -> dict[str, float]:
    """Print a table of all ways; seconds of a step by way."""
    device = args.device
    ways = args.ways or [way for way in WAYS if args.compile or not way.endswith("compiled")]
    batch_size = args.batch_size or (largest_batch_size(config, ways) if device == "cuda" else 32)
    memory, seconds = (measure_on_gpu if device == "cuda" else measure_on_cpu)(config, batch_size, ways, args)
    peak = gemm_flops(device, args.clock)
    processor = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    decoder = f"decoder {config.decoder_num_hidden_layers} x {config.decoder_hidden_size}"
    print(f"{name}, {decoder}, batch {batch_size}, {processor}, {torch.get_num_threads()} threads, {versions}")
    print(
        f"bfloat16 matrix product: {peak / 1e12:.3g} TFLOP/s; median of {args.rounds} rounds by the {args.clock} clock"
    )
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    sheet = next((value for gpu, value in DATA_SHEET_TFLOPS.items() if gpu in processor), None)
    for way, median in medians.items():
        rate = pretraining_flops(configuration(config, way)) * batch_size / median
        utilisation = f"{rate / peak:.0%} of matrix product"
        utilisation += f", {rate / sheet / 1e12:.0%} of data sheet" if sheet else ""
        print(f"{way:29} {batch_size / median:8.2f} images/s {memory[way]:7.2f} GB peak   {utilisation}")
    return medians


def print_ratios(medians: dict[str, float], device: str) -> None:
    """Print what follows from the ways that were measured."""

    def fastest(*ways: str) -> str | None:
        return min((way for way in ways if way in medians), key=lambda way: medians[way], default=None)

    best = fastest("eager attention", "sdpa attention", "compiled")
    if (faster := fastest("eager attention", "sdpa attention")) is not None:
        print(f"faster in bfloat16 on this {device}: {faster}; fastest without stochastic depth: {best}")
    for name, baseline, ours in (
        ("vs_eager_loop", "ViTMAE", "as MAE, compiled"),
        ("vs_plain", "plain", best),
        ("vs_vitmae", "ViTMAE", "as MAE"),
        ("vs_vitmae_compiled", "ViTMAE, compiled", "as MAE, compiled"),
        ("stochastic_depth", "stochastic depth, plain form", "stochastic depth"),
    ):
        if baseline in medians and ours in medians:
            print(f"ratio pretraining_step.{name}: {medians[baseline] / medians[ours]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", help="presets of PixioConfig")
    parser.add_argument("--decoder_num_hidden_layers", type=int, help="the preset's, if not given")
    parser.add_argument("--batch_size", type=int, help="32 on a CPU, as large as fits on a GPU, if not given")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="only these; ratios of others are left out")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    overrides = {"decoder_num_hidden_layers": args.decoder_num_hidden_layers} if args.decoder_num_hidden_layers else {}
    for name in args.preset or (["pixio-h16", "pixio-1b16"] if args.device == "cuda" else ["pixio-tiny"]):
        medians = compare(PixioConfig.preset(name, **overrides), name, args)

        print_ratios(medians, args.device)


if __name__ == "__main__":
    main()
