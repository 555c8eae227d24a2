# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Time to import pixio_hf against importing the two transformers classes that it cannot do without.

    python benchmarks/import_time.py

Fresh processes, alternating, medians; process CPU time, so that a busy machine disturbs less than it would wall time.
"""

import statistics
import subprocess
import sys

REPEATS = 5
BASELINE = "from transformers import AutoModel, PixioModel"
OURS = "import pixio_hf"


def measure(statement: str) -> float:
    """CPU seconds that a fresh interpreter spends on a statement."""
    code = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    seconds = {BASELINE: [], OURS: []}
    for repeat in range(REPEATS + 1):
        for statement, values in seconds.items():
            elapsed = measure(statement)
            if repeat:  # the first round fills the file cache
                values.append(elapsed)
    medians = {statement: statistics.median(values) for statement, values in seconds.items()}
    for statement, median in medians.items():
        print(f"{statement}: {median:.2f} s")
    print(f"ratio import_time: {medians[BASELINE] / medians[OURS]:.2f}")


if __name__ == "__main__":
    main()
