# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Convert a Pixio checkpoint of any origin to a folder for from_pretrained: `pixio-hf convert` as a script.

    python conversion/convert_checkpoint.py pixio_vith16.pth pixio-h16
    python conversion/convert_checkpoint.py nyu_dpt.pth pixio-h16-nyu --set max_depth=10
    python conversion/convert_checkpoint.py pixio_vit5b16.pth pixio-5b16 --dtype bfloat16 --max-shard-size 2GB
    python conversion/convert_checkpoint.py mapanything.pth pixio-3d --set 'view_taps=[11,17]' view_num_attention_heads=12

Its options stand in pixio_hf_cli/convert.py; --help lists them.
"""

import sys

from pixio_hf_cli import main

if __name__ == "__main__":
    main(["convert", *sys.argv[1:]])
