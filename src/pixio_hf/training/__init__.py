# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Shared parts of the training scripts: optimization, checkpointing, distributed runs, monitoring."""
