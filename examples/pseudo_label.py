# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Label photographs with the depth that a teacher sees in them, to train a student on, where nobody measured depth.

    python examples/pseudo_label.py --dataset photographs/train --onnx fastdepth_7.onnx --output_dir labelled
    accelerate launch examples/pseudo_label.py --dataset path/to/shards --batch_size 16 \
        --model depth-anything/Depth-Anything-V2-Large-hf --image_size 512 --output_dir labelled
    python examples/finetune_trainer.py --task depth --recipe relative-student --model facebook/pixio-vith16 \
        --dataset labelled --output_dir runs/student
    python examples/pseudo_label.py --dataset photographs/train --smoke --output_dir runs/labelled

The data set is a folder of photographs, .tar or .parquet shards, or OWNER/NAME on the Hub. The teacher is any depth model
of transformers or of this package, or an ONNX file that takes (1, 3, S, S) in [0, 1] and gives metres (needs onnxruntime).

Each photograph is labelled as it is and mirrored, and the two are averaged; where they disagree by more than
--max_disagreement there is no label. A teacher of metres gives a column `depth` of millimetres in 16-bit PNG, 0 = none
(train with --depth_scale 0.001); a teacher of relative depth a column `disparity`, on which only relative depth can be
trained. Photographs are kept beside them, smaller: OUTPUT_DIR/train-00000.parquet and so on, and val-*.parquet for a share
of them that is chosen by the hash of the name.

The work is dealt to the processes shard by shard; they have to see one file system. Interrupt it at any time; the same
command labels the shards that are left. Photographs that cannot be read are left out, counted, and named in
OUTPUT_DIR/reports.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from accelerate import PartialState
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import AutoImageProcessor, AutoModelForDepthEstimation, HfArgumentParser

import pixio_hf  # noqa: F401 - teaches transformers our models
from pixio_hf.bundled import find_checkpoint
from pixio_hf.data.labelled.depth_datasets import store_inverse
from pixio_hf.data.streaming.sample_sources import SampleSource, open_source
from pixio_hf.data.streaming.shard_reading import RawSample
from pixio_hf.depth_files import MAX_MILLIMETRES
from pixio_hf.files import file_in_progress, write_json
from pixio_hf.photo_files import MAX_PIXELS, decode_image, load_upright
from pixio_hf.script_exit import require_positive, run_script
from pixio_hf.training.checkpointing import check_same_run

# Photographs -> one map (H, W) each at the photograph's size: metres, or inverse depth in any scale and shift.
Teacher = Callable[[Sequence[PIL.Image.Image]], list[np.ndarray]]

METRIC_MODEL_TYPES = ("depth_pro", "glpn", "zoedepth")  # their configurations do not say it
LABEL_COLUMNS = {"metric": "depth", "relative": "disparity"}


@dataclass(frozen=True)
class LabellingArguments:
    """Who labels what, and what is left out."""

    output_dir: str = field(metadata={"help": "train-*.parquet, val-*.parquet and reports/ go here."})
    dataset: str = field(
        metadata={"help": "Folder of photographs, pattern or address of .tar or .parquet shards, or OWNER/NAME."}
    )
    model: str = field(
        default="pixio-tiny-depth",
        metadata={"help": "The teacher: folder, Hub id or bundled name of a depth model of transformers or ours."},
    )
    onnx: str | None = field(default=None, metadata={"help": "An ONNX file as the teacher instead of --model."})
    predicts: str = field(
        default="auto", metadata={"help": "What the teacher gives: metric (metres), relative (inverse depth), auto."}
    )
    image_size: int = field(default=256, metadata={"help": "Short side of what is written; smaller photographs stay."})
    batch_size: int = field(default=4, metadata={"help": "Photographs of one size that the teacher sees at once."})
    shard_size: int = field(default=1000, metadata={"help": "Photographs of a folder that make up one shard."})
    image_column: str | None = field(default=None, metadata={"help": "Column of the photographs in .parquet shards."})
    val_share: float = field(default=0.03, metadata={"help": "Share of the photographs that become val."})
    max_disagreement: float = field(
        default=0.15,
        metadata={"help": "Largest ratio minus 1 between both labels; of relative depth difference over the range."},
    )
    min_depth: float = field(default=0.1, metadata={"help": "In metres; nearer labels are none."})
    bf16: bool = field(default=False, metadata={"help": "Let the model run in bfloat16."})
    smoke: bool = field(default=False, metadata={"help": "Four photographs, to see that it runs."})


