# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Parts of the encoder, extended from transformers' own: embeddings and transformer blocks.

See docs/specification.md 1.1, 1.4, 2.7.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.pixio import modeling_pixio as upstream

from .configuration_pixio import PixioConfig
from .positions import interpolate_positions
from .stochastic_depth import add_kept_branch, draw_kept_samples


class PixioEmbeddings(upstream.PixioEmbeddings):
    """Class tokens, patches and positions, whole or masked: (B, C, H, W) -> (B, n_cls_tokens + N or K, D)."""

    patch_size: int  # pyright: ignore[reportIncompatibleVariableOverride]
    config: PixioConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, pixel_values: Tensor, ids_keep: Tensor | None = None
    ) -> Tensor:
        self.check_pixel_values(pixel_values)
        batch_size, _, height, width = pixel_values.shape
        patches = self.patch_embeddings(pixel_values.to(self.patch_embeddings.projection.weight.dtype))
        class_positions, patch_positions = self.split_positions(height, width)
        # Positions come before masking, so that a kept patch keeps the position it was cut from
        # (docs/specification.md 2.1).
        patches = patches + patch_positions
        if ids_keep is not None:
            patches = patches.gather(1, ids_keep[:, :, None].expand(-1, -1, patches.shape[-1]))
        class_tokens = (self.cls_token + class_positions).expand(batch_size, -1, -1)
        return self.dropout(torch.cat((class_tokens, patches), dim=1))

    def split_positions(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Position embeddings of class tokens and of an image's patches: (1, n_cls_tokens, D) and (1, N, D)."""
        return interpolate_positions(
            self.position_embeddings, self.n_cls_tokens, height // self.patch_size, width // self.patch_size
        )

    def check_pixel_values(self, pixel_values: Tensor) -> None:
        """Refuse images that the patch grid cannot hold; transformers would crop them silently.

        Raises:
            ValueError: not a (B, C, H, W) batch of floating point numbers, of the configured channels, with sides that are
                multiples of the patch.
        """
        num_channels, patch_size = self.config.num_channels, self.patch_size
        if pixel_values.dim() != 4 or pixel_values.shape[1] != num_channels:
            raise ValueError(
                f"pixel_values must have shape (batch_size, {num_channels}, height, width), got"
                f" {tuple(pixel_values.shape)}."
            )
        if not pixel_values.is_floating_point():
            raise ValueError(
                f"pixel_values must be normalised floating point images, got {pixel_values.dtype}. Pass raw images through"
                " PixioImageProcessor, which rescales and normalises them."
            )
        height, width = pixel_values.shape[-2:]
        if height < patch_size or width < patch_size or height % patch_size or width % patch_size:
            raise ValueError(
                f"Image sides must be multiples of the patch size {patch_size}, got {height} x {width} pixels. Resize the"
                " images, for example with PixioImageProcessor, or pad them."
            )


class PixioLayer(upstream.PixioLayer):
    """Pre-norm transformer block with a stochastic depth rate of its own: (B, T, D) -> (B, T, D).

    In training, the branches that a sample drops are not computed. Exceptions: compiled graphs, whose shapes must not
    vary, attention masks, and requests for attentions. The distribution is the same either way. See
    docs/specification.md 1.1, 2.7.
    """

    def __init__(self, config: PixioConfig, drop_path_rate: float = 0.0):
        super().__init__(config)
        # The original initialises query, key and value as one (3D, D) matrix: a bound of sqrt(6 / (3D + D)) instead of
        # sqrt(6 / 2D). The gain is noted on the projections: transformers does not initialise modules from outside the
        # library that own no weight, such as the attention around them.
        for projection in (self.attention.q_proj, self.attention.k_proj, self.attention.v_proj):
            projection.glorot_gain = math.sqrt(0.5)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        self.drop_path_rate = drop_path_rate
        self.drop_path = upstream.PixioDropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool = False,
        **kwargs,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Transform tokens; with `output_attentions` also return the attention maps (B, heads, T, T)."""
        needs_whole_batch = attention_mask is not None or torch.compiler.is_compiling() or output_attentions
        if self.training and self.drop_path_rate > 0 and not needs_whole_batch:
            return self.transform_kept_samples(hidden_states, **kwargs)
        normed = self.layernorm_before(hidden_states)
        attended, attentions = self.attention(normed, attention_mask, **kwargs)
        if output_attentions and attentions is None:
            attentions = self.map_attention(normed, attention_mask)
        hidden_states = self.drop_path(self.dropout(attended)) + hidden_states
        transformed = self.dropout(self.mlp(self.layernorm_after(hidden_states)))
        hidden_states = self.drop_path(transformed) + hidden_states
        return (hidden_states, attentions) if output_attentions else hidden_states

    def map_attention(self, normed: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Attention maps of normalised tokens, (B, T, D) -> (B, heads, T, T), which fused attention does not keep.

        `attention_mask` is the attention's own: 0 or False = not attended to, or numbers to add to the scores.
        """
        attention = self.attention
        query, key = (
            projection(normed).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj)
        )
        scores = (query @ key.transpose(-1, -2) * attention.scaling).float()
        if attention_mask is not None:
            if attention_mask.dim() == 2:
                attention_mask = attention_mask[:, None, None].bool()
            if attention_mask.dtype == torch.bool:
                scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
            else:
                scores = scores + attention_mask
        return scores.softmax(dim=-1).to(normed.dtype)

    def transform_kept_samples(self, hidden_states: Tensor, **kwargs) -> Tensor:
        """Like forward, but each branch is computed only for the samples that keep it: (B, T, D) -> (B, T, D)."""

        def attend(tokens: Tensor) -> Tensor:
            return self.dropout(self.attention(self.layernorm_before(tokens), None, **kwargs)[0])

        def transform(tokens: Tensor) -> Tensor:
            return self.dropout(self.mlp(self.layernorm_after(tokens)))

        for branch in (attend, transform):
            kept = draw_kept_samples(len(hidden_states), self.drop_path_rate)
            hidden_states = add_kept_branch(hidden_states, branch, kept, self.drop_path_rate)
        return hidden_states


def prepare_checkpointing(hidden_states: Tensor, layers: Iterable[Any]) -> Tensor:
    """Input of checkpointed layers, (B, T, D) -> (B, T, D): it requires a gradient if any of their weights does.

    Reentrant checkpointing looks only at whether its inputs require gradients. After frozen embeddings, no weight of
    the layers would get one, not even adapters.
    """
    if hidden_states.requires_grad or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return hidden_states
    checkpointed = [layer for layer in layers if layer.gradient_checkpointing and layer.training]
    if any(weight.requires_grad for layer in checkpointed for weight in layer.parameters()):
        return hidden_states.detach().requires_grad_(True)
    return hidden_states


def require_grad_of_output(module: nn.Module, inputs: Any, output: Tensor) -> None:
    """Forward hook, at module level so that a model that has it can be pickled."""
    output.requires_grad_(True)
