# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Export a saved Pixio model to the original's .pth file; converting that file again gives the same tensors, bit for bit.

    python conversion/export_checkpoint.py pixio-h16 pixio_vith16.pth
    python conversion/export_checkpoint.py owner/my-pixio my_pixio.pth

Takes a folder of pixio_hf or transformers, a Hub id or a bundled name. Encoders and dense models become a bare mapping of
tensors, pre-training models, distilled students and reconstruction models {"model": mapping}. Needs memory for a quarter of
the weights: query, key and value are one matrix in the original.
"""

import argparse
import sys

from pixio_hf.conversion.export import export_checkpoint
from pixio_hf.script_exit import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL_DIR", help="folder, Hub id or bundled name")
    parser.add_argument("output", metavar="OUTPUT.pth", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT.pth if it exists")
    args = parser.parse_args()
    result = export_checkpoint(args.model, args.output, args.overwrite)
    print(
        f"{args.model} -> {args.output}: {result['kind']} model, {result['num_tensors']} tensors,"
        f" {result['size'] / 1e6:.1f} MB, stored as {result['dtype']}"
    )
    for warning in result["warnings"]:
        print(f"Warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run_script(main)
