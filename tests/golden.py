# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Golden vectors of the original implementation: cases of the manifest as tensors and reference state dicts.

The vectors live outside the repository: in $PIXIO_GOLDEN_DIR or in ../shared/golden beside the checkout. Tests that
need them are skipped, with the reason, where the folder is absent.
"""

import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

GOLDEN_DIR = Path(os.environ.get("PIXIO_GOLDEN_DIR", Path(__file__).resolve().parents[2] / "shared" / "golden"))


@dataclass
class Case:
    """One golden case: its tensors (float16 storage widened), assembled reference weights, values and configuration."""

    name: str
    tensors: dict[str, torch.Tensor]
    state: dict[str, torch.Tensor]
    values: dict[str, Any]
    config: dict[str, Any]
    tolerances: dict[str, dict[str, float]] = field(repr=False)

    def assert_close(self, name: str, actual: torch.Tensor) -> None:
        """Compare a tensor with the expected one of that name, within the manifest's tolerance."""
        tolerance = self.tolerances[name]
        expected = self.tensors[name]
        torch.testing.assert_close(
            actual.detach().to(expected.dtype), expected, atol=tolerance["atol"], rtol=tolerance["rtol"]
        )


@cache
def read_manifest(folder: str = "") -> dict[str, dict[str, Any]]:
    path = GOLDEN_DIR / folder / "manifest.json"
    if not path.is_file():
        pytest.skip("golden vectors not found (set PIXIO_GOLDEN_DIR to their folder)")
    return {case["name"]: case for case in json.loads(path.read_text())["cases"]}


@cache
def read_tensors(file: str) -> dict[str, torch.Tensor]:
    return load_file(GOLDEN_DIR / file.lstrip("/"))


def load_case(name: str, folder: str = "") -> Case:
    """Read a case of a folder's manifest by name; skips the calling test where the vectors are absent."""
    entry = read_manifest(folder)[name]
    stored = read_tensors(f"{folder}/{entry['file']}") if entry.get("file") else {}
    described = entry.get("tensors") or {}
    tensors, own_state, tolerances = {}, {}, {}
    case_tolerance = entry.get("tolerance") or {}
    for key, description in described.items():
        tensor = stored[key].float() if description.get("cast_to") == "float32" else stored[key]
        if description["role"] == "state":
            own_state[key.split("state.", 1)[-1]] = tensor
            continue
        tensors[key] = tensor
        tolerance = description.get("tolerance") or case_tolerance
        tolerances[key] = {
            "atol": tolerance.get("suggested_atol", tolerance.get("atol", 0.0)),
            "rtol": tolerance.get("suggested_rtol", tolerance.get("rtol", 0.0)),
        }
    state = dict(own_state)
    for source in entry.get("state_sources") or []:
        for key, tensor in read_tensors(f"{folder}/{source['file']}").items():
            if key.startswith(source["prefix"]):
                value = tensor.float() if tensor.is_floating_point() else tensor
                state[source["module_prefix"] + key.removeprefix(source["prefix"])] = value
    return Case(name, tensors, state, entry.get("values") or {}, entry.get("config") or {}, tolerances)
