# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images for pre-training, streamed from folders and shards in an order that can be repeated."""
