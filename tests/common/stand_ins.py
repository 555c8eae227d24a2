# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Stand-ins for test modules that transformers' common tests import but its source distribution lacks.

They carry no tests of their own: export, generation and multi-process tests are for models or machines that this suite
is not about. Import this module before anything from transformers' `tests` package.
"""

import sys
import types


class ExportTesterMixin:
    """Base class without export tests."""


class GenerationTesterMixin:
    """Base class without generation tests; no Pixio model generates."""


def _refuse(*args, **kwargs):
    raise RuntimeError("The source distribution of transformers lacks the launcher of its multi-process tests.")


# Values that differ from the defaults of every configuration.
CONFIG_COMMON_KWARGS = {
    "return_dict": False,
    "output_hidden_states": True,
    "output_attentions": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 4,
    "architectures": ["PixioModel"],
    "id2label": {0: "label"},
    "label2id": {"label": "0"},
    "problem_type": "regression",
}
STAND_INS = {
    "tests.exporters.test_export": {"ExportTesterMixin": ExportTesterMixin},
    "tests.generation.test_utils": {"GenerationTesterMixin": GenerationTesterMixin},
    "tests.utils.test_configuration_utils": {"config_common_kwargs": CONFIG_COMMON_KWARGS},
    "tests.distributed_testing_utils": dict.fromkeys(
        (
            "run_distributed",
            "_get_distributed_backend",
            "_get_distributed_device_type",
            "_get_rank_device",
            "_set_rank_device",
            "_start_rank_processes",
        ),
        _refuse,
    ),
}

for name, contents in STAND_INS.items():
    module = types.ModuleType(name)
    vars(module).update(contents)
    sys.modules.setdefault(name, module)
