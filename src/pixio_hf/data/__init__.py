# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Data sets, streams and generators; import the submodule you need, nothing is loaded here."""
