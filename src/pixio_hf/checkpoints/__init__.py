# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints: where the bundled ones lie, and how other formats map to ours."""
