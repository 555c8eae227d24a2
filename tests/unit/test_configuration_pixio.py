# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioConfig: the contract's defaults, presets, saving, and refusal of bad values."""

import json

import pytest
import transformers
from transformers import AutoConfig

from pixio_hf import PixioConfig, PixioModel
from pixio_hf.configuration_pixio import PRESETS


def test_defaults_are_the_contract():
    config = PixioConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (1280, 32, 16)
    assert (config.image_size, config.patch_size, config.n_cls_tokens) == (256, 16, 8)
    assert config.decoder_hidden_size == 512
    assert config.decoder_num_hidden_layers == 32
    assert config.decoder_num_attention_heads == 16
    assert (config.mask_ratio, config.mask_grid_size, config.norm_pix_loss) == (0.75, 4, True)
    assert (config.head_type, config.neck_hidden_sizes) == ("dpt", [256, 512, 1024, 1024])
    assert (config.fusion_hidden_size, config.min_depth, config.max_depth) == (256, 1e-3, 10.0)
    assert (config.window_size, config.window_stride) == (None, None)
    assert config.semantic_loss_ignore_index == 255
    assert config.model_type == "pixio"


def test_is_transformers_configuration():
    assert isinstance(PixioConfig(), transformers.PixioConfig)
    assert type(transformers.AutoConfig.for_model("pixio")) is PixioConfig


def test_survives_saving(tmp_path):
    config = PixioConfig(mask_ratio=0.5, head_type="linear", max_depth=80.0, window_size=128, out_indices=[1, 4])
    config.save_pretrained(tmp_path)
    loaded = transformers.AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is PixioConfig
    assert {**loaded.to_dict(), "_name_or_path": ""} == config.to_dict()


def test_official_file_without_our_fields_gets_our_defaults(tmp_path):
    transformers.PixioConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert "decoder_hidden_size" not in saved
    config = PixioConfig.from_pretrained(tmp_path)
    assert (config.hidden_size, config.decoder_hidden_size, config.head_type) == (64, 512, "dpt")


def test_preset_sizes():
    # docs/specification.md 1.2
    expected = {
        "pixio-b16": (768, 12, 12),
        "pixio-l16": (1024, 24, 16),
        "pixio-h16": (1280, 32, 16),
        "pixio-1b16": (1536, 48, 24),
        "pixio-5b16": (3072, 48, 32),
    }
    for name, sizes in expected.items():
        config = PixioConfig.preset(name)
        assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == sizes
        assert (config.image_size, config.n_cls_tokens, config.patch_grid_size) == (256, 8, 16)
    assert set(PRESETS) - set(expected) == {"pixio-tiny"}
    assert PixioConfig.preset("pixio-tiny").patch_grid_size == 8


def test_preset_overrides_leave_the_preset_alone():
    assert PixioConfig.preset("pixio-tiny", max_depth=80.0, num_labels=5).max_depth == 80.0
    assert PixioConfig.preset("pixio-tiny").max_depth == 10.0
    first = PixioConfig.preset("pixio-tiny")
    first.neck_hidden_sizes.append(1)
    assert len(PixioConfig.preset("pixio-tiny").neck_hidden_sizes) == 4


def test_unknown_presets_and_overrides():
    with pytest.raises(ValueError, match=r"pixio-xxl.*pixio-h16"):
        PixioConfig.preset("pixio-xxl")
    with pytest.raises(ValueError, match="maks_ratio"):
        PixioConfig.preset("pixio-tiny", maks_ratio=0.5)


def test_drop_path_grows_linearly():
    config = PixioConfig(num_hidden_layers=5, drop_path_rate=0.4)
    assert config.drop_path_rates() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert PixioConfig(num_hidden_layers=1, drop_path_rate=0.4).drop_path_rates() == [0.0]
    assert PixioConfig(num_hidden_layers=3).drop_path_rates() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"hidden_size": 100, "num_attention_heads": 16}, "multiple of num_attention_heads"),
        ({"image_size": 250}, "multiple of patch_size"),
        ({"image_size": [256, 256]}, "image_size must be one number"),
        ({"patch_size": (16, 16)}, "patch_size must be one number"),
        ({"n_cls_tokens": 0}, "n_cls_tokens"),
        ({"drop_path_rate": 1.0}, "drop_path_rate"),
        ({"hidden_dropout_prob": -0.1}, "hidden_dropout_prob"),
        ({"decoder_hidden_size": 500}, "multiple of decoder_num_attention_heads"),
        ({"decoder_num_hidden_layers": 0}, "decoder_num_hidden_layers"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"mask_ratio": -0.5}, "mask_ratio"),
        ({"mask_grid_size": 0}, "mask_grid_size"),
        ({"head_type": "dtp"}, "head_type must be one of dpt, linear"),
        ({"neck_hidden_sizes": [1, 2, 3]}, "four positive widths"),
        ({"neck_hidden_sizes": [1, 2, 3, 0]}, "four positive widths"),
        ({"fusion_hidden_size": 0}, "fusion_hidden_size"),
        ({"min_depth": 0.0}, "0 < min_depth < max_depth"),
        ({"min_depth": 5.0, "max_depth": 5.0}, "0 < min_depth < max_depth"),
        ({"max_depth": float("inf")}, "max_depth"),
        ({"max_depth": float("nan")}, "max_depth"),
        ({"window_size": 100}, "multiple of patch_size"),
        ({"window_size": 0}, "window_size"),
        ({"window_stride": 16}, "needs a window_size"),
        ({"window_size": 64, "window_stride": 65}, "window_stride"),
        ({"window_size": 64, "window_stride": 0}, "window_stride"),
    ],
)
def test_bad_values(fields, message):
    with pytest.raises(ValueError, match=message):
        PixioConfig(**fields)


