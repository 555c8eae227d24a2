# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The tab "Depth": a photo in; metres, a view in 3D and files out."""

from pathlib import Path
from typing import Any

import gradio as gr

from .controls import PICTURE_HEIGHT, STATE_SECONDS, WORK, choose_model, show_examples, show_picture, show_scene
from .depth_answers import (
    DepthAnswer,
    describe_depth,
    draw_depth_map,
    predict_depth,
    read_distance,
    write_depth_files,
    write_view,
)
from .photo_uploads import show_photo_input
from .refusals import answers, hide_paths
from .shelf import ModelShelf

FILE_LABELS = ("Depth in mm (png)", "Picture (png)", "Numbers (npz)", "Mesh (ply)", "Mesh (glb)")


def build_depth_tab(shelf: ModelShelf, folder: Path) -> None:
    """Fill the tab; results are written into `folder`."""
    gr.Markdown("How far away is every pixel? Choose a photo: the answer comes by itself.")
    state = gr.State(time_to_live=STATE_SECONDS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            photo = show_photo_input("depth-photo", PICTURE_HEIGHT - 100, shelf.settings.max_upload_bytes)
            show_examples(photo, "depth")
            model = choose_model(shelf, "depth")
            fov = gr.Slider(
                20,
                120,
                value=60,
                step=1,
                label="Field of view",
                info="Degrees across the width. It bends the 3D view, not the metres.",
                elem_id="depth-fov",
            )
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                with gr.Column(min_width=300):
                    picture = show_picture("Depth", "depth-picture")
                    scale = gr.HTML(elem_id="depth-scale")
                with gr.Column(min_width=300):
                    view = show_scene("In 3D: drag to turn", "depth-view")
            distance = gr.Markdown(elem_id="depth-distance")
            words = gr.Markdown(elem_id="depth-words")
            with gr.Row(elem_id="depth-files"):
                files = [
                    gr.DownloadButton(label, interactive=False, size="sm", min_width=110) for label in FILE_LABELS
                ]

    empty = [None, None, "", "", "", gr.update(), None, *(gr.update(interactive=False) for _ in files)]

    @answers
    def show_depth(path: str | None, model_name: str | None) -> list[Any]:
        if path is None:
            return empty
        answer = predict_depth(shelf, path, model_name)
        drawn, bar = draw_depth_map(answer)
        warning = hide_paths(shelf.predictors.describe_training(shelf.find("depth", model_name)))
        fov_shown = min(max(round(answer.fov), 20), 120)
        return [answer, drawn, bar, "", describe_depth(answer, warning), fov_shown, None, *empty[7:]]

    @answers
    def show_view(answer: DepthAnswer | None, degrees: float) -> str | None:
        return None if answer is None else str(write_view(answer, degrees, folder))

    @answers
    def offer_files(answer: DepthAnswer | None, degrees: float) -> list[Any]:
        if answer is None:
            return empty[7:]
        return [gr.update(value=str(path), interactive=True) for path in write_depth_files(answer, degrees, folder)]

    @answers
    def show_distance(answer: DepthAnswer | None, event: gr.SelectData) -> str:
        return "" if answer is None else read_distance(answer, *event.index)

    shown = [state, picture, scale, distance, words, fov, view, *files]
    for trigger in (photo.change, model.change):
        first = trigger(show_depth, [photo, model], shown, show_progress_on=[picture], **WORK)
        _follow(first.success, show_view, offer_files, state, fov, view, files)
    _follow(fov.release, show_view, offer_files, state, fov, view, files)
    picture.select(show_distance, state, distance, show_progress="hidden", **WORK)


def _follow(trigger: Any, show_view: Any, offer_files: Any, state: Any, fov: Any, view: Any, files: Any) -> None:
    """After a trigger first the view, then the files, which take longer."""
    trigger(show_view, [state, fov], view, **WORK).success(
        offer_files, [state, fov], files, show_progress="hidden", **WORK
    )
