# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a command says: errors in one line that names the options as they were typed, and more or less of the rest."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer

from .early_checks import read_names, require_extra

VERBOSE = {"TRANSFORMERS_VERBOSITY": "info", "PIXIO_HF_TRACEBACK": "1"}
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}
# Parameters of the package that a command passes on under an option of another name.
_OTHER_NAMES = {
    "num_steps": "steps",
    "window_size": "window",
    "num_neighbors": "k",
    "cached_shards": "open_shards",
    "do_reduce_labels": "reduce_labels",
}


class plain_errors:  # noqa: N801 - used as a function: `with plain_errors():`
    """Turn errors that a user can fix (wrong values, unreadable files) into one line on stderr and exit code 2.

    Names of models and packages of an extra are checked first, before anything heavy is imported. PIXIO_HF_TRACEBACK=1
    in the environment, or --verbose, shows the traceback instead.

    Args:
        models: names that have to stand for a checkpoint.
        extra: of pyproject.toml, whose packages the command needs.
        system_code: exit code where the system or the Hub refused, that is for an OSError.
    """

    def __init__(self, *models: str, extra: str | None = None, system_code: int = 2) -> None:
        self.models, self.extra, self.system_code = models, extra, system_code

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
        message = " ".join(filter(None, map(str.strip, str(error).splitlines())))
        typer.echo(f"Error: {name_options(message, find_command())}", err=True)
        raise typer.Exit(2 if isinstance(error, ValueError) else self.system_code) from error


def find_command() -> Any:
    """The command that is running; None outside of one."""
    # Newer versions of Typer bundle Click; this base class tells which copy is in use.
    click = typer.Context.__mro__[1].__module__.rpartition(".")[0]
    context = import_module(f"{click}.globals").get_current_context(silent=True)
    return context and context.command


def name_options(message: str, command: Any) -> str:
    """The message with each name of a parameter replaced by its option, from a table of the command's own options.

    One-word names are also English words, so they count only before a value: "seed=3", "seed must be".
    """
    if command is None:
        return message
    # The first spelling counts: --out may also be typed as --output_dir.
    options = {
        name: next((option for option in parameter.opts if option.startswith("--")), "")
        for parameter in command.params
        if (name := parameter.name)
    }
    options = {name: option for name, option in options.items() if option}
    typed = {option.lstrip("-").replace("-", "_"): option for option in options.values()}
    options = {**typed, **options}
    options |= {name: options[other] for name, other in _OTHER_NAMES.items() if other in options}
    for name, option in options.items():
        context = "" if "_" in name else r"(?==\S| must | needs )"
        message = re.sub(rf"(?<![\w./\\'\"-]){re.escape(name)}(?![\w/'\"]|\.\w){context}", option, message)
    return message


@contextmanager
def verbosity(verbose: bool, quiet: bool) -> Iterator[None]:
    """Inside it, commands show more or less. Set by environment variables, as their readers are not imported yet."""
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
