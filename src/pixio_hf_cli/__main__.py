# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`python -m pixio_hf_cli`, for launchers of several processes."""

from pixio_hf_cli import main

main()
