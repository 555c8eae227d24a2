# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf convert`: a checkpoint of any origin as a folder for from_pretrained; on request also on the Hub."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .messages import plain_errors
from .options import Private, WithCode


def convert(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Original .pth, or a safetensors file or folder.")],
    output_dir: Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder to make.")],
    more_fields: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of --set after its first.")
    ] = None,
    kind: Annotated[
        Literal["auto", "encoder", "pretraining", "distilled", "depth", "segmentation", "reconstruction"],
        typer.Option(help="What the file holds."),
    ] = "auto",
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Size of the encoder, such as pixio-h16, where shapes do not tell."),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE...", help="Configuration fields, such as max_depth=80."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Where the encoder lies in a larger model's file, such as 'encoder.model.'."
        ),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16", "bfloat16"] | None,
        typer.Option(help="Type of the weights [default: as they are]."),
    ] = None,
    max_shard_size: Annotated[str, typer.Option(metavar="SIZE", help="Largest weight file.")] = "5GB",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT_DIR if it is a checkpoint.")] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not compare the result with the input.")] = False,
    with_code: WithCode = False,
    license: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Hub identifier, such as apache-2.0, of weights that do not come from Meta's."
        ),
    ] = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="REPO_ID", help="Then upload it to this Hub repository.")
    ] = None,
    private: Private = True,
) -> None:
    """Convert a Pixio checkpoint of any origin to a folder for from_pretrained.

    Kind and size are recognised from the weights, and heads and taps for the sizes that were released. The folder
    appears when everything is written and verified, or not at all.

    \b
    Example:
      pixio-hf convert pixio_vith16.pth pixio-h16
      pixio-hf convert nyu_dpt.pth pixio-h16-nyu --set max_depth=10
      pixio-hf convert pixio_vit5b16.pth pixio-5b16 --dtype bfloat16 --max-shard-size 2GB
      pixio-hf convert mapanything.pth pixio-3d --set 'view_taps=[11,17]' view_num_attention_heads=12
    """
    if more_fields and not fields:
        raise typer.BadParameter(f"Unexpected argument {more_fields[0]!r}; fields come after --set.")
    with plain_errors():
        overrides = parse_fields([*(fields or []), *(more_fields or [])])
        import torch

        from pixio_hf.conversion.convert import convert_checkpoint
        from pixio_hf.hub.push import check_repo_id, push_folder

        if push_to_hub:
            check_repo_id(push_to_hub)
        try:
            report = convert_checkpoint(
                source,
                output_dir,
                kind=kind,
                prefix=prefix,
                preset=preset,
                overrides=overrides,
                dtype=getattr(torch, dtype) if dtype else None,
                max_shard_size=max_shard_size,
                overwrite=overwrite,
                verify=not no_verify,
                with_code=with_code,
                license=license,
            )
        except KeyboardInterrupt:
            typer.echo("Interrupted; nothing is left behind.", err=True)
            raise typer.Exit(130) from None
        for line in describe(report, output_dir):
            typer.echo(line)
        for warning in report["warnings"]:
            typer.echo(f"Warning: {warning}", err=True)
        if push_to_hub:
            try:
                push_folder(output_dir, push_to_hub, private=private, own_weights=license is not None)
            except (ValueError, OSError) as error:
                raise ValueError(
                    f"{error} The converted folder {output_dir} is complete; to upload it later: pixio-hf push"
                    f" {output_dir} {push_to_hub} (as a script: conversion/push_to_hub.py)"
                ) from error
            typer.echo(f"pushed to {push_to_hub}")


def parse_fields(assignments: Sequence[str]) -> dict[str, Any]:
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


def describe(report: dict[str, Any], output_dir: Path) -> list[str]:
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
