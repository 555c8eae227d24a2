# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files at http(s) addresses: limits on bytes and seconds, and on request no way into networks that are not public.

An address may come from somebody else, such as the visitor of a page, and lead to what only this machine can reach: itself,
its neighbours, or the accounts of a cloud (169.254.169.254). So the host is looked up first, every redirect anew, and the
request goes to exactly the address that was checked: a second look-up could answer differently.
"""

import ipaddress
import socket
import threading
import time
import urllib.request
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from huggingface_hub.utils import get_session

try:
    import httpx2 as httpx  # what huggingface_hub 2 speaks HTTP with
except ImportError:
    import httpx  # pyright: ignore[reportMissingImports] - and huggingface_hub 1

from .listings import show_path

MAX_SECONDS = 60.0
"""What a whole download may take, from the look-up of its host to the last byte."""
SILENCE = 15.0  # seconds without a byte
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {
    # Packed answers could unpack to any size; photos are packed already.
    "Accept-Encoding": "identity",
    "User-Agent": "pixio-hf (https://github.com/pixio-hf/pixio-hf)",
}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_address(text: str) -> bool:
    """Whether a text is an http(s) address rather than the name of a file."""
    return text.lower().startswith(("http://", "https://"))


def show_address(address: str) -> str:
    """An address as it is shown in messages, without user name and password."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return show_path(address)
    return show_path(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))


def fetch(address: str, max_bytes: int, allow_private: bool = False, max_seconds: float = MAX_SECONDS) -> bytes:
    """The bytes that lie at an http(s) address.

    Args:
        max_bytes: what is larger is refused, before it is read where the server tells its size.
        allow_private: also hosts that are not public: this machine, private and link-local networks.
        max_seconds: for the whole, whatever the server does.

    Raises:
        ValueError: anything that keeps it from being fetched; the message names the address and says why.
    """
    outcomes: list[bytes | BaseException] = []
    request = _Request(max_bytes, allow_private, max_seconds, time.monotonic() + max_seconds)

    def work() -> None:
        try:
            outcomes.append(request.follow(address))
        except BaseException as error:  # it is raised where the caller waits
            outcomes.append(error)

    # Look-ups have no time limit, and a server can send headers a byte at a time: only another thread can be left alone.
    thread = threading.Thread(target=work, name="pixio-hf download", daemon=True)
    thread.start()
    thread.join(max_seconds)
    outcome = outcomes[0] if outcomes else request.too_slow()
    if isinstance(outcome, bytes):
        return outcome
    if not isinstance(outcome, Exception):
        raise outcome
    raise ValueError(f"{show_address(address)} cannot be fetched: {_describe(outcome)}.") from outcome


@dataclass(frozen=True)
class _Request:
    """The limits of one download."""

    max_bytes: int
    allow_private: bool
    max_seconds: float
    deadline: float

    def too_slow(self) -> TimeoutError:
        """The error of a download that takes too long, whichever thread notices it first."""
        return TimeoutError(f"it took longer than {self.max_seconds:g} seconds")

    def follow(self, address: str) -> bytes:
        """The bytes at an address or where it redirects to."""
        for _ in range(MAX_REDIRECTS + 1):
            content, location = self._ask(address)
            if location is None:
                return content
            address = urljoin(address, location)
        raise ValueError(f"it redirects more than {MAX_REDIRECTS} times")

    def _ask(self, address: str) -> tuple[bytes, str | None]:
        """One request: the bytes, or where to ask instead."""
        parts, host = _split(address)
        if self.allow_private:
            return self._get(address, {}, {})
        numbers = look_up_public(host, parts.port or (443 if parts.scheme == "https" else 80), _has_proxy(parts, host))
        if not numbers:
            return self._get(address, {}, {})  # a proxy looks the host up
        port = f":{parts.port}" if parts.port else ""
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        # The certificate has to be the host's all the same.
        extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
        for number in numbers:
            netloc = f"{user}[{number}]{port}" if ":" in number else f"{user}{number}{port}"
            try:
                return self._get(
                    urlunsplit(parts._replace(netloc=netloc)),
                    {"Host": f"[{host}]{port}" if ":" in host else f"{host}{port}"},
                    extensions,
                )
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == numbers[-1]:
                    raise
        raise AssertionError("the last number returns or raises")

    def _get(self, address: str, headers: dict[str, str], extensions: dict[str, str]) -> tuple[bytes, str | None]:
        with get_session().stream(
            "GET",
            address,
            headers={**_HEADERS, **headers},
            extensions=extensions,
            timeout=SILENCE,
            follow_redirects=False,
        ) as response:
            if response.status_code in _REDIRECTS and "location" in response.headers:
                return b"", response.headers["location"]
            if not response.is_success:
                raise ValueError(f"the server answered {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("the server packs it, although it was asked not to")
            length = response.headers.get("content-length", "")
            self._check_size(int(length) if length.isdecimal() else 0)
            content = bytearray()
            for piece in response.iter_raw():
                content += piece
                self._check_size(len(content))
                if time.monotonic() > self.deadline:
                    raise self.too_slow()
            return bytes(content), None

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self.max_bytes:
            raise ValueError(f"it is larger than {self.max_bytes} bytes, the limit (PIXIO_HF_MAX_IMAGE_BYTES)")


def look_up_public(host: str, port: int, has_proxy: bool = False) -> list[str]:
    """The numeric addresses of a host, all of which are public.

    With a proxy, which looks hosts up itself, a host that is unknown here gives an empty list.

    Raises:
        ValueError: unknown host, or one that leads to a network that is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if has_proxy:
            return []
        raise ValueError(f"the host {host} is not known") from error
    numbers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for number in numbers:
        if not _is_public(number):
            raise ValueError(
                f"{host} is {number}, which is not on the public internet; allow private addresses if you trust it"
            )
    return [] if has_proxy else numbers


def _is_public(number: str) -> bool:
    """Whether a numeric address belongs to the public internet, as do those that are wrapped in it."""
    address = ipaddress.ip_address(number.partition("%")[0])
    wrapped: list[ipaddress.IPv4Address | ipaddress.IPv6Address | None] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        wrapped += [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            wrapped.remove(address)  # it stands for nothing but the address within, and counts as reserved itself
    return all(each.is_global and not each.is_multicast for each in wrapped if each is not None)


def _split(address: str) -> tuple[SplitResult, str]:
    """Parts of an address, and its host in ASCII."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna").decode("ascii") if parts.hostname else ""
        _ = parts.port
    except ValueError as error:  # UnicodeError is one
        raise ValueError(f"{show_address(address)} is no valid address") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{show_address(address)} is no http(s) address")
    return parts, host


def _has_proxy(parts: SplitResult, host: str) -> bool:
    """Whether the environment names a proxy for an address."""
    proxies = urllib.request.getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not urllib.request.proxy_bypass(host)


def _describe(error: Exception) -> str:
    """What went wrong, without a full stop."""
    if isinstance(error, httpx.TimeoutException):
        return f"the server did not answer for {SILENCE:g} seconds"
    reason = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, ValueError | TimeoutError | ConnectionError) and reason:
        return reason  # our own, and huggingface_hub's in offline mode
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
