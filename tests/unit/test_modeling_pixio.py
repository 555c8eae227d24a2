# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioModel and PixioBackbone: masking, sizes, feature maps, initialisation, bad input."""

import pytest
import torch
import transformers
from transformers.models.pixio import modeling_pixio as upstream

from pixio_hf import PixioBackbone, PixioModel
from pixio_hf.modeling_pixio import PixioPreTrainedModel, interpolate_positions
from tests.tiny_models import checkpoint_activations, random_images, randomize_weights, tiny_config, write_checkpoint


@pytest.fixture(scope="module")
def model() -> PixioModel:
    return randomize_weights(PixioModel(tiny_config()))


def bool_mask(batch_size: int = 2, num_masked: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    order = torch.rand(batch_size, 16, generator=generator).argsort(dim=1)
    return order < num_masked


def test_classes_extend_those_of_transformers(model):
    assert isinstance(model, transformers.PixioModel)
    assert isinstance(model, PixioPreTrainedModel)
    assert issubclass(PixioBackbone, transformers.PixioBackbone)
    assert transformers.PixioModel is upstream.PixioModel
    assert transformers.PixioModel is not PixioModel


@torch.no_grad()
def test_output_shapes(model):
    outputs = model(random_images(2, 32, 96), output_hidden_states=True)
    assert outputs.last_hidden_state.shape == (2, 3 + 12, 32)
    assert outputs.pooler_output.shape == (2, 32)
    assert len(outputs.hidden_states) == 4 + 1
    assert outputs.attentions is None
    torch.testing.assert_close(outputs.last_hidden_state, model.layernorm(outputs.hidden_states[-1]))
    torch.testing.assert_close(outputs.pooler_output, outputs.last_hidden_state[:, :3].mean(dim=1))


@torch.no_grad()
def test_masked_encoding_equals_embedding_only_the_kept(model):
    images, masked = random_images(), bool_mask()
    outputs = model(images, bool_masked_pos=masked)
    assert outputs.last_hidden_state.shape == (2, 3 + 6, 32)
    # By hand: embed all, drop the masked, and run the blocks.
    hidden_states = model.embeddings(images)
    kept = torch.stack([patches[~row] for patches, row in zip(hidden_states[:, 3:], masked, strict=True)])
    hidden_states = torch.cat((hidden_states[:, :3], kept), dim=1)
    for layer in model.layers:
        hidden_states = layer(hidden_states, None)
    torch.testing.assert_close(outputs.last_hidden_state, model.layernorm(hidden_states))


@torch.no_grad()
def test_order_of_kept_patches_is_kept(model):
    images = random_images()
    ids_keep = torch.tensor([[5, 0, 11], [7, 2, 3]])
    tokens = model(images, ids_keep=ids_keep).last_hidden_state
    reversed_tokens = model(images, ids_keep=ids_keep.flip(1)).last_hidden_state
    torch.testing.assert_close(reversed_tokens[:, :3], tokens[:, :3])
    torch.testing.assert_close(reversed_tokens[:, 3:], tokens[:, 3:].flip(1))
    masked = torch.ones(2, 16, dtype=torch.bool).scatter(1, ids_keep, False)
    raster = model(images, bool_masked_pos=masked).last_hidden_state
    torch.testing.assert_close(
        raster[:, 3:], tokens[:, 3:].gather(1, ids_keep.argsort(1)[..., None].expand(-1, -1, 32))
    )


@torch.no_grad()
def test_nothing_masked_changes_nothing(model):
    images = random_images()
    masked = torch.zeros(2, 16, dtype=torch.bool)
    torch.testing.assert_close(
        model(images, bool_masked_pos=masked).last_hidden_state, model(images).last_hidden_state
    )


@torch.no_grad()
def test_attention_mask_hides_tokens(model):
    images, altered = random_images(), random_images()
    altered[:, :, -16:, -16:] += 5  # the last patch
    attention_mask = torch.ones(2, 3 + 16)
    attention_mask[:, -1] = 0
    masked = model(images, attention_mask=attention_mask).last_hidden_state
    torch.testing.assert_close(model(altered, attention_mask=attention_mask).last_hidden_state[:, :-1], masked[:, :-1])
    assert not torch.allclose(model(altered).last_hidden_state[:, :-1], model(images).last_hidden_state[:, :-1])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_wrong_channel_count(model, channels):
    with pytest.raises(ValueError, match=rf"\(batch_size, 3, height, width\), got \(2, {channels}, 64, 64\)"):
        model(torch.zeros(2, channels, 64, 64))


def test_wrong_dimensions(model):
    for shape in ((3, 64, 64), (1, 1, 3, 64, 64)):
        with pytest.raises(ValueError, match="pixel_values must have shape"):
            model(torch.zeros(shape))
    with pytest.raises(ValueError, match="specify pixel_values"):
        model()


@pytest.mark.parametrize(("height", "width"), [(63, 64), (64, 70), (8, 64), (0, 64), (1, 1)])
def test_sides_must_be_multiples_of_the_patch(model, height, width):
    for module in (model, PixioBackbone(tiny_config())):
        with pytest.raises(ValueError, match=f"multiples of the patch size 16, got {height} x {width} pixels"):
            module(torch.zeros(1, 3, height, width))


def test_bad_masks(model):
    images = random_images()
    with pytest.raises(ValueError, match="at most one of bool_masked_pos and ids_keep"):
        model(images, bool_masked_pos=bool_mask(), ids_keep=torch.zeros(2, 3, dtype=torch.long))
    for shape in ((2, 15), (1, 16), (2, 4, 4)):
        with pytest.raises(ValueError, match=r"bool_masked_pos must have shape \(2, 16\)"):
            model(images, bool_masked_pos=torch.zeros(shape, dtype=torch.bool))
    for shape in ((1, 3), (2, 17), (3,)):
        with pytest.raises(ValueError, match=r"ids_keep must have shape \(2, K\)"):
            model(images, ids_keep=torch.zeros(shape, dtype=torch.long))
    uneven = bool_mask()
    uneven[0] = False
    with pytest.raises(ValueError, match="same number of patches in every row"):
        model(images, bool_masked_pos=uneven)


def test_drop_path_of_every_block_grows_linearly():
    model = PixioModel(tiny_config(drop_path_rate=0.3))
    rates = [getattr(layer.drop_path, "drop_prob", 0.0) for layer in model.layers]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert isinstance(model.layers[0].drop_path, torch.nn.Identity)


def test_drop_path_drops_samples_in_training_only():
    model = randomize_weights(PixioModel(tiny_config(drop_path_rate=0.9)))
    images = random_images(1).expand(8, -1, -1, -1)
    assert torch.equal(model(images).last_hidden_state, model(images).last_hidden_state)
    torch.manual_seed(0)
    trained = model.train()(images).pooler_output
    assert len({tuple(row.tolist()) for row in trained}) > 1


@torch.no_grad()
def test_native_positions_are_used_as_stored(model):
    positions = model.embeddings.position_embeddings
    class_part, patch_part = interpolate_positions(positions, 3, 4, 4)
    assert torch.equal(torch.cat((class_part, patch_part), dim=1), positions)
    class_part, patch_part = interpolate_positions(positions, 3, 2, 8)  # as many patches, another shape
    assert torch.equal(class_part, positions[:, :3])
    assert patch_part.shape == (1, 16, 32)
    assert not torch.allclose(patch_part, positions[:, 3:])


def test_positions_are_interpolated_in_float32():
    positions = torch.randn(1, 3 + 16, 8)
    half = interpolate_positions(positions.bfloat16(), 3, 6, 5)[1]
    full = interpolate_positions(positions.bfloat16().float(), 3, 6, 5)[1]
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, full.bfloat16())


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
def test_sdpa_equals_eager(masked):
    eager = randomize_weights(PixioModel._from_config(tiny_config(), attn_implementation="eager"))
    sdpa = PixioModel._from_config(tiny_config(), attn_implementation="sdpa").eval()
    sdpa.load_state_dict(eager.state_dict())
    kwargs = {"bool_masked_pos": bool_mask()} if masked else {}
    expected = eager(random_images(), output_attentions=True, **kwargs)
    torch.testing.assert_close(sdpa(random_images(), **kwargs).last_hidden_state, expected.last_hidden_state)
    num_tokens = 3 + (6 if masked else 16)
    assert [attention.shape for attention in expected.attentions] == [(2, 4, num_tokens, num_tokens)] * 4
    torch.testing.assert_close(expected.attentions[0].sum(dim=-1), torch.ones(2, 4, num_tokens))


