# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Render model_cards/ and the cards of the bundled checkpoints from their templates and numbers (`make cards`).

    python conversion/render_cards.py
    python conversion/render_cards.py --check

Prints what changed. With --check nothing is written, and the exit code is 1 if a card is stale. The words of the cards
stand in src/pixio_hf/model_cards/templates, their numbers in results.json beside it.
"""

import argparse
import difflib
import os
import sys
from pathlib import Path

from pixio_hf.bundled import list_bundled
from pixio_hf.files import write_text
from pixio_hf.model_cards.model_card import CARD_NAMES, render_checkpoint_card

ROOT = Path(__file__).resolve().parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a card is stale")
    return parser.parse_args()


def update_cards(root: Path, check: bool = False) -> list[str]:
    """Write the cards that are stale, or only look with `check`; returns a description of each change."""
    changes = []
    for name in CARD_NAMES:
        page = Path("model_cards") / f"{name}.md"
        card = Path("src/pixio_hf/assets") / name / "README.md" if name in list_bundled() else page
        text = render_checkpoint_card(name)
        old = (root / card).read_text(encoding="utf-8") if (root / card).is_file() else ""
        if old != text:
            changes.append(
                "\n".join(difflib.unified_diff(old.splitlines(), text.splitlines(), str(card), str(card), n=1))
            )
            if not check:
                write_text(root / card, text)
        link = Path(os.path.relpath(card, page.parent))
        if card != page and not ((root / page).is_symlink() and (root / page).readlink() == link):
            changes.append(f"{page} does not link to {link}")
            if not check:
                write_link(root / page, link)
    return changes


def write_link(path: Path, target: Path) -> None:
    partial = path.with_name(f"partial-{path.name}")
    partial.symlink_to(target)
    os.replace(partial, path)


def main() -> int:
    args = parse_arguments()
    changes = update_cards(ROOT, args.check)
    for change in changes:
        print(change)
    if args.check and changes:
        print("Model cards are stale: run `make cards`.", file=sys.stderr)
        return 1
    print(f"{len(changes)} changes" if changes else f"All {len(CARD_NAMES)} cards are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
