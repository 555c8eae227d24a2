# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files at addresses: limits hold whatever the server does, and nothing private is reached by a detour."""

import io
import shutil
import socket
import ssl
import subprocess
import threading
import time

import numpy as np
import PIL.Image
import pytest
from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory

from pixio_hf import photo_addresses
from pixio_hf.photo_addresses import fetch, is_address, look_up_public, show_address
from pixio_hf.photo_files import open_photo
from tests.photo_server import running_photo_server

LIMIT = 2**20
join = threading.Thread.join
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)


def encode_png() -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def server():
    with running_photo_server() as state:
        state.contents["/a.png"] = encode_png()
        yield state


@pytest.fixture
def public_loopback(monkeypatch):
    """Names under .example lead to this machine, which counts as public; nothing else changes."""
    really = socket.getaddrinfo

    def look_up(host, *arguments, **options):
        return really("127.0.0.1" if str(host).endswith(".example") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(photo_addresses, "_is_public", lambda number: number == "127.0.0.1")


def test_a_photo_is_fetched(server):
    assert fetch(f"{server.url}/a.png", LIMIT, allow_private=True) == encode_png()
    assert server.headers["Accept-Encoding"] == "identity"
    assert "pixio-hf" in server.headers["User-Agent"]
    with open_photo(f"{server.url}/a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), PIXELS)


def test_redirects_are_followed(server):
    server.redirects.update({"/one": "two", "/two": f"{server.url}/a.png", "/circle": "/circle"})
    assert fetch(f"{server.url}/one", LIMIT, allow_private=True) == encode_png()
    with pytest.raises(ValueError, match=r"/circle cannot be fetched: it redirects more than 5 times\.$"):
        fetch(f"{server.url}/circle", LIMIT, allow_private=True)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/a.png", "http://"])
def test_redirects_out_of_the_web_are_refused(server, location):
    server.redirects["/one"] = location
    with pytest.raises(ValueError, match="/one cannot be fetched: "):
        fetch(f"{server.url}/one", LIMIT, allow_private=True)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/absent", "the server answered 404"),
        ("/endless", r"it is larger than 1048576 bytes, the limit \(PIXIO_HF_MAX_IMAGE_BYTES\)"),
        ("/packed", "the server packs it"),
        ("/short", "RemoteProtocolError"),
    ],
)
def test_answers_that_are_no_file(server, path, message):
    with pytest.raises(ValueError, match=rf"127\.0\.0\.1:\d+{path} cannot be fetched: {message}"):
        fetch(server.url + path, LIMIT, allow_private=True)


def test_a_size_that_is_announced_is_refused_before_it_is_read(server):
    server.contents["/large"] = bytes(LIMIT + 1)
    with pytest.raises(ValueError, match="larger than 1048576 bytes"):
        fetch(f"{server.url}/large", LIMIT, allow_private=True)


@pytest.mark.parametrize("path", ["/silent", "/drip", "/endless"])
def test_time_is_limited_whatever_the_server_does(server, path):
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"it took longer than 0\.5 seconds"):
        fetch(server.url + path, 2**40, allow_private=True, max_seconds=0.5)
    assert time.monotonic() - start < photo_addresses.SILENCE


def test_the_download_itself_notices_that_time_is_over(server, monkeypatch):
    # On a busy machine the thread that waits may wake up last.
    monkeypatch.setattr("threading.Thread.join", lambda thread, timeout=None: join(thread, 20))
    with pytest.raises(ValueError, match=r"/endless cannot be fetched: it took longer than 0\.5 seconds\."):
        fetch(f"{server.url}/endless", 2**40, allow_private=True, max_seconds=0.5)


def test_a_silent_server_is_left(server, monkeypatch):
    monkeypatch.setattr(photo_addresses, "SILENCE", 0.3)
    with pytest.raises(ValueError, match=r"the server did not answer for 0\.3 seconds"):
        fetch(f"{server.url}/silent", LIMIT, allow_private=True)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:{port}/a.png", "http://localhost:{port}/a.png", "http://2130706433:{port}/a.png",
     "http://0x7f.1:{port}/a.png", "http://0.0.0.0:{port}/a.png", "http://[::ffff:127.0.0.1]:{port}/a.png",
     "http://user:secret@127.0.0.1:{port}/a.png"],
)  # fmt: skip
def test_this_machine_is_not_reached_under_any_of_its_names(server, address):
    with pytest.raises(ValueError, match="cannot be fetched") as refused:
        fetch(address.format(port=server.port), LIMIT)
    assert "secret" not in str(refused.value)
    assert not server.requests
    with pytest.raises(ValueError, match="cannot be fetched"):
        open_photo(address.format(port=server.port), allow_private=False)


