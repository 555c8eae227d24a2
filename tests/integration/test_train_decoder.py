# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Training a decoder on a frozen encoder: what is trained, what stays, and an interrupted run."""

from pathlib import Path

import pytest
import torch
from transformers import HfArgumentParser

from pixio_hf import PixioForDepthEstimation, PixioForPreTraining, PixioImageProcessor, PixioModel
from pixio_hf.synthetic import HELD_OUT_SEEDS, SyntheticSceneDataset
from tests.integration.test_examples import EXAMPLES, Interrupted, load_script, reset_accelerate
from tests.tiny_models import (
    assert_same_state,
    block_noise,
    randomize_weights,
    read_weights,
    tiny_config,
    write_checkpoint,
)

TRAIN_DECODER = EXAMPLES / "train_decoder.py"
DECODER_SIZES = {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 2, "decoder_num_attention_heads": 2}


@pytest.fixture
def train_decoder(monkeypatch):
    """The script as a module, on the CPU, with accelerate's process-wide state put back afterwards."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    reset_accelerate()
    yield load_script(TRAIN_DECODER)
    reset_accelerate()


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory) -> str:
    """An encoder as Meta releases them: no decoder, and a configuration that says nothing of one."""
    folder = tmp_path_factory.mktemp("encoder")
    config = tiny_config(drop_path_rate=0.5, norm_pix_loss=False)
    randomize_weights(PixioModel(config)).to(torch.bfloat16).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def whole_model() -> PixioForPreTraining:
    return randomize_weights(PixioForPreTraining(tiny_config()), seed=5)


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory, whole_model) -> str:
    folder = tmp_path_factory.mktemp("whole")
    whole_model.save_pretrained(folder)
    return str(folder)


def parse(train_decoder, *arguments: str):
    (parsed,) = HfArgumentParser(train_decoder.DecoderArguments).parse_args_into_dataclasses(list(arguments))
    return parsed


def assert_encoder_unchanged(folder: Path, source: str) -> None:
    """The saved model holds the tensors of the source's file, in its dtype."""
    saved = read_weights(folder)
    encoder = {name.removeprefix("pixio."): tensor for name, tensor in saved.items() if name.startswith("pixio.")}
    expected = read_weights(Path(source))
    assert_same_state(encoder, expected)
    assert {tensor.dtype for tensor in encoder.values()} == {tensor.dtype for tensor in expected.values()}


@torch.no_grad()
def held_out_loss(model: PixioForPreTraining) -> float:
    scenes = SyntheticSceneDataset(8, HELD_OUT_SEEDS.start, 64)
    pixel_values = PixioImageProcessor(do_resize=False)([scene["image"] for scene in scenes], return_tensors="pt")
    return model.eval()(**pixel_values, noise=block_noise(batch_size=8)).loss.item()


@pytest.mark.slow
def test_only_the_decoder_learns(train_decoder, encoder_folder, tmp_path, monkeypatch, capsys):
    arguments = ["--model", encoder_folder, "--output_dir", str(tmp_path), "--num_scenes", "16", "--max_steps", "25"]
    arguments += ["--warmup_steps", "4", "--batch_size", "8", "--base_learning_rate", "0.1", "--mixed_precision", "no"]
    arguments += ["--cache_dir", str(tmp_path / "scenes")]
    arguments += [f"--{name}={size}" for name, size in DECODER_SIZES.items()]
    watched, encodings, losses, trained = [], [], [], []
    load_model, weight_decay_groups = train_decoder.load_model, train_decoder.weight_decay_groups

    def load_and_watch(args):
        model, is_new = load_model(args)
        losses.append(held_out_loss(model))
        watched.append(model)
        model.pixio.layernorm.register_forward_hook(
            lambda module, _, output: encodings.append((module.training, output.requires_grad))
        )
        return model, is_new

    def note_parameters(*args):
        groups = weight_decay_groups(*args)
        trained.extend(id(parameter) for group in groups for parameter in group["params"])
        return groups

    monkeypatch.setattr(train_decoder, "load_model", load_and_watch)
    monkeypatch.setattr(train_decoder, "weight_decay_groups", note_parameters)
    train_decoder.main(parse(train_decoder, *arguments))

    assert "New decoder" in capsys.readouterr().out
    assert encodings == 25 * [(False, False)], "the encoder ran in training mode or recorded a graph"
    (model,) = watched
    assert sorted(trained) == sorted(id(parameter) for parameter in model.decoder.parameters())
    assert (tmp_path / "panels" / "step-0000025.png").is_file()
    assert_encoder_unchanged(tmp_path / "model", encoder_folder)
    saved = PixioForPreTraining.from_pretrained(tmp_path / "model")
    assert {name: getattr(saved.config, name) for name in DECODER_SIZES} == DECODER_SIZES
    assert held_out_loss(saved.float()) < 0.9 * losses[0]


