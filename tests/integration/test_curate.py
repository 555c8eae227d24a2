# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""curate.py from shards to the stream that is trained on: what is measured, kept, resumed and refused."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch.nn import functional
from transformers import HfArgumentParser

from pixio_hf import PixioForPreTraining, PixioImageProcessor, PixioModel
from pixio_hf.data.curation.selection import CurationTests, open_curation
from pixio_hf.data.curation.statistics_files import read_statistics
from pixio_hf.data.streaming.loader import open_pretraining_stream
from pixio_hf.data.streaming.sample_order import derive_seed, draw_uniform
from pixio_hf.data.streaming.stream import StreamOptions
from tests.integration.test_examples import EXAMPLES, Interrupted, load_script, reset_accelerate
from tests.shard_files import write_tar
from tests.tiny_models import tiny_config

CURATE = EXAMPLES / "curate.py"
MIN_SCORE, MIN_SIDE = 4.5, 40


@pytest.fixture
def curate(monkeypatch):
    """The script as a module, on the CPU, with accelerate's process-wide state put back afterwards."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    reset_accelerate()
    yield load_script(CURATE)
    reset_accelerate()


def run(curate, *arguments: str | Path) -> None:
    (args,) = HfArgumentParser(curate.CurationArguments).parse_args_into_dataclasses([str(a) for a in arguments])
    reset_accelerate()  # as in a new process
    curate.main(args)


def encode(index: int, contrast: int, height: int = 48, width: int = 56) -> bytes:
    """PNG of grey noise of a contrast: 8 levels have an entropy of 3 bits, 64 of almost 6."""
    noise = np.random.default_rng(index).integers(0, contrast, (height, width, 3))
    buffer = io.BytesIO()
    PIL.Image.fromarray((122 - contrast // 2 + noise).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """Three tars of six images: dull, small, damaged, and three that pass the thresholds, of growing contrast."""
    folder = tmp_path_factory.mktemp("data") / "web"
    for shard in range(3):
        members = {"dull": encode(shard, 8), "small": encode(shard, 99, width=39), "damaged": encode(shard, 99)[:300]}
        members |= {f"good{contrast}": encode(shard, contrast) for contrast in (64, 100, 145)}
        write_tar(folder / f"{shard}.tar", {f"{name}-{shard}.png": content for name, content in members.items()})
    return folder


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A model that predicts next to nothing of plain pixels: its loss is about their variance, far below 1 or above."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    PixioForPreTraining(tiny_config(norm_pix_loss=False)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def arguments(shards, model_folder) -> list[str | Path]:
    tests = ["--min_histogram_score", str(MIN_SCORE), "--min_resolution", str(MIN_SIDE)]
    return ["--dataset", shards, "--model", model_folder, "--batch_size", "2", "--max_damaged", "3", *tests]


def read_root(root: Path) -> dict[str, dict]:
    return {
        name: record for path in sorted(root.glob("web/*.parquet")) for name, record in read_statistics(path).items()
    }


def test_from_shards_to_the_curated_stream(curate, arguments, shards, model_folder, tmp_path, capsys):
    run(curate, *arguments, "--output_dir", tmp_path)
    records = read_root(tmp_path)
    assert len(records) == 18

    # One image by hand, without the code that measures.
    record = records["good100-1.png"]
    image = PIL.Image.open(io.BytesIO(encode(1, 100)))
    pixels = np.asarray(image)
    counts = [np.unique(pixels[..., channel], return_counts=True)[1] / pixels[..., 0].size for channel in range(3)]
    assert record["histogram_score"] == pytest.approx(np.mean([-(p * np.log2(p)).sum() for p in counts]), abs=1e-9)
    assert (record["width"], record["height"], record["error"]) == (56, 48, None)
    photo = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    photo = functional.interpolate(photo, size=(64, 64), mode="bicubic", antialias=True)
    pixel_values = PixioImageProcessor(do_resize=False)(photo, return_tensors="pt").pixel_values
    generator = torch.Generator().manual_seed(derive_seed(0, "mask", "1.tar", 4))
    model = PixioForPreTraining.from_pretrained(model_folder).eval()
    with torch.no_grad():
        loss = model(pixel_values, noise=torch.rand(1, 4, generator=generator)).loss.item()
    assert record["mae_loss"] == pytest.approx(loss, rel=1e-5)
    losses = [records[f"good{contrast}-{shard}.png"]["mae_loss"] for contrast in (64, 145) for shard in range(3)]
    assert max(losses) < 1, losses
    assert min(losses) > 0, losses
    assert max(losses) > 2 * min(losses), losses

    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["num_images"], report["num_damaged"]) == (15, 3)
    good = [records[name]["mae_loss"] for name in records if name.startswith("good")]
    assert list(report["shares_kept"].values()) == pytest.approx([12 / 15, 9 / 15, sum(good) / 15])
    assert "damaged-2.png" in report["damaged_examples"][2]
    assert "could" not in report["damaged_examples"][2]
    assert PIL.Image.open(tmp_path / "report.png").size == (1100, 700)
    assert f"masked autoencoder {model_folder}" in (tmp_path / "README.md").read_text()
    assert "Cannot be measured" in capsys.readouterr().err

    # What is trained on: in each epoch exactly the members that the draws of that epoch leave.
    tests = CurationTests(MIN_SCORE, MIN_SIDE, soft_sampling=True)
    options = StreamOptions(8, seed=3, shuffle_buffer=4, keep=open_curation(str(shards), str(tmp_path), tests))
    seen: dict[int, set[str]] = {epoch: set() for epoch in range(40)}
    for batch in open_pretraining_stream(str(shards), options, 1, num_scenes=1):
        if (epoch := batch["position"].epoch) not in seen:
            break
        seen[epoch].add(batch["keys"][0])
    for epoch, names in seen.items():
        expected = set()
        for shard in range(3):
            for index, contrast in enumerate((64, 100, 145), start=3):
                name = f"good{contrast}-{shard}.png"
                if draw_uniform(3, "keep", epoch, shard, index) <= records[name]["mae_loss"]:
                    expected.add(name)
        assert names == expected
    rate = sum(len(names) for names in seen.values()) / 40
    assert abs(rate - sum(good)) < 4 * (sum(p * (1 - p) for p in good) / 40) ** 0.5


@pytest.mark.slow
def test_an_interrupted_pass_goes_on_with_the_shards_that_are_left(curate, arguments, tmp_path, monkeypatch, capsys):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(curate, *arguments, "--output_dir", whole, "--batch_size", "5")
    measured, measure_shard, write_statistics = [], curate.measure_shard, curate.write_statistics

    def note(shard, *rest):
        measured.append(Path(shard).name)
        return measure_shard(shard, *rest)

    def write_one(path, *rest):
        if path.name != "0.parquet":
            raise Interrupted
        write_statistics(path, *rest)

    monkeypatch.setattr(curate, "measure_shard", note)
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(curate, "write_statistics", write_one)
        run(curate, *arguments, "--output_dir", stopped)
    assert measured == ["0.tar", "1.tar"]
    assert not (stopped / "report.json").exists()
    finished = (stopped / "web" / "0.parquet").stat().st_mtime_ns

    run(curate, *arguments, "--output_dir", stopped)
    assert measured == ["0.tar", "1.tar", "1.tar", "2.tar"]
    assert (stopped / "web" / "0.parquet").stat().st_mtime_ns == finished
    first, second = read_root(whole), read_root(stopped)
    for name, record in first.items():
        loss, other = record.pop("mae_loss"), second[name].pop("mae_loss")
        assert record == second[name], name
        assert loss == (other if loss is None else pytest.approx(other, rel=1e-5)), name

    # A damaged file is made again, one of another model refused, damaged images tried again on demand.
    file = stopped / "web" / "2.parquet"
    file.write_bytes(file.read_bytes()[:200])
    run(curate, *arguments, "--output_dir", stopped)
    assert measured[4:] == ["2.tar"]
    run(curate, *arguments, "--output_dir", stopped, "--retry_damaged", "True")
    assert measured[5:] == ["0.tar", "1.tar", "2.tar"]
    with pytest.raises(ValueError, match=r"0\.parquet was made with other settings: .*weights was .*, now None"):
        run(curate, *arguments, "--output_dir", stopped, "--model", "none")
    with pytest.raises(ValueError, match="seed was 0, now 1"):
        run(curate, *arguments, "--output_dir", stopped, "--seed", "1")


def test_what_cannot_work_is_refused(curate, arguments, shards, tmp_path):
    torch.manual_seed(0)
    PixioModel(tiny_config()).save_pretrained(tmp_path / "encoder")
    with pytest.raises(ValueError, match="has no whole decoder"):
        run(curate, *arguments, "--output_dir", tmp_path / "out", "--model", tmp_path / "encoder")
    for output_dir in (shards.parent, shards / "statistics"):
        with pytest.raises(ValueError, match="would lie among the shards"):
            run(curate, *arguments, "--output_dir", output_dir)
    with pytest.raises(ValueError, match="max_damaged=2 allows"):
        run(curate, *arguments, "--output_dir", tmp_path / "out", "--model", "none", "--max_damaged", "2")
    assert len(read_root(tmp_path / "out")) == 12, "the shards before are finished"
    with pytest.raises(ValueError, match="which shards to measure"):
        run(curate, "--output_dir", tmp_path)
    assert not list(shards.glob("*.parquet"))


def test_smoke(curate, tmp_path):
    for _ in range(2):
        run(curate, "--smoke", "--output_dir", tmp_path)
    rows = read_statistics(tmp_path / "scenes" / "1.parquet")
    assert sorted(rows) == ["3.png", "4.png", "5.png"]
    assert all(row["mae_loss"] > 0 for row in rows.values())


@pytest.mark.slow
def test_two_processes_share_the_shards(curate, arguments, tmp_path):
    run(curate, *arguments, "--output_dir", tmp_path / "one")
    config = EXAMPLES / "accelerate_configs" / "cpu_2_processes.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config, "--main_process_port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    result = subprocess.run(
        [*map(str, command), str(CURATE), *map(str, arguments), "--output_dir", str(tmp_path / "two")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "Process 0: 2 of 2 shards" in result.stdout
    assert "Process 1: 1 of 1 shards" in result.stdout
    assert read_root(tmp_path / "two") == read_root(tmp_path / "one")
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two")]
    assert reports[0] == reports[1]
