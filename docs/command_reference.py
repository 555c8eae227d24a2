# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Hook of mkdocs: fills reference/commands.md with what `pixio-hf COMMAND --help` says, as headings and tables."""

from collections.abc import Iterator
from typing import Any

import typer.main

from pixio_hf_cli import app

PLACE = "<!-- every command, from its --help -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What mkdocs calls for each page."""
    return markdown.replace(PLACE, "\n".join(describe_command(*found) for found in list_commands()))


def list_commands() -> Iterator[tuple[str, Any]]:
    """Each command's full name and itself, those of groups too; in the order of `pixio-hf --help`."""
    pending = [("pixio-hf", typer.main.get_command(app))]
    while pending:
        name, command = pending.pop(0)
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield name, command
        else:
            pending = [(f"{name} {part}", subcommand) for part, subcommand in subcommands.items()] + pending


def describe_command(name: str, command: Any) -> str:
    """Markdown of one command: what it does, its example, its arguments and options."""
    context = command.make_context(name, [], resilient_parsing=True)
    # \b keeps typer from filling the lines of the example.
    words, _, example = command.help.replace("\b\n", "").partition("Example:\n")
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    rows = "".join(f"| `{left}` | {escape_cell(right)} |\n" for left, right in records)
    lines = "\n".join(line.strip() for line in example.strip().splitlines())
    shown = f"```bash\n{lines}\n```\n\n" if lines else ""
    return f"## {name}\n\n{escape_html(words.strip())}\n\n{shown}| argument or option | |\n|---|---|\n{rows}"


def escape_cell(text: str) -> str:
    """Text for a cell of a Markdown table, on one line."""
    return escape_html(" ".join(text.split())).replace("|", "\\|").replace("_", "\\_").replace("*", "\\*")


def escape_html(text: str) -> str:
    """Text in which a browser takes nothing for a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