def open_onnx(path: str) -> Teacher:
    """A teacher from an ONNX file whose one input is a square picture.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: there is no such file.
    """
    if not Path(path).is_file():
        raise ValueError(f"There is no file {path} to take as the teacher.")
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("A teacher in an ONNX file needs onnxruntime: pip install 'pixio-hf[export]'.") from error

    session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    (entry,) = session.get_inputs()
    side = int(entry.shape[-1])

    def look(photos: Sequence[PIL.Image.Image]) -> list[np.ndarray]:
        maps = []
        for photo in photos:
            pixels = np.asarray(photo.resize((side, side), PIL.Image.Resampling.BILINEAR), dtype=np.float32) / 255
            depth = np.squeeze(np.asarray(session.run(None, {entry.name: pixels.transpose(2, 0, 1)[None]})[0]))
            maps.append(resize(torch.from_numpy(depth.astype(np.float32)), photo))
        return maps

    return look


def open_model(name: str, predicts: str, device: torch.device, bf16: bool = False) -> tuple[Teacher, str]:
    """A teacher from a depth model, and what it predicts: metric or relative.

    Raises:
        ValueError: its configuration does not say what it predicts.
    """
    path = find_checkpoint(name)
    model: Any = AutoModelForDepthEstimation.from_pretrained(path, dtype=torch.bfloat16 if bf16 else torch.float32)
    model = model.eval().to(device)
    processor: Any = AutoImageProcessor.from_pretrained(path)
    if predicts == "auto":
        stated = "metric" if model.config.model_type in METRIC_MODEL_TYPES else None
        predicts = str(getattr(model.config, "depth_estimation_type", stated))
        if predicts not in LABEL_COLUMNS:
            raise ValueError(f"{name} does not say whether it predicts metres: pass --predicts metric or relative.")

    @torch.inference_mode()
    def look(photos: Sequence[PIL.Image.Image]) -> list[np.ndarray]:
        inputs = processor(images=list(photos), return_tensors="pt")
        predicted = model(inputs["pixel_values"].to(device, model.dtype)).predicted_depth.float().cpu()
        return [resize(depth.squeeze(), photo) for depth, photo in zip(predicted, photos, strict=True)]

    return look, predicts


def resize(depth: torch.Tensor, photo: PIL.Image.Image) -> np.ndarray:
    """A map (h, w) at the size of its photograph."""
    size = (photo.height, photo.width)
    return F.interpolate(depth[None, None], size=size, mode="bilinear", align_corners=False)[0, 0].numpy()


def merge_views(plain: np.ndarray, mirrored: np.ndarray, predicts: str, args: LabellingArguments) -> np.ndarray:
    """The label of a photograph (H, W) uint16 from its map and that of its mirror image, turned back.

    Metric: the geometric mean in millimetres. Relative: the mean as `store_inverse` writes it. 0 where both disagree.
    """
    if predicts == "relative":
        both = np.stack([plain, mirrored])
        reach = float(np.ptp(both)) or 1.0
        return store_inverse(both.mean(axis=0), np.abs(plain - mirrored) <= args.max_disagreement * reach)
    least = np.maximum(np.minimum(plain, mirrored), 1e-3)
    agree = (np.maximum(plain, mirrored) / least < 1 + args.max_disagreement) & (least >= args.min_depth)
    depth = np.sqrt(np.maximum(plain, 1e-3) * np.maximum(mirrored, 1e-3))
    return np.where(agree, np.clip(depth * 1000, 1, MAX_MILLIMETRES), 0).round().astype(np.uint16)


def read_photo(sample: RawSample, image_size: int) -> PIL.Image.Image:
    """The photograph upright, its short side at most image_size. Raises for what cannot be read."""
    content = sample.read()
    if not isinstance(content, bytes):
        raise ValueError("is no photograph but a rendered scene, whose depth is known.")
    photo = load_upright(decode_image(content, sample.member, MAX_PIXELS)).convert("RGB")
    scale = image_size / min(photo.size)
    if scale < 1:
        size = (max(round(photo.width * scale), 1), max(round(photo.height * scale), 1))
        photo = photo.resize(size, PIL.Image.Resampling.BICUBIC)
    return photo


def cut_shards(source: SampleSource, args: LabellingArguments) -> list[range]:
    """Pieces of the source that make up each shard of labels."""
    num_pieces = source.num_pieces(1)
    if args.smoke:
        return [range(min(num_pieces, 4 if source.random_access else 1))]
    step = args.shard_size if source.random_access else 1
    return [range(start, min(start + step, num_pieces)) for start in range(0, num_pieces, step)]


