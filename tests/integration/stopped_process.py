# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Commands that are told to stop in the middle of their work."""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any


def stop_when(is_time: Callable[[], bool], command: Sequence[Any], sign: signal.Signals) -> tuple[int, bytes]:
    """Start a command and send it a signal as soon as `is_time()`: its exit code, and what it wrote to stderr."""
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    while not is_time():
        assert process.poll() is None, "it must not end before it is stopped"
        time.sleep(0.02)
    process.send_signal(sign)
    _, errors = process.communicate()
    return process.returncode, errors
