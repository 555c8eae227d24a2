# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Errors as a visitor may read them: one clear sentence, without paths of this machine."""

import html
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import gradio as gr
import torch
from transformers.utils import logging

logger = logging.get_logger(__name__)

# An absolute path, up to a space or a mark: not the slashes of an address, of owner/name or of "and/or".
_PATH = re.compile(r"(?<![\w:/.<\\])(?:~?/|[A-Za-z]:[\\/]|\\\\)[^\s'\"`,;:()<>]+")
_QUOTED_PATH = re.compile(r"(?<=(['\"`]))(?:~?/|[A-Za-z]:[\\/]|\\\\)[^'\"`]+(?=\1)")


def hide_paths(text: str) -> str:
    """Text with every absolute path cut down to its last name."""

    def cut(found: re.Match[str]) -> str:
        path = found.group().rstrip(".")
        kind = PureWindowsPath if "\\" in path or path[1:2] == ":" else PurePosixPath
        return (kind(path).name or "a folder") + "." * (len(found.group()) - len(path))

    return _PATH.sub(cut, _QUOTED_PATH.sub(cut, text))


@contextmanager
def plain_refusals() -> Iterator[None]:
    """Turn errors into a message in the browser; what nobody expected goes to the terminal, with its traceback."""
    try:
        yield
    except gr.Error:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise refusal("There is not enough memory for this model and photo; try a smaller one of either.") from error
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split()) or "This did not work, and no reason was given."
        raise refusal(hide_paths(message)) from error
    except Exception as error:
        logger.exception("The app met an error that it did not expect.")
        raise refusal("This did not work. The terminal in which the app runs says more.") from error


def refusal(message: str) -> gr.Error:
    """A message in the browser, which reads it as HTML."""
    return gr.Error(html.escape(message), title="That did not work", print_exception=False)


def answers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a tab whose errors visitors may read."""
    assert not inspect.isgeneratorfunction(function)

    @wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        with plain_refusals():
            return function(*args, **kwargs)

    return answer
