# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints in and out: every kind there and back bit for bit, failures that leave nothing, and the two scripts."""

import json
import runpy
import signal
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel

import pixio_hf
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion import convert, recognition
from pixio_hf.conversion.convert import convert_checkpoint
from pixio_hf.conversion.export import export_checkpoint
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from pixio_hf.conversion.verification import MODEL_CLASSES
from pixio_hf.conversion.writing import write_weights
from tests import reference_forward
from tests.converted_outputs import assert_same_outputs
from tests.tiny_models import (
    SPELLINGS,
    assert_same_state,
    randomize_weights,
    read_weights,
    tiny_config,
    write_checkpoint,
)

SCRIPTS = Path(__file__).resolve().parents[2] / "conversion"
FIELDS = {"num_attention_heads": 4, "decoder_num_attention_heads": 2}
MODELS = [
    ("encoder", "dpt"),
    ("pretraining", "dpt"),
    ("distilled", "dpt"),
    ("depth", "dpt"),
    ("depth", "linear"),
    ("segmentation", "dpt"),
    ("segmentation", "linear"),
]


def build_model(kind: str, head_type: str = "dpt", **fields):
    config = tiny_config(
        head_type=head_type, projection_size=12, num_labels=5 if kind == "segmentation" else 1, **fields
    )
    model = randomize_weights(MODEL_CLASSES[kind](config))
    if head_type == "linear" and kind in ("depth", "segmentation"):
        model.head.batch_norm.num_batches_tracked.fill_(123)
    return model


def original_state(model) -> dict[str, Tensor]:
    return hub_to_reference_state({memory_to_hub_name(name): t for name, t in model.state_dict().items()})


def write_original(path: Path, kind: str, head_type: str = "dpt") -> dict[str, Tensor]:
    state = original_state(build_model(kind, head_type))
    torch.save({"model": state, "epoch": 3} if kind in ("pretraining", "distilled") else state, path)
    return state


def read_original(path: Path) -> dict[str, Tensor]:
    stored = torch.load(path, weights_only=True)
    return stored.get("model", stored)


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run_script(monkeypatch, capsys, script: str, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, output and errors of a script, run in this process."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    handler = signal.getsignal(signal.SIGTERM)
    code = 0
    capsys.readouterr()  # what came before is not the script's
    try:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        signal.signal(signal.SIGTERM, handler)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(("kind", "head_type"), MODELS)
def test_there_and_back_bit_for_bit(kind, head_type, tmp_path):
    state = write_original(tmp_path / "original.pth", kind, head_type)
    report = convert_checkpoint(tmp_path / "original.pth", tmp_path / "hub", overrides=FIELDS, max_shard_size="100KB")
    assert report["kind"] == kind
    assert report["verification"] == {"method": "tensors", "tensors_identical": report["num_tensors"]}
    assert_same_outputs(tmp_path / "hub", kind, state)
    assert (tmp_path / "hub" / "model.safetensors.index.json").is_file()

    model = MODEL_CLASSES[kind].from_pretrained(tmp_path / "hub")
    assert_same_state(original_state(model), state)
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["architectures"] == [type(model).__name__]
    processor = AutoImageProcessor.from_pretrained(tmp_path / "hub")
    assert processor.size == {"height": 64, "width": 64}

    result = export_checkpoint(tmp_path / "hub", tmp_path / "exported.pth")
    assert result["kind"] == kind
    assert_same_state(read_original(tmp_path / "exported.pth"), state)
    # Nothing is stored twice: fused matrices and mapped tensors have storages of their own size.
    assert (tmp_path / "exported.pth").stat().st_size < 1.3 * (tmp_path / "original.pth").stat().st_size
    convert_checkpoint(tmp_path / "exported.pth", tmp_path / "again", overrides=FIELDS, verify=False)
    assert_same_state(read_weights(tmp_path / "again"), read_weights(tmp_path / "hub"))


def test_relative_depth_stays_relative(tmp_path):
    state = write_original(tmp_path / "original.pth", "depth")
    fields = {**FIELDS, "depth_estimation_type": "relative"}
    convert_checkpoint(tmp_path / "original.pth", tmp_path / "hub", overrides=fields)
    model = MODEL_CLASSES["depth"].from_pretrained(tmp_path / "hub")
    assert model.config.depth_estimation_type == "relative"
    assert "no metres" in (tmp_path / "hub" / "README.md").read_text()
    export_checkpoint(tmp_path / "hub", tmp_path / "exported.pth")
    assert_same_state(read_original(tmp_path / "exported.pth"), state)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_export_of_every_spelling(spelling, tmp_path):
    model = build_model("pretraining")
    write_checkpoint(tmp_path / "model", model, spelling)
    export_checkpoint(tmp_path / "model", tmp_path / "exported.pth")
    assert_same_state(read_original(tmp_path / "exported.pth"), original_state(model))


def test_export_of_what_transformers_saves(tmp_path):
    ours = build_model("encoder")
    fields = ("hidden_size", "num_hidden_layers", "num_attention_heads", "image_size", "n_cls_tokens")
    config = transformers.PixioConfig(**{name: getattr(ours.config, name) for name in fields})
    theirs = transformers.PixioModel(config)
    theirs.load_state_dict(ours.state_dict())
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="100KB")
    export_checkpoint(tmp_path / "theirs", tmp_path / "exported.pth")
    assert_same_state(read_original(tmp_path / "exported.pth"), original_state(ours))


