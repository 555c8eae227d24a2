# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The same heads on every family: which tokens they see, in which order, and that Pixio's probe is Pixio's model."""

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from pixio_hf import PixioForDepthEstimation, PixioModel
from pixio_hf.evaluation.probes import ProbeModel, fit_crop_size, load_probe
from pixio_hf.model_cards.results import PUBLISHED, PublishedDepth, find_published_depth
from pixio_hf.vit_encoders import FAMILIES, find_normalization
from tests.tiny_models import random_images, randomize_weights, tiny_config

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 64,
}
HEAD: dict[str, Any] = {"neck_hidden_sizes": (8, 8, 8, 8), "fusion_hidden_size": 8}


def build_encoder(family: str) -> Any:
    """A tiny encoder with every weight random."""
    torch.manual_seed(0)
    if family == "pixio":
        model: Any = PixioModel(tiny_config())
    elif family == "transformers_pixio":
        config = transformers.PixioConfig(**SMALL, n_cls_tokens=3, patch_size=16)
        model = transformers.PixioModel(config)  # pyright: ignore[reportArgumentType]
    elif family == "vit":
        model = transformers.ViTModel(transformers.ViTConfig(**SMALL))
    elif family == "vit_mae":
        model = transformers.ViTMAEModel(transformers.ViTMAEConfig(**SMALL))
    elif family == "dinov2":
        model = transformers.Dinov2Model(transformers.Dinov2Config(**{**SMALL, "image_size": 56}, patch_size=14))
    elif family == "dinov2_with_registers":
        config = transformers.Dinov2WithRegistersConfig(
            **{**SMALL, "image_size": 56}, patch_size=14, num_register_tokens=4
        )
        model = transformers.Dinov2WithRegistersModel(config)
    else:
        model = transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**SMALL, num_register_tokens=2))
    return randomize_weights(model)


# Family, patch size, class tokens, index of the first patch token, final LayerNorm.
TOKENS = [
    ("pixio", 16, 3, 3, "layernorm"),
    ("transformers_pixio", 16, 3, 3, "layernorm"),
    ("vit", 16, 1, 1, "layernorm"),
    ("vit_mae", 16, 1, 1, "layernorm"),
    ("dinov2", 14, 1, 1, "layernorm"),
    ("dinov2_with_registers", 14, 1, 5, "layernorm"),
    ("dinov3_vit", 16, 1, 3, "norm"),
]
NAMES = [row[0] for row in TOKENS]


def test_every_family_is_tested():
    assert set(FAMILIES) == set(NAMES) - {"transformers_pixio"}


@pytest.mark.parametrize(("family", "patch_size", "num_class", "first_patch", "norm_name"), TOKENS, ids=NAMES)
@pytest.mark.parametrize("grid", [(4, 4), (3, 5)], ids=["native", "other_size"])
@torch.no_grad()
def test_features_are_the_normalised_tokens_of_the_tapped_blocks(
    family, patch_size, num_class, first_patch, norm_name, grid
):
    height, width = grid
    model = build_encoder(family)
    images = random_images(2, height * patch_size, width * patch_size)
    arguments: dict[str, Any] = {"interpolate_pos_encoding": True} if family.startswith("vit") else {}
    if family == "vit_mae":
        model.config.mask_ratio = 0.0
        # Patches in reverse: by hand they have to be put back with the model's own ids_restore.
        arguments["noise"] = torch.arange(height * width, 0, -1).float().expand(2, -1)
    outputs = model(images, output_hidden_states=True, **arguments)
    assert len(outputs.hidden_states) == 5
    norm = getattr(model, norm_name)
    torch.testing.assert_close(norm(outputs.hidden_states[-1]), outputs.last_hidden_state)

    features = ProbeModel(model, "dpt", **HEAD).eval().extract_features(images)
    assert [tuple(feature.shape) for feature in features] == [(2, 64, height, width)] * 4
    for block, feature in enumerate(features):
        tokens = norm(outputs.hidden_states[block + 1])
        assert tokens.shape[1] == first_patch + height * width
        patches = tokens[:, first_patch:]
        if family == "vit_mae":
            patches = torch.stack([rows[order] for rows, order in zip(patches, outputs.ids_restore, strict=True)])
        class_mean = sum(tokens[:, index] for index in range(num_class)) / num_class
        for row in range(height):
            for column in range(width):
                seen = feature[:, :, row, column]
                torch.testing.assert_close(seen[:, :32], patches[:, row * width + column], atol=1e-4, rtol=1e-4)
                torch.testing.assert_close(seen[:, 32:], class_mean, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("family", "patch_size"), [row[:2] for row in TOKENS], ids=NAMES)
