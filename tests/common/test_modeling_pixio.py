# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""transformers' own model and backbone tests for every model class; needs its `tests` package on sys.path."""

import unittest
from unittest import mock

import stand_ins  # noqa: F401  must precede transformers' tests
import torch
from tests.test_backbone_common import BackboneTesterMixin
from tests.test_modeling_common import ModelTesterMixin, floats_tensor
from transformers.testing_utils import torch_device

from pixio_hf import (
    PixioBackbone,
    PixioConfig,
    PixioForDepthEstimation,
    PixioForImageClassification,
    PixioForPreTraining,
    PixioForReconstruction,
    PixioForSemanticSegmentation,
    PixioModel,
)
from pixio_hf.checkpoint_names import encoder_key_mapping


class PixioModelTester:
    """A tiny configuration and inputs for it, in the form transformers' mixins expect."""

    batch_size = 2
    image_size = 32
    patch_size = 8
    num_channels = 3
    hidden_size = 32
    num_hidden_layers = 2
    num_attention_heads = 4
    n_cls_tokens = 2
    is_training = True

    def __init__(self, parent, head_type: str = "linear", is_masked: bool = False):
        self.parent = parent
        self.head_type = head_type
        self.num_patches = (self.image_size // self.patch_size) ** 2
        self.num_mask_blocks = self.num_patches // 4
        # transformers' comparison of eager and sdpa attention masks the first num_masks of mask_length patches, but
        # gives an attention mask for all tokens: nothing masked is the only case that fits both.
        self.mask_length = self.num_patches
        self.num_masks = 0
        # Half of the patches reach the encoder of the pre-training model.
        self.seq_length = self.n_cls_tokens + (self.num_patches // 2 if is_masked else self.num_patches)
        if head_type == "dpt":
            self.num_hidden_layers = 4  # the least a DPT head can tap

    def get_config(self):
        return PixioConfig(
            image_size=self.image_size,
            patch_size=self.patch_size,
            num_channels=self.num_channels,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            mlp_ratio=2,
            n_cls_tokens=self.n_cls_tokens,
            mask_ratio=0.5,
            mask_grid_size=2,
            decoder_hidden_size=16,
            decoder_num_hidden_layers=2,
            decoder_num_attention_heads=2,
            head_type=self.head_type,
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            out_indices=[1, 2],
        )

    def prepare_config_and_inputs_for_common(self):
        pixel_values = floats_tensor([self.batch_size, self.num_channels, self.image_size, self.image_size])
        return self.get_config(), {"pixel_values": pixel_values}


class PixioCommonTests(ModelTesterMixin):
    """What all classes share: no text embeddings, and inputs that make masked models deterministic."""

    test_resize_embeddings = False
    model_tester: PixioModelTester

    def test_reverse_loading_mapping(self, *args, **kwargs):
        # Ours are read and written by renames of their own; the table of transformers stays for its own Pixio.
        ours = mock.patch(
            "tests.test_modeling_common.get_model_conversion_mapping", return_value=encoder_key_mapping()
        )
        with ours:
            super().test_reverse_loading_mapping(*args, **kwargs)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs_dict = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        batch_size, _, height, width = inputs_dict["pixel_values"].shape
        if model_class is PixioForPreTraining:
            inputs_dict.pop("bool_masked_pos", None)  # some tests fill both masks, which are alternatives here
            generator = torch.Generator().manual_seed(0)
            noise = torch.rand(batch_size, self.model_tester.num_mask_blocks, generator=generator)
            inputs_dict["noise"] = noise.to(torch_device)
        if model_class is PixioForDepthEstimation and return_labels:
            inputs_dict["labels"] = torch.linspace(0.5, 9.5, width, device=torch_device).expand(
                batch_size, height, width
            )
        if model_class is PixioForSemanticSegmentation and return_labels:
            inputs_dict["labels"] = (torch.arange(width, device=torch_device) % 2).expand(batch_size, height, width)
        if model_class is PixioForImageClassification and return_labels:
            inputs_dict["labels"] = torch.arange(batch_size, device=torch_device) % 2
        return inputs_dict

    @unittest.skip(reason="images have no input ids to embed")
    def test_inputs_embeds(self):
        pass

    def test_model_get_set_embeddings(self):
        config, _ = self.model_tester.prepare_config_and_inputs_for_common()
        for model_class in self.all_model_classes:
            model = model_class(config)
            self.assertIsInstance(model.get_input_embeddings(), torch.nn.Module)
            replacement = torch.nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size)
            model.set_input_embeddings(replacement)
            self.assertIs(model.get_input_embeddings(), replacement)
            self.assertIsNone(model.get_output_embeddings())

    # Two tests load checkpoints without any weight, which this package refuses by default.
    def test_can_init_all_missing_weights(self):
        with mock.patch("pixio_hf.modeling_pixio.check_encoder_keys"):
            super().test_can_init_all_missing_weights()

    def test_model_weights_reload_no_missing_tied_weights(self):
        with mock.patch("pixio_hf.modeling_pixio.check_encoder_keys"):
            super().test_model_weights_reload_no_missing_tied_weights()


class PixioModelTest(PixioCommonTests, unittest.TestCase):
    all_model_classes = (PixioModel, PixioBackbone)

    def setUp(self):
        self.model_tester = PixioModelTester(self)


class PixioForPreTrainingTest(PixioCommonTests, unittest.TestCase):
    all_model_classes = (PixioForPreTraining,)

    def setUp(self):
        self.model_tester = PixioModelTester(self, is_masked=True)


class PixioForImageClassificationTest(PixioCommonTests, unittest.TestCase):
    all_model_classes = (PixioForImageClassification,)

    def setUp(self):
        self.model_tester = PixioModelTester(self)


class PixioDenseLinearTest(PixioCommonTests, unittest.TestCase):
    all_model_classes = (PixioForDepthEstimation, PixioForSemanticSegmentation)

    def setUp(self):
        self.model_tester = PixioModelTester(self, head_type="linear")


class PixioDenseDPTTest(PixioCommonTests, unittest.TestCase):
    all_model_classes = (PixioForDepthEstimation, PixioForSemanticSegmentation)

    def setUp(self):
        self.model_tester = PixioModelTester(self, head_type="dpt")

    @unittest.skip(reason="a DPT head taps four blocks; the test allows two")
    def test_num_layers_is_small(self):
        pass


class PixioViewsTester(PixioModelTester):
    """Two scenes of two views for the model of reconstruction."""

    num_views = 2

    def __init__(self, parent):
        super().__init__(parent)
        self.encoder_batch_size = self.batch_size * self.num_views

    def get_config(self):
        config = super().get_config()
        fields = {
            "view_hidden_size": 16,
            "view_num_hidden_layers": 2,
            "view_num_attention_heads": 2,
            "view_taps": [0, 1],
            "reconstruction_neck_hidden_sizes": [8, 8, 8, 8],
            "reconstruction_fusion_hidden_size": 8,
            "pose_hidden_size": 8,
            "scale_hidden_size": 8,
        }
        return PixioConfig(**{**config.to_diff_dict(), **fields})

    def prepare_config_and_inputs_for_common(self):
        size = [self.batch_size, self.num_views, self.num_channels, self.image_size, self.image_size]
        return self.get_config(), {"pixel_values": floats_tensor(size)}


class PixioForReconstructionTest(PixioCommonTests, unittest.TestCase):
    all_model_classes = (PixioForReconstruction,)

    def setUp(self):
        self.model_tester = PixioViewsTester(self)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs_dict = ModelTesterMixin._prepare_for_class(self, inputs_dict, model_class, return_labels=return_labels)
        if return_labels:
            batch_size, num_views, _, height, width = inputs_dict["pixel_values"].shape
            camera = torch.tensor([[40.0, 0, width / 2], [0, 40.0, height / 2], [0, 0, 1]], device=torch_device)
            poses = torch.eye(4, device=torch_device).repeat(batch_size, num_views, 1, 1)
            poses[:, 1:, 0, 3] = 0.5
            inputs_dict["labels"] = {
                "depth": torch.linspace(0.5, 9.5, width, device=torch_device).expand(
                    batch_size, num_views, height, width
                ),
                "intrinsics": camera.expand(batch_size, num_views, 3, 3),
                "camera_to_world": poses,
            }
        return inputs_dict


class PixioBackboneTest(BackboneTesterMixin, unittest.TestCase):
    all_model_classes = (PixioBackbone,)
    config_class = PixioConfig

    def setUp(self):
        self.model_tester = PixioModelTester(self)
