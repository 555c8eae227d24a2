# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Model cards: complete metadata, the right licence, the numbers of their sources, nothing that outside text can break."""

import json
import pkgutil
import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from pixio_hf import PixioConfig, PixioModel, bundled_checkpoint
from pixio_hf.model_cards.finetuned_card import FineTuning, render_finetuned_card
from pixio_hf.model_cards.licences import META_LICENCE, check_licence
from pixio_hf.model_cards.model_card import CARD_NAMES, render_checkpoint_card, render_conversion_card
from pixio_hf.model_cards.rendering import PIPELINE_TAGS, validate_card
from pixio_hf.model_cards.results import PUBLISHED
from pixio_hf.model_cards.signature import is_unedited_card

PAPER_RESULTS = Path(__file__).resolve().parents[4] / "shared" / "reference" / "paper_results.md"
REPORT = {
    "source": {"name": "pixio_vith16.pth", "size": 2_524_123, "sha256": "ab" * 32},
    "kind": "encoder",
    "preset": "pixio-h16",
    "config": {"set_by_user": {"num_attention_heads": 16}, "not_in_weights": {"max_depth": 10.0}},
    "dtype": "float32",
    "num_tensors": 518,
    "num_parameters": 631_013_120,
    "ignored_keys": [f"extra.{index}" for index in range(11)],
    "warnings": ["The largest depth cannot be read."],
    "verification": {"method": "tensors and outputs", "tensors_identical": 518, "max_absolute_difference": 1.2e-6},
    "versions": {"torch": "2.15.0"},
}


