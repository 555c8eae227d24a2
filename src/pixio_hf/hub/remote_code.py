# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Remote code: the modules that let a checkpoint load with `trust_remote_code=True` where pixio_hf is not installed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers.dynamic_module_utils import get_relative_import_files

from ..configuration_pixio import PixioConfig
from ..files import write_bytes
from ..modeling_pixio import PixioModel
from ..registration import AUTO_CLASSES
from ..text_files import read_json_object

PACKAGE = Path(__file__).resolve().parents[1]
LICENSE_HEADER = "# Copyright 2026 The pixio-hf authors."
# Spelled out: without torchvision both names mean the second class, and the files must not depend on that.
PROCESSOR_REFERENCES = {
    "torchvision": "image_processing_pixio.PixioImageProcessor",
    "pil": "image_processing_pil_pixio.PixioImageProcessorPil",
}


def write_remote_code(folder: str | Path) -> list[Path]:
    """Add to a saved checkpoint the modules that its classes need, and `auto_map` to both configuration files.

    AutoConfig, AutoModel and AutoBackbone then find the encoder in any checkpoint, the architecture's own Auto class the
    whole model, and AutoImageProcessor either backend of our processor; another processor than ours is left alone.
    Writing again changes nothing.

    Returns:
        The files written: modules, preprocessor_config.json where there is one of ours, config.json.

    Raises:
        ValueError: no config.json, not a Pixio model, an architecture that no Auto class loads, or a file of other origin
            in the place of a module. Nothing is written then.
    """
    folder = Path(folder)
    config_path, processor_path = folder / "config.json", folder / "preprocessor_config.json"
    if not config_path.is_file():
        raise ValueError(f"{folder} is no saved checkpoint: it holds no config.json.")
    config = read_json_object(config_path)
    config["auto_map"] = model_references(config, config_path)
    references = list(config["auto_map"].values())
    configurations = {config_path: config}
    if processor_path.is_file():
        processor = read_json_object(processor_path)
        if processor.get("image_processor_type") == "PixioImageProcessor":
            processor["auto_map"] = {"AutoImageProcessor": PROCESSOR_REFERENCES}
            references += PROCESSOR_REFERENCES.values()
            # config.json stays last, so that an interrupted run never leaves one that names missing code.
            configurations = {processor_path: processor, config_path: config}

    contents = {folder / module.name: module.read_bytes() for module in collect_modules(references)}
    for target in contents:
        is_ours = target.is_file() and target.read_text("utf-8", errors="replace").startswith(LICENSE_HEADER)
        if target.exists() and not is_ours:
            raise ValueError(f"{target} is not one of pixio_hf's files and would be overwritten; move it away.")
    for path, values in configurations.items():
        contents[path] = (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()
    for target, content in contents.items():
        write_bytes(target, content)
    return list(contents)


def model_references(config: dict[str, Any], source: Any) -> dict[str, str]:
    """The `auto_map` of a model configuration: name of an Auto class -> "module.class".

    Raises:
        ValueError: not a Pixio model, or an architecture that no Auto class loads.
    """
    if config.get("model_type") != "pixio":
        raise ValueError(f"{source} describes a model of type {config.get('model_type')!r}, not 'pixio'.")
    architectures = config.get("architectures") or []
    known = {model_class.__name__ for _, model_class in AUTO_CLASSES}
    if not architectures or not known.issuperset(architectures):
        raise ValueError(
            f"{source} names the architectures {architectures}; Auto classes can load {', '.join(sorted(known))}."
            " Save the model as one of these, for example its encoder `model.pixio`."
        )
    classes: dict[str, type] = {"AutoConfig": PixioConfig}
    for auto_class, model_class in AUTO_CLASSES:
        if model_class.__name__ in architectures or model_class.__module__ == PixioModel.__module__:
            classes[auto_class.__name__] = model_class
    return {name: f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}" for name, cls in classes.items()}


def collect_modules(references: Iterable[str]) -> list[Path]:
    """Source files of "module.class" references and of all that they import relatively, sorted by name."""
    entries = {str(PACKAGE / f"{reference.partition('.')[0]}.py") for reference in references}
    imported = {file for entry in entries for file in get_relative_import_files(entry)}
    return sorted(Path(file) for file in entries | imported)
