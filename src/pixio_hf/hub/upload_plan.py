# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What an upload would change: a folder compared with a repository, file by file. Nothing here uses the network."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.hf_api import RepoFile
from tqdm.auto import tqdm

from ..model_cards.signature import is_replaceable_card
from ..text_files import parse_json_object
from .folder import LOADED_WEIGHTS, CheckpointFolder

IDENTITY = ("model_type", "architectures", "hidden_size", "num_hidden_layers")


@dataclass(frozen=True)
class PlannedFile:
    """One file of the repository: new, changed, unchanged, kept (theirs stays), removed, or unknown (no network)."""

    name: str
    num_bytes: int
    action: str
    sha256: bytes | None = None  # where it had to be read for the comparison


@dataclass(frozen=True)
class PushPlan:
    """What an upload does: one entry per file, what stays on this machine, and remarks for the reader."""

    repo_id: str
    files: tuple[PlannedFile, ...]
    left_behind: tuple[str, ...]
    notes: tuple[str, ...]

    def select(self, *actions: str) -> list[PlannedFile]:
        return [file for file in self.files if file.action in actions]

    def describe(self) -> str:
        """The plan as lines of text."""
        width = max(len(file.name) for file in self.files)
        lines = [f"{file.action:9} {file.name:{width}} {file.num_bytes:>15,} bytes" for file in self.files]
        sent = self.select("new", "changed", "unknown")
        lines.append(f"to send: {len(sent)} files, {sum(file.num_bytes for file in sent):,} bytes, to {self.repo_id}")
        if self.left_behind:
            lines.append(f"stays on this machine: {', '.join(self.left_behind)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


@dataclass(frozen=True)
class RemoteState:
    """A repository as it is: commit, files in its root, the text of its card and configuration, visibility."""

    commit: str
    files: dict[str, RepoFile]
    texts: dict[str, str]
    private: bool
    has_branch: bool = True


def plan_push(
    checkpoint: CheckpointFolder,
    remote: RemoteState | None,
    repo_id: str,
    revision: str | None = None,
    private: bool = True,
    overwrite: bool = False,
) -> PushPlan:
    """Actions of an upload, from the state of the repository; None: there is none yet.

    Raises:
        ValueError: the repository holds another model, and `overwrite` is not set.
    """
    if remote is None:
        visibility = "private" if private else "public"
        files = list_files(checkpoint, "new")
        note = f"{repo_id} does not exist, or your token does not see it; it is made, {visibility}."
        return PushPlan(repo_id, files, checkpoint.left_behind, (note,))
    if not overwrite:
        check_same_model(repo_id, checkpoint.config, remote)
    visibility = "private" if remote.private else "public"
    notes = [f"{repo_id} exists and is {visibility}; an upload does not change that."]
    if not remote.has_branch:
        notes.append(f"The branch {revision} does not exist; it is made from main.")
    planned = []
    for name in checkpoint.files:
        file = compare_file(checkpoint.locate(name), remote.files.get(name))
        if name == "README.md" and file.action == "changed" and not is_replaceable_card(remote.texts[name]):
            file = PlannedFile(name, file.num_bytes, "kept")
            notes.append(
                f"{name} on the Hub was written or edited by a person and stays. To replace it: hf upload {repo_id}"
                f" MODEL_DIR/{name} {name}"
            )
        planned.append(file)
    # They would be loaded in the place of the new ones.
    stale = [name for name in remote.files if LOADED_WEIGHTS.fullmatch(name) and name not in checkpoint.files]
    planned += [PlannedFile(name, remote.files[name].size, "removed") for name in stale]
    return PushPlan(repo_id, tuple(planned), checkpoint.left_behind, tuple(notes))


def list_files(checkpoint: CheckpointFolder, action: str) -> tuple[PlannedFile, ...]:
    """All files of a checkpoint under one action, without a look at what is in them."""
    return tuple(PlannedFile(name, checkpoint.locate(name).stat().st_size, action) for name in checkpoint.files)


def check_same_model(repo_id: str, config: dict[str, Any], remote: RemoteState) -> None:
    """Raise ValueError where a repository holds weights of a model of another kind or size."""
    hint = "Choose another repository, or pass --overwrite (overwrite=True) to replace it."
    if "config.json" not in remote.files:
        if any(name.endswith(".safetensors") for name in remote.files):
            raise ValueError(f"{repo_id} holds weights, but no config.json that says of which model. {hint}")
        return
    try:
        theirs = parse_json_object(remote.texts["config.json"], f"config.json of {repo_id}")
    except ValueError as error:
        raise ValueError(f"{error} {hint}") from error
    different = [key for key in IDENTITY if theirs.get(key) != config.get(key)]
    if different:
        said = "; ".join(f"{key} {theirs.get(key)} there, {config.get(key)} here" for key in different)
        raise ValueError(f"{repo_id} holds another model: {said}. {hint}")


def compare_file(path: Path, remote: RepoFile | None) -> PlannedFile:
    """Whether a file is new, changed or unchanged; its content is read only where the sizes agree."""
    num_bytes = path.stat().st_size
    if remote is None or remote.size != num_bytes:
        return PlannedFile(path.name, num_bytes, "changed" if remote else "new")
    if remote.lfs is None:
        is_same = hash_git_blob(path) == remote.blob_id
        return PlannedFile(path.name, num_bytes, "unchanged" if is_same else "changed")
    digest = hash_file(path)
    return PlannedFile(path.name, num_bytes, "unchanged" if digest.hex() == remote.lfs.sha256 else "changed", digest)


def hash_git_blob(path: Path) -> str:
    """Name that git gives the content of a small file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def hash_file(path: Path) -> bytes:
    """SHA-256 of a file, with a progress bar."""
    digest = hashlib.sha256()
    bar = tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=f"comparing {path.name}", delay=1)
    with path.open("rb") as file, bar:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.digest()
