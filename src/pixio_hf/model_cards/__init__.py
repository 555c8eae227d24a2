# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The README.md of each model: templates, numbers, licences."""
