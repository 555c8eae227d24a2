# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf info`: what a checkpoint is, read from its configuration, card and file headers; no weights are loaded."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .messages import plain_errors

if TYPE_CHECKING:
    from pixio_hf.configuration_pixio import PixioConfig

PACKAGES = ("pixio-hf", "transformers", "torch", "torchvision", "huggingface-hub", "safetensors", "datasets")


def info(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Checkpoint folder, Hub id or short name.", show_default=False),
    ] = None,
    model_option: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="The same, as an option.", show_default=False)
    ] = None,
) -> None:
    """What a checkpoint is, from its configuration and file headers; without MODEL: what there is to choose from.

    \b
    Example:
      pixio-hf info pixio-tiny-depth
    """
    with plain_errors(*filter(None, (model, model_option))):
        if model is not None and model_option is not None:
            raise ValueError("Give the model once: as an argument or as --model.")
        name = model or model_option
        typer.echo(describe_model(name) if name else describe_choices())


class Header(NamedTuple):
    """What the headers of a checkpoint's weight files say."""

    parameters: Counter[str]  # of encoder, decoder and head
    dtypes: Counter[str]
    num_bytes: int | None

    def list_parts(self) -> list[str]:
        """Parts that have weights, in the order a photo passes them."""
        return [part for part in ("encoder", "decoder", "head") if self.parameters[part]]


def describe_model(name: str) -> str:
    """Table of one checkpoint: folder, Hub id or short name.

    Raises:
        ValueError: there is no such checkpoint, it is no Pixio model, or its weight files are damaged or missing.
    """
    from pixio_hf.bundled import find_checkpoint, hub_id

    from .loading import load_config

    source = find_checkpoint(name)
    config = load_config(source)
    header = read_local_header(Path(source)) if Path(source).is_dir() else read_hub_header(hub_id(source))
    rows = [("checkpoint", name), *describe_config(config, header.list_parts())]
    rows += [(f"parameters, {part}", f"{header.parameters[part]:,}") for part in header.list_parts()]
    rows.append(("parameters, all", f"{sum(header.parameters.values()):,}"))
    rows.append(("dtype on disk", ", ".join(header.dtypes)))
    if header.num_bytes is not None:
        rows.append(("weight files", f"{header.num_bytes / 1e6:.2f} MB"))
    rows.append(("licence", read_licence(hub_id(source))))
    return align_columns(rows)


def describe_config(config: "PixioConfig", parts: list[str]) -> list[tuple[str, str]]:
    """Rows of what the configuration says about the parts that the checkpoint holds."""
    rows = [
        ("model type", config.model_type),
        ("architecture", ", ".join(config.architectures or ["not stated"])),
        ("native size", f"{config.image_size} x {config.image_size} pixels"),
        ("patch size", f"{config.patch_size} x {config.patch_size} pixels"),
        ("class tokens", f"{config.n_cls_tokens}"),
        ("encoder", describe_blocks(config.num_hidden_layers, config.hidden_size, config.num_attention_heads)),
    ]
    if "decoder" in parts:
        width, heads = config.decoder_hidden_size, config.decoder_num_attention_heads
        rows.append(("decoder", describe_blocks(config.decoder_num_hidden_layers, width, heads)))
        grid = config.mask_grid_size
        rows.append(("masking", f"{config.mask_ratio:.0%} in blocks of {grid} x {grid} patches"))
    if "head" in parts:
        rows.append(("head", config.head_type))
        if any("Depth" in name for name in config.architectures or []):
            is_relative = config.depth_estimation_type == "relative"
            metres = f"{config.min_depth:g} to {config.max_depth:g} m"
            rows.append(("depth", "inverse, without scale and shift") if is_relative else ("depth range", metres))
        window = config.window_size
        rows.append(("inference", "whole photo" if window is None else f"windows of {window} pixels"))
    return rows


def describe_blocks(num_layers: int, width: int, num_heads: int) -> str:
    """One line about a stack of transformer blocks."""
    return f"{num_layers} blocks, width {width}, {num_heads} heads"


