# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Label photographs with the depth that a teacher sees in them: a folder to fine-tune on, where nobody measured depth.

    python examples/label_photographs.py --photos photographs/train --teacher fastdepth_7.onnx \
        --output_dir labelled
    python examples/finetune_trainer.py --task depth --dataset labelled --depth_scale 0.001 --output_dir runs/student

The teacher is an ONNX file that takes (1, 3, S, S) in [0, 1] and gives metres, such as FastDepth's (needs onnxruntime),
or a folder, Hub id or bundled name of a PixioForDepthEstimation. Depth is written as millimetres in 16-bit PNG files, 0 =
none. A photograph is labelled as it is and mirrored; where both disagree by more than --max_disagreement, or the teacher
sees less than --min_depth, there is no label. The parts `train` and `val` are split by the hash of the name. A second start
goes on where the first one stopped.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import find_checkpoint
from pixio_hf.listings import find_files, photo_endings
from pixio_hf.script_exit import require_positive, run_script

# Photo (H, W, 3) -> depth in metres, of any size.
Teacher = Callable[[PIL.Image.Image], np.ndarray]


@dataclass(frozen=True)
class LabellingArguments:
    """Who labels what, and what is left out."""

    output_dir: str = field(metadata={"help": "train/ and val/ with images/ and depth/ go here."})
    photos: str = field(metadata={"help": "Folder of photographs, searched with all folders in it."})
    model: str = field(
        default="pixio-tiny-depth",
        metadata={"help": "The teacher, where it is a Pixio model: folder, Hub id or name."},
    )
    teacher: str | None = field(default=None, metadata={"help": "An ONNX file instead of --model."})
    image_size: int = field(default=256, metadata={"help": "Square size of what is written."})
    val_share: float = field(default=0.03, metadata={"help": "Share of the photographs that become val/."})
    max_disagreement: float = field(default=0.15, metadata={"help": "Largest ratio minus 1 between the two labels."})
    min_depth: float = field(default=0.1, metadata={"help": "In metres; nearer labels are none."})
    smoke: bool = field(default=False, metadata={"help": "Four photographs, to see that it runs."})


def open_onnx(path: str) -> Teacher:
    """A teacher from an ONNX file whose one input is a square picture.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: there is no such file.
    """
    if not Path(path).is_file():
        raise ValueError(f"There is no file {path} to take as the teacher.")
    import onnxruntime  # pyright: ignore[reportMissingImports]

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    side = int(entry.shape[-1])

    def look(photo: PIL.Image.Image) -> np.ndarray:
        pixels = np.asarray(photo.resize((side, side), PIL.Image.Resampling.BILINEAR), dtype=np.float32) / 255
        return np.squeeze(session.run(None, {entry.name: pixels.transpose(2, 0, 1)[None]})[0])

    return look


def open_pixio(name: str) -> Teacher:
    """A teacher from a depth model of this package."""
    path = find_checkpoint(name)
    model = PixioForDepthEstimation.from_pretrained(path, dtype=torch.float32).eval()
    processor = PixioImageProcessor.from_pretrained(path)

    @torch.inference_mode()
    def look(photo: PIL.Image.Image) -> np.ndarray:
        return model(**processor(photo, return_tensors="pt")).predicted_depth[0].numpy()

    return look


def label(photo: PIL.Image.Image, look: Teacher, args: LabellingArguments) -> np.ndarray:
    """Depth of a square photo in millimetres (S, S) uint16: the geometric mean of its two views, 0 where they disagree."""
    views = (photo, photo.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT))
    plain, mirrored = (
        np.asarray(
            PIL.Image.fromarray(look(view).astype(np.float32)).resize(photo.size, PIL.Image.Resampling.BILINEAR)
        )
        for view in views
    )
    mirrored = mirrored[:, ::-1]
    both = np.maximum(np.minimum(plain, mirrored), 1e-3)
    agree = (np.maximum(plain, mirrored) / both < 1 + args.max_disagreement) & (both >= args.min_depth)
    depth = np.sqrt(np.maximum(plain, 1e-3) * np.maximum(mirrored, 1e-3))
    return np.where(agree, np.clip(depth * 1000, 1, 65535), 0).round().astype(np.uint16)


def main(args: LabellingArguments) -> None:
    require_positive(args, "image_size")
    names = [str(name) for name in find_files(args.photos, photo_endings()).files]
    if not names:
        raise ValueError(f"{args.photos} holds no photographs.")
    look = open_onnx(args.teacher) if args.teacher else open_pixio(args.model)
    output_dir, shares = Path(args.output_dir), []
    for name in tqdm(names[:4] if args.smoke else names, desc="labelling"):
        digest = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6], "big")
        part = output_dir / ("val" if digest < args.val_share * 2**48 else "train")
        stem = Path(name).with_suffix("").as_posix().replace("/", "-")
        image_path, depth_path = part / "images" / f"{stem}.jpg", part / "depth" / f"{stem}.png"
        if depth_path.exists() and image_path.exists():
            continue
        with PIL.Image.open(Path(args.photos) / name) as opened:
            photo = opened.convert("RGB").resize((args.image_size,) * 2, PIL.Image.Resampling.BICUBIC)
        depth = label(photo, look, args)
        shares.append(float((depth > 0).mean()))
        for path in (image_path, depth_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(depth).save(depth_path.with_suffix(".partial"), format="PNG")
        photo.save(image_path, quality=92)
        depth_path.with_suffix(".partial").replace(depth_path)
    if shares:
        print(f"Labelled {len(shares)} photographs; {100 * np.mean(shares):.0f} % of their pixels have a label.")


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, LabellingArguments)))
