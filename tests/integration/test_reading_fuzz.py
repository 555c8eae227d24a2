# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Mutated checkpoints, configurations, photos and depth files: each is read, or refused with a ValueError that names it.

None crashes, hangs, bloats or runs code. Seeds are new in every run and printed; PIXIO_FUZZ_SEED=N repeats a run, and one
seed alone is `python -m tests.integration.test_reading_fuzz FOLDER GROUP SEED SEED+1`. Batches run in processes of their
own (this file as a script), so that a crash names its seed, and each ends after SECONDS_PER_GROUP.
"""

import faulthandler
import io
import json
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import save

from pixio_hf import PixioImageProcessor
from pixio_hf.checkpoint_files import check_config
from pixio_hf.conversion.convert import convert_checkpoint
from pixio_hf.conversion.reading import read_weights
from pixio_hf.conversion.recognition import recognize_model
from pixio_hf.data.labelled.pair_reading import read_depth_pair
from pixio_hf.text_files import read_json_object
from pixio_hf_cli.photo_fitting import load_photo
from tests.source_files import HEADS, random_state, training_file

MAX_FILES, SECONDS_PER_GROUP = 1000, 18
SECONDS_PER_FILE = 10
MAX_GROWTH_MB = {"weights": 100, "configurations": 400, "photos": 400, "depths": 400}
NUMBERS = [0, 1, 2, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


class Canary:
    """Pickles to a call that creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def build_sources() -> dict[str, bytes]:
    encoder, pretraining = random_state("encoder"), training_file(random_state("pretraining"))
    sources = {"encoder.safetensors": save(encoder, {"format": "pt"})}
    for name, content in (("encoder", encoder), ("pretraining", pretraining)):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        sources[f"{name}.pth"] = buffer.getvalue()
    return sources


def mutate(name: str, data: bytes, chance: random.Random, canary: Path) -> bytes:
    """One to three random changes of a file's bytes, or of what they hold."""
    if name.endswith(".safetensors") and chance.random() < 0.6:
        return _mutate_header(data, chance)
    if name.endswith(".pth") and chance.random() < 0.7:
        return _mutate_records(data, chance, canary)
    return _mutate_bytes(data, chance, canary)


def _mutate_bytes(data: bytes, chance: random.Random, canary: Path | None = None) -> bytes:
    mutated = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        start = chance.randrange(len(mutated) + 1)
        end = min(start + chance.choice((1, 4, 16, 300)), len(mutated))
        match chance.randrange(7):
            case 0:
                mutated[start:end] = chance.randbytes(end - start)
            case 1:
                del mutated[start:]
            case 2:
                del mutated[start:end]
            case 3:
                mutated[start:start] = mutated[start:end]
            case 4:
                mutated[start : start + 8] = struct.pack("<Q", chance.choice(NUMBERS))
            case 5:
                mutated[start : start + 4] = struct.pack("<I", chance.choice(NUMBERS) & 0xFFFFFFFF)
            case 6 if canary is not None:
                # Without the protocol in front and the stop behind: as if it stood in the middle of a pickle.
                mutated[start:start] = pickle.dumps(Canary(canary), protocol=2)[2:-1]
        if not mutated:
            break
    return bytes(mutated)


