# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How the conversion scripts end: one line for what a user can mend, and time to clean up when they are stopped."""

import signal
import sys
from collections.abc import Callable


def run_script(main: Callable[[], object]) -> None:
    """Run a script; a ValueError or OSError is one line on stderr and exit code 2, Ctrl-C is 130, a polite kill 143."""
    # Without a handler a polite kill would end the process at once, and its temporary files would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except (ValueError, OSError) as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted; nothing is left behind.", file=sys.stderr)
        sys.exit(130)
