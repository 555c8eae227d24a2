# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Rotations, camera poses, rays and intrinsics. Pure functions of tensors, one convention everywhere.

Camera axes are OpenCV's: x right, y down, z forward. A pose takes camera coordinates to world coordinates. Quaternions
are (x, y, z, w), the real part last. The first pixel has its centre at (0, 0), so a centred principal point is
((W - 1) / 2, (H - 1) / 2).
"""

import torch
from torch import Tensor

TINY = 1e-8
MAX_FITTED_PIXELS = 1_000_000  # above this many pixels intrinsics come from five rays


def normalize(vectors: Tensor) -> Tensor:
    """Vectors of length one, zero stays zero: (..., C) -> (..., C)."""
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=TINY)


def quaternion_to_matrix(quaternions: Tensor) -> Tensor:
    """Rotation matrices of quaternions (x, y, z, w) of any length but zero: (..., 4) -> (..., 3, 3)."""
    x, y, z, w = normalize(quaternions).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def matrix_to_quaternion(rotations: Tensor) -> Tensor:
    """Unit quaternions (x, y, z, w) with w >= 0 of rotation matrices: (..., 3, 3) -> (..., 4)."""
    m = rotations
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Four times the square of each component; starting from the largest one loses no digits.
    squares = torch.stack((1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22, 1 + m00 + m11 + m22), dim=-1)
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    xw, yw, zw = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    candidates = torch.stack(
        (
            torch.stack((squares[..., 0], xy, xz, xw), dim=-1),
            torch.stack((xy, squares[..., 1], yz, yw), dim=-1),
            torch.stack((xz, yz, squares[..., 2], zw), dim=-1),
            torch.stack((xw, yw, zw, squares[..., 3]), dim=-1),
        ),
        dim=-2,
    )
    largest = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quaternions = normalize(candidates.gather(-2, largest).squeeze(-2))
    return torch.where(quaternions[..., 3:] < 0, -quaternions, quaternions)


def invert_quaternion(quaternions: Tensor) -> Tensor:
    """The opposite rotation of unit quaternions (x, y, z, w): (..., 4) -> (..., 4)."""
    return torch.cat((-quaternions[..., :3], quaternions[..., 3:]), dim=-1)


def multiply_quaternions(first: Tensor, second: Tensor) -> Tensor:
    """Hamilton product: first the rotation `second`, then `first`: (..., 4), (..., 4) -> (..., 4)."""
    vector1, real1 = first[..., :3], first[..., 3:]
    vector2, real2 = second[..., :3], second[..., 3:]
    vector = real1 * vector2 + real2 * vector1 + torch.linalg.cross(vector1, vector2, dim=-1)
    real = real1 * real2 - (vector1 * vector2).sum(dim=-1, keepdim=True)
    return torch.cat((vector, real), dim=-1)


def rotate(quaternions: Tensor, vectors: Tensor) -> Tensor:
    """Vectors turned by quaternions, K vectors by each of them: (..., 4), (..., K, 3) -> (..., K, 3)."""
    return vectors @ quaternion_to_matrix(quaternions).transpose(-1, -2)


def relative_pose(
    quaternions1: Tensor, translations1: Tensor, quaternions2: Tensor, translations2: Tensor
) -> tuple[Tensor, Tensor]:
    """Pose 2 as seen from camera 1: quaternions (..., 4) and translations (..., 3), unit quaternions in."""
    inverse = invert_quaternion(quaternions1)
    translations = rotate(inverse, (translations2 - translations1)[..., None, :]).squeeze(-2)
    return multiply_quaternions(inverse, quaternions2), translations


def pose_matrix(quaternions: Tensor, translations: Tensor) -> Tensor:
    """Camera to world as a matrix: (..., 4), (..., 3) -> (..., 4, 4)."""
    upper = torch.cat((quaternion_to_matrix(quaternions), translations[..., None]), dim=-1)
    lower = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat((upper, lower), dim=-2)


def world_to_camera(camera_to_world: Tensor) -> Tensor:
    """The inverse of rigid poses, as COLMAP and OpenCV write them: (..., 4, 4) -> (..., 4, 4)."""
    rotation = camera_to_world[..., :3, :3].transpose(-1, -2)
    translation = -rotation @ camera_to_world[..., :3, 3:]
    return torch.cat((torch.cat((rotation, translation), dim=-1), camera_to_world[..., 3:, :]), dim=-2)


def log_length(vectors: Tensor) -> Tensor:
    """Vectors of the same direction and of length log(1 + length): (..., C) -> (..., C)."""
    lengths = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp(min=TINY) * torch.log1p(lengths)


def points_scale(points: Tensor, valid: Tensor) -> Tensor:
    """Mean distance from the origin of a scene's valid points, at least 1e-8: (B, V, H, W, 3), (B, V, H, W) -> (B)."""
    distances = points.norm(dim=-1) * valid
    return (distances.flatten(1).sum(dim=1) / (valid.flatten(1).sum(dim=1) + TINY)).clamp(min=TINY)


