# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Teachers: each supported ViT's tokens before its final LayerNorm, whole, in raster order, with its own normalisation."""

import pytest
import torch
import transformers
from torch import Tensor, nn

from pixio_hf import PixioConfig, PixioImageProcessor, PixioModel
from pixio_hf.training.teachers import DistillationTeacher, load_teacher
from pixio_hf.vit_encoders import FINAL_NORMS
from tests.tiny_models import randomize_weights, tiny_config

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
# 32 x 32 pixels in patches of 8: a grid of 4 x 4.
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
# model_type -> model, attribute of its list of blocks, tokens before the first patch
FAMILIES = {
    "pixio": (PixioModel, tiny_config(image_size=32, patch_size=8), "layers", 3),
    "dinov2": (transformers.Dinov2Model, transformers.Dinov2Config(**SIZES), "encoder.layer", 1),
    "dinov2_with_registers": (
        transformers.Dinov2WithRegistersModel,
        transformers.Dinov2WithRegistersConfig(**SIZES, num_register_tokens=2),
        "encoder.layer",
        3,
    ),
    "dinov3_vit": (
        transformers.DINOv3ViTModel,
        transformers.DINOv3ViTConfig(**SIZES, num_register_tokens=2),
        "model.layer",
        3,
    ),
    "vit": (transformers.ViTModel, transformers.ViTConfig(**SIZES), "layers", 1),
    "vit_mae": (transformers.ViTMAEModel, transformers.ViTMAEConfig(**SIZES, mask_ratio=0.75), "layers", 1),
}


def make_model(model_type: str) -> nn.Module:
    model_class, config, _, _ = FAMILIES[model_type]
    return randomize_weights(model_class(config))


def random_photos(side: int = 32) -> Tensor:
    return torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def run_by_hand(model_type: str, model: nn.Module, pixel_values: Tensor) -> Tensor:
    """Last block's output of the whole image, from the model's own blocks; MAE's masking is passed by."""
    captured = []
    blocks = model.get_submodule(FAMILIES[model_type][2])
    hook = blocks[-1].register_forward_hook(lambda module, inputs, output: captured.append(output))  # pyright: ignore
    if model_type == "vit_mae":
        embeddings = model.embeddings
        patches = embeddings.patch_embeddings(pixel_values) + embeddings.position_embeddings[:, 1:]
        cls_token = (embeddings.cls_token + embeddings.position_embeddings[:, :1]).expand(len(patches), -1, -1)
        tokens = torch.cat((cls_token, patches), dim=1)
        for block in blocks:  # pyright: ignore[reportGeneralTypeIssues]
            tokens = block(tokens)
            tokens = tokens[0] if isinstance(tokens, tuple) else tokens
    else:
        model(pixel_values)
    hook.remove()
    return captured[-1][0] if isinstance(captured[-1], tuple) else captured[-1]


def test_every_family_is_tested():
    assert set(FAMILIES) == set(FINAL_NORMS)


@pytest.mark.parametrize("model_type", FAMILIES)
@torch.no_grad()
def test_tokens_before_the_final_norm(model_type):
    model = make_model(model_type)
    photos = random_photos()
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    pixel_values = (photos / 255 - mean) / std
    last_block = run_by_hand(model_type, model, pixel_values)
    # Otherwise the comparison below would not tell the two apart.
    norm = model.get_submodule(FINAL_NORMS[model_type])
    assert (norm(last_block) - last_block).abs().max() > 0.1
    if model_type != "vit_mae":
        torch.testing.assert_close(norm(last_block), model(pixel_values).last_hidden_state, atol=1e-4, rtol=1e-4)

    teacher = DistillationTeacher(model, None, MEAN, STD).train()
    assert not teacher.encoder.model.training
    assert not any(weight.requires_grad for weight in teacher.parameters())
    assert (teacher.hidden_size, teacher.grid_size) == (32 if model_type == "pixio" else 24, 4)
    tokens = teacher(photos)
    num_class_tokens = 3 if model_type == "pixio" else 1
    assert teacher.num_class_tokens == num_class_tokens
    expected = torch.cat((last_block[:, :num_class_tokens], last_block[:, -16:]), dim=1)
    assert last_block.shape[1] == FAMILIES[model_type][3] + 16
    torch.testing.assert_close(tokens, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_another_image_size(model_type):
    teacher = DistillationTeacher(make_model(model_type), 48, MEAN, STD)
    assert teacher.grid_size == 6
    tokens = teacher(random_photos(side=64))  # resized by the teacher
    assert tokens.shape == (2, teacher.num_class_tokens + 36, teacher.hidden_size)
    assert torch.isfinite(tokens).all()


@pytest.mark.parametrize("model_type", ["dinov2", "pixio"])
def test_loaded_teacher(model_type, tmp_path):
    model = make_model(model_type)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"no image processor.*preprocessor_config\.json"):
        load_teacher(str(tmp_path))
    PixioImageProcessor(image_mean=MEAN, image_std=STD).save_pretrained(tmp_path)
    photos = random_photos()
    expected = DistillationTeacher(model, None, MEAN, STD)(photos)
    torch.testing.assert_close(load_teacher(str(tmp_path))(photos), expected)


def test_unsuitable_teachers(tmp_path):
    transformers.BeitConfig().save_pretrained(tmp_path / "beit")
    with pytest.raises(ValueError, match="'beit' model; a teacher must be one of pixio, dinov2"):
        load_teacher(str(tmp_path / "beit"))
    with pytest.raises(ValueError, match="30 must be a multiple of its patch size 8"):
        DistillationTeacher(make_model("vit"), 30, MEAN, STD)
    model = make_model("vit")
    state = {name: tensor for name, tensor in model.state_dict().items() if "layers.1.mlp.fc1" not in name}
    model.save_pretrained(tmp_path / "cut", state_dict=state)
    PixioImageProcessor().save_pretrained(tmp_path / "cut")
    with pytest.raises(ValueError, match=r"lacks weights: layers\.1\.mlp\.fc1"):
        load_teacher(str(tmp_path / "cut"))


def test_students_that_do_not_fit():
    teacher = DistillationTeacher(make_model("pixio"), None, MEAN, STD)  # 4 x 4 patches, 3 class tokens
    student = PixioConfig(n_cls_tokens=3)  # patches of 16
    teacher.check_student("student", student, 64)
    with pytest.raises(ValueError, match="--teacher_image_size 128 or --image_size 64"):
        teacher.check_student("student", student, 256)
    with pytest.raises(ValueError, match="--image_size 64"):
        teacher.check_student("student", student, 72)
    with pytest.raises(ValueError, match="8 class tokens, the teacher 3"):
        teacher.check_student("student", PixioConfig(), 64)
    DistillationTeacher(make_model("dinov2"), None, MEAN, STD).check_student("student", PixioConfig(), 64)
