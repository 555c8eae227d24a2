# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Start the app, keep what it serves to results, and leave nothing behind."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from .page import build_app, make_look
from .settings import AppSettings, Predictors


def serve(predictors: Predictors, settings: AppSettings, host: str, port: int, share: bool = False) -> None:
    """Serve the app until it is interrupted; prints where.

    Args:
        host: address to listen at.
        port: its number.
        share: also through a public address of Gradio's, which needs their servers.

    Raises:
        OSError: the port is taken.
    """
    with results_folder() as folder:
        app = build_app(predictors, settings, folder)
        _, address, public = app.launch(**launch_options(settings, folder, host, port, share))
        try:
            print(f"The app runs at {address}  (Ctrl+C stops it)", flush=True)
            if share:
                print(
                    f"Everybody who knows the address reaches it at {public}"
                    if public
                    else "No public address could be made: Gradio's servers do not answer. The app runs here only.",
                    flush=True,
                )
            app.block_thread()
        finally:
            app.close(verbose=False)


def launch_options(settings: AppSettings, folder: Path, host: str, port: int, share: bool = False) -> dict[str, Any]:
    """Options of Gradio's `launch`: nothing is served but the page and what lies in `folder`."""
    return {
        **make_look(),
        "server_name": host,
        "server_port": port,
        "share": share,
        "prevent_thread_lock": True,
        "quiet": True,
        "show_error": False,  # our own errors are shown all the same; others could name files of this machine
        "max_file_size": settings.max_upload_bytes,
        "allowed_paths": [],
        "blocked_paths": blocked_folders(folder),
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "footer_links": ["gradio", "settings"],
        "app_kwargs": {"middleware": [Middleware(ResultsOnly, folder=folder)]},
    }


def blocked_folders(folder: Path) -> list[str]:
    """Folders that Gradio would serve by itself and must not: where the app was started, unless results lie in it."""
    here = Path.cwd().resolve()
    return [] if here in folder.resolve().parents else [str(here)]


@contextmanager
def results_folder() -> Iterator[Path]:
    """A temporary folder for uploads and results, known to Gradio as its own, removed at the end."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="pixio-hf-app-", ignore_cleanup_errors=True) as name:
        os.environ["GRADIO_TEMP_DIR"] = name
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


class ResultsOnly:
    """ASGI middleware that refuses files outside of one folder, before Gradio looks at its own rules.

    Gradio would also fetch an address that is asked for as a file, and hand it on.
    """

    def __init__(self, app: Any, folder: Path) -> None:
        self.app, self.folder = app, folder.resolve()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer it with 403."""
        if scope["type"] == "http" and not self.allows(scope["path"]):
            await PlainTextResponse("This app serves its results only.", status_code=403)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def allows(self, path: str) -> bool:
        """Whether a path of a request is none of a file, or of one inside the folder."""
        _, marker, asked = path.partition("/file=")
        if not marker:
            return "/proxy=" not in path
        try:
            return self.folder in Path(unquote(asked)).resolve().parents
        except (OSError, ValueError):
            return False
