# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Web servers on the loopback interface, each in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


@contextmanager
def serving(server: ThreadingHTTPServer, stop: threading.Event) -> Iterator[None]:
    """Let a server answer within the block; `stop` tells handlers that wait that it is over."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
