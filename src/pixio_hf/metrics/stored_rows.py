# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""An `evaluate.Metric` that keeps its rows in memory and needs a folder only if processes share the work."""

import os
import tempfile
from pathlib import Path
from typing import Any

import evaluate


class RowMetric(evaluate.Metric):
    """Metric of a few numbers per image; a single process needs no writable home and no cache folder.

    Several processes (`num_process`) share files in evaluate's cache folder, or, where that cannot be written, in the
    machine's temporary folder. A `cache_dir` that is given is used as it is.
    """

    def __init__(self, *, num_process: int = 1, keep_in_memory: bool | None = None, **kwargs: Any) -> None:
        self._is_folder_chosen = kwargs.get("cache_dir") is not None
        keep_in_memory = num_process == 1 if keep_in_memory is None else keep_in_memory
        super().__init__(num_process=num_process, keep_in_memory=keep_in_memory, **kwargs)

    def _build_data_dir(self) -> str:
        if self.keep_in_memory:
            return os.path.join(self._data_dir_root, self.name, self.config_name)  # never made
        if not self._is_folder_chosen and not can_write_below(self._data_dir_root):
            # One name for all processes of a user, which must find each other's files.
            user = os.getuid() if hasattr(os, "getuid") else "user"
            self._data_dir_root = os.path.join(tempfile.gettempdir(), f"pixio-hf-metrics-{user}")
        return super()._build_data_dir()


def can_write_below(folder: str) -> bool:
    """Whether files can be made in a folder, or in the nearest one above it that exists."""
    place = Path(folder)
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        # By trying it: permissions say nothing about read-only and special file systems.
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False
