# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The cards in model_cards/ are up to date, and what they tell people to type works.

The code of the cards of Meta's sizes runs as it stands, on a tiny folder of their name and layout.
"""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
import transformers
import typer.main
from PIL import Image

from pixio_hf import PixioConfig, PixioForReconstruction, PixioImageProcessor, PixioModel
from pixio_hf.bundled import ASSETS, list_bundled
from pixio_hf.conversion.verification import MODEL_CLASSES
from pixio_hf.model_cards.model_card import CARD_NAMES, render_conversion_card
from pixio_hf.model_cards.results import PUBLISHED
from pixio_hf_cli import app
from tests.integration.test_readme import check_script_command, read_blocks, split_commands
from tests.tiny_models import randomize_weights, tiny_config, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def load_script(name: str):
    spec = importlib.util.spec_from_file_location(f"conversion_{name}", ROOT / "conversion" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_blocks_of(text: str, language: str) -> list[str]:
    return [block.code for block in read_blocks(text) if block.language == language]


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """An empty current folder with a photo, and no way to the Hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("kitchen.jpg", "left.jpg", "right.jpg"):
        Image.linear_gradient("L").resize((200, 150)).convert("RGB").save(name)
    return tmp_path


@pytest.fixture
def copy(tmp_path) -> Path:
    """The cards and where their links lead, without weights."""
    shutil.copytree(ROOT / "model_cards", tmp_path / "model_cards", symlinks=True)
    for name in list_bundled():
        folder = tmp_path / "src" / "pixio_hf" / "assets" / name
        folder.mkdir(parents=True)
        shutil.copy(ASSETS / name / "README.md", folder)
    return tmp_path


def test_cards_are_up_to_date():
    stale = load_script("render_cards").update_cards(ROOT, check=True)
    assert not stale, "run `make cards`:\n" + "\n".join(stale)
    assert {path.stem for path in (ROOT / "model_cards").iterdir()} == set(CARD_NAMES)
    for name in list_bundled():
        assert (ROOT / "model_cards" / f"{name}.md").read_text() == (ASSETS / name / "README.md").read_text()


def test_stale_cards_are_found_and_mended(copy, monkeypatch, capsys):
    script = load_script("render_cards")
    monkeypatch.setattr(script, "ROOT", copy)
    expected = {path.name: path.read_text() for path in (copy / "model_cards").iterdir()}
    edited, gone, link = (copy / "model_cards" / f"{name}.md" for name in ("pixio-h16", "pixio-b16", "pixio-tiny"))
    edited.write_text(edited.read_text().replace("0.268", "0.168"))
    gone.unlink()
    link.unlink()
    link.write_text("a copy")

    monkeypatch.setattr(sys, "argv", ["render_cards.py", "--check"])
    assert script.main() == 1
    assert "0.168" in edited.read_text(), "--check writes nothing"
    assert not gone.exists(), "--check writes nothing"
    printed = capsys.readouterr()
    assert re.search(r"^-.*0\.168.*\n(.*\n)*\+.*0\.268", printed.out, re.MULTILINE)
    assert "make cards" in printed.err

    monkeypatch.setattr(sys, "argv", ["render_cards.py"])
    assert script.main() == 0
    assert {path.name: path.read_text() for path in (copy / "model_cards").iterdir()} == expected
    assert link.is_symlink()
    assert link.resolve() == copy / "src/pixio_hf/assets/pixio-tiny/README.md"
    assert script.update_cards(copy, check=True) == []


def test_code_of_bundled_models(workplace, capsys):
    for name in list_bundled():
        (code,) = read_blocks_of((ROOT / "model_cards" / f"{name}.md").read_text(), "python")
        namespace = {}
        exec(compile(code, name, "exec"), namespace)
        if name == "pixio-tiny":
            assert type(namespace["model"]) is PixioModel
            assert namespace["model"].config.hidden_size == 224
    assert "torch.Size([150, 200])" in capsys.readouterr().out


