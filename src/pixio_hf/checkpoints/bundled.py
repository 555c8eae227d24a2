# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The names of `pixio_hf.bundled` under their former path."""

from ..bundled import ASSETS, bundled_checkpoint, find_checkpoint, list_bundled

__all__ = ["ASSETS", "bundled_checkpoint", "find_checkpoint", "list_bundled"]
