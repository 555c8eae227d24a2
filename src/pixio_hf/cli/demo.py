# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf demo`: depth, reconstruction and features of bundled photos and rendered rooms: a sheet, a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pixio_hf.bundled import ASSETS
from pixio_hf.metrics.depth import DEPTH_METRIC_NAMES, depth_metrics_per_image
from pixio_hf.synthetic import HELD_OUT_SEEDS, render_scenes

from ..visualization.demo_page import write_demo_page
from ..visualization.panels import Panel, Row, depth_limits, draw_page, draw_row
from .depth import describe_unknown, load_depth_model, predict_depth, to_millimetres
from .features import color_features, encode_photo, upscale_colors
from .files import check_targets, write_bytes, write_png
from .loading import LoadedModel
from .photo_loop import check_side, load_photo
from .reconstruct import Reconstruction, draw_reconstruction, load_reconstruction_model, reconstruct_photo

PHOTO_CREDITS = {
    "cat": "Cat: Stefan van der Walt, CC0",
    "coffee": "Coffee: Rachel Michetti, CC0",
    "temple": "Temple: danielbuechele, CC BY 2.0",
}
SCENE_SIZE = 384
FEATURE_SIZE = 448
SHEET_WIDTH = 14.0  # inches
SUFFIXES = ("depth.png", "depth_color.png", "reconstruction.png", "features.png")


@dataclass
class Sample:
    """One demo image with what the models make of it."""

    name: str
    label: str
    photo: np.ndarray  # (3, H, W) uint8
    true_depth: np.ndarray | None  # (H, W) metres where the image is rendered
    depth: np.ndarray  # (H, W) metres
    reconstruction: Reconstruction
    features: np.ndarray  # (H, W, 3) uint8
    metrics: dict[str, float]  # empty where there is no true depth

    @property
    def pixels(self) -> np.ndarray:
        """The image as (H, W, 3)."""
        return np.moveaxis(self.photo, 0, -1)


def run_demo(
    out: Path,
    model_name: str,
    depth_model_name: str,
    num_scenes: int = 3,
    device: str = "auto",
    dtype: str = "float32",
    overwrite: bool = False,
) -> list[str]:
    """Write demo.png, index.html and pictures/; return what to tell the user, line by line.

    Raises:
        ValueError: unusable models or output folder; found before any picture is made.
    """
    photos = [(name, credit, load_photo(ASSETS / "photos" / f"{name}.jpg")) for name, credit in PHOTO_CREDITS.items()]
    seeds = list(HELD_OUT_SEEDS[:num_scenes])
    names = [f"room-{seed}" for seed in seeds] + [name for name, _, _ in photos]
    sheet_path, page_path = out / "demo.png", out / "index.html"
    pictures = [out / "pictures" / f"{name}_{suffix}" for name in names for suffix in SUFFIXES]
    check_targets([sheet_path, page_path, *pictures], out, overwrite)
    depth_model = load_depth_model(depth_model_name, device, dtype)
    model = load_reconstruction_model(model_name, device, dtype)
    check_side(FEATURE_SIZE, model.model.config.patch_size, "the demo's feature size")

    scenes = render_scenes(seeds, image_size=SCENE_SIZE)
    rooms = [
        (f"Rendered room, seed {seed}", image.numpy(), true_depth.numpy())
        for seed, image, true_depth in zip(seeds, scenes.images, scenes.depth, strict=True)
    ]
    inputs = rooms + [(credit, photo, None) for _, credit, photo in photos]
    samples = predict_samples(names, inputs, depth_model, model)
    max_depth = depth_model.model.config.max_depth
    for sample in samples:
        write_pictures(sample, out / "pictures", max_depth)
    write_bytes(sheet_path, draw_sheet(samples, max_depth))
    summary = summarize_metrics(samples)
    write_demo_page(page_path, samples, summary, model_name, depth_model_name)
    unknown = [(sample.name, describe_unknown(sample.depth)) for sample in samples]
    return [
        *(f"{name}: {message} in its 16-bit PNG." for name, message in unknown if message),
        f"Rendered rooms are synthetic, with seeds that are held out from training: {summary}.",
        "Photos are real and outside of the bundled models' training data, which is synthetic rooms only.",
        f"Contact sheet: {sheet_path}",
        f"Web page: {page_path}",
    ]


