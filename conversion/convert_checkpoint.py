# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Convert a Pixio checkpoint of any origin to a folder for from_pretrained.

    python conversion/convert_checkpoint.py pixio_vith16.pth pixio-h16
    python conversion/convert_checkpoint.py nyu_dpt.pth pixio-h16-nyu --set max_depth=10
    python conversion/convert_checkpoint.py pixio_vit5b16.pth pixio-5b16 --dtype bfloat16 --max-shard-size 2GB
    python conversion/convert_checkpoint.py mapanything.pth pixio-3d --set 'view_taps=[11,17]' view_num_attention_heads=12

Kind and size are recognised from the weights, and heads and taps for the sizes that were released. The folder appears when
everything is written and verified, or not at all.
"""

import argparse
import json
import sys
from typing import Any

import torch

from pixio_hf.conversion.convert import convert_checkpoint
from pixio_hf.conversion.recognition import KINDS
from pixio_hf.hub.push import check_repo_id, push_folder
from pixio_hf.script_exit import run_script

DTYPES = ("float32", "float16", "bfloat16")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="INPUT.pth", help="original .pth, or a safetensors file or folder")
    parser.add_argument("output_dir", metavar="OUTPUT_DIR", help="folder to make")
    parser.add_argument("--preset", help="size of the encoder, such as pixio-h16, where shapes do not tell")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="configuration fields, such as max_depth=80",
    )
    parser.add_argument("--kind", choices=("auto", *KINDS), default="auto", help="what the file holds")
    parser.add_argument("--prefix", help="where the encoder lies in a larger model's file, such as 'encoder.model.'")
    parser.add_argument("--dtype", choices=DTYPES, help="type of the weights; default: as they are")
    parser.add_argument("--max-shard-size", default="5GB", help="largest weight file (default: 5GB)")
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT_DIR if it is a checkpoint")
    parser.add_argument("--no-verify", action="store_true", help="do not compare the result with the input")
    parser.add_argument("--with-code", action="store_true", help="add code for machines without pixio_hf")
    parser.add_argument(
        "--license", help="Hub identifier, such as apache-2.0, of weights that do not come from Meta's"
    )
    parser.add_argument("--push-to-hub", metavar="REPO_ID", help="then upload it to this Hub repository")
    visibility = parser.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", default=True, help="of a new repository (default)")
    visibility.add_argument("--public", dest="private", action="store_false", help="of a new repository")
    return parser.parse_args()


def parse_fields(assignments: list[str]) -> dict[str, Any]:
    """FIELD=VALUE pairs as a mapping; values are JSON where they can be read so (80, true, [1, 2]), else text."""
    fields = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name or not value:
            raise ValueError(f"--set takes FIELD=VALUE, for example max_depth=80, got {assignment[:80]!r}.")
        if name in fields:
            raise ValueError(f"--set names {name} twice; give it once.")
        try:
            fields[name] = json.loads(value)
        except RecursionError as error:
            raise ValueError(f"--set {name}: the value is nested too deeply.") from error
        except json.JSONDecodeError:
            fields[name] = {"True": True, "False": False, "None": None}.get(value, value)
    return fields


def describe(report: dict[str, Any], output_dir: str) -> list[str]:
    """Lines for the terminal that say what was converted, and how well."""
    source, verification = report["source"], report["verification"]
    lines = [
        f"{source['name']} ({source['size'] / 1e6:.1f} MB) -> {output_dir}",
        f"{report['kind']} model, {report['architecture']}, preset {report['preset'] or 'none'}:"
        f" {report['num_parameters']:,} parameters in {report['num_tensors']} tensors, stored as {report['dtype']}",
    ]
    assumed = ", ".join(f"{name}={value}" for name, value in report["config"]["not_in_weights"].items())
    if assumed:
        lines.append(f"not in the weights, from the preset, training arguments or defaults: {assumed}")
    if report["training_state_left_out"]:
        lines.append(f"training state, not kept: {', '.join(report['training_state_left_out'])}")
    if verification["method"] == "none":
        lines.append("not verified (--no-verify)")
    else:
        lines.append(f"verified: {verification['tensors_identical']} tensors identical")
    return lines


def main() -> None:
    args = parse_arguments()
    overrides = parse_fields(args.set)
    if args.push_to_hub:
        check_repo_id(args.push_to_hub)
    report = convert_checkpoint(
        args.input,
        args.output_dir,
        kind=args.kind,
        prefix=args.prefix,
        preset=args.preset,
        overrides=overrides,
        dtype=getattr(torch, args.dtype) if args.dtype else None,
        max_shard_size=args.max_shard_size,
        overwrite=args.overwrite,
        verify=not args.no_verify,
        with_code=args.with_code,
        license=args.license,
    )
    for line in describe(report, args.output_dir):
        print(line)
    for warning in report["warnings"]:
        print(f"Warning: {warning}", file=sys.stderr)
    if args.push_to_hub:
        try:
            push_folder(args.output_dir, args.push_to_hub, private=args.private, own_weights=args.license is not None)
        except (ValueError, OSError) as error:
            retry = f"python conversion/push_to_hub.py {args.output_dir} {args.push_to_hub}"
            raise ValueError(
                f"{error} The converted folder {args.output_dir} is complete; to upload it later: {retry}"
            ) from error
        print(f"pushed to {args.push_to_hub}")


if __name__ == "__main__":
    run_script(main)
