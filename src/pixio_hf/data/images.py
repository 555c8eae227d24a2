# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of the synthetic sets, and folders of images as a `datasets.Dataset`."""

from pathlib import Path

# Name on the command line -> kind of scene. All of them are rendered, none is a photograph.
SYNTHETIC_DATASETS = {"synthetic-rooms": "room", "synthetic-outdoor": "outdoor", "synthetic-mixed": "mixed"}


def load_image_folder(folder: str | Path, **kwargs):
    """Every image below a folder as one `datasets.Dataset`, whatever its path says of splits.

    Left to itself, `datasets` takes files whose name or folder contains "test" or "val" for other splits.

    Raises:
        ValueError: there is no image.
    """
    from datasets import load_dataset

    try:
        return load_dataset("imagefolder", data_dir=str(folder), data_files={"train": "**"}, split="train", **kwargs)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"Could not read a set of images from {folder}: {error}") from error
