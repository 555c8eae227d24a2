# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What more than one training recipe needs: schedules, parameter groups, resuming."""
