# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Feed-forward reconstruction against golden vectors of MapAnything with a Pixio encoder."""

import pytest
import torch

from pixio_hf import PixioConfig, PixioForReconstruction, PixioImageProcessorPil
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from pixio_hf.conversion.reconstruction_names import (
    GEOMETRIC_PREFIXES,
    REFERENCE_MARK,
    canonical_name,
    training_file_state,
)
from pixio_hf.geometry import (
    intrinsics_of_rays,
    invert_quaternion,
    log_length,
    matrix_to_quaternion,
    multiply_quaternions,
    pose_matrix,
    quaternion_to_matrix,
    rays_of_intrinsics,
    relative_pose,
)
from pixio_hf.metrics.reconstruction import pose_errors, reconstruction_metrics_per_scene
from pixio_hf.modeling_pixio_reconstruction import PixioReconstructionOutput
from pixio_hf.reconstruction_losses import LOSS_PRESETS, reconstruction_loss, view_terms
from pixio_hf.reconstruction_masks import confident_mask, edge_mask, multi_view_confidence
from pixio_hf.view_geometry import RawViews, ViewGeometry, ViewLabels
from tests.golden import Case, load_case

pytestmark = pytest.mark.parity

MODEL_CASES = [
    "recon_two_views_native",
    "recon_three_views_odd_wide",
    "recon_two_views_even_tall",
    "recon_one_view",
    "recon_same_width",
    "recon_geometric_inputs",
]
LOSS_CASES = ["recon_loss_two_views", "recon_loss_three_views_mixed", "recon_loss_no_metric"]
METRICS = {
    "scale_rel": ("metric_scale_abs_rel", 1),
    "points_rel": ("pointmaps_abs_rel", 1),
    "points_tau": ("pointmaps_inlier_thres_103", 100),
    "pose_auc_5": ("pose_auc_5", 1),
    "depth_rel": ("z_depth_abs_rel", 1),
    "depth_tau": ("z_depth_inlier_thres_103", 100),
    "pose_ate": ("pose_ate_rmse", 1),
    "ray_error": ("ray_dirs_err_deg", 1),
}


def load(name: str) -> Case:
    return load_case(name, "reconstruction")


def read_raw(case: Case) -> RawViews:
    return RawViews(case.tensors["raw_dense"], case.tensors["raw_pose"], case.tensors["raw_scale"].squeeze(1))


def read_labels(case: Case) -> ViewLabels:
    truth = {name.removeprefix("gt."): tensor for name, tensor in case.tensors.items() if name.startswith("gt.")}
    depth = truth["depthmap"].squeeze(-1)
    labels = {
        "depth": depth,
        "intrinsics": truth["camera_intrinsics"],
        "camera_to_world": truth["camera_pose"],
        "is_metric": truth["is_metric_scale"][:, 0],
        "is_synthetic": truth["is_synthetic"][:, 0],
    }
    return ViewLabels.read(labels, tuple(depth.shape))


def canonical_state(case: Case, geometric_inputs: bool) -> dict[str, torch.Tensor]:
    """A case's weights, one name for each, without the fixed table that marks view 0."""
    return {
        canonical_name(name): tensor
        for name, tensor in case.state.items()
        if name != REFERENCE_MARK and (geometric_inputs or not name.startswith(GEOMETRIC_PREFIXES))
    }


def build_model(case: Case, use_geometric_inputs: bool) -> PixioForReconstruction:
    sizes = {**load("recon_state").config, **case.config}
    config = PixioConfig(
        hidden_size=sizes["embed_dim"],
        num_hidden_layers=sizes["depth"],
        num_attention_heads=sizes["num_heads"],
        image_size=sizes["img_size"],
        n_cls_tokens=sizes["n_cls_tokens"],
        view_hidden_size=sizes["info_dim"],
        view_num_hidden_layers=sizes["info_depth"],
        view_num_attention_heads=sizes["info_heads"],
        view_taps=sizes["info_indices"],
        reconstruction_neck_hidden_sizes=sizes["layer_dims"],
        reconstruction_fusion_hidden_size=sizes["feature_dim"],
        pose_hidden_size=case.state["pose_head.fc_t.weight"].shape[1],
        scale_hidden_size=sizes["scale_hidden"],
        use_geometric_inputs=use_geometric_inputs,
        geometric_dense_hidden_sizes=sizes["dense_dims"],
        geometric_global_hidden_sizes=sizes["global_dims"],
        layer_norm_eps=sizes["layernorm_eps"],
    )
    model = PixioForReconstruction(config)
    state = reference_to_hub_state(canonical_state(case, use_geometric_inputs))
    model.load_state_dict({hub_to_memory_name(name): tensor for name, tensor in state.items()})
    return model.eval()


