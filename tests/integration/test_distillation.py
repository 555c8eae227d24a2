# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The distillation script: several students, resuming, foreign teachers, recipes, mistakes that it refuses."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import transformers
from accelerate.state import AcceleratorState, GradientState
from transformers import AutoImageProcessor, AutoModel, HfArgumentParser

import pixio_hf
from pixio_hf import PixioConfig, PixioImageProcessor
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from pixio_hf.training.optimization import absolute_learning_rate
from tests.integration.test_two_processes import read_log
from tests.tiny_models import assert_same_state, randomize_weights, read_weights

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "distill.py"
# 128 x 128 pixels, as the bundled teacher's.
TINY = {"hidden_size": 28, "num_hidden_layers": 2, "num_attention_heads": 2}


def reset_accelerate() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def distill(monkeypatch):
    """The script as a module, on the CPU, with accelerate's process-wide state put back afterwards."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    reset_accelerate()
    spec = importlib.util.spec_from_file_location("example_distill", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    reset_accelerate()


def run(distill, output_dir: Path, students: list[str | Path], **arguments) -> None:
    defaults = {"num_scenes": 6, "max_steps": 4, "warmup_steps": 1, "batch_size": 2, "save_steps": 2}
    defaults |= {"logging_steps": 1, "mixed_precision": "no"}
    distill.main(
        distill.DistillationArguments(
            output_dir=str(output_dir), student=[str(student) for student in students], **{**defaults, **arguments}
        )
    )
    reset_accelerate()


def write_students(folder: Path, *names: str, **fields) -> list[Path]:
    """Checkpoints of students with their projections, onto the 224 channels of pixio-tiny."""
    for seed, name in enumerate(names):
        config = PixioConfig.preset("pixio-tiny", projection_size=224, **{**TINY, **fields})
        randomize_weights(PixioForDistillation(config), seed).save_pretrained(folder / name)
    return [folder / name for name in names]


def test_smoke(distill, tmp_path, capsys):
    (arguments,) = HfArgumentParser(distill.DistillationArguments).parse_args_into_dataclasses(
        ["--smoke", "--output_dir", str(tmp_path)]
    )
    distill.main(arguments)
    assert "Saved" in capsys.readouterr().out
    folder = tmp_path / "students" / "pixio-tiny"
    model, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert type(model) is pixio_hf.PixioModel
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    processor = AutoImageProcessor.from_pretrained(folder)
    assert type(processor) is PixioImageProcessor
    assert processor.size == {"height": 128, "width": 128}
    assert [path.name for path in folder.parent.iterdir()] == ["pixio-tiny"]


def test_students_on_the_command_line(distill):
    parser = HfArgumentParser(distill.DistillationArguments)
    for line in ("--student a --student b", "--student a b"):
        (arguments,) = parser.parse_args_into_dataclasses(["--output_dir", "x", *line.split()])
        assert arguments.student == ["a", "b"]


def test_recipes(distill):
    """The tables of docs/specification.md 4.3."""
    for name, mask_ratio, drop_path_rate in (
        ("5b-to-1b", 0.5, 0.4),
        ("5b-to-h", 0.5, 0.4),
        ("5b-to-l", 0.0, 0.1),
        ("5b-to-b", 0.0, 0.1),
    ):
        recipe = distill.choose_recipe(name, {})
        assert (recipe.mask_ratio, recipe.drop_path_rate, recipe.mask_grid_size) == (mask_ratio, drop_path_rate, 4)
        assert (recipe.max_steps, recipe.warmup_steps, recipe.batch_size) == (642_000, 64_200, 64)
        rate = absolute_learning_rate(recipe.base_learning_rate, 128 * recipe.batch_size)
        assert rate == pytest.approx(1e-3, rel=1e-12)
    defaults = distill.DistillationArguments(output_dir="x")
    assert (defaults.weight_decay, defaults.loss_fn_cls, defaults.loss_fn_patch) == (0.05, "cosine", "cosine")
    assert (defaults.loss_fuse, defaults.min_learning_rate) == ("avg", 0.0)
    given = distill.DistillationArguments(output_dir="x", recipe="5b-to-h", mask_ratio=0.0, max_steps=7)
    changed = distill.choose_recipe(given.recipe, vars(given))
    assert (changed.mask_ratio, changed.max_steps, changed.drop_path_rate) == (0.0, 7, 0.4)


def test_a_student_learns_the_same_alone_and_beside_another(distill, tmp_path):
    first, second = write_students(tmp_path, "first", "second")
    run(distill, tmp_path / "both", [first, second])
    run(distill, tmp_path / "alone", [second])
    weights = read_weights(tmp_path / "both" / "students" / "second")
    assert_same_state(weights, read_weights(tmp_path / "alone" / "students" / "second"))
    before = read_weights(second)
    moved = [name for name, tensor in weights.items() if not torch.equal(before[f"pixio.{name}"], tensor)]
    # The bias of the keys has no gradient in mathematics, and float noise moves it or not.
    assert len(moved) >= len(weights) - 2
    other = read_weights(tmp_path / "both" / "students" / "first")
    assert not any(torch.equal(tensor, other[name]) for name, tensor in weights.items())


class Interrupted(Exception):
    """Stands for a killed process."""


def test_resumed_run_equals_an_uninterrupted_one_bit_for_bit(distill, monkeypatch, tmp_path, capsys):
    PixioConfig.preset("pixio-tiny", **TINY).save_pretrained(tmp_path / "micro")
    students = [tmp_path / "micro" / "config.json", *write_students(tmp_path, "second")]
    recipe = {"mask_ratio": 0.5, "drop_path_rate": 0.3}
    run(distill, tmp_path / "whole", students, **recipe)
    save_run = distill.save_run

    def save_and_stop(*args, **kwargs):
        save_run(*args, **kwargs)
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(distill, "save_run", save_and_stop)
        with pytest.raises(Interrupted):
            run(distill, tmp_path / "stopped", students, **recipe)
    assert not (tmp_path / "stopped" / "students").exists()
    reset_accelerate()  # as in a new process
    capsys.readouterr()
    torch.manual_seed(999)
    with pytest.raises(ValueError, match=r"holds a run with other students: \['micro', 'second'\]"):
        run(distill, tmp_path / "stopped", students[:1], **recipe)
    reset_accelerate()
    run(distill, tmp_path / "stopped", students, **recipe)
    assert "Resuming from" in capsys.readouterr().out
    for name in ("micro", "second"):
        resumed, whole = (read_weights(tmp_path / kind / "students" / name) for kind in ("stopped", "whole"))
        assert_same_state(resumed, whole)


def test_teacher_of_another_family_and_patch_size(distill, tmp_path):
    """8 x 8 patches on both sides: of 8 pixels in the teacher's images of 64, of 16 in the student's of 128."""
    config = transformers.Dinov2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=96, patch_size=8
    )
    randomize_weights(transformers.Dinov2Model(config)).save_pretrained(tmp_path / "dinov2")
    PixioImageProcessor().save_pretrained(tmp_path / "dinov2")
    arguments = {"teacher": str(tmp_path / "dinov2"), "smoke": True}
    with pytest.raises(ValueError, match="--teacher_image_size 64 or --image_size 192"):
        run(distill, tmp_path / "run", [], **arguments)
    reset_accelerate()
    run(distill, tmp_path / "run", [], teacher_image_size=64, **arguments)
    assert AutoModel.from_pretrained(tmp_path / "run" / "students" / "pixio-tiny").config.n_cls_tokens == 8


def test_students_of_smaller_images_than_the_teacher(distill, tmp_path):
    """8 x 8 patches on both sides: of 16 pixels in the teacher's images of 128, of 8 in the student's of 64."""
    PixioConfig.preset("pixio-tiny", **TINY, image_size=64, patch_size=8).save_pretrained(tmp_path / "small")
    run(distill, tmp_path / "run", [tmp_path / "small" / "config.json"], max_steps=1, warmup_steps=0)
    processor = AutoImageProcessor.from_pretrained(tmp_path / "run" / "students" / "small")
    assert processor.size == {"height": 64, "width": 64}


def test_accumulated_passes_are_one_step_of_all_their_images(distill, tmp_path):
    students = write_students(tmp_path, "first", "second")
    recipe = {"mask_ratio": 0.5, "max_steps": 3, "base_learning_rate": 0.1}
    run(distill, tmp_path / "at once", students, **recipe, batch_size=4)
    run(distill, tmp_path / "in parts", students, **recipe, batch_size=2, gradient_accumulation_steps=2)
    expected, log = (read_log(tmp_path / name, "distillation") for name in ("at once", "in parts"))
    assert {"first/loss", "second/loss", "learning_rate"} < expected.keys() == log.keys()
    for name, values in expected.items():
        assert log[name] == pytest.approx(values, rel=1e-5), name
    assert expected["learning_rate"][1] == pytest.approx(0.1 * 4 / 256)


def test_masks_belong_to_samples(distill, tmp_path):
    """Not to random states: a student that is masked learns the same alone and beside another."""
    first, second = write_students(tmp_path, "first", "second")
    run(distill, tmp_path / "both", [first, second], mask_ratio=0.5)
    run(distill, tmp_path / "alone", [second], mask_ratio=0.5)
    assert_same_state(*(read_weights(tmp_path / name / "students" / "second") for name in ("both", "alone")))


def test_refused_mistakes(distill, tmp_path):
    with pytest.raises(ValueError, match="Several students cannot accumulate gradients in fp16"):
        run(distill, tmp_path, ["a", "b"], mixed_precision="fp16", gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="Unknown recipe 'huge'; choose one of 5b-to-1b"):
        run(distill, tmp_path, ["pixio-tiny"], recipe="huge")
    for students in ([], ["pixio-tiny", "runs/pixio-tiny/config.json"]):
        with pytest.raises(ValueError, match="Name at least one --student, each by another name"):
            run(distill, tmp_path, students)
    (tmp_path / "students").mkdir()
    with pytest.raises(ValueError, match="Choose another --output_dir"):
        run(distill, tmp_path, ["pixio-tiny"])
