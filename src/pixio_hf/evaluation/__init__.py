# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluation protocols of depth, segmentation and k-NN, in one process or several, and what is reported of them."""
