# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What an upload would change: a folder compared with a repository, file by file. Nothing here uses the network."""

from dataclasses import dataclass
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.sha import git_hash
from tqdm.auto import tqdm

from ..model_cards.signature import is_replaceable_card, name_repository
from ..text_files import parse_json_object
from .folder import LOADED_WEIGHTS, CheckpointFolder

IDENTITY = ("model_type", "architectures", "hidden_size", "num_hidden_layers")


@dataclass(frozen=True)
class PlannedFile:
    """One file of the repository: new, changed, unchanged, kept (theirs stays), removed, or unknown (no network)."""

    name: str
    num_bytes: int
    action: str
    addition: CommitOperationAdd | None = None
    """What huggingface_hub would send."""


@dataclass(frozen=True)
class PushPlan:
    """What an upload does: one entry per file, what stays on this machine, and remarks for the reader."""

    repo_id: str
    files: tuple[PlannedFile, ...]
    left_behind: tuple[str, ...]
    notes: tuple[str, ...]

    def select(self, *actions: str) -> list[PlannedFile]:
        return [file for file in self.files if file.action in actions]

    @property
    def additions(self) -> list[CommitOperationAdd]:
        """Operations of a commit that send what is new or changed."""
        return [file.addition for file in self.select("new", "changed") if file.addition is not None]

    @property
    def deletions(self) -> list[CommitOperationDelete]:
        """Operations of a commit that delete what is removed."""
        return [CommitOperationDelete(file.name) for file in self.select("removed")]

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

    In a card that nobody has edited, the code names the repository.

    Raises:
        ValueError: the repository holds another model, and `overwrite` is not set.
    """
    if remote is None:
        visibility = "private" if private else "public"
        note = f"{repo_id} does not exist, or your token does not see it; it is made, {visibility}."
        return plan_alike(checkpoint, repo_id, "new", note)
    if not overwrite:
        check_same_model(repo_id, checkpoint.config, remote)
    visibility = "private" if remote.private else "public"
    notes = [f"{repo_id} exists and is {visibility}; an upload does not change that."]
    if not remote.has_branch:
        notes.append(f"The branch {revision} does not exist; it is made from main.")
    planned = []
    for addition in tqdm(read_additions(checkpoint, repo_id), desc="Comparing with the Hub", delay=1):
        name = addition.path_in_repo
        theirs = remote.files.get(name)
        action = "new" if theirs is None else "unchanged" if holds(theirs, addition) else "changed"
        if name == "README.md" and action == "changed" and not is_replaceable_card(remote.texts[name]):
            action = "kept"
            notes.append(
                f"{name} on the Hub was written or edited by a person and stays. To replace it: hf upload {repo_id}"
                f" MODEL_DIR/{name} {name}"
            )
        planned.append(PlannedFile(name, addition.upload_info.size, action, addition))
    # Otherwise they would be loaded instead of the new ones.
    stale = [name for name in remote.files if LOADED_WEIGHTS.fullmatch(name) and name not in checkpoint.files]
    planned += [PlannedFile(name, remote.files[name].size, "removed") for name in stale]
    return PushPlan(repo_id, tuple(planned), checkpoint.left_behind, tuple(notes))


def plan_alike(checkpoint: CheckpointFolder, repo_id: str, action: str, note: str) -> PushPlan:
    """A plan of one action for all files, without a look at what is in them."""
    planned = (
        PlannedFile(addition.path_in_repo, addition.upload_info.size, action, addition)
        for addition in read_additions(checkpoint, repo_id)
    )
    return PushPlan(repo_id, tuple(planned), checkpoint.left_behind, (note,))


def read_additions(checkpoint: CheckpointFolder, repo_id: str) -> list[CommitOperationAdd]:
    """The checkpoint's files for the repository; only the card is read, and the others when they are compared or sent."""
    text = (checkpoint.path / "README.md").read_text("utf-8")
    named = name_repository(text, repo_id)
    return [
        CommitOperationAdd(name, named.encode() if name == "README.md" and named != text else checkpoint.path / name)
        for name in checkpoint.files
    ]


def holds(file: RepoFile | None, addition: CommitOperationAdd) -> bool:
    """Whether a repository's file has the content of an addition; that is read only where the sizes agree."""
    if file is None or file.size != addition.upload_info.size:
        return False
    if file.lfs is not None:
        return file.lfs.sha256 == addition.upload_info.sha256.hex()
    with addition.as_file() as content:
        return file.blob_id == git_hash(content.read())


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
