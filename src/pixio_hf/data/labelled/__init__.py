# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with depth, classes or masks, for fine-tuning and evaluation."""
