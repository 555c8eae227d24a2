# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf demo`: depth, points, features and reconstruction of bundled photos and rendered rooms: a page, a sheet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .depth import load_depth_model, predict_depth
from .early_checks import check_folder, check_targets
from .features import encode_photo
from .messages import plain_errors
from .options import Device, Dtype, ModelName, OutputFolder, Overwrite
from .reconstruct import load_reconstruction_model, reconstruct_photo

if TYPE_CHECKING:
    import numpy as np

    from pixio_hf.visualization.demo_sheet import DemoSample

    from .loading import LoadedModel

PHOTO_CREDITS = {
    "cat": "Cat: Stefan van der Walt, CC0",
    "coffee": "Coffee: Rachel Michetti, CC0",
    "temple": "Temple: danielbuechele, CC BY 2.0",
}
SCENE_SIZE = 384
FEATURE_SIZE = 448
OVERVIEW_PHOTO = "temple"
SUFFIXES = (
    "depth.png",
    "photo.jpg",
    "depth_color.png",
    "points.png",
    "features.png",
    "visible.png",
    "reconstruction.png",
)
ROOM_SUFFIX = "true_depth_color.png"


class DemoInput(NamedTuple):
    """An image of the demo: (3, H, W) uint8, focal length in pixels, true depth (H, W) in metres where it is known."""

    name: str
    label: str
    photo: "np.ndarray"
    focal_length: float
    true_depth: "np.ndarray | None"


