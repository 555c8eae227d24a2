# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a command needs, reads and writes, checked before torch is imported and before any work; imports nothing heavy."""

import errno
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

# What commands import of an extra of pyproject.toml.
EXTRAS = {"demo": ("matplotlib",), "3d": ("trimesh",), "video": ("av",), "app": ("gradio", "matplotlib", "trimesh")}


def require_extra(extra: str) -> None:
    """Raise ValueError, with the install command, if packages of one of our extras are missing."""
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed, which this command needs:"
            f" pip install 'pixio-hf[{extra}]'."
        )


@cache
def read_names() -> ModuleType:
    """The module pixio_hf/bundled.py, run from its file: importing it from its package would load torch."""
    package = find_spec("pixio_hf")
    assert package is not None
    assert package.origin is not None
    spec = spec_from_file_location("pixio_hf_names", Path(package.origin).with_name("bundled.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_inputs(inputs: Sequence[str], overwrite: bool = False, skip_existing: bool = False) -> None:
    """Raise ValueError naming every input that is missing, unreadable, or no regular file; none of them is opened.

    Folders, addresses, and patterns that are no files themselves are looked at later, by `pixio_hf.photo_sources`.
    """
    if overwrite and skip_existing:
        raise ValueError("Give --overwrite or --skip-existing, not both.")
    if not inputs:
        raise ValueError("No photos given.")
    problems = []
    for place in inputs:
        name = show_name(place)
        if place.lower().startswith(("http://", "https://")) or os.path.isdir(place):
            continue
        if not os.path.exists(place):
            if os.path.lexists(place) or not any(character in place for character in "*?["):
                problems.append(f"{name} does not exist")
        elif not os.path.isfile(place):
            problems.append(f"{name} is not a regular file (it is a FIFO, device or socket)")
        elif not os.access(place, os.R_OK):
            problems.append(f"{name} cannot be read")
    if problems:
        raise ValueError("; ".join(problems) + ". Nothing was done.")


def check_targets(targets: Sequence[Path], out: Path, overwrite: bool, can_skip: bool = False) -> None:
    """Raise ValueError where the output folder cannot be written, or targets exist and may not be replaced.

    `can_skip`: the command has --skip-existing too.
    """
    check_folder(out)
    odd = [show_name(target) for target in targets if os.path.exists(target) and not os.path.isfile(target)]
    if odd:
        raise ValueError(
            f"{', '.join(odd)} should become files, but are folders or devices. Choose another --out folder."
        )
    existing = [show_name(target) for target in targets if os.path.exists(target)]
    if existing and not overwrite:
        way_out = "Pass --overwrite to replace them" + (", --skip-existing to keep them" if can_skip else "")
        shown = ", ".join(existing[:3]) + (f" and {len(existing) - 3} more" if len(existing) > 3 else "")
        raise ValueError(f"Results exist already: {shown}. {way_out}, or another --out folder.")


def check_folder(out: Path) -> None:
    """Raise ValueError unless the output folder can be made and written into; leaves nothing behind."""
    place = Path(os.path.abspath(out))
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not os.path.isdir(place):
        where = "" if os.path.abspath(out) == str(place) else f": {show_name(place)} is one"
        raise ValueError(f"--out {show_name(out)} is a file, not a folder{where}; name a folder.")
    try:
        # By trying it: permissions say nothing about read-only and special file systems.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ValueError(
            f"--out {show_name(out)} cannot be written ({error.strerror or error}); choose another folder."
        ) from error


def show_name(path: str | Path) -> str:
    """A path as text that can be printed: bytes that are no UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_port(host: str, port: int) -> int:
    """The number of the port to use: the one that was asked for, or a free one for 0.

    Raises:
        ValueError: it is taken, not allowed, or the host is none of this machine.
    """
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            return probe.getsockname()[1]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"Port {port} is taken by another program, maybe by another app of this kind. Pass --port with another"
                " number, or --port 0 for any free one."
            ) from error
        if error.errno == errno.EACCES:
            raise ValueError(f"Port {port} may not be used; pass --port with a number above 1023.") from error
        raise ValueError(
            f"--host {host} is no address of this machine; pass 127.0.0.1 (only this machine reaches the app) or 0.0.0.0"
            " (others do, too)."
        ) from error


def is_open_to_others(host: str, share: bool) -> bool:
    """Whether other machines reach an app that listens at a host."""
    if share:
        return True
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return True
    return not all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in addresses)
