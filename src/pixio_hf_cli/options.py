# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options that the commands of `pixio-hf` share, and how they report errors; imports nothing heavy."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from pixio_hf_cli.option_names import find_command, name_options

# What commands import of an extra of pyproject.toml.
EXTRAS = {"demo": ("matplotlib",)}
VERBOSE = {"TRANSFORMERS_VERBOSITY": "info", "PIXIO_HF_TRACEBACK": "1"}
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}


class Device(str, Enum):
    """Where a model runs; auto is the GPU where there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Dtype(str, Enum):
    """Number format a model computes in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photos: any format that Pillow reads.")]
OutputFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results, made if needed.")]
ModelName = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Checkpoint folder, Hub id or short name.", show_default=True)
]
DeviceChoice = Annotated[Device, typer.Option("--device", help="Where to compute; auto: the GPU if there is one.")]
DtypeChoice = Annotated[Dtype, typer.Option("--dtype", help="Number format to compute in.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist already.")]


class plain_errors:  # noqa: N801 - used as a function: `with plain_errors():`
    """Turn what a user can mend (wrong values, unreadable files) into one line on stderr and exit code 2.

    The models' names and the packages of an extra are looked at first, before anything heavy is imported.
    PIXIO_HF_TRACEBACK=1 in the environment, or --verbose, shows the traceback instead.
    """

    def __init__(self, *models: str, extra: str | None = None) -> None:
        self.models, self.extra = models, extra

    def __enter__(self) -> None:
        try:
            if self.extra:
                require_extra(self.extra)
            for model in self.models:
                read_names().find_checkpoint(model)
        except ValueError as error:
            self.report(error)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ValueError | OSError):
            self.report(error)

    def report(self, error: Exception) -> None:
        """Print the error and leave, unless the traceback is wanted."""
        if os.environ.get("PIXIO_HF_TRACEBACK"):
            raise error
        typer.echo(f"Error: {name_options(str(error), find_command())}", err=True)
        raise typer.Exit(2) from error


def require_extra(extra: str) -> None:
    """Raise ValueError, with the command that helps, where packages of an extra of ours are not installed."""
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed, which this command needs:"
            f" pip install 'pixio-hf[{extra}]'."
        )


@cache
def read_names() -> ModuleType:
    """The module pixio_hf/bundled.py, run from its file: importing it from its package would load torch."""
    package = find_spec("pixio_hf")
    assert package is not None
    assert package.origin is not None
    spec = spec_from_file_location("pixio_hf_names", Path(package.origin).with_name("bundled.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def verbosity(verbose: bool, quiet: bool) -> Iterator[None]:
    """Within it, commands show more or less; set by environment variables, as what reads them is not imported yet."""
    wanted = VERBOSE if verbose else QUIET if quiet else {}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    transformers = sys.modules.get("transformers.utils.logging")
    level = transformers.get_verbosity() if transformers else None
    if transformers and wanted:
        transformers.set_verbosity_info() if verbose else transformers.set_verbosity_error()
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
            logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)
            if transformers:
                transformers.set_verbosity(level)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