def demo(
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    depth_model: Annotated[
        str, typer.Option(metavar="MODEL", help="Checkpoint folder, Hub id or short name, for depth.")
    ] = "pixio-tiny-depth",
    num_scenes: Annotated[
        int, typer.Option(metavar="N", min=1, max=16, help="How many held-out synthetic rooms to render.")
    ] = 3,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Everything at once on bundled photos and rendered rooms: a web page and a contact sheet.

    Writes index.html with its pictures, demo.png with all of them, and overview.png with a typical room and one photo.

    \b
    Example:
      pixio-hf demo --out demo
    """
    with plain_errors(model, depth_model, extra="demo"):
        check_folder(out)
        from pixio_hf.bundled import ASSETS
        from pixio_hf.cameras import find_focal_length, focal_of_fov
        from pixio_hf.depth_files import describe_unknown
        from pixio_hf.files import write_bytes, write_text
        from pixio_hf.synthetic import HELD_OUT_SEEDS, render_scenes
        from pixio_hf.visualization.demo_page import render_demo_page
        from pixio_hf.visualization.demo_sheet import draw_overview, draw_sheet, put_typical_first

        from .photo_fitting import check_side, load_photo

        seeds = list(HELD_OUT_SEEDS[:num_scenes])
        rooms = [f"room-{seed}" for seed in seeds]
        sheet_path, overview_path, page_path = out / "demo.png", out / "overview.png", out / "index.html"
        pictures = [out / "pictures" / f"{name}_{suffix}" for name in (*rooms, *PHOTO_CREDITS) for suffix in SUFFIXES]
        pictures += [out / "pictures" / f"{name}_{ROOM_SUFFIX}" for name in rooms]
        check_targets([sheet_path, overview_path, page_path, *pictures], out, overwrite)
        loaded_depth = load_depth_model(depth_model, device, dtype)
        loaded = load_reconstruction_model(model, device, dtype)
        check_side(FEATURE_SIZE, loaded.model.config.patch_size, "the demo's feature size")

        scenes = render_scenes(seeds, image_size=SCENE_SIZE)
        inputs = [
            DemoInput(name, f"Rendered room, seed {seed}", image.numpy(), focal_of_fov(fov, SCENE_SIZE), depth.numpy())
            for name, seed, image, fov, depth in zip(
                rooms, seeds, scenes.images, scenes.fov_degrees.tolist(), scenes.depth, strict=True
            )
        ]
        for name, credit in PHOTO_CREDITS.items():
            photo = load_photo(ASSETS / "photos" / f"{name}.jpg")
            inputs.append(DemoInput(name, credit, photo, find_focal_length(*photo.shape[1:]).pixels, None))
        samples = put_typical_first(predict_samples(inputs, loaded_depth, loaded))
        max_depth = loaded_depth.model.config.max_depth
        for sample in samples:
            write_pictures(sample, out / "pictures", max_depth)
        write_bytes(sheet_path, draw_sheet(samples, max_depth))
        shown = [samples[0], *(sample for sample in samples if sample.name == OVERVIEW_PHOTO)]
        write_bytes(overview_path, draw_overview(shown, max_depth))
        summary = summarize_metrics(samples)
        write_text(page_path, render_demo_page(samples, summary, model, depth_model, max_depth))
    for sample in samples:
        if message := describe_unknown(sample.depth):
            typer.echo(f"{sample.name}: {message} in its 16-bit PNG.")
    typer.echo(f"Rendered rooms are synthetic, with seeds that are held out from training: {summary}.")
    typer.echo("Photos are real, and outside of the bundled models' training data: do not trust the metres in them.")
    typer.echo(f"Contact sheet: {sheet_path}")
    typer.echo(f"Web page: {page_path}")


def predict_samples(
    inputs: "Sequence[DemoInput]", depth_model: "LoadedModel", model: "LoadedModel"
) -> "list[DemoSample]":
    """Run every task on every input."""
    from tqdm import tqdm

    from pixio_hf.visualization.demo_sheet import DemoSample
    from pixio_hf.visualization.features import color_features, upscale_colors

    encoder = model._replace(model=model.model.pixio)
    colors = color_features([encode_photo(encoder, entry.photo, FEATURE_SIZE) for entry in inputs])
    samples = []
    for index, (entry, color) in tqdm(enumerate(zip(inputs, colors, strict=True)), "demo", len(inputs), unit="image"):
        depth = predict_depth(depth_model, entry.photo)
        true_depth = entry.true_depth
        samples.append(
            DemoSample(
                name=entry.name,
                label=entry.label,
                photo=entry.photo,
                true_depth=true_depth,
                depth=depth,
                reconstruction=reconstruct_photo(model, entry.photo, seed=index),
                features=upscale_colors(color, *entry.photo.shape[-2:]),
                points=picture_points(depth, entry.photo, entry.focal_length),
                metrics={} if true_depth is None else measure_depth(depth, true_depth, depth_model.model.config),
            )
        )
    return samples


def picture_points(depth: "np.ndarray", photo: "np.ndarray", focal_length: float) -> "np.ndarray":
    """The surface of a depth map (H, W) from aside, (H, W, 3) uint8; white where no depth belongs to a surface."""
    import numpy as np

    from pixio_hf.cameras import make_intrinsics
    from pixio_hf.visualization.point_clouds import shape_of_depth
    from pixio_hf.visualization.point_pictures import BACKGROUND, draw_points

    shape = shape_of_depth(depth, photo, make_intrinsics(focal_length, *depth.shape))
    if not len(shape.points):
        return np.full((*depth.shape, 3), BACKGROUND, np.uint8)
    return draw_points(shape.points, shape.colors, *depth.shape)


def measure_depth(depth: "np.ndarray", true_depth: "np.ndarray", config: Any) -> dict[str, float]:
    """The nine metrics of one depth map (H, W) in metres, by name."""
    from pixio_hf.metrics.depth import DEPTH_METRIC_NAMES, depth_metrics_per_image

    metrics, _ = depth_metrics_per_image(
        depth[None], true_depth[None], min_depth=config.min_depth, max_depth=config.max_depth
    )
    return dict(zip(DEPTH_METRIC_NAMES, metrics[0].tolist(), strict=True))


def summarize_metrics(samples: "Sequence[DemoSample]") -> str:
    """Mean metrics of the rendered samples, in words."""
    import numpy as np

    measured = [sample.metrics for sample in samples if sample.metrics]
    delta1, abs_rel, rmse = (
        np.mean([metrics[name] for metrics in measured]) for name in ("delta1", "abs_rel", "rmse")
    )
    count = "this 1 room" if len(measured) == 1 else f"these {len(measured)} rooms"
    return f"on {count} delta1 {delta1:.3f}, abs_rel {abs_rel:.3f}, rmse {rmse:.2f} m"


def write_pictures(sample: "DemoSample", folder: Path, max_depth: float) -> None:
    """Write the pictures of one sample, and its depth in millimetres."""
    from pixio_hf.depth_files import write_depth_png
    from pixio_hf.files import write_bytes
    from pixio_hf.visualization.demo_sheet import picture_files

    write_depth_png(folder / f"{sample.name}_depth.png", sample.depth)
    for ending, content in picture_files(sample, max_depth).items():
        write_bytes(folder / f"{sample.name}_{ending}", content)
