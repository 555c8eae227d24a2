# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The page: a heading, a tab per task that has a model, and how it looks."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Default

from .depth_tab import build_depth_tab
from .features_tab import build_features_tab
from .reconstruction_tab import build_reconstruction_tab
from .scene_tab import build_scene_tab
from .settings import AppSettings, Predictors
from .shelf import ModelShelf

CLEAN_SECONDS = 3600
"""Uploads and results older than this are deleted, as often."""
MOST_WAITING = 20
"""Requests that may wait; more are told to come back."""
HEADING = """# Pixio on your photos
Depth in metres, what looks alike, and filling in what is hidden. Everything is computed by the machine that runs this app.
"""
STYLE = """
.gradio-container { width: 100% !important; max-width: 1400px !important; margin: 0 auto !important; }
.scale { padding: 0 2px; font-size: 0.85rem; color: var(--body-text-color); }
.scale .ends { display: flex; justify-content: space-between; color: var(--body-text-color-subdued); }
.scale .bar { height: 12px; border-radius: 6px; }
.scale .marks { position: relative; height: 1.4rem; margin-top: 2px; }
.scale .marks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.answer img { cursor: crosshair; }
"""


def make_look() -> dict[str, Any]:
    """Options of `launch` for the look; fonts are the machine's own, so that none is fetched from elsewhere."""
    theme = Default(
        primary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return {"theme": theme, "css": STYLE}


def build_app(predictors: Predictors, settings: AppSettings, folder: Path) -> gr.Blocks:
    """The page, ready to be launched; results are written into `folder`, where Gradio keeps uploads too."""
    shelf = ModelShelf(predictors, settings)
    with gr.Blocks(
        title="Pixio on your photos", analytics_enabled=False, delete_cache=(CLEAN_SECONDS, CLEAN_SECONDS)
    ) as app:
        gr.Markdown(HEADING)
        offered = settings.offered_tasks()
        if "depth" in offered:
            with gr.Tab("Depth"):
                build_depth_tab(shelf, folder)
        if "features" in offered:
            with gr.Tab("Features"):
                build_features_tab(shelf)
        if "reconstruction" in offered:
            with gr.Tab("Reconstruction"):
                build_reconstruction_tab(shelf)
        if "scene" in offered:
            with gr.Tab("3D from several photos"):
                build_scene_tab(shelf, folder)
    app.queue(max_size=MOST_WAITING, default_concurrency_limit=1)
    return app
