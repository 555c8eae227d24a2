# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Dense heads: shapes at awkward sizes, numbers by hand, precision, gradients, compilation, bad input."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixio_hf.conversion.key_mapping import (
    DPT_HEAD_MODULES,
    LINEAR_HEAD_MODULES,
    hub_to_reference_state,
    reference_to_hub_state,
)
from pixio_hf.head_regions import plan_regions, predict_part, predict_parts, rows_read
from pixio_hf.heads import (
    DPTHead,
    LinearHead,
    UnusedConvolution,
    concat_class_mean,
    dpt_tap_blocks,
    initialize_head_module,
)

CHANNELS = 6
SIZES = (4, 5, 6, 7)


def make_dpt_head(num_labels: int = 2) -> DPTHead:
    torch.manual_seed(0)
    return DPTHead(CHANNELS, SIZES, 8, num_labels).eval()


def make_features(grid: tuple[int, int], batch_size: int = 2, count: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch_size, CHANNELS, *grid, generator=generator) for _ in range(count)]


@pytest.mark.parametrize(
    ("depth", "taps"), [(12, (2, 5, 8, 11)), (24, (5, 11, 17, 23)), (32, (7, 15, 23, 31)), (14, (2, 5, 8, 11))]
)
def test_taps_are_the_published_blocks(depth: int, taps: tuple[int, ...]) -> None:
    assert dpt_tap_blocks(depth) == taps


def test_taps_need_four_blocks() -> None:
    with pytest.raises(ValueError, match="at least 4 blocks"):
        dpt_tap_blocks(3)


def test_class_mean_follows_the_patch_channels() -> None:
    patches = torch.arange(2 * 6 * 3, dtype=torch.float32).reshape(2, 6, 3)
    classes = torch.randn(2, 8, 3)
    features = concat_class_mean(patches, classes, (2, 3))
    assert features.shape == (2, 6, 2, 3)
    for row in range(2):
        for column in range(3):
            assert torch.equal(features[:, :3, row, column], patches[:, row * 3 + column])
            torch.testing.assert_close(features[:, 3:, row, column], classes.mean(dim=1))


def test_class_mean_rejects_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="12 patches, but there are 6"):
        concat_class_mean(torch.zeros(1, 6, 3), torch.zeros(1, 8, 3), (3, 4))
    with pytest.raises(ValueError, match="do not fit"):
        concat_class_mean(torch.zeros(1, 6, 3), torch.zeros(1, 8, 4), (2, 3))


def test_dpt_head_equals_the_specified_order_of_operations() -> None:
    """The steps of docs/specification.md 5.2 as plain functions; the 1x1 convolution comes after the resize."""
    head, features = make_dpt_head(), make_features((3, 5))
    w = head.state_dict()

    def conv(x: Tensor, name: str, **options: int) -> Tensor:
        return F.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), **options)

    def unit(x: Tensor, name: str) -> Tensor:
        return x + conv(F.relu(conv(F.relu(x), f"{name}.conv1", padding=1)), f"{name}.conv2", padding=1)

    def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size, mode="bilinear", align_corners=True)

    maps = [conv(feature, f"projections.{i}") for i, feature in enumerate(features)]
    maps[0] = F.conv_transpose2d(maps[0], w["resamplers.0.weight"], w["resamplers.0.bias"], stride=4)
    maps[1] = F.conv_transpose2d(maps[1], w["resamplers.1.weight"], w["resamplers.1.bias"], stride=2)
    maps[3] = conv(maps[3], "resamplers.3", stride=2, padding=1)
    levels = [conv(level, f"lateral_convs.{i}", padding=1) for i, level in enumerate(maps)]
    assert [tuple(level.shape[-2:]) for level in levels] == [(12, 20), (6, 10), (3, 5), (2, 3)]

    path = conv(resize(unit(levels[3], "fusions.3.residual_unit2"), (3, 5)), "fusions.3.out_conv")
    for i, size in ((2, (6, 10)), (1, (12, 20)), (0, (24, 40))):
        path = path + unit(levels[i], f"fusions.{i}.residual_unit1")
        path = conv(resize(unit(path, f"fusions.{i}.residual_unit2"), size), f"fusions.{i}.out_conv")
    expected = conv(F.relu(conv(path, "output_convs.0", padding=1)), "output_convs.2")
    torch.testing.assert_close(head(features, (50, 70)), resize(expected, (50, 70)), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("grid", [(1, 1), (1, 4), (5, 1), (7, 3), (4, 4)])
@pytest.mark.parametrize("output_size", [(1, 1), (33, 17)])
def test_heads_work_on_any_grid_and_output_size(grid: tuple[int, int], output_size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    for head in (make_dpt_head(), LinearHead(CHANNELS, 2).eval()):
        count = 4 if isinstance(head, DPTHead) else 1
        logits = head(make_features(grid, count=count), output_size)
        assert logits.shape == (2, 2, *output_size)
        assert logits.isfinite().all()


def test_linear_head_upsamples_between_corner_pixels() -> None:
    head = LinearHead(1, 1).eval()
    with torch.no_grad():
        head.projection.weight.fill_(2.0)
        head.state_dict()["projection.bias"].fill_(1.0)
    logits = head([torch.tensor([[[[0.0, 4.0]]]])], (1, 5))
    # Fresh running statistics are (0, 1), so only eps remains of the normalisation.
    expected = 2.0 * torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]) / (1 + 1e-5) ** 0.5 + 1.0
    torch.testing.assert_close(logits[0, 0, 0], expected)


