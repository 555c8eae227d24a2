# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""From light to a stored picture: exposure, colours, blur, noise and the losses of JPEG."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .scenes import ImageFormation

# ITU T.81, tables K.1 and K.2, which every encoder scales by its quality.
_LUMA_STEPS = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29),
    *(51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121),
    *(120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_STEPS = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99),
    *(99,) * 36,
)
_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_RGB = torch.tensor([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])
_LUMA = (0.299, 0.587, 0.114)
_REFERENCE_SIDE = 256


def form_image(light: Tensor, formation: ImageFormation) -> Tensor:
    """Picture (3, H, W) uint8 of linear light (3, H, W)."""
    scale = light.shape[-1] / _REFERENCE_SIDE
    picture = _expose(light, formation)
    picture = _adjust_colors(picture, formation)
    if formation.blur or any(formation.motion):
        picture = smear(blur(picture, formation.blur * scale), [scale * step for step in formation.motion])
    if formation.sharpening:
        picture = torch.lerp(blur(picture, max(1.0 * scale, 0.5)), picture, 1 + formation.sharpening)
    if formation.noise:
        picture = _add_noise(picture, formation)
    picture = picture.clamp_(0, 1)
    if formation.jpeg_quality is not None:
        picture = lose_to_jpeg(picture, formation.jpeg_quality).clamp_(0, 1)
    return picture.mul_(255).round_().to(torch.uint8)


def _expose(light: Tensor, formation: ImageFormation) -> Tensor:
    """Display values for which the picture's mean brightness comes near the wanted one, as of a camera that measures."""
    mean = light.mean().clamp(min=1e-3)
    gain = (formation.exposure**2 / mean).clamp(0.25, 4.0)
    balance = torch.tensor(formation.white_balance, device=light.device)[:, None, None] * gain
    picture = light * balance
    if formation.vignette:
        height, width = light.shape[1:]
        x, y = (torch.linspace(-1, 1, size, device=light.device) for size in (width, height))
        picture.mul_((x.square()[None, :] + y.square()[:, None]).mul_(-0.5 * formation.vignette).add_(1))
    return picture.clamp_(0, 1).sqrt_()


def _adjust_colors(picture: Tensor, formation: ImageFormation) -> Tensor:
    if formation.saturation != 1:
        gray = sum(share * channel for share, channel in zip(_LUMA, picture, strict=True))
        assert isinstance(gray, Tensor)
        picture = torch.lerp(gray.expand_as(picture), picture, formation.saturation)
    if formation.contrast != 1:
        picture = (picture - formation.exposure).mul_(formation.contrast).add_(formation.exposure)
    return picture


def blur(picture: Tensor, deviation: float) -> Tensor:
    """Gaussian blur with a deviation in pixels; the borders are repeated."""
    radius = math.ceil(2 * deviation)
    weights = [math.exp(-0.5 * (step / deviation) ** 2) for step in range(1, radius + 1)] if deviation > 0 else []
    if not weights or weights[0] < 0.01:
        return picture
    total = 1 + 2 * sum(weights)
    for axis in (1, 2):
        size = picture.shape[axis]
        padded = F.pad(
            picture[None], (0, 0, radius, radius) if axis == 1 else (radius, radius, 0, 0), mode="replicate"
        )[0]
        blurred = padded.narrow(axis, radius, size) / total
        for step, weight in enumerate(weights, start=1):
            for shift in (radius - step, radius + step):
                blurred.add_(padded.narrow(axis, shift, size), alpha=weight / total)
        picture = blurred
    return picture


def smear(picture: Tensor, motion: list[float]) -> Tensor:
    """Mean over a straight movement of (x, y) pixels, in whole steps."""
    reach = [min(abs(step), 24.0) for step in motion]
    count = round(max(reach))
    if count < 1:
        return picture
    margin = math.ceil(max(reach) / 2)
    height, width = picture.shape[1:]
    padded = F.pad(picture[None], (margin,) * 4, mode="replicate")[0]
    moved = torch.zeros_like(picture)
    for number in range(count + 1):
        x, y = (round(step * (number / count - 0.5)) + margin for step in motion)
        moved.add_(padded[:, y : y + height, x : x + width], alpha=1 / (count + 1))
    return moved


def _add_noise(picture: Tensor, formation: ImageFormation) -> Tensor:
    """Noise of the sensor, which grows in the dark once display values are stretched: mostly grey, a little coloured."""
    generator = torch.Generator().manual_seed(formation.noise_seed)
    grey = torch.randn(picture.shape[1:], generator=generator).to(picture.device)
    colored = torch.randn(3, *(size // 2 for size in picture.shape[1:]), generator=generator).to(picture.device)
    colored = F.interpolate(colored[None], picture.shape[1:], mode="nearest")[0]
    strength = (1.4 - picture).clamp_(0.4, 1.4).mul_(formation.noise)
    return picture + strength * colored.mul_(0.5).add_(grey)


def lose_to_jpeg(picture: Tensor, quality: int) -> Tensor:
    """What a JPEG of that quality (1 to 100) keeps of a picture (3, H, W) in [0, 1], with halved colours.

    The transform and the rounding of ITU T.81, without the codes, so that a picture depends on no library.
    """
    height, width = picture.shape[1:]
    padded = F.pad(picture[None], (0, -width % 16, 0, -height % 16), mode="replicate")[0]
    luma, *chroma = torch.einsum("ij,jhw->ihw", _TO_YCC.to(picture.device), padded * 255)
    chroma = F.avg_pool2d(torch.stack(chroma), 2)
    factor = 50 / quality if quality < 50 else 2 - quality / 50
    luma = _round_blocks((luma - 128)[None], _LUMA_STEPS, factor) + 128
    chroma = _round_blocks(chroma, _CHROMA_STEPS, factor)
    chroma = F.interpolate(chroma[None], scale_factor=2, mode="bilinear")[0]
    whole = torch.cat([luma, chroma])
    return torch.einsum("ij,jhw->ihw", _TO_RGB.to(picture.device), whole)[:, :height, :width].div_(255)


def _round_blocks(channels: Tensor, steps: tuple[int, ...], factor: float) -> Tensor:
    """Round the frequencies of blocks of 8 x 8 of (C, H, W) to multiples of their steps."""
    count, height, width = channels.shape
    transform = _cosine_transform().to(channels.device)
    table = torch.tensor(steps, dtype=torch.float32, device=channels.device).mul_(factor).round_().clamp_(1, 255)
    blocks = channels.view(count, height // 8, 8, width // 8, 8).transpose(2, 3).reshape(-1, 64)
    frequencies = (blocks @ transform.T).div_(table).round_().mul_(table)
    blocks = (frequencies @ transform).view(count, height // 8, width // 8, 8, 8)
    return blocks.transpose(2, 3).reshape(count, height, width)


def _cosine_transform() -> Tensor:
    """The two-dimensional DCT of a block as one orthogonal matrix (64, 64)."""
    frequency, place = np.arange(8)[:, None], np.arange(8)[None]
    rows = np.cos((2 * place + 1) * frequency * math.pi / 16) * np.where(frequency == 0, math.sqrt(1 / 8), 0.5)
    return torch.from_numpy(np.kron(rows, rows)).float()
