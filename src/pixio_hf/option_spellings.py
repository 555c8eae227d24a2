# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Other names of the scripts' options: each script takes every name of a row, whichever of them is its own.

The first name of a row is what our scripts say, the others are those of transformers' TrainingArguments, of the pixio-hf
command and of our earlier scripts.
"""

from collections.abc import Iterable, Sequence

SPELLINGS: Sequence[tuple[str, ...]] = (
    ("output_dir", "out"),
    ("output_file", "output"),
    ("model", "model_name_or_path"),
    ("max_steps", "num_steps"),
    ("num_epochs", "num_train_epochs"),
    ("warmup_steps", "warmup_ratio", "warmup_share"),
    ("batch_size", "per_device_train_batch_size", "images_per_batch"),
    ("eval_batch_size", "per_device_eval_batch_size", "feature_batch_size"),
    ("num_workers", "dataloader_num_workers"),
    ("compile", "torch_compile"),
    ("push_to_hub", "hub_model_id"),
    ("dataset", "data"),
)
_YES, _NO = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def respell(words: Sequence[str], names: Iterable[str]) -> list[str]:
    """Words of a command line with the options as a script calls them; `names` are the script's own.

    `--bf16`, `--bf16 False` and `--fp16` become `--mixed_precision` where a script has that. Unknown words stay.
    """
    names, respelled = set(names), []
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("--"):
            respelled.append(word)
            continue
        option, equals, value = word[2:].partition("=")
        name = option.replace("-", "_")
        if name in ("bf16", "fp16", "no_bf16") and name not in names and "mixed_precision" in names:
            if not equals and remaining and remaining[0].lower() in (*_YES, *_NO):
                value = remaining.pop(0)
            is_on = name != "no_bf16" and value.lower() not in _NO
            respelled += ["--mixed_precision", name if is_on else "no"]
            continue
        row = next((row for row in SPELLINGS if name in row and name not in names), ())
        own = next((other for other in row if other in names), None)
        respelled.append(f"--{own}{equals}{value}" if own else word)
    return respelled


def describe_spellings(names: Iterable[str]) -> str:
    """A sentence for --help with the other names of a script's options; empty where there are none."""
    names = set(names)
    pairs = []
    for row in SPELLINGS:
        own = next((name for name in row if name in names), None)
        others = [f"--{name}" for name in row if name not in names]
        if own and others:
            pairs.append(f"--{own} is also {' and '.join(others)}")
    if "mixed_precision" in names:
        pairs.append("--mixed_precision bf16 is also --bf16")
    return f"Other names: {'; '.join(pairs)}." if pairs else ""