@torch.no_grad()
def test_a_planted_patch_is_found_where_it_was_planted(family, patch_size):
    model = build_encoder(family)
    # Without attention a token knows nothing but its own patch.
    projections = [module for name, module in model.named_modules() if name.endswith(("o_proj", "output.dense"))]
    for projection in projections:
        if projection.weight.shape[0] == projection.weight.shape[1]:
            nn.init.zeros_(projection.weight)
            nn.init.zeros_(projection.bias)
    probe = ProbeModel(model, "linear").eval()
    images = random_images(1, 4 * patch_size, 4 * patch_size)
    planted = images.clone()
    planted[:, :, patch_size : 2 * patch_size, 3 * patch_size :] += 1.0
    (before,), (after,) = probe.extract_features(images), probe.extract_features(planted)
    changed = (after - before).abs().amax(dim=1)[0] > 1e-4
    assert changed.nonzero().tolist() == [[1, 3]]
    assert torch.equal(before[:, 32:], after[:, 32:])


@torch.no_grad()
def test_mae_neither_masks_nor_shuffles():
    model = build_encoder("vit_mae")
    assert model.config.mask_ratio == 0.75
    images = random_images(2)
    embeddings = model.embeddings
    by_hand = embeddings.patch_embeddings(images) + embeddings.position_embeddings[:, 1:]
    class_token = (embeddings.cls_token + embeddings.position_embeddings[:, :1]).expand(2, -1, -1)
    by_hand = torch.cat((class_token, by_hand), dim=1)
    for layer in model.layers:
        by_hand = layer(by_hand)
    expected = model.layernorm(by_hand)[:, 1:]
    probe = ProbeModel(model, "linear").eval()
    first, second = (probe.extract_features(images)[0] for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first[:, :32].flatten(2).transpose(1, 2), expected)


@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_the_probe_of_pixio_is_the_depth_model(head_type):
    model = randomize_weights(PixioForDepthEstimation(tiny_config(head_type=head_type)))
    probe = ProbeModel(model.pixio, head_type, **HEAD)
    probe.head.load_state_dict(model.head.state_dict())
    images = random_images(2, 64, 96)
    labels = torch.rand(2, 64, 96, generator=torch.Generator().manual_seed(3)) * 12
    model.train()
    probe.train()
    model.freeze_encoder()
    probe.freeze_encoder()
    gradients: list[dict[str, Any]] = []
    for module in (model, probe):
        output = module(images, labels=labels)
        module.zero_grad()
        output.loss.backward()
        gradients.append({name: parameter.grad for name, parameter in module.head.named_parameters()})
        assert all(parameter.grad is None for parameter in model.pixio.parameters())
        gradients[-1] |= {"loss": output.loss.detach(), "depth": output.predicted_depth.detach()}
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])
    assert gradients[0]["loss"] > 0


def test_parameters_are_those_of_the_encoder_alone():
    encoder = ProbeModel(build_encoder("vit"), "linear").encoder
    block = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 2 * 2 * 32
    positions, class_token, patches, final_norm = 17 * 32, 32, 3 * 16 * 16 * 32 + 32, 2 * 32
    expected = 4 * block + positions + class_token + patches + final_norm  # without ViT's pooler
    assert sum(parameter.numel() for parameter in encoder.parameters()) == expected
    assert sum(parameter.numel() for parameter in ProbeModel(build_encoder("vit"), "linear").head.parameters()) == (
        2 * 64 + 64 + 1
    )


def test_a_frozen_encoder_stays_in_eval_mode():
    probe = ProbeModel(build_encoder("dinov3_vit"), "linear")
    assert all(parameter.requires_grad for parameter in probe.parameters())
    probe.freeze_encoder()
    probe.train()
    assert probe.head.training
    assert not any(module.training for module in probe.encoder.modules())
    trained = {name.split(".")[0] for name, parameter in probe.named_parameters() if parameter.requires_grad}
    assert trained == {"head"}


