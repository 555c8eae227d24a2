# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The original's own checkpoint files (docs/specification.md 3.6): read, recognised, and computing what they should."""

import argparse
from typing import Any

import pytest
import torch

from pixio_hf import PixioModel
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.reading import read_weights
from pixio_hf.conversion.recognition import recognize_model
from tests.golden import GOLDEN_DIR, load_case
from tests.tiny_models import assert_same_state

pytestmark = pytest.mark.parity

HEADS = {"num_attention_heads": 4, "decoder_num_attention_heads": 4}
# file, kind, golden outputs, group of the manifest's sizes
FILES = (
    ("pixio_tiny.pth", "encoder", "bare", "encoder"),
    ("pretrain_tiny.pth", "pretraining", "pretrain", "encoder"),
    ("distill_student_tiny.pth", "distilled", "student", "student"),
)


def load_directly(file: str) -> dict[str, Any]:
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(GOLDEN_DIR / file, weights_only=True)


@pytest.mark.parametrize(("file", "kind", "outputs", "group"), FILES)
def test_original_files(file, kind, outputs, group):
    case = load_case("checkpoints")
    weights = read_weights(GOLDEN_DIR / file)
    source = recognize_model(weights, overrides=HEADS)
    assert (source.kind, source.naming, source.prefix, source.ignored_keys) == (kind, "original", "", ())
    content = load_directly(file)
    assert_same_state(dict(weights.load()), content.get("model", content))
    if "args" in content:
        assert weights.training_state == {"epoch": content["epoch"], "args": vars(content["args"])}

    config = source.config
    expected = case.config[group]
    assert config.image_size == expected["img_size"]
    assert config.patch_size == expected["patch_size"]
    assert (config.hidden_size, config.num_hidden_layers) == (expected["embed_dim"], expected["depth"])
    assert (config.n_cls_tokens, config.mlp_ratio) == (expected["n_cls_tokens"], expected["mlp_ratio"])
    if kind == "pretraining":
        decoder = case.config["decoder"]
        assert config.decoder_hidden_size == decoder["decoder_embed_dim"]
        assert config.decoder_num_hidden_layers == decoder["decoder_depth"]
        assert (config.mask_ratio, config.mask_grid_size, config.norm_pix_loss) == (0.75, 1, True)

    hub = source.load(weights)
    beside = ("decoder.", "projection.")
    model = PixioModel(config).eval()
    model.load_state_dict(
        {hub_to_memory_name(k.removeprefix("pixio.")): v for k, v in hub.items() if not k.startswith(beside)}
    )
    with torch.inference_mode():
        tokens = model(case.tensors["images"]).last_hidden_state
    case.assert_close(f"{outputs}.cls_tokens_norm", tokens[:, : config.n_cls_tokens])
    case.assert_close(f"{outputs}.patch_tokens_norm", tokens[:, config.n_cls_tokens :])