def rays_of_intrinsics(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Unit viewing rays of all pixels of pinhole cameras: (..., 3, 3) -> (..., H, W, 3)."""
    rows = torch.arange(height, dtype=intrinsics.dtype, device=intrinsics.device)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=intrinsics.dtype, device=intrinsics.device).expand(height, width)
    focal_x, focal_y, centre_x, centre_y = (
        intrinsics[..., row, column][..., None, None] for row, column in ((0, 0), (1, 1), (0, 2), (1, 2))
    )
    x, y = (columns - centre_x) / focal_x, (rows - centre_y) / focal_y
    return normalize(torch.stack((x, y, torch.ones_like(x)), dim=-1))


def intrinsics_of_rays(rays: Tensor) -> Tensor:
    """Pinhole cameras that fit viewing rays best, without skew: (..., H, W, 3) -> (..., 3, 3), in pixels.

    Least squares of u = cx + fx x / z and of v = cy + fy y / z over a subsampled grid; from five rays where there are
    more than a million pixels. Meaningless where rays point backwards (z <= 0).
    """
    height, width = rays.shape[-3:-1]
    slopes = rays[..., :2] / rays[..., 2:]
    if height * width > MAX_FITTED_PIXELS:
        focal_x, centre_x = _fit_three_rays(slopes[..., height // 2, :, 0], width)
        focal_y, centre_y = _fit_three_rays(slopes[..., :, width // 2, 1], height)
    else:
        row_step, column_step = max(1, height // 50), max(1, width // 50)
        slopes = slopes[..., ::row_step, ::column_step, :]
        rows = torch.arange(0, height, row_step, dtype=rays.dtype, device=rays.device)[:, None]
        columns = torch.arange(0, width, column_step, dtype=rays.dtype, device=rays.device)[None, :]
        focal_x, centre_x = _fit_line(slopes[..., 0], columns.expand(slopes.shape[-3:-1]))
        focal_y, centre_y = _fit_line(slopes[..., 1], rows.expand(slopes.shape[-3:-1]))
    zero, one = torch.zeros_like(focal_x), torch.ones_like(focal_x)
    rows_of_matrix = ((focal_x, zero, centre_x), (zero, focal_y, centre_y), (zero, zero, one))
    return torch.stack([torch.stack(row, dim=-1) for row in rows_of_matrix], dim=-2)


def _fit_line(slopes: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Focal length and centre of positions = centre + focal * slopes: (..., h, w), (h, w) -> (...), (...)."""
    # Double precision: the mean square of a narrow view is a small difference of large numbers.
    slopes, positions = slopes.flatten(-2).double(), positions.flatten().double()
    slope_mean, position_mean = slopes.mean(dim=-1, keepdim=True), positions.mean()
    centred = slopes - slope_mean
    focal = (centred * (positions - position_mean)).sum(dim=-1) / (centred * centred).sum(dim=-1)
    centre = position_mean - focal * slope_mean.squeeze(-1)
    return focal.float(), centre.float()


def _fit_three_rays(slopes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """As _fit_line, from the middle and the quarter points of one line of pixels: (..., size) -> (...), (...)."""
    low, middle, high = size // 4, size // 2, 3 * size // 4
    focal_low = (middle - low) / (slopes[..., middle] - slopes[..., low])
    focal_high = (high - middle) / (slopes[..., high] - slopes[..., middle])
    focal = (focal_low + focal_high) / 2
    return focal, middle - focal * slopes[..., middle]


def align_rigidly(moved: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation and translation that bring points onto their targets in least squares (Horn), without scale.

    (..., K, 3), (..., K, 3) -> rotations (..., 3, 3), translations (..., 3), so that rotation @ moved + translation comes
    close to the target.
    """
    moved_mean, target_mean = moved.mean(dim=-2, keepdim=True), target.mean(dim=-2, keepdim=True)
    covariance = (target - target_mean).transpose(-1, -2) @ (moved - moved_mean)
    left, _, right = torch.linalg.svd(covariance.double())
    signs = torch.ones_like(left[..., 0])
    signs[..., 2] = torch.sign(torch.linalg.det(left @ right))
    rotation = ((left * signs[..., None, :]) @ right).to(moved.dtype)
    translation = target_mean.squeeze(-2) - (rotation @ moved_mean.transpose(-1, -2)).squeeze(-1)
    return rotation, translation
