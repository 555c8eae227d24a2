# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Gather the photographs that the bundled models were pre-trained on: six public repositories, about 10,000 pictures.

    python examples/gather_photographs.py --output_dir photographs
    python examples/gather_photographs.py --output_dir photographs --repositories clones

Each repository is cloned with git (450 MB in all) unless --repositories has it already, as OWNER+NAME.git. Pictures become
JPEG files of at most 320 pixels. `photographs.csv` says where each comes from, its licence and, where known, its author:
keep it with the pictures. They are sorted into

    train/SOURCE             to train on; the share of a source is for the training to choose
    held_out/SOURCE          about one in twenty, by the hash of its name: measure on these, never train
    near_duplicates/SOURCE   look nearly like another (a shelf taken twice, a photo in two sizes): used for nothing

Two minutes of one core after the download.
"""

import csv
import hashlib
import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import PIL.ImageOps
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf.script_exit import require_positive, run_script

# Two photographs whose 64-bit gradient hashes differ in so few bits look alike.
NEAR_DUPLICATE_BITS = 8
HELD_OUT_ONE_IN = 20


@dataclass(frozen=True)
class Source:
    """Photographs of one repository: those whose path matches `pattern`."""

    name: str
    repository: str
    pattern: str
    licence: str
    author: str


@dataclass
class Photograph:
    """One picture, reduced, with the hash that near duplicates share."""

    source: Source
    path: str
    author: str
    image: PIL.Image.Image
    bits: int
    duplicate_of: str = field(default="")

    @property
    def file_name(self) -> str:
        return re.sub(r"[^A-Za-z0-9._-]", "_", self.path.removesuffix(Path(self.path).suffix)) + ".jpg"


OPEN_IMAGES = "CC BY 2.0, as Open Images lists it"
SOURCES = (
    Source(
        "doors",
        "MiguelARD/DoorDetect-Dataset",
        r"images/[0-9a-f]{16}\.jpg",
        OPEN_IMAGES,
        "photographers of Open Images",
    ),
    Source(
        "shelves",
        "marcusklasson/GroceryStoreDataset",
        r"dataset/(train|val|test)/.*\.jpg",
        "MIT",
        "Marcus Klasson and others",
    ),
    Source("flowers", "JoelOscarsson/dl-assignment", r"data/flowers/.*/\d+_\w+\.jpg", "CC BY 2.0", ""),
    Source(
        "mixed",
        "PacktPublishing/Machine-Learning-with-Apache-Spark-Quick-Start-Guide",
        r"Chapter07/data/image-recognition-data/.*\.jpg",
        OPEN_IMAGES,
        "photographers of Open Images",
    ),
    Source(
        "landscapes",
        "BuddiesOfBudgie/budgie-backgrounds",
        r"backgrounds/.*\.jpg",
        "CC0",
        "named in data/*.xml.in there",
    ),
    Source(
        "albums",
        "immich-app/test-assets",
        r"(albums|formats/motionphoto|formats/webp|metadata/(faces|gps-position|rating))/.*\.(jpg|webp)",
        "public domain, by its README",
        "contributors of Immich",
    ),
)
# The flowers are those of this list, which names their photographers; pictures that are not in it are left out.
FLOWER_AUTHORS = ("dalifreire/cnn_hello_world", "datasets/flower_photos/LICENSE.txt")


def run_git(repository: Path, *arguments: str) -> bytes:
    """What a git command prints."""
    return subprocess.run(["git", "-C", str(repository), *arguments], check=True, stdout=subprocess.PIPE).stdout


def open_repository(folder: Path, name: str) -> Path:
    """A bare clone of a GitHub repository; made with its newest commit only where there is none."""
    path = folder / f"{name.replace('/', '+')}.git"
    if not path.exists():
        address = f"https://github.com/{name}.git"
        subprocess.run(["git", "clone", "--bare", "--depth", "1", address, str(path)], check=True)
    return path


def list_blobs(repository: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """(hash, path) of the files whose path matches, without a second copy of the same bytes."""
    seen = set()
    for line in run_git(repository, "ls-tree", "-r", "-z", "HEAD").decode().split("\0")[:-1]:
        description, path = line.split("\t", 1)
        blob = description.split()[2]
        if re.fullmatch(pattern, path) and blob not in seen:
            seen.add(blob)
            yield blob, path


def read_flower_authors(folder: Path) -> dict[str, str]:
    """File name -> photographer, from the list that came with the flowers."""
    repository, path = FLOWER_AUTHORS
    text = run_git(open_repository(folder, repository), "show", f"HEAD:{path}").decode()
    return dict(re.findall(r"^\w+/(\S+\.jpg) CC-BY by (.*?) - http", text, re.MULTILINE))


def read_photograph(data: bytes, longer_side: int) -> PIL.Image.Image:
    """Decode, turn upright, reduce."""
    image = PIL.Image.open(io.BytesIO(data))
    image.draft("RGB", (2 * longer_side, 2 * longer_side))
    image = PIL.ImageOps.exif_transpose(image).convert("RGB")
    image.thumbnail((longer_side, longer_side), PIL.Image.Resampling.LANCZOS)
    return image


def hash_gradients(image: PIL.Image.Image) -> int:
    """64 bits: whether each of 8 x 8 cells is darker than its right neighbour. Alike pictures share most of them."""
    cells = np.asarray(image.convert("L").resize((9, 8), PIL.Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def gather(source: Source, folder: Path, longer_side: int) -> list[Photograph]:
    """All photographs of a source."""
    repository = open_repository(folder, source.repository)
    authors = read_flower_authors(folder) if source.name == "flowers" else None
    photographs = []
    for blob, path in tqdm([*list_blobs(repository, source.pattern)], desc=source.name):
        author = source.author if authors is None else authors.get(Path(path).name)
        if author is None:
            continue
        try:
            image = read_photograph(run_git(repository, "cat-file", "blob", blob), longer_side)
        except (subprocess.CalledProcessError, OSError) as error:  # a partial clone lacks files; some are damaged
            print(f"{path} is left out: {error}")
            continue
        photographs.append(Photograph(source, path, author, image, hash_gradients(image)))
    return photographs


def mark_near_duplicates(photographs: list[Photograph]) -> None:
    """Set `duplicate_of` of every photograph that looks like an earlier one that is kept."""
    kept_bits, kept = np.zeros(len(photographs), dtype=np.uint64), []
    for photograph in photographs:
        others = kept_bits[: len(kept)] ^ np.uint64(photograph.bits)
        differing = np.unpackbits(others.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)
        if len(kept) and differing.min() <= NEAR_DUPLICATE_BITS:
            photograph.duplicate_of = kept[int(differing.argmin())].path
        else:
            kept_bits[len(kept)] = photograph.bits
            kept.append(photograph)


def choose_part(photograph: Photograph) -> str:
    """train, held_out or near_duplicates."""
    if photograph.duplicate_of:
        return "near_duplicates"
    digest = hashlib.sha256(f"{photograph.source.repository}/{photograph.path}".encode()).digest()
    return "held_out" if int.from_bytes(digest[:8], "big") % HELD_OUT_ONE_IN == 0 else "train"


@dataclass(frozen=True)
class GatheringArguments:
    """Where to, and how large."""

    output_dir: str = field(metadata={"help": "Photographs and photographs.csv go here."})
    repositories: str | None = field(
        default=None,
        metadata={"help": "Folder of bare clones OWNER+NAME.git, made where missing; none: in the output."},
    )
    sources: str = field(
        default=",".join(source.name for source in SOURCES), metadata={"help": "Names, separated by commas."}
    )
    longer_side: int = field(default=320, metadata={"help": "Larger photographs are reduced to so many pixels."})


def main(args: GatheringArguments) -> None:
    require_positive(args, "longer_side")
    by_name = {source.name: source for source in SOURCES}
    if unknown := [name for name in args.sources.split(",") if name not in by_name]:
        raise ValueError(f"Unknown sources {', '.join(unknown)}; choose from {', '.join(by_name)}.")
    output_dir = Path(args.output_dir)
    repositories = Path(args.repositories) if args.repositories else output_dir / "repositories"
    repositories.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in args.sources.split(","):
        photographs = gather(by_name[name], repositories, args.longer_side)
        mark_near_duplicates(photographs)
        for photograph in photographs:
            part = choose_part(photograph)
            folder = output_dir / part / name
            folder.mkdir(parents=True, exist_ok=True)
            photograph.image.save(folder / photograph.file_name, quality=90)
            source = photograph.source
            row = (part, name, photograph.file_name, source.repository, photograph.path)
            rows.append((*row, source.licence, photograph.author, photograph.duplicate_of))
        counts = [sum(row[:2] == (part, name) for row in rows) for part in ("train", "held_out")]
        print(f"{name}: {counts[0]} to train on, {counts[1]} held out, {len(photographs)} in all")
    with (output_dir / "photographs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("part", "source", "file", "repository", "path", "licence", "author", "near_duplicate_of"))
        writer.writerows(rows)


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, GatheringArguments)))
