# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Many photos through one loop: batches, failures, Ctrl-C, and several threads."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pixio_hf.photo_sources import PhotoSource
from pixio_hf_cli.photo_loop import LoadedPhoto, process_jobs
from pixio_hf_cli.result_plan import Job

WORKERS = pytest.mark.parametrize("num_workers", [0, 1, 3])


@WORKERS
def test_one_bad_photo_does_not_stop_the_others(num_workers):
    task = NamesTask()
    outcome = process_jobs(make_jobs("a", "bad", "worse", "c"), task, num_workers=num_workers)
    assert outcome.failures == [("bad", "truncated"), ("worse", "RuntimeError: allocator")]
    assert outcome.num_done == 2
    assert sorted(task.done) == ["a", "c"]


@WORKERS
def test_photos_of_one_group_are_computed_at_once_and_a_batch_that_fails_one_by_one(num_workers):
    task = NamesTask()
    outcome = process_jobs(
        make_jobs("a", "b", "c", "D", "E", "f", "bad", "g", "1", "2"), task, batch_size=2, num_workers=num_workers
    )
    assert sorted(task.batches) == ["1", "2", "DE", "ab", "c", "fg"]
    assert sorted(task.done) == ["1", "2", "D", "E", "a", "b", "c", "f", "g"]
    assert outcome.failures == [("bad", "truncated")]
    task = NamesTask()
    outcome = process_jobs(make_jobs("a", "worse", "b"), task, batch_size=3, num_workers=num_workers)
    assert task.batches == ["aworseb", "a", "worse", "b"]
    assert task.done == ["a", "b"]
    assert outcome.failures == [("worse", "RuntimeError: allocator")]


def test_ctrl_c_ends_the_loop_and_is_told():
    task = NamesTask()
    outcome = process_jobs(make_jobs("a", "stop", "b"), task)
    assert outcome.is_stopped
    assert task.done == ["a"]


def test_ctrl_c_lets_workers_finish_a_photo_and_begins_no_other():
    task = NamesTask(seconds_to_write=0.1)
    names = [f"{letter}{number}" for letter in "abc" for number in range(20)]
    outcome = process_jobs(make_jobs(*names, "stop", *names), task, batch_size=2, num_workers=2)
    assert outcome.is_stopped
    assert outcome.num_done == len(task.done)
    assert len(names) - 4 <= len(task.done) <= len(names) + 4
    assert not outcome.failures


def test_failures_are_told_in_the_order_of_the_photos():
    task = NamesTask(seconds_to_write=0.01)
    outcome = process_jobs(make_jobs("a", "worse", "b", "bad", "c", "bad", "worse"), task, batch_size=2, num_workers=3)
    assert [name for name, _ in outcome.failures] == ["worse", "bad", "bad", "worse"]
    assert sorted(task.done) == ["a", "b", "c"]


@pytest.mark.parametrize("in_parallel", [False, True])
def test_batches_are_predicted_at_once_only_where_the_model_can(in_parallel):
    task = NamesTask(in_parallel, seconds_to_predict=0.05)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        outcome = process_jobs(make_jobs(*map(str, range(10))), task, num_workers=2)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(num_threads)
    assert outcome.num_done == 10
    assert task.most_at_once == (2 if in_parallel else 1)
    assert task.threads == ({2} if in_parallel else {4})


def test_no_more_photos_are_held_than_said():
    task = NamesTask(seconds_to_write=0.01)
    process_jobs(make_jobs(*(f"{number:02}a" for number in range(40))), task, batch_size=3, num_workers=2)
    assert len(task.done) == 40
    assert task.most_held <= 3 * (2 + 2)


def make_jobs(*names: str) -> list[Job]:
    return [Job(PhotoSource(name, name), {}) for name in names]


class NamesTask:
    """Names instead of pictures: upper and lower case are groups, numbers have none, some fail."""

    title = "test"

    def __init__(self, predicts_in_parallel=True, seconds_to_predict=0.0, seconds_to_write=0.0):
        self.loaded = SimpleNamespace(predicts_in_parallel=predicts_in_parallel)
        self.seconds_to_predict, self.seconds_to_write = seconds_to_predict, seconds_to_write
        self.done, self.batches, self.threads = [], [], set()
        self.most_at_once = self.num_at_once = self.most_held = self.num_held = 0
        self.lock = threading.Lock()

    def read(self, job):
        if job.source.place == "bad":
            raise ValueError("truncated")
        with self.lock:
            self.num_held += 1
            self.most_held = max(self.most_held, self.num_held)
        return LoadedPhoto(job, np.zeros((3, 1, 1), np.uint8))

    def group(self, photo):
        name = photo.job.source.place
        return None if name.isdigit() else name.isupper()

    def predict(self, photos):
        names = [photo.job.source.place for photo in photos]
        with self.lock:
            self.num_at_once += 1
            self.most_at_once = max(self.most_at_once, self.num_at_once)
            self.threads.add(torch.get_num_threads())
            self.batches.append("".join(names))
        time.sleep(self.seconds_to_predict)
        with self.lock:
            self.num_at_once -= 1
        if "worse" in names:
            raise RuntimeError("allocator")
        if "stop" in names:
            raise KeyboardInterrupt
        return names

    def write(self, photo, result):
        assert result == photo.job.source.place
        time.sleep(self.seconds_to_write)
        with self.lock:
            self.num_held -= 1
            self.done.append(result)

    def write_video(self, job):
        raise AssertionError("there is no video")
