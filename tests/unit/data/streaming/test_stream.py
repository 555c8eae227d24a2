# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The order of pre-training data: every sample once an epoch over all readers, and the same again from any position."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from torch.utils.data import DataLoader

from pixio_hf.data.streaming.loader import PretrainingLoader, open_pretraining_stream
from pixio_hf.data.streaming.sample_order import Position, deal_pieces, draw_uniform, permute, split_windows
from pixio_hf.data.streaming.sample_sources import open_source
from pixio_hf.data.streaming.stream import PretrainingStream, ReaderPlace, StreamOptions
from tests.shard_files import encode_color, write_color_shards


def make_stream(dataset: Path | str, place: ReaderPlace, starts=None, first_reader: int = 0, **options):
    source = open_source(str(dataset), 16, num_scenes=11)
    options = {"shuffle_buffer": 4, "open_shards": 2, **options}
    return PretrainingStream(source, StreamOptions(16, **options), place, starts, first_reader)


def take(stream: PretrainingStream, count: int, reader: int = 0) -> list[dict[str, Any]]:
    return list(itertools.islice(stream.read(reader), count))


def keys_of_epochs(stream: PretrainingStream, reader: int, num_epochs: int) -> list[list[str]]:
    items = itertools.takewhile(lambda item: item["position"].epoch < num_epochs, stream.read(reader))
    keys: list[list[str]] = [[] for _ in range(num_epochs)]
    for item in items:
        keys[item["position"].epoch].append(item["key"])
    return keys


