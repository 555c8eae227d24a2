# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the README and the pages of docs tell people to type: its Python runs, their command lines parse.

A block is left out only where `<!-- not run: reason -->` stands directly above it.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main
from transformers import HfArgumentParser

from pixio_hf_cli import app

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
MARKER = re.compile(r"<!--\s*not run(?P<colon>:?)(?P<reason>.*?)-->\s*", re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, first line in the README, code, and why it is not run (None: it is)."""

    language: str
    line: int
    code: str
    reason: str | None


def read_blocks(text: str) -> list[Block]:
    """All fenced blocks of a Markdown text, in order.

    Raises:
        ValueError: a marker without a reason, or a fence that is never closed.
    """
    blocks = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = re.fullmatch(r"```(\w*).*", lines[number])
        if fence is None:
            number += 1
            continue
        end = next((i for i in range(number + 1, len(lines)) if lines[i].rstrip() == "```"), None)
        if end is None:
            raise ValueError(f"line {number + 1}: this block is never closed")
        above = lines[number - 1].strip() if number else ""
        marker = MARKER.fullmatch(above)
        reason = marker["reason"].strip() if marker else None
        if marker and not (marker["colon"] and reason):
            raise ValueError(f"line {number}: say why the block below is not run: <!-- not run: reason -->")
        blocks.append(Block(fence[1], number + 2, "\n".join(lines[number + 1 : end]) + "\n", reason))
        number = end + 1
    return blocks


def read_page(page: Path, language: str) -> tuple[list[Block], list[Block]]:
    """Blocks of a language that are run, and those that are not."""
    blocks = [block for block in read_blocks(page.read_text()) if block.language == language]
    return [block for block in blocks if block.reason is None], [block for block in blocks if block.reason is not None]


def split_commands(code: str) -> list[list[str]]:
    """Commands of a shell block as words: continuation lines joined, prompts, comments and environment removed."""
    commands = []
    for line in code.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:&&|\|\||;|\|)\s", line.strip().removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                commands.append(words)
    return commands


def check_pixio_hf_command(words: list[str]) -> None:
    """Parse the arguments of `pixio-hf` as typer does, without running the command; raises or exits if that fails."""
    group = typer.main.get_command(app)
    if words in ([], ["--help"], ["-h"], ["--version"]):
        return
    name, *arguments = words
    command = group.commands.get(name)  # pyright: ignore[reportAttributeAccessIssue]
    assert command is not None, f"pixio-hf has no command {name!r}"
    if not {"--help", "-h"} & set(arguments):
        command.make_context(name, arguments)


def check_script_command(script: Path, arguments: list[str]) -> None:
    """Parse the options of an example script with its own dataclass; other scripts only have to exist."""
    assert script.is_file(), f"{script} does not exist"
    if "examples" not in script.relative_to(ROOT).parts:
        return
    module_name = f"readme_{script.parent.name}_{script.stem}"
    spec = importlib.util.spec_from_file_location(module_name, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, str(script.parent))  # as when it is started: scripts import the modules beside them
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(script.parent))
    # The arguments stand in the script, or where two scripts share them.
    classes = [value for value in vars(module).values() if isinstance(value, type) and is_dataclass(value)]
    shared = {module_name, "pixio_hf.finetuning.arguments", "reconstruction_task"}
    own = [value for value in classes if value.__module__ in shared and value.__name__.endswith("Arguments")]
    assert len(own) == 1, f"{script} should hold one dataclass of arguments, found {own}"
    HfArgumentParser(own).parse_args_into_dataclasses(arguments)  # pyright: ignore[reportArgumentType]


def run_blocks(pages: list[Path], folder: Path) -> None:
    """Run the Python blocks of pages in one process, each by itself: none sees the names of another."""
    blocks = [(page, block) for page in pages for block in read_page(page, "python")[0]]
    places = [f"{page.relative_to(ROOT)}, line {block.line}" for page, block in blocks]
    code = "".join(
        f"print({place!r}, flush=True)\nexec(compile({block.code!r}, {place!r}, 'exec'), {{'__name__': 'block'}})\n"
        for place, (_, block) in zip(places, blocks, strict=True)
    )
    for photo in (ROOT / "src" / "pixio_hf" / "assets" / "photos").glob("*.jpg"):
        shutil.copy(photo, folder / photo.name)
    (folder / "src").symlink_to(ROOT / "src")
    (folder / "blocks.py").write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "blocks.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=800
    )
    reached = [line for line in result.stdout.splitlines() if line in places]
    assert result.returncode == 0, f"failed in the block of {reached[-1:]}:\n{result.stderr[-3000:]}"
    assert reached == places


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_python_block_of_the_readme_runs_alone(tmp_path):
    blocks, left_out = read_page(README, "python")
    assert len(blocks) >= 3, "the README shows the three uses of the package"
    assert len(left_out) < len(blocks), f"most of the README is not run: {[block.reason for block in left_out]}"
    assert all("pixio_hf" in block.code for block in (*blocks, *left_out)), "each registers the classes itself"
    run_blocks([README], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_python_block_of_the_guides_runs_alone(tmp_path):
    run_blocks(GUIDES, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_command_lines_parse(page):
    checked = []
    for block in read_page(page, "bash")[0]:
        for words in split_commands(block.code):
            scripts = [position for position, word in enumerate(words) if word.endswith(".py")]
            try:
                if Path(words[0]).name == "pixio-hf":
                    check_pixio_hf_command(words[1:])
                elif scripts:
                    check_script_command(ROOT / words[scripts[0]], words[scripts[0] + 1 :])
                else:
                    continue
            except (Exception, SystemExit) as error:
                raise AssertionError(
                    f"{page.name}, block of line {block.line}: {shlex.join(words)}: {error}"
                ) from error
            checked.append(words)
    assert page != README or any(Path(words[0]).name == "pixio-hf" for words in checked)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_links_to_exist(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


# The reading itself: a test that finds nothing to check must not pass for one that found no fault.


def test_blocks_and_reasons_are_read():
    text = "a\n```python\nx = 1\n```\n<!-- not run: needs weights -->\n```bash\npixio-hf depth\n```\n"
    assert read_blocks(text) == [
        Block("python", 3, "x = 1\n", None),
        Block("bash", 7, "pixio-hf depth\n", "needs weights"),
    ]
    for marker in ("<!-- not run -->", "<!-- not run: -->"):
        with pytest.raises(ValueError, match="line 1: say why"):
            read_blocks(f"{marker}\n```python\n```\n")
    with pytest.raises(ValueError, match="line 2: this block is never closed"):
        read_blocks("a\n```python\nx = 1\n")


def test_commands_are_split():
    code = "$ pixio-hf depth a.jpg \\\n    --out b  # a comment\nA=1 make demo && pixio-hf info\n# only words\n"
    assert split_commands(code) == [
        ["pixio-hf", "depth", "a.jpg", "--out", "b"],
        ["make", "demo"],
        ["pixio-hf", "info"],
    ]


@pytest.mark.parametrize(
    "line", ["dept a.jpg --out b", "check-data --out b", "depth a.jpg --out b --no-such-option", "depth --out b"]
)
def test_wrong_commands_are_found(line):
    with pytest.raises((Exception, SystemExit)) as caught:
        check_pixio_hf_command(line.split())
    assert caught.value.args or str(caught.value)
    check_pixio_hf_command(["depth", "a.jpg", "--out", "b", "--npy"])


def test_wrong_script_options_are_found():
    script = ROOT / "examples" / "pretrain.py"
    check_script_command(script, ["--output_dir", "x", "--smoke"])
    with pytest.raises((ValueError, SystemExit)):
        check_script_command(script, ["--output_dir", "x", "--no_such_option", "1"])
    with pytest.raises(AssertionError, match="does not exist"):
        check_script_command(script.with_name("missing.py"), [])
