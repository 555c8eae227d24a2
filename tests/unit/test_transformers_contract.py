# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What this package relies on inside transformers. A release that moves one of these fails here, by name."""

import inspect

import pytest
import torch
import transformers
from huggingface_hub import errors
from transformers import PreTrainedModel, conversion_mapping, core_model_loading, modeling_utils
from transformers.models.auto import auto_factory, modeling_auto
from transformers.models.pixio import modeling_pixio as upstream
from transformers.utils import hub

from pixio_hf.checkpoint_names import encoder_key_mapping
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
    found = list(inspect.signature(core_model_loading.WeightRenaming.reverse_transform).parameters)
    assert found == ["self"], f"{VERSION} changed WeightRenaming.reverse_transform: SpellingRename overrides it"
    renames = encoder_key_mapping()
    assert all(hasattr(rename, "_original_target_patterns") for rename in renames), (
        f"{VERSION}: SpellingRename reads it"
    )


def test_saving_reverses_what_the_class_states():
    source = inspect.getsource(core_model_loading.revert_weight_conversion)
    assert "_weight_conversions" in source, (
        f"{VERSION} no longer saves by _weight_conversions: modeling_pixio.py sets it"
    )


def test_loading_takes_a_key_mapping_and_lets_models_adjust_its_report():
    loading = inspect.getsource(PreTrainedModel.from_pretrained)
    for name in ("key_mapping", "dtype", "output_loading_info"):
        assert f'"{name}"' in loading, f"{VERSION}: from_pretrained no longer takes {name}"
    adjust = "_adjust_missing_and_unexpected_keys"
    assert list(inspect.signature(getattr(PreTrainedModel, adjust)).parameters) == ["self", "loading_info"]
    assert f"{adjust}(" in inspect.getsource(PreTrainedModel._finalize_model_loading), (
        f"{VERSION} does not call {adjust}"
    )


def test_building_from_a_configuration_has_one_door():
    assert "config" in inspect.signature(PreTrainedModel._from_config).parameters, f"{VERSION}: _from_config moved"
    assert "_from_config(" in inspect.getsource(auto_factory._BaseAutoModelClass.from_config)


def test_wrappers_look_up_our_classes_where_a_mapping_is_registered():
    assert "pixio" in conversion_mapping.USER_REGISTERED_MAPPINGS, f"{VERSION}: register_key_mapping has no effect"
    assert conversion_mapping.get_checkpoint_conversion_mapping("pixio"), (
        f"{VERSION} has no mapping for pixio any more"
    )


def test_table_of_names_of_the_segmentation_pipeline():
    names = modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
    assert names["pixio_hf"] == "PixioForSemanticSegmentation", f"{VERSION}: registration.py writes to this table"


def test_attention_returns_its_maps_and_layers_tell_of_checkpointing():
    attention = upstream.PixioAttention(tiny_config())
    attention.config._attn_implementation = "eager"
    _, maps = attention(torch.randn(1, 5, 32))
    assert maps.shape == (1, 4, 5, 5), f"{VERSION}: PixioAttention no longer returns (output, maps)"
    assert upstream.PixioLayer.gradient_checkpointing is False, f"{VERSION}: prepare_checkpointing reads this flag"


def test_strict_dataclass_errors_have_one_base():
    assert issubclass(errors.StrictDataclassFieldValidationError, errors.StrictDataclassError)


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
