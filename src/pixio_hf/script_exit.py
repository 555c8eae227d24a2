# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How scripts start and end: options by any of their names, one line for errors that a user can fix, time to clean up."""

import dataclasses
import re
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .option_spellings import describe_spellings, respell


def run_script(main: Callable[..., object], parser: Any = None) -> None:
    """Run a script. Errors that a user can fix: one line on stderr, exit code 2. Ctrl-C: 130. SIGTERM: 143.

    Such errors are ValueError, OSError, a missing package, and a loss that is not a number (FloatingPointError).

    Args:
        parser: HfArgumentParser of one dataclass; main gets its object, options have the names of option_spellings, and
            messages name them as the script does.
    """
    names = []
    if parser is not None:
        (arguments,) = parser.dataclass_types
        names = [item.name for item in dataclasses.fields(arguments)]
        parser.epilog = describe_spellings(names)
    # Without a handler SIGTERM would end the process at once, and its temporary files would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if parser is None:
            main()
        else:
            main(*parser.parse_args_into_dataclasses(respell(sys.argv[1:], names)))
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        message = " ".join(str(error).split())
        if names:
            message = name_options(message, names)
        print(f"Error: {message}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted; nothing is left behind.", file=sys.stderr)
        sys.exit(130)


def require_positive(args: Any, *names: str) -> None:
    """Refuse options that count something and are below 1, before any work.

    Raises:
        ValueError: names the option and its value.
    """
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}.")


def name_options(message: str, names: Iterable[str]) -> str:
    """A message with `num_classes` and `--num-classes` spelled `--num_classes`; only names with an underscore."""
    for name in names:
        if "_" in name:
            spelled = name.replace("_", "[_-]")
            message = re.sub(rf"(?<![\w./\\'\"-])(?:--)?{spelled}(?![\w./'\"-])", f"--{name}", message)
    return message
