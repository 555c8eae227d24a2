# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fine-tune a model on one's own data."""
