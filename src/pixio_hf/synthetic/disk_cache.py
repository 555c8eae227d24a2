# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Render synthetic scenes once into memory-mapped files, chunk by chunk; an interrupted run goes on where it stopped.

A cache is a folder with `images.npy` (N, 3, H, W) uint8, `depth.npy` (N, H, W) float32 metres, bit for bit what
`render_scenes` returns, and `scenes.json`, written last, with the parameters. While it is rendered the arrays are
called `*.partial.npy` and `rendered_chunks.txt` lists the chunks that are on disk.
"""

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm.auto import tqdm

from pixio_hf.files import write_json
from pixio_hf.synthetic.rendering import render_scenes
from pixio_hf.synthetic.scenes import SceneKind
from pixio_hf.synthetic.seeds import SCENE_GENERATOR_VERSION

SCENES_PER_CHUNK = 32


@dataclass(frozen=True)
class SceneSetKey:
    """What a cached set of synthetic scenes depends on."""

    kind: SceneKind
    image_size: int
    first_seed: int
    num_scenes: int
    supersample: bool = False
    generator_version: int = SCENE_GENERATOR_VERSION

    @property
    def folder_name(self) -> str:
        samples = "-2x2" if self.supersample else ""
        seeds = f"seeds{self.first_seed}-{self.num_scenes}scenes"
        return f"{self.kind}-{self.image_size}px{samples}-{seeds}-v{self.generator_version}"

    def chunks(self) -> list[range]:
        """Positions of the scenes of every chunk."""
        starts = range(0, self.num_scenes, SCENES_PER_CHUNK)
        return [range(start, min(start + SCENES_PER_CHUNK, self.num_scenes)) for start in starts]


def open_or_render(
    cache_dir: str | os.PathLike, key: SceneSetKey, num_workers: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Memory-mapped images (N, 3, H, W) uint8 and depth (N, H, W) float32 of a set, rendered first where needed.

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


def _open(folder: Path, key: SceneSetKey) -> tuple[np.ndarray, np.ndarray]:
    stored = json.loads((folder / "scenes.json").read_text())
    if stored != asdict(key):
        raise ValueError(
            f"{folder} holds the scenes {stored}, not {asdict(key)}: delete that folder to render it anew."
        )
    images = np.load(folder / "images.npy", mmap_mode="r")
    depth = np.load(folder / "depth.npy", mmap_mode="r")
    size = key.image_size
    if images.shape != (key.num_scenes, 3, size, size) or images.dtype != np.uint8:
        raise ValueError(
            f"{folder / 'images.npy'} holds {images.dtype} {images.shape}: delete the folder to render it anew."
        )
    if depth.shape != (key.num_scenes, size, size) or depth.dtype != np.float32:
        raise ValueError(
            f"{folder / 'depth.npy'} holds {depth.dtype} {depth.shape}: delete the folder to render it anew."
        )
    return images, depth


def _render_into(folder: Path, key: SceneSetKey, num_workers: int) -> None:
    images_path, depth_path, progress_path = _partial_paths(folder)
    finished: set[int] = set()
    if images_path.exists() and depth_path.exists() and progress_path.exists():
        # A last line without its line end was cut off by the interruption.
        finished = {int(line) for line in progress_path.read_text().split("\n")[:-1]}
    else:
        progress_path.unlink(missing_ok=True)
        size = key.image_size
        for path, shape, dtype in (
            (images_path, (key.num_scenes, 3, size, size), np.uint8),
            (depth_path, (key.num_scenes, size, size), np.float32),
        ):
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()
        progress_path.touch()
    chunks = key.chunks()
    progress_path.write_text("".join(f"{index}\n" for index in sorted(finished)))
    todo = [index for index in range(len(chunks)) if index not in finished]
    done = sum(len(chunks[index]) for index in finished)
    with (
        tqdm(
            total=key.num_scenes,
            initial=done,
            desc=f"rendering {key.kind} scenes",
            unit="scene",
        ) as bar,
        progress_path.open("a") as progress,
    ):
        for index in _render_chunks(folder, key, todo, num_workers):
            progress.write(f"{index}\n")
            progress.flush()
            bar.update(len(chunks[index]))
    os.replace(images_path, folder / "images.npy")
    os.replace(depth_path, folder / "depth.npy")
    write_json(folder / "scenes.json", asdict(key))
    progress_path.unlink()


def _partial_paths(folder: Path) -> tuple[Path, Path, Path]:
    return (
        folder / "images.partial.npy",
        folder / "depth.partial.npy",
        folder / "rendered_chunks.txt",
    )


def _render_chunks(folder: Path, key: SceneSetKey, todo: list[int], num_workers: int) -> Iterator[int]:
    jobs = [(folder, key, index) for index in todo]
    if num_workers == 0 or len(jobs) < 2:
        yield from map(_render_chunk, jobs)
        return
    # Spawned, not forked: torch's thread pool does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(num_workers, len(jobs)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.imap_unordered(_render_chunk, jobs)


def _render_chunk(job: tuple[Path, SceneSetKey, int]) -> int:
    folder, key, index = job
    images_path, depth_path, _ = _partial_paths(folder)
    positions = key.chunks()[index]
    seeds = [key.first_seed + position for position in positions]
    batch = render_scenes(seeds, key.image_size, key.kind, supersample=key.supersample)
    for path, values in ((images_path, batch.images), (depth_path, batch.depth)):
        stored = np.load(path, mmap_mode="r+")
        stored[positions.start : positions.stop] = values.numpy()
    return index