@pytest.mark.parametrize(
    "number",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1%1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "2002:7f00:1::",
     "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
def test_networks_that_are_not_public(number):
    assert not photo_addresses._is_public(number)


@pytest.mark.parametrize("number", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e",
                                    "::ffff:93.184.215.14"])  # fmt: skip
def test_public_networks(number):
    assert photo_addresses._is_public(number)


def test_one_private_number_of_a_host_is_enough_to_refuse_it(monkeypatch):
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 80)) for number in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(ValueError, match=r"two\.example is 10\.0\.0\.1, which is not on the public internet"):
        look_up_public("two.example", 80)


def test_the_request_goes_to_the_number_that_was_checked(server, public_loopback):
    assert fetch(f"http://photos.example:{server.port}/a.png", LIMIT) == encode_png()
    assert server.requests == [("/a.png", f"photos.example:{server.port}")]


def test_a_second_look_up_changes_nothing(server, public_loopback, monkeypatch):
    answers = []
    really = socket.getaddrinfo

    def rebind(host, *arguments, **options):
        answers.append(host)
        assert answers.count("photos.example") <= 1, "the name must not be looked up again"
        return really(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    assert fetch(f"http://photos.example:{server.port}/a.png", LIMIT) == encode_png()


def test_redirects_to_private_places_are_refused(server, public_loopback):
    server.redirects["/one"] = "http://10.0.0.1/secret"
    server.redirects["/two"] = f"http://other.example:{server.port}/a.png"
    with pytest.raises(ValueError, match=r"10\.0\.0\.1, which is not on the public internet"):
        fetch(f"http://photos.example:{server.port}/one", LIMIT)
    assert fetch(f"http://photos.example:{server.port}/two", LIMIT) == encode_png()
    assert server.requests[-1] == ("/a.png", f"other.example:{server.port}")


def test_a_number_that_does_not_answer_is_followed_by_the_next(server, public_loopback, monkeypatch):
    monkeypatch.setattr(photo_addresses, "look_up_public", lambda *_: ["127.0.0.2", "127.0.0.1"])
    with socket.socket() as closed:
        closed.bind(("127.0.0.2", 0))
        assert fetch(f"http://photos.example:{server.port}/a.png", LIMIT) == encode_png()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_the_certificate_is_that_of_the_name(tmp_path, public_loopback):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=photos.example"]
    names = ["-addext", "subjectAltName=DNS:photos.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusted = ssl.create_default_context(cafile=str(certificate))
    set_client_factory(lambda: photo_addresses.httpx.Client(verify=trusted))
    try:
        with running_photo_server(context) as server:
            server.contents["/a.png"] = encode_png()
            assert fetch(f"https://photos.example:{server.port}/a.png", LIMIT) == encode_png()
            with pytest.raises(ValueError, match=r"wrong\.example.*certificate"):
                fetch(f"https://wrong.example:{server.port}/a.png", LIMIT)
    finally:
        set_client_factory(default_client_factory)


def test_proxies_look_hosts_up_themselves(server, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", refuse_names(socket.getaddrinfo))
    assert look_up_public("inside.example", 80, has_proxy=True) == []
    with pytest.raises(ValueError, match=r"the host inside\.example is not known"):
        look_up_public("inside.example", 80)
    with pytest.raises(ValueError, match="not on the public internet"):
        look_up_public("10.0.0.1", 80, has_proxy=True)


def refuse_names(really):
    def look_up(host, *arguments, **options):
        if str(host).endswith(".example"):
            raise socket.gaierror(-2, "Name or service not known")
        return really(host, *arguments, **options)

    return look_up


@pytest.mark.parametrize(
    "address", ["http://", "http://[::1", "http://a:b/c", "https:///a.png", "http://" + "a" * 300]
)
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="cannot be fetched"):
        fetch(address, LIMIT)


def test_offline_mode_is_respected(server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(ValueError, match="offline mode is enabled"):
        fetch(f"{server.url}/a.png", LIMIT, allow_private=True)


def test_what_is_fetched_must_be_an_image(server):
    server.contents["/page.png"] = b"<html>"
    server.contents["/cut.png"] = encode_png()[:60]
    with pytest.raises(ValueError, match=r"/page\.png is no image in a format that is known here"):
        open_photo(f"{server.url}/page.png")
    with open_photo(f"{server.url}/cut.png") as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_which_texts_are_addresses():
    assert is_address("HTTPS://example.org/a.png")
    assert not is_address("http_photos/a.png")
    assert show_address("https://me:secret@example.org/a.png?x=1") == "https://example.org/a.png?x=1"
