# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf demo`: depth, reconstruction and features of bundled photos and rendered rooms: a sheet, a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
SUFFIXES = ("depth.png", "depth_color.png", "reconstruction.png", "features.png")


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
    """Everything at once on bundled photos and rendered rooms: a contact sheet and a web page.

    Writes demo.png, index.html and the pictures of depth, reconstruct and features.

    \b
    Example:
      pixio-hf demo --out demo
    """
    with plain_errors(model, depth_model, extra="demo"):
        check_folder(out)
        from pixio_hf.bundled import ASSETS
        from pixio_hf.depth_files import describe_unknown
        from pixio_hf.files import write_bytes, write_text
        from pixio_hf.synthetic import HELD_OUT_SEEDS, render_scenes
        from pixio_hf.visualization.demo_page import render_demo_page
        from pixio_hf.visualization.demo_sheet import draw_sheet

        from .photo_fitting import check_side, load_photo

        seeds = list(HELD_OUT_SEEDS[:num_scenes])
        names = [*(f"room-{seed}" for seed in seeds), *PHOTO_CREDITS]
        sheet_path, page_path = out / "demo.png", out / "index.html"
        pictures = [out / "pictures" / f"{name}_{suffix}" for name in names for suffix in SUFFIXES]
        check_targets([sheet_path, page_path, *pictures], out, overwrite)
        loaded_depth = load_depth_model(depth_model, device, dtype)
        loaded = load_reconstruction_model(model, device, dtype)
        check_side(FEATURE_SIZE, loaded.model.config.patch_size, "the demo's feature size")

        scenes = render_scenes(seeds, image_size=SCENE_SIZE)
        rooms = [
            (f"Rendered room, seed {seed}", image.numpy(), true_depth.numpy())
            for seed, image, true_depth in zip(seeds, scenes.images, scenes.depth, strict=True)
        ]
        photos = [
            (credit, load_photo(ASSETS / "photos" / f"{name}.jpg"), None) for name, credit in PHOTO_CREDITS.items()
        ]
        samples = predict_samples(names, rooms + photos, loaded_depth, loaded)
        max_depth = loaded_depth.model.config.max_depth
        for sample in samples:
            write_pictures(sample, out / "pictures", max_depth)
        write_bytes(sheet_path, draw_sheet(samples, max_depth))
        summary = summarize_metrics(samples)
        write_text(page_path, render_demo_page(samples, summary, model, depth_model))
    for sample in samples:
        if message := describe_unknown(sample.depth):
            typer.echo(f"{sample.name}: {message} in its 16-bit PNG.")
    typer.echo(f"Rendered rooms are synthetic, with seeds that are held out from training: {summary}.")
    typer.echo("Photos are real and outside of the bundled models' training data, which is synthetic rooms only.")
    typer.echo(f"Contact sheet: {sheet_path}")
    typer.echo(f"Web page: {page_path}")


def predict_samples(
    names: Sequence[str],
    inputs: "Sequence[tuple[str, np.ndarray, np.ndarray | None]]",
    depth_model: "LoadedModel",
    model: "LoadedModel",
) -> "list[DemoSample]":
    """Run the three tasks on (label, photo (3, H, W), true depth (H, W) or None)."""
    from tqdm import tqdm

    from pixio_hf.visualization.demo_sheet import DemoSample
    from pixio_hf.visualization.features import color_features, upscale_colors

    encoder = model._replace(model=model.model.pixio)
    colors = color_features([encode_photo(encoder, photo, FEATURE_SIZE) for _, photo, _ in inputs])
    samples = []
    work = enumerate(zip(names, inputs, colors, strict=True))
    for index, (name, (label, photo, true_depth), color) in tqdm(work, desc="demo", unit="image", total=len(names)):
        depth = predict_depth(depth_model, photo)
        samples.append(
            DemoSample(
                name,
                label,
                photo,
                true_depth,
                depth,
                reconstruct_photo(model, photo, seed=index),
                upscale_colors(color, *photo.shape[-2:]),
                {} if true_depth is None else measure_depth(depth, true_depth, depth_model.model.config),
            )
        )
    return samples


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
    """Write the pictures of one sample, the same as the single commands make."""
    from pixio_hf.depth_files import write_depth_png
    from pixio_hf.files import write_bytes
    from pixio_hf.visualization.demo_sheet import depth_panels
    from pixio_hf.visualization.panels import Panel, draw_row
    from pixio_hf.visualization.reconstruction import draw_reconstruction

    millimetres, depth_color, reconstruction, features = (folder / f"{sample.name}_{suffix}" for suffix in SUFFIXES)
    write_depth_png(millimetres, sample.depth)
    write_bytes(depth_color, draw_row(depth_panels(sample, max_depth, titles=True)))
    write_bytes(reconstruction, draw_reconstruction(sample.reconstruction))
    write_bytes(features, draw_row([Panel(sample.pixels, "Image"), Panel(sample.features, "Features")]))
