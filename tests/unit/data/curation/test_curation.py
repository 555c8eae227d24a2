# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Statistics of images, their files, the tests that choose by them, and the sums in the report."""

import json
import math
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import pixio_hf
from pixio_hf import PixioForPreTraining, PixioImageProcessor
from pixio_hf.data.curation.image_statistics import histogram_entropy, measure_photo, reconstruction_losses
from pixio_hf.data.curation.report import CurationSummary
from pixio_hf.data.curation.selection import CurationRule, CurationTests, open_curation
from pixio_hf.data.curation.shard_statistics import measure_shard
from pixio_hf.data.curation.statistics_files import locate_statistics, read_finished, read_statistics, write_statistics
from pixio_hf.data.streaming.loader import PretrainingLoader, open_pretraining_stream
from pixio_hf.data.streaming.stream import StreamOptions
from tests.shard_files import encode_color, write_color_shards, write_tar
from tests.tiny_models import randomize_weights, tiny_config

PHOTOS = Path(pixio_hf.__file__).parent / "assets" / "photos"
SETTINGS = {"definition": 1, "weights": None}


def row(name: str, **values) -> dict:
    measured = {"width": 400, "height": 400, "histogram_score": 7.0, "mae_loss": 0.5, "error": None}
    return {"name": name, **measured, **values}


def damaged(name: str) -> dict:
    return {**dict.fromkeys(row(name)), "name": name, "error": "is no image in a known format"}


# Statistics of an image


def test_entropy_of_known_histograms():
    flat = np.full((3, 8, 8), 9, dtype=np.uint8)
    assert histogram_entropy(flat) == 0
    two, four = flat.copy(), flat.copy()
    two[0, :, ::2] = 200  # one channel with two equal halves: 1 bit, over three channels
    assert histogram_entropy(two) == pytest.approx(1 / 3, abs=1e-12)
    four[:] = np.arange(4, dtype=np.uint8).repeat(16).reshape(8, 8)
    assert histogram_entropy(four) == pytest.approx(2, abs=1e-12)
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, axis=0)
    assert histogram_entropy(every) == pytest.approx(8, abs=1e-12)


def test_entropy_tells_photos_from_graphics():
    for path in sorted(PHOTOS.glob("*.jpg")):
        measures = measure_photo(PIL.Image.open(path))
        assert 7 < measures.histogram_score < 7.8, path.name
        assert (measures.width, measures.height) == PIL.Image.open(path).size
    page = PIL.Image.new("L", (300, 400), 255)
    page.paste(0, (20, 20, 280, 60))
    assert measure_photo(page).histogram_score < 1


def test_size_is_that_of_the_upright_photo():
    image = PIL.Image.new("RGB", (40, 30))
    image.getexif()[0x0112] = 6  # turned by a quarter
    measures = measure_photo(image, image_size=16)
    assert (measures.width, measures.height) == (30, 40)
    assert measures.image is not None
    assert measures.image.shape == (3, 16, 16)


