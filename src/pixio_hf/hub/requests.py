# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Requests to the Hub that end: retries where huggingface_hub has none, limits on waiting, messages that say what to do.

huggingface_hub repeats uploads of file contents and the questions before them five times, but not the creation of a
repository, the reading of it or the commit; it waits as long as the Hub asks, an hour if need be; and it has no time
limit on an answer. Retries, a limit on waiting and a time limit are added here.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session, parse_ratelimit_headers

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
    for attempt in range(NUM_TRIES):
        try:
            with limited_session():
                return request()
        except (OfflineModeIsEnabled, LocalTokenNotFoundError) as error:
            raise explain(error, doing, repo_id) from error
        except (HfHubHTTPError, httpx.TransportError, json.JSONDecodeError) as error:
            response = getattr(error, "response", None)
            if names_state(error):
                raise
            is_transient = response is None or response.status_code in TRANSIENT
            if not (is_transient and repeats) or attempt == NUM_TRIES - 1:
                raise explain(error, doing, repo_id) from error
            seconds = read_wait(response) or 2**attempt
            logger.warning("%s: %s. Again in %g s.", doing, name_failure(error), seconds)
            time.sleep(seconds)
    raise AssertionError("unreachable")


def names_state(error: Any) -> bool:
    """Whether an error says that a repository or revision is not there, not visible, or not what the commit builds on."""
    missing = isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError))
    changed = isinstance(error, HfHubHTTPError) and error.response.status_code == 412
    return (missing and not isinstance(error, GatedRepoError)) or changed


@contextmanager
def limited_session() -> Iterator[None]:
    """Within it, an answer that does not come is an error, and so is one that asks to wait longer than MAX_WAIT.

    huggingface_hub shares one client among all its functions; its settings are put back afterwards.
    """
    session: Any = get_session()  # httpx or httpx2, whichever huggingface_hub found
    timeout, hooks = session.timeout, session.event_hooks
    session.timeout = TIMEOUT
    session.event_hooks = {**hooks, "response": [*hooks.get("response", []), refuse_long_wait]}
    try:
        yield
    finally:
        session.timeout, session.event_hooks = timeout, hooks


def refuse_long_wait(response: Any) -> None:
    """Raise HubError for an answer that asks to wait longer than MAX_WAIT seconds."""
    seconds = read_wait(response)
    if response.status_code in TRANSIENT and seconds is not None and seconds > MAX_WAIT:
        raise HubError(
            f"The Hub answered {response.status_code} and asks to wait {seconds} seconds. Nothing was committed; run"
            " the same command again after that: it continues where it stopped."
        )


def read_wait(response: Any) -> int | None:
    """Seconds that an answer asks to wait, in a `RateLimit` header, which the Hub sends with 429, or `Retry-After`."""
    if response is None:
        return None
    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    value = response.headers.get("Retry-After", "").strip()
    return int(value) if value.isdigit() else None


def name_failure(error: Exception) -> str:
    """A failure in a few words: status and the Hub's own message, or the broken connection."""
    response = getattr(error, "response", None)
    if response is None:
        return f"no whole answer ({type(error).__name__}: {error})"
    said = getattr(error, "server_message", None)
    return f"the Hub answered {response.status_code}" + (f" ({said})" if said else "")


def explain(error: Exception, doing: str, repo_id: str) -> HubError:
    """An error that says what happened while `doing`, and what to do."""
    response = getattr(error, "response", None)
    status = None if response is None else response.status_code
    again = "Nothing was committed; the same command continues where it stopped."
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError(f"{doing}: HF_HUB_OFFLINE is set; unset it to reach the Hub.")
    if isinstance(error, GatedRepoError):
        what = (
            f"{repo_id} is gated and your account has no access to it. Ask for it on the repository's page, then log in"
            " with `hf auth login`."
        )
    elif status == 401 or isinstance(error, LocalTokenNotFoundError):
        what = (
            "you are not logged in, or the token is not valid (401). Run `hf auth login` with a token that may write."
        )
    elif status == 403:
        what = (
            f"no permission to write to {repo_id} (403). Use a token with write access, of an account that is"
            f" {repo_id.split('/')[0]!r} or belongs to it. {name_failure(error)}."
        )
    elif status == 429:
        what = f"too many requests (429), also after waiting. {again}"
    elif status is None:
        what = f"{name_failure(error)}, also when tried again. Check the network. {again}"
        return HubUnreachableError(f"{doing}: {what}")
    else:
        what = f"{name_failure(error)}{', also when tried again' if status in TRANSIENT else ''}. {again}"
    return HubError(f"{doing}: {what}")
