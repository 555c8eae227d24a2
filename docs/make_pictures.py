# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Make the pictures of README and docs that show the bundled models, anew after they change (`make pictures`).

    python docs/make_pictures.py

Each comes from a command that a page names; here they are only made smaller. What the other scripts that make pictures
need, too, stands here.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import PIL.Image

from pixio_hf.bundled import ASSETS
from pixio_hf.files import write_bytes
from pixio_hf.synthetic.views import render_views

IMAGES = Path(__file__).parent / "images"
WIDTH = 1200  # pixels at most
PHOTOS = str(ASSETS / "photos")
# Commands in a folder that holds two pictures of a room, ROOM_VIEWS; each writes into a folder of its first word.
COMMANDS = (
    "demo",
    f"depth {PHOTOS}/coffee.jpg room_0.png",
    f"reconstruct {PHOTOS}/cat.jpg",
    f"features {PHOTOS}/temple.jpg",
    "scene room_0.png room_1.png --keep-edges",
    "evaluate depth --model pixio-tiny-depth --data synthetic-rooms --num-images 24 --num-pictures 2",
)
ROOM_VIEWS = ("room_0.png", "room_1.png")
# What they write -> its name in docs/images.
PICTURES = {
    "demo/overview.png": "overview.png",
    "depth/coffee_depth_color.png": "depth.png",
    "depth/room_0_depth_color.png": "depth_room.png",
    "reconstruct/cat_reconstruction.png": "reconstruction.png",
    "features/temple_features.png": "features.png",
    "scene/scene.png": "scene.png",
    "evaluate/median.png": "evaluate_depth.png",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_room_views(Path(folder))
        for command in COMMANDS:
            words = command.split()
            command_line = [sys.executable, "-m", "pixio_hf_cli", *words, "--out", words[0]]
            subprocess.run(command_line, check=True, cwd=folder)
        for made, name in PICTURES.items():
            keep(Path(folder) / made, name)


def save_room_views(folder: Path) -> list[Path]:
    """Two pictures of a rendered room that no model was trained on, as the guide of 3D makes them."""
    paths = [folder / name for name in ROOM_VIEWS]
    for path, image in zip(paths, render_views(20_000_003, 2, 256).images, strict=True):
        PIL.Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    return paths


def keep(made: Path, name: str) -> None:
    """Put a picture into docs/images, made smaller."""
    write_bytes(IMAGES / name, shrink(made))
    print(f"docs/images/{name}: {(IMAGES / name).stat().st_size // 1000} kB", flush=True)


def choose_names(parser: argparse.ArgumentParser, names: list[str], known: Iterable[str]) -> list[str]:
    """The names that were asked for, or all that are known where none was; the parser's error for others."""
    known = list(known)
    if unknown := set(names) - set(known):
        parser.error(f"There is no picture {', '.join(sorted(unknown))}; choose among {', '.join(known)}.")
    return names or known


def shrink(path: Path) -> bytes:
    """A picture as a PNG of at most WIDTH pixels; all colours stay, as few would draw steps into depth."""
    with PIL.Image.open(path) as picture:
        drawn = picture.convert("RGB")
    drawn.thumbnail((WIDTH, drawn.height))
    buffer = io.BytesIO()
    drawn.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
