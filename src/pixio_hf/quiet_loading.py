# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Load models without transformers' warnings and progress bars, if the caller checks what was loaded."""

from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No warnings about unused heads and decoders, and no progress bar; both return afterwards."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