def test_gradient_checkpointing_gives_the_same_gradients():
    model = randomize_weights(PixioModel(tiny_config())).train()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model(random_images()).last_hidden_state.square().mean().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    expected = gradients()
    checkpoint_activations(model)
    assert all(layer.gradient_checkpointing for layer in model.layers)
    for actual, wanted in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


@torch.no_grad()
def test_feature_maps_are_the_normalised_hidden_states(tmp_path, model):
    folder = write_checkpoint(tmp_path / "encoder", model)
    backbone = PixioBackbone.from_pretrained(folder, out_features=["stem", "stage2", "stage4"]).eval()
    encoder = PixioModel.from_pretrained(folder).eval()
    images = random_images(2, 32, 80)
    outputs = backbone(images)
    hidden_states = encoder(images, output_hidden_states=True).hidden_states
    assert outputs.hidden_states is None
    assert len(outputs.feature_maps) == 3
    for feature_map, stage in zip(outputs.feature_maps, (0, 2, 4), strict=True):
        expected = encoder.layernorm(hidden_states[stage])[:, 3:].transpose(1, 2).reshape(2, 32, 2, 5)
        torch.testing.assert_close(feature_map, expected)
    assert not any(name.startswith("layernorm") for name in backbone.state_dict())


@torch.no_grad()
def test_feature_maps_as_tokens_and_without_the_norm(model):
    config = tiny_config(out_indices=[4], apply_layernorm=False, reshape_hidden_states=False)
    backbone = PixioBackbone(config).eval()
    backbone.pixio.load_state_dict(model.state_dict())
    outputs = backbone(random_images(), output_hidden_states=True)
    assert len(outputs.hidden_states) == 5
    torch.testing.assert_close(outputs.feature_maps[0], outputs.hidden_states[-1])


