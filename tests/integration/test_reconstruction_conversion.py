# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""MapAnything checkpoints with a Pixio encoder in and out, in each of their three forms; what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pixio_hf import PixioForReconstruction
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion.convert import convert_checkpoint
from pixio_hf.conversion.export import export_checkpoint
from pixio_hf.conversion.key_mapping import hub_to_reference_state
from pixio_hf.conversion.reading import StoredWeights, read_weights
from pixio_hf.conversion.recognition import recognize_model
from pixio_hf.conversion.reconstruction_names import (
    GEOMETRIC_PREFIXES,
    REFERENCE_MARK,
    all_names,
    canonical_name,
    training_file_state,
)
from pixio_hf.safetensors_files import StoredTensor
from tests.golden import GOLDEN_DIR, Case, load_case, read_manifest
from tests.integration.test_conversion import run_script
from tests.tiny_models import assert_same_state, randomize_weights, tiny_config
from tests.tiny_models import read_weights as read_folder_weights

FIELDS = {"num_attention_heads": 4, "view_num_attention_heads": 2, "view_taps": [0, 2]}
SIZES = {
    "view_hidden_size": 24,
    "view_num_hidden_layers": 4,
    "reconstruction_neck_hidden_sizes": [4, 6, 8, 10],
    "reconstruction_fusion_hidden_size": 8,
    "pose_hidden_size": 12,
    "scale_hidden_size": 10,
    "geometric_dense_hidden_sizes": [4, 6, 6],
    "geometric_global_hidden_sizes": [3, 5, 7],
}
FORMS = ("training file", "bare", "bare without inner", "hub folder")


def build_model(**fields) -> PixioForReconstruction:
    config = tiny_config(**{**SIZES, **FIELDS, "use_geometric_inputs": True, **fields})
    return randomize_weights(PixioForReconstruction(config))


def training_state(model: PixioForReconstruction) -> dict[str, Tensor]:
    """Every tensor under all of the names that MapAnything's training code saves."""
    hub = {memory_to_hub_name(name): tensor for name, tensor in model.state_dict().items()}
    return training_file_state(hub_to_reference_state(hub))


