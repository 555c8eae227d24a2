# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How fast a run is and how long it waits for its data."""

import time
from collections.abc import Iterator
from typing import Any


class ThroughputMeter:
    """Counts images, time and time spent waiting for batches, between readings.

    Args:
        images_per_batch: images that all processes together train on for each batch of this one.
    """

    def __init__(self, images_per_batch: int):
        self.images_per_batch = images_per_batch
        self.restart()

    def restart(self) -> None:
        self.started, self.waited, self.num_batches = time.perf_counter(), 0.0, 0

    def next_batch(self, batches: Iterator[Any]) -> Any:
        """Next item of an iterator; the wait counts as waiting for data."""
        asked = time.perf_counter()
        batch = next(batches)
        self.waited += time.perf_counter() - asked
        self.num_batches += 1
        return batch

    def read(self) -> dict[str, float]:
        """Images per second and the share of time that this process waited for data, since the last reading."""
        elapsed = time.perf_counter() - self.started
        reading = {
            "images_per_second": self.num_batches * self.images_per_batch / elapsed,
            "data_wait_share": self.waited / elapsed,
        }
        self.restart()
        return reading