def test_backbones_from_folder_and_configuration(tmp_path, model):
    # transformers' AutoBackbone.from_pretrained asks the Hub about a local folder; this line is the alternative.
    folder = write_checkpoint(tmp_path / "encoder", model)
    backbone = PixioBackbone.from_pretrained(folder, out_indices=[1, 3])
    assert backbone.out_features == ["stage1", "stage3"]
    assert torch.equal(backbone.pixio.layers[3].mlp.fc2.weight, model.layers[3].mlp.fc2.weight)
    assert type(transformers.AutoBackbone.from_config(tiny_config())) is PixioBackbone


@torch.no_grad()
def test_initialisation_follows_the_original():
    torch.manual_seed(0)
    model = PixioModel(tiny_config(hidden_size=256))
    attention = model.layers[1].attention
    bounds = {
        attention.q_proj: (6 / (4 * 256)) ** 0.5,
        attention.k_proj: (6 / (4 * 256)) ** 0.5,
        attention.v_proj: (6 / (4 * 256)) ** 0.5,
        attention.o_proj: (6 / (2 * 256)) ** 0.5,
        model.layers[1].mlp.fc1: (6 / (5 * 256)) ** 0.5,
        model.embeddings.patch_embeddings.projection: (6 / (256 + 768)) ** 0.5,
    }
    for module, bound in bounds.items():
        assert 0.99 * bound < module.weight.abs().max() <= bound
        if isinstance(module, torch.nn.Linear):
            assert (module.bias == 0).all()
    bias = model.embeddings.patch_embeddings.projection.bias
    assert 0.9 / 768**0.5 < bias.abs().max() <= 1 / 768**0.5
    assert abs(model.embeddings.position_embeddings.std() - 0.02) < 0.002


@torch.no_grad()
def test_bfloat16(model):
    half = PixioModel(tiny_config()).to(torch.bfloat16).eval()
    half.load_state_dict(model.state_dict())
    outputs = half(random_images(2, 96, 48))  # float32 images are accepted
    assert outputs.last_hidden_state.dtype == torch.bfloat16
    expected = model(random_images(2, 96, 48)).last_hidden_state
    assert (outputs.last_hidden_state.float() - expected).abs().mean() < 0.05 * expected.abs().mean()