def assert_same_items(items: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(items) == len(expected)
    for item, other in zip(items, expected, strict=True):
        assert torch.equal(item["image"], other["image"])
        assert {**item, "image": None} == {**other, "image": None}


# Pure order


@pytest.mark.parametrize("num_pieces", [1, 3, 7, 16])
@pytest.mark.parametrize("num_readers", [1, 2, 5, 6])
def test_pieces_are_dealt_once_an_epoch_and_evenly_over_epochs(num_pieces, num_readers):
    totals = Counter()
    for epoch in range(5):
        hands = [deal_pieces(num_pieces, num_readers, reader, epoch, seed=3) for reader in range(num_readers)]
        assert sorted(itertools.chain(*hands)) == list(range(num_pieces))
        totals.update({reader: len(hand) for reader, hand in enumerate(hands)})
    assert max(totals.values()) - min(totals.values()) <= 1


def test_permutations_and_draws_depend_on_every_part():
    assert sorted(permute(50, 1, "a", 0)) == list(range(50))
    assert permute(50, 1, "a", 0) == permute(50, 1, "a", 0)
    assert len({tuple(permute(50, *parts)) for parts in ((1, "a", 0), (1, "a", 1), (2, "a", 0), (1, "b", 0))}) == 4
    draws = [draw_uniform(0, "keep", epoch, 0, index) for epoch in range(4) for index in range(1000)]
    assert min(draws) >= 0
    assert max(draws) < 1
    assert len(set(draws)) == 4000
    # Mean and variance of a uniform law; five standard errors.
    assert abs(sum(draws) / 4000 - 0.5) < 5 * (1 / 12 / 4000) ** 0.5
    assert abs(sum((draw - 0.5) ** 2 for draw in draws) / 4000 - 1 / 12) < 5 * (1 / 180 / 4000) ** 0.5


def test_windows_are_even():
    assert split_windows(list(range(10)), 8) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert split_windows([], 8) == []


# Who reads what


@pytest.mark.parametrize(
    ("lengths", "world_size", "num_workers"),
    [
        ([5, 3, 4, 6, 2, 7, 1], 1, 0),  # many shards, one reader
        ([5, 3, 4, 6, 2, 7, 1], 2, 2),
        ([9], 2, 3),  # fewer shards than readers: shared sample by sample
        ([4, 5, 6], 2, 2),
        ([1, 2], 3, 1),
    ],
)
def test_every_sample_once_an_epoch_over_all_readers(tmp_path, lengths, world_size, num_workers):
    write_color_shards(tmp_path, lengths)
    everything = sorted(f"{shard}-{index}.png" for shard, length in enumerate(lengths) for index in range(length))
    epochs: list[list[str]] = [[], [], []]
    for rank in range(world_size):
        place = ReaderPlace(rank, world_size, num_workers)
        stream = make_stream(tmp_path, place)
        for reader in range(place.num_readers):
            for epoch, keys in enumerate(keys_of_epochs(stream, reader, 3)):
                epochs[epoch] += keys
    assert [sorted(epoch) for epoch in epochs] == [everything] * 3
    assert epochs[0] != epochs[1]
    assert epochs[0] != everything


def test_epochs_of_one_reader_follow_each_other(tmp_path):
    write_color_shards(tmp_path, [4, 3, 5])
    keys = [item["key"] for item in take(make_stream(tmp_path, ReaderPlace()), 36)]
    assert len({tuple(sorted(keys[start : start + 12])) for start in (0, 12, 24)}) == 1
    assert len({tuple(keys[start : start + 12]) for start in (0, 12, 24)}) == 3
    other_seed = take(make_stream(tmp_path, ReaderPlace(), seed=1), 12)
    assert [item["key"] for item in other_seed] != keys[:12]


def test_shuffling_mixes_the_open_shards_within_the_buffer(tmp_path):
    """In 2 open shards of 40 samples and a buffer of 20, a sample moves by less than 2 buffers, but moves."""
    write_color_shards(tmp_path, [40, 40])
    keys = [item["key"] for item in take(make_stream(tmp_path, ReaderPlace(), shuffle_buffer=20), 80)]
    assert Counter(key[0] for key in keys[:20]) == {"0": 10, "1": 10}
    places = [int(key.removesuffix(".png")[2:]) for key in keys]
    assert all(place // 10 == rank // 20 for rank, place in enumerate(places))
    assert sum(place == rank // 2 for rank, place in enumerate(places)) < 20


def test_batches_of_single_images_are_the_same_with_one_process_or_two(tmp_path):
    """Step by step, two processes read what one reads with the doubled batch, with several workers too."""
    for index in range(11):
        (tmp_path / f"{index}.png").write_bytes(encode_color(0, index))
    for workers in (0, 1, 3):
        one = make_stream(tmp_path, ReaderPlace(0, 1, workers))
        two = [make_stream(tmp_path, ReaderPlace(rank, 2, workers)) for rank in range(2)]
        for reader in range(max(workers, 1)):
            whole = [item["seed"] for item in take(one, 8, reader)]
            halves = [[item["seed"] for item in take(stream, 4, reader)] for stream in two]
            assert len(set(whole)) == 8
            assert sorted(whole) == sorted(itertools.chain(*halves))


# Crops


def test_crops_belong_to_sample_and_epoch_and_not_to_the_reader(tmp_path):
    pixels = torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    PIL.Image.fromarray(pixels.numpy()).save(tmp_path / "a.png")
    PIL.Image.fromarray(pixels.flip(0).numpy()).save(tmp_path / "b.png")

    def crops(place: ReaderPlace) -> dict[tuple[str, int], torch.Tensor]:
        stream = make_stream(tmp_path, place)
        items = itertools.chain(*(take(stream, 4, reader) for reader in range(place.num_readers)))
        return {(item["key"], item["position"].epoch): item["image"] for item in items}

    alone, shared = crops(ReaderPlace()), crops(ReaderPlace(0, 1, 2))
    common = alone.keys() & shared.keys()
    assert len(common) == 4
    assert all(torch.equal(alone[name], shared[name]) for name in common)
    assert not torch.equal(alone["a.png", 0], alone["a.png", 1])


# Resuming


@pytest.mark.parametrize(
    ("kind", "shuffle_buffer"), [("shards", 1), ("shards", 4), ("shards", 100), ("folder", 4), ("scenes", 4)]
)
def test_the_stream_goes_on_from_any_position(tmp_path, kind, shuffle_buffer):
    """Through two epochs, also in the middle of blocks and windows."""
    if kind == "shards":
        write_color_shards(tmp_path, [5, 3, 6, 2, 4])
    else:
        for index in range(9):
            (tmp_path / f"{index}.png").write_bytes(encode_color(0, index))
    dataset = "synthetic-rooms" if kind == "scenes" else tmp_path
    place = ReaderPlace(1, 2, 2)
    whole = take(make_stream(dataset, place, shuffle_buffer=shuffle_buffer), 24, reader=1)
    for stop in range(0, 20, 7 if kind == "scenes" else 1):
        starts = [Position(), whole[stop]["position"]]
        rest = take(make_stream(dataset, place, starts, shuffle_buffer=shuffle_buffer), 4, reader=1)
        assert_same_items(rest, whole[stop + 1 : stop + 5])


def open_loader(folder: Path, num_workers: int = 2, **options) -> PretrainingLoader:
    options = {"image_size": 8, "shuffle_buffer": 4, "open_shards": 2, **options}
    return open_pretraining_stream(
        str(folder), StreamOptions(**options), 3, num_workers=num_workers, num_scenes=0, prefetch_factor=3
    )


def test_only_batches_that_were_handed_out_count_and_a_new_process_goes_on_behind_them(tmp_path):
    """Two workers with six batches ahead; stops after an odd number, so that the workers' turns matter."""
    write_color_shards(tmp_path, [5, 3, 6, 2, 4])
    whole = list(itertools.islice(open_loader(tmp_path), 17))
    assert len({tuple(batch["keys"]) for batch in whole}) == 17
    for stop in (1, 6, 9):
        first = open_loader(tmp_path)
        for _ in itertools.islice(first, stop):
            pass
        state = first.state_dict()
        assert (state["num_batches"], state["num_samples"]) == (stop, 3 * stop)
        resumed = open_loader(tmp_path)
        resumed.load_state_dict(state)
        torch.manual_seed(stop)
        for batch, expected in zip(resumed, whole[stop : stop + 5], strict=False):
            assert (batch["keys"], batch["seeds"]) == (expected["keys"], expected["seeds"])
            assert torch.equal(batch["images"], expected["images"])
        # A second iter goes on as well, and a loader without a new process too.
        assert next(iter(resumed))["keys"] == whole[stop + 6]["keys"]
        assert next(iter(first))["keys"] == whole[stop]["keys"]


def test_workers_deliver_what_the_readers_read(tmp_path):
    write_color_shards(tmp_path, [5, 3, 6, 2, 4])
    stream = make_stream(tmp_path, ReaderPlace(0, 1, 2))
    expected = [[item["key"] for item in take(stream, 6, reader)] for reader in range(2)]
    keys = [batch["keys"] for batch in itertools.islice(open_loader(tmp_path), 4)]
    assert keys == [expected[0][:3], expected[1][:3], expected[0][3:], expected[1][3:]]


def test_the_global_random_state_is_neither_used_nor_moved(tmp_path):
    write_color_shards(tmp_path, [5, 4])
    batches = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        batches.append(list(itertools.islice(open_loader(tmp_path, num_workers=seed), 5)))
        assert torch.equal(torch.get_rng_state(), before)
    assert [batch["seeds"] for batch in batches[0]] == [batch["seeds"] for batch in batches[1]]
    assert all(torch.equal(*(batch["images"] for batch in pair)) for pair in zip(*batches, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_workers": 3}, "num_workers was 2, now 3"),
        ({"seed": 5}, "seed was 0, now 5"),
        ({"shuffle_buffer": 9}, "shuffle_buffer was 4, now 9"),
        ({"image_size": 16}, "image_size was 8, now 16"),
        ({"crop_scale": (0.5, 1.0)}, r"crop_scale was \[0.2, 1.0\], now \[0.5, 1.0\]"),
        ({"data": [5, 4, 3]}, "data was 2 shards"),
    ],
)
def test_another_stream_refuses_the_state(tmp_path, change, message):
    write_color_shards(tmp_path / "old", [5, 4])
    state = open_loader(tmp_path / "old").state_dict()
    write_color_shards(tmp_path / "new", change.pop("data", [5, 4]))
    other = open_loader(tmp_path / "new", **change)
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(state)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_data_loader_with_another_number_of_workers_is_refused(tmp_path, num_workers):
    write_color_shards(tmp_path, [5, 4])
    stream = make_stream(tmp_path, ReaderPlace(0, 1, 2))
    with pytest.raises(ValueError, match="made for 2 workers, the data loader has " + str(num_workers)):
        next(iter(DataLoader(stream, num_workers=num_workers)))


@pytest.mark.parametrize(
    "options", [{"image_size": 0}, {"shuffle_buffer": 0}, {"crop_scale": (0.5, 0.2)}, {"crop_scale": (0.2, 1.5)}]
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match="must be"):
        StreamOptions(**{"image_size": 8, **options})


@pytest.mark.parametrize("place", [(2, 2, 0), (0, 1, -1)])
def test_places_out_of_range(place):
    with pytest.raises(ValueError, match="rank < world_size"):
        ReaderPlace(*place)


# Mixtures


def write_two_folders(tmp_path: Path) -> str:
    for name, count in (("few", 3), ("many", 8)):
        (tmp_path / name).mkdir()
        for index in range(count):
            (tmp_path / name / f"{name}-{index}.png").write_bytes(encode_color(0, index))
    return f"2 x {tmp_path}/few + {tmp_path}/many"


def test_a_mixture_gives_each_sample_as_often_as_its_weight(tmp_path):
    mixture = write_two_folders(tmp_path)
    for place in (ReaderPlace(), ReaderPlace(0, 1, 3)):
        stream = make_stream(mixture, place)
        epochs = [Counter(), Counter()]
        for reader in range(place.num_readers):
            for epoch, keys in zip(epochs, keys_of_epochs(stream, reader, 2), strict=True):
                epoch.update(keys)
        expected = {f"few-{i}.png": 2 for i in range(3)} | {f"many-{i}.png": 1 for i in range(8)}
        assert epochs == [expected, expected]
    seeds = [item["seed"] for item in take(make_stream(mixture, ReaderPlace()), 14)]
    assert len(set(seeds)) == 14


def test_a_mixture_with_rendered_scenes_goes_on_from_any_position(tmp_path):
    mixture = write_two_folders(tmp_path) + " + synthetic-rooms"
    items = take(make_stream(mixture, ReaderPlace()), 40)
    assert {item["key"].split("-")[0].split(" ")[0] for item in items} == {"few", "many", "scene"}
    for start in (1, 24, 25, 30):
        stream = make_stream(mixture, ReaderPlace(), [items[start - 1]["position"]])
        assert_same_items(take(stream, 40 - start), items[start:])


def test_another_mixture_is_another_stream(tmp_path):
    mixture = write_two_folders(tmp_path)
    state = PretrainingLoader(open_source(mixture, 16, 0), StreamOptions(16), ReaderPlace(), 2).state_dict()
    other = PretrainingLoader(open_source(mixture[4:], 16, 0), StreamOptions(16), ReaderPlace(), 2)
    with pytest.raises(ValueError, match="Cannot resume"):
        other.load_state_dict(state)


def test_mixtures_that_cannot_be_made_say_why(tmp_path):
    mixture = write_two_folders(tmp_path)
    (tmp_path / "shards").mkdir()
    write_color_shards(tmp_path / "shards", [2])
    for wrong, message in (
        (f"{mixture} + {tmp_path}/shards", "Shards"),
        (f"{mixture} + 0 x {tmp_path}/few", "weight 0"),
    ):
        with pytest.raises(ValueError, match=message):
            open_source(wrong, 16, 0)
