# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Models for other runtimes: ONNX Runtime, OpenVINO, and torch.export's own files (docs/guides/export.md)."""

from .export import export_model
from .exported_model import PixioExportedModel

__all__ = ["PixioExportedModel", "export_model"]
