# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of dense head weights: the original state dict's and ours, one to one in both directions (SPEC 5.2, 5.3)."""


def _pair_dpt_modules() -> list[tuple[str, str]]:
    pairs = [(f"head.projects.{level}", f"head.projections.{level}") for level in range(4)]
    # Index 2 is the level that keeps its size and has no weights.
    pairs += [(f"head.resize_layers.{level}", f"head.resamplers.{level}") for level in (0, 1, 3)]
    # The original counts levels from 1.
    for level in range(4):
        original, ours = f"head.scratch.refinenet{level + 1}", f"head.fusions.{level}"
        pairs.append((f"head.scratch.layer{level + 1}_rn", f"head.lateral_convs.{level}"))
        pairs.append((f"{original}.out_conv", f"{ours}.out_conv"))
        pairs += [
            (
                f"{original}.resConfUnit{unit}.conv{conv}",
                f"{ours}.residual_unit{unit}.conv{conv}",
            )
            for unit in (1, 2)
            for conv in (1, 2)
        ]
    # Index 1 is the rectifier between the two.
    pairs += [(f"head.scratch.output_conv.{index}", f"head.output_convs.{index}") for index in (0, 2)]
    return pairs


DPT_HEAD_RENAMES: tuple[tuple[str, str], ...] = tuple(_pair_dpt_modules())
LINEAR_HEAD_RENAMES: tuple[tuple[str, str], ...] = (
    ("head.0", "head.batch_norm"),
    ("head.1", "head.projection"),
)
# (original module, our module): whole module paths, so that no name can be the beginning of another.
HEAD_RENAMES: tuple[tuple[str, str], ...] = DPT_HEAD_RENAMES + LINEAR_HEAD_RENAMES

_FROM_REFERENCE = dict(HEAD_RENAMES)
_TO_REFERENCE = {ours: original for original, ours in HEAD_RENAMES}


def rename_head_key_from_reference(key: str) -> str:
    """Our name of an original head weight: `head.projects.0.bias` -> `head.projections.0.bias`.

    ValueError for anything but a DPT or linear head weight.
    """
    return _rename(key, _FROM_REFERENCE, "an original")


def rename_head_key_to_reference(key: str) -> str:
    """The original name of one of our head weights: `head.projections.0.bias` -> `head.projects.0.bias`.

    ValueError for anything but a DPT or linear head weight.
    """
    return _rename(key, _TO_REFERENCE, "a pixio_hf")


def _rename(key: str, modules: dict[str, str], naming: str) -> str:
    module, _, tensor = key.rpartition(".")
    if module not in modules:
        raise ValueError(f"{key!r} is not the name of a DPT or linear head weight in {naming} state dict.")
    return f"{modules[module]}.{tensor}"
