# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The app in a real browser: every tab is clicked through. Skipped where Chromium or Playwright is missing."""

import importlib.util
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import trimesh

gradio = pytest.importorskip("gradio", reason="the app needs gradio 6", exc_type=ImportError)
sync_api = pytest.importorskip("playwright.sync_api", reason="clicking needs playwright")

from pixio_hf.app.page import build_app  # noqa: E402
from pixio_hf.app.serving import launch_options, results_folder  # noqa: E402
from pixio_hf.app.settings import AppSettings  # noqa: E402
from pixio_hf.bundled import ASSETS  # noqa: E402
from pixio_hf_cli.early_checks import check_port  # noqa: E402
from pixio_hf_cli.serve_app import make_predictors  # noqa: E402
from tests.scene_files import render_photos  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 120_000  # milliseconds for one answer, on a machine that does much else
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def address():
    settings = AppSettings()
    with results_folder() as folder:
        app = build_app(make_predictors("cpu"), settings, folder)
        options = launch_options(settings, folder, "127.0.0.1", check_port("127.0.0.1", 0))
        _, url, _ = app.launch(**options)
        yield url
        app.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.problems, page.elsewhere = [], []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.elsewhere.append(request.url) if _is_elsewhere(request.url) else None)
    page.goto(address)
    page.locator("#depth-photo").wait_for()
    yield page
    assert not page.problems
    assert not page.elsewhere, "the page asked another server"
    page.close()


def _is_elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def _choose(page, task: str, *photos: Path) -> None:
    place = page.locator(f"#{task}-photo{'s' if task == 'scene' else ''}")
    place.locator("input[type=file]").first.set_input_files([str(photo) for photo in photos])


def _choose_example(page, task: str) -> None:
    _choose(page, task, ASSETS / "photos" / "coffee.jpg")


def test_depth(page):
    _choose_example(page, "depth")
    page.locator("#depth-picture img").wait_for()
    sync_api.expect(page.locator("#depth-words")).to_contain_text("Field of view for 3D")
    page.locator("#depth-picture img").click()
    sync_api.expect(page.locator("#depth-distance")).to_contain_text("away", timeout=PATIENCE)
    page.locator("#depth-view canvas").wait_for()
    button = page.locator("#depth-files").get_by_text("Depth in mm (png)")
    sync_api.expect(button).to_be_enabled(timeout=PATIENCE)
    with page.expect_download() as waiting:
        button.click()
    assert waiting.value.suggested_filename == "coffee_depth.png"


def test_a_model_that_is_none_is_told(page):
    _choose_example(page, "depth")
    page.locator("#depth-picture img").wait_for()
    field = page.locator("#depth-model input")
    field.fill("no-such-model")
    field.press("Enter")
    page.get_by_text("No folder, Hub id (owner/name) or bundled checkpoint").first.wait_for()


def test_features(page):
    page.get_by_role("tab", name="Features").click()
    _choose_example(page, "features")
    page.locator("#features-similar img").wait_for()
    before = page.locator("#features-words").inner_text()
    page.locator("#features-colors img").click(position={"x": 40, "y": 200})
    sync_api.expect(page.locator("#features-words")).not_to_have_text(before, timeout=PATIENCE)


def test_reconstruction(page):
    page.get_by_role("tab", name="Reconstruction").click()
    _choose_example(page, "reconstruction")
    words = page.locator("#reconstruction-words")
    sync_api.expect(words).to_contain_text("75% hidden", timeout=PATIENCE)
    page.locator("#reconstruction-seen img").click(position={"x": 40, "y": 200})
    sync_api.expect(words).to_contain_text(re.compile("69% hidden|81% hidden"), timeout=PATIENCE)


def test_scene_of_two_photos(page, tmp_path):
    photos = render_photos(tmp_path, 2, 128)
    page.get_by_role("tab", name="3D from several photos").click()
    _choose(page, "scene", *photos)
    sync_api.expect(page.locator("#scene-photos img")).to_have_count(2, timeout=PATIENCE)
    page.locator("#scene-start").click()
    sync_api.expect(page.locator("#scene-words")).to_contain_text("2 photos, taken up to", timeout=PATIENCE)
    page.locator("#scene-view canvas").wait_for()
    button = page.locator("#scene-files").get_by_text("Scene with cameras (glb)")
    sync_api.expect(button).to_be_enabled(timeout=PATIENCE)
    with page.expect_download() as waiting:
        button.click()
    waiting.value.save_as(tmp_path / "scene.glb")
    scene = trimesh.load_scene(tmp_path / "scene.glb")
    surfaces = [shape for shape in scene.geometry.values() if isinstance(shape, trimesh.Trimesh)]
    assert len(surfaces) == 2
    assert all(len(surface.vertices) > 1000 for surface in surfaces)
    assert len(scene.geometry) > len(surfaces), "outlines of the cameras"


@pytest.mark.parametrize("task", ["depth", "scene"])
def test_a_file_above_the_limit_is_told(page, tmp_path, task):
    if task == "scene":
        page.get_by_role("tab", name="3D from several photos").click()
    sync_api.expect(page.get_by_text("up to 32 MB").locator("visible=true").first).to_be_visible()
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(33 * 2**20)
    _choose(page, task, large)
    message = page.get_by_text('exceed the maximum allowed size of 32.0 Mb: "large.jpg"')
    sync_api.expect(message).to_have_count(1, timeout=PATIENCE)
    if task == "depth":  # and the place takes the next photo
        _choose_example(page, task)
        page.locator("#depth-picture img").wait_for()


def test_the_server_takes_nothing_above_the_limit_either(address):
    body = b"\r\n".join(
        (
            b"--x",
            b'Content-Disposition: form-data; name="files"; filename="large.jpg"',
            b"Content-Type: image/jpeg",
            b"",
            bytes(33 * 2**20),
            b"--x--",
            b"",
        )
    )
    request = urllib.request.Request(
        f"{address}gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 413


@pytest.mark.parametrize("asked", ["/etc/passwd", str(ASSETS / "pixio-tiny" / "config.json"), "https://example.com/"])
def test_nothing_but_results_is_served(address, asked):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}gradio_api/file={asked}")
    assert refused.value.code == 403


def test_no_path_of_the_machine_is_shown(address):
    shown = urllib.request.urlopen(f"{address}config").read().decode()
    json.loads(shown)
    for path in (ROOT, Path.home(), Path.cwd()):
        assert f"{path}/" not in shown


def test_the_space_builds_the_same_page(tmp_path):
    file = ROOT / "examples" / "space" / "app.py"
    spec = importlib.util.spec_from_file_location("space_app", file)
    assert spec is not None
    assert spec.loader is not None
    space = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(space)
    tabs = [
        [block.label for block in page.blocks.values() if isinstance(block, gradio.Tab)]
        for page in (space.build(tmp_path), build_app(make_predictors(), AppSettings(), tmp_path))
    ]
    assert tabs[0] == tabs[1]
    assert tabs[0][:3] == ["Depth", "Features", "Reconstruction"]
    assert space.SETTINGS.open_to_others
