# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photograph `pixio-hf app` in a browser for docs/guides/app.md, anew after the bundled models change (`make pictures`).

    python docs/make_app_pictures.py
    python docs/make_app_pictures.py app_scene app_phone

Needs Chromium (Debian: `apt install chromium`); `--browser PATH` names another one.
"""

import argparse
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
from make_pictures import choose_names, keep, save_room_views
from playwright.sync_api import Page, expect, sync_playwright

from pixio_hf.bundled import ASSETS

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 180_000  # milliseconds for one answer
SETTLE = 25_000  # milliseconds for the view in 3D, which is drawn without a GPU
DESKTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}}
PHONE_GAP = 12  # pixels between its screens
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1,
    "is_mobile": True,
    "has_touch": True,
}
# Picture -> tab and size of the page; all in light colours.
PICTURES = {
    "app_depth": ("depth", DESKTOP),
    "app_features": ("features", DESKTOP),
    "app_reconstruction": ("reconstruction", DESKTOP),
    "app_scene": ("scene", DESKTOP),
    "app_phone": ("depth", PHONE),
}
TABS = {
    "depth": "Depth",
    "features": "Features",
    "reconstruction": "Reconstruction",
    "scene": "3D from several photos",
}
PHOTOS = {"depth": "coffee", "features": "temple", "reconstruction": "cat"}
# What appears last in a tab.
LAST = {
    "depth": "#depth-view canvas",
    "features": "#features-similar img",
    "reconstruction": "#reconstruction-filled img",
    "scene": "#scene-view canvas",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", default="/usr/bin/chromium", help="Chromium or Chrome [default: %(default)s]")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PICTURES)}")
    arguments = parser.parse_args()
    names = choose_names(parser, arguments.names, PICTURES)
    with tempfile.TemporaryDirectory() as name, running_app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=FLAGS)
        for picture in names:
            (task, size), file = PICTURES[picture], f"{picture}.png"
            page = browser.new_page(color_scheme="light", **size)
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            show_answer(page, task, Path(name))
            if size is PHONE:
                photograph_screens(page, Path(name) / file)
            else:
                page.screenshot(path=Path(name) / file, full_page=True)
            page.close()
            keep(Path(name) / file, file)
        browser.close()


@contextmanager
def running_app() -> Iterator[str]:
    """The app in a process of its own; its address."""
    command = [sys.executable, "-m", "pixio_hf_cli", "app", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        try:
            found = re.search(r"http://\S+", app.stdout.readline())
            if found is None:
                raise RuntimeError("The app did not start.")
            yield found.group()
        finally:
            app.terminate()


def show_answer(page: Page, task: str, folder: Path) -> None:
    """Choose a photo in a tab, and wait for all that it answers; `folder` takes rendered photos."""
    page.get_by_role("tab", name=TABS[task]).click()
    if task == "scene":
        choose(page, "#scene-photos", save_room_views(folder))
        expect(page.locator("#scene-photos img")).to_have_count(2, timeout=PATIENCE)
        page.locator("#scene-start").click()
    else:
        choose(page, f"#{task}-photo", [ASSETS / "photos" / f"{PHOTOS[task]}.jpg"])
    page.locator(LAST[task]).wait_for()
    if task in ("depth", "scene"):
        expect(page.locator(f"#{task}-files button").last).to_be_enabled(timeout=PATIENCE)
    page.wait_for_timeout(SETTLE)


def photograph_screens(page: Page, file: Path) -> None:
    """Three screens of a phone beside each other: the photo, its depth, the view in 3D."""
    screens = []
    for place in ("h1", "#depth-picture", "#depth-view"):
        page.locator(place).first.evaluate(
            "element => window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - 12)"
        )
        page.wait_for_timeout(SETTLE // 5)
        screens.append(PIL.Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    width, height = screens[0].size
    row = PIL.Image.new("RGB", (len(screens) * width + (len(screens) - 1) * PHONE_GAP, height), "#9aa3b2")
    for number, screen in enumerate(screens):
        row.paste(screen, (number * (width + PHONE_GAP), 0))
    row.save(file)


def choose(page: Page, place: str, photos: list[Path]) -> None:
    page.locator(f"{place} input[type=file]").first.set_input_files([str(photo) for photo in photos])


if __name__ == "__main__":
    main()
