# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Mutated checkpoint files: each loads completely or raises ValueError; none crashes, hangs, bloats or runs code.

Batches run in processes of their own (this file as a script), so that a crash names its seed. More files than the
suite's 2,000: `python -m tests.integration.test_reading_fuzz FOLDER 0 20000`.
"""

import faulthandler
import io
import json
import pickle
import random
import resource
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from pixio_hf.checkpoints.reading import read_checkpoint
from pixio_hf.checkpoints.recognition import recognize_config
from tests.source_files import random_state, training_file

NUM_FILES, BATCH_SIZE = 2000, 1000
SECONDS_PER_FILE = 10
MAX_GROWTH_MB = 100
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
        for format_name, is_zip in (("zip", True), ("legacy", False)):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
            sources[f"{name}_{format_name}.pth"] = buffer.getvalue()
    return sources


def mutate(name: str, data: bytes, chance: random.Random, canary: Path) -> bytes:
    """One to three random changes of a file's bytes, or of what they hold."""
    if name.endswith(".safetensors") and chance.random() < 0.6:
        return _mutate_header(data, chance)
    if "zip" in name and chance.random() < 0.7:
        return _mutate_records(data, chance, canary)
    if "legacy" in name and chance.random() < 0.5:
        return _mutate_bytes(data[:4000], chance, canary) + data[4000:]
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
        source = read_checkpoint(path)
        config = recognize_config(source, overrides={"num_attention_heads": 2, "decoder_num_attention_heads": 1})
    except ValueError as error:
        message = str(error)
        assert path.name in message and len(message) < 3000, message
        return "refused"
    assert config.hidden_size == source.tensors["cls_token"].shape[2]
    for tensor in source.tensors.values():
        tensor.reshape(-1).view(torch.uint8).sum().item()
    return "loaded"


def run_batch(folder: Path, start: int, end: int) -> None:
    """Mutate and open the files of some seeds; `progress` holds the seed at work."""
    sources, outcomes = build_sources(), Counter()
    names, canary, progress = sorted(sources), folder / "canary", folder / "progress"
    for name in names:
        (folder / name).write_bytes(sources[name])
        assert check_file(folder / name) == "loaded"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(start, end):
        progress.write_text(str(seed))
        chance = random.Random(seed)
        name = chance.choice(names)
        path = folder / f"mutated_{name}"
        path.write_bytes(mutate(name, sources[name], chance, canary))
        faulthandler.dump_traceback_later(SECONDS_PER_FILE, exit=True)
        outcomes[name, check_file(path)] += 1
        faulthandler.cancel_dump_traceback_later()
        assert not canary.exists(), "code of a pickle was run"
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        assert growth < MAX_GROWTH_MB, f"peak memory grew by {growth} MB"
    print(json.dumps({" ".join(key): count for key, count in sorted(outcomes.items())}))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, NUM_FILES, BATCH_SIZE))
def test_mutated_files_load_or_are_refused(start, tmp_path):
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.integration.test_reading_fuzz"]
    result = subprocess.run(
        [*command, str(tmp_path), str(start), str(start + BATCH_SIZE)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=300,
    )
    seed = (tmp_path / "progress").read_text() if (tmp_path / "progress").exists() else "none"
    assert result.returncode == 0, f"seed {seed} ended with {result.returncode}:\n{result.stderr[-3000:]}"
    outcomes = json.loads(result.stdout.splitlines()[-1])
    assert sum(outcomes.values()) == BATCH_SIZE
    # Mutations that never spoil a file, or always, would test nothing.
    refused = sum(count for key, count in outcomes.items() if key.endswith("refused"))
    assert 0.5 * BATCH_SIZE < refused < BATCH_SIZE


if __name__ == "__main__":
    run_batch(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
