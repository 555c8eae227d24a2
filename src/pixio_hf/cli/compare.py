# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf compare`: a table of frozen encoders, row after row; what is finished is not done again."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Subset
from tqdm.auto import tqdm
from transformers.utils import logging

from pixio_hf.configuration_pixio import HEAD_TYPES
from pixio_hf.data.labelled.depth_datasets import find_depth_protocol, open_depth_dataset
from pixio_hf.evaluation.comparison import ComparisonRecipe, compare_model, render_table
from pixio_hf.evaluation.probes import fit_crop_size
from pixio_hf.evaluation.results import render_json
from pixio_hf.heads import dpt_tap_blocks
from pixio_hf.synthetic import SYNTHETIC_DATASETS
from pixio_hf.synthetic.outdoors import OUTDOOR_MAX_DEPTH
from pixio_hf.synthetic.rooms import ROOM_MAX_DEPTH
from pixio_hf.vit_encoders import find_normalization, read_config, square_side

from .files import check_targets, write_bytes
from .loading import choose_device

NUM_SCENES = {"train": 1024, "val": 256}


@dataclass(frozen=True)
class ComparisonData:
    """Images to train and to evaluate on; None counts: all, or NUM_SCENES of synthetic scenes."""

    name: str
    protocol: str | None = None
    depth_scale: float | None = None
    num_train: int | None = None
    num_eval: int | None = None
    cache_dir: Path | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether it is rendered."""
        return self.name in SYNTHETIC_DATASETS

    def max_depth(self) -> float:
        """Metres beyond which nothing counts."""
        if self.is_synthetic:
            return ROOM_MAX_DEPTH if SYNTHETIC_DATASETS[self.name] == "room" else OUTDOOR_MAX_DEPTH
        return find_depth_protocol(self.name, self.protocol).max_depth

    def paper_data(self) -> str:
        """Data set of the paper whose results stand in the table."""
        is_kitti = not self.is_synthetic and find_depth_protocol(self.name, self.protocol).name == "kitti"
        return "KITTI" if is_kitti else "NYUv2"

    def open(self, split: str, image_size: int, cache_dir: Path) -> Any:
        """Items of a split; synthetic scenes are kept in cache_dir."""
        count = self.num_train if split == "train" else self.num_eval
        items = open_depth_dataset(
            self.name,
            split,
            protocol=self.protocol,
            depth_scale=self.depth_scale,
            num_scenes=count or NUM_SCENES[split],
            image_size=image_size,
            cache_dir=str(cache_dir) if self.is_synthetic else None,
        )
        if count is None or self.is_synthetic:
            return items
        if count > len(items):
            raise ValueError(f"{count} images of the split {split} were asked for, but there are {len(items)}.")
        return Subset(items, range(count))


def run_compare(
    models: Sequence[str],
    heads: Sequence[str],
    data: ComparisonData,
    recipe: ComparisonRecipe,
    out: Path,
    device: str = "auto",
    overwrite: bool = False,
) -> str:
    """Fill the table of all models and heads, write comparison.json and comparison.md after each row; returns the table.

    Rows that comparison.json holds already are kept. `recipe.max_depth` and `tight_windows` follow the data.

    Raises:
        ValueError: anything wrong with models, heads, data or recipe, or results of other settings in `out`.
    """
    recipe = replace(recipe, max_depth=data.max_depth(), tight_windows=data.is_synthetic)
    recipe.check()
    check_targets([], out, overwrite)
    place = choose_device(device)
    check_choices(models, heads, recipe)
    settings = {
        "data": data.name,
        "protocol": data.protocol,
        "depth_scale": data.depth_scale,
        "num_train": data.num_train or (NUM_SCENES["train"] if data.is_synthetic else None),
        "num_eval": data.num_eval or (NUM_SCENES["val"] if data.is_synthetic else None),
        "device": place.type,
        **asdict(recipe),
    }
    del settings["num_workers"]
    # As JSON gives them back, so that they can be compared with those of a file.
    settings = json.loads(json.dumps(settings))
    results = out / "comparison.json"
    rows = {} if overwrite else read_rows(results, settings)
    wanted = [(model, head) for model in models for head in heads]
    for model, head in wanted:
        if (model, head) in rows:
            tqdm.write(f"{model}, {head}: finished already in {results}, kept (--overwrite does all of it again)")
    missing = [pair for pair in wanted if pair not in rows]
    for model in dict.fromkeys(model for model, _ in missing):
        normalization = find_normalization(model, read_config(model).model_type)
        if normalization.source != "its image processor":
            tqdm.write(
                f"{model} has no preprocessor_config.json: normalised with mean {normalization.mean} and std"
                f" {normalization.std}, the {normalization.source}"
            )
    if missing:
        train_items, eval_items = (
            data.open(split, recipe.crop_size, data.cache_dir or out / "scenes") for split in ("train", "val")
        )
        for model, head in missing:
            with quiet_loading():
                rows[model, head] = compare_model(
                    model, head, train_items, eval_items, recipe, paper_data=data.paper_data(), device=place
                )
            # Wanted rows first, in their order; those of earlier calls follow.
            rows = {pair: rows[pair] for pair in dict.fromkeys([*wanted, *rows]) if pair in rows}
            write_results(out, settings, list(rows.values()))
    return render_page(settings, [*rows.values()])


def check_choices(models: Sequence[str], heads: Sequence[str], recipe: ComparisonRecipe) -> None:
    """Raise ValueError for what would only come up rows later: models that are not there, heads that do not fit."""
    for what, names in (("model", models), ("head", heads)):
        if not names:
            raise ValueError(f"Name at least one {what}.")
        if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"The {what} {repeated[0]!r} is named twice.")
    if unknown := [head for head in heads if head not in HEAD_TYPES]:
        raise ValueError(f"Unknown head {unknown[0]!r}; there are {', '.join(HEAD_TYPES)}.")
    for model in models:
        config = read_config(model)
        try:
            fit_crop_size(recipe.crop_size, square_side(config.patch_size))
            if "dpt" in heads:
                dpt_tap_blocks(config.num_hidden_layers)
        except ValueError as error:
            raise ValueError(f"{model}: {error}") from error


def read_rows(results: Path, settings: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Finished rows of an earlier call, by model and head.

    Raises:
        ValueError: the file cannot be read, or was made with other settings.
    """
    if not results.is_file():
        return {}
    try:
        report = json.loads(results.read_text())
        rows = {(row["model"], row["head"]): row for row in report["rows"]}
        found = report["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{results} is not a comparison that can be continued ({error}); pass --overwrite."
        ) from error
    different = [
        f"{name} ({found.get(name)}, now {settings.get(name)})"
        for name in dict.fromkeys([*settings, *found])
        if found.get(name) != settings.get(name)
    ]
    if different:
        raise ValueError(
            f"{results} was made with other settings: {', '.join(different)}. Rows of both would not be comparable:"
            " choose another --out, or pass --overwrite."
        )
    return rows


def write_results(out: Path, settings: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write comparison.md and comparison.json, each whole or not at all."""
    write_bytes(out / "comparison.md", (render_page(settings, rows) + "\n").encode())
    write_bytes(out / "comparison.json", render_json({"settings": settings, "rows": rows}).encode())


def render_page(settings: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The table and how to read it."""
    memory = "of tensors on the GPU" if settings["device"] == "cuda" else "of the whole process, libraries included"
    notes = [
        f"Depth on {settings['data']} from frozen encoders: each head trained for {settings['num_steps']} steps of"
        f" {settings['batch_size']} images with seed {settings['seed']}, evaluated on images it was not trained on.",
        f"ms per image: encoder and head, one crop at a time. Peak memory: {memory}, in training and evaluation.",
    ]
    if any(row["paper"] for row in rows):
        notes.append("Columns marked paper: arXiv 2512.15715, its data and its full recipe; not measured here.")
    for row in rows:
        if (source := row["settings"]["normalization"]["source"]) != "its image processor":
            notes.append(f"{row['model']} came without image processor: normalised with the {source}.")
    return "\n\n".join([render_table(rows), *dict.fromkeys(notes)])


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No warnings of transformers over heads and decoders that are left out; missing encoder weights are errors."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
