# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Batches of a pre-training stream, with a record of those that were used, so that a run can resume where it stopped."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers.utils import logging

from ..curation.selection import describe_rule
from .decoding import stack_crops
from .sample_order import Position
from .sample_sources import SampleSource, open_source
from .stream import PretrainingStream, ReaderPlace, StreamOptions, check_damage

logger = logging.get_logger(__name__)


def collate_samples(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Items of one reader -> dict(images=(B, 3, S, S) uint8, keys, seeds, reader, position, damaged, num_dropped)."""
    return {
        "images": stack_crops([item["image"] for item in items]),
        "keys": [item["key"] for item in items],
        "seeds": [item["seed"] for item in items],
        "reader": items[-1]["reader"],
        "position": items[-1]["position"],
        "damaged": [message for item in items for message in item["damaged"]],
        "num_dropped": sum(item["num_dropped"] for item in items),
    }


class PretrainingLoader:
    """Endless batches of a pre-training stream; `state_dict` counts the batches handed out, not those fetched ahead.

    Each `iter` continues after the last batch that was handed out. Do not let Accelerate prepare it: the stream
    already shares the data between processes, and preparing would share each process's part again.

    Args:
        batch_size: samples per batch and process.
        prefetch_factor: batches that each worker decodes ahead; unused without workers.

    Attributes:
        num_samples, num_damaged, num_dropped: of this process since the beginning of the run.
    """

    def __init__(
        self,
        source: SampleSource,
        options: StreamOptions,
        place: ReaderPlace,
        batch_size: int,
        prefetch_factor: int = 2,
        pin_memory: bool = False,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}.")
        self.source, self.options, self.place = source, options, place
        self.batch_size, self.prefetch_factor, self.pin_memory = batch_size, prefetch_factor, pin_memory
        self.positions = [Position()] * place.num_readers
        self.num_batches = self.num_samples = self.num_damaged = self.num_dropped = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        stream = PretrainingStream(
            self.source, self.options, self.place, list(self.positions), self.num_batches % self.place.num_readers
        )
        workers = self.place.num_workers
        loader = DataLoader(
            stream,
            self.batch_size,
            num_workers=workers,
            collate_fn=collate_samples,
            prefetch_factor=self.prefetch_factor if workers else None,
            pin_memory=self.pin_memory,
            # A generator of its own: starting the workers would otherwise draw from the global one, and a resumed run
            # would mask other blocks than an uninterrupted one.
            generator=torch.Generator(),
        )
        for batch in loader:
            self.count(batch)
            yield batch

    def count(self, batch: dict[str, Any]) -> None:
        self.positions[batch["reader"]] = batch["position"]
        self.num_batches += 1
        self.num_samples += len(batch["images"])
        self.num_damaged += len(batch["damaged"])
        self.num_dropped += batch["num_dropped"]
        for message in batch["damaged"]:
            logger.warning(f"Skipped a damaged sample: {message}")
        check_damage(
            self.num_damaged, self.num_samples + self.num_damaged, self.options.max_damaged, batch["damaged"][-3:]
        )

    def signature(self) -> dict[str, Any]:
        """What samples, order and crops depend on; if any of it differs, it is another stream."""
        return {
            "data": self.source.fingerprint,
            "seed": self.options.seed,
            "shuffle_buffer": self.options.shuffle_buffer,
            "open_shards": self.options.open_shards,
            "image_size": self.options.image_size,
            "crop_scale": list(self.options.crop_scale),  # as it comes back from JSON
            "rank": self.place.rank,
            "num_processes": self.place.world_size,
            "num_workers": self.place.num_readers,
            **describe_rule(self.options.keep),
        }

    def state_dict(self) -> dict[str, Any]:
        """Position of every reader of this process and what it has counted; fits into JSON."""
        return {
            "signature": self.signature(),
            "positions": [list(position) for position in self.positions],
            "num_batches": self.num_batches,
            "num_samples": self.num_samples,
            "num_damaged": self.num_damaged,
            "num_dropped": self.num_dropped,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a stream stopped.

        Raises:
            ValueError: the stream had other data, another seed, shuffling, crops, curation, number of processes or of
                workers.
        """
        signature, saved = self.signature(), state_dict["signature"]
        changed = [
            f"{name} was {saved[name]}, now {value}"
            for name, value in signature.items()
            if name in saved and saved[name] != value
        ]
        if changed:
            raise ValueError(
                f"Cannot resume the stream of training data: {'; '.join(changed)}. What comes next depends on these; start"
                " with the old values, or start a new run from the saved model."
            )
        if unknown := [f"{name} {value}" for name, value in signature.items() if name not in saved]:
            logger.warning(
                "The saved state is of an older version and does not say all that the stream depends on; make sure that it"
                f" was as now: {', '.join(unknown)}."
            )
        self.positions = [Position(*position) for position in state_dict["positions"]]
        self.num_batches, self.num_samples = state_dict["num_batches"], state_dict["num_samples"]
        self.num_damaged, self.num_dropped = state_dict["num_damaged"], state_dict["num_dropped"]


def open_pretraining_stream(
    dataset: str,
    options: StreamOptions,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    num_workers: int = 0,
    prefetch_factor: int = 2,
    pin_memory: bool = False,
    **source_options: Any,
) -> PretrainingLoader:
    """Open a data set to pre-train on, as endless batches that can be resumed.

    Args:
        dataset: a name of SYNTHETIC_DATASETS; a folder of images; a folder, pattern or address of .tar shards (WebDataset
            layout) or .parquet shards; OWNER/NAME on the Hub; or a weighted mixture (`open_source`).
        source_options: further arguments of `open_source`.

    Raises:
        ValueError: the data set does not exist or is empty, or an argument is out of range.
    """
    source = open_source(dataset, options.image_size, **source_options)
    return PretrainingLoader(
        source, options, ReaderPlace(rank, world_size, num_workers), batch_size, prefetch_factor, pin_memory
    )
