# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForPreTraining: loss, masks, reconstruction, bad input."""

import pytest
import torch

from pixio_hf import PixioForPreTraining
from pixio_hf.patches import normalize_patches, patchify
from tests.tiny_models import block_noise, checkpoint_activations, random_images, randomize_weights, tiny_config


@pytest.fixture(scope="module")
def model() -> PixioForPreTraining:
    return randomize_weights(PixioForPreTraining(tiny_config(mask_ratio=0.5)))


@torch.no_grad()
def test_output_fields(model):
    outputs = model(random_images(), noise=block_noise(), output_hidden_states=True)
    assert outputs.logits.shape == (2, 16, 768)
    assert outputs.mask.shape == outputs.ids_restore.shape == (2, 16)
    assert outputs.mask.sum(dim=1).tolist() == [8, 8]
    assert [state.shape for state in outputs.hidden_states] == [(2, 3 + 8, 32)] * 5  # the encoder's alone
    assert list(outputs)[:2] == ["loss", "logits"]
    as_tuple = model(random_images(), noise=block_noise(), return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[1], outputs.logits)


@torch.no_grad()
def test_noise_decides(model):
    images = random_images()
    first, second = model(images, noise=block_noise()), model(images, noise=block_noise())
    assert torch.equal(first.logits, second.logits)
    torch.manual_seed(0)
    masks = {tuple(model(images).mask.flatten().tolist()) for _ in range(6)}
    assert len(masks) > 1


@torch.no_grad()
@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_loss_is_the_mean_square_over_masked_patches(norm_pix_loss):
    model = randomize_weights(PixioForPreTraining(tiny_config(norm_pix_loss=norm_pix_loss, mask_ratio=0.5)))
    images = random_images()
    outputs = model(images, noise=block_noise())
    target = patchify(images, 16)
    target = normalize_patches(target) if norm_pix_loss else target
    masked = outputs.mask.bool()
    torch.testing.assert_close(outputs.loss, (outputs.logits - target)[masked].square().mean())


@torch.no_grad()
def test_visible_pixels_do_not_enter_the_loss_nor_masked_ones_the_prediction(model):
    images = random_images()
    outputs = model(images, noise=block_noise())
    masked_pixels = outputs.mask.reshape(2, 1, 4, 4).repeat_interleave(16, 2).repeat_interleave(16, 3).bool()
    altered = torch.where(masked_pixels, images + torch.randn_like(images), images)
    torch.testing.assert_close(model(altered, noise=block_noise()).logits, outputs.logits)


@torch.no_grad()
def test_given_mask_equals_noise_up_to_order(model):
    images = random_images()
    by_noise = model(images, noise=block_noise())
    by_mask = model(images, bool_masked_pos=by_noise.mask.bool())
    assert torch.equal(by_mask.mask, by_noise.mask)
    # Attention does not see the order, so that predictions agree.
    torch.testing.assert_close(by_mask.logits, by_noise.logits)
    torch.testing.assert_close(by_mask.loss, by_noise.loss)


@torch.no_grad()
def test_other_sizes(model):
    outputs = model(random_images(2, 64, 96), noise=block_noise(2, 6))
    assert outputs.logits.shape == (2, 24, 768)
    assert torch.isfinite(outputs.loss)


