# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Speed of random resized crops from JPEG files on one core, against the usual loader, in one run.

    python benchmarks/data_loading.py [--quality 75] [--rounds 20]

Baseline: PIL decoding, torchvision's RandomResizedCrop (bicubic), ToTensor, Normalize. Ours:
pixio_hf.data.streaming.decoding, as the pre-training script uses it. Both start from the same bytes in memory and end
as one normalised float batch (B, 3, 256, 256). The files are the bundled photos, enlarged and saved again at the JPEG
quality that Pillow takes by default, 75 (4:2:0). Every bit of a JPEG has to be read: the larger the file, the smaller
the ratio.
"""

import argparse
import io
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import cast

import PIL.Image
import torch
from torch import Tensor
from torchvision import transforms
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

import pixio_hf
from pixio_hf.data.streaming.decoding import decode_random_crop, normalize_crops, stack_crops

SIZES = ((500, 375), (1024, 768), (2048, 1536))  # width, height
BATCH_SIZE, IMAGE_SIZE, SCALE = 32, 256, (0.2, 1.0)
PHOTOS = Path(pixio_hf.__file__).parent / "assets" / "photos"


def encode_photos(width: int, height: int, quality: int) -> list[bytes]:
    """The bundled photos at a size, as JPEG."""
    encoded = []
    for path in sorted(PHOTOS.glob("*.jpg")):
        buffer = io.BytesIO()
        photo = PIL.Image.open(path).convert("RGB").resize((width, height), PIL.Image.Resampling.BICUBIC)
        photo.save(buffer, "JPEG", quality=quality)
        encoded.append(buffer.getvalue())
    return encoded


def time_alternately(baseline: Callable[[], object], ours: Callable[[], object], rounds: int) -> tuple[float, float]:
    """CPU seconds of the fastest round of each; rounds alternate, so that both meet the same load."""
    times = ([], [])
    for _ in range(rounds + 1):
        for function, seconds in zip((baseline, ours), times, strict=True):
            start = time.process_time()
            function()
            seconds.append(time.process_time() - start)
    return min(times[0][1:]), min(times[1][1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quality", type=int, default=75, help="of the JPEG files")
    parser.add_argument("--rounds", type=int, default=20, help="the fastest counts")
    args = parser.parse_args()
    torch.set_num_threads(1)
    usual = transforms.Compose(
        [
            transforms.RandomResizedCrop(IMAGE_SIZE, SCALE, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
        ]
    )
    ratios = {}
    for width, height in SIZES:
        name = f"{width}x{height}"
        files = encode_photos(width, height, args.quality)
        batch = list(islice(cycle(files), BATCH_SIZE))

        def load_usual(batch: list[bytes] = batch) -> Tensor:
            torch.manual_seed(0)
            photos = [PIL.Image.open(io.BytesIO(data)).convert("RGB") for data in batch]
            return torch.stack([cast(Tensor, usual(photo)) for photo in photos])

        def load_ours(batch: list[bytes] = batch) -> Tensor:
            crops = [decode_random_crop(data, IMAGE_SIZE, SCALE, i) for i, data in enumerate(batch)]
            return normalize_crops(stack_crops(crops))

        baseline, ours = time_alternately(load_usual, load_ours, args.rounds)
        ratios[name] = baseline / ours
        size = sum(map(len, files)) // len(files) // 1024
        print(
            f"{name} ({size} KiB a file): usual {baseline / BATCH_SIZE * 1e3:.2f} ms, ours {ours / BATCH_SIZE * 1e3:.2f}"
            f" ms an image, {BATCH_SIZE / ours:.0f} images/s on one core"
        )
    for name, ratio in ratios.items():
        print(f"ratio data_loading.{name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