def _mutate_records(data: bytes, chance: random.Random, canary: Path) -> bytes:
    """Change records of a zip file and write it anew, with right checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist()]
    index = next(i for i, (name, _) in enumerate(records) if name.endswith("data.pkl"))
    method = zipfile.ZIP_STORED
    match chance.randrange(8):
        case 0 | 1 | 2 | 3:
            records[index] = (records[index][0], _mutate_bytes(records[index][1], chance, canary))
        case 4:
            first, second = chance.sample(range(len(records)), 2)
            records[first], records[second] = (
                (records[first][0], records[second][1]),
                (records[second][0], records[first][1]),
            )
        case 5:
            del records[chance.randrange(len(records))]
        case 6:
            method = zipfile.ZIP_DEFLATED
            index = chance.randrange(len(records))
            records[index] = (records[index][0], bytes(chance.choice((10, 10_000_000))))
        case 7:
            index = chance.randrange(len(records))
            records[index] = (records[index][0], _mutate_bytes(records[index][1], chance))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in records:
            archive.writestr(name, content)
    return buffer.getvalue()


def _mutate_header(data: bytes, chance: random.Random) -> bytes:
    size = struct.unpack("<Q", data[:8])[0]
    header, content = json.loads(data[8 : 8 + size]), data[8 + size :]
    name = chance.choice([key for key in header if key != "__metadata__"])
    entry = header[name]
    match chance.randrange(7):
        case 0:
            entry["data_offsets"][chance.randrange(2)] = chance.choice(NUMBERS)
        case 1:
            entry["shape"] = [chance.choice(NUMBERS) for _ in range(chance.randrange(4))]
        case 2:
            entry["dtype"] = chance.choice(("F16", "BF16", "I64", "F8_E4M3", "C64", "U32", "BOOL", "X", None))
        case 3:
            header[chance.choice(("", "x" * 1000, "cls_token", "blocks.9.norm1.bias"))] = header.pop(name)
        case 4:
            header["__metadata__"] = chance.choice(({"a": 1}, [], "x", {"format": "tf"}))
        case 5:
            content = content[: chance.randrange(len(content))]
        case 6:
            return struct.pack("<Q", chance.choice(NUMBERS)) + data[8:]
    encoded = json.dumps(header).encode()
    if chance.random() < 0.2:
        encoded = _mutate_bytes(encoded, chance)
    return struct.pack("<Q", len(encoded)) + encoded + content


def check_file(path: Path) -> str:
    """Open a file and touch every byte of its tensors."""
    try:
        weights = read_weights(path)
        model = recognize_model(weights, overrides=HEADS)
        tensors = model.load(weights)
    except ValueError as error:
        message = str(error)
        assert path.name in message, message
        assert len(message) < 3000, message
        return "refused"
    prefix = "" if model.kind == "encoder" else "pixio."
    assert model.config.hidden_size == tensors[f"{prefix}embeddings.cls_token"].shape[2]
    for tensor in tensors.values():
        tensor.reshape(-1).view(torch.uint8).sum().item()
    return "loaded"


NASTY = [
    *(0, -1, 10**6, 10**9, 10**30, 1.5, True, None, "", "x" * 10_000, [], {}, [[]], {"a": {}}, "NaN", "foo"),
    *(float("nan"), float("inf"), -float("inf"), [10**9], {"0": 1}),
]


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """Values of wrong types and sizes, and texts that are no JSON."""
    values = json.loads(data)
    kind = chance.randrange(8)
    if kind == 0:
        return _mutate_bytes(data, chance)
    if kind == 1:
        return chance.choice(
            (b"[" * 200_000, b'{"a":' * 200_000, b"\xef\xbb\xbf" + data, data[:-1] + b', "a": 1, "a": 2}')
        )
    for _ in range(chance.choice((1, 1, 2))):
        values[chance.choice(list(values))] = chance.choice(NASTY)
    return json.dumps(values).encode()


def build_folder(folder: Path) -> dict[str, bytes]:
    """The JSON files of a checkpoint of several shards, converted into `folder`."""
    torch.save(random_state(), folder / "source.pth")
    convert_checkpoint(
        folder / "source.pth", folder / "model", overrides={"num_attention_heads": 2}, max_shard_size=600, verify=False
    )
    names = ("config.json", "preprocessor_config.json", "model.safetensors.index.json")
    return {name: (folder / "model" / name).read_bytes() for name in names}


def check_folder(path: Path) -> str:
    """Read one of the JSON files of a folder as its reader does."""
    try:
        if path.name == "config.json":
            config = check_config(read_json_object(path), str(path))
            assert config.hidden_size % config.num_attention_heads == 0
        elif path.name == "preprocessor_config.json":
            PixioImageProcessor.from_pretrained(path.parent)(PIL.Image.new("RGB", (8, 8)), return_tensors="pt")
        else:
            weights = read_weights(path.parent)
            recognize_model(weights, overrides=HEADS).load(weights)
    except ValueError as error:
        assert len(str(error)) < 3000
        return "refused"
    except OSError as error:  # transformers' own error for a file that is no JSON
        assert "not a valid JSON file" in str(error), error
        return "refused"
    return "loaded"


def build_photos() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    sources = {}
    for suffix, options in (("png", {}), ("jpeg", {"exif": _orientation()}), ("webp", {}), ("tiff", {})):
        buffer = io.BytesIO()
        PIL.Image.fromarray(pixels).save(buffer, suffix, **options)
        sources[f"photo.{suffix}"] = buffer.getvalue()
    return sources


def _orientation() -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return exif


def check_photo(path: Path) -> str:
    """Read a photo as the commands do, and prepare it."""
    try:
        pixels = load_photo(path)
        prepared = PixioImageProcessor(size={"height": 32, "width": 32})(pixels, return_tensors="pt")
    except ValueError as error:
        assert path.name in str(error), error
        return "refused"
    assert prepared["pixel_values"].isfinite().all()
    return "loaded"


def build_depths() -> dict[str, bytes]:
    depth = np.random.default_rng(0).uniform(0.5, 9, (24, 32)).astype(np.float32)
    buffers = {name: io.BytesIO() for name in ("depth.png", "depth.npy", "depth.npz", "depth.tiff")}
    PIL.Image.fromarray((depth * 1000).astype(np.uint16)).save(buffers["depth.png"], "png")
    np.save(buffers["depth.npy"], depth)
    np.savez(buffers["depth.npz"], depth=depth)
    PIL.Image.fromarray(depth).save(buffers["depth.tiff"], "tiff")
    sources = {name: buffer.getvalue() for name, buffer in buffers.items()}
    return {**sources, "depth.pfm": b"Pf\n32 24\n-1.0\n" + depth[::-1].tobytes()}


def check_depth(path: Path) -> str:
    """Read a depth file as the data sets do, beside a sound photo."""
    try:
        _, depth = read_depth_pair(PIL.Image.new("RGB", (32, 24)), path, 1000.0)
    except ValueError as error:
        assert path.name in str(error), error
        return "refused"
    assert depth.shape == (24, 32)
    assert depth.dtype == np.float32
    return "loaded"


def run_batch(folder: Path, group: str, start: int, end: int) -> None:
    """Mutate and open the files of some seeds; `progress` holds the seed at work."""
    build, check = {
        "weights": (build_sources, check_file),
        "configurations": (lambda: build_folder(folder), check_folder),
        "photos": (build_photos, check_photo),
        "depths": (build_depths, check_depth),
    }[group]
    sources, outcomes = build(), Counter()
    names, canary, progress = sorted(sources), folder / "canary", folder / "progress"
    place = folder / "model" if group == "configurations" else folder
    for name in names:
        (place / name).write_bytes(sources[name])
        outcome = check(place / name)
        assert outcome == "loaded" or name in ("depth.npz", "depth.pfm", "depth.tiff"), name
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # What asks for more than is there fails at once, rather than taking the machine's memory.
    with open("/proc/self/statm") as statm:
        limit = int(statm.read().split()[0]) * resource.getpagesize() + 2 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    deadline = time.monotonic() + SECONDS_PER_GROUP
    for seed in range(start, end):
        if time.monotonic() > deadline:
            break
        progress.write_text(str(seed))
        chance = random.Random(seed)
        name = chance.choice(names)
        path = place / (name if group == "configurations" else f"mutated_{name}")
        if group == "configurations":
            mutated = mutate_json(sources[name], chance)
        else:
            mutated = mutate(name, sources[name], chance, canary)
        path.write_bytes(mutated)
        faulthandler.dump_traceback_later(SECONDS_PER_FILE, exit=True)
        outcomes[name, check(path)] += 1
        faulthandler.cancel_dump_traceback_later()
        path.write_bytes(sources[name])
        assert not canary.exists(), "code of a pickle was run"
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        assert growth < MAX_GROWTH_MB[group], f"peak memory grew by {growth} MB"
    print(json.dumps({" ".join(key): count for key, count in sorted(outcomes.items())}))


@pytest.mark.slow
@pytest.mark.parametrize("group", ["weights", "configurations", "photos", "depths"])
def test_mutated_files_load_or_are_refused(group, tmp_path):
    start = int(os.environ.get("PIXIO_FUZZ_SEED", random.SystemRandom().randrange(10**9)))
    print(f"PIXIO_FUZZ_SEED={start}")
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.integration.test_reading_fuzz"]
    result = subprocess.run(
        [*command, str(tmp_path), group, str(start), str(start + MAX_FILES)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=300,
    )
    seed = (tmp_path / "progress").read_text() if (tmp_path / "progress").exists() else "none"
    assert result.returncode == 0, (
        f"group {group}, seed {seed} (PIXIO_FUZZ_SEED={start}) ended with {result.returncode}:\n{result.stderr[-3000:]}"
    )
    outcomes = json.loads(result.stdout.splitlines()[-1])
    # Mutations that never spoil a file, or always, would test nothing.
    refused = sum(count for key, count in outcomes.items() if key.endswith("refused"))
    assert sum(outcomes.values()) >= 20, outcomes
    assert 0 < refused < sum(outcomes.values()), outcomes


if __name__ == "__main__":
    run_batch(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