def write_official_layout(folder: Path) -> None:
    """What `hf download` leaves: transformers' own configuration and processor, official names, the original file."""
    own = tiny_config(n_cls_tokens=8)
    config = transformers.PixioConfig(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, image_size=64)
    model = randomize_weights(PixioModel(own))
    write_checkpoint(folder, model)
    config.architectures = ["PixioModel"]
    config.save_pretrained(folder)
    processor = transformers.BitImageProcessor(
        size={"height": 64, "width": 64},
        do_center_crop=False,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    processor.save_pretrained(folder)
    (folder / f"{folder.name}.pth").write_bytes(b"the original checkpoint lies beside it and is not read")


def test_code_of_metas_models(workplace, capsys):
    write_official_layout(workplace / "tiny")
    blocks = {}
    for name in PUBLISHED:
        (code,) = read_blocks_of((ROOT / "model_cards" / f"{name}.md").read_text(), "python")
        assert f'from_pretrained("{name}")' in code
        blocks[code.replace(f'"{name}"', '"tiny"')] = code
    # Apart from the name and the sizes in comments they are one piece of code.
    (statements,) = {re.sub(r"  # .*", "", code) for code in blocks}
    namespace = {}
    exec(compile(statements, "card", "exec"), namespace)
    assert type(namespace["model"]) is PixioModel
    assert not namespace["model"].training
    assert capsys.readouterr().out == "torch.Size([1, 24, 32])\ntorch.Size([1, 32])\n"
    with torch.inference_mode():
        pixels = PixioImageProcessor(size={"height": 64, "width": 64})(Image.open("kitchen.jpg"), return_tensors="pt")
        expected = PixioModel.from_pretrained("tiny")(**pixels).last_hidden_state
    torch.testing.assert_close(namespace["outputs"].last_hidden_state, expected)


CLASSES = {**MODEL_CLASSES, "reconstruction": PixioForReconstruction}


@pytest.mark.parametrize("kind", CLASSES)
def test_code_of_converted_models(workplace, capsys, kind):
    several_views = {
        "view_hidden_size": 24,
        "view_num_hidden_layers": 4,
        "view_num_attention_heads": 2,
        "view_taps": (1, 2),
        "reconstruction_neck_hidden_sizes": (4, 6, 8, 12),
        "reconstruction_fusion_hidden_size": 8,
        "pose_hidden_size": 16,
        "scale_hidden_size": 12,
    }
    config: PixioConfig = tiny_config(
        projection_size=16 if kind == "distilled" else None, num_labels=5, **several_views
    )
    model = randomize_weights(CLASSES[kind](config))
    model.save_pretrained("my-model")
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained("my-model")
    (code,) = read_blocks_of(render_conversion_card(config, {"kind": kind}, "my-model"), "python")
    exec(compile(code, kind, "exec"), {})
    printed = capsys.readouterr().out
    expected = {
        "pretraining": "torch.Size([1, 3, 64, 64])\n",
        "depth": "torch.Size([150, 200])\n",
        "segmentation": "[('LABEL_",
        "reconstruction": "torch.Size([1, 1, 64, 64, 3])\ntorch.Size([1, 1, 4, 4])\n",
    }.get(kind, "torch.Size([1, 19, 32])\ntorch.Size([1, 32])\n")
    assert printed.startswith(expected)
    assert kind != "segmentation" or "(200, 150))" in printed
    assert type(transformers.AutoModel.from_pretrained("my-model")) is PixioModel, "as the card says"


def test_command_lines_parse():
    convert = typer.main.get_command(app).commands["convert"]  # pyright: ignore[reportAttributeAccessIssue]
    programs = []
    for name in CARD_NAMES:
        text = (ROOT / "model_cards" / f"{name}.md").read_text()
        for words in (words for code in read_blocks_of(text, "bash") for words in split_commands(code)):
            programs.append(" ".join(words[:2]))
            if words[0] == "hf":
                assert words[1:] == ["download", PUBLISHED[name].hub_id, "--local-dir", name]
            elif words[0] == "pixio-hf":
                assert words[1:4] == ["scene", "left.jpg", "right.jpg"]
            elif words[1] == "conversion/convert_checkpoint.py":
                args = convert.make_context("convert", words[2:]).params
                assert (str(args["source"]), str(args["output_dir"])) == (PUBLISHED[name].original_file, name)
            else:
                assert words[0] == "python"
                check_script_command(ROOT / words[1], words[2:])
    # Two for each of Meta's sizes, eleven of how the bundled ones were trained, evaluated and used: none was skipped.
    assert len(programs) == 2 * len(PUBLISHED) + 11
    assert PUBLISHED["pixio-1b16"].original_file == "pixio_vit1b16.pth"
