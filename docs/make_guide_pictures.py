# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Make the pictures of guides from small runs of the commands that they describe (`make pictures`).

    python docs/make_guide_pictures.py                       # all: about ten minutes on two cores
    python docs/make_guide_pictures.py conversion hub        # two diagrams, without a model, in a second

All data are in the package: pieces of its three photos, and rendered rooms.
"""

import argparse
import json
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import PIL.Image
from make_pictures import choose_names, keep

from pixio_hf import PixioConfig, PixioImageProcessor, PixioModel
from pixio_hf.bundled import ASSETS
from pixio_hf.visualization.figures import make_figure

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = {name: ASSETS / "photos" / f"{name}.jpg" for name in ("cat", "coffee", "temple")}
INK, PALE, FILL, ACCENT = "#212f3d", "#707b86", "#eef1fb", "#3f51b5"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PICTURES)}")
    for name in choose_names(parser, parser.parse_args().names, PICTURES):
        with tempfile.TemporaryDirectory() as folder:
            keep(PICTURES[name](Path(folder)), f"{name}.png")


def run(script: str, *options: str | Path) -> None:
    """A script of examples/, or a command such as `evaluate knn`."""
    place = [str(ROOT / "examples" / script)] if script.endswith(".py") else ["-m", "pixio_hf_cli", *script.split()]
    command = [sys.executable, *place, *map(str, options)]
    print("$", " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)


def cut(photo: PIL.Image.Image, left: float, right: float, sides: tuple[int, int], chance: random.Random):
    """A random square of a photo between two shares of its width, its side between two numbers of pixels."""
    side = min(chance.randint(*sides), photo.height, int((right - left) * photo.width))
    x = chance.randint(int(left * photo.width), int(right * photo.width) - side)
    y = chance.randint(0, photo.height - side)
    return photo.crop((x, y, x + side, y + side))


def classification(folder: Path) -> Path:
    """Classes are the photos: the model learns from pieces of their left part and is asked about the right one."""
    chance, data = random.Random(0), folder / "my_classes"
    for name, path in PHOTOS.items():
        with PIL.Image.open(path) as photo:
            for split, left, right, count in (("train", 0.0, 0.6, 60), ("val", 0.6, 1.0, 20)):
                (data / split / name).mkdir(parents=True)
                for number in range(count):
                    cut(photo, left, right, (100, 160), chance).save(data / split / name / f"{number:03d}.jpg")
    run(
        "evaluate knn", "--model", "pixio-tiny", "--train", data / "train", "--test", data / "val",
        "--out", folder / "knn",
    )  # fmt: skip
    run(
        "linear_probe.py", "--model", "pixio-tiny", "--dataset", data, "--output_dir", folder / "probe",
        "--max_steps", "300", "--batch_size", "180", "--logging_steps", "10", "--mixed_precision", "no",
        "--report_to", "none",
    )  # fmt: skip
    return next((folder / "probe" / "panels").glob("*.png"))


def curation(folder: Path) -> Path:
    """A shard as the web gives them: pieces of photos, small ones among them, and pages of one colour."""
    chance = random.Random(0)
    (folder / "shards").mkdir()
    (folder / "images").mkdir()
    with tarfile.open(folder / "shards" / "0000.tar", "w") as shard:
        for number in range(240):
            with PIL.Image.open(chance.choice(list(PHOTOS.values()))) as photo:
                if number % 6 == 0:
                    side, grey = chance.randint(200, 500), chance.randint(180, 255)
                    image = PIL.Image.new("RGB", (side, side), (grey, grey, grey))
                else:
                    image = cut(photo, 0.0, 1.0, (64, 400), chance)
            path = folder / "images" / f"{number:04d}.jpg"
            image.save(path)
            shard.add(path, path.name)
    run(
        "curate.py", "--dataset", folder / "shards" / "*.tar", "--model", "pixio-tiny",
        "--output_dir", folder / "curated",
    )  # fmt: skip
    return folder / "curated" / "report.png"


def distillation(folder: Path) -> Path:
    """Curves of a student that begins with random weights."""
    run(
        "distill.py", "--teacher", "pixio-tiny", "--student", "pixio-tiny", "--dataset", "synthetic-rooms",
        "--num_scenes", "256", "--max_steps", "120", "--batch_size", "16", "--logging_steps", "4",
        "--mixed_precision", "no", "--report_to", "none", "--output_dir", folder / "distilled",
    )  # fmt: skip
    return folder / "distilled" / "curves.png"


def comparison(folder: Path) -> Path:
    """Bars of the table of `pixio-hf compare`: the bundled encoders, and one that never learned anything."""
    config = PixioConfig.preset("pixio-tiny")
    untrained = folder / "untrained"
    PixioModel(config).save_pretrained(untrained)
    PixioImageProcessor.for_config(config).save_pretrained(untrained)
    run(
        "compare", "--models", untrained, "pixio-tiny", "pixio-tiny-depth", "--data", "synthetic-rooms",
        "--heads", "linear,dpt", "--steps", "80", "--batch-size", "8", "--learning-rate", "1e-3", "--crop-size", "128",
        "--num-train", "192", "--num-eval", "32",
        "--neck-hidden-sizes", "32,64,96,96", "--fusion-hidden-size", "32", "--out", folder / "table",
    )  # fmt: skip
    return draw_comparison(json.loads((folder / "table" / "comparison.json").read_text())["rows"], folder)


def draw_comparison(rows: Sequence[dict], folder: Path) -> Path:
    """A group of bars per encoder, a colour per head; both metrics beside each other."""
    figure = make_figure(figsize=(11, 3.6), layout="constrained")
    models = list(dict.fromkeys(row["model"] for row in rows))
    heads = list(dict.fromkeys(row["head"] for row in rows))
    metrics = {"delta1": "delta1: share of pixels off by less than a quarter, higher is better",
               "rmse": "rmse in metres, lower is better"}  # fmt: skip
    for axes, (metric, title) in zip(figure.subplots(1, 2), metrics.items(), strict=True):
        for place, head in enumerate(heads):
            values = [next(row for row in rows if (row["model"], row["head"]) == (model, head)) for model in models]
            height = 0.8 / len(heads)
            bars = axes.barh(
                [index + (place - (len(heads) - 1) / 2) * height for index in range(len(models))],
                [row["metrics"][metric] for row in values], height * 0.92, label=f"{head} head",
                color=(PALE, ACCENT)[place % 2],
            )  # fmt: skip
            axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
        axes.set_yticks(range(len(models)), [Path(model).name for model in models])
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_title(title, fontsize=9.5, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8.5, frameon=False
    )
    path = folder / "comparison.png"
    figure.savefig(path, dpi=110)
    return path


def conversion(folder: Path) -> Path:
    steps = [
        ("pixio_vith16.pth", "as Meta\npublished it"),
        ("read the outline", "names and sizes;\nnothing in the file is run"),
        ("recognise", "size and kind,\nfrom the weights"),
        ("write", "part by part,\nhalf a gigabyte of memory"),
        ("read back", "every tensor compared,\nbit for bit"),
        ("folder pixio-h16", "safetensors, config,\ncard with licence, report"),
    ]
    return draw_chain(steps, "pixio-hf convert", "conversion/export_checkpoint.py: back to the original names", folder)


def hub(folder: Path) -> Path:
    steps = [
        ("runs/mine/model", "weights, config,\ncard"),
        ("check", "weights whole, licence kept;\nother files stay here"),
        ("--dry-run", "says what would\nchange, and stops"),
        ("upload", "only what changed;\ngoes on after a stop"),
        ("owner/my-depth", "private, unless\n--public"),
    ]
    return draw_chain(steps, "pixio-hf push", None, folder)


def draw_chain(steps: Sequence[tuple[str, str]], forth: str, back: str | None, folder: Path) -> Path:
    """Boxes from left to right with their text, and maybe an arrow back below them; both ends have sharp corners."""
    width, gap, height = 1.72, 0.3, 0.98
    length = len(steps) * width + (len(steps) - 1) * gap
    bottom = -0.85 if back else -0.2
    figure = make_figure(figsize=(length + 0.2, 1.5 - bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.1, length + 0.1), ylim=(bottom, 1.5))
    axes.axis("off")
    arrow = {"arrowstyle": "-|>", "color": ACCENT, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    for number, (title, text) in enumerate(steps):
        left, is_end = number * (width + gap), number in (0, len(steps) - 1)
        axes.add_patch(make_box(left, width, height, is_end))
        axes.text(left + width / 2, 0.74, title, ha="center", va="center", fontsize=9.5, weight="bold", color=INK)
        axes.text(
            left + width / 2, 0.33, text, ha="center", va="center", fontsize=7.6, color="#4d5a66", linespacing=1.35
        )
        if number:
            axes.annotate("", (left, height / 2), (left - gap, height / 2), arrowprops=arrow)
    axes.text(length / 2, 1.25, forth, ha="center", va="center", fontsize=10, family="monospace", color=ACCENT)
    path = folder / "chain.png"
    if back:
        middle = width / 2
        axes.plot([length - middle, length - middle, middle], [0, -0.35, -0.35], color=ACCENT, linewidth=1.6)
        axes.annotate("", (middle, 0), (middle, -0.37), arrowprops=arrow)
        axes.text(length / 2, -0.6, back, ha="center", va="center", fontsize=9, color=INK)
    figure.savefig(path, dpi=100)
    return path


def make_box(left: float, width: float, height: float, is_end: bool):
    from matplotlib.patches import FancyBboxPatch

    style = "square,pad=0" if is_end else "round,pad=0,rounding_size=0.12"
    fill = "white" if is_end else FILL
    return FancyBboxPatch((left, 0), width, height, boxstyle=style, edgecolor=ACCENT, facecolor=fill, linewidth=1.3)


PICTURES: dict[str, Callable[[Path], Path]] = {
    "classification": classification,
    "curation": curation,
    "distillation": distillation,
    "comparison": comparison,
    "conversion": conversion,
    "hub": hub,
}

if __name__ == "__main__":
    main()