def read_tables(card: str) -> list[list[str]]:
    """Cells of every table row of a card."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in card.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]


@pytest.mark.parametrize("name", CARD_NAMES)
def test_metadata(name):
    card = render_checkpoint_card(name)
    data = ModelCard(card).data
    assert is_unedited_card(card)
    assert data.library_name == "transformers"
    assert "pixio" in data.tags
    tags = {"pixio-tiny-depth": "depth-estimation", "pixio-tiny-3d": "image-to-3d"}
    assert data.pipeline_tag == tags.get(name, "image-feature-extraction")
    if name in PUBLISHED:
        assert (data.license, data.get("license_name"), data.base_model) == (
            "other",
            META_LICENCE,
            PUBLISHED[name].hub_id,
        )
        assert data.get("license_link") == f"https://huggingface.co/{data.base_model}"
        assert data.eval_results is None, "nothing was measured on Meta's weights"
        assert "pixio-hf does not distribute them" in card
        assert "not measured by pixio-hf" in card
    else:
        assert data.license == "apache-2.0"
        assert data.base_model is None
        assert "arXiv" not in card
        assert data.eval_results
        for result in data.eval_results:
            assert "Synthetic rooms" in result.dataset_name
            number, text = result.metric_value, ModelCard(card).text
            assert f"{number:.3f}" in text or f" {number} " in text, "the text gives the same number"


def test_unknown_name():
    with pytest.raises(ValueError, match="pixio-b16, pixio-l16"):
        render_checkpoint_card("pixio-x16")


@pytest.mark.skipif(
    not PAPER_RESULTS.is_file(), reason="the collected numbers of the paper are not beside the checkout"
)
def test_published_numbers_are_those_of_the_paper():
    source = PAPER_RESULTS.read_text()
    rows = {cells[0]: cells for cells in read_tables(source)}
    for name in PUBLISHED:
        _, hub_id, millions, _, knn, rmse, miou = rows[name]
        model = PUBLISHED[name]
        assert (hub_id, millions, knn) == (model.hub_id, f"{model.millions}M", model.knn)
        assert (float(rmse), miou) == (float(model.nyuv2_rmse), f"{model.ade20k_miou} / {model.voc_miou}")
    # The other tables have one row for H/16 each; its numbers, in any order, are those of the card.
    numbers = r"(?<![\w.-])\d*\.\d+(?![\w.])"
    published = "\n".join(line for line in source.splitlines() if re.match(r"\| (Pixio.H|pixio-h16)", line))
    card = render_checkpoint_card("pixio-h16").split("## Published results")[1].split("## Measured")[0]
    shown = card.replace("(https://arxiv.org/abs/2512.15715)", "").replace("arXiv 2512.15715", "")
    assert {float(number) for number in re.findall(numbers, shown)} == {
        float(number) for number in re.findall(numbers, published)
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_described_size_is_that_of_the_preset(name):
    config = PixioConfig.preset(name)
    with torch.device("meta"):
        num_parameters = sum(parameter.numel() for parameter in PixioModel(config).parameters())
    assert num_parameters / 1e6 == pytest.approx(PUBLISHED[name].millions, abs=1)
    card = render_checkpoint_card(name)
    assert f"{config.num_hidden_layers} blocks, width {config.hidden_size}, {config.num_attention_heads} heads" in card
    assert f"(1, 8 class tokens + 256 patches, {config.hidden_size})" in card
    assert f"hf download {PUBLISHED[name].hub_id} --local-dir {name}\n" in card


def test_conversion_report_is_summarised():
    card = render_conversion_card(PixioConfig.preset("pixio-h16"), REPORT, "my-h16")
    rows = dict(cells for cells in read_tables(card) if len(cells) == 2)
    assert rows["source"] == "`pixio_vith16.pth`"
    assert rows["sha256"] == f"`{'ab' * 32}`"
    assert rows["weights"] == "518 tensors, 631,013,120 parameters, float32"
    assert rows["left out"].startswith("`extra.0`")
    assert rows["left out"].endswith("`extra.7`, 3 more")
    assert rows["verified"].startswith("518 tensors")
    assert rows["verified"].endswith("of the source: 1.2e-06")
    assert rows["set by hand"] == "`num_attention_heads=16`"
    assert rows["versions"] == "torch 2.15.0"
    assert "- The largest depth cannot be read." in card
    assert 'from_pretrained("my-h16")' in card
    assert "# my-h16\n" in card
    unverified = {**REPORT, "verification": {"method": "none"}}
    assert "| verified | no (" in render_conversion_card(PixioConfig.preset("pixio-h16"), unverified, "my-h16")


@pytest.mark.parametrize("kind", sorted(set(PIPELINE_TAGS) - {"backbone"}))
@pytest.mark.parametrize("license", [None, "mit"])
def test_licence_of_converted_weights(tmp_path, kind, license):
    """What is written may be pushed: the licence check of the upload agrees with the card."""
    config = PixioConfig.preset("pixio-l16", num_labels=7)
    text = render_conversion_card(config, {"kind": kind}, "folder", license=license)
    for name in re.findall(r"`(pixio_hf\.[\w.]+)`", text):
        assert pkgutil.resolve_name(name)
    card_path = tmp_path / "README.md"
    card_path.write_text(text)
    data = ModelCard(text).data
    assert is_unedited_card(text)
    assert data.pipeline_tag == PIPELINE_TAGS[kind]
    if license is None:
        assert (data.license, data.get("license_name"), data.base_model) == (
            "other",
            META_LICENCE,
            "facebook/pixio-vitl16",
        )
        check_licence(card_path, is_converted=True)
        assert ("Published results" in text) == (kind == "encoder"), "no number of the paper is about another's head"
    else:
        assert data.license == "mit"
        assert data.base_model is None
        assert data.get("license_name") is None
        check_licence(card_path, is_converted=False)
        assert "Published results" not in text
        assert "Meta's" not in text


@pytest.mark.parametrize(
    ("metadata", "stated"),
    [
        ("license: mit", ("mit", None)),
        ("license: llama2", ("llama2", None)),
        ("license: other\nlicense_name: mine", ("other", "mine")),
        ("tags: [a]", ("other", META_LICENCE)),
        ("license: [a: {", ("other", META_LICENCE)),
    ],
)
def test_a_finetuned_model_inherits_whatever_its_base_states(tmp_path, metadata, stated):
    """After hours of training, no licence of the base may stand between the model and its card."""
    (tmp_path / "README.md").write_text(f"---\n{metadata}\n---\n\n# Base\n")
    run = FineTuning("depth", str(tmp_path), "NYUv2", {"rmse": 0.4}, {}, "native size")
    card = render_finetuned_card(PixioConfig.preset("pixio-tiny"), run, "mine")
    data = ModelCard(card).data
    assert (data.get("license"), data.get("license_name")) == stated
    assert f"`{stated[1] or stated[0]}`" in card


def test_other_sizes_are_not_called_metas():
    for overrides in ({"n_cls_tokens": 1}, {"patch_size": 8}, {"num_hidden_layers": 3}):
        text = render_conversion_card(PixioConfig.preset("pixio-b16", **overrides), {}, "folder")
        data = ModelCard(text).data
        assert data.license == "other"
        assert data.base_model is None
        assert "Published results" not in text
    resized = render_conversion_card(PixioConfig.preset("pixio-b16", image_size=512), {"kind": "depth"}, "folder")
    assert ModelCard(resized).data.base_model == "facebook/pixio-vitb16"


def test_an_empty_report_gives_a_card():
    text = render_conversion_card(PixioConfig.preset("pixio-tiny"), {}, "folder")
    assert "How it was converted" not in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("report", "license", "message"),
    [
        ({"kind": "audio"}, None, "'audio'; expected one of encoder"),
        ({}, "other", "'other'; expected one of apache-2.0"),
    ],
)
def test_bad_input(report, license, message):
    with pytest.raises(ValueError, match=message):
        render_conversion_card(PixioConfig(), report, "folder", license=license)


def test_outside_text_stays_text():
    hostile = "a\"b\udcff\n---\nlicense: mit\n---\n```\n<script>|{{ code }}'); import os"
    report = {**REPORT, "source": {"name": hostile}, "warnings": [hostile], "ignored_keys": [hostile]}
    text = render_conversion_card(PixioConfig.preset("pixio-h16"), report, hostile)
    body = ModelCard(text).text
    assert ModelCard(text).data.license == "other"
    assert is_unedited_card(text)
    assert re.findall(r"^```.*", body, re.MULTILINE) == ["```python", "```"]
    code = body.split("```python\n")[1].split("```\n")[0]
    compile(code, "card", "exec")
    assert json.dumps(hostile.replace("\udcff", "?")) in code
    assert text.encode()
    assert all(len(cells) in (2, 3, 4, 7) for cells in read_tables(text))
    outside_code = re.sub(r"`[^`\n]+`", "", body.replace(code, ""))
    assert 'a"b?' in outside_code
    assert not re.search(r"(?<!\\)<script|^license", outside_code, re.MULTILINE)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("license: other", "license: free"), "unknown license 'free'"),
        (("license_name: fair-noncommercial-research-license\n", ""), "license other needs license_name"),
        (("pipeline_tag: image-feature-extraction", "pipeline_tag: vision"), "unknown pipeline_tag 'vision'"),
        (("library_name: transformers", "library_name: timm"), "library_name is 'timm'"),
        (("tags:\n- pixio\n", ""), "tags is missing"),
        (("license: other", "license: [a: {"), "cannot be read"),
    ],
)
def test_validation_finds(change, fault):
    card = render_checkpoint_card("pixio-b16")
    validate_card(card)
    assert change[0] in card
    with pytest.raises(ValueError, match=re.escape(fault)):
        validate_card(card.replace(*change))


@pytest.mark.parametrize("name", ["pixio-tiny", "pixio-tiny-depth"])
def test_bundled_card_describes_the_bundled_configuration(name):
    config = PixioConfig.from_pretrained(bundled_checkpoint(name))
    card = render_checkpoint_card(name)
    assert f"{config.image_size} x {config.image_size}" in card
    if name == "pixio-tiny":
        assert f"encoder {config.hidden_size} wide, {config.num_hidden_layers} blocks" in card
        assert f"decoder {config.decoder_hidden_size} wide, {config.decoder_num_hidden_layers} blocks" in card
    else:
        assert f"depths up to {config.max_depth:g} m" in card