@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_loss_of_each_image_is_that_of_the_model_by_itself(norm_pix_loss):
    model = randomize_weights(PixioForPreTraining(tiny_config(norm_pix_loss=norm_pix_loss, drop_path_rate=0.5)))
    images = [measure_photo(PIL.Image.open(path), 64).image for path in sorted(PHOTOS.glob("*.jpg"))]
    losses = reconstruction_losses(model, torch.stack(images), [3, 4, 5])
    for seed, image, loss in zip((3, 4, 5), images, losses, strict=True):
        pixel_values = PixioImageProcessor(do_resize=False)([image], return_tensors="pt").pixel_values
        noise = torch.rand(1, 4, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            assert loss.item() == pytest.approx(model(pixel_values, noise=noise).loss.item(), rel=1e-5)
    assert losses.unique().numel() == 3


def test_rows_of_a_shard_are_in_order_and_name_damage(tmp_path):
    members = {f"{index}.png": encode_color(0, index, (20 + index, 9)) for index in range(70)}
    members["33.png"] = b"no image"
    members["34.png"] = members["34.png"][:60]
    shard = write_tar(tmp_path / "0.tar", members)
    with tarfile.open(shard) as archive:
        cut = archive.getmember("65.png").offset_data + 20
    shard.write_bytes(shard.read_bytes()[:cut])
    batches, seen = [], []

    def losses(images, seeds):
        batches.append(len(images))
        return images[:, 1, 0, 0].tolist()  # the green of the picture is its number

    with ThreadPoolExecutor(3) as pool:
        rows = measure_shard(str(shard), pool, losses, 8, 16, on_image=lambda: seen.append(1))
    good = [row for row in rows if row["error"] is None]
    numbers = [int(row["name"].removesuffix(".png")) for row in good]
    assert numbers == sorted(set(range(65)) - {33, 34})
    assert [row["mae_loss"] for row in good] == numbers
    assert [row["width"] for row in good] == [20 + number for number in numbers]
    errors = {row["name"]: row["error"] for row in rows if row["error"] is not None}
    assert errors["33.png"] == "is no image in a known format"
    assert "decoded" in errors["34.png"]
    assert len(errors) == 3
    assert "the shard is cut off" in rows[-1]["error"]
    assert len(seen) == len(rows)
    assert sum(batches) == len(good)
    assert set(batches[:-1]) == {16}


# Files


def test_statistics_come_back_and_are_checked(tmp_path, caplog):
    path, rows = tmp_path / "web" / "0.parquet", [row("a", mae_loss=None), damaged("b")]
    assert read_finished(path, SETTINGS, 10) is None
    write_statistics(path, rows, SETTINGS, 10)
    assert read_finished(path, SETTINGS, 10) == rows
    assert read_statistics(path) == {"a": rows[0], "b": rows[1]}
    assert [file.name for file in path.parent.iterdir()] == ["0.parquet"], "a temporary file is left"
    with pytest.raises(ValueError, match="other settings: weights was None, now abc"):
        read_finished(path, {**SETTINGS, "weights": "abc"}, 10)
    assert read_finished(path, SETTINGS, 11) is None, "the shard has changed"
    path.write_bytes(path.read_bytes()[:-20])
    assert read_finished(path, SETTINGS, 10) is None
    with pytest.raises(ValueError, match=r"0\.parquet cannot be read"):
        read_statistics(path)


def test_foreign_parquet_files_are_not_overwritten(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "0.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": [b"1"]}), path)
    with pytest.raises(ValueError, match=r"not written by curate\.py"):
        read_finished(path, SETTINGS, None)


def test_shards_that_would_share_a_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"/a/web/0\.tar and /b/web/0\.tar have the same"):
        locate_statistics(["/a/web/0.tar", "/b/web/0.tar"], tmp_path)
    places = locate_statistics(["hf://datasets/o/n@main/web/train.0.tar", "/a/b/1.tar"], tmp_path)
    assert list(places.values()) == [tmp_path / "web" / "train.0", tmp_path / "b" / "1"]


# Choosing


def write_all(tmp_path: Path, lengths: list[int], losses) -> tuple[str, str]:
    """Shards web/NNN.tar of coloured pictures and statistics of them; loss by (shard, index)."""
    write_color_shards(tmp_path / "web", lengths)
    for shard, length in enumerate(lengths):
        rows = [row(f"{shard}-{index}.png", mae_loss=losses(shard, index)) for index in range(length)]
        write_statistics(tmp_path / "root" / "web" / f"{shard:03d}.parquet", rows, SETTINGS, None)
    return str(tmp_path / "web"), str(tmp_path / "root")


def test_thresholds_of_none_or_zero_are_off():
    record = {"histogram_score": 0.0, "width": 1, "height": 1, "mae_loss": 0.25}
    assert CurationTests().largest_kept_draw({}) == 1
    assert CurationTests(0.0, 0).largest_kept_draw({}) == 1
    assert CurationTests(0.0, 0).fields() == []
    assert CurationTests(None, 1, True).largest_kept_draw(record) == 0.25
    assert CurationTests(4.5).largest_kept_draw({"histogram_score": 4.5}) < 0
    assert CurationTests(None, 320).largest_kept_draw({"width": 320, "height": 319}) < 0
    for wrong in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="min_histogram_score must be"):
            CurationTests(wrong)


@pytest.mark.parametrize("value", [None, math.nan, "4.6", True])
def test_statistics_that_a_test_needs_have_to_be_numbers(tmp_path, value):
    dataset, root = write_all(tmp_path, [2], lambda shard, index: 0.5)
    file = tmp_path / "root" / "web" / "000.parquet"
    records = {f"0-{index}.png": row("") for index in range(2)}
    records["0-1.png"]["mae_loss"] = value
    file.unlink()
    file.with_suffix(".json").write_text(json.dumps(records))
    with pytest.raises(ValueError, match=r"000\.json: 0-1\.png: mae_loss is"):
        open_curation(dataset, root, CurationTests(4.5, 320, True))
    rule = open_curation(dataset, root, CurationTests(4.5, 320))
    assert rule is not None
    assert rule(f"{dataset}/000.tar", "0-1.png", 0.9)


