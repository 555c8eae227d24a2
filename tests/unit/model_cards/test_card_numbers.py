# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""results.json is the one place of numbers: cards and docs print those, and the templates hold none."""

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
from safetensors import safe_open

from pixio_hf import PixioConfig, bundled_checkpoint
from pixio_hf.bundled import list_bundled
from pixio_hf.model_cards import model_card, results
from pixio_hf.model_cards.licences import Licence
from pixio_hf.model_cards.model_card import CARD_NAMES, render_checkpoint_card
from pixio_hf.model_cards.rendering import card_metadata, render_card
from pixio_hf.model_cards.results import PUBLISHED, PUBLISHED_H16, RESULTS
from tests.unit.model_cards.test_model_card import read_tables

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "src/pixio_hf/model_cards/templates").glob("*.md"))
# Names with digits in them, which are no numbers.
NAMES = re.compile(
    r"arXiv 2512\.15715|arxiv\.org/abs/2512\.15715|Apache-2\.0|apache-2\.0|b?float(16|32)|bf16|delta1|NYUv2|3D|5B model"
    r"|runs/stage\d|pixio-5b16|pixio-tiny-3d"
)


def rows_of(path: str, heading: str) -> dict[str, list[str]]:
    """Rows of the table below a heading, by their first cells."""
    section = (ROOT / path).read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {cells[0]: cells[1:] for cells in read_tables(section)}


def mark_numbers(values: Any, marks: list[str]) -> Any:
    """A JSON value with a number of its own in the place of each number; `marks` gets them as they are printed."""
    if isinstance(values, dict):
        return {key: mark_numbers(value, marks) for key, value in values.items()}
    if isinstance(values, list):
        return [mark_numbers(value, marks) for value in values]
    if isinstance(values, str) and not re.fullmatch(r"[\d.]+(e-\d+)?", values):
        return values
    marks.append(str(70_000 + len(marks)))
    return type(values)(marks[-1])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_number_is_typed_into_a_template(template):
    text = re.sub(r"```python\n.*?```", "", template.read_text("utf-8"), flags=re.DOTALL)
    # What a tag prints comes from outside, but for the texts that it chooses from.
    tags = re.findall(r"\{\{.*?\}\}|\{%.*?%\}", text, re.DOTALL)
    chosen = [quoted.replace("%g", "") for tag in tags for quoted in re.findall(r'"[^"]*"', tag)]
    for tag in tags:
        text = text.replace(tag, "")
    typed = [line for line in [*text.splitlines(), *chosen] if re.search(r"\d", NAMES.sub("", line))]
    assert not [line for line in typed if not re.fullmatch(r'"%\.\df"', line)]


def test_every_number_of_ours_is_in_a_card(monkeypatch):
    marks: list[str] = []
    marked = {name: mark_numbers(value, marks) for name, value in RESULTS.items() if name != "paper"}
    monkeypatch.setattr(model_card, "RESULTS", marked)
    monkeypatch.setattr(results, "RESULTS", marked)
    text = "".join(render_checkpoint_card(name) for name in list_bundled()).replace(",", "")
    held_out = [str(marked["rooms"][name]) for name in ("num_held_out", "first_held_out")]
    assert len(marks) > 60
    assert [mark for mark in marks if mark not in text] == held_out
    assert results.HELD_OUT_ROOMS == "512 rooms of seeds 20000000 to 20000511"
    assert all(
        results.HELD_OUT_ROOMS in render_checkpoint_card(name) for name in list_bundled() if name != "pixio-tiny-3d"
    )


