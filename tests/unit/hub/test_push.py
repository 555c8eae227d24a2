# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Uploads, the parts without network: marks of cards, which files go, what a plan says."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.hf_api import RepoFile
from safetensors.torch import save_file

from pixio_hf.hub.folder import read_checkpoint_folder
from pixio_hf.hub.push import check_repo_id
from pixio_hf.hub.upload_plan import RemoteState, plan_push
from pixio_hf.model_cards.licences import META_LICENCE
from pixio_hf.model_cards.signature import (
    DEFAULT_DESCRIPTION,
    is_replaceable_card,
    is_unedited_card,
    name_repository,
    sign_card,
)

CARD = "---\nlicense: apache-2.0\n---\n\n# Model\n\nText.\n"
META_CARD = f"---\nlicense: other\nlicense_name: {META_LICENCE}\nbase_model: facebook/pixio-vith16\n---\n# Model\n"
CONFIG = {"model_type": "pixio", "architectures": ["PixioModel"], "hidden_size": 4, "num_hidden_layers": 1}
CONFIG["num_attention_heads"] = 2


@pytest.fixture
def folder(tmp_path) -> Path:
    """A checkpoint of two shards, and beside it what must not be uploaded."""
    path = tmp_path / "model"
    path.mkdir()
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for name, shard in shards.items():
        save_file({name: torch.arange(4.0)}, path / shard)
    write_json(path / "model.safetensors.index.json", {"metadata": {}, "weight_map": shards})
    write_json(path / "config.json", CONFIG)
    write_json(path / "preprocessor_config.json", {"image_processor_type": "PixioImageProcessor"})
    (path / "README.md").write_text(CARD)
    (path / "original.pth").write_bytes(b"pickle")
    (path / "training.log").write_text("loss")
    save_file({"x": torch.zeros(1)}, path / "optimizer.safetensors")
    (path / ".cache").mkdir()
    return path


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))


