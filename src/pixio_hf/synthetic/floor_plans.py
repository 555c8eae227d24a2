# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which parts of a room's floor and walls are taken."""

import math
from dataclasses import dataclass, field

_CAMERA_CLEARANCE = 0.75


@dataclass
class FloorPlan:
    """What stands where: footprints (x0, z0, x1, z1) and, per wall, the intervals that are taken."""

    width: float
    depth: float
    camera_x: float
    camera_z: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    hung: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: {wall: [] for wall in range(4)})

    def claim(self, x: float, z: float, half_x: float, half_z: float) -> bool:
        """Reserve a footprint; False when it leaves the room, meets another or comes too close to the camera."""
        x0, z0, x1, z1 = x - half_x, z - half_z, x + half_x, z + half_z
        if x0 < 0.01 or z0 < 0.01 or x1 > self.width - 0.01 or z1 > self.depth - 0.01:
            return False
        if any(x0 < b[2] + 0.05 and x1 > b[0] - 0.05 and z0 < b[3] + 0.05 and z1 > b[1] - 0.05 for b in self.taken):
            return False
        away_x = max(x0 - self.camera_x, self.camera_x - x1, 0.0)
        away_z = max(z0 - self.camera_z, self.camera_z - z1, 0.0)
        if math.hypot(away_x, away_z) < _CAMERA_CLEARANCE:
            return False
        self.taken.append((x0, z0, x1, z1))
        return True

    def claim_wall(self, wall: int, position: float, half_width: float) -> bool:
        start, end = position - half_width, position + half_width
        if start < 0.1 or end > self.wall_length(wall) - 0.1:
            return False
        if any(start < other_end + 0.1 and end > other_start - 0.1 for other_start, other_end in self.hung[wall]):
            return False
        self.hung[wall].append((start, end))
        return True

    def wall_length(self, wall: int) -> float:
        return self.width if wall % 2 == 0 else self.depth

    def at_wall(self, wall: int, position: float, distance: float) -> tuple[float, float, float]:
        """(x, z, yaw) of a thing `distance` in front of a wall, facing the room."""
        if wall == 0:
            return position, distance, 0.0
        if wall == 1:
            return distance, position, math.pi / 2
        if wall == 2:
            return position, self.depth - distance, math.pi
        return self.width - distance, position, -math.pi / 2
