# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Teachers of a distillation: Pixio or another ViT, reduced to images in, tokens out (docs/specification.md 4.1)."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig

from ..bundled import find_checkpoint
from ..configuration_pixio import PixioConfig
from ..image_processing_pixio import PixioImageProcessor
from ..vit_encoders import FAMILIES, STATED, VitEncoder, find_normalization, load_model, square_side


class DistillationTeacher(nn.Module):
    """Frozen ViT: (B, 3, S, S) uint8 -> class tokens and patches (B, num_class_tokens + N, hidden_size).

    Tokens come from the last block, before the final LayerNorm (docs/specification.md 4.1). Another ViT than Pixio has one
    class token, which PixioForDistillation compares with each class token of the student.
    """

    def __init__(self, model: Any, image_size: int | None, image_mean: list[float], image_std: list[float]):
        """Take over a model (its final LayerNorm is removed) and the normalisation that it was trained with.

        Raises:
            ValueError: an unsupported kind of model, or an image size that is no multiple of its patch size.
        """
        super().__init__()
        self.encoder = VitEncoder(model, has_final_norm=False).eval().requires_grad_(False)
        self.hidden_size, self.patch_size = self.encoder.hidden_size, self.encoder.patch_size
        self.num_class_tokens = self.encoder.num_class_tokens
        self.image_size = square_side(model.config.image_size) if image_size is None else image_size
        if self.image_size < 1 or self.image_size % self.patch_size:
            raise ValueError(
                f"The teacher's image size {self.image_size} must be a multiple of its patch size {self.patch_size}."
            )
        self.processor = PixioImageProcessor(
            size={"height": self.image_size, "width": self.image_size}, image_mean=image_mean, image_std=image_std
        )

    @property
    def grid_size(self) -> int:
        """Side of the patch grid of its images."""
        return self.image_size // self.patch_size

    def train(self, mode: bool = True):
        """Stay in eval mode."""
        return super().train(False)

    def check_student(self, name: str, config: PixioConfig, image_size: int) -> None:
        """Raise where a student's tokens, of images of side image_size, cannot be compared with the teacher's.

        Raises:
            ValueError: other numbers of patches or class tokens; says what to pass.
        """
        grid_size = image_size // config.patch_size
        if image_size % config.patch_size or grid_size != self.grid_size:
            raise ValueError(
                f"The student {name} cuts images of side {image_size} into patches of {config.patch_size}, the teacher"
                f" those of side {self.image_size} into patches of {self.patch_size}: their patch grids differ. Pass"
                f" --teacher_image_size {max(grid_size, 1) * self.patch_size} or --image_size"
                f" {self.grid_size * config.patch_size}."
            )
        if self.num_class_tokens not in (1, config.n_cls_tokens):
            raise ValueError(
                f"The student {name} has {config.n_cls_tokens} class tokens, the teacher {self.num_class_tokens}; they must"
                " agree, unless the teacher has a single one. Set the student's n_cls_tokens."
            )

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Resize and normalise images as the teacher needs them, and encode them whole."""
        pixel_values = self.processor(images, return_tensors="pt").pixel_values
        (tokens,) = self.encoder(pixel_values, [self.encoder.num_hidden_layers - 1])
        return torch.cat((tokens.class_tokens, tokens.patch_tokens), dim=1)


def load_teacher(source: str, image_size: int | None = None) -> DistillationTeacher:
    """Load a teacher from a folder, Hub id or bundled name, with the normalisation of its image processor.

    Args:
        image_size: side in pixels of the images it sees; None: its configuration's.

    Raises:
        ValueError: an unsupported kind of model, weights that its checkpoint lacks, or no image processor.
    """
    config = AutoConfig.from_pretrained(find_checkpoint(source))
    if config.model_type not in FAMILIES:  # before any weight is loaded
        raise ValueError(
            f"{source!r} is a {config.model_type!r} model; a teacher must be one of {', '.join(FAMILIES)}."
        )
    model, normalization = load_model(source, config), find_normalization(source, config.model_type)
    if normalization.source != STATED:
        raise ValueError(
            f"The teacher {source!r} has no image processor that tells its normalisation; add its"
            " preprocessor_config.json."
        )
    return DistillationTeacher(model, image_size, normalization.mean, normalization.std)
