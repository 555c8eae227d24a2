# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Student: what it compares with what, masks, saving and loading, initialisation, bad input."""

import math

import pytest
import torch

from pixio_hf import PixioConfig, PixioForPreTraining, PixioModel
from pixio_hf.losses import feature_alignment_loss, feature_distance
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from tests.tiny_models import (
    assert_same_state,
    block_noise,
    random_images,
    randomize_weights,
    tiny_config,
    write_checkpoint,
)

# tiny_config: 3 class tokens and 16 patches.
WIDTH = 48


def make_student(**overrides) -> PixioForDistillation:
    return randomize_weights(PixioForDistillation(tiny_config(projection_size=WIDTH, **overrides)))


def teacher_tokens(num_class_tokens: int = 3, seed: int = 5) -> torch.Tensor:
    return torch.randn(2, num_class_tokens + 16, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_distances_by_hand():
    features = torch.tensor([[[3.0, 4.0], [1.0, 0.0]]])
    target = torch.tensor([[[4.0, 3.0], [0.0, 2.0]]])
    assert feature_distance(features, target, "cosine").item() == pytest.approx(1 - (24 / 25 + 0) / 2)
    assert feature_distance(features, target, "l1").item() == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert feature_distance(features, target, "mse").item() == pytest.approx((1 + 1 + 1 + 4) / 4)
    assert feature_distance(features.bfloat16(), target.bfloat16(), "l1").dtype == torch.float32


def test_fusion_by_hand():
    features, target = torch.zeros(1, 5, 2), torch.cat((torch.full((1, 2, 2), 10.0), torch.ones(1, 3, 2)), dim=1)
    for fuse, expected in (("avg", 5.5), ("sum", 10 * 2 / 5 + 1 * 3 / 5)):
        losses = feature_alignment_loss(features, target, 2, "l1", "l1", fuse)
        assert [loss.item() for loss in losses] == pytest.approx([expected, 10.0, 1.0])


def test_bad_losses():
    tokens = torch.zeros(1, 5, 2)
    with pytest.raises(ValueError, match="cosine, l1 or mse, got 'none'"):
        feature_alignment_loss(tokens, tokens, 2, loss_fn_cls="none")
    with pytest.raises(ValueError, match="avg or sum, got 'mean'"):
        feature_alignment_loss(tokens, tokens, 2, loss_fuse="mean")
    with pytest.raises(ValueError, match="same shape"):
        feature_distance(tokens, torch.zeros(1, 1, 2), "l1")


@torch.no_grad()
def test_a_student_that_repeats_its_teacher_has_no_loss():
    student, images = make_student(), random_images()
    whole = student(images).projected_hidden_states
    assert whole.shape == (2, 19, WIDTH)
    outputs = student(images, whole)
    assert [outputs[name].item() for name in ("loss", "loss_cls", "loss_patch")] == pytest.approx([0, 0, 0], abs=1e-6)


@torch.no_grad()
def test_masked_student_is_compared_at_the_patches_that_it_saw():
    student, images, noise = make_student(), random_images(), block_noise()
    target = teacher_tokens()
    outputs = student(images, target, noise=noise, mask_ratio=0.5)
    assert outputs.ids_keep.shape == (2, 8)
    assert outputs.projected_hidden_states.shape == (2, 11, WIDTH)
    again = student.projection(student.pixio(images, ids_keep=outputs.ids_keep).last_hidden_state)
    torch.testing.assert_close(outputs.projected_hidden_states, again)
    # Teacher tokens of hidden patches may be anything.
    hidden = torch.ones(2, 16, dtype=torch.bool).scatter(1, outputs.ids_keep, False)
    changed = target.clone()
    changed[:, 3:][hidden] += 1.0
    assert student(images, changed, noise=noise, mask_ratio=0.5).loss == outputs.loss
    changed[:, 3:][~hidden] += 1.0
    assert student(images, changed, noise=noise, mask_ratio=0.5).loss != outputs.loss


@torch.no_grad()
def test_one_class_token_of_the_teacher_is_the_target_of_all():
    student, images = make_student(), random_images()
    single = teacher_tokens(num_class_tokens=1)
    repeated = torch.cat((single[:, :1].expand(-1, 3, -1), single[:, 1:]), dim=1)
    assert student(images, single).loss == student(images, repeated).loss


def test_masks_are_drawn_anew_and_hidden_states_reported():
    student = make_student()
    torch.manual_seed(0)
    first, second = (student(random_images(), mask_ratio=0.5, output_hidden_states=True) for _ in range(2))
    assert not torch.equal(first.ids_keep, second.ids_keep)
    assert len(first.hidden_states) == 5
    assert first.hidden_states[-1].shape == (2, 11, 32)
    loss, loss_cls = student(random_images(), teacher_tokens(), return_dict=False)[:2]
    assert loss.shape == loss_cls.shape == ()


def test_every_parameter_learns():
    student = make_student(drop_path_rate=0.2).train()
    student(random_images(), teacher_tokens(), mask_ratio=0.5).loss.backward()
    # The bias of the keys moves all scores of a query alike and has no gradient in mathematics.
    still = [name for name, weight in student.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not [name for name in still if not name.endswith("k_proj.bias")]


def test_saved_student_and_its_encoder(tmp_path):
    student = make_student()
    student.save_pretrained(tmp_path / "student")
    loaded, info = PixioForDistillation.from_pretrained(tmp_path / "student", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert_same_state(loaded.state_dict(), student.state_dict())
    assert loaded.config.projection_size == WIDTH
    student.pixio.save_pretrained(tmp_path / "encoder")
    encoder, info = PixioModel.from_pretrained(tmp_path / "encoder", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert_same_state(encoder.state_dict(), student.pixio.state_dict())


def test_student_of_a_pretrained_encoder(tmp_path):
    pretrained = randomize_weights(PixioForPreTraining(tiny_config()))
    folder = write_checkpoint(tmp_path, pretrained)
    student, info = PixioForDistillation.from_pretrained(folder, projection_size=WIDTH, output_loading_info=True)
    assert_same_state(student.pixio.state_dict(), pretrained.pixio.state_dict())
    assert info["missing_keys"]
    assert all(name.startswith("projection.") for name in info["missing_keys"])
    with pytest.raises(ValueError, match=r"projection_size, the hidden_size of the teacher"):
        PixioForDistillation.from_pretrained(folder)


def test_initialisation_of_the_projection():
    torch.manual_seed(0)
    projection = PixioForDistillation(tiny_config(projection_size=512)).projection
    for linear, fan_in in ((projection.dense_in, 32), (projection.dense_out, 512)):
        bound = math.sqrt(6 / (fan_in + 512))
        assert 0.98 * bound < linear.weight.abs().max() <= bound
        assert linear.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert not linear.bias.any()
    assert (projection.norm.weight == 1).all()
    assert not projection.norm.bias.any()
    assert projection.norm.eps == 1e-5


def test_bad_input():
    student, images = make_student(), random_images()
    with pytest.raises(ValueError, match="specify pixel_values"):
        student()
    with pytest.raises(ValueError, match="multiples of the patch size"):
        student(random_images(height=60))
    for tokens in (teacher_tokens(num_class_tokens=2), teacher_tokens()[..., :-1], teacher_tokens()[:1]):
        with pytest.raises(ValueError, match=r"\(2, 19, 48\).*got"):
            student(images, tokens)
    with pytest.raises(ValueError, match="1 rows for a batch of 2"):
        student(images, noise=block_noise(1), mask_ratio=0.5)
    with pytest.raises(ValueError, match="one number per mask block"):
        student(images, noise=block_noise(2, 9), mask_ratio=0.5)
    for mask_ratio in (-0.5, 1.0):
        with pytest.raises(ValueError, match="mask_ratio must lie in"):
            student(images, mask_ratio=mask_ratio)
    with pytest.raises(ValueError, match="projection_size must be at least 1"):
        PixioConfig(projection_size=0)
