# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What another memory allocator does for a pre-training step on a CPU: tcmalloc against that of the C library.

    python benchmarks/allocator.py [--library PATH] [--rounds 4]

Runs benchmarks/pretraining_step.py in fresh processes, with and without the library in LD_PRELOAD in turns; medians of all
rounds count. The library is found where the system keeps its own (Debian and Ubuntu: apt install libtcmalloc-minimal4).
"""

import argparse
import ctypes.util
import os
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

WAYS = {"ViTMAE": "vitmae", "as MAE": "as_mae", "eager attention": "eager"}


def measure(library: str | None) -> dict[str, float]:
    """Images per second of each way of a pre-training step, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    if library:
        environment["LD_PRELOAD"] = library
    script = Path(__file__).with_name("pretraining_step.py")
    command = [sys.executable, script, "--device", "cpu", "--batch_size", "16", "--rounds", "3", "--ways", *WAYS]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(.+?) +([\d.]+) images/s", output, flags=re.MULTILINE)
    return {name: float(rate) for name, rate in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default=ctypes.util.find_library("tcmalloc_minimal"))
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    if args.library is None:
        print("Not measured: there is no tcmalloc here (Debian and Ubuntu: apt install libtcmalloc-minimal4).")
        return
    rates: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for turn in range(args.rounds):
        for is_replaced in (False, True) if turn % 2 else (True, False):
            for way, rate in measure(args.library if is_replaced else None).items():
                rates[way, is_replaced].append(rate)
    for way, name in WAYS.items():
        own, replaced = (rates[way, is_replaced] for is_replaced in (False, True))
        for label, found in (("the C library's", own), (args.library, replaced)):
            spread = f"{min(found):.1f} to {max(found):.1f}"
            print(f"{way}, {label}: {statistics.median(found):.1f} images/s ({spread})")
        print(f"ratio allocator.{name}: {statistics.median(replaced) / statistics.median(own):.2f}")


if __name__ == "__main__":
    main()