def remote_of(folder: Path, changes: Mapping[str, bytes] = MappingProxyType({})) -> RemoteState:
    """A repository that holds the folder's files, some of them with other content, and some more."""
    contents = {name: (folder / name).read_bytes() for name in read_checkpoint_folder(folder).files} | dict(changes)
    files = {}
    for name, content in contents.items():
        entry = {"path": name, "size": len(content)}
        entry["oid"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if name.endswith(".safetensors"):
            sha256 = hashlib.sha256(content).hexdigest()
            entry |= {"oid": "of the pointer", "lfs": {"oid": sha256, "size": len(content), "pointerSize": 1}}
        files[name] = RepoFile(**entry)
    texts = {name: contents[name].decode() for name in ("config.json", "README.md") if name in contents}
    return RemoteState("0" * 40, files, texts, private=False)


def test_the_mark_survives_what_git_does_to_text_and_nothing_else():
    signed = sign_card(CARD)
    assert signed.startswith(CARD.rstrip())
    assert sign_card(signed) == signed
    assert is_unedited_card(signed)
    assert is_unedited_card(signed.replace("\n", "\r\n"))
    assert is_unedited_card(signed.rstrip())
    assert is_unedited_card(signed + "\n\n")
    assert not is_unedited_card(CARD)
    assert not is_unedited_card("")
    assert not is_unedited_card(signed.replace("Text.", "Better text."))
    assert not is_unedited_card(signed + "My remark.\n")
    assert not is_unedited_card(signed + signed)
    assert not is_unedited_card(signed.replace("apache-2.0", "mit"))


def test_cards_that_no_person_wrote_may_be_replaced():
    default = ModelCard.from_template(
        ModelCardData(library_name="x", tags=["y"]), model_description=DEFAULT_DESCRIPTION
    )
    assert is_replaceable_card(str(default))
    assert is_replaceable_card("---\nlicense: mit\n---\n")
    assert is_replaceable_card("")
    assert is_replaceable_card(sign_card(CARD))
    assert not is_replaceable_card(CARD)
    assert not is_replaceable_card(str(default).replace("[More Information Needed]", "Me", 1))
    assert not is_replaceable_card("---\n[broken: {\n---\n")


def test_exactly_the_checkpoint_s_files_go(folder):
    checkpoint = read_checkpoint_folder(folder)
    assert sorted(checkpoint.files) == [
        "README.md",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "preprocessor_config.json",
    ]
    assert checkpoint.left_behind == (".cache/", "optimizer.safetensors", "original.pth", "training.log")


def test_code_goes_with_what_it_imports(folder):
    auto_map = {"AutoModel": "modeling.Model", "AutoConfig": "elsewhere/repo--configuration.Config"}
    write_json(folder / "config.json", {**CONFIG, "auto_map": auto_map})
    reference = {"AutoImageProcessor": {"torchvision": "processing.Processor", "pil": "processing_pil.Processor"}}
    write_json(folder / "preprocessor_config.json", {"auto_map": reference})
    (folder / "modeling.py").write_text("from .layers import Layer\n")
    (folder / "layers.py").write_text("import torch\nfrom .names import NAME\n")
    (folder / "processing.py").write_text("import numpy\n")
    (folder / "train.py").write_text("print()\n")
    (folder / "names.py").write_text("NAME = 1\n")
    with pytest.raises(ValueError, match=r"auto_map needs processing_pil.py, which .* does not hold"):
        read_checkpoint_folder(folder)
    (folder / "processing_pil.py").write_text("from .names import NAME\n")
    checkpoint = read_checkpoint_folder(folder)
    sent = {name for name in checkpoint.files if name.endswith(".py")}
    assert sent == {"modeling.py", "layers.py", "names.py", "processing.py", "processing_pil.py"}
    assert "train.py" in checkpoint.left_behind


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


SHARD, INDEX = "model-00002-of-00002.safetensors", "model.safetensors.index.json"
DAMAGE = {
    "holds no config.json": lambda folder: (folder / "config.json").unlink(),
    "is no JSON": lambda folder: (folder / "config.json").write_text("{"),
    "a 'bert' model": lambda folder: write_json(folder / "config.json", {"model_type": "bert"}),
    "shard model-00002-of-00002.safetensors, which is not in its folder": lambda folder: (folder / SHARD).unlink(),
    "00002-of-00002.safetensors is damaged or incomplete": lambda folder: truncate(folder / SHARD),
    "lacks c": lambda folder: write_json(folder / INDEX, {"weight_map": {"b": SHARD, "c": SHARD}}),
    "outside of the folder": lambda folder: write_json(folder / INDEX, {"weight_map": {"b": "../x.safetensors"}}),
    "names no weights": lambda folder: write_json(folder / INDEX, {}),
    "convert or save the model first": lambda folder: (folder / INDEX).unlink(),
    "holds both": lambda folder: save_file({"a": torch.zeros(1)}, folder / "model.safetensors"),
    "README.md is missing": lambda folder: (folder / "README.md").unlink(),
    "states no licence": lambda folder: (folder / "README.md").write_text("# Model\n"),
    "cannot be read": lambda folder: (folder / "README.md").write_text("---\n[a: {\n---\n"),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_incomplete_checkpoints_are_refused(folder, message):
    read_checkpoint_folder(folder)
    DAMAGE[message](folder)
    with pytest.raises(ValueError, match=message):
        read_checkpoint_folder(folder)


def test_meta_s_weights_keep_their_licence(folder):
    card = folder / "README.md"
    card.write_text(META_CARD)
    read_checkpoint_folder(folder)
    card.write_text(META_CARD.replace("other", "mit"))
    for own_weights in (False, True):  # the card itself names Meta's model
        with pytest.raises(ValueError, match="come from facebook/pixio-vith16"):
            read_checkpoint_folder(folder, own_weights)
    card.write_text(CARD)
    write_json(folder / "conversion_report.json", {})
    with pytest.raises(ValueError, match=f"license_name: {META_LICENCE}.*--own-weights"):
        read_checkpoint_folder(folder)
    assert "conversion_report.json" in read_checkpoint_folder(folder, own_weights=True).files


def test_a_plan_tells_new_changed_unchanged_kept_and_removed_files(folder):
    checkpoint = read_checkpoint_folder(folder)
    plan = plan_push(checkpoint, None, "me/model")
    assert {file.action for file in plan.files} == {"new"}
    assert "it is made, private" in plan.notes[0]
    assert {file.action for file in plan_push(checkpoint, remote_of(folder), "me/model").files} == {"unchanged"}
    # Same size and other content, another size, an edited card, and weights that would be loaded first.
    other_shard = (folder / SHARD).read_bytes()[:-1] + b"?"
    changes = {SHARD: other_shard, "preprocessor_config.json": b"{}", "README.md": b"# Mine\n"}
    remote = remote_of(folder, {**changes, "model.safetensors": b"old", "LICENSE": b"free"})
    plan = plan_push(checkpoint, remote, "me/model")
    actions = {file.name: file.action for file in plan.files}
    assert actions == {
        "README.md": "kept",
        "config.json": "unchanged",
        "model-00001-of-00002.safetensors": "unchanged",
        SHARD: "changed",
        INDEX: "unchanged",
        "preprocessor_config.json": "changed",
        "model.safetensors": "removed",
    }
    text = plan.describe()
    assert "stays on this machine: .cache/, optimizer.safetensors, original.pth, training.log" in text
    assert "exists and is public" in text
    assert "hf upload me/model MODEL_DIR/README.md README.md" in text
    assert f"to send: 2 files, {sum(file.num_bytes for file in plan.select('changed')):,} bytes" in text


@pytest.mark.parametrize(
    "change",
    [{"hidden_size": 8}, {"num_hidden_layers": 2}, {"model_type": "vit"}, {"architectures": ["PixioForPreTraining"]}],
)
def test_another_model_s_repository_is_refused(folder, change):
    checkpoint = read_checkpoint_folder(folder)
    remote = remote_of(folder, {"config.json": json.dumps({**CONFIG, **change}).encode()})
    with pytest.raises(ValueError, match=f"holds another model: {next(iter(change))} .* --overwrite"):
        plan_push(checkpoint, remote, "me/model")
    plan = plan_push(checkpoint, remote, "me/model", overwrite=True)
    assert [file.name for file in plan.select("changed")] == ["config.json"]


def test_names_of_repositories():
    check_repo_id("me/model")
    for wrong in ("model", "a/b/c", "me/mo del", "me/-model", ""):
        with pytest.raises(ValueError, match=r"owner/name|Repo id"):
            check_repo_id(wrong)


def test_a_card_names_the_repository_that_it_goes_to():
    loading = 'processor = AutoImageProcessor.from_pretrained("runs/model")\nrun = pipeline(model="runs/model")'
    code = f"```python\n{loading}\n```"
    card = sign_card(f'---\nlicense: mit\n---\n\n# runs/model\n\nOf "runs/model".\n\n{code}\n')
    named = name_repository(card, "owner/depth")
    assert is_unedited_card(named)
    assert "\n# owner/depth\n" in named
    assert 'Of "runs/model".' in named
    assert 'from_pretrained("owner/depth")' in named
    assert 'model="owner/depth"' in named
    assert name_repository(named, "owner/depth") == named
    edited = card.replace("Of ", "My remark on ")
    assert name_repository(edited, "owner/depth") == edited
