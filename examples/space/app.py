# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The app as a Hugging Face Space: the same as `pixio-hf app`, open to everybody, with the bundled models.

On your own machine:

    python examples/space/app.py
"""

import os
from pathlib import Path

try:
    import gradio as gr
except ImportError:
    raise SystemExit("Error: The app needs gradio: pip install 'pixio-hf[app]'.") from None

from pixio_hf.app.page import build_app
from pixio_hf.app.serving import serve
from pixio_hf.app.settings import AppSettings
from pixio_hf_cli.serve_app import make_predictors

# Visitors choose among the models of the list; further ones, by task: AppSettings(models={"depth": ["owner/name"]}, ...).
SETTINGS = AppSettings(open_to_others=True)
HOST, PORT = "0.0.0.0", int(os.environ.get("GRADIO_SERVER_PORT", "7860"))  # where a Space looks for its app


def build(folder: Path) -> gr.Blocks:
    """The page of the Space, with results in `folder`."""
    return build_app(make_predictors(), SETTINGS, folder)


if __name__ == "__main__":
    serve(make_predictors(), SETTINGS, HOST, PORT)
