# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Upload of a checkpoint to the Hub: what would change is planned first, then sent as one commit or not at all.

huggingface_hub's upload_folder commits in several steps, so that an interrupted upload leaves half a checkpoint under the
name of a whole one. Here file contents go first and one commit then makes them visible; contents that arrived before an
interruption are not sent again. The commit names the state that was planned on, so that nobody's edit in between is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, validate_repo_id

from .folder import read_checkpoint_folder
from .requests import HubError, HubUnreachableError, call_hub
from .upload_plan import PushPlan, RemoteState, holds, plan_alike, plan_push


@dataclass(frozen=True)
class PushResult:
    """A plan, and the address of its commit; None in a dry run or if there was nothing to do."""

    plan: PushPlan
    commit_url: str | None


def push_folder(
    folder: str | Path,
    repo_id: str,
    private: bool = True,
    dry_run: bool = False,
    revision: str | None = None,
    commit_message: str | None = None,
    token: str | None = None,
    overwrite: bool = False,
    own_weights: bool = False,
    linked_from: Path | None = None,
    api: HfApi | None = None,
    show_plan: Callable[[PushPlan], None] = lambda plan: None,
) -> PushResult:
    """Upload a checkpoint folder's files to `owner/name` in one commit; the repository is made if there is none.

    If nobody has edited the card, its code is made to name the repository. An edited card on the Hub is kept.
    `overwrite` goes on even if the repository holds another model; `own_weights` says that converted weights are not
    Meta's. `linked_from` is the folder whose files the entries of `folder` may be links to; other links out of it are
    refused. `dry_run` only reads. `show_plan` sees the plan before anything is sent.

    Raises:
        ValueError: the folder is no whole checkpoint, the card lacks its licence, the name is wrong, or the repository
            holds another model.
        HubError: the Hub refused, failed or was not reached; nothing was committed, unless the message names a commit.
    """
    checkpoint = read_checkpoint_folder(folder, own_weights, linked_from)
    check_repo_id(repo_id)
    branch = HubBranch(api or HfApi(token=token), repo_id, revision, token)
    try:
        remote = branch.read()
    except HubUnreachableError as error:
        if not dry_run:
            raise
        note = f"This is the local plan only, not compared with the Hub. {error}"
        plan = plan_alike(checkpoint, repo_id, "unknown", note)
        show_plan(plan)
        return PushResult(plan, None)
    plan = plan_push(checkpoint, remote, repo_id, revision, private, overwrite)
    show_plan(plan)
    if dry_run or not (plan.additions or plan.deletions):
        return PushResult(plan, None)
    parent = branch.prepare(remote, private)
    message = commit_message or f"Upload {checkpoint.path.resolve().name}"
    return PushResult(plan, branch.send(plan, parent, message))


def check_repo_id(repo_id: str) -> None:
    """Raise ValueError for anything but a valid `owner/name`."""
    validate_repo_id(repo_id)
    if repo_id.count("/") != 1:
        raise ValueError(f"{repo_id!r} names no repository: write owner/name.")


class HubBranch:
    """One branch of one repository (None: main), and what is asked of it."""

    def __init__(self, api: HfApi, repo_id: str, revision: str | None, token: str | None) -> None:
        self.api, self.repo_id, self.revision = api, repo_id, revision
        self.token = token or api.token

    def read(self) -> RemoteState | None:
        """State of the repository; None if the token sees none."""
        try:
            return call_hub("Reading the repository", self.repo_id, self._read)
        except RepositoryNotFoundError:
            return None

    def _read(self) -> RemoteState:
        has_branch = True
        try:
            info = self.api.repo_info(self.repo_id, revision=self.revision, token=self.token)
        except RevisionNotFoundError:
            info, has_branch = self.api.repo_info(self.repo_id, token=self.token), False
        assert info.sha is not None
        entries = self.api.list_repo_tree(self.repo_id, revision=info.sha, token=self.token)
        files = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
        texts = {name: self._fetch_text(name, info.sha) for name in ("config.json", "README.md") if name in files}
        return RemoteState(info.sha, files, texts, bool(info.private), has_branch)

    def _fetch_text(self, name: str, commit: str) -> str:
        """Content of a small file, past the cache of downloads."""
        url = hf_hub_url(self.repo_id, name, revision=commit, endpoint=self.api.endpoint)
        response = get_session().get(url, headers=build_hf_headers(token=self.token))
        hf_raise_for_status(response)
        return response.content.decode("utf-8", errors="replace")

    def prepare(self, remote: RemoteState | None, private: bool) -> str:
        """Make the repository and the branch if missing; returns the commit to build on.

        Raises:
            HubError: not allowed, or somebody else made the repository at the same time.
        """
        api, name, token = self.api, self.repo_id, self.token
        if remote is None:
            making = "Creating the repository"
            call_hub(making, name, lambda: api.create_repo(name, private=private, exist_ok=True, token=token))
            remote = self.read()
            if remote is None or set(remote.files) - {".gitattributes"}:
                raise HubError(f"{making}: {name} is not the empty one that was made; run the same command again.")
        if not remote.has_branch:
            branch = self.revision or "main"
            making = "Creating the branch"
            call_hub(making, name, lambda: api.create_branch(name, branch=branch, exist_ok=True, token=token))
        return remote.commit

    def send(self, plan: PushPlan, parent: str, message: str) -> str:
        """Upload contents, commit, and see that the commit holds them; its address.

        Raises:
            HubError: it did not arrive, and the branch is unchanged; or the commit in the message could not be checked.
        """
        additions, deletions = plan.additions, plan.deletions
        target: dict[str, Any] = {"repo_id": self.repo_id, "revision": self.revision, "token": self.token}

        def upload() -> None:
            try:
                self.api.preupload_lfs_files(additions=additions, free_memory=False, **target)
            except (RuntimeError, ValueError) as error:
                if isinstance(error, HfHubHTTPError):
                    raise
                # It stands around the true cause, or is a refusal of hf_xet or of the storage.
                raise error.__cause__ or HubError(f"Uploading: {error}") from None

        def commit() -> str:
            options: dict[str, Any] = {"commit_message": message, "parent_commit": parent, **target}
            return self.api.create_commit(operations=[*additions, *deletions], **options).commit_url

        url = None
        try:
            call_hub("Uploading", self.repo_id, upload, repeats=False)  # huggingface_hub repeats these itself
            url = call_hub("Committing", self.repo_id, commit)
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise HubError(f"{self.repo_id} disappeared during the upload: {error}") from error
        except HfHubHTTPError:
            pass  # 412: the branch moved, through somebody else or a commit of ours whose answer was lost
        try:
            remote = self.read()
        except HubError as error:
            if url is None:
                raise
            cause = error.__cause__ or error
            raise HubError(f"{url} is made, but could not be read back to check it: {cause}") from error
        there = remote.files if remote else {}
        wrong = [item.path_in_repo for item in additions if not holds(there.get(item.path_in_repo), item)]
        wrong += [item.path_in_repo for item in deletions if item.path_in_repo in there]
        if wrong and url is None:
            raise HubError(f"{self.repo_id} was changed by somebody during the upload; run the same command again.")
        if wrong:
            raise HubError(f"The Hub did not take {', '.join(wrong)}; does a .gitignore of {self.repo_id} name them?")
        return url or f"{self.api.endpoint}/{self.repo_id}/commit/{remote.commit if remote else ''}"
