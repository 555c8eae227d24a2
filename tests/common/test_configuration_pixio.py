# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""transformers' own configuration tests for PixioConfig; needs its `tests` package on sys.path."""

import unittest

import stand_ins  # noqa: F401  must precede transformers' tests
from tests.test_configuration_common import ConfigTester

from pixio_hf import PixioConfig


class PixioConfigTest(unittest.TestCase):
    def test_config(self):
        tester = ConfigTester(
            self, config_class=PixioConfig, has_text_modality=False, hidden_size=32, num_attention_heads=4
        )
        tester.run_common_tests()
