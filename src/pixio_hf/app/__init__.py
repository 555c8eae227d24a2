# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The app in the browser: a tab per task, answers in plain words, nothing of the machine shown. `serving` starts it."""
