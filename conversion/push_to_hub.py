# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Upload a checkpoint folder to the Hub: `pixio-hf push` as a script.

    python conversion/push_to_hub.py pixio-h16 owner/pixio-h16 --dry-run
    python conversion/push_to_hub.py pixio-h16 owner/pixio-h16 --with-code

Its options stand in pixio_hf_cli/push.py; --help lists them.
"""

import sys

from pixio_hf_cli import main

if __name__ == "__main__":
    main(["push", *sys.argv[1:]])