def hub_form(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """One name per tensor, the alphabetically first, as safetensors keeps them."""
    return {min(all_names(canonical_name(name))): tensor for name, tensor in state.items()}


def write_form(folder: Path, state: dict[str, Tensor], form: str) -> Path:
    folder.mkdir(exist_ok=True)
    if form == "hub folder":
        save_file({name: tensor.clone() for name, tensor in hub_form(state).items()}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({"encoder_config": {"size": "huge"}}))
        return folder
    if form == "bare without inner":
        state = {name.replace(".inner.", "."): tensor for name, tensor in state.items()}
    torch.save({"model": state, "epoch": 3} if form == "training file" else state, folder / "source.pth")
    return folder / "source.pth"


def without_geometry(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(GEOMETRIC_PREFIXES)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_there_and_back(form, tmp_path):
    model = build_model()
    state = training_state(model)
    report = convert_checkpoint(write_form(tmp_path / "source", state, form), tmp_path / "hub", overrides=FIELDS)
    assert (report["kind"], report["architecture"]) == ("reconstruction", "PixioForReconstruction")
    assert report["verification"]["tensors_identical"] == report["num_tensors"]
    assert model.geometric_inputs is not None
    dropped = sum(parameter.numel() for parameter in model.geometric_inputs.parameters())
    assert any(f"poses ({dropped:,} parameters)" in warning for warning in report["warnings"])
    assert set(report["ignored_keys"]) == {name for name in state if name.startswith(GEOMETRIC_PREFIXES)}
    assert report["num_parameters"] == model.num_parameters() - dropped

    converted = PixioForReconstruction.from_pretrained(tmp_path / "hub")
    assert converted.config.view_taps == [0, 2]
    assert not converted.config.use_geometric_inputs
    expected = {name: t for name, t in model.state_dict().items() if not name.startswith("geometric_inputs.")}
    assert_same_state(converted.state_dict(), expected)
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "license_name: fair-noncommercial-research-license" in card

    result = export_checkpoint(tmp_path / "hub", tmp_path / "exported.pth")
    assert result["kind"] == "reconstruction"
    exported = torch.load(tmp_path / "exported.pth", weights_only=True)["model"]
    assert_same_state(exported, without_geometry(state))
    # Names of one tensor share its numbers.
    assert (tmp_path / "exported.pth").stat().st_size < 1.3 * sum(t.nbytes for t in hub_form(exported).values()) + 2e5


def test_geometric_inputs_are_kept_where_they_are_asked_for(tmp_path):
    model = build_model()
    state = training_state(model)
    source = write_form(tmp_path / "source", state, "training file")
    fields = {**FIELDS, "use_geometric_inputs": True}
    report = convert_checkpoint(source, tmp_path / "hub", overrides=fields)
    assert report["ignored_keys"] == []
    assert not any("Not converted" in warning for warning in report["warnings"])
    assert_same_state(PixioForReconstruction.from_pretrained(tmp_path / "hub").state_dict(), model.state_dict())
    export_checkpoint(tmp_path / "hub", tmp_path / "exported.pth")
    assert_same_state(torch.load(tmp_path / "exported.pth", weights_only=True)["model"], state)
    images_only = write_form(tmp_path / "images_only", without_geometry(state), "bare")
    with pytest.raises(ValueError, match=r"use_geometric_inputs True \(the weights say False\)"):
        convert_checkpoint(images_only, tmp_path / "other", overrides=fields)


def test_a_transformer_as_wide_as_the_encoder_has_no_projection(tmp_path):
    model = build_model(view_hidden_size=32, use_geometric_inputs=False)
    source = write_form(tmp_path / "source", training_state(model), "hub folder")
    convert_checkpoint(source, tmp_path / "hub", overrides=FIELDS)
    assert_same_state(PixioForReconstruction.from_pretrained(tmp_path / "hub").state_dict(), model.state_dict())


@pytest.mark.parametrize("form", ["training file", "bare without inner"])
def test_the_encoder_alone(form, tmp_path):
    model = build_model()
    source = write_form(tmp_path / "source", training_state(model), form)
    report = convert_checkpoint(source, tmp_path / "hub", kind="encoder", overrides={"num_attention_heads": 4})
    assert (report["kind"], report["source"]["prefix"]) == ("encoder", "encoder.")
    expected = {memory_to_hub_name(name): tensor for name, tensor in model.pixio.state_dict().items()}
    assert_same_state(read_folder_weights(tmp_path / "hub"), expected)


def test_both_scripts(tmp_path, monkeypatch, capsys):
    state = training_state(build_model())
    source = write_form(tmp_path / "source", state, "training file")
    fields = ("num_attention_heads=4", "view_num_attention_heads=2")
    code, output, errors = run_script(
        monkeypatch, capsys, "convert_checkpoint.py", source, tmp_path / "hub", "--set", "view_taps=[0,2]", *fields
    )
    assert code == 0, errors
    assert "reconstruction model, PixioForReconstruction" in output
    assert "Not converted: the encoders of known rays, depths and poses" in errors
    code, output, errors = run_script(
        monkeypatch, capsys, "export_checkpoint.py", tmp_path / "hub", tmp_path / "exported.pth"
    )
    assert code == 0, errors
    assert "reconstruction model" in output
    assert_same_state(torch.load(tmp_path / "exported.pth", weights_only=True)["model"], without_geometry(state))


def test_what_weights_do_not_show_has_to_be_said(tmp_path):
    weights = read_weights(write_form(tmp_path / "source", training_state(build_model()), "bare"))
    message = (
        r"width 32 and 4 blocks, or a multi-view transformer of width 24 and 4 blocks.*`--set num_attention_heads=\.\.\.`"
        r" and `--set view_num_attention_heads=\.\.\.` and `--set view_taps=\[\.\.\.,\.\.\.\]`"
    )
    with pytest.raises(ValueError, match=message):
        recognize_model(weights)
    with pytest.raises(ValueError, match="view_taps must be two increasing block numbers below"):
        recognize_model(weights, overrides={**FIELDS, "view_taps": [2, 9]})


@pytest.mark.parametrize("alias", all_names("dense_head.0.input_process.1.1.weight"))
def test_every_name_of_a_lateral_convolution_is_compared(alias, tmp_path):
    state = training_state(build_model(use_geometric_inputs=False))
    state[alias] = state[alias].clone()
    state[alias][0, 0, 0, 0] = torch.nextafter(state[alias][0, 0, 0, 0], torch.tensor(9.0))
    with pytest.raises(ValueError, match=r"source\.pth differs in .* which are one tensor in MapAnything"):
        convert_checkpoint(write_form(tmp_path / "source", state, "bare"), tmp_path / "hub", overrides=FIELDS)
    assert not (tmp_path / "hub").exists()


def test_another_mark_of_the_reference_view_is_refused(tmp_path):
    state = training_state(build_model())
    state[REFERENCE_MARK] = state[REFERENCE_MARK] * 2
    with pytest.raises(ValueError, match=r"source\.pth.*marks view 0"):
        convert_checkpoint(write_form(tmp_path / "source", state, "bare"), tmp_path / "hub", overrides=FIELDS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose_head.fc_t.weight": None}, r"lacks 1 of the \d+ weights of a Pixio reconstruction model: pose_head"),
        (
            {"pose_head.fc_x.weight": torch.zeros(2)},
            "has 1 names that no Pixio reconstruction model has: pose_head.fc_x",
        ),
        (
            {"info_sharing.self_attention_blocks.9.norm1.bias": torch.zeros(24)},
            r"lacks \d+ .*view|self_attention_blocks\.4",
        ),
        ({"scale_head.output_proj.weight": torch.zeros(1, 9)}, r"of shape \(1, 9\).*expected \(1, 10\)"),
        ({"encoder.norm.bias": None}, r"lacks 1 .*: encoder\.norm\.bias"),
    ],
)
def test_incomplete_and_foreign_models_are_named(change, message, tmp_path):
    state = {**training_state(build_model()), **change}
    source = write_form(tmp_path / "source", {name: t for name, t in state.items() if t is not None}, "bare")
    with pytest.raises(ValueError, match=message):
        recognize_model(read_weights(source), overrides=FIELDS)


# --- golden vectors ---


def load_golden() -> tuple[Case, dict]:
    case = load_case("recon_two_views_native", "reconstruction")
    sizes = load_case("recon_state", "reconstruction").config
    return case, {
        "num_attention_heads": sizes["num_heads"],
        "view_num_attention_heads": sizes["info_heads"],
        "view_taps": sizes["info_indices"],
    }


@pytest.mark.parity
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_golden_model_computes_what_the_original_does(form, tmp_path):
    case, fields = load_golden()
    convert_checkpoint(write_form(tmp_path / "source", case.state, form), tmp_path / "hub", overrides=fields)
    model = PixioForReconstruction.from_pretrained(tmp_path / "hub").eval()
    outputs = model(case.tensors["pixel_values"])
    case.assert_close("out.pts3d_cam", outputs.camera_pointmaps)
    case.assert_close("out.cam_quats", outputs.camera_quaternions)
    case.assert_close("out.conf", outputs.confidence)


@pytest.mark.parity
def test_the_hub_form_has_the_names_that_safetensors_keeps():
    kept = read_manifest("reconstruction")["recon_hub_form"]["values"]["kept_names"]
    case, _ = load_golden()
    assert set(hub_form(case.state)) == set(kept)


@pytest.mark.parity
def test_the_released_size_is_recognised():
    path = GOLDEN_DIR / "reconstruction" / "real_size_keys.json"
    if not path.is_file():
        pytest.skip("golden vectors not found (set PIXIO_GOLDEN_DIR to their folder)")
    shapes = json.loads(path.read_text())["tensors"]
    stored = {name: StoredTensor(tuple(shape), torch.float32) for name, shape in shapes.items()}
    model = recognize_model(StoredWeights(Path("source.pth"), "torch", stored, load=dict))
    config = model.config
    assert model.kind == "reconstruction"
    assert (config.num_attention_heads, config.view_num_attention_heads, config.view_taps) == (16, 12, [11, 17])
    assert model.num_parameters == 830_577_150
    dropped = sum(torch.Size(shapes[name]).numel() for name in model.ignored_keys)
    assert dropped == 65_608_472
