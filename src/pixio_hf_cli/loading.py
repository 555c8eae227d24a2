# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Models of the commands, loaded whole or not at all, each with its image processor and on its device."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub.errors import GatedRepoError
from transformers import AutoConfig
from transformers.utils.hub import cached_file

from pixio_hf.bundled import OFFICIAL, find_checkpoint
from pixio_hf.checkpoint_files import check_config, check_inside, is_exported
from pixio_hf.configuration_pixio import PixioConfig
from pixio_hf.image_processing_pixio import PixioImageProcessor
from pixio_hf.modeling_pixio import PixioPreTrainedModel
from pixio_hf.quiet_loading import quiet_loading
from pixio_hf.text_files import read_json_object


class LoadedModel(NamedTuple):
    """A model in eval mode on its device, and the image processor that belongs to it."""

    model: Any
    processor: Any
    device: torch.device

    @property
    def predicts_in_parallel(self) -> bool:
        """Whether several threads may predict at once, and gain by it: torch on a CPU.

        A GPU and the runtimes of exported models work on one batch with all they have.
        """
        return isinstance(self.model, torch.nn.Module) and self.device.type == "cpu"


def load_config(source: str) -> PixioConfig:
    """Configuration of a checkpoint.

    Raises:
        ValueError: it cannot be read, or belongs to another kind of model.
    """
    path = Path(source) / "config.json"
    if Path(source).is_dir():
        check_inside(Path(source), [path.name])
        values = read_json_object(path)
        if values.get("model_type") == "pixio":
            check_config(values, str(path))
    try:
        config = AutoConfig.from_pretrained(source)
    except OSError as error:
        raise explain_unreadable("model", source, error) from error
    if not isinstance(config, PixioConfig):
        raise ValueError(f"{source!r} is a {config.model_type!r} model; this command needs a Pixio one.")
    return config


def load_model(
    model_class: type[PixioPreTrainedModel], source: str, device: str, dtype: str, needs: str, **overrides: Any
) -> LoadedModel:
    """Load weights and image processor of a checkpoint that `find_checkpoint` found, ready to predict.

    `overrides` are configuration fields. `needs` names what a checkpoint must hold in addition to the encoder.

    Raises:
        ValueError: unreadable, incomplete (nothing is left at random values), or a device that is not there.
    """
    if is_exported(source):
        return load_exported(model_class, source, device, dtype, needs, **overrides)
    place = choose_device(device)
    config = load_config(source)
    for name, value in overrides.items():
        setattr(config, name, value)
    config.validate_masking()
    config.validate_heads()
    # Missing weights are an error here, and spare ones (a decoder where only the encoder is used) are fine.
    try:
        with quiet_loading():
            model, report = model_class.from_pretrained(
                source, config=config, dtype=getattr(torch, dtype), output_loading_info=True
            )
    except OSError as error:
        raise explain_unreadable("weights", source, error) from error
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"{source!r} has no {needs} ({missing[0]} and more are missing): choose another --model.")
    return LoadedModel(model.to(place).eval(), load_processor(source, config), place)


def identify_weights(model_name: str) -> dict[str, Any]:
    """What tells a model from others, and a local one from what lay there before it was trained again."""
    folder = Path(find_checkpoint(model_name))
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    return {
        "model": model_name,
        "weights": [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files],
    }


def load_exported(
    model_class: type[PixioPreTrainedModel], source: str, device: str, dtype: str, needs: str, **overrides: Any
) -> LoadedModel:
    """The same for a folder that `pixio-hf export` wrote; it stays in its own runtime and number format.

    Raises:
        ValueError: it was exported for another task, cannot be opened, or a GPU or number format was asked for.
    """
    from pixio_hf.export.exported_model import PixioExportedModel

    if device == "cuda":
        raise ValueError(f"{source!r} is an exported model, which runs on the CPU; pass --device cpu or auto.")
    if dtype != "float32":
        raise ValueError(f"{source!r} is an exported model with a number format of its own; leave out --dtype.")
    model = PixioExportedModel.from_pretrained(source)
    if model.task.model_class is not model_class:
        raise ValueError(f"{source!r} was exported for {model.task.name}, it has no {needs}: choose another --model.")
    for name, value in overrides.items():
        setattr(model.config, name, value)
    model.config.validate_heads()
    return LoadedModel(model, load_processor(source, model.config), torch.device("cpu"))


def explain_unreadable(what: str, source: str, error: OSError) -> ValueError:
    """The error to raise for something of a checkpoint that cannot be read; a gated one says how to get access."""
    if source in OFFICIAL:
        return ValueError(str(error))  # it says what the short name stands for and what to do
    if isinstance(error.__cause__, GatedRepoError):
        return ValueError(
            f"{source!r} is gated: ask for access at https://huggingface.co/{source}, then log in with `hf auth login`."
        )
    return ValueError(f"The {what} of {source!r} cannot be read: {error}")


def load_processor(source: str, config: PixioConfig) -> Any:
    """Image processor saved with a checkpoint, or the default one at the model's native size where none is saved.

    Raises:
        ValueError: there is one, but it cannot be read.
    """
    try:
        if cached_file(source, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False) is None:
            return PixioImageProcessor.for_config(config)
        return PixioImageProcessor.from_pretrained(source)
    except OSError as error:
        raise explain_unreadable("image processor", source, error) from error


def choose_device(device: str) -> torch.device:
    """Device of a name: auto, cpu or cuda; ValueError where there is no such device."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no GPU here; pass --device cpu or auto.")
    return torch.device(device)