def test_every_parameter_of_the_dpt_head_learns_and_the_unused_unit_is_none() -> None:
    head = make_dpt_head().train()
    head(make_features((4, 4)), (32, 32)).square().mean().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    unused = {name for name, _ in head.named_buffers()}
    assert unused == {f"fusions.3.residual_unit1.conv{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")}
    assert unused <= head.state_dict().keys()
    before = head(make_features((4, 4)), (8, 8))
    head.state_dict()["fusions.3.residual_unit1.conv1.weight"].fill_(100.0)
    assert torch.equal(head(make_features((4, 4)), (8, 8)), before)


def test_bfloat16_stays_close_to_float32() -> None:
    head, features = make_dpt_head(), make_features((4, 5))
    expected = head(features, (64, 80))
    logits = head.bfloat16()([feature.bfloat16() for feature in features], (64, 80))
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).abs().max() < 0.02 * expected.abs().max()
    linear = LinearHead(CHANNELS, 2).eval()
    expected = linear(features[3:], (64, 80))
    logits = linear.bfloat16()([features[3].bfloat16()], (64, 80))
    assert (logits.float() - expected).abs().max() < 0.02 * expected.abs().max()


def test_heads_trace_without_graph_breaks() -> None:
    for head, count in ((make_dpt_head(), 4), (LinearHead(CHANNELS, 2).eval(), 1)):
        features = make_features((3, 5), count=count)
        compiled = torch.compile(head, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(features, (48, 80)), head(features, (48, 80)))


def test_initialisation_restores_the_framework_default() -> None:
    head = make_dpt_head()
    with torch.no_grad():
        for tensor in head.state_dict().values():
            tensor.fill_(7.0)
    handled = [module for module in head.modules() if initialize_head_module(module)]
    assert len(handled) == sum(
        1 for m in head.modules() if isinstance(m, UnusedConvolution) or "Conv" in type(m).__name__
    )
    bound = CHANNELS**-0.5
    weight = head.state_dict()["projections.0.weight"]
    assert bound * 0.5 < weight.abs().max() <= bound
    assert not head.state_dict()["fusions.3.residual_unit1.conv2.weight"].any()
    norm = nn.BatchNorm2d(3)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.fill_(3.0)
    norm.running_var.fill_(3.0)
    assert initialize_head_module(norm)
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert norm.running_var.tolist() == [1, 1, 1]
    assert not initialize_head_module(nn.ReLU())


def test_bad_features_are_named() -> None:
    head = make_dpt_head()
    with pytest.raises(ValueError, match="4 feature maps"):
        head(make_features((2, 2), count=3), (8, 8))
    with pytest.raises(ValueError, match="a single tensor"):
        head(torch.zeros(4, CHANNELS, 2, 2), (8, 8))
    with pytest.raises(ValueError, match="same shape"):
        head([*make_features((2, 2), count=3), torch.zeros(2, CHANNELS, 2, 3)], (8, 8))
    with pytest.raises(ValueError, match="output_size"):
        head(make_features((2, 2)), (0, 8))
    with pytest.raises(ValueError, match="neck_hidden_sizes"):
        DPTHead(CHANNELS, (4, 4, 4), 8, 1)
    with pytest.raises(ValueError, match="num_labels"):
        LinearHead(CHANNELS, 0)


