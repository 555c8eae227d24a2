# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Points drawn from aside: near ones cover far ones, and the camera moves to where it is asked to."""

import numpy as np
import pytest

from pixio_hf.visualization.point_pictures import draw_points

RED, BLUE = (255, 0, 0), (0, 0, 255)


def make_wall(depth: float, color: tuple[int, int, int], half: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A square wall before the camera, (N, 3) points and colours."""
    x, y = np.meshgrid(np.linspace(-half, half, 60), np.linspace(-half, half, 60))
    points = np.stack((x, y, np.full_like(x, depth)), axis=-1).reshape(-1, 3)
    return points, np.tile(np.array(color, np.uint8), (len(points), 1))


def centre_of(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Mean row and column of a colour."""
    return np.argwhere((picture == color).all(axis=-1)).mean(axis=0)


@pytest.mark.parametrize("near_first", [True, False])
def test_near_points_cover_far_ones(near_first):
    walls = [make_wall(2.0, RED, half=0.5), make_wall(4.0, BLUE, half=2.0)]
    points, colors = (np.concatenate(parts) for parts in zip(*(walls if near_first else walls[::-1]), strict=True))
    picture = draw_points(points, colors, 40, 60, yaw=0, pitch=0)
    assert picture.shape == (40, 60, 3)
    assert tuple(picture[20, 30]) == RED
    assert (picture[20, 22] == BLUE).all() or (picture[20, 18] == BLUE).all()
    assert (picture[:, 0] == 255).all(), "white where no point is"


def test_the_camera_moves_to_the_right_and_up():
    walls = [make_wall(2.0, RED, half=0.3), make_wall(4.0, BLUE, half=0.3)]
    points, colors = (np.concatenate(parts) for parts in zip(*walls, strict=True))
    from_right = draw_points(points, colors, 60, 60, yaw=40, pitch=0)
    assert centre_of(from_right, RED)[1] < centre_of(from_right, BLUE)[1]
    from_above = draw_points(points, colors, 60, 60, yaw=0, pitch=40)
    assert centre_of(from_above, RED)[0] > centre_of(from_above, BLUE)[0]


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="no points"):
        draw_points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), 10, 10)
