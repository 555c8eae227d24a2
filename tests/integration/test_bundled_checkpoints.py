# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The checkpoints inside the package: small, documented, the same in either precision, and better than a constant."""

import re
from pathlib import Path

import PIL.Image
import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoImageProcessor, AutoModel, pipeline

from pixio_hf import PixioForDepthEstimation, PixioForPreTraining, PixioModel, bundled_checkpoint
from pixio_hf.bundled import ASSETS
from pixio_hf.losses import masked_pixel_loss
from pixio_hf.metrics.depth import DepthMetrics
from pixio_hf.synthetic import HELD_OUT_SEEDS, render_scenes

NAMES = ("pixio-tiny", "pixio-tiny-depth")
MAX_BYTES = 12_000_000
PHOTOS = sorted((ASSETS / "photos").glob("*.jpg"))


@pytest.fixture(scope="module")
def scenes() -> tuple[Tensor, Tensor]:
    """64 synthetic rooms that no model was trained on: images (64, 3, 128, 128) uint8, depth (64, 128, 128) metres."""
    batch = render_scenes(HELD_OUT_SEEDS[512:576], 128)
    return batch.images, batch.depth


def preprocess(name: str, images: Tensor) -> Tensor:
    return AutoImageProcessor.from_pretrained(bundled_checkpoint(name))(list(images), return_tensors="pt").pixel_values


@torch.no_grad()
def predict_depth(dtype: torch.dtype, images: Tensor) -> Tensor:
    model = PixioForDepthEstimation.from_pretrained(bundled_checkpoint("pixio-tiny-depth"), dtype=dtype).eval()
    pixel_values = preprocess("pixio-tiny-depth", images).to(dtype)
    depth = torch.cat([model(chunk).predicted_depth.float() for chunk in pixel_values.split(16)])
    return interpolate(depth[:, None], images.shape[-2:], mode="bilinear")[:, 0]  # the model works at 256 x 256


