# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForImageClassification: one linear layer over the mean class token, for linear probes and full fine-tuning."""

from torch import Tensor, nn
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.utils.generic import can_return_tuple

from .configuration_pixio import PixioConfig
from .frozen_encoder import FreezableEncoder
from .losses import to_class_ids
from .modeling_pixio import PixioModel, PixioPreTrainedModel


class PixioForImageClassification(FreezableEncoder, PixioPreTrainedModel):
    """Classes of whole images: (B, 3, H, W) -> logits (B, num_labels), from the mean of the normalised class tokens.

    `freeze_encoder()` makes it a linear probe. The new layer starts as every linear of docs/specification.md 2.6:
    Glorot uniform, zero bias.
    """

    def __init__(self, config: PixioConfig):
        super().__init__(config)
        self.num_labels = config.num_labels or 0
        if self.num_labels < 1:
            raise ValueError(f"Classification needs at least 1 label, got num_labels={config.num_labels}.")
        self.pixio = PixioModel(config)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor | None = None, labels: Tensor | None = None, **kwargs
    ) -> ImageClassifierOutput:
        """Predict class logits, and compare them with labels where given.

        Args:
            pixel_values: normalised images (B, C, H, W); sides are multiples of the patch size.
            labels: class numbers (B,), yes or no for every class (B, num_labels), or numbers to regress (B,) or (B,
                num_labels). config.problem_type says which; where it is None, transformers' convention decides, by
                num_labels and dtype.

        Returns:
            ImageClassifierOutput: loss (cross entropy, binary cross entropy or mean squared error), logits (B, num_labels),
            the encoder's hidden_states and attentions on request.

        Raises:
            ValueError: images or labels of a wrong shape, or labels that are no class.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        if labels is not None:
            labels = self.check_labels(labels, pixel_values.shape[0])
        outputs = self.pixio(pixel_values, **kwargs)
        logits = self.classifier(outputs.pooler_output)
        loss = None if labels is None else self.loss_function(labels, logits.float(), self.config)
        return ImageClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )

    def check_labels(self, labels: Tensor, batch_size: int) -> Tensor:
        """Labels in the dtype that the loss of config.problem_type takes.

        Raises:
            ValueError: labels of a wrong shape, or a class number outside 0 .. num_labels - 1.
        """
        num_labels = self.num_labels
        problem_type = self.config.problem_type or infer_problem_type(labels, num_labels)
        shapes = {
            "single_label_classification": [(batch_size,)],
            "multi_label_classification": [(batch_size, num_labels)],
            "regression": [(batch_size, num_labels)] + ([(batch_size,)] if num_labels == 1 else []),
        }
        if problem_type not in shapes:
            raise ValueError(f"config.problem_type must be one of {', '.join(shapes)}, got {problem_type!r}.")
        allowed = shapes[problem_type]
        if tuple(labels.shape) not in allowed:
            raise ValueError(
                f"labels for {problem_type} must have shape {' or '.join(map(str, allowed))}, got {tuple(labels.shape)}. If"
                " they are meant for another kind of task, set problem_type of the configuration."
            )
        if problem_type != "single_label_classification":
            return labels.float()
        return to_class_ids(labels, num_labels)


def infer_problem_type(labels: Tensor, num_labels: int) -> str:
    """transformers' convention where config.problem_type is None: one label is a number, integers are class numbers."""
    if num_labels == 1:
        return "regression"
    is_integer = not (labels.is_floating_point() or labels.is_complex())
    return "single_label_classification" if is_integer else "multi_label_classification"


__all__ = ["PixioForImageClassification"]
