# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""From what a user names - files, folders, patterns, addresses, videos - to photos, one after the other.

Every problem becomes a sentence beside the others and stops nothing. The order is that of the arguments, and within a
folder or a pattern that of the names; it does not depend on the file system.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import PIL.Image

from .listings import HEIF_ENDINGS, describe_odd_file, ending_of, find_files, photo_endings, show_path
from .photo_addresses import is_address, show_address
from .photo_files import load_upright, open_photo
from .videos import VIDEO_ENDINGS, open_video

RESULT_ENDINGS = tuple(
    f"_{name}.{kind}" for name in ("depth", "depth_color", "features", "reconstruction") for kind in ("png", "mp4")
)
"""What our own commands write; in folders and patterns such files are results, not photos."""
_PATTERN = re.compile(r"[*?\[]")
_NO_NAME = re.compile(r"[^\w.() -]+")
_LONGEST_NAME = 100  # characters of an address's last part


@dataclass(frozen=True)
class PhotoSource:
    """A photo or video that was found.

    Args:
        place: its path or address.
        result_name: what its results are named after: the name without ending, with the way to it from the folder that was
            named or that a pattern begins with.
        is_video: by its ending.
        is_named: it was named itself, not found in a folder or by a pattern.
        folder: name of the folder that was named or that a pattern begins with; "" if the source was named itself.
    """

    place: str
    result_name: str
    is_video: bool = False
    is_named: bool = True
    folder: str = ""

    @property
    def shown(self) -> str:
        """The place as it is shown in messages."""
        return show_address(self.place) if is_address(self.place) else show_path(self.place)

    def open(self, allow_private: bool = False) -> PIL.Image.Image:
        """The photo, pixels not decoded yet and not turned, with its EXIF.

        Args:
            allow_private: see open_photo.

        Raises:
            ValueError: no image, damaged, not reachable, or a video.
        """
        if self.is_video:
            raise ValueError(f"{self.shown} is a video; read its frames with pixio_hf.videos.read_frames.")
        return open_photo(self.place, allow_private)


@dataclass(frozen=True)
class FoundSources:
    """What was found, in order, each once, and a sentence for everything that was named and is not there.

    Args:
        left_out: results of former runs, which are no photos.
    """

    sources: list[PhotoSource] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def find_sources(inputs: Iterable[str | os.PathLike], recursive: bool = False) -> FoundSources:
    """Photos and videos among files, folders, patterns (*, ?, [..], and ** for all folders below) and addresses.

    No file is opened and no address asked. A file is taken whatever its ending; of folders and patterns what has the ending
    of a photo or video, unless its name is that of a result (RESULT_ENDINGS). A file that is there counts as itself, also
    with a * in its name. Results of two sources that would be named alike get the name of their folder in front where that
    tells them apart, else the whole file name, except for sources that were named themselves.

    Args:
        recursive: also look into the folders below a folder.
    """
    found = FoundSources()
    for entry in inputs:
        place = os.fspath(entry)
        if is_address(place):
            _add_address(found, place)
        elif os.path.isdir(place):
            _add_folder(found, place, recursive)
        elif not os.path.lexists(place) and _PATTERN.search(place):
            _add_pattern(found, place)
        elif odd := describe_odd_file(place):
            found.problems.append(f"{show_path(place)} {odd.replace('is no file that exists', 'does not exist')}.")
        elif not os.access(place, os.R_OK):
            found.problems.append(f"{show_path(place)} cannot be read: you may not open it.")
        else:
            found.sources.append(PhotoSource(place, Path(place).stem, ending_of(place) in VIDEO_ENDINGS))
    return FoundSources(_name_apart(_leave_out_twins(found.sources)), found.problems, found.left_out)


@dataclass(frozen=True, eq=False)
class ReadPhoto:
    """A photo or a frame of a video that was read, upright; or the sentence that says why it could not be.

    Args:
        name: what its results are named after; of a frame with its number behind; "" for what was not found at all.
    """

    name: str
    image: PIL.Image.Image | None = None
    problem: str = ""


def read_photos(
    inputs: Iterable[str | os.PathLike], recursive: bool = False, allow_private: bool = False
) -> Iterator[ReadPhoto]:
    """Read everything that `find_sources` finds, one photo or frame at a time; first the sentences of what it did not find.

    See `find_sources` and `open_photo` for the arguments. Nothing is raised for a source.
    """
    found = find_sources(inputs, recursive)
    yield from (ReadPhoto("", problem=problem) for problem in found.problems)
    for source in found.sources:
        try:
            if source.is_video:
                yield from _read_video(source)
            else:
                yield ReadPhoto(source.result_name, load_upright(source.open(allow_private), source.shown))
        except ValueError as error:
            yield ReadPhoto(source.result_name, problem=str(error))


def _read_video(source: PhotoSource) -> Iterator[ReadPhoto]:
    with open_video(source.place) as video:
        for frame in video.frames():
            image = PIL.Image.fromarray(np.moveaxis(frame.pixels(), 0, -1))
            yield ReadPhoto(f"{source.result_name}_{frame.index:06d}", image)
        if damage := video.describe_damage():
            yield ReadPhoto(source.result_name, problem=f"{source.shown}: {damage}.")