@pytest.mark.parametrize("fields", [{"hidden_size": "wide"}, {"norm_pix_loss": "yes"}, {"head_type": 3}])
def test_wrong_types(fields):
    # The dataclass library's own error for a wrong type.
    with pytest.raises(Exception, match=next(iter(fields))):
        PixioConfig(**fields)


def test_integers_serve_as_ratios():
    config = PixioConfig(mask_ratio=0, drop_path_rate=0, max_depth=80)
    assert (config.mask_ratio, config.drop_path_rate, config.max_depth) == (0, 0, 80)


NAN, INFINITY = float("nan"), float("inf")
ABSURD = [
    {"num_hidden_layers": 10**6},
    {"decoder_num_hidden_layers": 10**6},
    {"num_labels": 10**9},
    {"num_labels": -1},
    {"num_labels": True},
    {"hidden_size": "768"},
    {"hidden_size": True},
    {"hidden_size": 768.0},
    {"hidden_size": None},
    {"hidden_size": 10**400},
    {"hidden_size": 65536, "num_hidden_layers": 1000},
    {"decoder_hidden_size": 65536, "decoder_num_hidden_layers": 1000},
    {"num_attention_heads": 0},
    {"mlp_ratio": 10**6},
    {"n_cls_tokens": 10**9},
    {"num_channels": 10**9},
    {"image_size": 10**9},
    {"image_size": 0},
    {"patch_size": 0},
    {"image_size": 16384, "patch_size": 1},
    {"layer_norm_eps": NAN},
    {"layer_norm_eps": INFINITY},
    {"layer_norm_eps": -1e-6},
    {"layer_norm_eps": "1e-6"},
    {"initializer_range": NAN},
    {"drop_path_rate": NAN},
    {"drop_path_rate": True},
    {"hidden_dropout_prob": 1.5},
    {"attention_probs_dropout_prob": "0.1"},
    {"mask_ratio": NAN},
    {"mask_grid_size": -1},
    {"hidden_act": "gleu"},
    {"hidden_act": None},
    {"head_type": ["dpt"]},
    {"neck_hidden_sizes": "abcd"},
    {"neck_hidden_sizes": [1.0, 2.0, 3.0, 4.0]},
    {"neck_hidden_sizes": [10**9] * 4},
    {"fusion_hidden_size": 10**9},
    {"max_depth": "10"},
    {"min_depth": NAN},
    {"window_size": True},
    {"window_size": 16 * 10**12},
    {"projection_size": 10**9},
    {"semantic_loss_ignore_index": "x"},
    {"qkv_bias": "yes"},
    {"apply_layernorm": 1},
    {"id2label": ["cat"]},
    {"out_features": "stage1"},
    {"out_indices": ["a"]},
    {"dtype": "float99"},
    {"problem_type": "guess"},
    {"stage_names": 5},
    {"per_layer_config": 5},
]


@pytest.mark.parametrize("fields", ABSURD, ids=lambda fields: f"{next(iter(fields))}-{str(fields)[:40]}")
def test_absurd_values_are_refused_everywhere(tmp_path, fields):
    names = "|".join(fields)
    with pytest.raises(ValueError, match=names) as error:
        PixioConfig(**fields)
    assert len(str(error.value)) < 300
    PixioConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=names):
        PixioConfig.from_pretrained(tmp_path, **fields)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, **fields}))
    for load in (PixioConfig.from_pretrained, AutoConfig.from_pretrained, PixioModel.from_pretrained):
        with pytest.raises(ValueError, match=names):
            load(tmp_path)


@pytest.mark.parametrize("depth", [50, 900, 100_000])
@pytest.mark.parametrize("brackets", [('{"a":', "}"), ("[", "]")])
def test_deeply_nested_files_are_refused(tmp_path, depth, brackets):
    deep = brackets[0] * depth + "1" + brackets[1] * depth
    (tmp_path / "config.json").write_text(f'{{"model_type": "pixio", "deep": {deep}}}')
    for load in (PixioConfig.from_pretrained, PixioModel.from_pretrained):
        with pytest.raises(ValueError, match="nested too deeply"):
            load(tmp_path)


def test_fields_are_checked_when_they_are_set():
    config = PixioConfig()
    with pytest.raises(ValueError, match="num_hidden_layers must be at most 1000"):
        config.num_hidden_layers = 10**6
    with pytest.raises(ValueError, match="num_labels must be at most"):
        config.num_labels = 10**9
    assert (config.num_hidden_layers, config.num_labels) == (32, 2)
