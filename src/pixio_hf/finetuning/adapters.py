# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Low-rank adapters (LoRA) in a frozen encoder, through peft."""

from collections.abc import Sequence
from typing import Any

from torch import nn


def add_lora(
    model: nn.Module, rank: int, alpha: float | None = None, targets: Sequence[str] = ("q_proj", "v_proj")
) -> Any:
    """A `peft.PeftModel` around a model with encoder `pixio`: its adapters and everything beside the encoder are trained.

    Args:
        alpha: the adapters' scale times their rank; None: twice the rank.
        targets: names of the encoder's linears that get one.

    Raises:
        ValueError: peft is not installed, or no linear has such a name.
    """
    try:
        import peft
    except ImportError as error:
        raise ValueError("LoRA needs peft: pip install 'pixio-hf[train]'.") from error
    present = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if unknown := sorted(set(targets) - present):
        raise ValueError(
            f"No linear of the encoder is called {', '.join(unknown)}; there are {', '.join(sorted(present))}."
        )
    heads = [name for name, _ in model.named_children() if name != "pixio"]
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha or 2 * rank,  # pyright: ignore[reportArgumentType]
        target_modules=list(targets),
        modules_to_save=heads,
    )
    return peft.get_peft_model(model, config)  # pyright: ignore[reportArgumentType]
