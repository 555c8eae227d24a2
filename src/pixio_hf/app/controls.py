# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the tabs share: the choice of a model, example photos, and how work waits in the queue."""

from typing import Any

import gradio as gr

from ..bundled import ASSETS
from .settings import Task
from .shelf import ModelShelf

EXAMPLES = [str(ASSETS / "photos" / name) for name in ("coffee.jpg", "cat.jpg", "temple.jpg")]
PICTURE_HEIGHT = 400  # pixels on the page
STATE_SECONDS = 3600
"""How long the numbers of a visitor are kept after the last answer."""

WORK: dict[str, Any] = {
    # One answer at a time over all tabs: models share the processor's cores or the GPU.
    "concurrency_limit": 1,
    "concurrency_id": "models",
    "api_visibility": "private",
}
"""Options of every event that computes."""


def choose_model(shelf: ModelShelf, task: Task) -> gr.Dropdown:
    """The list of a task's models; names can be typed where the app is not open to others."""
    own = not shelf.settings.open_to_others
    return gr.Dropdown(
        shelf.names(task),
        value=shelf.names(task)[0],
        label="Model",
        info="From the list, or type a Hub id (owner/name) or a folder." if own else None,
        allow_custom_value=own,
        elem_id=f"{task}-model",
    )


def show_examples(photo: gr.Image, task: Task) -> None:
    """Small pictures that fill the place of the photo when clicked."""
    examples = [[path] for path in EXAMPLES]
    gr.Examples(examples, photo, label="Or try one of these", elem_id=f"{task}-examples", cache_examples=False)


def show_picture(label: str, elem_id: str) -> gr.Image:
    """A place for a picture that is an answer."""
    return gr.Image(
        label=label,
        interactive=False,
        buttons=["fullscreen"],
        height=PICTURE_HEIGHT,
        elem_id=elem_id,
        elem_classes="answer",
    )


def show_scene(label: str, elem_id: str) -> gr.Model3D:
    """A place for a scene that can be turned."""
    return gr.Model3D(
        label=label,
        interactive=False,
        height=PICTURE_HEIGHT,
        # From behind the camera, as the photo was taken.
        camera_position=(90, 90, None),
        clear_color=(0.0, 0.0, 0.0, 0.0),
        elem_id=elem_id,
    )
