# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Convert a large checkpoint with conversion/convert_checkpoint.py and in the obvious way; compare memory and time.

    python benchmarks/conversion.py [--preset pixio-1b16] [--max-shard-size 500MB] [--folder /fast/disk]
    python benchmarks/conversion.py --preset pixio-5b16 --max-shard-size 2GB --skip-baseline

The checkpoint is made of random bfloat16 numbers under the original's names. The obvious way loads it, builds PixioModel,
loads the weights and calls save_pretrained; it needs memory for the weights twice. Each way runs in a process of its own;
memory is the peak of its anonymous pages, those that cannot be dropped and read again from a file. Before each the source
is dropped from the page cache, where the system allows that.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from pixio_hf import PixioConfig, PixioModel
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state

SAMPLING_SECONDS = 0.005
CONVERT = Path(__file__).resolve().parents[1] / "conversion" / "convert_checkpoint.py"
OBVIOUS = """
import sys
import torch
from transformers import AutoModel
from pixio_hf import PixioConfig
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.key_mapping import reference_to_hub_state

source, target, preset, max_shard_size = sys.argv[1:]
state = torch.load(source, map_location="cpu")
model = AutoModel.from_config(PixioConfig.preset(preset), dtype=torch.bfloat16)
model.load_state_dict({hub_to_memory_name(name): tensor for name, tensor in reference_to_hub_state(state).items()})
model.save_pretrained(target, max_shard_size=max_shard_size)
"""


def write_random_checkpoint(path: Path, preset: str) -> None:
    """An original-named bfloat16 encoder of random numbers; goes through a file, so that it needs little memory."""
    with torch.device("meta"):
        model = PixioModel(PixioConfig.preset(preset))
    shapes = hub_to_reference_state({memory_to_hub_name(name): t for name, t in model.state_dict().items()})
    generator = np.random.default_rng(0)
    numbers = path.with_suffix(".numbers")
    with numbers.open("wb") as stream:
        for tensor in tqdm(shapes.values(), desc="random weights", delay=1):
            bits = generator.integers(0, 2**16, tensor.numel(), dtype=np.uint16)
            # Random sign and mantissa, fixed exponent: bfloat16 between 1/128 and 1/64 of either sign.
            stream.write(((bits & 0x807F) | 0x3C00).data)
    mapped, start = np.memmap(numbers, dtype=np.int16, mode="c"), 0
    state: dict[str, Tensor] = {}
    for name, tensor in shapes.items():
        values = torch.from_numpy(mapped[start : start + tensor.numel()])
        state[name] = values.view(torch.bfloat16).reshape(tensor.shape)
        start += tensor.numel()
    torch.save(state, path)
    numbers.unlink()


def measure_process(command: list[str], output: Path) -> tuple[float, int]:
    """Run a command; returns seconds until its output is on disk, and its peak of anonymous memory in bytes."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            peak = max(peak, read_anonymous_memory(process.pid))
            time.sleep(SAMPLING_SECONDS)
    finally:
        process.kill()
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ... ended with exit code {process.returncode}")
    flush(output)
    return time.perf_counter() - start, peak


def read_anonymous_memory(process_id: int) -> int:
    """Anonymous resident memory of a process in bytes; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))


def measure_copy(source: Path, target: Path) -> float:
    """Seconds of a plain copy until it is on disk."""
    start = time.perf_counter()
    shutil.copyfile(source, target)
    flush(target)
    return time.perf_counter() - start


def flush(path: Path) -> None:
    """Wait until a file, or every file of a folder, is on disk."""
    for file in [path] if path.is_file() else path.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def forget(path: Path) -> None:
    """Drop a file from the page cache, so that the next reader has to go to the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="pixio-1b16")
    parser.add_argument("--max-shard-size", default="5GB")
    parser.add_argument(
        "--folder", help="where to work; needs three times the file's size (default: temporary folder)"
    )
    parser.add_argument("--skip-baseline", action="store_true", help="only ours, without a ratio")
    args = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("This benchmark reads /proc and runs on Linux only.")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        source, output = Path(folder) / "random.pth", Path(folder) / "converted"
        write_random_checkpoint(source, args.preset)
        gigabytes = source.stat().st_size / 1e9
        print(f"{args.preset}: {gigabytes:.2f} GB, shards of at most {args.max_shard_size}, torch {torch.__version__}")
        forget(source)
        copy_seconds = measure_copy(source, Path(folder) / "copy.pth")
        (Path(folder) / "copy.pth").unlink()
        print(f"plain copy: {copy_seconds:.1f} s, {gigabytes / copy_seconds:.2f} GB/s")
        commands = {"pixio_hf": [sys.executable, str(CONVERT), str(source), str(output)]}
        commands["pixio_hf"] += ["--max-shard-size", args.max_shard_size]
        commands["pixio_hf without verification"] = [*commands["pixio_hf"], "--no-verify"]
        if not args.skip_baseline:
            arguments = [str(source), str(output), args.preset, args.max_shard_size]
            commands["obvious way"] = [sys.executable, "-c", OBVIOUS, *arguments]
        peaks = {}
        for name, command in commands.items():
            forget(source)
            seconds, peaks[name] = measure_process(command, output)
            shutil.rmtree(output)
            print(f"{name}: {seconds:.1f} s, {peaks[name] / 1e9:.2f} GB of anonymous memory at its peak")
    if not args.skip_baseline:
        print(f"ratio conversion.peak_memory: {peaks['obvious way'] / peaks['pixio_hf']:.2f}")


if __name__ == "__main__":
    main()
