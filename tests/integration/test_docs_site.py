# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The documentation site: it builds without a warning, names everything public, and its search finds what is asked for."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from html import unescape
from pathlib import Path

import pytest
import typer.main

import pixio_hf
import pixio_hf.data.labelled
import pixio_hf.metrics
from pixio_hf_cli import app

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = {
    "fine-tune depth on my data": "guides/fine_tune_depth.html",
    "distil a smaller model": "guides/distillation.html",
    "convert checkpoint": "guides/conversion.html",
    "compare with DINOv2": "guides/comparison.html",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("needs mkdocs and mkdocstrings: pip install 'pixio-hf[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


COMMON_WORDS = {"a", "and", "for", "in", "my", "of", "on", "the", "to", "with"}


def read_words(text: str) -> list[str]:
    """Words of a text as the search splits them, without tags and plural endings."""
    plain = unescape(re.sub(r"<[^>]+>", " ", text)).lower()
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in re.findall(r"[a-z0-9]+", plain)]


def rank_pages(entries: list[dict[str, str]], question: str) -> list[str]:
    """Pages by their best section, as lunr ranks them (BM25, common words left out), titles counting ten times as much."""
    texts = [(Counter(read_words(entry["title"])), Counter(read_words(entry["text"]))) for entry in entries]
    mean_length = sum(text.total() for _, text in texts) / len(texts)
    scores: dict[str, float] = {}
    for entry, (title, text) in zip(entries, texts, strict=True):
        score = 0.0
        for word in set(read_words(question)) - COMMON_WORDS:
            found = sum(word in title or word in text for title, text in texts)
            rarity = math.log(1 + (len(texts) - found + 0.5) / (found + 0.5))
            length = 1.2 * (0.25 + 0.75 * text.total() / mean_length)
            score += rarity * (10 * (word in title) + 2.2 * text[word] / (length + text[word]))
        page = entry["location"].partition("#")[0]
        scores[page] = max(scores.get(page, 0.0), score)
    return sorted(scores, key=lambda page: -scores[page])


@pytest.mark.slow
def test_the_site_builds_and_brings_all_it_needs(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="(https?:[^"]+)"', page.read_text("utf-8"))
        loaded += re.findall(r'<link rel="stylesheet" href="(https?:[^"]+)"', page.read_text("utf-8"))
        assert loaded == [], f"{page.name} loads from another server"


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_search_finds_the_guide_first(site, question):
    entries = json.loads((site / "search" / "search_index.json").read_text("utf-8"))["docs"]
    assert rank_pages(entries, question)[0] == QUESTIONS[question]


@pytest.mark.slow
def test_every_command_and_option_has_its_place(site):
    page = " ".join(unescape(re.sub(r"<[^>]+>", "", (site / "reference/commands.html").read_text("utf-8"))).split())
    pending = [("pixio-hf", typer.main.get_command(app))]
    seen = 0
    while pending:
        name, command = pending.pop()
        if subcommands := getattr(command, "commands", None):
            pending += [(f"{name} {part}", subcommand) for part, subcommand in subcommands.items()]
            continue
        assert name in page
        context = command.make_context(name, [], resilient_parsing=True)
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record is not None:
                seen += 1
                assert all(" ".join(part.split()) in page for part in record), f"{name}: {record}"
    assert seen > 60


def test_every_public_name_is_in_the_reference():
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    described = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", pages, re.MULTILINE)}
    public = {*pixio_hf.__all__, *pixio_hf.data.labelled.__all__, *pixio_hf.metrics.__all__}
    # A tuple of names, which the page of metrics lists at its class.
    assert public - described - {"DEPTH_METRIC_NAMES"} == set()


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:\n")[1]
    listed = set(re.findall(r"([\w/]+\.md)", navigation))
    assert {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} == listed


def test_ranking_counts_titles_and_rare_words():
    entries = [
        {"location": "a.html", "title": "Depth", "text": "depth of photos and photos"},
        {"location": "b.html#x", "title": "Other", "text": "depth depth depth data"},
        {"location": "b.html", "title": "Own data", "text": ""},
    ]
    assert rank_pages(entries, "depth")[0] == "a.html"
    assert rank_pages(entries, "data")[0] == "b.html"