@torch.no_grad()
def reconstruct_scenes(dtype: torch.dtype, images: Tensor) -> tuple[float, float]:
    """Loss of a fixed mask, and that of the best guess without looking: the mean colour of the visible patches."""
    model = PixioForPreTraining.from_pretrained(bundled_checkpoint("pixio-tiny"), dtype=dtype).eval()
    assert not model.config.norm_pix_loss
    assert model.config.mask_ratio == 0.75
    pixel_values = preprocess("pixio-tiny", images).to(dtype)
    num_blocks = (model.config.patch_grid_size // model.config.mask_grid_size) ** 2
    noise = torch.rand(len(images), num_blocks, generator=torch.Generator().manual_seed(0))
    outputs = model(pixel_values, noise=noise)
    target = model.target_patches(pixel_values)
    visible = 1 - outputs.mask
    colors = target.unflatten(2, (-1, 3)).mean(2)  # (B, N, 3)
    mean_color = (colors * visible[..., None]).sum(1) / visible.sum(1, keepdim=True)
    constant = mean_color[:, None, None].expand(-1, target.shape[1], target.shape[2] // 3, -1).flatten(2)
    return outputs.loss.float().item(), masked_pixel_loss(constant, target, outputs.mask).item()


@pytest.fixture(scope="module")
def depth_in_float32(scenes) -> Tensor:
    return predict_depth(torch.float32, scenes[0])


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_and_in_bfloat16(name):
    files = sorted(Path(bundled_checkpoint(name)).glob("*.safetensors"))
    assert [file.name for file in files] == ["model.safetensors"]
    assert files[0].stat().st_size <= MAX_BYTES
    with safe_open(files[0], "pt") as stored:
        dtypes = {key: stored.get_slice(key).get_dtype() for key in stored.keys()}  # noqa: SIM118
    assert len(dtypes) > 100
    # Counters of batch normalisation are integers.
    assert {dtype for key, dtype in dtypes.items() if not key.endswith("num_batches_tracked")} == {"BF16"}


@pytest.mark.parametrize("name", NAMES)
def test_card(name):
    text = (Path(bundled_checkpoint(name)) / "README.md").read_text()
    front_matter = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert front_matter, "a model card starts with its metadata between --- lines"
    assert re.search(r"^license: apache-2\.0$", front_matter[1], re.MULTILINE)
    body = text[front_matter.end() :].lower()
    for word in ("synthetic", "held-out", "mean", "random", "delta1", "abs_rel", "rmse", "examples/"):
        assert word in body, f"the card of {name} says nothing about {word!r}"


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_loads_completely(name):
    model_class = PixioForPreTraining if name == "pixio-tiny" else PixioForDepthEstimation
    model, info = model_class.from_pretrained(bundled_checkpoint(name), output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())
    assert type(AutoModel.from_pretrained(bundled_checkpoint(name))) is PixioModel


def test_unknown_name():
    with pytest.raises(ValueError, match="pixio-tiny, pixio-tiny-3d, pixio-tiny-depth"):
        bundled_checkpoint("pixio-huge")


def test_depth_is_the_same_in_both_precisions(scenes, depth_in_float32):
    rough = predict_depth(torch.bfloat16, scenes[0])
    relative = ((rough - depth_in_float32).abs() / depth_in_float32).mean().item()
    assert 0 < relative < 0.01


def test_reconstruction_is_the_same_in_both_precisions(scenes):
    (exact, _), (rough, _) = (reconstruct_scenes(dtype, scenes[0]) for dtype in (torch.float32, torch.bfloat16))
    assert rough == pytest.approx(exact, rel=0.01)


def test_depth_beats_the_mean_depth_on_held_out_scenes(scenes, depth_in_float32):
    depth = scenes[1]
    # The best constant there is: the mean of these very scenes, which no model gets to see.
    constant = torch.full_like(depth, depth[depth > 0].mean().item())
    results = {}
    for name, predicted in (("model", depth_in_float32), ("mean", constant)):
        metric = DepthMetrics()
        metric.add_batch(predictions=predicted, references=depth)
        results[name] = metric.compute() or {}
    model, mean = results["model"], results["mean"]
    assert model["num_images"] == 64
    assert model["delta1"] > mean["delta1"] + 0.03, results
    assert model["abs_rel"] < 0.75 * mean["abs_rel"], results
    assert model["rmse"] < 0.9 * mean["rmse"], results


def test_depth_orders_held_out_scenes(scenes, depth_in_float32):
    """Rank correlation with the truth: 0 of a constant, 1 of what is exact up to scale and shift."""
    orders = []
    for predicted, depth in zip(depth_in_float32, scenes[1], strict=True):
        known = depth > 0
        ranks = torch.stack([values[known].argsort().argsort().double() for values in (predicted, depth)])
        orders.append(torch.corrcoef(ranks)[0, 1].item())
    assert sum(orders) / len(orders) > 0.75


def test_depth_follows_the_picture(scenes, depth_in_float32):
    mirrored = predict_depth(torch.float32, scenes[0][:16].flip(-1))
    right = (mirrored.flip(-1) - depth_in_float32[:16]).abs().mean()
    wrong = (mirrored - depth_in_float32[:16]).abs().mean()
    assert right < 0.7 * wrong


def test_reconstruction_beats_the_mean_visible_color(scenes):
    loss, loss_of_mean_color = reconstruct_scenes(torch.float32, scenes[0])
    assert loss < 0.6 * loss_of_mean_color


def test_reconstruction_looks_at_the_visible_patches(scenes):
    """With the pictures' visible patches of another scene the hidden ones are predicted worse."""
    model = PixioForPreTraining.from_pretrained(bundled_checkpoint("pixio-tiny"), dtype=torch.float32).eval()
    pixel_values = preprocess("pixio-tiny", scenes[0])
    noise = torch.rand(64, (model.config.patch_grid_size // 2) ** 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = model(pixel_values, noise=noise)
        others = model(pixel_values.roll(1, 0), noise=noise)
    targets = model.target_patches(pixel_values)
    own, other = (
        ((prediction.logits - targets).square().mean(2) * outputs.mask).sum() / outputs.mask.sum()
        for prediction in (outputs, others)
    )
    torch.testing.assert_close(own, outputs.loss, atol=1e-4, rtol=1e-4)
    assert own < 0.95 * other


def test_depth_pipeline_on_bundled_photos():
    assert len(PHOTOS) >= 3
    estimate = pipeline("depth-estimation", model=bundled_checkpoint("pixio-tiny-depth"), device="cpu")
    for path, result in zip(PHOTOS, estimate([str(path) for path in PHOTOS]), strict=True):
        with PIL.Image.open(path) as photo:
            size = photo.size
        depth = torch.as_tensor(result["predicted_depth"]).float()
        assert depth.shape == size[::-1]
        assert depth.min() > 0
        assert depth.max() <= 10
        assert depth.std() > 0.05
        assert result["depth"].size == size
