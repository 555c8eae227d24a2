# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The tab "Features": a photo in; its features as colours, and what resembles a clicked point."""

from typing import Any

import gradio as gr

from .controls import PICTURE_HEIGHT, STATE_SECONDS, WORK, choose_model, show_examples, show_picture
from .photo_uploads import show_photo_input
from .refusals import answers
from .shelf import ModelShelf
from .similarity import DETAILS, FeatureAnswer, draw_colors, draw_similarity, encode, middle_of


def build_features_tab(shelf: ModelShelf) -> None:
    """Fill the tab."""
    gr.Markdown(
        "What does the model see as alike? Equal colours mean similar features. **Click a point of either picture** to"
        " see what resembles it."
    )
    state = gr.State(time_to_live=STATE_SECONDS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            photo = show_photo_input("features-photo", PICTURE_HEIGHT - 100, shelf.settings.max_upload_bytes)
            show_examples(photo, "features")
            model = choose_model(shelf, "features")
            detail = gr.Radio(list(DETAILS), value="medium", label="Detail", info="Finer takes longer.")
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                with gr.Column(min_width=300):
                    colors = show_picture("Features as colours", "features-colors")
                with gr.Column(min_width=300):
                    similar = show_picture("What resembles the marked point", "features-similar")
                    scale = gr.HTML(elem_id="features-scale")
            words = gr.Markdown(elem_id="features-words")

    @answers
    def show_features(path: str | None, model_name: str | None, fineness: str) -> list[Any]:
        if path is None:
            return [None, None, None, "", ""]
        answer = encode(shelf, path, model_name, fineness)
        return [answer, draw_colors(answer), *draw_similarity(answer, *middle_of(answer))]

    @answers
    def show_similar(answer: FeatureAnswer | None, event: gr.SelectData) -> list[Any]:
        if answer is None:
            return [None, "", ""]
        return list(draw_similarity(answer, *event.index))

    for trigger in (photo.change, model.change, detail.change):
        trigger(
            show_features,
            [photo, model, detail],
            [state, colors, similar, scale, words],
            show_progress_on=[colors],
            **WORK,
        )
    for picture in (colors, similar):
        picture.select(show_similar, state, [similar, scale, words], show_progress="hidden", **WORK)
