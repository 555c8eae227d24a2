# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The work behind the `pixio-hf` commands, one file each; `pixio_hf_cli` declares their options without torch."""
