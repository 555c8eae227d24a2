# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Every script in examples/ ends what a user got wrong with one sentence and exit code 2, and leaves no folder behind."""

import runpy
import signal
import sys

import pytest

from tests.integration.test_examples import EXAMPLES, reset_accelerate

SCRIPTS = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py") if "__main__" in path.read_text())
ABSURD = {
    "evaluate_depth.py": ("--dtype", "float7"),
    "depth_estimation/finetune_accelerate.py": ("--learning_rate", "-1"),
    "depth_estimation/finetune_trainer.py": ("--total_batch_size", "0"),
    "distill.py": ("--recipe", "nothing"),
    "linear_probe.py": ("--num_steps", "0"),
    "ablation/ablation.py": ("--num_labelled_scenes", "1000000"),
    "curate.py": ("--num_threads", "-1"),
    "evaluate_reconstruction.py": ("--batch_size", "0"),
    "pretrain.py": ("--recipe", "nothing"),
    "train_decoder.py": ("--num_steps", "-3"),
    "semantic_segmentation/finetune_accelerate.py": ("--eval_steps", "0"),
    "semantic_segmentation/finetune_trainer.py": ("--num_epochs", "-1"),
}
WITHOUT_OUTPUT = ("evaluate_depth.py", "evaluate_reconstruction.py")
WITHOUT_DATASET = ("ablation/ablation.py", "evaluate_reconstruction.py")
NEEDED = {
    "distill.py": {"--student": "pixio-tiny", "--teacher": "pixio-tiny"},
    "train_decoder.py": {"--model": "pixio-tiny"},
    "curate.py": {"--dataset": str(EXAMPLES)},
}


@pytest.fixture
def refuse(monkeypatch, tmp_path, capsys):
    """Run a script as python does; it has to refuse: returns its one line."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    handler = signal.getsignal(signal.SIGTERM)
    reset_accelerate()

    def run(name: str, option: str, value: str) -> str:
        script, output = EXAMPLES / name, tmp_path / "run"
        monkeypatch.syspath_prepend(script.parent)
        options = {**NEEDED.get(name, {}), option: value}
        options |= {} if name in WITHOUT_OUTPUT else {"--output_dir": str(output)}
        monkeypatch.setattr(sys, "argv", [str(script), *(word for pair in options.items() for word in pair)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
        message = capsys.readouterr().err
        assert ended.value.code == 2, message
        assert not output.exists(), "a refused run leaves no folder"
        (line,) = [line for line in message.splitlines() if line.startswith("Error: ")]
        return line

    yield run
    signal.signal(signal.SIGTERM, handler)
    reset_accelerate()


def test_every_script_is_covered():
    assert sorted(ABSURD) == SCRIPTS


@pytest.mark.parametrize("name", [name for name in SCRIPTS if "ablation" not in name])
def test_mistyped_model(refuse, name):
    assert "pixio-tinny" in refuse(name, "--teacher" if "distill" in name else "--model", "pixio-tinny")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in WITHOUT_DATASET])
def test_missing_data_folder(refuse, tmp_path, name):
    assert "missing" in refuse(name, "--dataset", str(tmp_path / "missing"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_absurd_value(refuse, name):
    option, value = ABSURD[name]
    line = refuse(name, option, value)
    assert option in line or repr(value) in line or option[2:] in line