def predict_samples(
    names: Sequence[str],
    inputs: Sequence[tuple[str, np.ndarray, np.ndarray | None]],
    depth_model: LoadedModel,
    model: LoadedModel,
) -> list[Sample]:
    """Run the three tasks on (label, photo (3, H, W), true depth (H, W) or None)."""
    encoder = model._replace(model=model.model.pixio)
    colors = color_features([encode_photo(encoder, photo, FEATURE_SIZE) for _, photo, _ in inputs])
    samples = []
    work = enumerate(zip(names, inputs, colors, strict=True))
    for index, (name, (label, photo, true_depth), color) in tqdm(work, desc="demo", unit="image", total=len(names)):
        depth = predict_depth(depth_model, photo)
        samples.append(
            Sample(
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


def measure_depth(depth: np.ndarray, true_depth: np.ndarray, config) -> dict[str, float]:
    """The nine metrics of one depth map (H, W) in metres, by name."""
    metrics, _ = depth_metrics_per_image(
        depth[None], true_depth[None], min_depth=config.min_depth, max_depth=config.max_depth
    )
    return dict(zip(DEPTH_METRIC_NAMES, metrics[0].tolist(), strict=True))


def summarize_metrics(samples: Sequence[Sample]) -> str:
    """Mean metrics of the rendered samples, in words."""
    measured = [sample.metrics for sample in samples if sample.metrics]
    delta1, abs_rel, rmse = (
        np.mean([metrics[name] for metrics in measured]) for name in ("delta1", "abs_rel", "rmse")
    )
    count = "this 1 room" if len(measured) == 1 else f"these {len(measured)} rooms"
    return f"on {count} delta1 {delta1:.3f}, abs_rel {abs_rel:.3f}, rmse {rmse:.2f} m"


def write_pictures(sample: Sample, folder: Path, max_depth: float) -> None:
    """Write the pictures of one sample, the same as the single commands make."""
    millimetres, depth_color, reconstruction, features = (folder / f"{sample.name}_{suffix}" for suffix in SUFFIXES)
    write_png(millimetres, to_millimetres(sample.depth))
    write_bytes(depth_color, draw_row(depth_panels(sample, max_depth, titles=True)))
    write_bytes(reconstruction, draw_reconstruction(sample.reconstruction))
    write_bytes(features, draw_row([Panel(sample.pixels, "Image"), Panel(sample.features, "Features")]))


def depth_panels(sample: Sample, max_depth: float, titles: bool) -> list[Panel]:
    """Image, true depth where there is one, and prediction in the same colours."""
    known = [sample.depth] if sample.true_depth is None else [sample.depth, sample.true_depth]
    limits = depth_limits(*(np.where(depth <= max_depth, depth, 0) for depth in known))
    panels = [Panel(sample.pixels, "Image" if titles else "", sample.label)]
    if sample.true_depth is not None:
        panels.append(Panel(sample.true_depth, "True depth" if titles else "", "exact, from the renderer", limits))
    note = "true depth unknown"
    if sample.metrics:
        note = f"delta1 {sample.metrics['delta1']:.3f}, abs_rel {sample.metrics['abs_rel']:.3f}"
    return [*panels, Panel(sample.depth, "Predicted depth" if titles else "", note, limits)]


def draw_sheet(samples: Sequence[Sample], max_depth: float) -> bytes:
    """PNG of all samples: a row each, rendered rooms first."""
    rows = []
    for rendered, headline in (
        (True, "Rendered rooms: synthetic, held out from training"),
        (False, "Photos: real, unlike anything the bundled models were trained on (synthetic rooms only)"),
    ):
        group = [sample for sample in samples if (sample.true_depth is not None) == rendered]
        for index, sample in enumerate(group):
            result = sample.reconstruction
            titles = index == 0
            panels = [
                *depth_panels(sample, max_depth, titles),
                Panel(result.masked, f"Visible: {1 - result.hidden_share:.0%}" if titles else ""),
                Panel(result.reconstructed, "Reconstruction" if titles else "", f"loss {result.loss:.3f}"),
                Panel(sample.features, "Features" if titles else "", "main components of patch tokens"),
            ]
            rows.append(Row(panels, headline if titles else ""))
    return draw_page(
        rows,
        SHEET_WIDTH,
        "pixio-hf demo: depth, reconstruction and features from single images",
        "Depth is in metres; near is red, far is blue, grey is unknown; each row has its own scale. Hidden patches are"
        " reconstructed from the visible blocks; where the model was trained on normalised patches, mean and contrast"
        " of each come from the image. Equal feature colours mean similar features in all images.",
    )
