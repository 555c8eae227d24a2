# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Epoch after epoch of a loader that Accelerate has prepared, from any batch on."""

from collections.abc import Iterator
from typing import Any

from accelerate import skip_first_batches


def endless_batches(loader: Any, dataset: Any, first_batch: int = 0) -> Iterator[Any]:
    """Batches of a prepared loader without end, beginning with the first_batch-th; nothing is read for those before it.

    Loader and data set are told the epoch, so that a run that resumes sees what it would have seen.
    """
    epoch, skipped = divmod(first_batch, len(loader))
    while True:
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(epoch)
        loader.set_epoch(epoch)
        yield from skip_first_batches(loader, skipped) if skipped else loader
        epoch, skipped = epoch + 1, 0
