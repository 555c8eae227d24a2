# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Predicted cameras onto given ones, and the two directions of a pose."""

import pytest
import torch

from pixio_hf import align_to_poses, world_to_camera
from pixio_hf.geometry import pose_matrix, quaternion_to_matrix


def make_poses(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return pose_matrix(torch.randn(*shape, 4, generator=generator), torch.randn(*shape, 3, generator=generator))


def move(poses: torch.Tensor, scale: float, turn: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    moved = poses.clone()
    moved[..., :3, :3] = turn @ poses[..., :3, :3]
    moved[..., :3, 3] = scale * poses[..., :3, 3] @ turn.T + shift
    return moved


TURN = quaternion_to_matrix(torch.tensor([0.3, -0.2, 0.5, 0.7]))
SHIFT = torch.tensor([3.0, -1.0, 20.0])


@pytest.mark.parametrize("num_views", [2, 3, 7])
def test_a_similarity_is_found_exactly(num_views):
    poses = make_poses(num_views)
    world = align_to_poses(poses, move(poses, 2.5, TURN, SHIFT))
    torch.testing.assert_close(world.scale, torch.tensor(2.5))
    torch.testing.assert_close(world.rotation, TURN, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(world.move_poses(poses), move(poses, 2.5, TURN, SHIFT), rtol=1e-5, atol=1e-4)
    points = torch.randn(num_views, 4, 5, 3)
    torch.testing.assert_close(world.move_points(points), 2.5 * points @ TURN.T + SHIFT, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(world.move_points(points[0, 0, 0]), 2.5 * points[0, 0, 0] @ TURN.T + SHIFT)


def test_one_view_keeps_metres():
    poses = make_poses(1)
    world = align_to_poses(poses, move(poses, 2.5, TURN, SHIFT))
    assert world.scale == 1
    torch.testing.assert_close(world.move_poses(poses), move(poses, 2.5, TURN, SHIFT), rtol=1e-5, atol=1e-4)


def test_batches_and_views_without_a_given_pose():
    poses = make_poses(4, 5)
    given = move(poses, 0.5, TURN, SHIFT)
    known = torch.ones(4, 5, dtype=torch.bool)
    known[:, 1] = False
    given[:, 1] = torch.nan
    world = align_to_poses(poses, given, known)
    torch.testing.assert_close(world.move_poses(poses)[:, 2:], given[:, 2:], rtol=1e-4, atol=1e-4)
    assert torch.isfinite(world.move_poses(poses)).all()
    without = align_to_poses(poses, given, known, with_scale=False)
    assert (without.scale == 1).all()
    points = torch.randn(4, 5, 6, 3)
    assert world.move_points(points).shape == points.shape


def test_noise_is_averaged():
    poses = make_poses(40)
    given = move(poses, 2.0, TURN, SHIFT)
    given[:, :3, 3] += 0.05 * torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    world = align_to_poses(poses, given)
    assert abs(world.scale - 2) < 0.02
    torch.testing.assert_close(world.rotation, TURN, rtol=0, atol=1e-4)


def test_refusals():
    poses = make_poses(3)
    with pytest.raises(ValueError, match="both have shape"):
        align_to_poses(poses, poses[:2])
    with pytest.raises(ValueError, match="at least one view"):
        align_to_poses(poses, poses, torch.zeros(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="not finite"):
        align_to_poses(poses, torch.full_like(poses, torch.nan))
    with pytest.raises(ValueError, match="mirrors"):
        align_to_poses(poses, poses @ torch.diag(torch.tensor([1.0, -1.0, 1.0, 1.0])))


def test_world_to_camera_is_the_inverse():
    poses = make_poses(2, 3)
    identity = torch.eye(4).expand(2, 3, 4, 4)
    torch.testing.assert_close(world_to_camera(poses) @ poses, identity, rtol=0, atol=1e-5)
    # A camera 2 m along x looks along z: the world's origin lies 2 m to its left.
    pose = torch.eye(4)
    pose[0, 3] = 2
    assert (world_to_camera(pose) @ torch.tensor([0.0, 0, 0, 1])).tolist() == [-2, 0, 0, 1]
