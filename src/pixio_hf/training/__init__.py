# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the training scripts share: optimization, checkpointing, distributed runs, monitoring."""
