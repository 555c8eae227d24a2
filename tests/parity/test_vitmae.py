# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Parity with models whose licence is free: transformers' ViTMAE and its own PixioModel. Needs no golden vectors."""

import re

import pytest
import torch
import transformers
from torch import Tensor
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from pixio_hf import PixioForPreTraining, PixioModel
from tests.tiny_models import random_images, randomize_weights, tiny_config

# (ViTMAE, PixioForPreTraining): beginnings of names; blocks follow below.
NAMES = (
    ("vit.embeddings.", "pixio.embeddings."),
    ("vit.layernorm.", "pixio.layernorm."),
    ("vit.encoder.layer.", "pixio.layers."),
    ("vit.layers.", "pixio.layers."),
    ("decoder.mask_token", "decoder.mask_token"),
    ("decoder.decoder_embed.", "decoder.embed."),
    ("decoder.decoder_pos_embed", "decoder.position_embeddings"),
    ("decoder.decoder_layers.", "decoder.blocks."),
    ("decoder.decoder_norm.", "decoder.norm."),
    ("decoder.decoder_pred.", "decoder.predict."),
)
BLOCK_NAMES = (
    (r"attention\.attention\.(query|key|value)\.", lambda match: f"attention.{match[1][0]}_proj."),
    (r"attention\.output\.dense\.", "attention.o_proj."),
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"(?<!attention\.)output\.dense\.", "mlp.fc2."),
)


def rename_vitmae_key(key: str) -> str:
    for theirs, ours in NAMES:
        if key.startswith(theirs):
            key = ours + key.removeprefix(theirs)
            break
    for pattern, replacement in BLOCK_NAMES:
        key = re.sub(pattern, replacement, key)
    return key


def build_pair(norm_pix_loss: bool) -> tuple[ViTMAEForPreTraining, PixioForPreTraining]:
    """ViTMAE with random weights and fixed sin-cos positions, and ours with its weights."""
    vitmae = ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=128,
            image_size=64,
            patch_size=16,
            decoder_hidden_size=16,
            decoder_num_hidden_layers=2,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=64,
            mask_ratio=0.75,
            norm_pix_loss=norm_pix_loss,
            layer_norm_eps=1e-6,
        )
    )
    positions = {key: tensor.clone() for key, tensor in vitmae.state_dict().items() if "pos" in key}
    assert len(positions) == 2
    randomize_weights(vitmae)
    vitmae.load_state_dict(positions, strict=False)
    config = tiny_config(n_cls_tokens=1, mask_grid_size=1, mask_ratio=0.75, norm_pix_loss=norm_pix_loss)
    ours = PixioForPreTraining(config)
    ours.load_state_dict({rename_vitmae_key(key): tensor for key, tensor in vitmae.state_dict().items()})
    return vitmae.eval(), ours.eval()


def patch_noise() -> Tensor:
    return torch.rand(2, 16, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_vitmae_logits_loss_and_gradients(norm_pix_loss):
    vitmae, ours = build_pair(norm_pix_loss)
    images = random_images()
    expected = vitmae(images, noise=patch_noise())
    outputs = ours(images, noise=patch_noise())
    assert torch.equal(outputs.mask, expected.mask)
    assert torch.equal(outputs.ids_restore, expected.ids_restore)
    torch.testing.assert_close(outputs.logits, expected.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outputs.loss, expected.loss, atol=1e-6, rtol=1e-5)
    expected.loss.backward()
    outputs.loss.backward()
    gradients = dict(ours.named_parameters())
    compared = 0
    for key, parameter in vitmae.named_parameters():
        if parameter.grad is not None:
            gradient = gradients[rename_vitmae_key(key)].grad
            torch.testing.assert_close(gradient, parameter.grad, atol=1e-5, rtol=1e-4)
            compared += 1
    assert compared > 80


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 96), (32, 112), (128, 32), (16, 16)])
def test_encoder_equals_transformers(height, width):
    theirs = randomize_weights(transformers.PixioModel(tiny_config()))
    ours = PixioModel(tiny_config()).eval()
    ours.load_state_dict(theirs.state_dict())
    images = random_images(2, height, width)
    expected = theirs(images, output_hidden_states=True)
    outputs = ours(images, output_hidden_states=True)
    assert len(outputs.hidden_states) == len(expected.hidden_states)
    pairs = zip(
        (outputs.last_hidden_state, outputs.pooler_output, *outputs.hidden_states),
        (expected.last_hidden_state, expected.pooler_output, *expected.hidden_states),
        strict=True,
    )
    for actual, wanted in pairs:
        torch.testing.assert_close(actual, wanted, atol=1e-6, rtol=1e-6)
