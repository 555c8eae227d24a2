# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Checkpoint files of other formats to model folders, and back."""
