# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of encoder tensors on disk: all spellings that are read, and the one that is written.

Three spellings of Pixio exist: the official Hub's (`encoder.layer.0.attention.attention.query`, `.mlp.fc1`), what
transformers 5.23 writes (`.intermediate.dense`, `.output.dense`) and its in-memory names (`layers.0.attention.q_proj`).
All load; only the official one is written, because every transformers >= 5.0 reads it. transformers skips its own table
for classes from outside the library, so that each layer would silently stay random. Our models therefore load with
`encoder_spellings` and save with `encoder_key_mapping`; transformers' own Pixio classes stay as they are.
"""

import re
from collections.abc import Iterable
from typing import Any

from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)
from transformers.core_model_loading import WeightRenaming

# Parts of an encoder in memory; then parts of pre-training and distillation models, and heads of task models.
ENCODER_PARTS = ("embeddings.", "layers.", "layernorm.")
FAMILY_PARTS = ("decoder", "projection")
HEAD_PARTS = ("head", "classifier")

# A name must start the key or follow a dot; otherwise `resize_layers.0` would match `layers.0`.
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
    """Raise if loading left encoder weights random or encoder tensors unread; transformers reports other keys.

    Args:
        prefix: of the encoder's names in memory: "" in an encoder, "pixio." in a larger model.

    Raises:
        ValueError: names the first few keys.
    """
    encoder_parts = tuple(f"{prefix}{part}" for part in ENCODER_PARTS)
    unread_parts = (*encoder_parts, *ENCODER_PARTS, "pixio.")
    missing = sorted(key for key in missing_keys if key.startswith(encoder_parts))
    unread = sorted(key for key in unexpected_keys if key.startswith(unread_parts))
    for keys, problem in ((missing, "lacks encoder weights"), (unread, "holds encoder weights that the model lacks")):
        if keys:
            shown = ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
            raise ValueError(
                f"The checkpoint {str(source)!r} {problem}: {shown}. Is it a Pixio checkpoint of this size, and complete?"
                " Pass allow_incomplete_encoder=True to load it all the same."
            )


def check_encoder_sizes(prefix: str, mismatched_keys: Iterable[Any], source: Any) -> None:
    """Raise if encoder weights, or a decoder's positions, differ in shape between checkpoint and model.

    Args:
        prefix: as in check_encoder_keys.
        mismatched_keys: (name in memory, stored shape, shape in the model) each.

    Raises:
        ValueError: names the first few weights and their shapes.
    """
    parts = tuple(f"{prefix}{part}" for part in ENCODER_PARTS)
    wrong = sorted(
        (key, tuple(stored), tuple(wanted))
        for key, stored, wanted in mismatched_keys
        if key.startswith(parts) or (key.endswith("position_embeddings") and stored[-1] == wanted[-1])
    )
    if wrong:
        shown = "; ".join(
            f"{key} is {stored} in the checkpoint, {wanted} in the model" for key, stored, wanted in wrong[:3]
        )
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(
            f"Encoder weights of {str(source)!r} have another shape than the configuration asks for, and would be left at"
            f" random values: {shown}{more}. ignore_mismatched_sizes=True is for heads; leave hidden_size, patch_size,"
            " num_channels and the like as stored. image_size need not be set: images of any size can be given."
        )


class SpellingRename(WeightRenaming):
    """Renaming that reads several spellings of a name and writes one: transformers reverses it to save."""

    __slots__ = ("written",)

    def __init__(self, source_patterns, target_patterns, written: str):
        super().__init__(source_patterns=source_patterns, target_patterns=target_patterns)
        self.written = written

    def reverse_transform(self) -> WeightRenaming:
        name = self._original_target_patterns[0].replace(".", r"\.")
        following = r"(?=\d)" if self.written == "encoder.layer." else ""
        return WeightRenaming(source_patterns=START + name + following, target_patterns=self.written)


def encoder_spellings() -> dict[str, str]:
    """Pattern of the spellings of a name -> name in memory, as `from_pretrained(key_mapping=...)` takes them."""
    return {read: in_memory for read, in_memory, _ in ENCODER_NAMES}


def encoder_key_mapping() -> list[SpellingRename]:
    """The renames of ENCODER_NAMES as transformers' weight transforms, which write the official names."""
    return [SpellingRename(read, in_memory, written) for read, in_memory, written in ENCODER_NAMES]


def register_key_mapping() -> None:
    """Make transformers apply its own table for "pixio" to our classes too; safe to call again.

    Needed if one of our models is part of another, such as the backbone of UperNet. The table itself stays as it is,
    so that transformers' own Pixio models, and models around them, load and save as in a process without this package.
    """
    mapping = get_checkpoint_conversion_mapping("pixio")
    if mapping is not None:
        register_checkpoint_conversion_mapping("pixio", mapping, overwrite=True)
