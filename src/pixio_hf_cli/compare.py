# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf compare`: a table of frozen encoders, row after row; what is finished is not done again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .comparison_rows import announce, read_rows, render_page, write_rows
from .early_checks import check_targets
from .messages import plain_errors
from .options import (
    BatchSize,
    CacheDir,
    Data,
    DepthScale,
    Device,
    Dtype,
    OutputFolder,
    Overwrite,
    Protocol,
    Relative,
    Seed,
)

if TYPE_CHECKING:
    from pixio_hf.evaluation.comparison import ComparisonRecipe

NUM_SCENES = {"train": 1024, "val": 256}


def compare(
    models: Annotated[
        list[str],
        typer.Option(
            "--models", metavar="MODEL...", help="Checkpoint folders, Hub ids or short names, one after the other."
        ),
    ],
    data: Data,
    out: OutputFolder,
    more_models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models of --models after its first.")
    ] = None,
    task: Annotated[
        Literal["depth", "scene"], typer.Option(help="What to compare them in: depth, or 3D from several views.")
    ] = "depth",
    num_views: Annotated[int, typer.Option(metavar="N", min=1, help="With --task scene: views of a set.")] = 2,
    heads: Annotated[str, typer.Option(metavar="LIST", help="linear, dpt or linear,dpt.")] = "linear,dpt",
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Steps that each head is trained for.")] = 1000,
    batch_size: BatchSize = 32,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="R", help="Peak rate of every head [default: dpt 1e-4, linear 2e-4].")
    ] = None,
    seed: Seed = 0,
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
    protocol: Protocol = None,
    depth_scale: DepthScale = None,
    cache_dir: CacheDir = None,
    num_workers: Annotated[int, typer.Option(metavar="N", min=0, help="Processes that read images.")] = 0,
    relative: Relative = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Compare frozen encoders: the same depth heads, data and steps for Pixio, MAE, ViT, DINOv2 and DINOv3.

    Trains each head on each encoder, and prints one table: delta1, rmse, parameters, time and memory, beside the paper's
    results where there are any. Writes comparison.json and comparison.md after each row; a second call goes on after the
    last finished row. Splits are train and val; rendered scenes are kept in scenes below --out unless --cache-dir is given.

    \b
    Example:
      pixio-hf compare --models pixio-tiny facebook/vit-mae-base --data synthetic-rooms --heads linear --out table
      pixio-hf compare --models pixio-tiny facebook/vit-mae-base --task scene --data synthetic-rooms --out table_3d
    """
    models = [*models, *(more_models or [])]
    with plain_errors(*models):
        if task == "scene":
            from pixio_hf.evaluation.view_probes import SceneRecipe

            from .compare_scenes import compare_scenes

            check_targets([], out, overwrite)
            given = {"learning_rate": learning_rate, "num_train": num_train, "num_eval": num_eval}
            given |= {"image_size": crop_size if crop_size != 256 else None, "dtype": dtype, "seed": seed}
            chosen = {name: value for name, value in given.items() if value is not None}
            scene_recipe = SceneRecipe(num_steps=steps, images_per_batch=batch_size, num_views=num_views, **chosen)
            compare_scenes(models, data, out, scene_recipe, cache_dir, device, overwrite)
            typer.echo(f"Results in {out}")
            return
        from torch.utils.data import Subset

        from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
        from pixio_hf.data.labelled.depth_protocols import find_depth_protocol
        from pixio_hf.evaluation.comparison import ComparisonRecipe, compare_model
        from pixio_hf.evaluation.relative_depth import RelativeRules
        from pixio_hf.quiet_loading import quiet_loading
        from pixio_hf.synthetic import find_scene_set
        from pixio_hf.synthetic.outdoors import OUTDOOR_MAX_DEPTH
        from pixio_hf.synthetic.rooms import ROOM_MAX_DEPTH

        from .loading import choose_device

        if not all(size.strip().isdigit() for size in neck_hidden_sizes.split(",")):
            raise ValueError(f"--neck-hidden-sizes must be numbers between commas, got {neck_hidden_sizes!r}.")
        counts, paper_data, rules = {"train": num_train, "val": num_eval}, "NYUv2", None
        scene_set = find_scene_set(data)
        if is_synthetic := scene_set is not None:
            counts = {split: count or NUM_SCENES[split] for split, count in counts.items()}
            max_depth = ROOM_MAX_DEPTH if scene_set.kind == "room" else OUTDOOR_MAX_DEPTH
        else:
            judged = find_depth_protocol(data, protocol)
            max_depth, paper_data = judged.max_depth, "KITTI" if judged.name == "kitti" else "NYUv2"
            rules = RelativeRules(judged.min_depth, max_depth, crop=judged.relative_crop)
        recipe = ComparisonRecipe(
            num_steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            crop_size=crop_size,
            max_depth=max_depth,
            seed=seed,
            neck_hidden_sizes=tuple(int(size) for size in neck_hidden_sizes.split(",")),
            fusion_hidden_size=fusion_hidden_size,
            tight_windows=is_synthetic,
            dtype=dtype,
            num_workers=num_workers,
            relative=relative,
        )
        recipe.check()
        check_targets([], out, overwrite)
        place = choose_device(device)
        head_names = [name.strip() for name in heads.split(",") if name.strip()]
        check_choices(models, head_names, recipe)
        settings = {
            "data": data,
            "protocol": protocol,
            "depth_scale": depth_scale,
            "num_train": counts["train"],
            "num_eval": counts["val"],
            "device": place.type,
            **asdict(recipe),
        }
        del settings["num_workers"]
        if not relative:
            del settings["relative"]  # as in comparisons made before there was the option
        # Once through JSON, so that they can be compared with the settings in a file.
        settings = json.loads(json.dumps(settings))
        rows = {} if overwrite else read_rows(out / "comparison.json", settings)
        wanted = [(model, head) for model in models for head in head_names]
        missing = [pair for pair in wanted if pair not in rows]
        announce(wanted, missing, out / "comparison.json")

        def open_split(split: str) -> Any:
            items = open_depth_dataset(
                data,
                split,
                protocol=protocol,
                depth_scale=depth_scale,
                num_scenes=counts[split] or NUM_SCENES[split],
                image_size=crop_size,
                cache_dir=str(cache_dir or out / "scenes") if is_synthetic else None,
                relative=relative,
            )
            count = counts[split]
            if count is None or is_synthetic:
                return items
            if count > len(items):
                raise ValueError(f"{count} images of the split {split} were asked for, but there are {len(items)}.")
            return Subset(items, range(count))

        train_items, eval_items = (open_split("train"), open_split("val")) if missing else (None, None)
        for model, head in missing:
            with quiet_loading():
                rows[model, head] = compare_model(
                    model, head, train_items, eval_items, recipe, paper_data=paper_data, device=place, rules=rules
                )
            # Wanted rows first, in their order; those of earlier calls follow.
            rows = {pair: rows[pair] for pair in dict.fromkeys([*wanted, *rows]) if pair in rows}
            write_rows(out, settings, rows, render_page(settings, rows))
        typer.echo(render_page(settings, rows))
    typer.echo(f"Results in {out}")


def check_choices(models: Sequence[str], heads: Sequence[str], recipe: "ComparisonRecipe") -> None:
    """Raise ValueError for what would otherwise fail rows later: missing models, heads that do not fit."""
    from pixio_hf.configuration_pixio import HEAD_TYPES
    from pixio_hf.evaluation.probes import fit_crop_size
    from pixio_hf.heads import dpt_tap_blocks
    from pixio_hf.vit_encoders import read_config, square_side

    for what, names in (("model", models), ("head", heads)):
        if not names:
            raise ValueError(f"Name at least one {what}.")
        if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"The {what} {repeated[0]!r} is named twice.")
    if unknown := [head for head in heads if head not in HEAD_TYPES]:
        raise ValueError(f"Unknown head {unknown[0]!r}; there are {', '.join(HEAD_TYPES)}.")
    for model in models:
        config = read_config(model)
        try:
            fit_crop_size(recipe.crop_size, square_side(config.patch_size))
            if "dpt" in heads:
                dpt_tap_blocks(config.num_hidden_layers)
        except ValueError as error:
            raise ValueError(f"{model}: {error}") from error
