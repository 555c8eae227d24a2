# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf compare`: options and help text. The work itself is in `pixio_hf.cli.compare`."""

from pathlib import Path
from typing import Annotated

import typer

from pixio_hf_cli.options import Device, DeviceChoice, Dtype, DtypeChoice, OutputFolder, Overwrite, plain_errors


def compare(
    models: Annotated[
        list[str],
        typer.Option(
            "--models", metavar="MODEL...", help="Checkpoint folders, Hub ids or short names, one after the other."
        ),
    ],
    data: Annotated[
        str,
        typer.Option("--data", metavar="DATA", help="Folder (NYUv2, KITTI or your own), Hub id or synthetic-rooms."),
    ],
    out: OutputFolder,
    more_models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models of --models after its first.")
    ] = None,
    heads: Annotated[str, typer.Option(metavar="LIST", help="linear, dpt or linear,dpt.")] = "linear,dpt",
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Steps that each head is trained for.")] = 1000,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Images per step and per forward pass.")] = 32,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="R", help="Peak rate of every head [default: dpt 1e-4, linear 2e-4].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of heads, order, crops and mirroring.")] = 0,
    crop_size: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Side of crops and windows; each model takes the largest multiple of its patch size (256: 252 for 14).",
        ),
    ] = 256,
    num_train: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="First N training images [default: all, or 1024 scenes].")
    ] = None,
    num_eval: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="First N evaluation images [default: all, or 256 scenes].")
    ] = None,
    neck_hidden_sizes: Annotated[
        str, typer.Option(metavar="LIST", help="Channels of the four levels of the DPT head.")
    ] = "256,512,1024,1024",
    fusion_hidden_size: Annotated[int, typer.Option(metavar="N", min=1, help="Width of the DPT head.")] = 256,
    protocol: Annotated[
        str | None, typer.Option(metavar="NAME", help="nyuv2, kitti or folder [default: found by the layout].")
    ] = None,
    depth_scale: Annotated[
        float | None, typer.Option(metavar="M", help="Metres per unit of the depth files [default: the protocol's].")
    ] = None,
    cache_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keeps rendered scenes [default: scenes below --out].")
    ] = None,
    num_workers: Annotated[int, typer.Option(metavar="N", min=0, help="Processes that read images.")] = 0,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
    overwrite: Overwrite = False,
) -> None:
    """Compare frozen encoders: the same depth heads, data and steps for Pixio, MAE, ViT, DINOv2 and DINOv3.

    Trains each head on each encoder, and prints one table: delta1, rmse, parameters, time and memory, beside the paper's
    results where there are any. Writes comparison.json and comparison.md after each row; a second call goes on after the
    last finished row. Splits are train and val.

    \b
    Example:
      pixio-hf compare --models pixio-tiny facebook/vit-mae-base --data synthetic-rooms --heads linear --out table
    """
    with plain_errors(*models, *(more_models or [])):
        from pixio_hf.cli.compare import ComparisonData, run_compare
        from pixio_hf.evaluation.comparison import ComparisonRecipe

        if not all(size.strip().isdigit() for size in neck_hidden_sizes.split(",")):
            raise ValueError(f"--neck-hidden-sizes must be numbers between commas, got {neck_hidden_sizes!r}.")
        recipe = ComparisonRecipe(
            num_steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            crop_size=crop_size,
            seed=seed,
            neck_hidden_sizes=tuple(int(size) for size in neck_hidden_sizes.split(",")),
            fusion_hidden_size=fusion_hidden_size,
            dtype=dtype.value,
            num_workers=num_workers,
        )
        data_choice = ComparisonData(data, protocol, depth_scale, num_train, num_eval, cache_dir)
        names = [name.strip() for name in heads.split(",") if name.strip()]
        table = run_compare([*models, *(more_models or [])], names, data_choice, recipe, out, device.value, overwrite)
    typer.echo(table)
    typer.echo(f"Results in {out}")
