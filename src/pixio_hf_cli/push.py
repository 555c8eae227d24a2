# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf push`: a checkpoint folder to the Hub: weights, configuration, processor, card, and nothing else."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .messages import plain_errors
from .options import Private, WithCode


def push(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a checkpoint.")],
    repo_id: Annotated[str, typer.Argument(metavar="REPO_ID", help="owner/name on the Hub.")],
    private: Private = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would happen to each file; only read the Hub.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Branch to upload to, made if needed [default: main].")
    ] = None,
    commit_message: Annotated[str | None, typer.Option(metavar="TEXT", help="Message of the commit.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Go on where the repository holds another model.")
    ] = False,
    with_code: WithCode = False,
    own_weights: Annotated[
        bool, typer.Option("--own-weights", help="Converted weights are yours, not Meta's: any licence.")
    ] = False,
) -> None:
    """Upload a checkpoint folder: weights, configuration, processor, card, and nothing else of what lies there.

    A new repository is private unless --public; the visibility of an existing one does not change. Files that are on
    the Hub already are not sent again: after an interruption, run the same command. Log in first, with `hf auth login`.
    Exit code 2: something to mend on this side, nothing was sent. 1: the Hub refused or failed, nothing was committed.

    \b
    Example:
      pixio-hf push pixio-h16 owner/pixio-h16 --dry-run
      pixio-hf push pixio-h16 owner/pixio-h16 --with-code
    """
    with plain_errors(system_code=1):
        from pixio_hf.hub.push import push_folder

        with folder_to_send(model_dir, with_code) as folder:
            result = push_folder(
                folder,
                repo_id,
                private=private,
                dry_run=dry_run,
                revision=revision,
                commit_message=commit_message or f"Upload {model_dir.resolve().name}",
                overwrite=overwrite,
                own_weights=own_weights,
                linked_from=model_dir,
                show_plan=lambda plan: typer.echo(plan.describe()),
            )
    if dry_run:
        typer.echo("Dry run: nothing was sent.")
    else:
        typer.echo(f"Done: {result.commit_url}" if result.commit_url else "Everything is on the Hub already.")


@contextmanager
def folder_to_send(model_dir: Path, with_code: bool) -> Iterator[Path]:
    """The folder itself, or a temporary copy beside it that also holds the code; the weights in it are links."""
    if not with_code or not model_dir.is_dir():
        yield model_dir
        return
    from pixio_hf.hub.remote_code import write_remote_code

    source = model_dir.resolve()
    with tempfile.TemporaryDirectory(prefix="pixio-hf-push-") as temporary:
        copy = Path(temporary) / source.name
        copy.mkdir()
        for entry in source.iterdir():
            if entry.suffix in (".json", ".py", ".md"):
                shutil.copyfile(entry, copy / entry.name)
            else:
                os.symlink(entry, copy / entry.name)
        write_remote_code(copy)
        yield copy
