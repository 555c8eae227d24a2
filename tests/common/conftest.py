# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Keeps plain pytest out of this folder: its files run through tests/integration/test_transformers_common.py."""

collect_ignore_glob = ["*"]
