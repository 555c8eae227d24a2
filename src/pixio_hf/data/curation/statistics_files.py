# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Statistics of a shard's images on disk: our Parquet files, and the original's JSON files, one per shard.

Both lie at ROOT/<name of the shard's parent folder>/<name of the shard without its ending>.{parquet,json}. See
docs/specification.md 3.5.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow
import pyarrow.parquet
from transformers.utils import logging

from ...files import file_in_progress
from ...listings import check_regular
from ...text_files import parse_json

logger = logging.get_logger(__name__)

# One row per image or damaged place of the shard, in its order; `error` says why the numbers of a row are missing.
SCHEMA = pyarrow.schema(
    {
        "name": pyarrow.string(),
        "width": pyarrow.int32(),
        "height": pyarrow.int32(),
        "histogram_score": pyarrow.float64(),
        "mae_loss": pyarrow.float64(),
        "error": pyarrow.string(),
    }
)
_DESCRIPTION = b"pixio_hf.curation"


def locate_statistics(shards: Iterable[str], root: str | Path) -> dict[str, Path]:
    """Where each shard's statistics belong, without an ending.

    Raises:
        ValueError: two shards would share one file.
    """
    places: dict[str, Path] = {}
    owners: dict[Path, str] = {}
    for shard in shards:
        path = PurePosixPath(shard if "://" in shard else Path(shard).absolute().as_posix())
        place = Path(root, path.parent.name, path.stem)
        if owners.setdefault(place, shard) != shard:
            raise ValueError(
                f"{owners[place]} and {shard} have the same parent folder's name and the same name, hence the same file"
                f" of statistics, {place}.parquet. Rename a folder, or curate them separately."
            )
        places[shard] = place
    return places


def find_statistics(places: dict[str, Path]) -> dict[str, Path]:
    """The file of statistics of each shard that has one, of the places where they belong.

    The original's JSON file may bear the shard's ending too, as in 0007.tar.json.

    Raises:
        ValueError: a shard has several.
    """
    listed = {
        folder: set(os.listdir(folder)) for folder in {place.parent for place in places.values()} if folder.is_dir()
    }
    found = {}
    for shard, place in places.items():
        names = {f"{place.name}.parquet", f"{place.name}.json", f"{place.name}{PurePosixPath(shard).suffix}.json"}
        present = sorted(names & listed.get(place.parent, set()))
        if len(present) > 1:
            raise ValueError(
                f"{shard} has several files of statistics in {place.parent}, {', '.join(present)}; keep one."
            )
        if present:
            found[shard] = place.parent / present[0]
    return found


def write_statistics(
    path: Path, rows: Sequence[dict[str, Any]], settings: dict[str, Any], shard_bytes: int | None
) -> None:
    """Write the statistics of one shard, under a temporary name first."""
    description = {"settings": settings, "num_rows": len(rows), "shard_bytes": shard_bytes}
    schema = SCHEMA.with_metadata({_DESCRIPTION: json.dumps(description)})
    with file_in_progress(path) as partial, partial.open("wb") as file:
        table = pyarrow.Table.from_pylist(list(rows), schema)
        pyarrow.parquet.write_table(table, file, write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())


def read_finished(path: Path, settings: dict[str, Any], shard_bytes: int | None) -> list[dict[str, Any]] | None:
    """Rows of a shard that was measured with these settings; None where there are none, or none that can be used.

    Raises:
        ValueError: the file was measured with other settings, or was not written by `write_statistics`.
    """
    if not path.exists():
        return None
    try:
        table = pyarrow.parquet.read_table(path, page_checksum_verification=True)
    except (pyarrow.ArrowException, OSError) as error:
        logger.warning(f"{path} cannot be read and is made again: {error}")
        return None
    description = describe_table(table, path)
    known = description["settings"]
    changed = [
        f"{name} was {known.get(name)}, now {settings.get(name)}"
        for name in sorted(known.keys() | settings.keys())
        if known.get(name) != settings.get(name)
    ]
    if changed:
        raise ValueError(
            f"{path} was made with other settings: {'; '.join(changed)}. Choose another output folder, or remove it."
        )
    if table.num_rows != description["num_rows"] or shard_bytes != description["shard_bytes"]:
        logger.warning(f"{path} does not fit its shard, which has changed since, and is made again.")
        return None
    return table.to_pylist()


def describe_table(table: pyarrow.Table, path: Path) -> dict[str, Any]:
    """Settings, number of rows and size of the shard, as `write_statistics` noted them."""
    noted = (table.schema.metadata or {}).get(_DESCRIPTION)
    if noted is None or not table.schema.equals(SCHEMA):
        raise ValueError(
            f"{path} was not written by curate.py: it lacks the columns {', '.join(SCHEMA.names)} or the note of how they"
            " were measured. Move it away."
        )
    return json.loads(noted)


def read_statistics(path: Path) -> dict[str, dict[str, Any]]:
    """Records of a shard's images by member name, from a .parquet or .json file; of two of one name the last counts.

    Raises:
        ValueError: the file is damaged, or of another form.
    """
    if path.suffix == ".parquet":
        try:
            table = pyarrow.parquet.read_table(path, page_checksum_verification=True)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{path} cannot be read ({error}); remove it and start curate.py again.") from error
        describe_table(table, path)
        rows = table.to_pylist()
        records = {row["name"]: row for row in rows}
        if len(records) < len(rows):
            logger.warning(
                f"{path}: {len(rows) - len(records)} names of images are not unique; the last of each counts."
            )
        return records
    try:
        check_regular(path)
        records = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(records, dict) or not all(isinstance(record, dict) for record in records.values()):
        raise ValueError(f"{path} must map names of images to records such as {{'width': 640, ...}}.")
    return records
