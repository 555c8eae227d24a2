# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The two specification pages: whatever refers to a section of them names a heading that exists, and code that exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/specification.md", "docs/specification_reconstruction.md")
FOLDERS = ("src", "examples", "conversion", "benchmarks", "tests", "docs", "model_cards")
TEXTS = ("README.md", "CONTRIBUTING.md")
# Where the former name of the pages, by which the authors' notes are known, must not come back.
CONVERTED = (*FOLDERS, *TEXTS)

NUMBER = r"\d+(?:\.\d+)?"
NUMBERS = rf"{NUMBER}(?:(?:,\s|\sand\s|\sto\s|-){NUMBER})*"
HEADING = re.compile(rf"^##+ ({NUMBER})\.? \S", re.MULTILINE)
# A reference may be broken at the end of a line, also of a comment.
REFERENCE = re.compile(rf"(docs/specification(?:_reconstruction)?\.md)\s+(?:#\s+)?({NUMBERS})")
OWN_REFERENCE = re.compile(rf"\bsections?\s+({NUMBERS})")
FORMER_NAME = re.compile(r"\b(?:SPEC|RECONSTRUCTION)(?:\.md)?\s+(?:#\s+)?(?:section\s+)?\d")
MODULE = re.compile(r"`([\w/]+\.py)`")


def read_headings(page: str) -> list[str]:
    """Numbers of a page's sections, in their order."""
    return HEADING.findall((ROOT / page).read_text(encoding="utf-8"))


def find_references(text: str) -> Iterator[tuple[str, str]]:
    """(page, number of a section) of each reference; of a range its two ends."""
    for page, numbers in REFERENCE.findall(text):
        for number in re.findall(NUMBER, numbers):
            yield page, number


def list_texts(places: tuple[str, ...]) -> list[Path]:
    """Python and Markdown files of folders, and files themselves."""
    paths = [ROOT / place for place in places]
    found = [path for path in paths if path.is_file()]
    for folder in (path for path in paths if path.is_dir()):
        found += [*folder.rglob("*.py"), *folder.rglob("*.md")]
    return sorted(found)


@pytest.mark.parametrize("page", PAGES)
def test_sections_are_numbered_without_gaps(page):
    numbers = [tuple(map(int, number.split("."))) for number in read_headings(page)]
    assert numbers == sorted(set(numbers))
    for chapter in {number[0] for number in numbers}:
        parts = [number[1] for number in numbers if number[0] == chapter and len(number) == 2]
        assert parts == list(range(1, len(parts) + 1)), f"section {chapter}"
    assert [number[0] for number in numbers if len(number) == 1] == list(range(numbers[-1][0] + 1))


def test_references_name_headings():
    headings = {page: set(read_headings(page)) for page in PAGES}
    wrong = [
        f"{path.relative_to(ROOT)}: {page} {number}"
        for path in list_texts((*FOLDERS, *TEXTS))
        for page, number in find_references(path.read_text(encoding="utf-8"))
        if path != Path(__file__) and number not in headings[page]
    ]
    assert not wrong


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_their_own_sections_and_modules_that_exist(page):
    text, headings = (ROOT / page).read_text(encoding="utf-8"), read_headings(page)
    numbers = [number for found in OWN_REFERENCE.findall(text) for number in re.findall(NUMBER, found)]
    assert numbers
    assert set(numbers) <= set(headings)
    sources = [path.as_posix() for folder in ("src", "examples") for path in (ROOT / folder).rglob("*.py")]
    missing = [name for name in MODULE.findall(text) if not any(path.endswith(f"/{name}") for path in sources)]
    assert not missing


@pytest.mark.parametrize("place", CONVERTED)
def test_former_name_is_gone(place):
    texts = list_texts((place,))
    assert texts
    left = [path for path in texts if path != Path(__file__) and FORMER_NAME.search(path.read_text(encoding="utf-8"))]
    assert not left


def test_forms_of_references_are_found():
    page = "docs/" + "specification.md"
    text = f"(see {page} 1.1, 1.4, 2.7)\n# {page}\n# 5.5 and 6.2: a\n{page} 3.3, first column; {page} 5.1-5.4.\n"
    found = [number for _, number in find_references(text)]
    assert found == ["1.1", "1.4", "2.7", "5.5", "6.2", "3.3", "5.1", "5.4"]
    for former in ("SPEC" + " 5.4", "RECONSTRUCTION" + ".md section 4", "SPEC" + "\n    # 3.3"):
        assert FORMER_NAME.search(former)
    assert not FORMER_NAME.search("RECONSTRUCTION" + "_METRIC_NAMES = 8")
