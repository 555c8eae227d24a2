# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Render synthetic scenes once into memory-mapped files, chunk by chunk; an interrupted run goes on where it stopped.

A cache is a folder with one `NAME.npy` per array, bit for bit what rendering returns, and `scenes.json`, written last, with
the parameters. Scenes have `images.npy` (N, 3, H, W) uint8 and `depth.npy` (N, H, W) float32 metres. While it is rendered
the arrays are called `*.partial.npy` and `rendered_chunks.txt` lists the chunks that are on disk.
"""

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from filelock import FileLock
from tqdm.auto import tqdm

from ..files import write_json
from .rendering import open_photographs, render_scenes
from .scenes import SceneKind
from .seeds import SCENE_GENERATOR_VERSION

SCENES_PER_CHUNK = 32


class RenderedSet(Protocol):
    """What a cached set depends on, and how its arrays are rendered; a frozen dataclass, whose fields are stored."""

    @property
    def num_scenes(self) -> int: ...

    @property
    def first_seed(self) -> int: ...

    @property
    def folder_name(self) -> str: ...

    def describe(self) -> dict[str, Any]:
        """What is stored beside the arrays, fit for JSON."""
        ...

    def arrays(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        """Shape of one scene's part, and type, of every array by name."""
        ...

    def render(self, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """The arrays of these scenes, (len(seeds), *shape) each."""
        ...


@dataclass(frozen=True)
class SceneSetKey:
    """What a cached set of synthetic scenes depends on."""

    kind: SceneKind
    image_size: int
    first_seed: int
    num_scenes: int
    supersample: bool = False
    generator_version: int = SCENE_GENERATOR_VERSION
    photographs: str | None = None
    """Folder of the photographs, whose contents name the cache."""

    @property
    def folder_name(self) -> str:
        samples = "-2x2" if self.supersample else ""
        seeds = f"seeds{self.first_seed}-{self.num_scenes}scenes"
        name = f"{self.kind}-{self.image_size}px{samples}-{seeds}-v{self.generator_version}"
        pictures = open_photographs(self.photographs, self.generator_version)
        return name if self.photographs is None or pictures is None else f"{name}-{pictures.fingerprint}"

    def describe(self) -> dict[str, Any]:
        """What is stored beside the arrays: every field but the place of the photographs."""
        return {name: value for name, value in asdict(self).items() if name != "photographs"}

    def arrays(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        size = self.image_size
        return {"images": ((3, size, size), np.uint8), "depth": ((size, size), np.float32)}

    def render(self, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        batch = render_scenes(
            seeds,
            self.image_size,
            self.kind,
            supersample=self.supersample,
            version=self.generator_version,
            photographs=self.photographs,
        )
        return {"images": batch.images.numpy(), "depth": batch.depth.numpy()}


def chunks_of(key: RenderedSet) -> list[range]:
    """Positions of the scenes of every chunk."""
    starts = range(0, key.num_scenes, SCENES_PER_CHUNK)
    return [range(start, min(start + SCENES_PER_CHUNK, key.num_scenes)) for start in starts]


def open_or_render(cache_dir: str | os.PathLike, key: RenderedSet, num_workers: int = 0) -> dict[str, np.ndarray]:
    """Memory-mapped arrays (N, ...) of a set by name, rendered first where needed.

    `num_workers` processes render; 0 renders in this one. Two processes that ask for the same set take turns. Raises
    ValueError when the folder holds another set than its name says.
    """
    folder = Path(cache_dir) / key.folder_name
    if not (folder / "scenes.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder) + ".lock"):
            if not (folder / "scenes.json").exists():
                _render_into(folder, key, num_workers)
    return _open(folder, key)


def _open(folder: Path, key: RenderedSet) -> dict[str, np.ndarray]:
    stored, wanted = json.loads((folder / "scenes.json").read_text()), key.describe()
    if stored != wanted:
        raise ValueError(f"{folder} holds the scenes {stored}, not {wanted}: delete that folder to render it anew.")
    opened = {}
    for name, (shape, dtype) in key.arrays().items():
        file = folder / f"{name}.npy"
        array = np.load(file, mmap_mode="r")
        if array.shape != (key.num_scenes, *shape) or array.dtype != dtype:
            raise ValueError(f"{file} holds {array.dtype} {array.shape}: delete the folder to render it anew.")
        opened[name] = array
    return opened


def _render_into(folder: Path, key: RenderedSet, num_workers: int) -> None:
    partial = {name: folder / f"{name}.partial.npy" for name in key.arrays()}
    progress_path = folder / "rendered_chunks.txt"
    finished: set[int] = set()
    if all(path.exists() for path in (*partial.values(), progress_path)):
        # A last line without its line end was cut off by the interruption.
        finished = {int(line) for line in progress_path.read_text().split("\n")[:-1]}
    else:
        progress_path.unlink(missing_ok=True)
        for name, (shape, dtype) in key.arrays().items():
            whole = (key.num_scenes, *shape)
            np.lib.format.open_memmap(partial[name], mode="w+", dtype=dtype, shape=whole).flush()
        progress_path.touch()
    chunks = chunks_of(key)
    progress_path.write_text("".join(f"{index}\n" for index in sorted(finished)))
    todo = [index for index in range(len(chunks)) if index not in finished]
    done = sum(len(chunks[index]) for index in finished)
    with (
        tqdm(total=key.num_scenes, initial=done, desc=f"rendering {folder.name}", unit="scene") as bar,
        progress_path.open("a") as progress,
    ):
        for index in _render_chunks(folder, key, todo, num_workers):
            progress.write(f"{index}\n")
            progress.flush()
            bar.update(len(chunks[index]))
    for name, path in partial.items():
        os.replace(path, folder / f"{name}.npy")
    write_json(folder / "scenes.json", key.describe())
    progress_path.unlink()


def _render_chunks(folder: Path, key: RenderedSet, todo: list[int], num_workers: int) -> Iterator[int]:
    jobs = [(folder, key, index) for index in todo]
    if num_workers == 0 or len(jobs) < 2:
        yield from map(_render_chunk, jobs)
        return
    # Spawned, not forked: torch's thread pool does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(num_workers, len(jobs)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.imap_unordered(_render_chunk, jobs)


def _render_chunk(job: tuple[Path, RenderedSet, int]) -> int:
    folder, key, index = job
    positions = chunks_of(key)[index]
    rendered = key.render([key.first_seed + position for position in positions])
    for name, values in rendered.items():
        stored = np.load(folder / f"{name}.partial.npy", mmap_mode="r+")
        stored[positions.start : positions.stop] = values
    return index
