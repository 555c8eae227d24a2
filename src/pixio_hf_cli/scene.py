# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf scene`: several photos of one place to points, cameras and files that other programs open."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .early_checks import check_folder, show_name
from .messages import plain_errors
from .options import Device, Dtype, ModelName, OutputFolder, Overwrite

if TYPE_CHECKING:
    import PIL.Image

    from pixio_hf.visualization.scene_folder import SceneResult

    from .loading import LoadedModel

MODEL = "pixio-tiny-3d"
MAX_VIEWS = 16
CUT_SHARE = 0.2
"""Of a photo: if more than this is cut off to give all views one shape, it is said."""
SCENE_FILES = ("images", "scene.glb", "scene.json", "scene.npz", "scene.ply", "scene.png", "sparse")


def scene(
    photos: Annotated[
        list[str], typer.Argument(metavar="PHOTO", help="Photos of one place, a folder of them, patterns, or a video.")
    ],
    out: OutputFolder,
    model: ModelName = MODEL,
    max_views: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of more photos or frames, take N that are evenly spread.")
    ] = MAX_VIEWS,
    view_size: Annotated[
        int | None,
        typer.Option(metavar="N", min=16, help="Longer side in pixels the model sees [default: the model's]."),
    ] = None,
    confidence_percentile: Annotated[
        float,
        typer.Option(metavar="P", min=0, max=99.9, help="Leave out the P percent least sure points of each view."),
    ] = 10.0,
    mask_edges: Annotated[
        bool, typer.Option("--mask-edges/--keep-edges", help="Leave out points that hang between near and far things.")
    ] = True,
    max_points: Annotated[
        int, typer.Option(metavar="N", min=1, help="Points in the files; of more, a random part is taken.")
    ] = 500_000,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """3D from two or more photos of one place: points in metres, and the camera of each photo.

    The first photo is the reference: the world's axes are those of its camera, x right, y down, z forward. Writes scene.glb
    (points and cameras, for any viewer), scene.ply (points), scene.npz (all arrays), scene.json (cameras, confidence and
    doubts), images/ and sparse/0/ (COLMAP's text format, for Gaussian splatting) and scene.png (a picture of it).

    \b
    Example:
      pixio-hf scene kitchen1.jpg kitchen2.jpg --out kitchen
      pixio-hf scene walk.mp4 --max-views 8 --out walk
    """
    with plain_errors(model):
        check_replaceable(out, overwrite)
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.files import folder_in_progress, write_bytes
        from pixio_hf.modeling_pixio_reconstruction import PixioForReconstruction
        from pixio_hf.visualization.scene_files import load_trimesh
        from pixio_hf.visualization.scene_picture import draw_scene

        from .loading import load_model

        load_trimesh()
        read = read_views(photos, max_views)
        loaded = load_model(PixioForReconstruction, find_checkpoint(model), device, dtype, "reconstruction heads")
        result = reconstruct_views(loaded, read, view_size, confidence_percentile, mask_edges)
        about = {"model": model, "confidence_percentile": confidence_percentile, "mask_edges": mask_edges}
        about["metric_scale"] = result.scene["metric_scale"].item()
        about["axes"] = "OpenCV: x right, y down, z forward; camera_to_world; metres"
        doubts = result.find_doubts()
        with folder_in_progress(out) as partial:
            result.write(partial, about, max_points)
            try:
                heading = f"{len(read)} photos in 3D, by {model}"
                note = " ".join(doubts)
                picture = draw_scene(result.views, result.shapes(max_points), result.cameras(), heading, note)
                write_bytes(partial / "scene.png", picture)
            except Exception as error:  # whatever drawing fails of, the results are whole
                say(f"Warning: scene.png could not be drawn: {error}. The results are whole.")
            check_replaceable(out, overwrite)
    for line in describe(result, doubts):
        typer.echo(line)
    typer.echo(f"Results in {show_name(out)}: {', '.join(SCENE_FILES)}")


def check_replaceable(out: Path, overwrite: bool) -> None:
    """Raise ValueError where the results cannot go: a file, a folder of other things, or earlier results to be kept."""
    check_folder(out)
    if not os.path.isdir(out):
        return
    found = sorted(os.listdir(out))
    if found and not overwrite:
        raise ValueError(
            f"Results exist already in {show_name(out)}. Pass --overwrite to replace them, or another --out folder."
        )
    if foreign := [name for name in found if name not in SCENE_FILES]:
        raise ValueError(
            f"{show_name(out)} also holds {', '.join(foreign[:3])}, which are no results of this command, and would be"
            " replaced as a whole: choose another --out folder."
        )


