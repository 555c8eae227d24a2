# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What this package relies on inside transformers. A release that moves one of these fails here, by name."""

import inspect

import pytest
import transformers
from transformers import core_model_loading, modeling_utils
from transformers.models.pixio import modeling_pixio as upstream
from transformers.utils import hub

from tests.tiny_models import tiny_config

VERSION = f"transformers {transformers.__version__}"
BLOCK_MODULES = {
    "attention",
    "attention.q_proj",
    "attention.k_proj",
    "attention.v_proj",
    "attention.o_proj",
    "layernorm_before",
    "layernorm_after",
    "mlp.fc1",
    "mlp.fc2",
    "drop_path",
    "dropout",
}


@pytest.mark.parametrize(
    "name",
    [
        "PixioModel",
        "PixioBackbone",
        "PixioPreTrainedModel",
        "PixioEmbeddings",
        "PixioLayer",
        "PixioAttention",
        "PixioDropPath",
    ],
)
def test_classes_that_ours_extend(name):
    assert hasattr(upstream, name), f"{VERSION} has no {name} any more: modeling_pixio.py builds on it"


def test_names_inside_a_block():
    names = {name for name, _ in upstream.PixioLayer(tiny_config(drop_path_rate=0.1)).named_modules()}
    missing = BLOCK_MODULES - names
    assert not missing, f"{VERSION} renamed {sorted(missing)} of PixioLayer: checkpoint_names.py maps to these names"


def test_names_of_the_embeddings():
    names = {name for name, _ in upstream.PixioEmbeddings(tiny_config()).named_parameters()}
    expected = {
        "cls_token",
        "position_embeddings",
        "patch_embeddings.projection.weight",
        "patch_embeddings.projection.bias",
    }
    assert names == expected, f"{VERSION} changed the parameters of PixioEmbeddings to {sorted(names)}"


def test_renaming_can_be_extended():
    renaming = core_model_loading.WeightRenaming
    for method, arguments in (
        ("reverse_transform", ["self"]),
        ("copy", ["self", "source_patterns", "target_patterns"]),
    ):
        if method == "copy" and not hasattr(renaming, method):
            continue  # transformers before 5.21 never copies a renaming
        found = list(inspect.signature(getattr(renaming, method)).parameters)[: len(arguments)]
        assert found == arguments, f"{VERSION} changed WeightRenaming.{method}: SpellingRename overrides it"


def test_functions_that_short_names_go_through():
    for module, name, first in (
        (hub, "cached_files", ["path_or_repo_id", "filenames"]),
        (hub, "cached_file", ["path_or_repo_id", "filename"]),
        (hub, "has_file", ["path_or_repo", "filename"]),
        (hub, "resolve_revision", ["path_or_repo_id", "revision"]),
        (modeling_utils, "has_file", ["path_or_repo", "filename"]),
    ):
        assert hasattr(module, name), (
            f"{VERSION} has no {module.__name__}.{name} any more: short_names.py relies on it"
        )
        found = list(inspect.signature(getattr(module, name)).parameters)[: len(first)]
        assert found == first, f"{VERSION} changed {module.__name__}.{name}: short_names.py relies on it"
    for function, used in (
        (hub.cached_file, "cached_files"),
        (hub.get_checkpoint_shard_files, "cached_files"),
        (hub.hf_api, "HfApi"),
        (hub.resolve_revision, "hf_api"),
    ):
        message = f"{VERSION}: {function.__name__} no longer calls {used}, which short_names.py replaces"
        assert used in function.__code__.co_names, message
    assert type(hub.hf_api()).__name__ == "ShortNameApi", f"{VERSION} shares another client than hub._hf_api"
