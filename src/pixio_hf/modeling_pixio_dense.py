# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForDepthEstimation: DPT or linear head over the encoder, metres out (SPEC 5)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling, DepthEstimatorOutput
from transformers.utils.generic import can_return_tuple

from .configuration_pixio import PixioConfig
from .heads import DPTHead, LinearHead, concat_class_mean, dpt_tap_blocks, initialize_head_module
from .losses import silog_loss
from .modeling_pixio import PixioModel, PixioPreTrainedModel
from .sliding_window import predict_sliding_window


class PixioDensePreTrainedModel(PixioPreTrainedModel):
    """Encoder and dense head shared by the dense tasks; subclasses turn logits into their task's output."""

    # Losses are means over pixels: Trainer must not divide them by num_items_in_batch.
    accepts_loss_kwargs = False

    def __init__(self, config: PixioConfig, num_labels: int):
        super().__init__(config)
        self.pixio = PixioModel(config)
        channels = 2 * config.hidden_size  # patch tokens beside the mean class token (SPEC 5.1)
        if config.head_type == "dpt":
            self.tapped_blocks = dpt_tap_blocks(config.num_hidden_layers)
            self.head = DPTHead(channels, config.neck_hidden_sizes, config.fusion_hidden_size, num_labels)
        else:
            self.tapped_blocks = (config.num_hidden_layers - 1,)
            self.head = LinearHead(channels, num_labels)
        self.encoder_is_frozen = False
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        # The encoder, a model of its own, is initialised by its own class.
        if not initialize_head_module(module):
            super()._init_weights(module)

    def freeze_encoder(self) -> None:
        """Exclude the encoder from training and keep it in eval mode, as the paper's dense evaluations do (SPEC 5.1)."""
        self.encoder_is_frozen = True
        self.pixio.requires_grad_(False)
        self.pixio.eval()

    def train(self, mode: bool = True):
        """Switch to training mode, but for a frozen encoder."""
        super().train(mode)
        if self.encoder_is_frozen:
            self.pixio.eval()
        return self

    @property
    def predicts_in_windows(self) -> bool:
        """Whether a forward pass goes window by window: with a window size, outside training."""
        return self.config.window_size is not None and not self.training

    def predict_logits(self, pixel_values: Tensor, **kwargs) -> tuple[Tensor, BaseModelOutputWithPooling]:
        """Encode and apply the head: (B, C, H, W) -> float32 logits (B, num_labels, H, W) and the encoder's output."""
        outputs = self.pixio(pixel_values, **{**kwargs, "output_hidden_states": True})
        height, width = pixel_values.shape[-2:]
        grid = (height // self.config.patch_size, width // self.config.patch_size)
        n_cls_tokens = self.config.n_cls_tokens
        features = []
        for block in self.tapped_blocks:
            tokens = self.pixio.layernorm(outputs.hidden_states[block + 1])  # [0] is the embedding
            features.append(concat_class_mean(tokens[:, n_cls_tokens:], tokens[:, :n_cls_tokens], grid))
        return self.head(features, (height, width)).float(), outputs

    def predict_maps(
        self, pixel_values: Tensor, activation: Callable[[Tensor], Tensor], **kwargs
    ) -> tuple[Tensor, BaseModelOutputWithPooling | None]:
        """Activated predictions (B, num_labels, H, W), in windows where the configuration and eval mode ask for it.

        Overlapping windows are averaged after the activation (SPEC 5.6); no encoder output belongs to them.
        """
        if not self.predicts_in_windows:
            logits, outputs = self.predict_logits(pixel_values, **kwargs)
            return activation(logits), outputs

        def predict_window(windows: Tensor) -> Tensor:
            return activation(self.predict_logits(windows)[0])

        window_size = self.config.window_size
        assert window_size is not None
        maps = predict_sliding_window(predict_window, pixel_values, window_size, self.config.window_stride)
        return maps, None


class PixioForDepthEstimation(PixioDensePreTrainedModel):
    """Metric depth from one image: (B, 3, H, W) -> predicted_depth (B, H, W) in metres (SPEC 5)."""

    def __init__(self, config: PixioConfig):
        super().__init__(config, num_labels=1)

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor | None = None, labels: Tensor | None = None, **kwargs
    ) -> DepthEstimatorOutput:
        """Predict depth, and compare it with labels where given.

        Args:
            pixel_values: normalised images (B, C, H, W); sides are multiples of the patch size, of any size in windows.
            labels: (B, H, W) metres; pixels that are 0, NaN or outside [min_depth, max_depth] are ignored.

        Returns:
            DepthEstimatorOutput: SiLog loss (SPEC 5.4), predicted_depth (B, H, W) in metres and float32, the encoder's
            hidden_states and attentions on request (not in windows).

        Raises:
            ValueError: wrong shapes of images or labels, or hidden states asked for in windowed prediction.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        config = self.config
        wanted = {
            name: value if (value := kwargs.get(name)) is not None else getattr(config, name)
            for name in ("output_hidden_states", "output_attentions")
        }
        if labels is not None and labels.shape != (pixel_values.shape[0], *pixel_values.shape[-2:]):
            raise ValueError(
                f"labels must have shape {(pixel_values.shape[0], *pixel_values.shape[-2:])}, the depth of every pixel in"
                f" metres, got {tuple(labels.shape)}."
            )
        if self.predicts_in_windows and any(wanted.values()):
            raise ValueError(
                "Hidden states and attentions do not exist for windowed prediction; set config.window_size = None."
            )
        relative_depth, outputs = self.predict_maps(pixel_values, torch.sigmoid, **kwargs)
        predicted_depth = config.max_depth * relative_depth.squeeze(1)
        loss = None
        if labels is not None:
            loss = silog_loss(predicted_depth, labels.to(predicted_depth), config.min_depth, config.max_depth)
        return DepthEstimatorOutput(
            loss=loss,
            predicted_depth=predicted_depth,
            hidden_states=select_hidden_states(outputs, wanted["output_hidden_states"]),
            attentions=outputs.attentions if outputs is not None and wanted["output_attentions"] else None,
        )


def select_hidden_states(
    outputs: BaseModelOutputWithPooling | None, wanted: bool | int | list[int]
) -> tuple[Tensor, ...] | None:
    """Hidden states that a caller asked for: all, none, or, as in transformers' encoders, those of some indices."""
    if outputs is None or outputs.hidden_states is None or wanted is False:
        return None
    if wanted is True:
        return outputs.hidden_states
    num_states = len(outputs.hidden_states)
    kept = {index % num_states for index in ([wanted] if isinstance(wanted, int) else wanted)}
    selected = (state if index in kept else None for index, state in enumerate(outputs.hidden_states))
    return tuple(selected)  # pyright: ignore[reportReturnType]


__all__ = ["PixioDensePreTrainedModel", "PixioForDepthEstimation"]
