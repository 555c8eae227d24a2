# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Errors name the options of the command that was typed, not the Python parameters behind them."""

import re
from importlib import import_module
from typing import Any

import typer

# Parameters of the package that a command passes on under an option of another name.
_OTHER_NAMES = {
    "num_steps": "steps",
    "window_size": "window",
    "num_neighbors": "k",
    "cached_shards": "open_shards",
    "do_reduce_labels": "reduce_labels",
}


def find_command() -> Any:
    """The command that is running; None outside of one."""
    # Newer versions of Typer carry a copy of Click, of which only this base class tells.
    click = typer.Context.__mro__[1].__module__.rpartition(".")[0]
    context = import_module(f"{click}.globals").get_current_context(silent=True)
    return context and context.command


def name_options(message: str, command: Any) -> str:
    """The message with each name of a parameter replaced by its option, from a table of the command's own options.

    Names of one word are words of English too, so they count only where a value follows: "seed=3", "seed must be".
    """
    if command is None:
        return message
    options = {name: max(parameter.opts, key=len) for parameter in command.params if (name := parameter.name)}
    options = {name: option for name, option in options.items() if option.startswith("--")}
    typed = {option.lstrip("-").replace("-", "_"): option for option in options.values()}
    options = {**typed, **options}
    options |= {name: options[other] for name, other in _OTHER_NAMES.items() if other in options}
    for name, option in options.items():
        context = "" if "_" in name else r"(?==\S| must | needs )"
        message = re.sub(rf"(?<![\w./\\'\"-]){re.escape(name)}(?![\w/'\"]|\.\w){context}", option, message)
    return message