def describe_choices() -> str:
    """Bundled checkpoints, presets and package versions."""
    from pixio_hf.bundled import list_bundled
    from pixio_hf.configuration_pixio import PRESETS, PixioConfig

    bundled = [(name, describe_contents(name)) for name in list_bundled()] or [("none", "")]
    presets = []
    for name in PRESETS:
        config = PixioConfig.preset(name)
        blocks = describe_blocks(config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
        presets.append((name, f"{count_encoder_parameters(config) / 1e6:,.1f} M encoder parameters, {blocks}"))
    sections = (
        ("Bundled checkpoints (pass the name to any --model)", bundled),
        ("Presets (PixioConfig.preset)", presets),
        ("Packages", [(package, find_version(package)) for package in PACKAGES]),
    )
    return "\n\n".join(f"{title}\n{align_columns(rows, indent=2)}" for title, rows in sections)


def describe_contents(name: str) -> str:
    """Parts and size of a bundled checkpoint."""
    from pixio_hf.bundled import find_checkpoint

    from .loading import load_config

    source = find_checkpoint(name)
    header = read_local_header(Path(source))
    architectures = ", ".join(load_config(source).architectures or ["not stated"])
    millions, parts = sum(header.parameters.values()) / 1e6, " + ".join(header.list_parts())
    return f"{architectures}, {millions:.1f} M parameters ({parts})"


def count_encoder_parameters(config: "PixioConfig") -> int:
    """Parameters of the encoder, counted on a model without memory."""
    import torch

    from pixio_hf.modeling_pixio import PixioModel

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in PixioModel(config).parameters())


def read_local_header(folder: Path) -> Header:
    """Headers of the safetensors files in a folder.

    Raises:
        ValueError: there are none, or one is damaged.
    """
    from safetensors import SafetensorError, safe_open

    from pixio_hf.checkpoint_files import check_inside

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder} holds no .safetensors file: only a configuration, or weights in another format.")
    check_inside(folder, [file.name for file in files])
    parameters: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    for file in files:
        try:
            with safe_open(file, framework="pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 - safe_open is no mapping
                    tensor = tensors.get_slice(key)
                    size = math.prod(tensor.get_shape())
                    parameters[name_part(key)] += size
                    dtypes[tensor.get_dtype()] += size
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{file} is damaged or incomplete: {error}") from error
    return Header(parameters, dtypes, sum(file.stat().st_size for file in files))


def read_hub_header(repo_id: str) -> Header:
    """Headers of the safetensors files of a Hub repository, fetched without the weights."""
    from huggingface_hub import get_safetensors_metadata
    from huggingface_hub.errors import HfHubHTTPError, NotASafetensorsRepoError

    try:
        metadata = get_safetensors_metadata(repo_id)
    except (NotASafetensorsRepoError, HfHubHTTPError, OSError) as error:
        raise ValueError(f"The weight files of {repo_id!r} cannot be inspected: {error}") from error
    parameters: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    for file in metadata.files_metadata.values():
        for key, tensor in file.tensors.items():
            parameters[name_part(key)] += tensor.parameter_count
            dtypes[tensor.dtype] += tensor.parameter_count
    return Header(parameters, dtypes, None)


def name_part(key: str) -> str:
    """Part of the model a tensor belongs to: encoder, decoder or head."""
    first = key.split(".", 1)[0]
    if first in ("head", "classifier", "projection_head"):
        return "head"
    return "decoder" if first == "decoder" else "encoder"


def read_licence(source: str) -> str:
    """Licence a model card states."""
    from huggingface_hub import ModelCard
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    card_path = Path(source) / "README.md"
    if Path(source).is_dir() and not card_path.is_file():
        return "not stated (no model card)"
    try:
        card = ModelCard.load(str(card_path) if card_path.is_file() else source)
    except (EntryNotFoundError, HfHubHTTPError, OSError):
        return "not stated (no model card)"
    except ValueError:
        return "not stated (unreadable model card)"
    return getattr(card.data, "license", None) or "not stated in the model card"


def find_version(package: str) -> str:
    """Installed version of a package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def align_columns(rows: list[tuple[str, str]], indent: int = 0) -> str:
    """Two columns of text."""
    width = max(len(label) for label, _ in rows) + 2
    return "\n".join(f"{' ' * indent}{label:{width}}{value}".rstrip() for label, value in rows)