def read_views(inputs: Sequence[str], max_views: int) -> "list[tuple[str, PIL.Image.Image]]":
    """Names and upright photos, at most `max_views` of them, evenly spread over photos and frames.

    Raises:
        ValueError: something that was named is not there, is no photo, or nothing is left.
    """
    import numpy as np
    import PIL.Image

    from pixio_hf.photo_files import load_upright
    from pixio_hf.photo_sources import find_sources
    from pixio_hf.videos import sample_frames

    found = find_sources(inputs)
    if found.problems:
        raise ValueError(" ".join(found.problems))
    videos = [source for source in found.sources if source.is_video]
    still = [source for source in found.sources if not source.is_video]
    of_each = max(1, (max_views - len(still)) // len(videos)) if videos else 0
    views: list[tuple[str, Any]] = [(source.result_name, source) for source in still]
    for video in videos:
        frames = [
            (f"{video.result_name}_{frame.index:06d}", PIL.Image.fromarray(np.moveaxis(frame.pixels(), 0, -1)))
            for frame in sample_frames(video.place, of_each)
        ]
        views += [frames[index] for index in spread(len(frames), of_each)]
    chosen = spread(len(views), max_views)
    if len(chosen) < len(views):
        say(f"{len(chosen)} of {len(views)} photos are taken, evenly spread; --max-views takes more.")
    read = []
    for name, view in (views[index] for index in chosen):
        read.append((name, view if isinstance(view, PIL.Image.Image) else load_upright(view.open(), view.shown)))
    if not read:
        raise ValueError("There is no photo.")
    if len(read) == 1:
        say("One photo alone: its points are there, but nothing confirms them. Add photos from other places.")
    return read


def spread(total: int, count: int) -> list[int]:
    """At most `count` of the numbers below `total`, evenly spread, the first and the last among them."""
    if total <= count:
        return list(range(total))
    return [round(index * (total - 1) / max(count - 1, 1)) for index in range(count)]


def reconstruct_views(
    loaded: "LoadedModel",
    read: "list[tuple[str, PIL.Image.Image]]",
    view_size: int | None,
    confidence_percentile: float | None,
    mask_edges: bool,
) -> "SceneResult":
    """One scene through a model, on the CPU again.

    Raises:
        ValueError: too many views for the memory.
    """
    import torch

    from pixio_hf.view_memory import check_memory
    from pixio_hf.visualization.scene_folder import SceneResult, name_views

    names, photos = name_views([name for name, _ in read]), [photo for _, photo in read]
    options: dict[str, Any] = {} if view_size is None else {"view_size": view_size}
    inputs = loaded.processor([photos], return_tensors="pt", **options)
    pixel_values = inputs["pixel_values"]
    height, width = pixel_values.shape[-2:]
    check_memory(loaded.model.config, len(photos), height, width, loaded.device)
    say_what_is_cut(inputs, names)
    with torch.inference_mode():
        outputs = loaded.model(pixel_values.to(loaded.device, loaded.model.dtype))
    return SceneResult.from_outputs(
        loaded.processor, photos, inputs, outputs, names, confidence_percentile, mask_edges
    )


def say_what_is_cut(inputs: Any, names: Sequence[str]) -> None:
    """Say which photos lose much of their width or height, because all views have one shape."""
    height, width = inputs["pixel_values"].shape[-2:]
    for name, size, mapping in zip(names, inputs["original_sizes"][0], inputs["photo_to_view"][0], strict=True):
        scale = mapping[0, 0].item()
        cut = 1 - min(height / (scale * size[0].item()), width / (scale * size[1].item()))
        if cut > CUT_SHARE:
            say(
                f"{name}: {cut:.0%} is cut off, as all views of a scene have one shape. Photos of one shape lose less."
            )


def describe(result: "SceneResult", doubts: Sequence[str]) -> list[str]:
    """What is known of each view, in columns, and every doubt."""
    rows = [("photo", "usable points", "confirmed by others", "confidence (median)")]
    for view in result.describe_views():
        confirmed = "-" if view["confirmed"] is None else f"{view['confirmed']:.0%}"
        rows.append((view["name"], f"{view['usable']:.0%}", confirmed, f"{view['confidence']:.2f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *(f"Warning: {doubt}" for doubt in doubts)]


def say(line: str) -> None:
    """A line for people on stderr."""
    typer.echo(line, file=sys.stderr)
