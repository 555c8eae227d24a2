# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints of a run: whole or not there, rotated, and verified before they are used."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pixio_hf.training import checkpointing
from pixio_hf.training.checkpointing import (
    checkpoint_path,
    find_damage,
    find_last_checkpoint,
    lock_output_dir,
    read_process_state,
    save_checkpoint,
    write_process_state,
)


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """What is logged as a warning."""
    logged: list[str] = []
    monkeypatch.setattr(checkpointing.logger, "warning", logged.append)
    return logged


def write_text(content: str):
    def write(folder: str) -> None:
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / "state.txt").write_text(content)

    return write


def folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_interrupted_write_leaves_no_checkpoint_and_the_older_one(tmp_path):
    save_checkpoint(tmp_path, 10, write_text("ten"))

    def interrupted(folder: str) -> None:
        write_text("half")(folder)
        (Path(folder) / "half_only.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 20, interrupted)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-10"]
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-10", 10)
    assert (tmp_path / "checkpoint-10" / "state.txt").read_text() == "ten"

    assert save_checkpoint(tmp_path, 20, write_text("twenty")) == tmp_path / "checkpoint-20"
    assert folders(tmp_path) == ["checkpoint-10", "checkpoint-20"]
    assert folders(tmp_path / "checkpoint-20") == [
        "manifest.json",
        "state.txt",
    ]  # nothing of the interrupted write got in


def test_interrupted_rewrite_keeps_the_checkpoint_of_that_step(tmp_path):
    save_checkpoint(tmp_path, 10, write_text("first"))

    def interrupted(folder: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path, 10, interrupted)
    assert (tmp_path / "checkpoint-10" / "state.txt").read_text() == "first"
    save_checkpoint(tmp_path, 10, write_text("second"))
    assert (tmp_path / "checkpoint-10" / "state.txt").read_text() == "second"


def test_rotation_keeps_the_newest_by_number(tmp_path):
    for step in (9, 10, 11, 100):
        save_checkpoint(tmp_path, step, write_text(str(step)), keep=3)
    assert folders(tmp_path) == ["checkpoint-10", "checkpoint-100", "checkpoint-11"]
    save_checkpoint(tmp_path, 101, write_text("101"))
    assert folders(tmp_path) == ["checkpoint-100", "checkpoint-101"]


def test_rotation_leaves_other_folders_alone(tmp_path):
    (tmp_path / "checkpoint-best").mkdir()
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, write_text(str(step)))
    assert folders(tmp_path) == ["checkpoint-2", "checkpoint-3", "checkpoint-best"]


def test_last_checkpoint_ignores_what_is_none(tmp_path):
    assert find_last_checkpoint(tmp_path) is None
    assert find_last_checkpoint(tmp_path / "not_there") is None
    for name in (".checkpoint-30.partial", "checkpoint-final", "checkpoint-", "model"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-40").write_text("a file")
    assert find_last_checkpoint(tmp_path) is None
    for step in (9, 10):
        save_checkpoint(tmp_path, step, write_text(str(step)))
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-10", 10)


# Verification


def cut(folder: Path) -> None:
    content = (folder / "state.txt").read_bytes()
    (folder / "state.txt").write_bytes(content[:-1])


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "state.txt").read_bytes())
    content[0] ^= 1
    (folder / "state.txt").write_bytes(content)


def cut_manifest(folder: Path) -> None:
    content = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "state.txt has 5 bytes instead of 6"),
        (flip_a_bit, "the contents of state.txt have changed"),
        (lambda folder: (folder / "state.txt").unlink(), "FileNotFoundError"),
        (lambda folder: (folder / "manifest.json").unlink(), "FileNotFoundError.*manifest.json"),
        (cut_manifest, "JSONDecodeError"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "AttributeError"),
        (lambda folder: shutil.rmtree(folder) or folder.mkdir(), "FileNotFoundError"),
    ],
)
def test_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, warnings, damage, message):
    for step in (10, 20):
        save_checkpoint(tmp_path, step, write_text("twenty"))
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-20", 20)
    assert not warnings
    damage(tmp_path / "checkpoint-20")
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-10", 10)
    (warning,) = warnings
    assert str(tmp_path / "checkpoint-20") in warning
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(find_damage(tmp_path / "checkpoint-20"))


