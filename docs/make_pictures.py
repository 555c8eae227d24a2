# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Make the pictures of README and docs that show the bundled models, anew after they change (`make pictures`).

    python docs/make_pictures.py

Each comes from a command that a page names; here they are only made smaller.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image

from pixio_hf.bundled import ASSETS
from pixio_hf.files import write_bytes

IMAGES = Path(__file__).parent / "images"
WIDTH = 1200  # pixels at most
COMMANDS = ("demo", "depth coffee", "reconstruct cat", "features temple")
# What they write -> its name in docs/images.
PICTURES = {
    "overview.png": "overview.png",
    "coffee_depth_color.png": "depth.png",
    "cat_reconstruction.png": "reconstruction.png",
    "temple_features.png": "features.png",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            name, *photos = command.split()
            paths = [str(ASSETS / "photos" / f"{photo}.jpg") for photo in photos]
            subprocess.run([sys.executable, "-m", "pixio_hf_cli", name, *paths, "--out", folder], check=True)
        for made, kept in PICTURES.items():
            write_bytes(IMAGES / kept, shrink(Path(folder) / made))
            print(f"docs/images/{kept}: {(IMAGES / kept).stat().st_size // 1000} kB")


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