@pytest.mark.parametrize("name", MODEL_CASES)
@pytest.mark.parametrize("view_chunk_size", [None, 2])
@torch.no_grad()
def test_model(name, view_chunk_size):
    case = load(name)
    known = None
    if "in.depth_along_ray" in case.tensors:
        known = {
            "ray_directions": case.tensors["in.ray_directions_cam"],
            "ray_depth": case.tensors["in.depth_along_ray"].squeeze(-1),
            "camera_quaternions": case.tensors["in.camera_pose_quats"],
            "camera_translations": case.tensors["in.camera_pose_trans"],
            "is_metric": case.tensors["in.is_metric_scale"],
        }
    model = build_model(case, known is not None)
    images = case.tensors["pixel_values"]
    raw, _ = model.predict_raw(images, known, view_chunk_size)
    # The reference counts views before scenes.
    case.assert_close("mid.raw_dense", raw.dense.transpose(0, 1).flatten(0, 1))
    case.assert_close("mid.raw_pose", raw.pose.transpose(0, 1).flatten(0, 1))
    case.assert_close("mid.raw_scale", raw.scale[:, None, None])
    outputs = model(images, geometric_inputs=known, view_chunk_size=view_chunk_size)
    case.assert_close("out.cam_trans", outputs.camera_translations)
    case.assert_close("out.cam_quats", outputs.camera_quaternions)
    case.assert_close("out.metric_scaling_factor", outputs.metric_scale[:, None, None].expand(*images.shape[:2], 1))
    if "out.pts3d" in case.tensors:
        case.assert_close("out.pts3d", outputs.pointmaps)


@torch.no_grad()
def test_every_output_of_the_native_case():
    case = load("recon_two_views_native")
    outputs = build_model(case, False)(case.tensors["pixel_values"])
    case.assert_close("out.pts3d_cam", outputs.camera_pointmaps)
    case.assert_close("out.ray_directions", outputs.ray_directions)
    case.assert_close("out.depth_along_ray", outputs.ray_depth[..., None])
    case.assert_close("out.conf", outputs.confidence)
    case.assert_close("out.non_ambiguous_mask_logits", outputs.mask_logits)
    torch.testing.assert_close(outputs.predicted_depth, outputs.camera_pointmaps[..., 2])


def test_activations():
    case = load("recon_activations")
    raw = read_raw(case)
    scale = raw.metric_scale()
    geometry = raw.geometry().scaled(scale)
    case.assert_close("out.pts3d", geometry.world_points)
    case.assert_close("out.pts3d_cam", geometry.camera_points)
    case.assert_close("out.ray_directions", geometry.rays)
    case.assert_close("out.depth_along_ray", geometry.ray_depth[..., None])
    case.assert_close("out.cam_trans", geometry.translations)
    case.assert_close("out.cam_quats", geometry.quaternions)
    case.assert_close("out.conf", raw.confidence())
    assert torch.equal(raw.mask_logits() > 0, case.tensors["out.non_ambiguous_mask"])


def test_geometry():
    case = load("recon_geometry")
    quaternions, others = case.tensors["quats"], case.tensors["quats2"]
    case.assert_close("rotation", quaternion_to_matrix(quaternions))
    case.assert_close("quats_from_rotation", matrix_to_quaternion(case.tensors["rotation"]))
    case.assert_close("quats_inverse", invert_quaternion(quaternions))
    case.assert_close("quats_product", multiply_quaternions(quaternions, others))
    rotation, translation = relative_pose(quaternions, case.tensors["trans"], others, case.tensors["trans2"])
    case.assert_close("relative_quats", rotation)
    case.assert_close("relative_trans", translation)
    case.assert_close("rays", rays_of_intrinsics(case.tensors["intrinsics"], 24, 32))
    case.assert_close("intrinsics_of_rays", intrinsics_of_rays(case.tensors["rays"]))
    case.assert_close("intrinsics_of_noisy_rays", intrinsics_of_rays(case.tensors["noisy_rays"]))
    case.assert_close("intrinsics_of_large_noisy_rays", intrinsics_of_rays(case.tensors["large_noisy_rays"]))
    case.assert_close("log_vectors", log_length(case.tensors["vectors"]))


@pytest.mark.parametrize("name", LOSS_CASES)
@pytest.mark.parametrize(
    ("prefix", "preset", "use_confidence"),
    [("overall_train", "overall", True), ("overall_test", "overall", False), ("v11_train", "v1.1", True)],
)
def test_loss_and_gradients(name, prefix, preset, use_confidence):
    case = load(name)
    labels = read_labels(case)
    assert torch.equal(labels.valid, case.tensors["gt.valid_mask"])
    assert torch.equal(labels.non_ambiguous, case.tensors["gt.non_ambiguous_mask"])
    raw = read_raw(case)
    leaves = [tensor.clone().requires_grad_() for tensor in (raw.dense, raw.pose, raw.scale)]
    raw = RawViews(*leaves)
    total, _ = reconstruction_loss(raw, labels, preset, use_confidence)
    case.assert_close(f"{prefix}.total", total)
    for (term, view), value in view_terms(raw, labels, preset, use_confidence).items():
        stored = f"{prefix}.term.{term}" + ("" if view is None else f".view{view}")
        weight = LOSS_PRESETS[preset].terms["mask"] if term == "mask" else 1  # stored before its weight
        if stored in case.tensors:
            case.assert_close(stored, value / weight)
        else:
            assert value.item() == 0
    total.backward()
    dense, pose, scale = (leaf.grad for leaf in leaves)
    if f"{prefix}.grad_raw_dense" in case.tensors:
        case.assert_close(f"{prefix}.grad_raw_dense", dense)
        case.assert_close(f"{prefix}.grad_raw_pose", pose)
        case.assert_close(f"{prefix}.grad_raw_scale", scale[:, None])


