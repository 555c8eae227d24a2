# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What each ingredient of the synthetic scenes is worth for depth on real photographs.

    python examples/ablation/scene_ingredients.py --frames rgbd --photographs photographs/train --output_dir runs/scenes

The same model is fine-tuned for a few minutes on version 1, on version 2, and on version 2 without one ingredient after the
other, and measured on real frames with measured depth: a folder with images/*.jpg and depth/*.png (millimetres, 0 = none)
of the same names, of which the part before the first underscore is the source. Sources count once. Finished runs are kept:
the same command makes those that are missing and prints the table, which docs/ablation.md holds.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.streaming.decoding import normalize_crops
from pixio_hf.files import write_json
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.synthetic import SceneKind, build_scene, render_scene
from pixio_hf.synthetic.rendering import open_photographs, single_threaded
from pixio_hf.synthetic.scenes import Scene
from pixio_hf.training.optimization import warmup_cosine


@dataclass(frozen=True)
class Variant:
    """Scenes to train on: of a version and kind; `accept` chooses seeds, `change` alters a scene before it is rendered."""

    version: int = 2
    kind: SceneKind = "mixed"
    with_photographs: bool = True
    accept: Callable[[Scene], bool] = lambda scene: True
    change: Callable[[Scene], Scene] = lambda scene: scene


def stand_upright(scene: Scene) -> Scene:
    """The same scene with a level horizon and a lens as in version 1."""
    camera = replace(scene.camera, roll=0.0, aspect=1.0, fov=min(max(scene.camera.fov, 0.96), 1.31))
    return replace(scene, camera=camera)


def is_at_eye_height(scene: Scene) -> bool:
    return 1.3 <= scene.camera.position[1] <= 1.8 and -0.35 <= scene.camera.pitch <= 0.1


def without_clutter(scene: Scene) -> Scene:
    """The same scene without its small things."""
    return replace(scene, primitives=[part for part in scene.primitives if max(part.half) > 0.2])


VARIANTS: dict[str, Variant] = {
    "version 1": Variant(version=1, kind="mixed", with_photographs=False),
    "version 2": Variant(),
    "without photographs": Variant(with_photographs=False),
    "without other heights": Variant(accept=is_at_eye_height),
    "without roll, lenses and shapes": Variant(change=stand_upright),
    "without exposure, blur, noise, JPEG": Variant(change=lambda scene: replace(scene, formation=None)),
    "without small things": Variant(change=without_clutter),
    "rooms only": Variant(kind="room"),
    "table tops only": Variant(kind="table"),
}


@dataclass(frozen=True)
class IngredientArguments:
    """The comparison. Every variant has the same start, number of scenes, steps, order and seeds."""

    output_dir: str = field(metadata={"help": "Rendered scenes, results and the table go here."})
    frames: str = field(metadata={"help": "Folder with images/ and depth/ of real frames to measure on."})
    photographs: str | None = field(default=None, metadata={"help": "Folder of photographs to put onto surfaces."})
    model: str = field(default="pixio-tiny", metadata={"help": "Encoder to start from."})
    variants: str = field(default="", metadata={"help": "Names, separated by semicolons; none: all."})
    num_seeds: int = 2
    num_scenes: int = 1024
    num_steps: int = 300
    batch_size: int = 32
    learning_rate: float = field(default=1e-3, metadata={"help": "Of the head; the encoder has half of it."})
    smoke: bool = field(default=False, metadata={"help": "Two steps on four scenes, to see that it runs."})


def render_variant(
    variant: Variant, size: int, count: int, photographs: str | None, path: Path
) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, H, W) uint8 and depth (N, H, W) float16 of the first seeds that a variant accepts; kept in a file."""
    if not path.exists():
        pictures = open_photographs(photographs if variant.with_photographs else None, variant.version)
        images, depths = [], []
        seeds, bar = iter(range(10_000_000)), tqdm(total=count, desc=path.stem)
        with single_threaded():
            while len(images) < count:
                scene = build_scene(next(seeds), variant.kind, variant.version)
                if variant.accept(scene):
                    image, depth = render_scene(variant.change(scene), size, photographs=pictures)
                    images.append(image.numpy())
                    depths.append(depth.numpy().astype(np.float16))
                    bar.update()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path.with_suffix(".partial.npz"), images=np.stack(images), depths=np.stack(depths))
        path.with_suffix(".partial.npz").replace(path)
    stored = np.load(path)
    return torch.from_numpy(stored["images"]), torch.from_numpy(stored["depths"])


def train(args: IngredientArguments, images: Tensor, depths: Tensor, seed: int) -> PixioForDepthEstimation:
    """Fine-tune encoder and a new head on scenes, mirrored at random."""
    torch.manual_seed(seed)
    model = PixioForDepthEstimation.from_pretrained(find_checkpoint(args.model), dtype=torch.float32)
    model.set_attn_implementation("eager")
    groups = [
        {"params": list(model.head.parameters()), "peak": args.learning_rate},
        {"params": list(model.pixio.parameters()), "peak": args.learning_rate / 2},
    ]
    optimizer = torch.optim.AdamW(groups, lr=args.learning_rate, weight_decay=0.05, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(seed)
    steps = 2 if args.smoke else args.num_steps
    model.train()
    for step in tqdm(range(steps), desc=f"seed {seed}"):
        chosen = torch.randint(len(images), (args.batch_size,), generator=generator)
        mirrored = torch.rand(args.batch_size, 1, 1, generator=generator) < 0.5
        batch, depth = images[chosen], depths[chosen].float()
        batch = torch.where(mirrored[:, None], batch.flip(-1), batch)
        depth = torch.where(mirrored, depth.flip(-1), depth)
        for group in optimizer.param_groups:
            group["lr"] = warmup_cosine(step, group["peak"], 0.0, steps // 10, steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(normalize_crops(batch), labels=depth).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def read_frames(folder: Path) -> Iterator[tuple[str, PIL.Image.Image, np.ndarray]]:
    """Source, picture and depth in metres of every frame."""
    for path in sorted((folder / "images").glob("*.jpg")):
        depth = np.asarray(PIL.Image.open(folder / "depth" / f"{path.stem}.png")).astype(np.float64) / 1000
        yield path.stem.split("_")[0], PIL.Image.open(path).convert("RGB"), depth


@torch.inference_mode()
def measure(model: PixioForDepthEstimation, frames: Path) -> dict[str, float]:
    """delta1 after the best scale and shift of inverse depth, and the rank correlation; means of sources."""
    size = {"height": model.config.image_size, "width": model.config.image_size}
    processor = PixioImageProcessor(size=size)
    by_source: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for source, image, truth in read_frames(frames):
        depth = model(**processor(image, return_tensors="pt")).predicted_depth
        depth = (
            torch.nn.functional.interpolate(depth[None].float(), truth.shape, mode="bilinear")[0, 0].double().numpy()
        )
        valid = (truth > 0.3) & (truth < 10)
        if valid.sum() >= 200:
            by_source[source].append(compare(np.clip(depth[valid], 0.1, 10), truth[valid]))
    means = np.mean([np.mean(values, axis=0) for values in by_source.values()], axis=0)
    return {"affine_delta1": float(means[0]), "order": float(means[1])}


def compare(depth: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Both numbers of one frame, from the depths of its pixels."""
    inverse = np.stack([1 / depth, np.ones_like(depth)], axis=1)
    fitted = inverse @ np.linalg.lstsq(inverse, 1 / truth, rcond=None)[0]
    aligned = 1 / np.clip(fitted, 0.05, 10)
    ranks = [values.argsort().argsort() for values in (depth, truth)]
    order = float(np.corrcoef(ranks[0], ranks[1]).flat[1]) if depth.std() > 1e-9 else 0.0
    return float((np.maximum(aligned / truth, truth / aligned) < 1.25).mean()), order


def write_table(output_dir: Path, names: list[str], num_seeds: int) -> str:
    """Means and the range over seeds, of what is finished."""
    lines = ["| trained on | seeds | affine delta1 | order |", "|---|---|---|---|"]
    for name in names:
        paths = [output_dir / "results" / f"{slug(name)}-{seed}.json" for seed in range(num_seeds)]
        results = [json.loads(path.read_text()) for path in paths if path.exists()]
        if results:
            cells = []
            for key in ("affine_delta1", "order"):
                values = [result[key] for result in results]
                cells.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
            lines.append(f"| {name} | {len(results)} | {' | '.join(cells)} |")
    text = "\n".join(lines)
    (output_dir / "table.md").write_text(text + "\n")
    return text


def slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def main(args: IngredientArguments) -> None:
    require_positive(args, "num_seeds", "num_scenes", "num_steps", "batch_size")
    names = args.variants.split(";") if args.variants else [*VARIANTS]
    if unknown := [name for name in names if name not in VARIANTS]:
        raise ValueError(f"Unknown variants {unknown}; choose from {'; '.join(VARIANTS)}.")
    output_dir = Path(args.output_dir)
    (output_dir / "results").mkdir(parents=True, exist_ok=True)
    size = PixioConfig.from_pretrained(find_checkpoint(args.model)).image_size
    count = 4 if args.smoke else args.num_scenes
    for seed in range(args.num_seeds):
        for name in names:
            result = output_dir / "results" / f"{slug(name)}-{seed}.json"
            if result.exists():
                continue
            scenes = output_dir / "scenes" / f"{slug(name)}-{count}.npz"
            images, depths = render_variant(VARIANTS[name], size, count, args.photographs, scenes)
            write_json(result, measure(train(args, images, depths, seed), Path(args.frames)))
            print(write_table(output_dir, names, args.num_seeds), flush=True)
    print(write_table(output_dir, names, args.num_seeds))


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, IngredientArguments)))
