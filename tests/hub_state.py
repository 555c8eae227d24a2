# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the Hub of tests/hub_server.py stores: repositories, LFS objects, planned faults and a log of the requests."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITER, READER = (
    "hf_writer",
    "hf_reader",
)  # the tokens it knows: of "owner", who may write, and of "guest", who may read
USERS = {WRITER: "owner", READER: "guest"}


def git_oid(content: bytes) -> str:
    """Hash of a file in git."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(path: str) -> bool:
    return path.endswith((".safetensors", ".pth", ".bin"))


def describe_file(path: str, content: bytes) -> dict[str, Any]:
    """Entry of a repository's tree."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if is_lfs(path):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry


@dataclass
class Repo:
    """Branches and commits of one model repository."""

    private: bool
    gated: bool = False
    readers: set[str] = field(default_factory=set)  # tokens that a gated repository lets in
    ignored: set[str] = field(default_factory=set)  # paths that a .gitignore of the repository names
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits[sha], self.branches[branch] = dict(files), sha
        self.messages.append(message)
        return sha

    def resolve(self, revision: str) -> str | None:
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits else None

    def files(self, revision: str = "main") -> dict[str, bytes]:
        sha = self.resolve(revision)
        assert sha is not None, f"no revision {revision}"
        return self.commits[sha]


@dataclass
class Fault:
    """What goes wrong at the next `times` requests of an endpoint, after `skip` good ones."""

    endpoint: str
    times: int
    skip: int
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None  # bytes of the answer, or of the request's body for uploads
    seconds: float = 0.0
    after_work: bool = False  # the work is done, only its answer is lost


@dataclass(frozen=True)
class Request:
    """One entry of the log."""

    endpoint: str
    method: str
    path: str
    token: str | None
    num_bytes: int


class Hub:
    """State of the server: repositories, stored LFS objects, planned faults, and the log of requests."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.requests: list[Request] = []
        self.lock = threading.RLock()
        self.chunk_size: int | None = None  # bytes of a part; with it, LFS uploads are multipart
        self.url = ""
        self._faults: list[Fault] = []

    def add_repo(self, repo_id: str, files: dict[str, bytes] | None = None, **options: Any) -> Repo:
        repo = self.repos[repo_id] = Repo(**{"private": False, **options})
        repo.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n", **(files or {})}, "initial commit")
        return repo

    def fail(self, endpoint: str, status: int, times: int = 10**6, skip: int = 0, after_work=False, **headers) -> None:
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self._faults.append(Fault(endpoint, times, skip, status, named, after_work=after_work))

    def drop(self, endpoint: str, after_bytes: int = 0, times: int = 10**6, skip: int = 0, after_work=False) -> None:
        self._faults.append(Fault(endpoint, times, skip, drop_after=after_bytes, after_work=after_work))

    def slow(self, endpoint: str, seconds: float, times: int = 10**6, skip: int = 0) -> None:
        self._faults.append(Fault(endpoint, times, skip, seconds=seconds))

    def heal(self) -> None:
        """Forget the planned faults and the log."""
        self._faults.clear()
        self.requests.clear()

    def count(self, endpoint: str) -> int:
        return sum(request.endpoint == endpoint for request in self.requests)

    def environment(self, home: Path, token: str | None = WRITER) -> dict[str, str]:
        """Variables with which a process talks to this Hub and to no other, with its own cache."""
        variables = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        return {
            **variables,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_TOKEN": token or "",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }

    def take_fault(self, endpoint: str) -> Fault | None:
        with self.lock:
            for fault in self._faults:
                if fault.endpoint != endpoint:
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    return fault
        return None


class Answer(Exception):
    """A response, raised from wherever it is known."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
