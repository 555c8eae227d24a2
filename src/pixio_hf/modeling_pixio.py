# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioModel and PixioBackbone: the encoder, extended from transformers' own classes (SPEC 1)."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.backbone_utils import filter_output_hidden_states
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BackboneOutput, BaseModelOutputWithPooling
from transformers.models.pixio import modeling_pixio as upstream
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .checkpoint_names import check_encoder_keys, hub_to_memory_name, register_key_mapping
from .configuration_pixio import PixioConfig
from .masking import order_from_bool_mask
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
        # Positions come before masking, so that a kept patch keeps the position it was cut from (SPEC 2.1).
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
            ValueError: not a (B, C, H, W) batch of the configured channels with sides that are multiples of the patch.
        """
        num_channels, patch_size = self.config.num_channels, self.patch_size
        if pixel_values.dim() != 4 or pixel_values.shape[1] != num_channels:
            raise ValueError(
                f"pixel_values must have shape (batch_size, {num_channels}, height, width), got"
                f" {tuple(pixel_values.shape)}."
            )
        height, width = pixel_values.shape[-2:]
        if height < patch_size or width < patch_size or height % patch_size or width % patch_size:
            raise ValueError(
                f"Image sides must be multiples of the patch size {patch_size}, got {height} x {width} pixels. Resize the"
                " images, for example with PixioImageProcessor, or pad them."
            )


def interpolate_positions(
    positions: Tensor, n_cls_tokens: int, grid_height: int, grid_width: int
) -> tuple[Tensor, Tensor]:
    """Resample square position embeddings to a grid, (1, n_cls_tokens + N0, D) -> class part and (1, N, D) (SPEC 1.4).

    Bicubic with half-pixel centres, without antialiasing, in float32; the native grid is returned as stored.
    """
    class_positions, patch_positions = positions[:, :n_cls_tokens], positions[:, n_cls_tokens:]
    side = math.isqrt(patch_positions.shape[1])
    if grid_height == side and grid_width == side:
        return class_positions, patch_positions
    grid = patch_positions.reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    grid = nn.functional.interpolate(grid, size=(grid_height, grid_width), mode="bicubic", align_corners=False)
    return class_positions, grid.flatten(2).transpose(1, 2).to(positions.dtype)


class PixioLayer(upstream.PixioLayer):
    """Pre-norm transformer block with a stochastic depth rate of its own: (B, T, D) -> (B, T, D) (SPEC 1.1, 2.7).

    In training a sample's dropped branches are not computed, other than in a compiled graph, whose shapes must not vary,
    under an attention mask, and where attentions are asked for. The distribution is the same either way.
    """

    def __init__(self, config: PixioConfig, drop_path_rate: float = 0.0):
        super().__init__(config)
        # The original initialises query, key and value as one (3D, D) matrix: a bound of sqrt(6 / (3D + D)) instead of
        # sqrt(6 / 2D). Noted on the projections, as transformers' initialisation passes over modules outside the
        # library that own no weight themselves, such as the attention around them.
        for projection in (self.attention.q_proj, self.attention.k_proj, self.attention.v_proj):
            projection.glorot_gain = math.sqrt(0.5)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        self.drop_path_rate = drop_path_rate
        self.drop_path = upstream.PixioDropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs) -> Tensor:
        needs_whole_batch = (
            attention_mask is not None
            or torch.compiler.is_compiling()
            or kwargs.get("output_attentions", self.attention.config.output_attentions)
        )
        if not self.training or self.drop_path_rate == 0 or needs_whole_batch:
            return super().forward(hidden_states, attention_mask, **kwargs)

        def attend(tokens: Tensor) -> Tensor:
            return self.dropout(self.attention(self.layernorm_before(tokens), None, **kwargs)[0])

        def transform(tokens: Tensor) -> Tensor:
            return self.dropout(self.mlp(self.layernorm_after(tokens)))

        for branch in (attend, transform):
            kept = draw_kept_samples(len(hidden_states), self.drop_path_rate)
            hidden_states = add_kept_branch(hidden_states, branch, kept, self.drop_path_rate)
        return hidden_states


class PixioPreTrainedModel(upstream.PixioPreTrainedModel):
    """Base of all models: configuration class, initialisation of SPEC 2.6, loading that never leaves the encoder random."""

    config: PixioConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    config_class = PixioConfig
    base_model_prefix = "pixio"
    _no_split_modules = ["PixioEmbeddings", "PixioLayer"]
    _can_record_outputs = {"hidden_states": PixioLayer, "attentions": upstream.PixioAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight, gain=getattr(module, "glorot_gain", 1.0))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            # The patch embedding: Glorot on the (D, P*P*C) matrix; the bias keeps the convolution's default.
            fan_in = module.weight[0].numel()
            bound = math.sqrt(6 / (module.weight.shape[0] + fan_in))
            init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                init.uniform_(module.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        elif isinstance(module, upstream.PixioEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.trunc_normal_(module.position_embeddings, std=self.config.initializer_range)
        else:
            super()._init_weights(module)  # norms, running statistics

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path, *args, allow_incomplete_encoder: bool = False, **kwargs
    ) -> Any:
        """Load a checkpoint as transformers does, and refuse one that leaves encoder weights random or unread.

        Args:
            allow_incomplete_encoder: accept missing and unexpected encoder keys, for example to load fewer layers.

        Raises:
            ValueError: an encoder key is missing from the checkpoint or unknown to the model.
        """
        return_info = kwargs.pop("output_loading_info", False)
        loaded: Any = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        model, info = loaded
        if not allow_incomplete_encoder:
            prefix = "" if isinstance(model, upstream.PixioModel) else "pixio."
            check_encoder_keys(prefix, info["missing_keys"], info["unexpected_keys"], pretrained_model_name_or_path)
        return (model, info) if return_info else model

    def load_state_dict(self, state_dict: Mapping[str, Any], *args, **kwargs) -> Any:
        """As in any module, and encoder weights are found in every spelling known on disk.

        Trainer resumes, and loads its best model, by handing over a saved file as it is; where names differ from those in
        memory it warns and goes on with the weights that are there.
        """
        renamed = OrderedDict((hub_to_memory_name(name), tensor) for name, tensor in state_dict.items())
        if (metadata := getattr(state_dict, "_metadata", None)) is not None:
            renamed._metadata = metadata  # pyright: ignore[reportAttributeAccessIssue]
        return super().load_state_dict(renamed, *args, **kwargs)


class PixioModel(PixioPreTrainedModel, upstream.PixioModel):
    """Pixio encoder, whole or masked: (B, 3, H, W) -> last_hidden_state (B, n_cls_tokens + N or K, D) (SPEC 1)."""

    def __init__(self, config: PixioConfig):
        super(upstream.PixioModel, self).__init__(config)  # not upstream's own, which would build its layers first
        self.embeddings = PixioEmbeddings(config)
        self.layers = nn.ModuleList([PixioLayer(config, rate) for rate in config.drop_path_rates()])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        pixel_values: Tensor | None = None,
        bool_masked_pos: Tensor | None = None,
        ids_keep: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Encode images, or only some of their patches.

        Args:
            pixel_values: normalised images (B, C, H, W); sides are multiples of the patch size.
            bool_masked_pos: (B, N), True = masked; every row masks the same count, visible patches stay in raster order.
            ids_keep: (B, K) int64 patch ids to encode, in that order. At most one of the two.
            attention_mask: (B, n_cls_tokens + N or K), 0 = token that none attends to.

        Returns:
            last_hidden_state (B, n_cls_tokens + N or K, D) after the final LayerNorm, pooler_output (B, D): the mean of
            the normalised class tokens; hidden_states (before that LayerNorm) and attentions on request.

        Raises:
            ValueError: pixel_values missing or of a wrong shape, both masks given, or a mask of a wrong shape.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        self.embeddings.check_pixel_values(pixel_values)
        ids_keep = resolve_ids_keep(pixel_values, self.config.patch_size, bool_masked_pos, ids_keep)
        hidden_states = self.embeddings(pixel_values, ids_keep)
        attention_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
        )
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention_mask, **kwargs)
        hidden_states = self.layernorm(hidden_states)
        pooler_output = hidden_states[:, : self.config.n_cls_tokens].mean(dim=1)
        return BaseModelOutputWithPooling(last_hidden_state=hidden_states, pooler_output=pooler_output)


def resolve_ids_keep(
    pixel_values: Tensor, patch_size: int, bool_masked_pos: Tensor | None, ids_keep: Tensor | None
) -> Tensor | None:
    """Turn either form of mask into patch ids to keep: (B, K), or None where nothing is masked.

    Raises:
        ValueError: both masks given, or one of a wrong shape.
    """
    if bool_masked_pos is None and ids_keep is None:
        return None
    if bool_masked_pos is not None and ids_keep is not None:
        raise ValueError("Give at most one of bool_masked_pos and ids_keep.")
    batch_size, _, height, width = pixel_values.shape
    num_patches = (height // patch_size) * (width // patch_size)
    if ids_keep is not None:
        if ids_keep.dim() != 2 or ids_keep.shape[0] != batch_size or ids_keep.shape[1] > num_patches:
            raise ValueError(
                f"ids_keep must have shape ({batch_size}, K) with K at most {num_patches}, got {tuple(ids_keep.shape)}."
            )
        return ids_keep.long()
    assert bool_masked_pos is not None
    if bool_masked_pos.shape != (batch_size, num_patches):
        raise ValueError(
            f"bool_masked_pos must have shape ({batch_size}, {num_patches}), one entry per patch, got"
            f" {tuple(bool_masked_pos.shape)}."
        )
    order, num_kept = order_from_bool_mask(bool_masked_pos.bool())
    return order[:, :num_kept]


class PixioBackbone(PixioPreTrainedModel, upstream.PixioBackbone):
    """Feature maps of chosen stages for dense models: (B, 3, H, W) -> feature_maps of (B, D, H/P, W/P).

    Maps are normalised with the encoder's own final LayerNorm (SPEC 5.1). transformers' PixioBackbone normalises with a
    second LayerNorm, which stays untrained when it loads a PixioModel checkpoint.
    """

    def __init__(self, config: PixioConfig):
        super(upstream.PixioBackbone, self).__init__(config)  # not upstream's own, which adds the second LayerNorm
        self.num_features = [config.hidden_size] * (config.num_hidden_layers + 1)
        self.pixio = PixioModel(config)
        self.post_init()

    @can_return_tuple
    @filter_output_hidden_states
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, pixel_values: Tensor, attention_mask: Tensor | None = None, **kwargs
    ) -> BackboneOutput:
        """Encode images and return the feature maps of `out_features`, with `reshape_hidden_states` as (B, D, h, w)."""
        kwargs["output_hidden_states"] = True
        outputs = self.pixio(pixel_values, attention_mask=attention_mask, **kwargs)
        feature_maps = []
        for stage, hidden_state in zip(self.stage_names, outputs.hidden_states, strict=True):
            if stage not in self.out_features:
                continue
            if self.config.apply_layernorm:
                hidden_state = self.pixio.layernorm(hidden_state)
            if self.config.reshape_hidden_states:
                height, width = (side // self.config.patch_size for side in pixel_values.shape[-2:])
                patches = hidden_state[:, self.config.n_cls_tokens :]
                hidden_state = patches.transpose(1, 2).unflatten(2, (height, width)).contiguous()
            feature_maps.append(hidden_state)
        return BackboneOutput(
            feature_maps=tuple(feature_maps), hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


# Here and not in registration.py alone: these models, which also travel as remote code, load and save nothing right
# without it.
register_key_mapping()

__all__ = ["PixioBackbone", "PixioModel", "PixioPreTrainedModel"]