def test_wrong_combinations_are_refused_at_the_start(tmp_path, caplog):
    dataset, root = write_all(tmp_path, [1, 1], lambda shard, index: None)
    soft = CurationTests(soft_sampling=True)
    assert open_curation(dataset, None, CurationTests()) is None
    for arguments, message in [
        ((dataset, None, soft), "mae_loss need statistics"),
        ((dataset, root, CurationTests()), "every test is off"),
        ((dataset, root, soft), "holds no mae_loss"),
        ((dataset, root, CurationTests(7.5, None, True)), "holds no mae_loss"),  # though no image comes as far
        ((dataset, str(tmp_path / "nowhere"), CurationTests(4.5)), "2 of 2 shards have no statistics"),
        ((str(PHOTOS), root, CurationTests(4.5)), "holds no shards"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_curation(*arguments)
    (tmp_path / "root" / "web" / "000.json").write_text("{}")
    with pytest.raises(ValueError, match=r"several files of statistics in .*, 000\.json, 000\.parquet"):
        open_curation(dataset, root, CurationTests(4.5))
    (tmp_path / "root" / "web" / "000.json").unlink()
    (tmp_path / "root" / "web" / "000.parquet").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 shards have no statistics in .*000\.tar"):
        open_curation(dataset, root, CurationTests(4.5))
    rule = open_curation(dataset, root, CurationTests(4.5), allow_missing=True)
    assert rule is not None
    assert not rule(f"{dataset}/000.tar", "0-0.png", 0.0)
    assert rule(f"{dataset}/001.tar", "1-0.png", 0.0)


def test_the_original_json_form_and_unknown_members(tmp_path):
    for name in ("0.json", "1.tar.json"):
        (tmp_path / name).write_text(json.dumps({"a.jpeg": row("a"), "d/a.jpeg": row("a", histogram_score=1.0)}))
    shards = {"x/0.tar": tmp_path / "0.json", "x/1.tar": tmp_path / "1.tar.json"}
    rule = CurationRule(shards, CurationTests(4.5, 320, True), cached_shards=1)
    for shard in (*shards, *shards):
        assert rule(shard, "a.jpeg", 0.5)
        assert not rule(shard, "a.jpeg", 0.50001)
        assert rule(shard, "./a.jpeg", 0.1), "the file's names may lack folders"
        assert not rule(shard, "d/a.jpeg", 0.1), "the whole name goes first"
        assert not rule(shard, "b.jpeg", 0.0)
    assert len(rule.limits) == 1
    assert rule.reported == set(shards)
    assert pickle.loads(pickle.dumps(rule))("x/0.tar", "a.jpeg", 0.5), "workers that are spawned need a copy"
    (tmp_path / "0.json").write_text("[1]")
    with pytest.raises(ValueError, match="must map names of images"):
        CurationRule(shards, CurationTests(4.5))("x/0.tar", "a.jpeg", 0.0)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_soft_sampling_keeps_each_image_as_often_as_its_loss_says(tmp_path, num_workers):
    losses = {f"{shard}-{index}.png": 0.15 * (3 * shard + index) for shard in range(3) for index in range(3)}
    dataset, root = write_all(tmp_path, [3, 3, 3], lambda shard, index: losses[f"{shard}-{index}.png"])
    rule = open_curation(dataset, root, CurationTests(4.5, 320, True), open_shards=2)
    options = StreamOptions(8, seed=5, shuffle_buffer=4, open_shards=2, keep=rule)
    num_epochs = 400 if num_workers == 0 else 60
    loader = open_pretraining_stream(dataset, options, 1, num_workers=num_workers, num_scenes=1)
    counts = dict.fromkeys(losses, 0)
    for batch in loader:
        if batch["position"].epoch >= num_epochs:
            break
        counts[batch["keys"][0]] += 1
    for name, loss in losses.items():
        chance = min(loss, 1.0)
        spread = math.sqrt(num_epochs * chance * (1 - chance))
        # Readers do not end their epochs at one time: the last few count for some.
        assert abs(counts[name] - num_epochs * chance) <= 4 * spread + 3 * bool(chance), (name, counts)
    assert counts["0-0.png"] == 0


# Resuming


def open_curated(dataset: str, root: str | None, tests: CurationTests) -> PretrainingLoader:
    options = StreamOptions(8, shuffle_buffer=4, open_shards=2, keep=open_curation(dataset, root, tests))
    return open_pretraining_stream(dataset, options, 2, num_scenes=1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (CurationTests(4.0, 320, True), "min_histogram_score was 4.5, now 4.0"),
        (CurationTests(4.5, 256, True), "min_resolution was 320, now 256"),
        (CurationTests(4.5, 320), "soft_sampling was True, now False"),
        (CurationTests(0, None, True), "min_histogram_score was 4.5, now None; min_resolution was 320, now None"),
        (None, "min_histogram_score was 4.5, now None; .* statistics was 2 files [0-9a-f]{16}, now None"),
    ],
)
def test_a_stream_of_other_thresholds_refuses_the_state(tmp_path, other, message):
    dataset, root = write_all(tmp_path, [3, 3], lambda shard, index: 0.5)
    curated = open_curated(dataset, root, CurationTests(4.5, 320, True)).state_dict()
    stream = open_curated(dataset, None, CurationTests()) if other is None else open_curated(dataset, root, other)
    with pytest.raises(ValueError, match=f"Cannot resume the stream of training data: {message}"):
        stream.load_state_dict(json.loads(json.dumps(curated)))
    with pytest.raises(ValueError, match="Cannot resume"):
        open_curated(dataset, root, CurationTests(4.5, 320, True)).load_state_dict(stream.state_dict())


def test_statistics_may_move_but_not_change(tmp_path):
    tests = CurationTests(4.5, None, True)
    dataset, root = write_all(tmp_path, [3, 3], lambda shard, index: 0.5)
    state = open_curated(dataset, root, tests).state_dict()
    (tmp_path / "root").rename(tmp_path / "moved")
    moved = str(tmp_path / "moved")
    open_curated(dataset, moved, CurationTests(4.5, 0, True)).load_state_dict(state)  # 0 is off, as None is
    again = [row(f"1-{index}.png", mae_loss=0.6) for index in range(3)]
    write_statistics(tmp_path / "moved" / "web" / "001.parquet", again, SETTINGS, None)
    with pytest.raises(ValueError, match=r"statistics was 2 files [0-9a-f]{16}, now 2 files"):
        open_curated(dataset, moved, tests).load_state_dict(state)


def test_states_from_before_curation_was_noted_are_taken_with_a_warning(tmp_path, monkeypatch):
    dataset, root = write_all(tmp_path, [3, 3], lambda shard, index: 1.0)
    loader = open_curated(dataset, root, CurationTests(4.5))
    next(iter(loader))
    state = loader.state_dict()
    for name in ("min_histogram_score", "min_resolution", "soft_sampling", "statistics"):
        del state["signature"][name]
    warnings = []
    monkeypatch.setattr("pixio_hf.data.streaming.loader.logger.warning", warnings.append)
    resumed = open_curated(dataset, root, CurationTests(4.5))
    resumed.load_state_dict(state)
    assert resumed.num_samples == 2
    assert resumed.positions == loader.positions
    (warning,) = warnings
    assert "min_histogram_score 4.5, min_resolution None, soft_sampling False, statistics 2 files" in warning
    state["signature"]["seed"] = 9
    with pytest.raises(ValueError, match="seed was 9, now 0"):
        resumed.load_state_dict(state)


# Report


def test_report_counts_what_each_test_leaves():
    summary = CurationSummary(CurationTests(4.5, 320, True))
    rows = [row("a"), row("b", mae_loss=3.0), row("c", histogram_score=4.5), row("d", height=319), damaged("e")]
    summary.add_shard("0.tar", rows)
    summary.add_shard("1.tar", [row("f", width=100_000, height=100_000, mae_loss=0.0)])
    shares = list(summary.shares_kept().values())
    assert shares == pytest.approx([4 / 5, 3 / 5, (0.5 + 1 + 0) / 5])
    assert (summary.num_images, summary.num_damaged, summary.num_shards) == (5, 1, 2)
    assert summary.damaged_examples == ["0.tar: e: is no image in a known format"]
    assert {name: int(counts.sum()) for name, counts in summary.counts.items()} == dict.fromkeys(summary.counts, 5)
    assert summary.counts["shorter_side"][-1] == 1
    assert summary.counts["mae_loss"][-1] == 1
