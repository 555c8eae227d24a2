# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Exit codes and messages of scripts, whichever way they end."""

import os
import signal
import time

import pytest

from pixio_hf.script_exit import run_script


@pytest.fixture(autouse=True)
def own_handler():
    """run_script is made for a process of its own: give this one its handler back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("one\n  and two"), 2, "Error: one and two\n"),
        (FileNotFoundError("gone"), 2, "Error: gone\n"),
        (KeyboardInterrupt(), 130, "Interrupted; nothing is left behind.\n"),
    ],
)
def test_ends_in_one_line(capsys, error, code, message):
    def fail():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_script(fail)
    assert (ended.value.code, capsys.readouterr().err) == (code, message)


def test_a_polite_kill_lets_the_script_clean_up(capsys):
    cleaned = []

    def stopped():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            cleaned.append(True)

    with pytest.raises(SystemExit) as ended:
        run_script(stopped)
    assert (ended.value.code, cleaned, capsys.readouterr().err) == (143, [True], "")


def test_success_and_mistakes_of_ours_pass():
    done = []
    run_script(lambda: done.append(True))
    assert done == [True]
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 / 0)
