# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Errors of a command name the options that were typed."""

import pytest
import typer
from typer.testing import CliRunner

from pixio_hf_cli.messages import plain_errors

MESSAGES = {
    "num_neighbors must lie between 1 and 6.": "--k must lie between 1 and 6.",
    "window_size must be a multiple, window_size=12 is none.": "--window must be a multiple, --window=12 is none.",
    "depth_scale must be positive, num_classes too.": "--depth-scale must be positive, --num-classes too.",
    "batch_size 0: seed must be whole, seed=1.5.": "--batch-size 0: --seed must be whole, --seed=1.5.",
    "The seed of a model in 'batch_size' and /a/depth_scale/b.png": (
        "The seed of a model in 'batch_size' and /a/depth_scale/b.png"
    ),
    "image_size is of no option.": "image_size is of no option.",
    "Pass --depth-scale or --batch-size.": "Pass --depth-scale or --batch-size.",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_parameters_are_named_as_their_options(message):
    app = typer.Typer()

    @app.command()
    def command(
        num_neighbors: int = typer.Option(1, "--k"),
        window: int = 2,
        depth_scale: float = 1.0,
        num_classes: int = 3,
        batch_size: int = 4,
        seed: int = 0,
    ) -> None:
        with plain_errors():
            raise ValueError(message)

    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert result.output == f"Error: {MESSAGES[message]}\n"