def read_shard_photos(
    source: SampleSource, pieces: range, args: LabellingArguments, damaged: dict[str, str]
) -> Iterator[list[tuple[str, PIL.Image.Image]]]:
    """Names and photographs in batches of one size, at most batch_size; what cannot be read is noted in `damaged`."""
    batch: list[tuple[str, PIL.Image.Image]] = []
    samples = (sample for piece in pieces for sample in source.read_piece(piece, 1))
    for number, sample in enumerate(samples):
        if args.smoke and number == 4:
            break
        try:
            photo = read_photo(sample, args.image_size)
        except Exception as error:  # every format has its own
            damaged[f"{sample.shard}: {sample.member}"] = str(error) or type(error).__name__
            continue
        if batch and (len(batch) == args.batch_size or photo.size != batch[0][1].size):
            yield batch
            batch = []
        batch.append((sample.member, photo))
    if batch:
        yield batch


def encode(image: PIL.Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def label_shard(
    source: SampleSource, pieces: range, number: int, look: Teacher, predicts: str, args: LabellingArguments
) -> None:
    """Label one shard: first its tables, last its report, which says that it is finished."""
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "val": []}
    damaged: dict[str, str] = {}
    shares = []
    for batch in read_shard_photos(source, pieces, args, damaged):
        photos = [photo for _, photo in batch]
        plain = look(photos)
        mirrored = look([photo.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT) for photo in photos])
        for (name, photo), one, other in zip(batch, plain, mirrored, strict=True):
            label = merge_views(one, other[:, ::-1], predicts, args)
            shares.append(float((label > 0).mean()))
            digest = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6], "big")
            rows["val" if digest < args.val_share * 2**48 else "train"].append(
                {
                    "image": encode(photo, format="JPEG", quality=92),
                    LABEL_COLUMNS[predicts]: encode(PIL.Image.fromarray(label), format="PNG"),
                    "name": name,
                }
            )
    for part, labelled in rows.items():
        if labelled:
            with file_in_progress(Path(args.output_dir, f"{part}-{number:05d}.parquet")) as partial:
                pq.write_table(pa.Table.from_pylist(labelled), partial, row_group_size=100)
    report = {"labelled": len(shares), "share": float(np.mean(shares)) if shares else 0.0, "damaged": damaged}
    write_json(report_path(args, number), report)


def report_path(args: LabellingArguments, number: int) -> Path:
    return Path(args.output_dir, "reports", f"{number:05d}.json")


def summarize(args: LabellingArguments, num_shards: int) -> str:
    """What all shards hold, in words."""
    reports = [json.loads(report_path(args, number).read_text()) for number in range(num_shards)]
    total = sum(report["labelled"] for report in reports)
    share = sum(report["labelled"] * report["share"] for report in reports) / max(total, 1)
    text = f"Labelled {total} photographs; {100 * share:.0f} % of their pixels have a label."
    damaged = {name: why for report in reports for name, why in report["damaged"].items()}
    if damaged:
        shown = "; ".join(f"{name} ({why})" for name, why in list(damaged.items())[:3])
        text += f" {len(damaged)} could not be read: {shown}{' ...' if len(damaged) > 3 else ''}. reports/ names all."
    if total == 0:
        raise ValueError(f"{args.dataset} holds no photograph that can be read.{text.partition('.')[2]}")
    return text


def main(args: LabellingArguments) -> None:
    require_positive(args, "image_size", "batch_size", "shard_size")
    if args.predicts not in ("auto", *LABEL_COLUMNS):
        raise ValueError(f"--predicts must be auto, metric or relative, got {args.predicts!r}.")
    state = PartialState(cpu=not torch.accelerator.is_available())
    source = open_source(args.dataset, args.image_size, num_scenes=1, image_column=args.image_column)
    shards = cut_shards(source, args)
    if args.onnx:
        look, predicts = open_onnx(args.onnx), "metric" if args.predicts == "auto" else args.predicts
    else:
        look, predicts = open_model(args.model, args.predicts, cast(torch.device, state.device), args.bf16)
    if state.is_main_process:
        settings = asdict(replace(args, output_dir="")) | {"batch_size": None, "data": source.fingerprint}
        Path(args.output_dir, "reports").mkdir(parents=True, exist_ok=True)
        check_same_run(args.output_dir, settings)
    state.wait_for_everyone()
    mine = [number for number in range(len(shards)) if number % state.num_processes == state.process_index]
    for number in tqdm(mine, desc="labelling", unit="shard", disable=not state.is_main_process):
        if not report_path(args, number).exists():
            label_shard(source, shards[number], number, look, predicts, args)
    state.wait_for_everyone()
    if state.is_main_process:
        print(summarize(args, len(shards)))


if __name__ == "__main__":
    run_script(main, HfArgumentParser(cast(Any, LabellingArguments)))
