# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForPreTraining: masked encoder, deep decoder, pixel loss, reconstruction (docs/specification.md 2)."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers.utils.generic import ModelOutput, can_return_tuple

from .configuration_pixio import PixioConfig
from .encoder_layers import PixioLayer, prepare_checkpointing
from .losses import masked_pixel_loss
from .masking import BlockMask, mask_from_order, num_mask_blocks, order_from_bool_mask, random_block_mask
from .modeling_pixio import PixioModel, PixioPreTrainedModel
from .patches import normalize_patches, patch_statistics, patchify, unpatchify
from .positions import interpolate_positions


@dataclass
class PixioForPreTrainingOutput(ModelOutput):
    """Output of PixioForPreTraining, with the fields of ViTMAE's.

    Args:
        loss: mean squared error over masked patches, a scalar.
        logits: predicted patches (B, N, P*P*C), normalised per patch where `norm_pix_loss`.
        mask: (B, N) float, 1 = masked.
        ids_restore: (B, N) int64, inverse of the order in which patches were kept and masked.
        hidden_states: the encoder's, on request.
        attentions: the encoder's, on request.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    mask: Tensor | None = None
    ids_restore: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class PixioDecoder(nn.Module):
    """Deep decoder: encoded tokens (B, n_cls_tokens + K, D) -> predicted patches (B, N, P*P*C).

    See docs/specification.md 2.3.
    """

    def __init__(self, config: PixioConfig):
        super().__init__()
        block_config = copy.deepcopy(config)
        block_config.hidden_size = config.decoder_hidden_size
        block_config.num_attention_heads = config.decoder_num_attention_heads
        self.block_config = block_config
        self.n_cls_tokens = config.n_cls_tokens
        width = config.decoder_hidden_size
        self.embed = nn.Linear(config.hidden_size, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position_embeddings = nn.Parameter(torch.zeros(1, config.n_cls_tokens + config.patch_grid_size**2, width))
        # Named blocks, not layers: the loader would rename decoder.layers.N to decoder.encoder.layer.N.
        self.blocks = nn.ModuleList([PixioLayer(block_config) for _ in range(config.decoder_num_hidden_layers)])
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.predict = nn.Linear(width, config.patch_size**2 * config.num_channels)

    def forward(
        self, hidden_states: Tensor, ids_restore: Tensor, grid_height: int, grid_width: int, **kwargs
    ) -> Tensor:
        """Fill masked places with the mask token, decode, and predict every patch: (B, N, P*P*C)."""
        hidden_states = self.embed(hidden_states)
        class_tokens, visible = hidden_states[:, : self.n_cls_tokens], hidden_states[:, self.n_cls_tokens :]
        num_masked = ids_restore.shape[1] - visible.shape[1]
        mask_tokens = self.mask_token.to(visible.dtype).expand(visible.shape[0], num_masked, -1)
        patches = torch.cat((visible, mask_tokens), dim=1)
        patches = patches.gather(1, ids_restore[:, :, None].expand(-1, -1, patches.shape[-1]))
        positions = interpolate_positions(self.position_embeddings, self.n_cls_tokens, grid_height, grid_width)
        hidden_states = torch.cat((class_tokens, patches), dim=1) + torch.cat(positions, dim=1)
        hidden_states = prepare_checkpointing(hidden_states, self.blocks)
        for block in self.blocks:
            hidden_states = block(hidden_states, None, **kwargs)
        return self.predict(self.norm(hidden_states))[:, self.n_cls_tokens :]


class PixioForPreTraining(PixioPreTrainedModel):
    """Pixio's masked autoencoder: encode the visible blocks, decode all patches, compare the masked ones.

    Other sizes than the native one are accepted, with position embeddings interpolated on both sides; the original
    takes the native size only. See docs/specification.md 2.
    """

    def __init__(self, config: PixioConfig):
        super().__init__(config)
        self.pixio = PixioModel(config)
        self.decoder = PixioDecoder(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, PixioDecoder):
            init.normal_(module.mask_token, std=self.config.initializer_range)
            init.trunc_normal_(module.position_embeddings, std=self.config.initializer_range)

    def set_attn_implementation(self, *args, **kwargs) -> None:
        """Choose the attention implementation as in any transformers model, for the decoder too."""
        super().set_attn_implementation(*args, **kwargs)
        self.decoder.block_config._attn_implementation = self.config._attn_implementation

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor | None = None,
        noise: Tensor | None = None,
        bool_masked_pos: Tensor | None = None,
        return_loss: bool = True,
        **kwargs,
    ) -> PixioForPreTrainingOutput:
        """Mask, encode, decode and compare.

        Args:
            pixel_values: normalised images (B, C, H, W).
            noise: (B, num_mask_blocks) in [0, 1); blocks of lowest noise stay visible. Drawn if neither is given.
            bool_masked_pos: (B, N), True = masked, any pattern with the same count in each row.
            return_loss: whether to compute the loss. Trainer takes this argument as the sign of a loss to evaluate.

        Returns:
            PixioForPreTrainingOutput.

        Raises:
            ValueError: wrong shapes, both masks given, blocks that do not tile the patch grid, or no block kept.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        self.pixio.embeddings.check_pixel_values(pixel_values)
        grid_height, grid_width = (side // self.config.patch_size for side in pixel_values.shape[-2:])
        block_mask = self.draw_mask(pixel_values.shape[0], grid_height, grid_width, noise, bool_masked_pos)
        outputs = self.pixio(pixel_values, ids_keep=block_mask.ids_keep, **kwargs)
        # The encoder alone reports its hidden states and attentions, as in ViTMAE.
        kwargs.pop("output_hidden_states", None)
        kwargs.pop("output_attentions", None)
        logits = self.decoder(outputs.last_hidden_state, block_mask.ids_restore, grid_height, grid_width, **kwargs)
        loss = None
        if return_loss:
            loss = masked_pixel_loss(logits, self.target_patches(pixel_values), block_mask.mask)
        return PixioForPreTrainingOutput(
            loss=loss,
            logits=logits,
            mask=block_mask.mask,
            ids_restore=block_mask.ids_restore,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def draw_mask(
        self,
        batch_size: int,
        grid_height: int,
        grid_width: int,
        noise: Tensor | None = None,
        bool_masked_pos: Tensor | None = None,
    ) -> BlockMask:
        """Mask blocks by noise, or take a given mask; see forward for shapes and errors."""
        if noise is not None and bool_masked_pos is not None:
            raise ValueError("Give at most one of noise and bool_masked_pos.")
        if bool_masked_pos is not None:
            if bool_masked_pos.shape != (batch_size, grid_height * grid_width):
                raise ValueError(
                    f"bool_masked_pos must have shape ({batch_size}, {grid_height * grid_width}), one entry per patch,"
                    f" got {tuple(bool_masked_pos.shape)}."
                )
            return mask_from_order(*order_from_bool_mask(bool_masked_pos.bool().to(self.device)))
        grid, ratio = self.config.mask_grid_size, self.config.mask_ratio
        if noise is None:
            noise = torch.rand(batch_size, num_mask_blocks(grid_height, grid_width, grid), device=self.device)
        elif noise.shape[0] != batch_size:
            raise ValueError(f"noise has {noise.shape[0]} rows for a batch of {batch_size} images.")
        return random_block_mask(noise, grid_height, grid_width, grid, ratio)

    def target_patches(self, pixel_values: Tensor) -> Tensor:
        """What the decoder should predict, in float32: (B, C, H, W) -> (B, N, P*P*C) (docs/specification.md 2.5)."""
        patches = patchify(pixel_values.float(), self.config.patch_size)
        return normalize_patches(patches) if self.config.norm_pix_loss else patches

    @torch.no_grad()
    def reconstruct(
        self,
        outputs: PixioForPreTrainingOutput,
        pixel_values: Tensor,
        image_mean: Sequence[float] = IMAGENET_DEFAULT_MEAN,
        image_std: Sequence[float] = IMAGENET_DEFAULT_STD,
    ) -> Tensor:
        """Paste predicted patches into the visible image and undo normalisation: (B, C, H, W) -> (B, C, H, W) in [0, 1].

        With `norm_pix_loss` the model predicts patches of zero mean and unit variance; mean and deviation of each patch
        are then taken from the image itself, as in MAE's own pictures.
        """
        assert outputs.logits is not None
        assert outputs.mask is not None
        patch_size: int = self.config.patch_size
        patches = patchify(pixel_values.float(), patch_size)
        predicted = outputs.logits.float()
        if self.config.norm_pix_loss:
            mean, std = patch_statistics(patches)
            predicted = predicted * std + mean
        mask = outputs.mask[:, :, None]
        patches = torch.where(mask.bool(), predicted, patches)
        image = unpatchify(patches, patch_size, *(side // patch_size for side in pixel_values.shape[-2:]))
        mean, std = (image.new_tensor(values)[:, None, None] for values in (image_mean, image_std))
        return (image * std + mean).clamp(0, 1)


__all__ = ["PixioDecoder", "PixioForPreTraining", "PixioForPreTrainingOutput"]
