# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A web server on the loopback interface for tests of photos at addresses: real HTTP, with faults by name of the path."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback import serving


@dataclass
class PhotoServer:
    """What is served: contents by path, where paths redirect to, and the requests that came, as (path, Host)."""

    url: str = ""
    port: int = 0
    contents: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """The headers of the last request."""


@contextmanager
def running_photo_server(tls: Any = None) -> Iterator[PhotoServer]:
    """Serve from a thread of this process; `tls` is an SSL context for https.

    Beside its contents: /endless sends zeros until nobody listens, /silent nothing, /drip a byte of its headers at a time,
    /packed a gzip answer, /short less than it announces.
    """
    state, stop = PhotoServer(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers["Host"]))
            state.headers = dict(self.headers.items())
            if self.path in state.redirects:
                self.answer(302, b"", Location=state.redirects[self.path])
            elif self.path in state.contents:
                self.answer(200, state.contents[self.path])
            elif self.path == "/endless":
                self.send_response(200)
                self.end_headers()
                while not stop.is_set():
                    self.wfile.write(bytes(2**16))
            elif self.path == "/silent":
                stop.wait(20)
            elif self.path == "/drip":
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
                while not stop.wait(0.1):
                    self.wfile.write(b"x")
                    self.wfile.flush()
            elif self.path == "/packed":
                self.answer(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"})
            elif self.path == "/short":
                self.answer(200, b"abc", **{"Content-Length": "10"})
            else:
                self.answer(404, b"nothing here")

        def answer(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:  # a client that went away is what some tests are about
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state.port = server.server_port
    state.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{state.port}"
    with serving(server, stop):
        yield state