@pytest.mark.slow
def test_resumed_run_equals_an_uninterrupted_one(train_decoder, whole_folder, tmp_path, monkeypatch, capsys):
    def run(name: str) -> None:
        arguments = ["--model", whole_folder, "--output_dir", str(tmp_path / name), "--num_scenes", "6"]
        arguments += ["--max_steps", "4", "--warmup_steps", "1", "--batch_size", "2", "--save_steps", "2"]
        reset_accelerate()  # as in a new process
        train_decoder.main(parse(train_decoder, *arguments, "--logging_steps", "1", "--mixed_precision", "no"))

    run("whole")
    assert "Decoder of the checkpoint" in capsys.readouterr().out
    save_run = train_decoder.save_run

    def save_and_stop(*args, **kwargs):
        save_run(*args, **kwargs)
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(train_decoder, "save_run", save_and_stop)
        with pytest.raises(Interrupted):
            run("stopped")
    assert not (tmp_path / "stopped" / "model").exists()
    names = read_weights(tmp_path / "stopped" / "checkpoint-2").keys()
    assert names, "checkpoints hold the decoder alone"
    assert not [name for name in names if "embeddings.patch" in name], "checkpoints hold the decoder alone"
    torch.manual_seed(999)
    run("stopped")
    assert "Resuming from" in capsys.readouterr().out

    whole, resumed, source = (
        read_weights(folder)
        for folder in (tmp_path / "whole" / "model", tmp_path / "stopped" / "model", Path(whole_folder))
    )
    assert_same_state(resumed, whole)
    changed = {name for name, tensor in source.items() if not torch.equal(tensor, whole[name])}
    assert changed == {name for name in source if name.startswith("decoder.")}


def test_a_decoder_is_continued_or_replaced(train_decoder, whole_folder, whole_model):
    arguments = ["--model", whole_folder, "--output_dir", "unused"]
    model, is_new = train_decoder.load_model(parse(train_decoder, *arguments))
    assert not is_new
    assert_same_state(model.state_dict(), whole_model.state_dict())

    sizes = ["--decoder_hidden_size", "24", "--decoder_num_hidden_layers", "3"]
    args = parse(train_decoder, *arguments, "--reset_decoder", "True", *sizes)
    model, is_new = train_decoder.load_model(args)
    assert is_new
    assert model.decoder.embed.out_features == 24
    assert len(model.decoder.blocks) == 3
    assert_same_state(model.pixio.state_dict(), whole_model.pixio.state_dict())
    assert not any(parameter.requires_grad for parameter in model.pixio.parameters())
    assert model.decoder.mask_token.std().item() == pytest.approx(0.02, rel=0.5), "the new decoder is initialised"

    for size in (sizes[:2], sizes[2:], ["--decoder_num_hidden_layers", "1"]):
        with pytest.raises(ValueError, match=r"another size than asked for: decoder.*--reset_decoder True"):
            train_decoder.load_model(parse(train_decoder, *arguments, *size))


def test_the_encoder_of_a_depth_model_serves_too(train_decoder, tmp_path):
    depth_model = randomize_weights(PixioForDepthEstimation(tiny_config()))
    depth_model.save_pretrained(tmp_path)
    model, is_new = train_decoder.load_model(parse(train_decoder, "--model", str(tmp_path), "--output_dir", "unused"))
    assert is_new
    assert_same_state(model.pixio.state_dict(), depth_model.pixio.state_dict())


def test_what_would_round_the_encoder_is_not_its_dtype(train_decoder, encoder_folder, whole_folder, tmp_path):
    def choose(folder: str) -> torch.dtype:
        args = parse(train_decoder, "--model", folder, "--output_dir", "unused", "--reset_decoder", "True")
        model, _ = train_decoder.load_model(args)
        return train_decoder.lossless_dtype(model, folder)

    assert choose(encoder_folder) == torch.bfloat16
    assert choose(whole_folder) == torch.float32
    # A configuration that claims bfloat16 over float32 weights, as converted checkpoints may.
    claiming = write_checkpoint(tmp_path, randomize_weights(PixioModel(tiny_config(dtype="bfloat16"))))
    assert choose(str(claiming)) == torch.float32
