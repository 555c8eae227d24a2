# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Requests to the Hub that end: retries where huggingface_hub has none, limits on waiting, messages that say what to do.

huggingface_hub repeats uploads of file contents and the questions before them five times, but not the creation of a
repository, the reading of it or the commit; it waits as long as `Retry-After` says, an hour if need be; and it has no
time limit on an answer. Those three are added here.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session

try:
    import httpx2 as httpx  # what huggingface_hub 2 speaks HTTP with
except ImportError:
    import httpx  # pyright: ignore[reportMissingImports] - and huggingface_hub 1

NUM_TRIES = 5
MAX_WAIT = 300  # seconds; the Hub counts requests in windows of five minutes
TRANSIENT = (408, 429, 500, 502, 503, 504)
TIMEOUT = httpx.Timeout(120, connect=20)  # seconds without a byte

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class HubError(OSError):
    """The Hub refused, failed or was not reached; the message says which, and what to do."""


class HubUnreachableError(HubError):
    """No answer from the Hub: no network, or offline mode."""


def call_hub(doing: str, repo_id: str, request: Callable[[], Result], repeats: bool = True) -> Result:
    """Result of a request, which is made again after transient failures if `repeats`, at most NUM_TRIES times in all.

    Errors that name a state of the repository (not there, no such revision, changed meanwhile: 412) pass through.

    Raises:
        HubError: any other failure, with `doing` in words.
    """
    for attempt in range(1, NUM_TRIES + 1):
        try:
            with limited_session():
                return request()
        except (HfHubHTTPError, httpx.TransportError, json.JSONDecodeError) as error:
            response = getattr(error, "response", None)
            status = None if response is None else response.status_code
            if status == 412 or is_missing(error):
                raise
            transient = status is None or status in TRANSIENT
            if not (transient and repeats) or attempt == NUM_TRIES:
                explain(error, doing, repo_id)
            seconds = read_retry_after(response) or 2 ** (attempt - 1)
            logger.warning("%s: %s. Again in %g s.", doing, name_failure(error), seconds)
            time.sleep(seconds)
        except (OfflineModeIsEnabled, LocalTokenNotFoundError) as error:
            explain(error, doing, repo_id)
    raise AssertionError("unreachable")


def is_missing(error: Exception) -> bool:
    """Whether an error says that a repository or a revision is not there, or not visible."""
    return isinstance(error, RevisionNotFoundError) or (
        isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError)
    )


@contextmanager
def limited_session() -> Iterator[None]:
    """Within it, an answer that does not come is an error, and so is a longer `Retry-After` than MAX_WAIT.

    huggingface_hub shares one client among all its functions; its settings are put back afterwards.
    """
    session = get_session()
    timeout, hooks = session.timeout, session.event_hooks
    session.timeout = TIMEOUT
    session.event_hooks = {**hooks, "response": [*hooks.get("response", []), refuse_long_wait]}
    try:
        yield
    finally:
        session.timeout, session.event_hooks = timeout, hooks


def refuse_long_wait(response: Any) -> None:
    """Raise HubError for an answer that asks to wait longer than MAX_WAIT seconds."""
    seconds = read_retry_after(response)
    if response.status_code in TRANSIENT and seconds is not None and seconds > MAX_WAIT:
        raise HubError(
            f"The Hub answered {response.status_code} and asks to wait {seconds} seconds. Nothing was committed; run"
            " the same command again after that: it continues where it stopped."
        )


def read_retry_after(response: Any) -> int | None:
    """Seconds of a `Retry-After` header, where there is one in seconds."""
    value = "" if response is None else response.headers.get("Retry-After", "").strip()
    return int(value) if value.isdigit() else None


def name_failure(error: Exception) -> str:
    """A failure in a few words: status and the Hub's own message, or the broken connection."""
    response = getattr(error, "response", None)
    if response is None:
        return f"no whole answer ({type(error).__name__}: {error})"
    said = getattr(error, "server_message", None)
    return f"the Hub answered {response.status_code}" + (f" ({said})" if said else "")


def explain(error: Exception, doing: str, repo_id: str) -> NoReturn:
    """Raise HubError that says what happened while `doing`, and what to do."""
    response = getattr(error, "response", None)
    status = None if response is None else response.status_code
    owner, again = repo_id.split("/")[0], "Nothing was committed; the same command continues where it stopped."
    if isinstance(error, OfflineModeIsEnabled):
        raise HubUnreachableError(f"{doing}: HF_HUB_OFFLINE is set; unset it to reach the Hub.") from error
    if isinstance(error, GatedRepoError):
        what = f"{repo_id} is gated and your account has no access to it. Ask for it on the repository's page, then log in"
        raise HubError(f"{doing}: {what} with `hf auth login`.") from error
    if status == 401 or isinstance(error, LocalTokenNotFoundError):
        what = (
            "you are not logged in, or the token is not valid (401). Run `hf auth login` with a token that may write."
        )
    elif status == 403:
        what = (
            f"no permission to write to {repo_id} (403). Use a token with write access, of an account that is {owner!r}"
            f" or belongs to it. {name_failure(error)}."
        )
    elif status == 429:
        what = f"too many requests (429), also after waiting. {again}"
    elif status is None:
        message = f"{doing}: {name_failure(error)}, also when tried again. Check the network. {again}"
        raise HubUnreachableError(message) from error
    elif status in TRANSIENT:
        what = f"{name_failure(error)}, also when tried again. {again}"
    else:
        what = f"{name_failure(error)}. {again}"
    raise HubError(f"{doing}: {what}") from error
