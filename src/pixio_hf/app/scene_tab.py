# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The tab "3D from several photos": photos of one place in; surfaces and cameras out."""

from pathlib import Path
from typing import Any

import gradio as gr

from .controls import PICTURE_HEIGHT, STATE_SECONDS, WORK, choose_model, show_scene
from .photo_uploads import show_photos_input
from .refusals import answers
from .scenes import MOST_PHOTOS, SceneAnswer, describe_scene, reconstruct_scene, write_scene_files
from .shelf import ModelShelf

FILE_LABELS = ("Scene with cameras (glb)", "Points (ply)", "Points and cameras (npz)")


def build_scene_tab(shelf: ModelShelf, folder: Path) -> None:
    """Fill the tab; results are written into `folder`."""
    gr.Markdown(
        f"Take 2 to {MOST_PHOTOS} photos of one place from different sides, drop them here, and turn the place around."
    )
    state = gr.State(time_to_live=STATE_SECONDS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            photos = show_photos_input("scene-photos", PICTURE_HEIGHT - 100, shelf.settings.max_upload_bytes)
            model = choose_model(shelf, "scene")
            leave_out = gr.Slider(
                0, 90, value=10, step=5, label="Leave out", info="Percent of the points, the least sure ones."
            )
            start = gr.Button("Make it 3D", variant="primary", elem_id="scene-start")
        with gr.Column(scale=2, min_width=300):
            view = show_scene("In 3D: drag to turn", "scene-view")
            words = gr.Markdown(elem_id="scene-words")
            with gr.Row(elem_id="scene-files"):
                files = [gr.DownloadButton(label, interactive=False, size="sm") for label in FILE_LABELS]

    @answers
    def show_scene_of(paths: list[str] | None, model_name: str | None, percent: float) -> list[Any]:
        answer = reconstruct_scene(shelf, paths or [], model_name)
        return [answer, describe_scene(answer), *show(answer, percent)]

    @answers
    def leave_points_out(answer: SceneAnswer | None, percent: float) -> list[Any]:
        return [gr.update() for _ in (view, *files)] if answer is None else show(answer, percent)

    def show(answer: SceneAnswer, percent: float) -> list[Any]:
        paths = write_scene_files(answer, percent / 100, folder)
        return [str(paths[0]), *(gr.update(value=str(path), interactive=True) for path in paths)]

    start.click(
        show_scene_of, [photos, model, leave_out], [state, words, view, *files], show_progress_on=[view], **WORK
    )
    leave_out.release(leave_points_out, [state, leave_out], [view, *files], show_progress_on=[view], **WORK)