@pytest.mark.parametrize("family", ["vit", "dinov2", "pixio"])
def test_sides_that_do_not_fit_are_refused(family):
    probe = ProbeModel(build_encoder(family), "linear").eval()
    with pytest.raises(ValueError, match=f"multiples of the patch size {probe.config.patch_size}"):
        probe(random_images(1, 60, 64))


def test_crops_fit_the_patch_size():
    assert [fit_crop_size(256, patch) for patch in (14, 16)] == [252, 256]
    with pytest.raises(ValueError, match="smaller than a patch"):
        fit_crop_size(12, 14)


def test_load_probe_takes_normalisation_from_the_checkpoint_or_the_family(tmp_path):
    build_encoder("vit").save_pretrained(tmp_path / "vit")
    probe, processor, normalization = load_probe(str(tmp_path / "vit"), "linear", max_depth=80.0)
    assert probe.config.max_depth == 80.0
    assert probe.encoder_is_frozen
    assert normalization == ([0.5] * 3, [0.5] * 3, "default of vit")
    white = processor(torch.full((3, 64, 64), 255, dtype=torch.uint8), return_tensors="pt").pixel_values
    assert torch.equal(white, torch.ones(1, 3, 64, 64))

    transformers.ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]).save_pretrained(
        tmp_path / "vit"
    )
    assert find_normalization(str(tmp_path / "vit"), "vit") == (
        [0.1, 0.2, 0.3],
        [0.4, 0.5, 0.6],
        "its image processor",
    )


@pytest.mark.parametrize("family", [name for name in NAMES if name != "transformers_pixio"])
@torch.no_grad()
def test_load_probe_recognises_saved_models(family, tmp_path):
    model = build_encoder(family)
    model.save_pretrained(tmp_path)
    probe = load_probe(str(tmp_path), "linear").model
    assert probe.config.model_type == family
    images = random_images(1, 5 * probe.config.patch_size, 4 * probe.config.patch_size)
    expected = ProbeModel(model, "linear").eval().extract_features(images)[0]
    torch.testing.assert_close(probe.extract_features(images)[0], expected)


def test_load_probe_explains_what_is_wrong(tmp_path):
    transformers.SwinConfig(embed_dim=8, depths=[1], num_heads=[1]).save_pretrained(tmp_path / "swin")
    with pytest.raises(
        ValueError, match="'swin'; known are pixio, dinov2, dinov2_with_registers, dinov3_vit, vit, vit"
    ):
        load_probe(str(tmp_path / "swin"))
    with pytest.raises(ValueError, match="No folder, Hub id"):
        load_probe("nothing-of-that-name")
    model = build_encoder("dinov2")
    weights = {name: weight for name, weight in model.state_dict().items() if name != "layernorm.weight"}
    model.save_pretrained(tmp_path / "incomplete", state_dict=weights)
    with pytest.raises(ValueError, match=r"lacks weights: layernorm\.weight"):
        load_probe(str(tmp_path / "incomplete"), "linear")
    shallow = transformers.ViTModel(transformers.ViTConfig(**{**SMALL, "num_hidden_layers": 3}))
    with pytest.raises(ValueError, match="4 different blocks"):
        ProbeModel(shallow, "dpt")
    with pytest.raises(ValueError, match="dpt, linear"):
        ProbeModel(build_encoder("vit"), "mlp")


def test_published_depth_is_the_paper_s():
    assert find_published_depth("facebook/pixio-vith16", "KITTI", "linear") == PublishedDepth("3.494", "90.3")
    assert find_published_depth("facebook/vit-mae-huge", "NYUv2", "dpt") == PublishedDepth("0.465", "80.8")
    assert find_published_depth("facebook/dinov2-giant", "KITTI", "dpt") == PublishedDepth("2.424", "94.6")
    assert find_published_depth(PUBLISHED["pixio-b16"].hub_id, "NYUv2", "dpt") == PublishedDepth("0.373", None)
    assert find_published_depth(PUBLISHED["pixio-b16"].hub_id, "NYUv2", "linear") is None
    assert find_published_depth("somebody/else", "NYUv2", "dpt") is None
