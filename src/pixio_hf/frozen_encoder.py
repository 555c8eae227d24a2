# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Freeze the encoder under a head: no gradients, and eval mode even if the head is in training mode.

See docs/specification.md 5.1.
"""

from torch import nn


class FreezableEncoder(nn.Module):
    """Mixin for models whose encoder is the submodule `encoder_name`."""

    encoder_name = "pixio"
    encoder_is_frozen = False

    def freeze_encoder(self) -> None:
        """Exclude the encoder from training and keep it in eval mode, as the paper's evaluations do.

        See docs/specification.md 5.1.
        """
        self.encoder_is_frozen = True
        self.get_submodule(self.encoder_name).requires_grad_(False).eval()

    def train(self, mode: bool = True):
        """Switch to training mode; a frozen encoder stays in eval mode."""
        super().train(mode)
        if self.encoder_is_frozen:
            self.get_submodule(self.encoder_name).eval()
        return self
