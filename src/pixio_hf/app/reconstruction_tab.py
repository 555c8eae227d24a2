# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The tab "Reconstruction": hide blocks of a photo, at random or one by one, and see what the model fills in."""

from typing import Any

import gradio as gr

from .controls import PICTURE_HEIGHT, STATE_SECONDS, WORK, choose_model, show_examples, show_picture
from .filling_in import MaskedPhoto, describe_reconstruction, draw_pictures, fill_in, mask_photo, toggle_block
from .photo_uploads import show_photo_input
from .refusals import answers
from .shelf import ModelShelf

BLOCKS = (1, 2, 4, 8)


def build_reconstruction_tab(shelf: ModelShelf) -> None:
    """Fill the tab."""
    gr.Markdown(
        "Hide most of a photo and let the model fill it in: this is how Pixio learns. **Click blocks of the middle"
        " picture** to hide or to show them."
    )
    state = gr.State(time_to_live=STATE_SECONDS)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            photo = show_photo_input("reconstruction-photo", PICTURE_HEIGHT - 100, shelf.settings.max_upload_bytes)
            show_examples(photo, "reconstruction")
            model = choose_model(shelf, "reconstruction")
            ratio = gr.Slider(0, 0.95, value=0.75, step=0.05, label="Hidden share", elem_id="reconstruction-ratio")
            block = gr.Radio(
                list(BLOCKS),
                value=2,
                label="Block size",
                info="In patches; blocks that do not tile the photo are fitted.",
            )
            with gr.Row():
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**31 - 1, min_width=90)
                again = gr.Button("Other blocks", elem_id="reconstruction-again", min_width=120)
        with gr.Column(scale=3, min_width=300):
            with gr.Row():
                original = show_picture("Photo, resized", "reconstruction-original")
                seen = show_picture("What the model sees", "reconstruction-seen")
                filled = show_picture("What it fills in", "reconstruction-filled")
            words = gr.Markdown(elem_id="reconstruction-words")

    def show(masked: MaskedPhoto) -> list[Any]:
        result = fill_in(shelf, masked)
        return [masked, *draw_pictures(masked, result), describe_reconstruction(result)]

    @answers
    def hide_random(path: str | None, model_name: str | None, share: float, side: int, number: float) -> list[Any]:
        if path is None:
            return [None, None, None, None, ""]
        return show(mask_photo(shelf, path, model_name, share, side, int(number or 0)))

    @answers
    def hide_clicked(masked: MaskedPhoto | None, event: gr.SelectData) -> list[Any]:
        if masked is None:
            return [None, None, None, None, ""]
        return show(toggle_block(masked, *event.index))

    shown = [state, original, seen, filled, words]
    for trigger in (photo.change, model.change, ratio.release, block.change, seed.change):
        trigger(hide_random, [photo, model, ratio, block, seed], shown, show_progress_on=[filled], **WORK)
    again.click(lambda number: int(number or 0) + 1, seed, seed, queue=False, api_visibility="private")
    seen.select(hide_clicked, state, shown, show_progress_on=[filled], **WORK)