def test_export_refuses_what_the_original_lacks(tmp_path):
    folder = write_checkpoint(tmp_path / "model", build_model("encoder"))
    (tmp_path / "here.pth").touch()
    with pytest.raises(ValueError, match=r"here\.pth exists already"):
        export_checkpoint(folder, tmp_path / "here.pth")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["PixioForImageClassification"]}))
    with pytest.raises(ValueError, match="Save its encoder"):
        export_checkpoint(folder, tmp_path / "exported.pth")
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["PixioForPreTraining"]}))
    with pytest.raises(ValueError, match="'encoder', not 'pretraining'"):
        export_checkpoint(folder, tmp_path / "exported.pth")
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "vit"}))
    with pytest.raises(ValueError, match="no Pixio model"):
        export_checkpoint(folder, tmp_path / "exported.pth")
    assert not (tmp_path / "exported.pth").exists()


def test_other_type_is_written_opened_and_verified(tmp_path):
    state = write_original(tmp_path / "original.pth", "encoder")
    report = convert_checkpoint(
        tmp_path / "original.pth", tmp_path / "hub", overrides=FIELDS, dtype=torch.bfloat16, max_shard_size="60KB"
    )
    assert report["dtype"] == "bfloat16"
    assert report["total_size"] == 2 * sum(t.numel() for t in state.values())
    expected = {name: tensor.bfloat16() for name, tensor in reference_to_hub_state(state).items()}
    assert_same_state(read_weights(tmp_path / "hub"), expected)
    assert AutoModel.from_pretrained(tmp_path / "hub", dtype="auto").dtype == torch.bfloat16