def test_key_mapping_is_one_to_one_and_covers_both_heads() -> None:
    renames = {**DPT_HEAD_MODULES, **LINEAR_HEAD_MODULES}
    assert len(set(renames.values())) == len(renames)
    for head in (make_dpt_head(), LinearHead(CHANNELS, 1)):
        ours = {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
        original = hub_to_reference_state(ours)
        assert original.keys().isdisjoint(ours)
        back = reference_to_hub_state(original)
        assert back.keys() == ours.keys()
        assert all(torch.equal(back[name], tensor) for name, tensor in ours.items())
    tensor = torch.zeros(1)
    names = reference_to_hub_state({"head.scratch.layer4_rn.weight": tensor, "head.0.running_var": tensor})
    assert list(names) == ["head.lateral_convs.3.weight", "head.batch_norm.running_var"]
    for unknown in ("head.projects.4.weight", "norm.weight", "head.scratch.refinenet1.weight"):
        with pytest.raises(ValueError, match="Not the names"):
            reference_to_hub_state({unknown: tensor, "head.1.bias": tensor})


@torch.no_grad()
@pytest.mark.parametrize("needed_size", [(50, 256), (86, 50), (1, 1), (256, 220), (17, 33), (16, 16), (256, 256)])
@pytest.mark.parametrize(("grid", "output_size"), [((16, 16), (256, 256)), ((7, 11), (112, 176)), ((5, 3), (79, 50))])
def test_a_part_of_the_prediction_is_that_part_of_the_whole(grid, output_size, needed_size) -> None:
    """Also where the maps of the levels are cut: what lies beyond the regions must not matter."""
    head, features = make_dpt_head(), make_features(grid)
    height, width = (min(needed, full) for needed, full in zip(needed_size, output_size, strict=True))
    part = predict_part(head, features, output_size, (height, width))
    torch.testing.assert_close(part, head(features, output_size)[..., :height, :width], rtol=0, atol=1e-6)


@torch.no_grad()
def test_what_a_part_does_not_depend_on_is_not_computed() -> None:
    """A thin strip of a window reads a corner of the fine levels; not-a-number elsewhere does not reach it."""
    head, features = make_dpt_head(), make_features((16, 16))
    finest, fine, middle, coarse = plan_regions((16, 16), (256, 256), (256, 50))
    assert (finest.size, finest.needed, finest.read, finest.path, finest.lateral, finest.patches) == (
        (64, 64),
        (128, 27),
        (64, 14),
        (64, 16),
        (64, 19),
        (16, 5),
    )
    assert (fine.needed, fine.patches, coarse.patches) == (finest.path, (16, 7), (16, 16))
    expected = predict_part(head, features, (256, 256), (256, 50))
    for feature, region in zip(features, (finest, fine, middle), strict=False):
        feature[..., region.patches[1] :] = torch.nan
    assert torch.equal(predict_part(head, features, (256, 256), (256, 50)), expected)


@pytest.mark.parametrize(("size", "target"), [(64, 128), (8, 16), (5, 9), (1, 4), (7, 3), (3, 1), (128, 256)])
def test_a_resize_reads_the_rows_that_it_is_said_to_read(size: int, target: int) -> None:
    for needed in range(1, target + 1):
        rows = torch.arange(size, dtype=torch.float64).reshape(1, 1, size, 1).requires_grad_()
        resized = F.interpolate(rows, size=(target, 1), mode="bilinear", align_corners=True)
        resized[:, :, :needed].square().sum().backward()
        assert rows.grad is not None
        read = rows_read(size, target, needed)
        assert not rows.grad[:, :, read:].any()


@torch.no_grad()
@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_parts_of_several_sizes_come_back_in_order(head_type: str) -> None:
    head = make_dpt_head() if head_type == "dpt" else LinearHead(CHANNELS, 2).eval()
    features = make_features((4, 5), batch_size=5, count=4 if head_type == "dpt" else 1)
    sizes = [(64, 80), (9, 80), (64, 80), (64, 11), (9, 80)]
    whole = head(features, (64, 80))
    parts = predict_parts(head, features, (64, 80), sizes)
    assert [tuple(part.shape[-2:]) for part in parts] == sizes
    for part, full in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, full[:, : part.shape[1], : part.shape[2]], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"needed_size must lie within output_size \(64, 80\), got \(65, 80\)"):
        predict_part(head, features, (64, 80), (65, 80))
