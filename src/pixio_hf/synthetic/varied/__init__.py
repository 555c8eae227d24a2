# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Version 2 of the synthetic scenes: rooms, table tops, corridors, stairs and the open air, seen by any camera."""

from collections.abc import Callable

from ..scenes import Scene
from ..seeds import SeededDraws
from .interiors import build_interior
from .open_air import build_open_air
from .passages import build_corridor, build_stairs
from .table_tops import build_table_top

BUILDERS: dict[str, Callable[[SeededDraws], Scene]] = {
    "room": build_interior,
    "outdoor": build_open_air,
    "table": build_table_top,
    "corridor": build_corridor,
    "stairs": build_stairs,
}
# Shares of "mixed", in percent.
_SHARES = (("room", 42), ("table", 26), ("outdoor", 20), ("corridor", 7), ("stairs", 5))


def build_varied_scene(draws: SeededDraws, kind: str) -> Scene:
    """A scene of one kind, or of any for "mixed"."""
    if kind == "mixed":
        number = draws.integer(0, 99)
        for name, share in _SHARES:
            kind = name
            number -= share
            if number < 0:
                break
    return BUILDERS[kind](draws)
