# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a user should know of a checkpoint's training before trusting it, from its model card."""

from pathlib import Path

from huggingface_hub import ModelCard

from pixio_hf.bundled import find_checkpoint

SYNTHETIC_TAG = "synthetic-data"
"""Tag of the cards of checkpoints that were trained on rendered rooms only."""


def describe_training(model_name: str) -> str:
    """One line where the card in a checkpoint's folder says that it knows rendered rooms only, else an empty string."""
    card_path = Path(find_checkpoint(model_name)) / "README.md"
    if not card_path.is_file():
        return ""
    try:
        tags = ModelCard.load(card_path).data.get("tags") or []
    except (ValueError, OSError):
        return ""
    if SYNTHETIC_TAG not in tags:
        return ""
    return f"Note: {model_name} was trained on rendered rooms only; do not trust its metres in real photos."
