# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForReconstruction beyond the golden vectors: symmetries, chunks, training, saving, bad input."""

import pytest
import torch
import transformers

from pixio_hf import PixioForReconstruction, PixioImageProcessorPil
from pixio_hf.geometry import pose_matrix, world_to_camera
from pixio_hf.metrics.reconstruction import ReconstructionMetrics
from pixio_hf.view_geometry import ViewLabels
from tests.tiny_models import tiny_view_config


@pytest.fixture(scope="module")
def model() -> PixioForReconstruction:
    torch.manual_seed(0)
    return PixioForReconstruction(tiny_view_config()).eval()


@pytest.fixture
def views() -> torch.Tensor:
    return torch.randn(2, 3, 3, 48, 64, generator=torch.Generator().manual_seed(1))


def make_labels(batch_size: int, num_views: int, height: int, width: int, seed: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    quaternions = torch.randn(batch_size, num_views, 4, generator=generator)
    return {
        "depth": 1 + 3 * torch.rand(batch_size, num_views, height, width, generator=generator),
        "intrinsics": torch.tensor([[50.0, 0, width / 2], [0, 50.0, height / 2], [0, 0, 1]]).expand(
            batch_size, num_views, 3, 3
        ),
        "camera_to_world": pose_matrix(quaternions, torch.randn(batch_size, num_views, 3, generator=generator)),
    }


@torch.no_grad()
def test_exchanging_other_views_exchanges_outputs(model, views):
    order = [0, 2, 1]
    outputs, exchanged = model(views), model(views[:, order])
    for name in ("pointmaps", "camera_to_world", "confidence", "mask_logits", "predicted_depth"):
        torch.testing.assert_close(exchanged[name], outputs[name][:, order], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(exchanged.metric_scale, outputs.metric_scale)


@torch.no_grad()
def test_first_view_is_another_one(model, views):
    exchanged = model(views[:, [1, 0, 2]])
    assert not torch.allclose(exchanged.pointmaps[:, [1, 0, 2]], model(views).pointmaps, atol=1e-3)


@pytest.mark.parametrize("view_chunk_size", [1, 2, 100])
@torch.no_grad()
def test_chunks_change_nothing(model, views, view_chunk_size):
    whole = model(views, view_chunk_size=None, output_hidden_states=True)
    parts = model(views, view_chunk_size=view_chunk_size, output_hidden_states=True)
    torch.testing.assert_close(parts.pointmaps, whole.pointmaps, atol=1e-5, rtol=1e-4)
    for part, state in zip(parts.hidden_states, whole.hidden_states, strict=True):
        torch.testing.assert_close(part, state, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_outputs_fit_together(model, views):
    outputs = model(views)
    cameras = world_to_camera(outputs.camera_to_world)
    seen = (
        torch.einsum("bvij,bvhwj->bvhwi", cameras[..., :3, :3], outputs.pointmaps) + cameras[:, :, None, None, :3, 3]
    )
    torch.testing.assert_close(seen, outputs.camera_pointmaps, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(outputs.camera_pointmaps.norm(dim=-1), outputs.ray_depth, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(outputs.camera_pointmaps[..., 2], outputs.predicted_depth)
    assert (outputs.confidence > 1).all()
    assert (outputs.metric_scale > 0).all()


def test_every_parameter_learns_and_no_view_needs_depth(model, views):
    labels = make_labels(2, 3, 48, 64)
    labels["depth"][:, 1] = 0  # a view without any depth
    labels["depth"][0, 2, :4] = -1  # sky
    model = PixioForReconstruction(tiny_view_config()).train()
    outputs = model(views, labels=labels)
    assert torch.isfinite(outputs.loss)
    torch.testing.assert_close(outputs.loss, sum(outputs.loss_terms.values()))
    outputs.loss.backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_no_depth_at_all_gives_finite_gradients(views):
    labels = make_labels(2, 3, 48, 64)
    labels["depth"].zero_()
    model = PixioForReconstruction(tiny_view_config()).train()
    model(views, labels=labels).loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_training_reduces_the_loss(views):
    torch.manual_seed(0)
    model = PixioForReconstruction(tiny_view_config()).train()
    labels = make_labels(2, 3, 48, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = model(views, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@torch.no_grad()
def test_saves_and_loads_through_the_auto_class(model, views, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = PixioForReconstruction.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(views).pointmaps, model(views).pointmaps)
    if hasattr(transformers, "AutoModelForPointmapEstimation"):
        auto = transformers.AutoModelForPointmapEstimation.from_pretrained(tmp_path)
        assert type(auto) is PixioForReconstruction


@torch.no_grad()
def test_heads_stay_float32_in_a_bfloat16_model(model, views, tmp_path):
    model.save_pretrained(tmp_path)
    half = PixioForReconstruction.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    assert half.pixio.layernorm.weight.dtype == torch.bfloat16
    assert half.dense_head.output_conv.weight.dtype == torch.float32
    outputs = half(views)
    assert outputs.pointmaps.dtype == torch.float32
    torch.testing.assert_close(outputs.confidence, model(views).confidence, atol=0.1, rtol=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(views).pointmaps.dtype == torch.float32


@torch.no_grad()
def test_metric_of_the_truth_is_perfect():
    labels = make_labels(2, 3, 48, 64)
    geometry = ViewLabels.read(labels, (2, 3, 48, 64)).geometry
    predictions = {
        "ray_directions": geometry.rays,
        "ray_depth": geometry.ray_depth,
        "camera_quaternions": geometry.quaternions,
        "camera_translations": geometry.translations,
        "metric_scale": torch.tensor([0.5, 2.0]),
    }
    scores = ReconstructionMetrics().compute(predictions=predictions, references=labels)
    assert scores["points_rel"] < 1e-5
    assert scores["scale_rel"] < 1e-5
    assert scores["ray_error"] < 1e-3
    assert scores["points_tau"] == scores["pose_auc_5"] == scores["depth_tau"] == 100


def test_bad_input_is_refused(model, views):
    with pytest.raises(ValueError, match=r"batch_size, num_views"):
        model(views[0])
    with pytest.raises(ValueError, match="multiples of the patch size"):
        model(views[..., :40])
    with pytest.raises(ValueError, match="view_chunk_size must be at least 1"):
        model(views, view_chunk_size=0)
    with pytest.raises(ValueError, match="takes pictures only"):
        model(views, geometric_inputs={"ray_depth": torch.ones(2, 3, 48, 64)})
    labels = make_labels(2, 3, 48, 64)
    with pytest.raises(ValueError, match="must hold depth, intrinsics and camera_to_world"):
        model(views, labels={"depth": labels["depth"]})
    with pytest.raises(ValueError, match="must have shape"):
        model(views, labels={**labels, "depth": labels["depth"][:, :2]})
    with pytest.raises(ValueError, match="not finite"):
        model(views, labels={**labels, "intrinsics": labels["intrinsics"] * torch.nan})
    with pytest.raises(ValueError, match="Unknown loss preset"):
        model(views, labels=labels, loss_preset="v2")
    with pytest.raises(ValueError, match="view_taps must be two increasing"):
        tiny_view_config(view_taps=[2, 9])


@torch.no_grad()
def test_what_the_image_processor_returns_can_be_passed_as_it_is(model):
    photos = [torch.full((3, 48, 64), 100, dtype=torch.uint8), torch.full((3, 60, 80), 200, dtype=torch.uint8)]
    processor = PixioImageProcessorPil(view_size=64)
    inputs = processor([photos], intrinsics=[2 * [[50.0, 50, 32, 24]]], return_tensors="pt")
    outputs = model(**inputs)
    torch.testing.assert_close(outputs.pointmaps, model(inputs["pixel_values"]).pointmaps)
