# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Measure every image of a data set of shards, to curate it for pre-training (docs/specification.md 3.5), with Accelerate.

    accelerate launch examples/curate.py --dataset path/to/shards --model path/to/model --output_dir statistics
    ACCELERATE_USE_CPU=true accelerate launch --config_file examples/accelerate_configs/cpu_2_processes.yaml \
        --num_processes 16 examples/curate.py --dataset path/to/shards --output_dir statistics
    python examples/curate.py --smoke --output_dir runs/smoke

The shards are dealt to the processes, which have to see one file system. Each shard gets a Parquet file with name, width,
height, histogram_score (entropy of the colours) and mae_loss (of a pre-training model) of each image; pretrain.py chooses
by them. Interrupt it at any time; the same command measures the shards that are left. report.png shows what the
thresholds keep.
"""

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import PIL.Image
import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from tqdm.auto import tqdm
from transformers import HfArgumentParser

from pixio_hf import PixioConfig, PixioForPreTraining
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.curation.image_statistics import DEFINITION, reconstruction_losses
from pixio_hf.data.curation.report import CurationSummary, write_report
from pixio_hf.data.curation.selection import CurationTests
from pixio_hf.data.curation.shard_statistics import measure_shard
from pixio_hf.data.curation.statistics_files import locate_statistics, read_finished, write_statistics
from pixio_hf.data.streaming.shards import find_shards
from pixio_hf.data.streaming.stream import check_damage
from pixio_hf.files import file_in_progress
from pixio_hf.script_exit import run_script
from pixio_hf.synthetic import TRAIN_SEEDS, SyntheticSceneDataset


@dataclass(frozen=True)
class CurationArguments:
    """What to measure, and where to write it."""

    output_dir: str = field(metadata={"help": "Statistics and report go here; outside the data set's folder."})
    dataset: str | None = field(
        default=None,
        metadata={"help": "Folder, pattern or address of .tar or .parquet shards, or OWNER/NAME on the Hub."},
    )
    model: str = field(
        default="none",
        metadata={"help": "Folder, Hub id or bundled name of a pre-training model with decoder; none: no mae_loss."},
    )
    batch_size: int = field(default=64, metadata={"help": "Images per forward pass."})
    mixed_precision: str = field(default="no", metadata={"help": "no, bf16 or fp16, of the model."})
    num_threads: int = field(default=4, metadata={"help": "Threads that decode, per process."})
    image_column: str | None = field(default=None, metadata={"help": "Of Parquet shards; none finds it."})
    seed: int = field(default=0, metadata={"help": "Of the masks."})
    max_damaged: float = field(
        default=0.01, metadata={"help": "Unreadable images that are put up with: a share below 1, or a number."}
    )
    retry_damaged: bool = field(default=False, metadata={"help": "Measure shards with unreadable images once more."})
    min_histogram_score: float = field(default=4.5, metadata={"help": "Threshold that the report shows, in bits."})
    min_resolution: int = field(default=320, metadata={"help": "Threshold that the report shows, in pixels."})
    smoke: bool = field(default=False, metadata={"help": "Two shards of rendered scenes and a very small model."})


def main(args: CurationArguments) -> None:
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        # The first process to finish waits for the last one.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=30))],
    )
    if min(args.batch_size, args.num_threads, args.min_histogram_score, args.min_resolution) <= 0:
        raise ValueError("batch_size, num_threads, min_histogram_score and min_resolution must be positive.")
    if args.model != "none":
        find_checkpoint(args.model)
    output_dir = Path(args.output_dir)
    dataset = args.dataset
    if args.smoke and dataset is None:
        dataset = str(output_dir / "smoke" / "scenes")
        with accelerator.main_process_first():
            write_smoke_shards(Path(dataset))
    if dataset is None:
        raise ValueError("Say with --dataset which shards to measure.")
    shards = find_shards(dataset)
    if shards is None:
        raise ValueError(f"{dataset} holds no shards (.tar or .parquet).")
    places = locate_statistics(shards, output_dir)
    files = {shard: place.with_name(f"{place.name}.parquet") for shard, place in places.items()}
    refuse_folders_of_data(dataset, shards, files.values())

    model = load_model(args)
    settings = describe_settings(args, model)
    if model is not None:
        model.to(accelerator.device)  # pyright: ignore[reportArgumentType]

    def measure_losses(images: torch.Tensor, seeds: list[int]) -> list[float]:
        assert model is not None
        with accelerator.autocast():
            losses = reconstruction_losses(model, images, seeds)
        if not torch.isfinite(losses).all():
            raise FloatingPointError(
                f"{args.model} with mixed_precision={args.mixed_precision}: the loss is not finite."
            )
        return losses.tolist()

    own_shards = shards[accelerator.process_index :: accelerator.num_processes]
    unfinished = [shard for shard in own_shards if not is_finished(args, shard, files[shard], settings)]
    print(f"Process {accelerator.process_index}: {len(unfinished)} of {len(own_shards)} shards to measure.")
    num_rows = num_damaged = 0
    progress = tqdm(unit=" images", disable=not accelerator.is_main_process, desc="curation")
    with ThreadPoolExecutor(args.num_threads) as pool:
        for number, shard in enumerate(unfinished, start=1):
            progress.set_postfix(shard=f"{number}/{len(unfinished)}", damaged=num_damaged)
            rows = measure_shard(
                shard,
                pool,
                measure_losses if model is not None else None,
                model.config.image_size if model is not None else None,
                args.batch_size,
                args.seed,
                args.image_column,
                progress.update,
            )
            damaged = [f"{shard}: {row['name']}: {row['error']}" for row in rows if row["error"] is not None]
            for message in damaged:
                progress.write(f"Cannot be measured: {message}", file=sys.stderr)
            num_rows, num_damaged = num_rows + len(rows), num_damaged + len(damaged)
            check_damage(num_damaged, num_rows, args.max_damaged, damaged[-3:])
            write_statistics(files[shard], rows, settings, local_size(shard))
    progress.close()

    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        summary = CurationSummary(CurationTests(args.min_histogram_score, args.min_resolution, model is not None))
        for shard, path in tqdm(files.items(), desc="report"):
            finished = read_finished(path, settings, local_size(shard))
            if finished is None:
                raise ValueError(f"{path} is missing or damaged: all processes must write into one file system.")
            summary.add_shard(shard, finished)
        write_report(summary, {"dataset": dataset, "model": args.model, **settings}, output_dir)
        damage = f"; {summary.num_damaged} cannot be measured" if summary.num_damaged else ""
        print(f"{summary.num_images} images of {summary.num_shards} shards{damage}.")
        for label, share in summary.shares_kept().items():
            print(f"{share:7.1%} left: {label}")
        print(f"Saved {output_dir / 'report.png'}")
    accelerator.end_training()


def load_model(args: CurationArguments) -> PixioForPreTraining | None:
    """The model that measures, in evaluation mode.

    Raises:
        ValueError: it has no decoder, or lacks weights of it.
    """
    if args.model == "none" and args.smoke:
        sizes = {"hidden_size": 28, "num_hidden_layers": 2, "decoder_hidden_size": 12, "decoder_num_hidden_layers": 1}
        torch.manual_seed(args.seed)
        return PixioForPreTraining(PixioConfig.preset("pixio-tiny", **sizes)).eval()
    if args.model == "none":
        return None
    model, info = PixioForPreTraining.from_pretrained(
        find_checkpoint(args.model), dtype=torch.float32, output_loading_info=True
    )
    if info["missing_keys"]:
        raise ValueError(
            f"{args.model} has no whole decoder ({len(info['missing_keys'])} weights are missing), hence no reconstruction"
            " loss: train one with train_decoder.py."
        )
    return model.eval()


def describe_settings(args: CurationArguments, model: PixioForPreTraining | None) -> dict[str, Any]:
    """What the statistics depend on, apart from the images: shards measured with other settings are not mixed in."""
    settings = {"definition": DEFINITION, "image_column": args.image_column, "weights": None}
    if model is None:
        return settings
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())
    names = ("image_size", "mask_ratio", "mask_grid_size", "norm_pix_loss")
    return {
        **settings,
        **{name: getattr(model.config, name) for name in names},
        "weights": digest.hexdigest(),
        "mixed_precision": args.mixed_precision,
        "seed": args.seed,
    }


def is_finished(args: CurationArguments, shard: str, path: Path, settings: dict[str, Any]) -> bool:
    rows = read_finished(path, settings, local_size(shard))
    return rows is not None and not (args.retry_damaged and any(row["error"] is not None for row in rows))


def local_size(shard: str) -> int | None:
    """Bytes of a local shard, which show that it was replaced; None for addresses, where asking takes time."""
    return os.path.getsize(shard) if os.path.isfile(shard) else None


def refuse_folders_of_data(dataset: str, shards: list[str], files: Iterable[Path]) -> None:
    """Raise ValueError where statistics would lie among the data, and be taken for shards or overwrite some."""
    folders = {Path(shard).resolve().parent for shard in shards if "://" not in shard}
    folders |= {Path(dataset).resolve()} if Path(dataset).is_dir() else set()
    for folder in {path.resolve().parent for path in files}:
        if folders & {folder, *folder.parents}:
            raise ValueError(f"Statistics in {folder} would lie among the shards; choose another output_dir.")


def write_smoke_shards(folder: Path) -> None:
    """Two tars of three rendered scenes each."""
    scenes = SyntheticSceneDataset(6, TRAIN_SEEDS.start, 64)
    for number in range(2):
        with file_in_progress(folder / f"{number}.tar") as partial, tarfile.open(partial, "w") as archive:
            for index in range(3 * number, 3 * number + 3):
                buffer = io.BytesIO()
                PIL.Image.fromarray(scenes[index]["image"].permute(1, 2, 0).numpy()).save(buffer, "PNG")
                member = tarfile.TarInfo(f"{index}.png")
                member.size = buffer.tell()
                buffer.seek(0)
                archive.addfile(member, buffer)


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, CurationArguments)))