def test_whole_checkpoints_survive_rotation_beside_newer_damaged_ones(tmp_path, warnings):
    """A run that went back to step 10 because 20 and 30 are damaged must not lose what it saves next."""
    for step in (10, 20, 30):
        save_checkpoint(tmp_path, step, write_text(str(step)), keep=3)
    for step in (20, 30):
        cut(tmp_path / f"checkpoint-{step}")
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-10", 10)
    save_checkpoint(tmp_path, 12, write_text("12"), keep=1)
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-12", 12)
    save_checkpoint(tmp_path, 20, write_text("20 again"), keep=1)
    assert find_last_checkpoint(tmp_path) == (tmp_path / "checkpoint-20", 20)
    assert folders(tmp_path) == ["checkpoint-20", "checkpoint-30"]


def test_manifest_names_every_file_also_in_subfolders(tmp_path):
    def write(folder: str) -> None:
        write_text("six ch")(folder)
        Path(folder, "optimizer").mkdir()
        Path(folder, "optimizer", "shard-0.bin").write_bytes(b"")

    folder = save_checkpoint(tmp_path, 1, write)
    manifest = json.loads((folder / "manifest.json").read_text())
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing
    assert manifest["optimizer/shard-0.bin"] == {"bytes": 0, "sha256": empty}
    assert set(manifest) == {"state.txt", "optimizer/shard-0.bin"}
    assert manifest["state.txt"]["bytes"] == 6


def test_everything_is_on_disk_before_the_checkpoint_gets_its_name(tmp_path, monkeypatch):
    """Order of the calls to the operating system: files and folder are forced to disk, then renamed, then the parent."""
    calls = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(os.readlink(f"/proc/self/fd/{fd}")) or fsync(fd))
    monkeypatch.setattr(Path, "rename", lambda old, new: calls.append(f"rename {new.name}") or rename(old, new))
    save_checkpoint(tmp_path, 1, write_text("one"))
    partial = tmp_path / ".checkpoint-1.partial"
    expected = [partial / "state.txt", partial / "manifest.json", partial, "rename checkpoint-1", tmp_path]
    assert calls == [str(entry) for entry in expected]


def test_a_living_process_keeps_the_folder_and_a_killed_one_gives_it_back(tmp_path):
    """The holder is killed while a child of its own, like a data loader worker, lives on."""
    code = (
        "import subprocess, sys, time; from pixio_hf.training.checkpointing import lock_output_dir;"
        "held = lock_output_dir(sys.argv[1]); child = subprocess.Popen(['sleep', '60'], close_fds=False);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        with pytest.raises(ValueError, match=rf"Another process \(pid {holder.pid} on .*\) is training into"):
            lock_output_dir(tmp_path / "run", patience=0.2)
        holder.kill()
        with lock_output_dir(tmp_path / "run", patience=30):
            assert f"pid {os.getpid()}" in (tmp_path / "run" / "training.lock").read_text()
        os.kill(child, signal.SIGKILL)


def test_several_processes_write_one_checkpoint(tmp_path):
    """The manifest is written after the last process is done, and a process that has no state is told so."""
    barrier = threading.Barrier(2, timeout=30)

    def run(rank: int) -> None:
        def write(folder: str) -> None:
            Path(folder).mkdir(exist_ok=True)
            write_process_state(folder, rank, {"positions": [[rank, 2, 3]]})

        save_checkpoint(tmp_path, 5, write, is_main_process=rank == 0, wait_for_everyone=barrier.wait)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder = checkpoint_path(tmp_path, 5)
    assert find_last_checkpoint(tmp_path) == (folder, 5)
    assert set(json.loads((folder / "manifest.json").read_text())) == {"process-0.json", "process-1.json"}
    assert [read_process_state(folder, rank)["positions"] for rank in range(2)] == [[[0, 2, 3]], [[1, 2, 3]]]
    with pytest.raises(ValueError, match="written by 2 processes and has nothing for process 2"):
        read_process_state(folder, 2)
