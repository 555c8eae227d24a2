# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForDistillation: a student encoder with a projection onto its teacher's tokens (docs/specification.md 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput, can_return_tuple

from .configuration_pixio import PixioConfig
from .losses import feature_alignment_loss
from .masking import num_mask_blocks, random_block_mask
from .modeling_pixio import PixioModel, PixioPreTrainedModel


@dataclass
class PixioForDistillationOutput(ModelOutput):
    """Output of PixioForDistillation.

    Args:
        loss: class and patch loss fused, a scalar. Without a teacher, this and the next two are None.
        loss_cls: loss of the class tokens.
        loss_patch: loss of the patch tokens that the student saw.
        projected_hidden_states: student tokens in the teacher's width (B, n_cls_tokens + N or K, projection_size).
        ids_keep: (B, K) int64 patch ids that the student saw, in its tokens' order; None if nothing was masked.
        hidden_states: the student encoder's, on request.
        attentions: the student encoder's, on request.
    """

    loss: Tensor | None = None
    loss_cls: Tensor | None = None
    loss_patch: Tensor | None = None
    projected_hidden_states: Tensor | None = None
    ids_keep: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class PixioProjection(nn.Module):
    """Student tokens to the teacher's width: (B, T, D) -> (B, T, projection_size) (docs/specification.md 4.1)."""

    def __init__(self, hidden_size: int, projection_size: int):
        super().__init__()
        self.dense_in = nn.Linear(hidden_size, projection_size)
        self.norm = nn.LayerNorm(projection_size, eps=1e-5)  # not the encoder's 1e-6
        self.activation = nn.GELU()
        self.dense_out = nn.Linear(projection_size, projection_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.dense_out(self.activation(self.norm(self.dense_in(hidden_states))))


class PixioForDistillation(PixioPreTrainedModel):
    """Student that learns its teacher's tokens, from whole or masked images (docs/specification.md 4).

    The result of training is its encoder: `student.pixio.save_pretrained(folder)` writes a plain PixioModel.
    """

    def __init__(self, config: PixioConfig):
        super().__init__(config)
        if config.projection_size is None:
            raise ValueError(
                "PixioForDistillation needs config.projection_size, the hidden_size of the teacher; for example"
                " from_pretrained(folder, projection_size=teacher.config.hidden_size)."
            )
        self.pixio = PixioModel(config)
        self.projection = PixioProjection(config.hidden_size, config.projection_size)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor | None = None,
        teacher_hidden_states: Tensor | None = None,
        noise: Tensor | None = None,
        mask_ratio: float = 0.0,
        loss_fn_cls: str = "cosine",
        loss_fn_patch: str = "cosine",
        loss_fuse: str = "avg",
        return_loss: bool = True,
        **kwargs,
    ) -> PixioForDistillationOutput:
        """Encode whole or masked images, project the tokens and compare them with the teacher's.

        Args:
            pixel_values: normalised images (B, C, H, W).
            teacher_hidden_states: the teacher's tokens of the same whole images, (B, n_cls_tokens + N, projection_size),
                class tokens first, from its last block before its final LayerNorm. A teacher with a single class token,
                (B, 1 + N, projection_size), is the target of every class token of the student.
            noise: (B, num_mask_blocks) in [0, 1); mask blocks of lowest noise stay visible. Drawn if not given; unused
                if mask_ratio is 0.
            mask_ratio: share of mask blocks (of config.mask_grid_size) hidden from the student, in [0, 1).
            loss_fn_cls, loss_fn_patch: "cosine", "l1" or "mse".
            loss_fuse: "avg": mean of both losses; "sum": weighted by the share of class and patch tokens.
            return_loss: whether to compute the losses where a teacher is given. Trainer takes this argument as the
                sign of a loss to evaluate.

        Raises:
            ValueError: wrong shapes, blocks that do not tile the patch grid, no block kept, or an unknown loss.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        self.pixio.embeddings.check_pixel_values(pixel_values)
        ids_keep = None if mask_ratio == 0 else self.draw_ids_keep(pixel_values, noise, mask_ratio)
        target = None
        if teacher_hidden_states is not None and return_loss:
            target = self.select_target(teacher_hidden_states, pixel_values, ids_keep)
        outputs = self.pixio(pixel_values, ids_keep=ids_keep, **kwargs)
        projected = self.projection(outputs.last_hidden_state)
        loss, loss_cls, loss_patch = None, None, None
        if target is not None:
            loss, loss_cls, loss_patch = feature_alignment_loss(
                projected, target, self.config.n_cls_tokens, loss_fn_cls, loss_fn_patch, loss_fuse
            )
        return PixioForDistillationOutput(
            loss=loss,
            loss_cls=loss_cls,
            loss_patch=loss_patch,
            projected_hidden_states=projected,
            ids_keep=ids_keep,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def draw_ids_keep(self, pixel_values: Tensor, noise: Tensor | None, mask_ratio: float) -> Tensor:
        """Patches that stay visible under a block mask: (B, K), in kept order; see forward for shapes and errors."""
        batch_size = pixel_values.shape[0]
        grid_height, grid_width = (side // self.config.patch_size for side in pixel_values.shape[-2:])
        mask_grid_size = self.config.mask_grid_size
        if noise is None:
            num_blocks = num_mask_blocks(grid_height, grid_width, mask_grid_size)
            noise = torch.rand(batch_size, num_blocks, device=pixel_values.device)
        elif noise.shape[0] != batch_size:
            raise ValueError(f"noise has {noise.shape[0]} rows for a batch of {batch_size} images.")
        return random_block_mask(noise, grid_height, grid_width, mask_grid_size, mask_ratio).ids_keep

    def select_target(self, teacher_hidden_states: Tensor, pixel_values: Tensor, ids_keep: Tensor | None) -> Tensor:
        """The teacher's tokens in the order of the student's: (B, n_cls_tokens + N or K, projection_size)."""
        batch_size, _, height, width = pixel_values.shape
        num_patches = (height // self.config.patch_size) * (width // self.config.patch_size)
        num_class_tokens, projection_size = self.config.n_cls_tokens, self.config.projection_size
        accepted = [(batch_size, count + num_patches, projection_size) for count in {num_class_tokens, 1}]
        if teacher_hidden_states.shape not in accepted:
            raise ValueError(
                f"teacher_hidden_states must have shape {' or '.join(map(str, accepted))}: class tokens, then the"
                f" {num_patches} patches of the image; got {tuple(teacher_hidden_states.shape)}."
            )
        class_tokens, patches = teacher_hidden_states[:, :-num_patches], teacher_hidden_states[:, -num_patches:]
        if ids_keep is not None:
            patches = patches.gather(1, ids_keep[:, :, None].expand(-1, -1, patches.shape[-1]))
        return torch.cat((class_tokens.expand(-1, num_class_tokens, -1), patches), dim=1)


__all__ = ["PixioForDistillation", "PixioForDistillationOutput"]
