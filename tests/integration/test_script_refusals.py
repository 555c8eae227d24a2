# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Every script in examples/ ends what a user got wrong with one sentence and exit code 2, and leaves no folder behind."""

import runpy
import signal
import sys

import pytest

from tests.integration.test_examples import EXAMPLES, reset_accelerate

SPACE = EXAMPLES / "space" / "app.py"  # takes no options
FILES = sorted(
    str(path.relative_to(EXAMPLES))
    for path in EXAMPLES.rglob("*.py")
    if "__main__" in path.read_text() and path != SPACE
)
# Script, with the options without which it does nothing, and an option that makes no sense.
ABSURD = {
    "ablation/ablation.py": ("--num_labelled_scenes", "1000000"),
    "ablation/scene_ingredients.py": ("--num_seeds", "0"),
    "curate.py": ("--num_threads", "-1"),
    "distill.py": ("--recipe", "nothing"),
    "evaluate_depth.py": ("--dtype", "float7"),
    "evaluate_reconstruction.py": ("--batch_size", "0"),
    "finetune_accelerate.py --task depth": ("--learning_rate", "-1"),
    "finetune_accelerate.py --task segmentation": ("--eval_steps", "0"),
    "finetune_trainer.py --task depth": ("--total_batch_size", "0"),
    "finetune_trainer.py --task segmentation": ("--num_epochs", "-1"),
    "gather_photographs.py": ("--longer_side", "0"),
    "pseudo_label.py": ("--image_size", "0"),
    "linear_probe.py": ("--max_steps", "0"),
    "pretrain.py": ("--recipe", "nothing"),
    "reconstruction/evaluate_views.py": ("--num_views", "0"),
    "reconstruction/train_reconstruction.py": ("--images_per_batch", "-2"),
    "train_chain.py": ("--batch_size", "0"),
    "train_decoder.py": ("--max_steps", "-3"),
}
SCRIPTS = sorted(ABSURD)
WITHOUT_OUTPUT = ("evaluate_depth.py", "evaluate_reconstruction.py", "reconstruction/evaluate_views.py")
WITHOUT_DATASET = (
    *("ablation/ablation.py", "ablation/scene_ingredients.py", "evaluate_reconstruction.py"),
    *("gather_photographs.py", "pseudo_label.py", "train_chain.py"),
)
WITHOUT_MODEL = ("ablation/ablation.py", "ablation/scene_ingredients.py", "gather_photographs.py", "train_chain.py")
NEEDED = {
    "ablation/scene_ingredients.py": {"--frames": str(EXAMPLES)},
    "reconstruction/evaluate_views.py": {"--model": "pixio-tiny"},
    "distill.py": {"--student": "pixio-tiny", "--teacher": "pixio-tiny"},
    "train_decoder.py": {"--model": "pixio-tiny"},
    "curate.py": {"--dataset": str(EXAMPLES)},
    "train_chain.py": {"--photos": str(EXAMPLES)},
    "pseudo_label.py": {"--dataset": str(EXAMPLES.parent / "src" / "pixio_hf" / "assets")},
}


@pytest.fixture
def refuse(monkeypatch, tmp_path, capsys):
    """Run a script as python does; it has to refuse: returns its one line."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    handler = signal.getsignal(signal.SIGTERM)
    reset_accelerate()

    def run(name: str, option: str, value: str) -> str:
        file, *words = name.split()
        script, output = EXAMPLES / file, tmp_path / "run"
        monkeypatch.syspath_prepend(script.parent)
        options = {**NEEDED.get(name, {}), option: value}
        options |= {} if name in WITHOUT_OUTPUT else {"--output_dir": str(output)}
        monkeypatch.setattr(sys, "argv", [str(script), *words, *(word for pair in options.items() for word in pair)])
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
    assert sorted({name.split()[0] for name in ABSURD}) == FILES


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in WITHOUT_MODEL])
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