def _add_address(found: FoundSources, address: str) -> None:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host:
        found.problems.append(f"{show_address(address)} is no valid address.")
        return
    last = unquote(parts.path).rstrip("/").rpartition("/")[2]
    if ending_of(last) in VIDEO_ENDINGS:
        found.problems.append(f"{show_address(address)} is a video: download it first, then name the file.")
        return
    name = _NO_NAME.sub("_", Path(last).stem).strip(". ")[:_LONGEST_NAME] or _NO_NAME.sub("_", host)
    found.sources.append(PhotoSource(address, name))


def _add_folder(found: FoundSources, folder: str, recursive: bool) -> None:
    endings = (*photo_endings(), *VIDEO_ENDINGS)
    try:
        files = find_files(folder, endings, only_utf8=False, recursive=recursive)
    except ValueError as error:
        found.problems.append(str(error))
        return
    found.problems.extend(files.problems)
    heif = [name for name in files.others if ending_of(name) in HEIF_ENDINGS]
    if heif:
        found.problems.append(
            f"{show_path(folder)} holds {len(heif)} photo{'s' * (len(heif) > 1)} in HEIC, such as {show_path(heif[0])}:"
            " reading them needs pillow-heif (pip install 'pixio-hf[heic]')."
        )
    photos = _leave_out_results(found, files.files, folder)
    if not photos and not heif and not files.problems:
        hint = "" if recursive else "; --recursive also looks into the folders below it"
        but = " but results of former runs" if files.files else ""
        found.problems.append(f"{show_path(folder)} holds no photo and no video{but}{hint}.")
    for name in photos:
        found.sources.append(_found_file(os.path.join(folder, name), os.path.splitext(name)[0], folder))


def _add_pattern(found: FoundSources, pattern: str) -> None:
    endings = (*photo_endings(), *VIDEO_ENDINGS)
    matches = sorted(glob.glob(pattern, recursive=True), key=lambda name: name.split(os.sep))
    files = [match for match in matches if ending_of(match) in endings and not os.path.isdir(match)]
    photos = _leave_out_results(found, files)
    if not photos:
        but = " but results of former runs" if files else ""
        found.problems.append(
            f"{show_path(pattern)} does not exist, and as a pattern it matches no photo and no video{but}."
        )
    fixed = os.path.dirname(pattern[: _PATTERN.search(pattern).start()])  # pyright: ignore[reportOptionalMemberAccess]
    for match in photos:
        if odd := describe_odd_file(match):
            found.problems.append(f"{show_path(match)} {odd}.")
        else:
            way = os.path.splitext(os.path.relpath(match, fixed or "."))[0]
            while way.startswith(f"..{os.sep}"):  # results stay below their folder
                way = way[3:]
            found.sources.append(_found_file(match, way, fixed))


def _leave_out_results(found: FoundSources, names: Sequence[str], folder: str = "") -> list[str]:
    """Names without those of results, which are noted with their folder."""
    is_result = [name.lower().endswith(RESULT_ENDINGS) for name in names]
    found.left_out.extend(os.path.join(folder, name) for name, left in zip(names, is_result, strict=True) if left)
    return [name for name, left in zip(names, is_result, strict=True) if not left]


def _found_file(path: str, result_name: str, folder: str) -> PhotoSource:
    folder = os.path.basename(os.path.abspath(folder or "."))
    return PhotoSource(path, result_name, ending_of(path) in VIDEO_ENDINGS, is_named=False, folder=folder)


def _leave_out_twins(sources: Sequence[PhotoSource]) -> list[PhotoSource]:
    """Sources without what folders and patterns found again."""
    named = {_identity(source) for source in sources if source.is_named}
    kept, seen = [], set()
    for source in sources:
        identity = _identity(source)
        if source.is_named or (identity not in named and identity not in seen):
            kept.append(source)
        seen.add(identity)
    return kept


def _identity(source: PhotoSource) -> str:
    return source.place if is_address(source.place) else os.path.realpath(source.place)


def _name_apart(sources: Sequence[PhotoSource]) -> list[PhotoSource]:
    """Names of results that are taken twice become those of the files (a.jpg beside a.png), and then get a number."""
    sources = _name_by_folder(sources)
    # Many disks know no difference of upper and lower case.
    counts = Counter(source.result_name.casefold() for source in sources)
    taken = {source.result_name.casefold() for source in sources if source.is_named}
    apart = []
    for source in sources:
        name = source.result_name
        if not source.is_named and counts[name.casefold()] > 1:
            name = whole = name + os.path.splitext(source.place)[1]
            number = 1
            while name.casefold() in taken:
                number += 1
                name = f"{whole}_{number}"
            taken.add(name.casefold())
        apart.append(replace(source, result_name=name))
    return apart


def _name_by_folder(sources: Sequence[PhotoSource]) -> list[PhotoSource]:
    """Names that sources of several folders share get the folder's name in front."""
    folders: dict[str, set[str]] = {}
    for source in sources:
        folders.setdefault(source.result_name.casefold(), set()).add(source.folder)
    return [
        replace(source, result_name=os.path.join(source.folder, source.result_name))
        if source.folder and len(folders[source.result_name.casefold()]) > 1
        else source
        for source in sources
    ]
