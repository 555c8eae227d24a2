# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf app`: all of it in the browser."""

from typing import TYPE_CHECKING, Annotated

import typer

from .early_checks import check_port, is_open_to_others
from .messages import plain_errors
from .options import Device, Dtype

if TYPE_CHECKING:
    from pixio_hf.app.settings import LoadedModel, Predictors, Task


def serve_app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL", help="Depth model: folder, Hub id or short name; repeat for more [default: bundled ones]."
        ),
    ] = None,
    features_model: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="The same for the tab Features.")
    ] = None,
    reconstruct_model: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="The same for the tab Reconstruction.")
    ] = None,
    scene_model: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="The same for the tab 3D from several photos.")
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0: other machines reach it, too.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0: any free one.")] = 7860,
    share: Annotated[
        bool, typer.Option("--share", help="Also a public address for three days, through Gradio's servers.")
    ] = False,
    max_upload: Annotated[int, typer.Option(metavar="MB", min=1, help="Largest photo that is taken.")] = 32,
    device: Device = "auto",
    dtype: Dtype = "float32",
) -> None:
    """The app in the browser: depth with a view in 3D, features, reconstruction.

    Only this machine reaches it unless --host or --share says otherwise; then visitors can choose among the listed
    models only. Uploads and results lie in a temporary folder, which is removed at the end.

    \b
    Example:
      pixio-hf app --model runs/my-depth --port 8000
    """
    given = {
        "depth": model or [],
        "features": features_model or [],
        "reconstruction": reconstruct_model or [],
        "scene": scene_model or [],
    }
    with plain_errors(*(name for names in given.values() for name in names), extra="app"):
        port = check_port(host, port)
        from pixio_hf.app.serving import serve
        from pixio_hf.app.settings import AppSettings

        settings = AppSettings(
            models=given,  # pyright: ignore[reportArgumentType]
            open_to_others=is_open_to_others(host, share),
            max_upload_bytes=max_upload * 2**20,
        )
        serve(make_predictors(device, dtype), settings, host, port, share)


def make_predictors(device: str = "auto", dtype: str = "float32") -> "Predictors":
    """The functions of the other commands, for the app."""
    from pixio_hf.app.settings import Predictors
    from pixio_hf.modeling_pixio import PixioModel
    from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation
    from pixio_hf.modeling_pixio_pretraining import PixioForPreTraining
    from pixio_hf.modeling_pixio_reconstruction import PixioForReconstruction

    from .depth import describe_training, predict_depth
    from .features import encode_photo
    from .loading import load_model

    classes = {
        "depth": (PixioForDepthEstimation, "depth head"),
        "features": (PixioModel, "encoder"),
        "reconstruction": (PixioForPreTraining, "pre-training decoder"),
        "scene": (PixioForReconstruction, "heads for 3D"),
    }

    def load(task: "Task", source: str) -> "LoadedModel":
        model_class, needs = classes[task]
        return load_model(model_class, source, device, dtype, needs)

    return Predictors(load, predict_depth, encode_photo, describe_training)  # pyright: ignore[reportArgumentType]
