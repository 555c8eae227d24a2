# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Dense prediction heads over the token features of any plain vision transformer (docs/specification.md 5.1-5.3).

Both heads return logits at the requested size; the model decides what they mean (depth after a sigmoid, classes).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NUM_TAPS = 4


def dpt_tap_blocks(num_hidden_layers: int) -> tuple[int, int, int, int]:
    """Blocks, counted from 0, whose outputs feed the DPT head: the ends of four equal quarters.

    See docs/specification.md 5.2.
    """
    quarter = num_hidden_layers // NUM_TAPS
    if quarter < 1:
        raise ValueError(
            f"A DPT head taps {NUM_TAPS} different blocks, but the encoder has num_hidden_layers={num_hidden_layers}. "
            "Use an encoder with at least 4 blocks, or a linear head."
        )
    return quarter - 1, 2 * quarter - 1, 3 * quarter - 1, 4 * quarter - 1


def depth_output(config: Any) -> tuple[Callable[[Tensor], Tensor], float]:
    """What the logits of a depth head mean: depth is activation(logits) times a number, of a model's configuration.

    Metric: a sigmoid times max_depth, in metres. Relative: inverse depth up to scale and shift, never negative.
    """
    if getattr(config, "depth_estimation_type", "metric") == "relative":
        return torch.relu, 1.0
    return torch.sigmoid, config.max_depth


