# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Memory and speed of a pre-training step: plain, with checkpointed layers, and sharded with FSDP2 on this one device.

    python benchmarks/training_memory.py [--preset pixio-b16] [--batch_size 8] [--rounds 3] [--device cpu]

A step is forward and backward pass in bfloat16 autocast and AdamW, on images already in memory. On one device FSDP2 shards
nothing: what it shows is that the wrapping works there, and what its copies of weights in bfloat16 cost. Memory is the peak
of the allocator on a GPU; on a CPU that of a process which trains this way only, libraries included (Linux).
"""

import argparse
import multiprocessing
import statistics
import time
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from pixio_hf import PixioConfig, PixioForPreTraining
from pixio_hf.evaluation.comparison import peak_memory, reset_peak_memory
from pixio_hf.modeling_pixio import PixioLayer
from pixio_hf.training.optimization import weight_decay_groups

WARM_UP = 2
# Name -> checkpointed layers, FSDP2.
WAYS = {
    "plain": (False, False),
    "checkpointing": (True, False),
    "FSDP2": (False, True),
    "FSDP2 and checkpointing": (True, True),
}


def shard(model: PixioForPreTraining, device: str) -> None:
    """Wrap every layer and the whole as examples/accelerate_configs/fsdp2_5b.yaml does, in a group of one process."""
    store = dist.HashStore()  # pyright: ignore[reportPrivateImportUsage]
    dist.init_process_group("nccl" if device == "cuda" else "gloo", store=store, rank=0, world_size=1)
    mesh = init_device_mesh(device, (1,))
    policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for module in model.modules():
        if isinstance(module, PixioLayer):
            fully_shard(module, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def train(way: str, args: argparse.Namespace) -> tuple[float, float]:
    """Median seconds of a step, and the peak in GB."""
    is_checkpointed, is_sharded = WAYS[way]
    device, config = torch.device(args.device), PixioConfig.preset(args.preset)
    if args.device == "cuda":
        torch.cuda.empty_cache()
    torch.manual_seed(0)
    with device:
        model: Any = PixioForPreTraining(config).train()
    if is_checkpointed:
        model.gradient_checkpointing_enable()
    if is_sharded:
        shard(model, args.device)
    groups = weight_decay_groups(model.named_parameters(), 0.05)
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)
    images = torch.randn(args.batch_size, 3, config.image_size, config.image_size, device=device)
    measures_memory, seconds = reset_peak_memory(device), []
    for _ in range(WARM_UP + args.rounds):
        start = time.perf_counter()
        with torch.autocast(args.device, torch.bfloat16):
            loss = model(images).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if not torch.isfinite(loss):  # waits for the GPU
            raise RuntimeError(f"The loss of {way!r} is {float(loss)}.")
        if args.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    memory = peak_memory(device) * 2**20 / 1e9 if measures_memory else float("nan")
    if is_sharded:
        dist.destroy_process_group()
    return statistics.median(seconds[WARM_UP:]), memory


def train_apart(way: str, args: argparse.Namespace) -> tuple[float, float]:
    """The same on a CPU, in a process of its own: what one way frees stays with its process, and would hide the next."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(train(way, args)))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise SystemExit(f"The process that trains {way!r} ended without a result; its error stands above.") from None
    finally:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="pixio-tiny")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    results = {way: train(way, args) if args.device == "cuda" else train_apart(way, args) for way in WAYS}
    print(f"{args.preset}, batch {args.batch_size}, {args.device}, torch {torch.__version__}")
    for way, (seconds, memory) in results.items():
        print(f"{way}: {args.batch_size / seconds:.2f} images/s, {memory:.2f} GB")
    plain = results["plain"]
    for way, name in (("checkpointing", "checkpointing"), ("FSDP2", "fsdp2")):
        print(f"ratio training_memory.{name}: {plain[1] / results[way][1]:.2f}")


if __name__ == "__main__":
    main()
