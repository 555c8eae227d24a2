# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Configurations from the shapes of checkpoints, presets, training arguments and overrides."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pixio_hf import (
    PixioConfig,
    PixioForDepthEstimation,
    PixioForPreTraining,
    PixioForSemanticSegmentation,
    PixioModel,
)
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.configuration_pixio import PRESETS
from pixio_hf.conversion.key_mapping import reference_to_hub_state
from pixio_hf.conversion.reading import StoredWeights
from pixio_hf.conversion.recognition import recognize_model
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from pixio_hf.safetensors_files import StoredTensor
from tests.source_files import HEADS, meta_state, random_state


def open_state(state: dict[str, torch.Tensor], **arguments: Any) -> StoredWeights:
    """Weights as read_weights returns them, without a file."""
    return StoredWeights(
        path=Path("source.pth"),
        file_format="torch",
        stored={name: StoredTensor(tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()},
        load=lambda: state,
        training_state={"args": arguments},
    )


def open_meta(sizes: dict[str, Any], kind: str = "encoder") -> StoredWeights:
    """Weights of any size, without values."""
    return open_state(meta_state(kind, **{"n_cls_tokens": 8, "patch_size": 16, "mlp_ratio": 4, **sizes}))


def recognize_config(source: StoredWeights, **options: Any) -> PixioConfig:
    return recognize_model(source, **options).config


@pytest.mark.parametrize(
    ("kind", "model_class", "sizes"),
    [
        ("encoder", PixioModel, {}),
        ("pretraining", PixioForPreTraining, {}),
        ("distilled", PixioForDistillation, {}),
        ("depth", PixioForDepthEstimation, {"head_type": "dpt", "num_hidden_layers": 4}),
        ("depth", PixioForDepthEstimation, {"head_type": "linear"}),
        ("segmentation", PixioForSemanticSegmentation, {"head_type": "dpt", "num_labels": 5, "num_hidden_layers": 4}),
        ("segmentation", PixioForSemanticSegmentation, {"head_type": "linear", "num_labels": 5}),
    ],
)
def test_the_model_of_the_configuration_has_exactly_these_weights(kind, model_class, sizes):
    state = random_state(kind, **sizes)
    config = recognize_config(open_state(state), overrides=HEADS)
    assert config.architectures == [model_class.__name__]
    expected = {hub_to_memory_name(name): tensor.shape for name, tensor in reference_to_hub_state(state).items()}
    with torch.device("meta"):
        model = model_class(config)
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == expected


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("is_named", [True, False], ids=["named", "found"])
def test_presets_are_recognised(preset, is_named):
    image_size = PRESETS[preset].get("image_size", 256)
    source = open_meta({**PRESETS[preset], "image_size": image_size})
    config = recognize_config(source, preset=preset if is_named else None)
    expected = PixioConfig.preset(preset)
    expected.architectures = ["PixioModel"]
    assert config.to_dict() == expected.to_dict()


def test_another_image_size_keeps_the_heads_of_the_preset():
    config = recognize_config(open_meta({**PRESETS["pixio-b16"], "image_size": 512}))
    assert (config.image_size, config.num_attention_heads) == (512, 12)


def test_heads_are_never_guessed():
    source = open_state(random_state("pretraining"))
    both = (
        r"width 4 and 2 blocks, or a decoder of width 2 .*`--set num_attention_heads=\.\.\.` and `--set decoder_num_a"
    )
    for overrides, message in (
        (None, both),
        ({"num_attention_heads": 2}, r"no preset has a decoder.*`--set decoder_num_attention_heads=\.\.\.`"),
        ({"decoder_num_attention_heads": 2}, r"no preset has width 4.*`--set num_attention_heads=\.\.\.`\."),
    ):
        with pytest.raises(ValueError, match=message):
            recognize_config(source, overrides=overrides)
    paper = open_meta(
        {**PRESETS["pixio-h16"], "decoder_hidden_size": 512, "decoder_num_hidden_layers": 32, "image_size": 256},
        "pretraining",
    )
    assert recognize_config(paper).decoder_num_attention_heads == 16


def test_training_arguments_of_a_pretraining_file():
    state = random_state("pretraining")
    source = open_state(state, mask_ratio=0.5, mask_grid=1, norm_pix_loss=False, batch_size=64)
    config = recognize_config(source, overrides=HEADS)
    assert (config.mask_ratio, config.mask_grid_size, config.norm_pix_loss) == (0.5, 1, False)
    assert recognize_config(source, overrides={**HEADS, "mask_ratio": 0.25}).mask_ratio == 0.25
    bare = recognize_config(open_state(state), overrides=HEADS)
    assert (bare.mask_ratio, bare.mask_grid_size, bare.norm_pix_loss) == (0.75, 4, True)
    with pytest.raises(ValueError, match=r"source\.pth: no configuration has these values.*mask_ratio"):
        recognize_config(open_state(state, mask_ratio="half"), overrides=HEADS)


def test_labels_of_a_segmentation_model():
    source = open_state(random_state("segmentation", num_labels=3))
    names = {0: "sky", 1: "road", 2: "tree"}
    config = recognize_config(source, overrides={**HEADS, "id2label": names})
    assert (config.num_labels, config.id2label) == (3, names)
    with pytest.raises(ValueError, match="has 3 classes, but id2label names 2"):
        recognize_config(source, overrides={**HEADS, "id2label": {0: "sky", 1: "road"}})


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("pixio-b17", {}, "Unknown preset 'pixio-b17'; choose one of pixio-b16"),
        (
            "pixio-b16",
            {},
            r"contradicts the preset pixio-b16: hidden_size 768 \(the weights say 4\), num_hidden_layers",
        ),
        (None, {**HEADS, "n_cls_tokens": 8}, r"contradicts what you set: n_cls_tokens 8 \(the weights say 2\)"),
        (None, {**HEADS, "hidden_sise": 4}, "Unknown configuration fields: hidden_sise"),
        (None, {"num_attention_heads": 3}, "hidden_size 4 must be a multiple of num_attention_heads 3"),
        (None, {"num_attention_heads": "2"}, "no configuration has these values.*num_attention_heads"),
    ],
)
def test_contradictions_and_unknown_fields(preset, overrides, message):
    with pytest.raises(ValueError, match=message):
        recognize_config(open_state(random_state()), preset=preset, overrides=overrides)
