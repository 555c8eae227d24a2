# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioExportedModel: an exported folder that is called as the torch model is."""

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForDepthEstimation,
    AutoModelForImageClassification,
    AutoModelForImageSegmentation,
    AutoModelForSemanticSegmentation,
)

from ..checkpoint_files import EXPORT_RECORD, check_config, check_inside, is_exported
from ..configuration_pixio import PixioConfig
from ..sliding_window import predict_sliding_window
from ..text_files import read_json_object
from .formats import choose_format, require_packages
from .tasks import choose_task
from .tracing import LARGEST_BATCH, SMALLEST_GRID

RECORD_VERSION = 1


class PixioExportedConfig(PixioConfig):
    """The name under which PixioExportedModel stands in transformers' lists of what each pipeline takes."""

    model_type = "pixio_exported"


class PixioExportedModel:
    """A model that `export_model` wrote, in its runtime: pixel_values in, transformers' output class out.

    Depth and segmentation predict in windows where `config.window_size` is set, as the torch models do. There are no
    losses, hidden states or attentions.
    """

    main_input_name = "pixel_values"
    input_modalities = ("image",)
    device = torch.device("cpu")
    dtype = torch.float32
    """Of inputs and outputs; `record["dtype"]` is that of the work in between."""

    def __init__(self, config: PixioConfig, record: dict[str, Any], session: Any):
        self.config = config
        self.record = record
        self.session = session
        self.task = choose_task(config, record["task"])

    @classmethod
    def from_pretrained(cls, folder: str | Path, num_threads: int | None = None) -> "PixioExportedModel":
        """Open an exported folder, or a repository of the Hub that holds one.

        Args:
            folder: its path or `owner/name`.
            num_threads: of ONNX Runtime or OpenVINO; None: their own choice.

        Raises:
            ValueError: no exported folder, one of a newer version, or a runtime that is missing or cannot open it.
        """
        path = Path(folder)
        if not path.is_dir():
            path = Path(snapshot_download(str(folder)))
        if not is_exported(path):
            raise ValueError(
                f"{folder} is no exported model: it holds no {EXPORT_RECORD}. Make one with pixio-hf export."
            )
        check_inside(path, ["config.json", EXPORT_RECORD])
        record = read_json_object(path / EXPORT_RECORD)
        if record.get("version") != RECORD_VERSION:
            raise ValueError(
                f"{folder} was exported by another version of pixio-hf (its files are of version {record.get('version')},"
                f" this one reads {RECORD_VERSION}). Export it again."
            )
        if missing := [name for name in ("format", "dtype", "task") if not isinstance(record.get(name), str)]:
            raise ValueError(f"{EXPORT_RECORD} in {folder} does not state {', '.join(missing)}. Export it again.")
        config = check_config(read_json_object(path / "config.json"), str(path / "config.json"))
        chosen = choose_format(record["format"], record["dtype"])
        require_packages(chosen)
        if not (path / chosen.file_name).is_file():
            raise ValueError(f"{folder} is incomplete: {chosen.file_name} is missing. Export it again.")
        return cls(config, record, chosen.load().open_session(path / chosen.file_name, record["dtype"], num_threads))

    def __call__(self, pixel_values: Tensor, **kwargs: Any) -> Any:
        """Predict: normalised images (B, 3, H, W), of reconstruction (B, V, 3, H, W), to the torch model's output.

        Raises:
            ValueError: a shape that the export does not take, or an argument that needs the torch model.
        """
        if asked := [name for name, value in kwargs.items() if value is not None and name != "return_dict"]:
            raise ValueError(
                f"An exported model takes pixel_values only, not {', '.join(asked)}; use the torch model."
            )
        device = pixel_values.device
        pixel_values = pixel_values.detach().to("cpu", torch.float32).contiguous()
        if self.config.window_size is not None and self.task.name in ("depth", "segmentation"):
            tensors = [self.predict_windows(pixel_values, self.config.window_size)]
        else:
            tensors = self.run(pixel_values)
        return self.task.build_output([tensor.to(device) for tensor in tensors])

    forward = __call__

    def run(self, pixel_values: Tensor) -> list[Tensor]:
        """The exported tensors of float32 images, without windows."""
        self.check_pixel_values(pixel_values)
        return self.session.run(pixel_values)

    def predict_windows(self, pixel_values: Tensor, window_size: int) -> Tensor:
        """Overlapping windows, averaged as the torch models do it: depths, or probabilities whose logarithms are logits."""
        is_segmentation = self.task.name == "segmentation"

        def predict(windows: Tensor) -> Tensor:
            (prediction,) = self.run(windows)
            return prediction.softmax(dim=1) if is_segmentation else prediction

        averaged = predict_sliding_window(predict, pixel_values, window_size, self.config.window_stride)
        return averaged.clamp(min=torch.finfo(averaged.dtype).tiny).log() if is_segmentation else averaged

    def check_pixel_values(self, pixel_values: Tensor) -> None:
        """Refuse what the graph does not take, before the runtime does so in its own words.

        Raises:
            ValueError: another number of axes, channels or views, sides that do not fit, or too large a batch.
        """
        views, size, side = self.record.get("num_views"), self.record.get("size"), self.config.patch_size
        inner = (self.config.num_channels,) if views is None else (views, self.config.num_channels)
        shape = tuple(pixel_values.shape)
        wanted = f"(batch, {', '.join(map(str, inner))}, height, width)"
        if len(shape) != len(inner) + 3 or shape[1:-2] != inner or not 1 <= shape[0] <= LARGEST_BATCH:
            raise ValueError(f"This export takes pixel_values of shape {wanted}, got {shape}.")
        if size is not None and shape[-2:] != tuple(size):
            raise ValueError(
                f"This export takes images of {size[0]} x {size[1]} (height x width) only, got {shape[-2:]}."
            )
        if any(length % side or length < SMALLEST_GRID * side for length in shape[-2:]):
            raise ValueError(
                f"This export takes sides that are multiples of {side}, from {SMALLEST_GRID * side} pixels on, got"
                f" {shape[-2]} x {shape[-1]} (height x width)."
            )

    def to(self, *args: Any, **kwargs: Any) -> "PixioExportedModel":
        """Itself: the runtime computes on the CPU; outputs return to where the images came from."""
        return self

    def eval(self) -> "PixioExportedModel":
        """Itself: it cannot be trained."""
        return self

    def can_generate(self) -> bool:
        """No: it makes no text. Pipelines ask."""
        return False


for _auto_class in (
    AutoModel,
    AutoModelForDepthEstimation,
    AutoModelForImageClassification,
    AutoModelForImageSegmentation,
    AutoModelForSemanticSegmentation,
):
    _auto_class.register(PixioExportedConfig, PixioExportedModel, exist_ok=True)