def test_same_input_gives_the_same_bytes(tmp_path):
    write_original(tmp_path / "original.pth", "depth")
    for parent in ("first", "second"):
        convert_checkpoint(tmp_path / "original.pth", tmp_path / parent / "model", overrides=FIELDS)
    first = read_folder(tmp_path / "first" / "model")
    assert set(first) == {
        "README.md",
        "config.json",
        "conversion_report.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    assert read_folder(tmp_path / "second" / "model") == first


def test_safetensors_folders_are_converted_too(tmp_path):
    model = build_model("depth")
    write_checkpoint(tmp_path / "model", model, "in_memory")
    report = convert_checkpoint(tmp_path / "model", tmp_path / "hub", overrides={**FIELDS, "max_depth": 80.0})
    assert report["source"]["naming"] == "hub"
    assert len(report["warnings"]) == 1
    assert "config.json was not read" in report["warnings"][0]
    assert [file["name"] for file in report["source"]["files"]] == ["model.safetensors"]
    with safe_open(tmp_path / "hub" / "model.safetensors", "pt") as stored:
        assert set(stored.keys()) == {memory_to_hub_name(name) for name in model.state_dict()}


def swap_query_and_key(state):
    renamed = reference_to_hub_state(state)
    for kind in ("weight", "bias"):
        query, key = (f"encoder.layer.2.attention.attention.{part}.{kind}" for part in ("query", "key"))
        renamed[query], renamed[key] = renamed[key], renamed[query]
    return renamed


def test_the_tests_of_outputs_notice_a_wrong_name(tmp_path, monkeypatch):
    state = write_original(tmp_path / "original.pth", "encoder")
    monkeypatch.setattr(recognition, "reference_to_hub_state", swap_query_and_key)
    convert_checkpoint(tmp_path / "original.pth", tmp_path / "hub", overrides=FIELDS)
    with pytest.raises(AssertionError, match="outputs differ"):
        assert_same_outputs(tmp_path / "hub", "encoder", state)


def test_the_tests_of_outputs_notice_a_wrong_projection(tmp_path, monkeypatch):
    state = write_original(tmp_path / "original.pth", "distilled")
    convert_checkpoint(tmp_path / "original.pth", tmp_path / "hub", overrides=FIELDS)
    monkeypatch.setattr(reference_forward, "PROJECTION_HEAD_EPS", 1e-1)
    with pytest.raises(AssertionError, match="outputs differ"):
        assert_same_outputs(tmp_path / "hub", "distilled", state)


def test_a_wrong_conversion_fails_and_leaves_nothing(tmp_path, monkeypatch):
    write_original(tmp_path / "original.pth", "encoder")

    def write_other_bits(folder, tensors, plan, dtype=None):
        name = "encoder.layer.1.norm1.bias"
        write_weights(folder, {**tensors, name: tensors[name] + 1e-6}, plan, dtype)

    monkeypatch.setattr(convert, "write_weights", write_other_bits)
    with pytest.raises(ValueError, match=r"different from the source: \['encoder\.layer\.1\.norm1\.bias'\]"):
        convert_checkpoint(tmp_path / "original.pth", tmp_path / "hub", overrides=FIELDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original.pth"]


@pytest.mark.parametrize("fields", [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-5}])
def test_fields_that_every_pixio_model_shares_cannot_be_set(tmp_path, fields):
    write_original(tmp_path / "original.pth", "encoder")
    with pytest.raises(ValueError, match=rf"{next(iter(fields))} is .* in every Pixio model"):
        convert_checkpoint(tmp_path / "original.pth", tmp_path / "hub", overrides={**FIELDS, **fields})
    assert not (tmp_path / "hub").exists()


def test_failures_leave_nothing(tmp_path):
    state = write_original(tmp_path / "original.pth", "encoder")
    state["norm.bias"] = state["norm.bias"] * 1e6
    torch.save(state, tmp_path / "large.pth")
    state["norm.bias"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    (tmp_path / "truncated.pth").write_bytes((tmp_path / "original.pth").read_bytes()[:-5000])
    before = set(tmp_path.iterdir())
    for file, options, message in (
        ("large.pth", {"dtype": torch.float16}, r"layernorm\.bias holds values.*float16 cannot hold"),
        ("nan.pth", {}, "not finite"),
        ("truncated.pth", {}, "truncated"),
        ("original.pth", {"kind": "depth"}, "depth"),
        ("original.pth", {"max_shard_size": "much"}, "max_shard_size"),
        ("original.pth", {"license": "beerware"}, "Unknown licence"),
        ("missing.pth", {}, "missing"),
    ):
        with pytest.raises(ValueError, match=message):
            convert_checkpoint(tmp_path / file, tmp_path / "new" / "hub", overrides=FIELDS, **options)
        assert set(tmp_path.iterdir()) == before


def test_convert_script(tmp_path, monkeypatch, capsys):
    write_original(tmp_path / "original.pth", "depth", "linear")
    command = ("convert_checkpoint.py", tmp_path / "original.pth", tmp_path / "hub")
    code, _, errors = run_script(monkeypatch, capsys, *command)
    assert code == 2
    assert errors.startswith("Error: ")
    assert "num_attention_heads" in errors
    assert "\n" not in errors.strip()
    code, output, errors = run_script(
        monkeypatch, capsys, *command, "--set", "num_attention_heads=4", "min_depth=0.01", "--set", "window_size=32"
    )
    assert code == 0, errors
    assert "depth model, PixioForDepthEstimation" in output
    assert "77 tensors identical" in output
    assert "Warning: " in errors
    assert "--set max_depth=80" in errors
    config = pixio_hf.PixioConfig.from_pretrained(tmp_path / "hub")
    assert (config.min_depth, config.max_depth, config.window_size) == (0.01, 10.0, 32)
    written = read_folder(tmp_path / "hub")

    code, _, errors = run_script(monkeypatch, capsys, *command, "--set", "num_attention_heads=4")
    assert code == 2
    assert "--overwrite" in errors
    assert read_folder(tmp_path / "hub") == written
    options = ("--overwrite", "--dtype", "float16", "--no-verify", "--with-code", "--license", "apache-2.0")
    fields = ("--set", "num_attention_heads=4", "max_depth=80")
    code, output, errors = run_script(monkeypatch, capsys, *command, *fields, *options)
    assert code == 0
    assert "not verified" in output
    assert "Warning" not in errors
    assert (tmp_path / "hub" / "modeling_pixio_dense.py").is_file()
    assert "license: apache-2.0" in (tmp_path / "hub" / "README.md").read_text()
    code, _, errors = run_script(monkeypatch, capsys, *command, "--overwrite", "--set", "max_depth")
    assert code == 2
    assert "FIELD=VALUE" in errors


def test_convert_script_uploads_what_it_wrote(tmp_path, monkeypatch, capsys):
    write_original(tmp_path / "original.pth", "encoder")
    uploads = []

    def push_folder(folder, repo_id, **options):
        uploads.append((sorted(path.name for path in Path(folder).iterdir()), repo_id, options["private"]))
        if repo_id == "owner/refused":
            raise ValueError("The Hub says no.")

    monkeypatch.setattr("pixio_hf.hub.push.push_folder", push_folder)
    command = ("convert_checkpoint.py", tmp_path / "original.pth", tmp_path / "hub", "--set", "num_attention_heads=4")
    code, _, errors = run_script(monkeypatch, capsys, *command, "--push-to-hub", "no repository")
    assert code == 2, errors
    assert not uploads, errors
    assert not (tmp_path / "hub").exists(), errors
    code, _, errors = run_script(monkeypatch, capsys, *command, "--push-to-hub", "owner/refused")
    assert code == 2
    assert "push_to_hub.py" in errors
    assert (tmp_path / "hub").is_dir()
    code, _, errors = run_script(
        monkeypatch, capsys, *command, "--overwrite", "--push-to-hub", "owner/model", "--public"
    )
    assert code == 0, errors
    files, repo_id, private = uploads[-1]
    assert "model.safetensors" in files
    assert (repo_id, private) == ("owner/model", False)
    assert uploads[0][2] is True


def test_export_script(tmp_path, monkeypatch, capsys):
    target = tmp_path / "exported.pth"
    code, output, errors = run_script(monkeypatch, capsys, "export_checkpoint.py", "pixio-tiny", target)
    assert code == 0, errors
    assert "pretraining model" in output
    bundled = pixio_hf.PixioForPreTraining.from_pretrained(pixio_hf.bundled_checkpoint("pixio-tiny"))
    assert_same_state(read_original(target), original_state(bundled))
    code, _, errors = run_script(monkeypatch, capsys, "export_checkpoint.py", "pixio-tiny", target)
    assert code == 2
    assert errors.startswith("Error: ")
    assert "--overwrite" in errors
    code, _, errors = run_script(monkeypatch, capsys, "export_checkpoint.py", "no such model", tmp_path / "x.pth")
    assert code == 2
    assert "no such model" in errors
    assert not (tmp_path / "x.pth").exists()
