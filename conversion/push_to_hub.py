# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Upload a checkpoint folder to the Hub: weights, configuration, processor, card, and nothing else of what lies there.

    python conversion/push_to_hub.py pixio-h16 owner/pixio-h16 --dry-run
    python conversion/push_to_hub.py pixio-h16 owner/pixio-h16 --with-code

A new repository is private unless --public; the visibility of an existing one does not change. Files that are on the Hub
already are not sent again: after an interruption, run the same command. Log in first, with `hf auth login`.
Exit code 2: something to mend on this side, nothing was sent. 1: the Hub refused or failed, nothing was committed.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixio_hf.hub.push import push_folder
from pixio_hf.hub.upload_plan import PushPlan


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir", metavar="MODEL_DIR", type=Path, help="folder of a checkpoint")
    parser.add_argument("repo_id", metavar="REPO_ID", help="owner/name on the Hub")
    visibility = parser.add_mutually_exclusive_group()
    visibility.add_argument(
        "--private", action="store_true", default=True, help="make a new repository private (default)"
    )
    visibility.add_argument("--public", dest="private", action="store_false", help="make a new repository public")
    parser.add_argument(
        "--dry-run", action="store_true", help="list what would happen to each file; only read the Hub"
    )
    parser.add_argument("--revision", metavar="BRANCH", help="branch to upload to, made if needed (default: main)")
    parser.add_argument("--commit-message", metavar="TEXT", help="message of the commit")
    parser.add_argument("--overwrite", action="store_true", help="go on where the repository holds another model")
    parser.add_argument(
        "--with-code", action="store_true", help="add code, to load it where pixio_hf is not installed"
    )
    parser.add_argument(
        "--own-weights", action="store_true", help="converted weights are yours, not Meta's: any licence"
    )
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    try:
        with folder_to_send(args.model_dir, args.with_code) as folder:
            result = push_folder(
                folder,
                args.repo_id,
                private=args.private,
                dry_run=args.dry_run,
                revision=args.revision,
                commit_message=args.commit_message or f"Upload {args.model_dir.resolve().name}",
                overwrite=args.overwrite,
                own_weights=args.own_weights,
                linked_from=args.model_dir,
                show_plan=print_plan,
            )
    except (ValueError, OSError) as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    if args.dry_run:
        print("Dry run: nothing was sent.")
    else:
        print(f"Done: {result.commit_url}" if result.commit_url else "Everything is on the Hub already.")
    return 0


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


def print_plan(plan: PushPlan) -> None:
    print(plan.describe(), flush=True)


if __name__ == "__main__":
    sys.exit(main(parse_arguments(sys.argv[1:])))
