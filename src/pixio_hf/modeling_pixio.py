# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioModel and PixioBackbone: the encoder, extended from transformers' own classes (docs/specification.md 1)."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.backbone_utils import filter_output_hidden_states
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BackboneOutput, BaseModelOutputWithPooling
from transformers.models.pixio import modeling_pixio as upstream
from transformers.utils import logging
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults

from .checkpoint_names import (
    FAMILY_PARTS,
    HEAD_PARTS,
    check_encoder_keys,
    check_encoder_sizes,
    encoder_key_mapping,
    encoder_spellings,
    hub_to_memory_name,
    register_key_mapping,
)
from .configuration_pixio import PixioConfig
from .encoder_layers import PixioEmbeddings, PixioLayer, prepare_checkpointing, require_grad_of_output
from .masking import resolve_ids_keep
from .output_requests import pop_output_request, select_hidden_states
from .positions import interpolate_positions, resize_position_embeddings, take_image_size

logger = logging.get_logger(__name__)

ModelType = TypeVar("ModelType", bound="PixioPreTrainedModel")


class PixioPreTrainedModel(upstream.PixioPreTrainedModel):
    """Base of all models: configuration class, initialisation, loading that never leaves the encoder random.

    See docs/specification.md 2.6 for the initialisation.

    Models load in float32 unless another type is asked for, even from bfloat16 checkpoints: bfloat16 weights are too
    coarse for an optimizer's steps.
    """

    if TYPE_CHECKING:  # transformers' own is decorated in a way that loses its type

        def to(self: ModelType, *args, **kwargs) -> ModelType: ...  # pyright: ignore

    config: PixioConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    config_class = PixioConfig
    base_model_prefix = "pixio"
    _no_split_modules = ["PixioEmbeddings", "PixioLayer"]
    # The encoder's own loop collects hidden states and attentions: transformers' hooks on the layers cannot be pickled.
    _can_record_outputs = {}
    # transformers reverses these when it saves.
    _weight_conversions = encoder_key_mapping()
    # Losses are means: Trainer must not divide them by num_items_in_batch.
    accepts_loss_kwargs = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight, gain=getattr(module, "glorot_gain", 1.0))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            # The patch embedding: Glorot on the (D, P*P*C) matrix; the bias keeps the convolution's default.
            fan_in = module.weight[0].numel()
            bound = math.sqrt(6 / (module.weight.shape[0] + fan_in))
            init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                init.uniform_(module.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        elif isinstance(module, upstream.PixioEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.trunc_normal_(module.position_embeddings, std=self.config.initializer_range)
        else:
            super()._init_weights(module)  # norms, running statistics

    @classmethod
    def _from_config(cls, config: PixioConfig, **kwargs) -> Any:
        # The type of the outer model, which is torch's default while that is built. Not the type that this
        # configuration's checkpoint is stored in.
        if kwargs.get("dtype") is None and kwargs.get("torch_dtype") is None:
            kwargs["dtype"] = torch.get_default_dtype()
        return super()._from_config(config, **kwargs)

    @overload
    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls: type[ModelType], pretrained_model_name_or_path: Any, *args, output_loading_info: Literal[True], **kwargs
    ) -> tuple[ModelType, dict[str, Any]]: ...

    @overload
    @classmethod
    def from_pretrained(
        cls: type[ModelType],
        pretrained_model_name_or_path: Any,
        *args,
        output_loading_info: Literal[False] = ...,
        **kwargs,
    ) -> ModelType: ...

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, pretrained_model_name_or_path: Any, *args, allow_incomplete_encoder: bool = False, **kwargs
    ) -> Any:
        """Load a checkpoint as transformers does, and refuse one that leaves encoder weights random or unread.

        Args:
            pretrained_model_name_or_path: a folder or a repository of the Hub.
            allow_incomplete_encoder: accept missing and unexpected encoder keys, for example to load fewer layers.
            dtype: type of the weights in memory. By default float32, whatever is stored; "auto": the stored type
                (`config.dtype`); or any type, for example torch.bfloat16 to predict.
            image_size: a new native size. With `ignore_mismatched_sizes=True` position embeddings are interpolated to
                it. Rarely needed: every model takes images of any size.
            ignore_mismatched_sizes: initialise heads whose shape differs from the stored one. Encoder weights of
                another shape are refused.

        Raises:
            ValueError: an encoder key is missing from the checkpoint or unknown to the model, or has another shape.
        """
        return_info = kwargs.pop("output_loading_info", False)
        if kwargs.get("dtype") is None and kwargs.get("torch_dtype") is None:
            kwargs["dtype"] = torch.float32
        kwargs["key_mapping"] = {**(kwargs.get("key_mapping") or {}), **encoder_spellings()}
        wanted_size = None
        if kwargs.get("ignore_mismatched_sizes"):
            wanted_size = take_image_size(pretrained_model_name_or_path, kwargs)
        loaded: Any = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        model, info = loaded
        if getattr(model, "hf_quantizer", None) is None:
            # To save, the class's mapping to official names counts, not the one used to read.
            model.__dict__.pop("_weight_conversions", None)
        info["unexpected_keys"] = {*info["unexpected_keys"], *model.__dict__.pop("_unused_parts", ())}
        if not allow_incomplete_encoder:
            prefix = "" if isinstance(model, upstream.PixioModel) else "pixio."
            check_encoder_sizes(prefix, info["mismatched_keys"], pretrained_model_name_or_path)
            check_encoder_keys(prefix, info["missing_keys"], info["unexpected_keys"], pretrained_model_name_or_path)
        if wanted_size is not None:
            resize_position_embeddings(model, wanted_size)
        return (model, info) if return_info else model

    def _adjust_missing_and_unexpected_keys(self, loading_info: Any) -> None:
        """Keep parts of other Pixio models, such as the decoder of pre-training, out of transformers' report.

        Encoders and models with heads leave them out on purpose. `output_loading_info` still lists them.
        """
        super()._adjust_missing_and_unexpected_keys(loading_info)
        own = {name for name, _ in self.named_children()}
        is_encoder = isinstance(self, upstream.PixioModel | upstream.PixioBackbone)
        parts = FAMILY_PARTS + HEAD_PARTS if is_encoder else FAMILY_PARTS
        unused = tuple(f"{part}." for part in parts if part not in own)
        self._unused_parts = {key for key in loading_info.unexpected_keys if key.startswith(unused)}
        loading_info.unexpected_keys = set(loading_info.unexpected_keys) - self._unused_parts

    def load_state_dict(self, state_dict: Mapping[str, Any], *args, **kwargs) -> Any:
        """As in any module, but encoder weights may have any spelling that is known on disk.

        To resume or to load its best model, Trainer passes a saved file unchanged. If names differ from those in
        memory, it only warns and keeps the old weights.
        """
        renamed = OrderedDict((hub_to_memory_name(name), tensor) for name, tensor in state_dict.items())
        if (metadata := getattr(state_dict, "_metadata", None)) is not None:
            renamed._metadata = metadata  # pyright: ignore[reportAttributeAccessIssue]
        return super().load_state_dict(renamed, *args, **kwargs)

    def train(self, mode: bool = True):
        """Switch to training mode; warn if weights to be trained have only 16 bits."""
        coarse = (torch.bfloat16, torch.float16)
        if mode and any(weight.requires_grad and weight.dtype in coarse for weight in self.parameters()):
            logger.warning_once(
                "Weights to be trained are stored in 16 bits, in which small steps of an optimizer round to nothing. Load"
                " the model in float32 (the default of from_pretrained) and train with bf16=True, that is, autocast."
            )
        return super().train(mode)

    def enable_input_require_grads(self) -> None:
        """Make the output of the patch embedding require a gradient; unlike transformers' hook, this can be pickled."""
        hook = self.get_input_embeddings().register_forward_hook(require_grad_of_output)
        self._require_grads_hook = hook
        self._require_grads_hooks = [hook]


