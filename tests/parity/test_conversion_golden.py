# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The golden .pth files converted, and reference_forward, which verifies conversions, against the original's numbers."""

import pytest
import torch
from transformers import AutoModel

from pixio_hf import PixioForPreTraining
from pixio_hf.conversion.convert import convert_checkpoint
from pixio_hf.conversion.export import export_checkpoint
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from tests import reference_forward
from tests.converted_outputs import assert_same_outputs
from tests.golden import GOLDEN_DIR, load_case
from tests.tiny_models import assert_same_state

pytestmark = pytest.mark.parity

HEADS = {"num_attention_heads": 4}
# name of the expected outputs, file, kind, fields that its weights do not show
FILES = [
    ("bare", "pixio_tiny.pth", "encoder", HEADS),
    (
        "pretrain",
        "pretrain_tiny.pth",
        "pretraining",
        {**HEADS, "decoder_num_attention_heads": 4, "mask_ratio": 0.5, "mask_grid_size": 1},
    ),
    ("student", "distill_student_tiny.pth", "distilled", HEADS),
]


@pytest.mark.parametrize(("name", "file", "kind", "fields"), FILES)
@torch.inference_mode()
def test_golden_files_convert_exactly(name, file, kind, fields, tmp_path):
    case = load_case("checkpoints")
    folder = tmp_path / "converted"
    report = convert_checkpoint(GOLDEN_DIR / file, folder, overrides=fields)
    assert report["kind"] == kind
    assert report["num_parameters"] == case.values["parameter_total"][name]
    assert report["verification"]["method"] == "tensors"

    stored = torch.load(GOLDEN_DIR / file, weights_only=False)
    original = stored if kind == "encoder" else stored["model"]
    export_checkpoint(folder, tmp_path / "exported.pth")
    exported = torch.load(tmp_path / "exported.pth", weights_only=True)
    assert_same_state(exported if kind == "encoder" else exported["model"], dict(original))
    assert_same_outputs(folder, kind, original)

    images, num_class_tokens = case.tensors["images"], 8
    tokens = AutoModel.from_pretrained(folder)(images).last_hidden_state
    case.assert_close(f"{name}.cls_tokens_norm", tokens[:, :num_class_tokens])
    case.assert_close(f"{name}.patch_tokens_norm", tokens[:, num_class_tokens:])
    if kind == "pretraining":
        model = PixioForPreTraining.from_pretrained(folder).eval()
        case.assert_close("pretrain.loss", model(images, noise=case.tensors["noise"]).loss)
    if kind == "distilled":
        student = PixioForDistillation.from_pretrained(folder).eval()
        case.assert_close("student.projected", student(images).projected_hidden_states)


@pytest.mark.parametrize("name", ["encoder_native", "encoder_wide", "encoder_tall", "encoder_same_count"])
def test_reference_encoder(name):
    case = load_case(name)
    blocks = reference_forward.encode(case.state, case.tensors["image"], case.config.get("num_heads", 4))
    checked = 0
    for index, block in enumerate(blocks):
        for field, tokens in (
            ("patch_tokens", block.patch),
            ("cls_tokens", block.cls),
            ("patch_tokens_norm", block.patch_norm),
            ("cls_tokens_norm", block.cls_norm),
        ):
            key = f"block{index}.{field}"
            if key in case.tensors:
                case.assert_close(key, tokens)
                checked += 1
    assert checked >= 4


@pytest.mark.parametrize(
    "name",
    ["pretrain_grid1_ratio50_rawpix", "pretrain_grid1_ratio75_normpix", "pretrain_grid2_ratio75_normpix"],
)
@torch.inference_mode()
def test_reference_decoder(name):
    case = load_case(name)
    images = load_case("pretrain_images").tensors["images"]
    config = case.config
    predicted = reference_forward.predict_patches(
        case.state,
        images,
        config["num_heads"],
        config["decoder_num_heads"],
        case.tensors["noise"],
        config["mask_grid"],
        config["mask_ratio"],
    )
    case.assert_close("pred", predicted)


@torch.inference_mode()
def test_reference_projection():
    case = load_case("checkpoints")
    stored = torch.load(GOLDEN_DIR / "distill_student_tiny.pth", weights_only=False)
    case.assert_close(
        "student.projected", reference_forward.project_tokens(stored["model"], case.tensors["images"], 4)
    )


@pytest.mark.parametrize("shape", ["square", "nonsquare"])
@pytest.mark.parametrize("name", ["depth_dpt", "depth_linear", "seg_dpt", "seg_linear"])
@torch.inference_mode()
def test_reference_heads(name, shape):
    case = load_case(f"{name}_{shape}")
    images = case.tensors[f"{shape}.image"]
    logits = reference_forward.predict_dense_logits(case.state, images, case.config["encoder"]["num_heads"])
    if name.startswith("depth"):
        case.assert_close(f"{shape}.logit", logits[:, 0])
    else:
        case.assert_close(f"{shape}.logits", logits)
