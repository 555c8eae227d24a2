# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A small Hub on the loopback interface for tests of uploads and downloads: real HTTP, kept in memory, faults on request.

    with running_hub() as hub:
        hub.fail("put", status=500, times=2)  # the next two uploads; see also hub.drop and hub.slow
        api = HfApi(endpoint=hub.url, token=WRITER)  # in this process: with huggingface_hub.constants.HF_HUB_DISABLE_XET
        subprocess.run(command, env={**os.environ, **hub.environment(tmp_path)})  # or in another one
        assert hub.count("put") == 3 and hub.repos["owner/model"].files()["config.json"]

It implements what huggingface_hub 2.4 and transformers 5.23 ask of a Hub about models: the names in ROUTES. LFS files are
served from another origin, as on the Hub, and a token that arrives there is an error.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_state import READER, USERS, WRITER, Answer, Fault, Hub, Repo, Request, describe_file, git_oid, is_lfs
from tests.loopback import serving

__all__ = ["READER", "WRITER", "Hub", "Repo", "running_hub"]

REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    (name, re.compile(pattern))
    for name, pattern in (
        ("create", r"POST /api/repos/create"),
        ("whoami", r"GET /api/whoami-v2"),
        ("validate", r"POST /api/validate-yaml"),
        ("info", rf"GET /api/models/{REPO}(?:/revision/(?P<revision>.+))?"),
        ("tree", rf"GET /api/models/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?"),
        ("paths", rf"POST /api/models/{REPO}/paths-info/(?P<revision>.+)"),
        ("preupload", rf"POST /api/models/{REPO}/preupload/(?P<revision>.+)"),
        ("commit", rf"POST /api/models/{REPO}/commit/(?P<revision>.+)"),
        ("branch", rf"POST /api/models/{REPO}/branch/(?P<revision>.+)"),
        ("batch", rf"POST /{REPO}\.git/info/lfs/objects/batch"),
        ("put", r"PUT /lfs/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?"),
        ("complete", r"POST /lfs/(?P<oid>[0-9a-f]{64})/complete"),
        ("verify", rf"POST /lfs/verify/{REPO}"),
        ("resolve", rf"(?:GET|HEAD) /{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
        ("cdn", r"(?:GET|HEAD) /cdn/(?P<oid>[0-9a-f]{64})"),
    )
]
WRITES = ("preupload", "commit", "branch", "batch", "verify")


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve an empty Hub from a thread of this process; yields its state."""
    hub, stop = Hub(), threading.Event()

    class BoundHandler(Handler):
        state, stopping = hub, stop

    server = ThreadingHTTPServer(("127.0.0.1", 0), BoundHandler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    with serving(server, stop):
        yield hub


class Handler(BaseHTTPRequestHandler):
    """One connection: find the endpoint, apply the fault planned for it, answer, log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: Hub
    stopping: threading.Event

    def serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        matches = [(name, match) for name, route in ROUTES if (match := route.fullmatch(f"{self.command} {path}"))]
        endpoint, found = (matches[0][0], matches[0][1].groupdict()) if matches else ("unknown", {})
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        fault = self.state.take_fault(endpoint)
        body = self.read_body(fault.drop_after if fault and not fault.after_work else None)
        with self.state.lock:
            self.state.requests.append(Request(endpoint, self.command, path, token, len(body)))
        if fault and fault.seconds:
            self.stopping.wait(fault.seconds)
        self.send(self.find_answer(endpoint, found, token, body, fault), fault)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def find_answer(
        self, endpoint: str, found: dict[str, str], token: str | None, body: bytes, fault: Fault | None
    ) -> Answer:
        planned = Answer(fault.status or 500, {"error": "planned by the test"}, **fault.headers) if fault else None
        cut_off = fault is not None and fault.drop_after is not None and self.command not in ("GET", "HEAD")
        if planned and fault and not fault.after_work and (fault.status or cut_off):
            return planned
        try:
            with self.state.lock:
                answer(self.state, endpoint, found, token, body, self.path)
        except Answer as reply:
            return planned if planned and fault and fault.status else reply
        raise AssertionError(f"{endpoint} gave no answer")

    def read_body(self, limit: int | None) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        length = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(length if limit is None else min(limit, length))

    def send(self, reply: Answer, fault: Fault | None) -> None:
        content, status, extra = reply.body, reply.status, {}
        requested = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if requested and status == 200:
            first, last = int(requested[1]), min(int(requested[2] or len(content)), len(content) - 1)
            status, extra = 206, {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
            content = content[first : last + 1]
        lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(content)}"]
        lines += [
            f"{name}: {value}"
            for name, value in {"Content-Type": "application/json", **reply.headers, **extra}.items()
        ]
        message = ("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if self.command == "HEAD" else content)
        if fault and fault.drop_after is not None:
            # A body that was not read stands for an upload cut off; else the answer is.
            sent = message[: len(message) - len(content) + fault.drop_after] if self.command == "GET" else b""
            self.wfile.write(sent)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(message)

    def log_message(self, format: str, *args: Any) -> None:
        """The log is hub.requests."""


def answer(hub: Hub, endpoint: str, found: dict[str, str], token: str | None, body: bytes, url: str) -> None:
    """Do what a request asks; raises the Answer."""
    if token is not None and token not in USERS:
        raise Answer(401, {"error": "Invalid credentials in Authorization header"})
    if endpoint == "put":
        store_part(hub, found["oid"], int(found["part"] or 0), body)
    if endpoint == "cdn":
        assert token is None, "a token left the Hub's origin"
        raise Answer(200, hub.objects[found["oid"]], ETag=f'"{found["oid"]}"')
    if endpoint == "complete":
        parts = json.loads(body)["parts"]
        store_part(hub, found["oid"], 0, b"".join(hub.parts.pop((found["oid"], part["partNumber"])) for part in parts))
    if endpoint == "whoami":
        raise Answer(200, {"type": "user", "name": USERS[token], "orgs": []}) if token else Answer(401)
    if endpoint == "validate":
        raise Answer(200, {"errors": [], "warnings": []})
    if endpoint == "create":
        create_repo(hub, token, json.loads(body))
    if endpoint == "unknown":
        raise Answer(404, {"error": f"hub_server has no endpoint {url}"})
    name = found["repo"]
    repo = hub.repos.get(name)
    if repo is None or (repo.private and token is None):
        raise Answer(404 if token else 401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
    if endpoint in WRITES and (token is None or USERS[token] != name.split("/")[0]):
        raise Answer(403 if token else 401, {"error": "You don't have the rights to write here"})
    revision = found.get("revision") or "main"
    if endpoint == "branch":
        repo.branches[revision] = repo.branches["main"]
        raise Answer(200)
    if endpoint == "verify":
        wanted = json.loads(body)
        stored = hub.objects.get(wanted["oid"], b"")
        raise Answer(200 if len(stored) == wanted["size"] else 422, {"error": "size differs"})
    if endpoint == "batch":
        raise Answer(
            200,
            {"transfer": "basic", "objects": [plan_upload(hub, name, item) for item in json.loads(body)["objects"]]},
        )
    sha = repo.resolve(revision)
    if sha is None:
        raise Answer(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
    if endpoint == "commit":
        commit(hub, repo, name, revision, [json.loads(line) for line in body.splitlines()])
    read(hub, endpoint, name, repo, sha, found, token, body)


def create_repo(hub: Hub, token: str | None, wanted: dict[str, Any]) -> None:
    if token is None:
        raise Answer(401, {"error": "Invalid username or password."})
    owner = wanted.get("organization") or USERS[token]
    name = f"{owner}/{wanted['name']}"
    if owner != USERS[token]:
        raise Answer(403, {"error": f'You don\'t have the rights to create a model under the namespace "{owner}"'})
    if name in hub.repos:
        raise Answer(409, {"error": "You already created this model repo", "url": f"{hub.url}/{name}"})
    hub.add_repo(name, private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
    raise Answer(200, {"url": f"{hub.url}/{name}", "name": name})


def plan_upload(hub: Hub, name: str, item: dict[str, Any]) -> dict[str, Any]:
    """The LFS batch endpoint's word on one object: nothing to do, one upload, or one for each part."""
    if item["oid"] in hub.objects:
        return item
    target, header = f"{hub.url}/lfs/{item['oid']}", {}
    if hub.chunk_size:
        count = -(-item["size"] // hub.chunk_size)
        header = {"chunk_size": str(hub.chunk_size), **{str(part): f"{target}/{part}" for part in range(1, count + 1)}}
        target += "/complete"
    actions = {"upload": {"href": target, "header": header}, "verify": {"href": f"{hub.url}/lfs/verify/{name}"}}
    return {**item, "actions": actions}


def store_part(hub: Hub, oid: str, part: int, content: bytes) -> None:
    if part:
        hub.parts[oid, part] = content
    elif hashlib.sha256(content).hexdigest() != oid:
        raise Answer(400, {"error": "the content does not have the hash that was announced"})
    else:
        hub.objects[oid] = content
    raise Answer(200, {}, ETag=f'"{hashlib.md5(content).hexdigest()}"')


def commit(hub: Hub, repo: Repo, name: str, revision: str, lines: list[dict[str, Any]]) -> None:
    """All of a commit or nothing of it."""
    header, files = lines[0]["value"], dict(repo.files(revision))
    if header.get("parentCommit") not in (None, repo.branches[revision]):
        raise Answer(412, {"error": "A commit has happened since. Please refresh and try again."})
    for line in lines[1:]:
        item = line["value"]
        if line["key"] == "file":
            files[item["path"]] = base64.b64decode(item["content"])
        elif line["key"] == "lfsFile" and item["oid"] in hub.objects:
            files[item["path"]] = hub.objects[item["oid"]]
        elif line["key"] == "deletedFile" and item["path"] in files:
            del files[item["path"]]
        else:
            raise Answer(400, {"error": f"{line['key']} {item['path']} cannot be committed"})
    sha = repo.commit(revision, files, header["summary"])
    raise Answer(200, {"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha})


def read(
    hub: Hub, endpoint: str, name: str, repo: Repo, sha: str, found: dict[str, str], token: str | None, body: bytes
) -> None:
    files = repo.commits[sha]
    if endpoint == "info":
        siblings = [{"rfilename": path} for path in files]
        about = {"id": name, "modelId": name, "sha": sha, "private": repo.private, "tags": [], "siblings": siblings}
        raise Answer(200, {**about, "gated": "manual" if repo.gated else False, "downloads": 0, "likes": 0})
    if endpoint == "tree":
        raise Answer(200, [describe_file(path, content) for path, content in files.items()])
    if endpoint == "paths":
        wanted = parse_qs(body.decode())["paths"]
        raise Answer(200, [describe_file(path, files[path]) for path in wanted if path in files])
    if endpoint == "preupload":
        plans = []
        for item in json.loads(body)["files"]:
            path, known = (
                item["path"],
                describe_file(item["path"], files[item["path"]]) if item["path"] in files else {},
            )
            oid = known["lfs"]["oid"] if "lfs" in known else known.get("oid")
            mode = "lfs" if is_lfs(path) else "regular"
            plans.append({"path": path, "uploadMode": mode, "shouldIgnore": path in repo.ignored, "oid": oid})
        raise Answer(200, {"files": plans})
    assert endpoint == "resolve", endpoint
    if repo.gated and token not in repo.readers:
        words = f"Access to model {name} is restricted and you are not in the authorized list."
        raise Answer(403 if token else 401, {"error": words}, X_Error_Code="GatedRepo", X_Error_Message=words)
    path = found["path"]
    if path not in files:
        raise Answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=sha)
    content = files[path]
    if not is_lfs(path):
        raise Answer(200, content, ETag=f'"{git_oid(content)}"', X_Repo_Commit=sha)
    oid = hashlib.sha256(content).hexdigest()
    hub.objects.setdefault(oid, content)
    elsewhere = f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn/{oid}"
    linked = {"X_Linked_Etag": f'"{oid}"', "X_Linked_Size": str(len(content)), "X_Repo_Commit": sha}
    raise Answer(302, b"", Location=elsewhere, **linked)
