# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which files of a local folder belong on the Hub, and whether they are complete; without the network."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.dynamic_module_utils import get_relative_import_files
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from ..checkpoint_files import check_config, check_inside
from ..model_cards.licences import check_licence
from ..safetensors_files import read_index
from ..text_files import read_json_object

# Names that from_pretrained picks by itself.
LOADED_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json")
_SENT_SUFFIXES = (".json", ".md", ".py", ".safetensors")
_CONFIGURATIONS = ("config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class CheckpointFolder:
    """A checkpoint that may be uploaded: its configuration, the files that go, and the entries that stay."""

    path: Path
    config: dict[str, Any]
    files: tuple[str, ...]
    left_behind: tuple[str, ...]


def read_checkpoint_folder(
    folder: str | Path, own_weights: bool = False, linked_from: Path | None = None
) -> CheckpointFolder:
    """Choose a checkpoint's files: weights, configuration, processor, card, conversion report, and the code it names.

    `own_weights` says that converted weights are not Meta's, so that their card may state any licence. `linked_from` is
    the folder whose files the entries of `folder` may be links to.

    Raises:
        ValueError: no Pixio checkpoint, a weight file that is missing, damaged or ambiguous, code that is missing, or a
            card without the licence that it must state.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"{folder} is no folder.")
    if not (path / "config.json").is_file():
        raise ValueError(f"{folder} is no checkpoint: it holds no config.json.")
    check_inside(path, [entry.name for entry in path.iterdir() if entry.suffix in _SENT_SUFFIXES], linked_from)
    config = read_json_object(path / "config.json")
    check_config(config, str(path / "config.json"))
    report = path / "conversion_report.json"
    check_licence(path / "README.md", is_converted=report.is_file() and not own_weights)
    names = [*find_weights(path, linked_from), *_CONFIGURATIONS, "README.md", report.name, *find_code(path)]
    files = tuple(dict.fromkeys(name for name in names if (path / name).is_file()))
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    return CheckpointFolder(path, config, files, tuple(name for name in entries if name not in files))


def find_weights(folder: Path, linked_from: Path | None = None) -> list[str]:
    """Names of the weight files, the index among them, each opened to see that it is whole.

    Raises:
        ValueError: none, two sets of them, or one that is missing, damaged or lacks a tensor of the index.
    """
    single, index = folder / SAFE_WEIGHTS_NAME, folder / SAFE_WEIGHTS_INDEX_NAME
    if single.is_file() and index.is_file():
        raise ValueError(f"{folder} holds both {single.name} and {index.name}; remove the one that is out of date.")
    if single.is_file():
        read_tensor_names(single)
        return [single.name]
    if not index.is_file():
        raise ValueError(f"{folder} holds no {single.name} and no {index.name}: convert or save the model first.")
    weight_map = read_index(index, linked_from)
    shards = sorted(set(weight_map.values()))
    for shard in shards:
        wanted = {name for name, file in weight_map.items() if file == shard}
        if missing := sorted(wanted - read_tensor_names(folder / shard)):
            raise ValueError(f"{folder / shard} lacks {missing[0]} and {len(missing) - 1} more that the index names.")
    return [*shards, index.name]


def read_tensor_names(file: Path) -> set[str]:
    """Names in a safetensors file; ValueError where it is damaged or cut off."""
    try:
        with safe_open(file, framework="pt") as tensors:
            return set(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is damaged or incomplete: {error}") from error


def find_code(folder: Path) -> list[str]:
    """Modules that `auto_map` of either configuration names, and those that they import from beside them.

    Raises:
        ValueError: one of them is not there.
    """
    references: list[Any] = []
    for name in _CONFIGURATIONS:
        if (folder / name).is_file():
            auto_map = read_json_object(folder / name).get("auto_map") or {}
            if not isinstance(auto_map, dict):
                raise ValueError(f"{folder / name}: auto_map must be an object, not {str(auto_map)[:80]}.")
            references += auto_map.values()
    modules: set[Path] = set()
    while references:
        reference = references.pop()
        if isinstance(reference, dict):  # one class for each backend
            references += reference.values()
        elif isinstance(reference, list):
            references += reference
        elif reference is not None and not isinstance(reference, str):
            raise ValueError(f"auto_map of {folder} names {str(reference)[:80]}, which is no class.")
        elif reference and "--" not in reference:  # else the code lies in another repository
            if not reference.split(".")[0].isidentifier():
                raise ValueError(f"auto_map of {folder} names {reference[:80]!r}, which is no module of the folder.")
            modules.add(folder / f"{reference.split('.')[0]}.py")
    for module in sorted(modules):
        if module.is_file():
            modules.update(Path(file) for file in get_relative_import_files(module))
    if missing := sorted(module.name for module in modules if not module.is_file()):
        raise ValueError(f"auto_map needs {', '.join(missing)}, which {folder} does not hold.")
    return sorted(module.name for module in modules)
