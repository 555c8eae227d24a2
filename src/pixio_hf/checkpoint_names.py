# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of encoder tensors on disk: every spelling that is read, and the one that is written.

Three spellings of Pixio exist: the official Hub's (`encoder.layer.0.attention.attention.query`, `.mlp.fc1`), what
transformers 5.23 writes (`.intermediate.dense`, `.output.dense`) and its in-memory names (`layers.0.attention.q_proj`).
All load; only the official one is written, because every transformers >= 5.0 reads it. transformers skips its own table
for classes from outside the library, so that each layer would silently stay random: `register_key_mapping` hands it ours.
"""

import re
from typing import Any

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming

# A name starts the key or follows a dot; without this, `resize_layers.0` would count as `layers.0`.
START = r"(?<![^.])"

# (spellings that are read, name in memory, spelling that is written)
ENCODER_NAMES = (
    (START + r"(?:encoder\.layer|layers)\.(?=\d)", "layers.", "encoder.layer."),
    (START + r"attention\.(?:attention\.query|q_proj)\.", "attention.q_proj.", "attention.attention.query."),
    (START + r"attention\.(?:attention\.key|k_proj)\.", "attention.k_proj.", "attention.attention.key."),
    (START + r"attention\.(?:attention\.value|v_proj)\.", "attention.v_proj.", "attention.attention.value."),
    (START + r"attention\.(?:output\.dense|o_proj)\.", "attention.o_proj.", "attention.output.dense."),
    (START + r"(?:intermediate\.dense|mlp\.fc1)\.", "mlp.fc1.", "mlp.fc1."),
    (START + r"(?<!attention\.)(?:output\.dense|mlp\.fc2)\.", "mlp.fc2.", "mlp.fc2."),
    (START + r"(?:norm1|layernorm_before)\.", "layernorm_before.", "norm1."),
    (START + r"(?:norm2|layernorm_after)\.", "layernorm_after.", "norm2."),
)


def hub_to_memory_name(key: str) -> str:
    """Name in memory of a tensor stored in any accepted spelling.

    `encoder.layer.0.norm1.bias` -> `layers.0.layernorm_before.bias`
    """
    for read, in_memory, _ in ENCODER_NAMES:
        key = re.sub(read, in_memory, key)
    return key


def memory_to_hub_name(key: str) -> str:
    """Official name of a tensor in memory: `layers.0.layernorm_before.bias` -> `encoder.layer.0.norm1.bias`."""
    for _, in_memory, written in ENCODER_NAMES:
        following = r"(?=\d)" if in_memory == "layers." else ""
        key = re.sub(START + re.escape(in_memory) + following, written, key)
    return key


def check_encoder_keys(prefix: str, missing_keys: Any, unexpected_keys: Any, source: Any) -> None:
    """Raise where loading left encoder weights random or encoder tensors unread; other keys are transformers' to report.

    Args:
        prefix: what stands before the encoder's names in memory: "" in an encoder, "pixio." in a larger model.

    Raises:
        ValueError: names the first few keys.
    """
    encoder_parts = tuple(f"{prefix}{part}" for part in ("embeddings.", "layers.", "layernorm."))
    unread_parts = (*encoder_parts, "embeddings.", "layers.", "layernorm.", "pixio.")
    missing = sorted(key for key in missing_keys if key.startswith(encoder_parts))
    unread = sorted(key for key in unexpected_keys if key.startswith(unread_parts))
    for keys, problem in ((missing, "lacks encoder weights"), (unread, "holds encoder weights that the model lacks")):
        if keys:
            shown = ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
            raise ValueError(
                f"The checkpoint {str(source)!r} {problem}: {shown}. Is it a Pixio checkpoint of this size, and complete?"
                " Pass allow_incomplete_encoder=True to load it all the same."
            )


class SpellingRename(WeightRenaming):
    """Renaming that reads several spellings of a name and writes back one of them.

    transformers reverses on saving only those renames that matched on loading, to the spelling that was read. As a
    pattern here matches the in-memory spelling too, it always counts as used, and always reverses to `written`.
    """

    __slots__ = ("written",)

    def __init__(self, source_patterns, target_patterns, written: str | None = None):
        super().__init__(source_patterns=source_patterns, target_patterns=target_patterns)
        self.written = written

    def reverse_transform(self):
        assert self.written is not None
        name = self._original_target_patterns[0].replace(".", r"\.")
        following = r"(?=\d)" if self.written == "encoder.layer." else ""
        # Not by `copy`, which transformers has from 5.21 on.
        reverse = WeightRenaming(START + name + following, self.written)
        reverse.scope_prefix, reverse.base_model_prefix = self.scope_prefix, self.base_model_prefix
        return reverse

    def copy(self, source_patterns, target_patterns, **kwargs):
        copy = super().copy(source_patterns, target_patterns, **kwargs)  # called by transformers, where it has it
        copy.written = self.written
        return copy


def encoder_key_mapping() -> list[SpellingRename]:
    """The renames of ENCODER_NAMES as transformers' weight transforms, fresh ones at each call."""
    return [SpellingRename(read, in_memory, written) for read, in_memory, written in ENCODER_NAMES]


def register_key_mapping() -> None:
    """Make transformers apply the mapping when it loads and saves models of type "pixio"; safe to call again."""
    register_checkpoint_conversion_mapping("pixio", encoder_key_mapping(), overwrite=True)  # pyright: ignore[reportArgumentType]