def test_the_paper_s_numbers_are_in_the_cards_and_in_the_docs():
    card = {name: render_checkpoint_card(name) for name in CARD_NAMES}
    for name, model in PUBLISHED.items():
        rows = read_tables(card[name])
        published = RESULTS["paper"]["table_8"][name]
        assert [row[2] for row in rows if len(row) == 3][1:5] == list(published.values()), name
        assert f"{model.millions:,} million parameters" in card[name]
    cells = {tuple(row) for row in read_tables(card["pixio-h16"])}
    assert all({table.columns, *table.rows} <= cells for table in PUBLISHED_H16)

    depth, segmentation = ({row[0]: row[1:] for row in table.rows} for table in PUBLISHED_H16[:2])
    heads = (segmentation["DPT"], segmentation["linear"])
    for data, row in rows_of("docs/specification.md", "8. Published results").items():
        if "delta1" in data:
            name = data.split(",")[0]
            assert row == [depth[f"{name}, DPT"][1], depth[f"{name}, linear"][1]]
        elif "mIoU" in data:
            column = ("ADE20K", "Pascal VOC", "LoveDA").index(data.split(",")[0])
            assert row == [head[column] for head in heads]
    ablation = RESULTS["paper"]["ablation"]
    assert [[name, *row] for name, row in rows_of("docs/ablation.md", "What the paper reports").items()] == [
        ablation["columns"],
        *ablation["rows"],
    ]


def test_the_page_of_results_prints_our_numbers():
    page = " ".join((ROOT / "docs/results.md").read_text("utf-8").split("## Results so far")[1].split())
    depth, model = RESULTS["depth"], RESULTS["pixio-tiny-depth"]
    expected = {
        "bundled pixio-tiny-depth": "pixio_tiny_depth",
        f"frozen pixio-tiny encoder, head trained for {model['frozen_steps']} steps": "frozen_pixio_tiny",
        "frozen random encoder, same recipe": "frozen_random",
        "mean training depth everywhere": "mean_training_depth",
    }
    rows = rows_of("docs/results.md", "Results so far")
    title = f"depth of rooms ({model['encoder_millions'] + model['head_millions']:.1f} million parameters)"
    assert rows[title] == ["delta1", "abs_rel", "rmse (m)"]
    assert {name: rows[name] for name in expected} == {
        name: [f"{score:.3f}" for score in depth[key].values()] for name, key in expected.items()
    }
    losses = {
        "pixio-tiny": "pixio_tiny",
        "pixio-tiny before it saw photographs": "fourth_stage",
        "mean colour of the visible patches": "mean_visible_color",
    }
    for name, key in losses.items():
        assert rows[name] == [f"{loss:.3f}" for loss in RESULTS["masked_pixel_loss"][key].values()]
    for row in RESULTS["real_frames"]["rows"]:
        numbers = {key: f"{value:.3f}" for key, value in row.items() if key != "name"}
        name = row["name"].replace("**this checkpoint**", "bundled pixio-tiny-depth, real frames")
        assert rows[name] == [
            f"{numbers['metric_delta1']}, {numbers['metric_abs_rel']}",
            numbers["scaled_delta1"],
            f"{numbers['affine_delta1']}, {numbers['affine_abs_rel']}",
            numbers["order"],
        ]
    rooms = RESULTS["rooms"]
    assert f"{rooms['num_held_out']} of seeds that no model was trained on, at {rooms['image_size']} x" in page


def count_millions(name: str, prefix: str = "") -> float:
    with safe_open(Path(bundled_checkpoint(name)) / "model.safetensors", framework="pt") as file:
        return sum(file.get_tensor(key).numel() for key in file.keys() if key.startswith(prefix)) / 1e6  # noqa: SIM118


def test_facts_about_the_bundled_models_are_those_of_their_files():
    assert count_millions("pixio-tiny") == pytest.approx(RESULTS["pixio-tiny"]["millions"], abs=0.05)
    head = count_millions("pixio-tiny-depth", "head.")
    assert head == pytest.approx(RESULTS["pixio-tiny-depth"]["head_millions"], abs=0.05)
    encoder = count_millions("pixio-tiny-depth") - head
    assert encoder == pytest.approx(RESULTS["pixio-tiny-depth"]["encoder_millions"], abs=0.05)
    sizes = dict.fromkeys(list_bundled(), RESULTS["rooms"]["image_size"])
    sizes["pixio-tiny-depth"] = RESULTS["pixio-tiny-depth"]["second_run"]["crop_size"]
    for name, size in sizes.items():
        assert PixioConfig.from_pretrained(bundled_checkpoint(name)).image_size == size


def test_a_field_that_is_not_passed_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_card("finetuned_card.md", card_metadata("depth", Licence("mit")))