def concat_class_mean(patch_tokens: Tensor, class_tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Append the mean class token to every patch token: (B, N, D), (B, K, D) -> (B, 2D, h, w).

    See docs/specification.md 5.1.
    """
    height, width = grid
    batch_size, num_patches, hidden_size = patch_tokens.shape
    if height * width != num_patches:
        raise ValueError(
            f"A grid of {height} x {width} has {height * width} patches, but there are {num_patches} tokens."
        )
    if class_tokens.shape[0] != batch_size or class_tokens.shape[2] != hidden_size or class_tokens.shape[1] < 1:
        raise ValueError(
            f"class_tokens of shape {tuple(class_tokens.shape)} do not fit patch_tokens of shape "
            f"{tuple(patch_tokens.shape)}: expected ({batch_size}, K, {hidden_size}) with K >= 1."
        )
    class_mean = class_tokens.mean(dim=1, keepdim=True).expand(-1, num_patches, -1)
    features = torch.cat((patch_tokens, class_mean), dim=-1)
    # Tokens are channels-last already: a permuted view keeps that layout, and convolutions need no transposed copy.
    return features.view(batch_size, height, width, 2 * hidden_size).permute(0, 3, 1, 2)


def make_resamplers(sizes: Sequence[int]) -> nn.ModuleList:
    """Layers that bring four maps of one grid to 4, 2, 1 and half of its size, finest first: (B, size, h, w) each."""
    finest, fine, _, coarsest = sizes
    return nn.ModuleList(
        (
            nn.ConvTranspose2d(finest, finest, 4, stride=4),
            nn.ConvTranspose2d(fine, fine, 2, stride=2),
            nn.Identity(),
            nn.Conv2d(coarsest, coarsest, 3, stride=2, padding=1),
        )
    )


def make_lateral_convs(sizes: Sequence[int], fusion_hidden_size: int) -> nn.ModuleList:
    """3x3 convolutions without bias from each level to the width of the fused path: (B, size, h, w) -> (B, F, h, w)."""
    return nn.ModuleList(nn.Conv2d(size, fusion_hidden_size, 3, padding=1, bias=False) for size in sizes)


class DPTHead(nn.Module):
    """Fuse four depths of a transformer from coarse to fine: 4 x (B, C_in, h, w) -> (B, num_labels, H, W) logits.

    The dense prediction transformer head of docs/specification.md 5.2 (Ranftl et al., 2021), without BatchNorm.
    `neck_hidden_sizes` are the channels of the four levels, finest first; `fusion_hidden_size` those of the fused
    paths.
    """

    def __init__(
        self,
        in_channels: int,
        neck_hidden_sizes: Sequence[int],
        fusion_hidden_size: int,
        num_labels: int,
    ) -> None:
        super().__init__()
        _check_positive(
            in_channels=in_channels,
            fusion_hidden_size=fusion_hidden_size,
            num_labels=num_labels,
        )
        if len(neck_hidden_sizes) != NUM_TAPS or min(neck_hidden_sizes) < 1:
            raise ValueError(f"neck_hidden_sizes needs {NUM_TAPS} positive sizes, got {list(neck_hidden_sizes)}.")
        self.in_channels = in_channels
        self.projections = nn.ModuleList(nn.Conv2d(in_channels, size, 1) for size in neck_hidden_sizes)
        self.resamplers = make_resamplers(neck_hidden_sizes)
        self.lateral_convs = make_lateral_convs(neck_hidden_sizes, fusion_hidden_size)
        self.fusions = nn.ModuleList(
            FusionBlock(fusion_hidden_size, is_deepest=level == NUM_TAPS - 1) for level in range(NUM_TAPS)
        )
        self.output_convs = nn.Sequential(
            nn.Conv2d(fusion_hidden_size, fusion_hidden_size, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fusion_hidden_size, num_labels, 1),
        )

    @property
    def output_layer(self) -> nn.Conv2d:
        """The layer whose outputs are logits."""
        layer = self.output_convs[-1]
        assert isinstance(layer, nn.Conv2d)
        return layer

    def forward(self, features: Sequence[Tensor], output_size: tuple[int, int]) -> Tensor:
        """Predict logits from four maps, shallowest block first: 4 x (B, C_in, h, w) -> (B, num_labels, H, W)."""
        check_features(features, NUM_TAPS, self.in_channels, output_size)
        laterals = [
            self.lateral_convs[level](self.resamplers[level](self.projections[level](feature)))
            for level, feature in enumerate(features)
        ]
        height, width = features[0].shape[-2:]
        path = None
        for level, scale in reversed(list(enumerate((8, 4, 2, 1)))):
            path = self.fusions[level](laterals[level], path, (scale * height, scale * width))
        return resize(self.output_convs(path), output_size)


class LinearHead(nn.Module):
    """Normalise one feature map and project it linearly: (B, C_in, h, w) -> (B, num_labels, H, W).

    See docs/specification.md 5.3.
    """

    def __init__(self, in_channels: int, num_labels: int) -> None:
        super().__init__()
        _check_positive(in_channels=in_channels, num_labels=num_labels)
        self.in_channels = in_channels
        self.batch_norm = nn.BatchNorm2d(in_channels, eps=1e-5, momentum=0.1)
        self.projection = nn.Conv2d(in_channels, num_labels, 1)

    @property
    def output_layer(self) -> nn.Conv2d:
        """The layer whose outputs are logits."""
        return self.projection

    def forward(self, features: Sequence[Tensor], output_size: tuple[int, int]) -> Tensor:
        """Predict logits from a sequence that holds the last block's map: (B, C_in, h, w) -> (B, num_labels, H, W)."""
        check_features(features, 1, self.in_channels, output_size)
        return resize(self.projection(self.batch_norm(features[0])), output_size)


class FusionBlock(nn.Module):
    """Add a lateral level to the running path, refine, and resize: (B, F, h, w) -> (B, F, H, W).

    See docs/specification.md 5.2, step 6.
    """

    def __init__(self, hidden_size: int, is_deepest: bool = False) -> None:
        super().__init__()
        # No path comes from below the deepest level, so its first unit has no use; see UnusedResidualUnit.
        self.residual_unit1 = UnusedResidualUnit(hidden_size) if is_deepest else ResidualUnit(hidden_size)
        self.residual_unit2 = ResidualUnit(hidden_size)
        self.out_conv = nn.Conv2d(hidden_size, hidden_size, 1)

    def forward(self, lateral: Tensor, path: Tensor | None, output_size: tuple[int, int]) -> Tensor:
        """`path` is None at the deepest level."""
        features = self.residual_unit2(lateral if path is None else path + self.residual_unit1(lateral))
        # Before the resize, on a quarter of the pixels: the result is the same, as weights of a resize sum to one.
        return resize(self.out_conv(features), output_size)


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions, each after a relu, added to the input: (B, F, h, w) -> (B, F, h, w).

    See docs/specification.md 5.2, step 5.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(hidden_size, hidden_size, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden_size, hidden_size, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv2(F.relu(self.conv1(F.relu(features)), inplace=True))


class UnusedResidualUnit(nn.Module):
    """Weights of the deepest fusion block's lateral unit, which are stored but never used.

    Original checkpoints hold them, and importing and exporting again must give the same bits. They are buffers, not
    frozen parameters: optimizers and DistributedDataParallel never see buffers, and from_pretrained, which makes all
    loaded parameters trainable, cannot change that. See docs/specification.md 5.2, step 7.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.conv1 = UnusedConvolution(hidden_size)
        self.conv2 = UnusedConvolution(hidden_size)


class UnusedConvolution(nn.Module):
    """Weight and bias of a 3x3 convolution that is stored but never applied."""

    weight: Tensor
    bias: Tensor

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(hidden_size, hidden_size, 3, 3))
        self.register_buffer("bias", torch.zeros(hidden_size))


@torch.no_grad()
def initialize_head_module(module: nn.Module) -> bool:
    """Give one module of a head torch's default initialisation; True if it was a convolution or a norm.

    Meant for `PreTrainedModel._init_weights`, whose own normal(0.02) is too small for a deep stack of rectified
    convolutions. Only torch.nn.init functions write here: transformers makes them skip weights that were loaded.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        module.reset_parameters()
    elif isinstance(module, nn.BatchNorm2d):
        assert module.running_mean is not None
        assert module.running_var is not None
        assert module.num_batches_tracked is not None
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
        nn.init.zeros_(module.running_mean)
        nn.init.ones_(module.running_var)
        nn.init.zeros_(module.num_batches_tracked)
    elif isinstance(module, UnusedConvolution):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
    else:
        return False
    return True


def resize(features: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Bilinear resize with aligned corners, as everywhere in the heads: (B, C, h, w) -> (B, C, H, W)."""
    return F.interpolate(features, size=tuple(output_size), mode="bilinear", align_corners=True)


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}.")


def check_features(
    features: Sequence[Tensor], num_features: int, in_channels: int, output_size: tuple[int, int]
) -> None:
    """Raise ValueError unless there are num_features maps (B, in_channels, h, w) of one shape, and an output size."""
    if isinstance(features, Tensor) or len(features) != num_features:
        found = "a single tensor" if isinstance(features, Tensor) else f"{len(features)} maps"
        raise ValueError(f"Expected a sequence of {num_features} feature maps (B, C, h, w), got {found}.")
    first = features[0]
    for feature in features:
        if feature.ndim != 4 or feature.shape[1] != in_channels or feature.shape != first.shape:
            raise ValueError(
                f"Every feature map must have the same shape (B, {in_channels}, h, w), "
                f"got {[tuple(feature.shape) for feature in features]}."
            )
    if len(output_size) != 2 or min(output_size) < 1:
        raise ValueError(f"output_size must be (height, width), both at least 1, got {tuple(output_size)}.")
