# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Threads that read photos and work on batches of them, or none: then everything happens at once, where it is asked for."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch


class Workers:
    """Threads that read ahead, and threads that each have one batch at a time.

    Args:
        predicting: to be held while a model predicts; a lock where only one thread may.
    """

    def __init__(
        self, num_workers: int, readers: Executor, computers: Executor, predicting: AbstractContextManager[Any]
    ) -> None:
        self.num_workers, self.predicting = num_workers, predicting
        self._readers, self._computers = readers, computers
        self._running: set[Future[Any]] = set()

    def read(self, read: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Begin to read something."""
        return self._readers.submit(read, *args)

    def compute(self, work: Callable[..., Any], *args: Any) -> None:
        """Begin to work on a batch, as soon as a worker is free; errors of batches before are raised."""
        while len(self._running) >= max(1, self.num_workers):
            self._collect()
        self._running.add(self._computers.submit(work, *args))

    def wait(self) -> None:
        """Until nothing is worked on any more."""
        while self._running:
            self._collect()

    def dismiss(self) -> None:
        """Drop what was not begun, and wait for the rest."""
        for executor in (self._readers, self._computers):
            executor.shutdown(cancel_futures=True)

    def _collect(self) -> None:
        done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()


class _AtOnce(Executor):
    """Does what is submitted on the spot; what a future is for happened before it is returned."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # raised where the result is asked for; Ctrl-C is raised here
            future.set_exception(error)
        return future


@contextmanager
def open_workers(num_workers: int, predicts_in_parallel: bool) -> Iterator[Workers]:
    """`num_workers` threads for batches and as many for reading; 0: no threads.

    Where several may predict at once, they share torch's threads: on a CPU, two batches on one core each are done sooner
    than one after the other on two cores.
    """
    if not num_workers:
        yield Workers(0, _AtOnce(), _AtOnce(), nullcontext())
        return
    num_threads = torch.get_num_threads()
    share = max(1, num_threads // num_workers) if predicts_in_parallel else num_threads
    predicting = nullcontext() if predicts_in_parallel else Lock()
    try:
        with (
            ThreadPoolExecutor(num_workers, "read") as readers,
            ThreadPoolExecutor(num_workers, "work", torch.set_num_threads, (share,)) as computers,
        ):
            yield Workers(num_workers, readers, computers, predicting)
    finally:
        # A thread's own number is also that of threads that come later.
        torch.set_num_threads(num_threads)