class PixioModel(PixioPreTrainedModel, upstream.PixioModel):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Pixio encoder, whole or masked: (B, 3, H, W) -> last_hidden_state (B, n_cls_tokens + N or K, D).

    See docs/specification.md 1.
    """

    config: PixioConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, config: PixioConfig):
        super(upstream.PixioModel, self).__init__(config)  # not upstream's own: it would build its layers first
        self.embeddings = PixioEmbeddings(config)
        self.layers = nn.ModuleList([PixioLayer(config, rate) for rate in config.drop_path_rates()])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    @merge_with_config_defaults
    @can_return_tuple
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        pixel_values: Tensor | None = None,
        bool_masked_pos: Tensor | None = None,
        ids_keep: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Encode images, or only some of their patches.

        Args:
            pixel_values: normalised images (B, C, H, W); sides are multiples of the patch size.
            bool_masked_pos: (B, N), True = masked; every row masks the same count, visible patches stay in raster order.
            ids_keep: (B, K) whole numbers, the patches to encode, in that order. Not together with bool_masked_pos.
            attention_mask: (B, n_cls_tokens + N or K), 0 = token that no other token attends to.
            output_hidden_states (in kwargs): True, or numbers of the states to return (0 is the embedding).
            output_attentions (in kwargs): maps (B, heads, T, T), computed separately if the attention is fused.

        Returns:
            last_hidden_state (B, n_cls_tokens + N or K, D) after the final LayerNorm, pooler_output (B, D): the mean of
            the normalised class tokens; hidden_states (before that LayerNorm) and attentions on request.

        Raises:
            ValueError: pixel_values missing or of a wrong shape, both masks given, or a mask of a wrong shape.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        self.embeddings.check_pixel_values(pixel_values)
        ids_keep = resolve_ids_keep(pixel_values, self.config.patch_size, bool_masked_pos, ids_keep)
        hidden_states = self.embeddings(pixel_values, ids_keep)
        attention_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
        )
        wanted_states, wants_attentions = pop_output_request(self.config, kwargs)
        hidden_states = prepare_checkpointing(hidden_states, self.layers)
        states, attentions = [hidden_states], []
        for layer in self.layers:
            if wants_attentions:
                hidden_states, attention = layer(hidden_states, attention_mask, output_attentions=True, **kwargs)
                attentions.append(attention)
            else:
                hidden_states = layer(hidden_states, attention_mask, **kwargs)
            if wanted_states is not False:
                states.append(hidden_states)
        hidden_states = self.layernorm(hidden_states)
        pooler_output = hidden_states[:, : self.config.n_cls_tokens].mean(dim=1)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states,
            pooler_output=pooler_output,
            hidden_states=select_hidden_states(states, wanted_states),
            attentions=tuple(attentions) if wants_attentions else None,
        )


class PixioBackbone(PixioPreTrainedModel, upstream.PixioBackbone):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Feature maps of chosen stages for dense models: (B, 3, H, W) -> feature_maps of (B, D, H/P, W/P).

    Maps are normalised with the encoder's own final LayerNorm (docs/specification.md 5.1). transformers' PixioBackbone
    normalises with a second LayerNorm, which stays untrained when it loads a PixioModel checkpoint.
    """

    config: PixioConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, config: PixioConfig):
        super(upstream.PixioBackbone, self).__init__(config)  # not upstream's own: it adds the second LayerNorm
        self.num_features = [config.hidden_size] * (config.num_hidden_layers + 1)
        self.pixio = PixioModel(config)
        self.post_init()

    @can_return_tuple
    @filter_output_hidden_states
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, pixel_values: Tensor, attention_mask: Tensor | None = None, **kwargs
    ) -> BackboneOutput:
        """Encode images and return the feature maps of `out_features`, with `reshape_hidden_states` as (B, D, h, w)."""
        kwargs["output_hidden_states"] = True
        outputs = self.pixio(pixel_values, attention_mask=attention_mask, **kwargs)
        feature_maps = []
        for stage, hidden_state in zip(self.stage_names, outputs.hidden_states, strict=True):
            if stage not in self.out_features:
                continue
            if self.config.apply_layernorm:
                hidden_state = self.pixio.layernorm(hidden_state)
            if self.config.reshape_hidden_states:
                height, width = (side // self.config.patch_size for side in pixel_values.shape[-2:])
                patches = hidden_state[:, self.config.n_cls_tokens :]
                hidden_state = patches.transpose(1, 2).unflatten(2, (height, width)).contiguous()
            feature_maps.append(hidden_state)
        return BackboneOutput(
            feature_maps=tuple(feature_maps), hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


# Also here, not only in registration.py: as remote code, these models come without that file.
register_key_mapping()

__all__ = ["PixioBackbone", "PixioModel", "PixioPreTrainedModel", "interpolate_positions", "resolve_ids_keep"]
