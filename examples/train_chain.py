# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Train the whole chain of small models with one command: pre-train, label, fine-tune depth, finish at 256, evaluate.

    python examples/gather_photographs.py --output_dir photographs
    python examples/train_chain.py --photos photographs/train --pack box.tar
    python examples/train_chain.py --photos box.tar --onnx fastdepth_7.onnx --frames frames --output_dir runs/chain
    python examples/train_chain.py --photos photographs/train --dry_run --output_dir runs/chain
    python examples/train_chain.py --smoke --photos photographs/train --output_dir runs/smoke

--pack writes the photographs smaller into one file, all that a machine with a GPU and without a network needs beside the
ONNX teacher. A .tar as --photos is unpacked first.

The stages are the other scripts of this folder, with the arguments that are printed: OUTPUT_DIR/pixio-tiny is the masked
autoencoder, pseudo-labels lie in labelled, depth-128 is trained on them and on rendered scenes, depth-256 finished at the
official size. --frames is a folder val/images and val/depth (PNG of millimetres) of real frames to evaluate on. Interrupt
it at any time; the same command goes on inside the stage where it stopped.

The numbers of steps are meant for ten minutes on one large GPU with 16 CPU cores, which has not been measured.
"""

import io
import shlex
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import PIL.Image
from tqdm.auto import tqdm
from transformers import AutoConfig, HfArgumentParser

from pixio_hf.bundled import find_checkpoint
from pixio_hf.files import file_in_progress
from pixio_hf.listings import find_files, photo_endings
from pixio_hf.photo_files import open_photo
from pixio_hf.script_exit import require_positive, run_script

EXAMPLES = Path(__file__).resolve().parent
PACKED_SIDE, PACKED_QUALITY = 144, 75  # short side in pixels; JPEG


@dataclass(frozen=True)
class ChainArguments:
    """What the chain is trained on, how long, and where it goes."""

    photos: str = field(metadata={"help": "Folder of photographs, or a .tar that --pack has written."})
    output_dir: str = field(default="runs/chain", metadata={"help": "One folder per stage."})
    pack: str | None = field(default=None, metadata={"help": "Only write the photographs into this .tar, smaller."})
    onnx: str | None = field(default=None, metadata={"help": "ONNX teacher of depth; default: --teacher."})
    teacher: str = field(default="pixio-tiny-depth", metadata={"help": "Teacher of depth: folder, Hub id or name."})
    depth_estimation_type: str = field(default="relative", metadata={"help": "relative, or metric (metres)."})
    frames: str | None = field(default=None, metadata={"help": "Folder of real frames with depth to evaluate on."})
    pretraining_steps: int = 3000
    depth_steps: int = 2500
    finish_steps: int = field(default=500, metadata={"help": "Steps at 256 x 256."})
    num_scenes: int = field(default=8192, metadata={"help": "Rendered scenes of 128 x 128 beside the photographs."})
    num_finish_scenes: int = field(default=1024, metadata={"help": "Rendered scenes of 256 x 256."})
    batch_size: int = 128
    num_workers: int = field(default=8, metadata={"help": "Processes that read and render."})
    seed: int = 0
    dry_run: bool = field(default=False, metadata={"help": "Print the commands of all stages, and end."})
    smoke: bool = field(default=False, metadata={"help": "Two steps of each stage, to see that it runs."})


@dataclass(frozen=True)
class Stage:
    """One command, and the file that it leaves when it is finished."""

    name: str
    command: list[str]
    result: Path


def plan_stages(args: ChainArguments, photos: Path) -> list[Stage]:
    """The commands of the chain, in their order."""
    out = Path(args.output_dir)
    scenes = {"num_scenes": args.num_scenes, "cache_dir": out / "scenes", "scene_photographs": photos}
    pretraining: dict[str, Any] = {
        "output_dir": out / "pixio-tiny",
        "preset": "pixio-tiny",
        "dataset": f"{photos} + synthetic-mixed",
        "num_render_workers": args.num_workers,
        "max_steps": args.pretraining_steps,
        "warmup_steps": args.pretraining_steps // 20,
        "batch_size": args.batch_size,
        "num_workers": args.num_workers,
        "seed": args.seed,
        **scenes,
    }
    teacher = {"onnx": args.onnx} if args.onnx else {"model": args.teacher}
    labelling: dict[str, Any] = {"dataset": photos, "output_dir": out / "labelled", **teacher}
    depth: dict[str, Any] = {
        "task": "depth",
        "recipe": "tiny-synthetic",
        "dataset": out / "labelled",
        "mix_with": "synthetic-mixed-v2",
        "depth_estimation_type": args.depth_estimation_type,
        "strong_perturbations": True,
        "total_batch_size": args.batch_size,
        "num_workers": args.num_workers,
        "seed": args.seed,
        **scenes,
    }
    if teacher_gives_metres(args):
        depth["depth_scale"] = 0.001
    if args.depth_estimation_type == "relative":
        depth["depth_loss_trim"] = 0.1
    coarse = {
        **depth,
        "output_dir": out / "depth-128",
        "model": out / "pixio-tiny" / "model",
        "max_steps": args.depth_steps,
        "eval_steps": -(-args.depth_steps // 4),
    }
    fine = {
        **depth,
        "output_dir": out / "depth-256",
        "model": out / "depth-128" / "model",
        "crop_size": 256,
        "num_scenes": args.num_finish_scenes,
        "learning_rate": 3e-4,
        "encoder_learning_rate": 1e-4,
        "max_steps": args.finish_steps,
        "eval_steps": -(-args.finish_steps // 2),
    }
    if args.smoke:
        pretraining |= {"max_steps": 2, "warmup_steps": 1, "batch_size": 2, "num_scenes": 4, "num_workers": 0}
        pretraining |= {"num_render_workers": 0, "mixed_precision": "no"}
        labelling |= {"smoke": True, "val_share": 0.5, "image_size": 64}
        short = {"total_batch_size": 2, "max_steps": 2, "eval_steps": 2, "num_scenes": 4, "num_workers": 0}
        coarse, fine = coarse | short, fine | short
    stages = [
        script_stage("pretrain", pretraining, out / "pixio-tiny" / "model" / "config.json"),
        script_stage("pseudo_label", labelling, out / "labelled" / "train-00000.parquet"),
        script_stage("finetune_trainer", coarse, out / "depth-128" / "model" / "config.json"),
        script_stage("finetune_trainer", fine, out / "depth-256" / "model" / "config.json"),
    ]
    evaluated = {"synthetic-mixed-v2": ["--num-images", "4" if args.smoke else "256"]}
    if args.frames:
        ranges = ["--depth-scale", "0.001", "--truth-range", "0.3,10", "--clip-range", "0.1,20", "--by-source"]
        evaluated[args.frames] = ranges
    for data, options in evaluated.items():
        folder = out / f"results-{Path(data).name}"
        command = [sys.executable, "-m", "pixio_hf_cli", "evaluate", "depth", "--relative", "--num-pictures", "0"]
        command += ["--model", str(out / "depth-256" / "model"), "--data", data, "--out", str(folder), *options]
        stages.append(Stage(f"evaluate on {Path(data).name}", command, folder / "results.json"))
    return stages


def teacher_gives_metres(args: ChainArguments) -> bool:
    """Whether labels are millimetres; an ONNX teacher gives metres."""
    if args.onnx:
        return True
    config = AutoConfig.from_pretrained(find_checkpoint(args.teacher))
    return getattr(config, "depth_estimation_type", "metric") == "metric"


def script_stage(script: str, options: dict[str, Any], result: Path) -> Stage:
    """A script of this folder with its options."""
    command = [sys.executable, str(EXAMPLES / f"{script}.py")]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return Stage(f"{script} into {Path(options['output_dir']).name}", command, result)


def pack_photographs(folder: Path, target: Path) -> None:
    """Write the photographs of a folder, smaller, into one .tar; what cannot be read is named and left out."""
    names = [str(name) for name in find_files(folder, photo_endings()).files]
    if not names:
        raise ValueError(f"{folder} holds no photographs.")
    damaged = []
    with file_in_progress(target) as partial, tarfile.open(partial, "w") as archive:
        for name in tqdm(names, desc="packing"):
            try:
                photo = open_photo(folder / name).convert("RGB")
            except (OSError, ValueError) as error:
                damaged.append(f"{name} ({error})")
                continue
            scale = min(PACKED_SIDE / min(photo.size), 1)
            size = (max(round(photo.width * scale), 1), max(round(photo.height * scale), 1))
            buffer = io.BytesIO()
            photo.resize(size, PIL.Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=PACKED_QUALITY)
            member = tarfile.TarInfo(str(Path(name).with_suffix(".jpg")))
            member.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(member, buffer)
    print(f"{target}: {len(names) - len(damaged)} photographs, {target.stat().st_size / 1e6:.1f} MB.")
    if damaged:
        print(f"{len(damaged)} could not be read: {'; '.join(damaged[:3])}{' ...' if len(damaged) > 3 else ''}")


def unpack_photographs(archive: Path, folder: Path) -> Path:
    """The photographs of a .tar as a folder, unpacked once."""
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        with tarfile.open(archive) as opened:
            opened.extractall(partial, filter="data")
        partial.rename(folder)
    return folder


def main(args: ChainArguments) -> None:
    require_positive(args, "pretraining_steps", "depth_steps", "finish_steps", "num_scenes", "batch_size")
    if args.depth_estimation_type not in ("relative", "metric"):
        raise ValueError(f"--depth_estimation_type must be relative or metric, got {args.depth_estimation_type!r}.")
    source, out = Path(args.photos), Path(args.output_dir)
    if not source.exists():
        raise ValueError(f"There are no photographs at {source}.")
    if args.pack:
        pack_photographs(source, Path(args.pack))
        return
    photos = source
    if source.is_file():
        photos = out / "photographs"
        if not args.dry_run:
            out.mkdir(parents=True, exist_ok=True)
            unpack_photographs(source, photos)
    for stage in plan_stages(args, photos):
        print(f"== {stage.name}\n{shlex.join(stage.command)}", flush=True)
        if args.dry_run:
            continue
        if stage.result.exists():
            print("Finished already.", flush=True)
        elif (code := subprocess.run(stage.command).returncode) != 0:
            raise ValueError(f"The stage {stage.name} ended with code {code}; the same command goes on there.")


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, ChainArguments)))
