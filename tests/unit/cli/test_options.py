# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options: what several commands share is spelled once, and reads alike everywhere."""

from collections import defaultdict

import pytest
import typer.main

from pixio_hf_cli import app

# Of one name, but another meaning; each says so in its help.
OWN_MEANING = {
    "--overwrite": {"convert", "push"},  # a whole checkpoint, and another model on the Hub
    "--dtype": {"convert", "export"},  # of the weights
    "--batch-size": {"evaluate scene"},  # sets of photos
    "--data": {"evaluate scene"},  # scenes
    "--cache-dir": {"evaluate scene"},  # views and what they have in common
    "--num-scenes": {"demo"},  # a few, to look at
    "--num-workers": {"compare"},  # processes that read images
    "--num-views": {"compare"},  # with --task scene only
    "--task": {"check-data", "export"},  # layouts, and kinds of models
    "--size": {"features", "reconstruct"},  # a default of its own, and a square
    "--protocol": {"check-data"},  # those of all tasks
    "--split": {"check-data"},  # by default all
    "--model": {"info", "app"},  # by default none, and several
    "--window": {"depth"},  # by default none
}


def list_commands():
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        for below, part in getattr(command, "commands", {"": command}).items():
            yield f"{name} {below}".strip(), part


def test_options_of_several_commands_read_alike():
    texts = defaultdict(dict)
    for name, command in list_commands():
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                option = next(option for option in parameter.opts if option.startswith("--"))
                if name not in OWN_MEANING.get(option, ()):
                    texts[option].setdefault(parameter.help, []).append(name)
    assert {option: uses for option, uses in texts.items() if len(uses) > 1} == {}


@pytest.mark.parametrize("command", [name for name, _ in list_commands()])
def test_every_folder_of_results_has_both_names(command):
    (parameters,) = (found.params for name, found in list_commands() if name == command)
    for parameter in parameters:
        if "--out" in parameter.opts or "--output_dir" in parameter.opts:
            assert parameter.opts == ["--out", "--output_dir"]


def test_the_three_commands_of_photos_take_the_same():
    shared = {"--out", "--model", "--batch-size", "--num-workers", "--recursive", "--allow-private-addresses",
              "--overwrite", "--skip-existing", "--device", "--dtype", "--size"}  # fmt: skip
    for name, command in list_commands():
        if name in ("depth", "features", "reconstruct"):
            assert shared <= {option for parameter in command.params for option in parameter.opts}
            (out,) = (parameter for parameter in command.params if "--out" in parameter.opts)
            assert str(out.default) == "pixio-results"
