# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf convert` and `pixio-hf push`: the same as the scripts in conversion/, which have their own tests."""

import runpy
import signal
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from typer.testing import CliRunner

from pixio_hf import PixioModel
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state
from pixio_hf.conversion.recognition import KINDS
from pixio_hf_cli import app, main
from tests.hub_server import WRITER, running_hub
from tests.tiny_models import randomize_weights, tiny_config

SCRIPTS = Path(__file__).resolve().parents[2] / "conversion"


@pytest.fixture
def original(tmp_path) -> Path:
    """An encoder under the original's names; its number of attention heads cannot be told from the weights."""
    path = tmp_path / "original.pth"
    state = randomize_weights(PixioModel(tiny_config())).state_dict()
    torch.save(hub_to_reference_state({memory_to_hub_name(name): tensor for name, tensor in state.items()}), path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """A checkpoint folder with a card, and a file that stays on this machine."""
    path = tmp_path / "tiny"
    randomize_weights(PixioModel(tiny_config())).save_pretrained(path)
    (path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    (path / "notes.txt").write_text("mine")
    return path


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with running_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setenv("HF_TOKEN", WRITER)
        yield hub


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def run_script(monkeypatch, capsys, name: str, *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a script of conversion/, run in this process."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    handler = signal.getsignal(signal.SIGTERM)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    signal.signal(signal.SIGTERM, handler)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("command", ["convert", "push"])
def test_help_has_an_example(command):
    code, output, _ = run(command, "--help")
    assert code == 0
    assert f"pixio-hf {command}" in output.split("Example:")[1]
    assert "--with-code" in output


def test_every_kind_can_be_asked_for():
    assert "|".join(("auto", *KINDS)) in run("convert", "--help")[1]


def test_convert_writes_what_the_script_writes(original, tmp_path, monkeypatch, capsys):
    options = ("--set", "num_attention_heads=4", "layer_norm_eps=1e-6", "--max-shard-size", "100KB")
    for parent in ("script", "command"):
        (tmp_path / parent).mkdir()
    by_script = run_script(
        monkeypatch, capsys, "convert_checkpoint.py", original, tmp_path / "script" / "hub", *options
    )
    by_command = run("convert", original, tmp_path / "command" / "hub", *options)
    assert by_command[0] == by_script[0] == 0, by_command
    assert "tensors identical" in by_command[1]
    assert by_command[1] == by_script[1].replace("/script/", "/command/")
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / parent / "hub").iterdir()}
        for parent in ("script", "command")
    ]
    assert "model.safetensors.index.json" in written[0]
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "max_depth"), "--set takes FIELD=VALUE"),
        (("--set", "max_depth=1", "max_depth=2"), "--set names max_depth twice"),
        (("max_depth=1",), "fields come after --set"),
        (("--set", "num_attention_heads=4", "--max-shard-size", "much"), "--max-shard-size"),
        (("--push-to-hub", "no repository"), "repository"),
    ],
)
def test_convert_refuses_in_words_and_leaves_nothing(original, tmp_path, options, message):
    code, _, errors = run("convert", original, tmp_path / "hub", *options)
    assert code == 2
    assert message in errors
    assert [path.name for path in tmp_path.iterdir()] == ["original.pth"]


def test_an_interrupted_conversion_says_that_nothing_is_left(original, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pixio_hf.conversion.convert.write_weights", interrupt)
    code, _, errors = run("convert", original, tmp_path / "hub", "--set", "num_attention_heads=4")
    assert (code, errors) == (130, "Interrupted; nothing is left behind.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["original.pth"]


def test_a_polite_kill_lets_commands_clean_up(monkeypatch):
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["--version"])
        assert not ended.value.code
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == 143
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_push_does_what_the_script_does(hub, folder, monkeypatch, capsys):
    planned = run("push", folder, "owner/tiny", "--dry-run")
    assert planned == run_script(monkeypatch, capsys, "push_to_hub.py", folder, "owner/tiny", "--dry-run")
    assert planned[0] == 0
    assert "new       config.json" in planned[1]
    assert "stays on this machine: notes.txt" in planned[1]
    assert planned[1].endswith("Dry run: nothing was sent.\n")
    assert not hub.repos
    assert {request.method for request in hub.requests} == {"GET"}
    code, output, _ = run("push", folder, "owner/tiny", "--public", "--commit-message", "First")
    assert code == 0
    assert f"Done: {hub.url}/owner/tiny/commit/" in output
    assert not hub.repos["owner/tiny"].private
    assert hub.repos["owner/tiny"].messages[-1] == "First"
    sent = hub.repos["owner/tiny"].files()
    assert {name for name in sent if name != ".gitattributes"} == {"README.md", "config.json", "model.safetensors"}
    again = run("push", folder, "owner/tiny")
    assert again == run_script(monkeypatch, capsys, "push_to_hub.py", folder, "owner/tiny")
    assert again[1].endswith("Everything is on the Hub already.\n")


def test_exit_codes_tell_this_side_from_the_hub_s(hub, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    code, _, errors = run("push", tmp_path / "nowhere", "owner/tiny")
    assert (code, errors[:7], len(errors.splitlines())) == (2, "Error: ", 1)
    assert not hub.requests
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    code, _, errors = run("push", folder, "owner/tiny")
    assert (code, errors[:7], len(errors.splitlines())) == (1, "Error: ", 1)
