# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf depth` on one photo, from a fresh process to its files, against the plainest pipeline that does as much.

    python benchmarks/command_start.py [--rounds 5] [--clock cpu]

The baseline is transformers' depth pipeline with a Depth Anything of the same size as pixio-tiny-depth (random weights,
saved to a temporary folder): it loads, predicts the same photo, and saves the map as PNG. Fresh processes, alternating,
medians. The command also draws the coloured picture.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pixio_hf import PixioConfig
from pixio_hf.bundled import ASSETS, bundled_checkpoint

PLAIN = """
import sys
from transformers import pipeline
depth = pipeline("depth-estimation", model=sys.argv[1], device="cpu")(sys.argv[2])["depth"]
depth.save(sys.argv[3])
"""


def save_plain_model(folder: Path) -> None:
    """A Depth Anything with an encoder of pixio-tiny-depth's blocks and width, and its image processor."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    ours = PixioConfig.from_pretrained(bundled_checkpoint("pixio-tiny-depth"))
    outputs = list(range(ours.num_hidden_layers - 3, ours.num_hidden_layers + 1))
    encoder = Dinov2Config(
        hidden_size=ours.hidden_size,
        num_hidden_layers=ours.num_hidden_layers,
        num_attention_heads=ours.num_attention_heads,
        image_size=ours.image_size,
        patch_size=ours.patch_size,
        out_indices=outputs,  # pyright: ignore[reportCallIssue]
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=encoder,
        patch_size=ours.patch_size,
        reassemble_hidden_size=ours.hidden_size,
        neck_hidden_sizes=list(ours.neck_hidden_sizes),
        fusion_hidden_size=ours.fusion_hidden_size,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    size = {"height": ours.image_size, "width": ours.image_size}
    DPTImageProcessor(size=size, ensure_multiple_of=ours.patch_size).save_pretrained(folder)


def measure(command: list[str], clock: str) -> float:
    """Seconds of a process: of the wall clock, or of its CPU time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if clock == "wall":
        return time.perf_counter() - start
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where other work runs too")
    args = parser.parse_args()
    photo = str(ASSETS / "photos" / "coffee.jpg")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_plain_model(folder / "plain")
        plain = [sys.executable, "-c", PLAIN, str(folder / "plain"), photo, str(folder / "depth.png")]
        out = str(folder / "out")
        ours = [sys.executable, "-m", "pixio_hf_cli", "depth", photo, "--out", out, "--overwrite", "--device", "cpu"]
        seconds: dict[str, list[float]] = {"transformers' pipeline": [], "pixio-hf depth": []}
        for repeat in range(args.rounds + 1):
            for values, command in zip(seconds.values(), (plain, ours), strict=True):
                elapsed = measure(command, args.clock)
                if repeat:  # the first round fills the file cache
                    values.append(elapsed)
    baseline, command_time = (statistics.median(values) for values in seconds.values())
    for name, value in zip(seconds, (baseline, command_time), strict=True):
        print(f"{name}: {value:.2f} s ({args.clock} time)")
    print(f"ratio command_start: {baseline / command_time:.2f}")


if __name__ == "__main__":
    main()