@pytest.mark.parametrize("name", ["recon_metrics_two_views", "recon_metrics_three_views"])
def test_metrics(name):
    case = load(name)
    labels, raw = read_labels(case), read_raw(case)
    scale = raw.metric_scale()
    geometry = raw.geometry().scaled(scale)
    predictions = {
        "ray_directions": geometry.rays,
        "ray_depth": geometry.ray_depth,
        "camera_quaternions": geometry.quaternions,
        "camera_translations": geometry.translations,
        "metric_scale": scale,
    }
    metrics = reconstruction_metrics_per_scene(predictions, labels)
    for column, (stored, factor) in zip(metrics.T, METRICS.values(), strict=True):
        case.assert_close(f"metric.{stored}", column / factor)
    rotation, translation = pose_errors(geometry.double().in_first_view(), labels.geometry.double())
    case.assert_close("pair_rotation_error_deg", rotation)
    case.assert_close("pair_translation_error_deg", translation)


def test_post_processing():
    case = load("recon_postprocess")
    raw = read_raw(case)
    geometry = raw.geometry().scaled(raw.metric_scale())
    poses, intrinsics = pose_matrix(geometry.quaternions, geometry.translations), intrinsics_of_rays(geometry.rays)
    case.assert_close("out.depth_z", geometry.z_depth[..., None])
    case.assert_close("out.intrinsics", intrinsics)
    case.assert_close("out.camera_poses", poses)
    usable = raw.mask_logits() > 0
    assert torch.equal(usable[..., None], case.tensors["out.mask_plain"])
    sure = (usable & confident_mask(raw.confidence(), case.config["confidence_percentile"]))[0]
    kept = sure & ~edge_mask(geometry.world_points[0], geometry.z_depth[0], sure)
    assert (kept != case.tensors["out.mask_full"][0, ..., 0]).float().mean() <= 0.005
    agreement = multi_view_confidence(
        geometry.world_points[0], geometry.z_depth[0], poses[0], intrinsics[0], usable[0]
    )
    difference = (agreement - case.tensors["out.multiview_confidence"][0]).abs()
    assert (difference > 1e-3).float().mean() <= 0.002


def test_post_processing_of_the_image_processor():
    case = load("recon_postprocess")
    raw = read_raw(case)
    scale = raw.metric_scale()
    geometry = raw.geometry().scaled(scale)
    outputs = PixioReconstructionOutput(
        pointmaps=geometry.world_points,
        predicted_depth=geometry.z_depth,
        camera_to_world=pose_matrix(geometry.quaternions, geometry.translations),
        intrinsics=intrinsics_of_rays(geometry.rays),
        metric_scale=scale,
        confidence=raw.confidence(),
        mask_logits=raw.mask_logits(),
    )
    (scene,) = PixioImageProcessorPil().post_process_reconstruction(
        outputs, confidence_percentile=case.config["confidence_percentile"], mask_edges=True
    )
    case.assert_close("out.camera_poses", scene["camera_to_world"][None])
    case.assert_close("out.intrinsics", scene["intrinsics"][None])
    expected = case.tensors["out.mask_full"][0, ..., 0]
    assert (scene["mask"] != expected).float().mean() <= 0.005
    both = scene["mask"] & expected
    torch.testing.assert_close(scene["predicted_depth"][both], case.tensors["out.depth_z"][0, ..., 0][both])
    (scene,) = PixioImageProcessorPil().post_process_reconstruction(outputs, mask_edges=False)
    assert torch.equal(scene["mask"], case.tensors["out.mask_plain"][0, ..., 0])


def test_key_mapping_is_reversible_bit_for_bit():
    case = load("recon_two_views_native")
    hub = reference_to_hub_state(canonical_state(case, geometric_inputs=True))
    back = training_file_state(hub_to_reference_state(hub))
    assert back.keys() == case.state.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in case.state.items())


def test_unit_of_errors():
    labels = read_labels(load("recon_metrics_two_views"))
    truth: ViewGeometry = labels.geometry.double()
    rotation, translation = pose_errors(truth, truth)
    assert rotation.max() < 0.001
    assert translation.max() < 0.001
