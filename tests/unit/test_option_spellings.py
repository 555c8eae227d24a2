# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options by any of their names, the same ones in every training script."""

import ast
from pathlib import Path

import pytest

from pixio_hf.option_spellings import SPELLINGS, describe_spellings, respell

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TRAINING = {
    "pretrain.py": "PretrainingArguments",
    "distill.py": "DistillationArguments",
    "train_decoder.py": "DecoderArguments",
    "linear_probe.py": "ProbeArguments",
    "reconstruction/reconstruction_task.py": "ReconstructionArguments",
    "../src/pixio_hf/finetuning/arguments.py": "FineTuningArguments",
}
NAMES = ["output_dir", "max_steps", "warmup_steps", "mixed_precision", "num_workers"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--out runs/a --num_steps 3", "--output_dir runs/a --max_steps 3"),
        ("--out=runs/a --num-steps=3", "--output_dir=runs/a --max_steps=3"),
        ("--output_dir runs/a --max-steps 3", "--output_dir runs/a --max-steps 3"),
        ("--warmup_ratio 0.1 --dataloader_num_workers 2", "--warmup_steps 0.1 --num_workers 2"),
        ("--bf16 --max_steps 3", "--mixed_precision bf16 --max_steps 3"),
        ("--bf16 False", "--mixed_precision no"),
        ("--bf16=true", "--mixed_precision bf16"),
        ("--no_bf16", "--mixed_precision no"),
        ("--fp16 True", "--mixed_precision fp16"),
        ("--unknown --compile", "--unknown --compile"),
        ("out num_steps", "out num_steps"),
    ],
)
def test_options_are_found_by_their_other_names(typed, meant):
    assert respell(typed.split(), NAMES) == meant.split()


def test_a_script_may_call_its_output_out():
    assert respell(["--output_dir", "x", "--bf16"], ["out", "bf16"]) == ["--out", "x", "--bf16"]


def test_help_says_the_other_names():
    assert "--output_dir is also --out" in describe_spellings(NAMES)
    assert describe_spellings(["seed"]) == ""


def read_fields(file: str, name: str) -> set[str]:
    tree = ast.parse((EXAMPLES / file).read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    return {
        item.target.id for item in found.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


@pytest.mark.parametrize("file", TRAINING)
def test_every_training_script_calls_the_same_things_by_the_same_names(file):
    names = read_fields(file, TRAINING[file])
    wanted = {
        "output_dir",
        "max_steps",
        "warmup_steps",
        "mixed_precision",
        "report_to",
        "logging_steps",
        "seed",
        "smoke",
    }
    assert not wanted - names
    # Pictures of a batch are counted by images_per_batch where a batch has no fixed number of scenes.
    others = {other for row in SPELLINGS for other in row[1:]} - {"images_per_batch"}
    assert not others & names, "another name of something that has one already"