def test_bad_input(model):
    images = random_images()
    with pytest.raises(ValueError, match="at most one of noise and bool_masked_pos"):
        model(images, noise=block_noise(), bool_masked_pos=torch.zeros(2, 16, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"noise must have shape \(batch_size, 4\)"):
        model(images, noise=torch.rand(2, 16))
    with pytest.raises(ValueError, match="noise has 3 rows for a batch of 2"):
        model(images, noise=torch.rand(3, 4))
    with pytest.raises(ValueError, match=r"bool_masked_pos must have shape \(2, 16\)"):
        model(images, bool_masked_pos=torch.zeros(2, 9, dtype=torch.bool))
    with pytest.raises(ValueError, match="mask_grid_size 2 must divide both sides of the patch grid 3 x 4"):
        model(random_images(2, 48, 64))
    with pytest.raises(ValueError, match="multiples of the patch size 16, got 60 x 64"):
        model(random_images(2, 60, 64))
    with pytest.raises(ValueError, match=r"got \(2, 1, 64, 64\)"):
        model(torch.zeros(2, 1, 64, 64))
    with pytest.raises(ValueError, match="specify pixel_values"):
        model()


def test_zero_kept_blocks():
    model = PixioForPreTraining(tiny_config(mask_ratio=0.75, mask_grid_size=4))
    with pytest.raises(ValueError, match=r"mask_ratio 0\.75 keeps none of the 1 mask blocks"):
        model(random_images())


def test_nothing_masked_gives_zero_loss():
    model = PixioForPreTraining(tiny_config(mask_ratio=0))
    outputs = model(random_images(), noise=block_noise())
    outputs.loss.backward()
    assert outputs.loss.item() == 0
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


@torch.no_grad()
@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_reconstruction(norm_pix_loss):
    model = randomize_weights(PixioForPreTraining(tiny_config(norm_pix_loss=norm_pix_loss, mask_ratio=0.5)))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    photos = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pixel_values = (photos - mean) / std
    outputs = model(pixel_values, noise=block_noise())
    reconstructed = model.reconstruct(outputs, pixel_values)
    assert reconstructed.shape == photos.shape
    assert reconstructed.min() >= 0
    assert reconstructed.max() <= 1
    visible = (
        outputs.mask.reshape(2, 1, 4, 4).repeat_interleave(16, 2).repeat_interleave(16, 3).expand(-1, 3, -1, -1) == 0
    )
    # The visible pixels are the photo's own, up to rounding of the normalisation there and back.
    torch.testing.assert_close(reconstructed[visible], photos[visible], atol=1e-6, rtol=0)
    assert torch.equal(reconstructed[visible], (pixel_values * std + mean).clamp(0, 1)[visible])
    assert not torch.allclose(reconstructed[~visible], photos[~visible], atol=0.05)
    # Predicting exactly the target gives back the photo.
    outputs.logits = model.target_patches(pixel_values)
    torch.testing.assert_close(model.reconstruct(outputs, pixel_values), photos, atol=1e-5, rtol=0)


@torch.no_grad()
def test_sdpa_equals_eager():
    eager = randomize_weights(PixioForPreTraining._from_config(tiny_config(), attn_implementation="eager"))
    sdpa = PixioForPreTraining._from_config(tiny_config(), attn_implementation="sdpa").eval()
    assert sdpa.decoder.blocks[0].attention.config._attn_implementation == "sdpa"
    assert eager.decoder.blocks[0].attention.config._attn_implementation == "eager"
    sdpa.load_state_dict(eager.state_dict())
    expected = eager(random_images(), noise=block_noise(), output_attentions=True)
    outputs = sdpa(random_images(), noise=block_noise())
    torch.testing.assert_close(outputs.logits, expected.logits)
    assert [attention.shape for attention in expected.attentions] == [(2, 4, 7, 7)] * 4  # the encoder's alone


@torch.no_grad()
def test_attention_of_the_decoder_follows_a_later_choice(model):
    switched = randomize_weights(PixioForPreTraining(tiny_config(mask_ratio=0.5)))
    switched.set_attn_implementation("eager")
    assert switched.decoder.blocks[0].attention.config._attn_implementation == "eager"
    expected = model(random_images(), noise=block_noise())
    torch.testing.assert_close(switched(random_images(), noise=block_noise()).logits, expected.logits)


def test_gradient_checkpointing_gives_the_same_gradients():
    model = randomize_weights(PixioForPreTraining(tiny_config())).train()

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        model(random_images(), noise=block_noise()).loss.backward()
        return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    expected = gradients()
    checkpoint_activations(model)
    assert all(layer.gradient_checkpointing for layer in (*model.pixio.layers, *model.decoder.blocks))
    for name, gradient in gradients().items():
        torch.testing.assert_close(gradient, expected[name])
    assert all(gradient.abs().max() > 0 for name, gradient in expected.items() if "k_proj.bias" not in name)


def test_decoder_has_no_stochastic_depth():
    model = PixioForPreTraining(tiny_config(drop_path_rate=0.5))
    assert all(isinstance(block.drop_path, torch.nn.Identity) for block in model.decoder.blocks)
    assert model.pixio.layers[-1].drop_path.drop_prob == 0.5


@torch.no_grad()
def test_bfloat16():
    model = randomize_weights(PixioForPreTraining(tiny_config())).to(torch.bfloat16)
    outputs = model(random_images(), noise=block_noise())
    assert outputs.logits.dtype == torch.bfloat16
    assert outputs.loss.dtype == torch.float32
    assert torch.isfinite(outputs.loss)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(randomize_weights(PixioForPreTraining(tiny_config()))(random_images()).loss)
