# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf models`: every short name, from file headers and the Hub's cache; without torch and without a network."""

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from .early_checks import read_names
from .messages import plain_errors

COLUMNS = ("name", "kind", "parameters", "size", "licence", "task", "on this machine")
META_LICENCE = "FAIR Noncommercial Research License"


def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, sizes in bytes.")] = False,
) -> None:
    """Every short name that --model and `from_pretrained` understand, and whether the model is on this machine.

    A local folder of the same name comes first. Sizes of official models are those of float32 weights until they are
    downloaded.

    \b
    Example:
      pixio-hf models --json
    """
    with plain_errors():
        names = read_names()
        models = [describe_bundled(name, names.ASSETS / name) for name in names.list_bundled()]
        models += [describe_official(name, official) for name, official in names.OFFICIAL.items()]
        for model in models:
            if Path(model["name"]).is_dir():
                model["on_this_machine"], model["path"] = "local folder", str(Path(model["name"]).resolve())
    if as_json:
        typer.echo(json.dumps(models, indent=2))
        return
    rows = [COLUMNS, *(format_row(model) for model in models)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def describe_bundled(name: str, folder: Path) -> dict[str, Any]:
    """What the files of a bundled checkpoint say."""
    card = (folder / "README.md").read_text("utf-8").split("---\n")[1]
    fields = dict(re.findall(r"^(\w+): (\S+)$", card, re.MULTILINE))
    weights = folder / "model.safetensors"
    return {
        "name": name,
        "kind": "bundled",
        "stands_for": name,
        "parameters": count_parameters(weights),
        "bytes": weights.stat().st_size,
        "licence": fields["license"],
        "task": fields["pipeline_tag"],
        "on_this_machine": "in the package",
        "path": str(folder),
    }


def describe_official(name: str, official: Any) -> dict[str, Any]:
    """What is known of an official model, and where it lies if it was downloaded."""
    weights = find_cached_weights(official.hub_id)
    num_bytes = sum(file.stat().st_size for file in weights) if weights else official.millions * 4_000_000
    return {
        "name": name,
        "kind": "official",
        "stands_for": official.hub_id,
        "parameters": official.millions * 1_000_000,
        "bytes": num_bytes,
        "licence": META_LICENCE,
        "task": "image-feature-extraction",
        "on_this_machine": "in the Hub cache" if weights else "no",
        "path": str(weights[0].parent) if weights else None,
    }


def find_cached_weights(hub_id: str) -> list[Path]:
    """Weight files of a repository in the Hub's cache; none unless configuration and every shard are there."""
    from huggingface_hub import try_to_load_from_cache

    def find(file: str) -> Path | None:
        found = try_to_load_from_cache(hub_id, file)
        return Path(found) if isinstance(found, str) else None

    if find("config.json") is None:
        return []
    files = ["model.safetensors"]
    if index := find("model.safetensors.index.json"):
        files = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    found = [path for file in files if (path := find(file))]
    return found if len(found) == len(files) else []


def count_parameters(weights: Path) -> int:
    """Numbers in a safetensors file: its header is JSON after eight bytes that say how long it is."""
    with weights.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__")


def format_row(model: dict[str, Any]) -> tuple[str, ...]:
    """Table cells of one model."""
    kind = "bundled" if model["kind"] == "bundled" else f"official: {model['stands_for']}"
    return (
        model["name"],
        kind,
        f"{model['parameters'] / 1e6:,.1f} M"
        if model["parameters"] < 10**7
        else f"{model['parameters'] / 1e6:,.0f} M",
        f"{model['bytes'] / 1e6:,.0f} MB",
        model["licence"],
        model["task"],
        model["on_this_machine"],
    )
