#!/usr/bin/env bash
# Everything that needs a GPU, in one command of at most ten minutes, without network: parity, tests, speed and memory.
#
#     benchmarks/on_gpu.sh                    # on one H100 or H200; the results go into docs/performance.md
#     benchmarks/on_gpu.sh --out results      # into another folder; the page stays as it is
#     benchmarks/on_gpu.sh --small --out results    # the same steps on the CPU, with tiny models
#
# A step that fails is named in the table, the others run, and the exit status is 1. PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-.venv/bin/python}"
command -v "$python" > /dev/null || python=python
export HF_HUB_OFFLINE=1 PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" benchmarks/on_gpu/run_steps.py "$@"
