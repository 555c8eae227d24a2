# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The multi-view transformer: blocks alternate between all views together and each view alone."""

import copy

import torch
from torch import Tensor, nn

from .configuration_pixio import VIEW_MLP_RATIO, PixioConfig
from .modeling_pixio import PixioLayer


class PixioViewTransformer(nn.Module):
    """Alternating global and per-view attention: patches (B, V, N, D) -> maps (B, V, N, C) and a scale token (B, C).

    Blocks of even number (from 0) attend over the patches of all views and one learned scale token, the others within
    each view. No block knows where a patch lies or which view it is from; only view 0, the reference, is marked. So
    swapping other views swaps their outputs.
    """

    def __init__(self, config: PixioConfig):
        super().__init__()
        block_config = copy.deepcopy(config)
        block_config.hidden_size = config.view_hidden_size
        block_config.num_attention_heads = config.view_num_attention_heads
        block_config.mlp_ratio = VIEW_MLP_RATIO
        self.block_config = block_config
        self.taps = tuple(config.view_taps)
        width = config.view_hidden_size
        self.scale_token = nn.Parameter(torch.zeros(config.hidden_size))
        self.projection = nn.Identity() if width == config.hidden_size else nn.Linear(config.hidden_size, width)
        # Named blocks, not layers, as in the decoder: the loader would rename layers to encoder.layer.
        self.blocks = nn.ModuleList([PixioLayer(block_config) for _ in range(config.view_num_hidden_layers)])
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, patches: Tensor, **kwargs) -> tuple[list[Tensor], Tensor]:
        """Normalised maps of the tapped blocks and of the last one, and the final scale token."""
        batch_size, num_views, num_patches, _ = patches.shape
        scale_token = self.projection(self.scale_token.to(patches.dtype)).expand(batch_size, 1, -1)
        patches = self.projection(patches)
        # The mark of the reference view: a sine table at position 0, which is 0, 1, 0, 1, ...
        reference_mark = torch.arange(patches.shape[-1], device=patches.device) % 2
        patches = torch.cat((patches[:, :1] + reference_mark.to(patches.dtype), patches[:, 1:]), dim=1)
        maps = []
        for index, block in enumerate(self.blocks):
            if index % 2 == 0:
                tokens = block(torch.cat((patches.flatten(1, 2), scale_token), dim=1), None, **kwargs)
                patches = tokens[:, :-1].unflatten(1, (num_views, num_patches))
                scale_token = tokens[:, -1:]
            else:
                patches = block(patches.flatten(0, 1), None, **kwargs).unflatten(0, (batch_size, num_views))
            if index in self.taps:
                maps.append(self.norm(patches))
        maps.append(self.norm(patches))
        return maps, self.norm(scale_token).squeeze(1)
