# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files, folders, patterns, addresses and videos to photos: the order, the names of results, and sentences for the rest."""

import os
import sys

import numpy as np
import PIL.Image
import pytest

from pixio_hf.photo_sources import find_sources, read_photos
from tests.photo_server import running_photo_server
from tests.video_files import write_video


def save(path, color=(10, 20, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (8, 6), color).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "holiday"
    for name in ("b.jpg", "a.png", "C.JPG", "sub/a.png", "sub/deep/d.bmp"):
        save(root / name)
    (root / "notes.txt").write_text("")
    (root / ".hidden.jpg").write_bytes(b"")
    return root


def names(found):
    return [source.result_name for source in found.sources]


def test_a_folder_gives_its_photos_by_name(folder):
    found = find_sources([folder])
    assert names(found) == ["C", "a", "b"]
    assert found.problems == []
    assert [source.place for source in found.sources] == [str(folder / name) for name in ("C.JPG", "a.png", "b.jpg")]


def test_recursive_goes_below_and_keeps_the_way(folder):
    assert names(find_sources([folder], recursive=True)) == ["C", "a", "b", "sub/a", "sub/deep/d"]


def test_patterns(folder):
    assert names(find_sources([f"{folder}/*.png"])) == ["a"]
    assert names(find_sources([f"{folder}/*"])) == ["C", "a", "b"]
    assert names(find_sources([f"{folder}/[ab].*"])) == ["a", "b"]
    below = find_sources([f"{folder}/**/*.png"])
    assert [source.place for source in below.sources] == [str(folder / "a.png"), str(folder / "sub" / "a.png")]
    assert names(below) == ["a", "sub/a"]
    assert names(find_sources([f"{folder}/*/*.png"])) == ["sub/a"]
    assert find_sources([f"{folder}/*.tif"]).problems == [
        f"{folder}/*.tif does not exist, and as a pattern it matches no photo and no video."
    ]


def test_a_file_with_pattern_characters_in_its_name_is_itself(tmp_path):
    save(tmp_path / "a[1].png")
    save(tmp_path / "a1.png")
    assert names(find_sources([tmp_path / "a[1].png"])) == ["a[1]"]


def test_the_order_is_that_of_the_arguments_and_each_photo_comes_once(folder):
    found = find_sources([folder / "b.jpg", folder, f"{folder}/*.png", folder / "sub"])
    assert [os.path.relpath(source.place, folder) for source in found.sources] == [
        "b.jpg",
        "C.JPG",
        "a.png",
        "sub/a.png",
    ]
    # One that is named itself comes where it is named, not where a folder before it holds it.
    found = find_sources([folder, folder / "a.png"])
    assert [os.path.relpath(source.place, folder) for source in found.sources] == ["C.JPG", "b.jpg", "a.png"]


def test_links_to_the_same_photo_are_one(folder):
    (folder / "z.jpg").symlink_to(folder / "b.jpg")
    assert names(find_sources([folder])) == ["C", "a", "b"]


def test_results_of_equal_names_are_told_apart(tmp_path):
    for name in ("one/a.jpg", "one/A.png", "one/b.png", "two/a.jpg"):
        save(tmp_path / name)
    assert names(find_sources([tmp_path / "one"])) == ["A.png", "a.jpg", "b"]
    both = [tmp_path / "one", tmp_path / "two"]
    assert names(find_sources(both)) == ["one/A.png", "one/a.jpg", "b", "two/a"]
    assert names(find_sources([f"{folder}/a.*" for folder in both])) == ["one/a", "two/a"]
    assert names(find_sources([tmp_path / "two" / "a.jpg", tmp_path / "one"])) == ["a", "one/A.png", "one/a.jpg", "b"]
    save(tmp_path / "other" / "two" / "a.jpg")
    assert names(find_sources([tmp_path / "two", tmp_path / "other" / "two"])) == ["a.jpg", "a.jpg_2"]
    assert names(find_sources([tmp_path / "one" / "b.png", tmp_path / "one"])) == ["b", "A.png", "a.jpg"]
    # Who names two files himself is told by the command that they clash.
    assert names(find_sources([tmp_path / "one" / "a.jpg", tmp_path / "two" / "a.jpg"])) == ["a", "a"]


def test_what_is_not_there_is_told_beside_what_is(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "sub").mkdir(parents=True)
    found = find_sources(
        [tmp_path / "absent.jpg", folder / "a.png", tmp_path / "empty", "http://[", tmp_path / "nested"]
    )
    assert names(found) == ["a"]
    assert found.problems == [
        f"{tmp_path}/absent.jpg does not exist.",
        f"{tmp_path}/empty holds no photo and no video; --recursive also looks into the folders below it.",
        "http://[ is no valid address.",
        f"{tmp_path}/nested holds no photo and no video; --recursive also looks into the folders below it.",
    ]
    assert find_sources([tmp_path / "empty"], recursive=True).problems == [
        f"{tmp_path}/empty holds no photo and no video."
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "nowhere")
    expected = [
        f"{tmp_path}/a.png is a FIFO, not a regular file.",
        f"{tmp_path}/b.jpg is a link to a file that is not there.",
    ]
    assert find_sources([tmp_path / "a.png", tmp_path / "b.jpg"]).problems == expected
    assert find_sources([tmp_path]).problems == expected
    assert find_sources([f"{tmp_path}/*"]).problems == expected


def test_results_of_former_runs_are_no_photos(folder):
    for name in (
        "a_depth.png",
        "a_Depth_color.png",
        "c_features.mp4",
        "sub/a_reconstruction.png",
        "sub/a_relative_depth.png",
    ):
        save(folder / name) if name.endswith("png") else (folder / name).write_bytes(b"")
    found = find_sources([folder], recursive=True)
    assert names(found) == ["C", "a", "b", "sub/a", "sub/deep/d"]
    assert [os.path.relpath(name, folder) for name in found.left_out] == [
        "a_Depth_color.png",
        "a_depth.png",
        "c_features.mp4",
        "sub/a_reconstruction.png",
        "sub/a_relative_depth.png",
    ]
    assert names(find_sources([folder / "a_depth.png"])) == ["a_depth"]
    for name in ("sub/a.png", "a.png", "b.jpg", "C.JPG"):
        (folder / name).unlink()
    assert find_sources([folder]).problems == [
        f"{folder} holds no photo and no video but results of former runs; --recursive also looks into the folders below"
        " it."
    ]
    assert "no video but results of former runs." in find_sources([f"{folder}/sub/*.png"]).problems[0]


def test_results_of_a_pattern_that_goes_up_stay_below_their_folder(folder):
    save(folder.parent / "other" / "e.png")
    assert names(find_sources([f"{folder}/su*/../../other/*.png"])) == ["other/e"]


def test_heic_without_its_reader_is_not_passed_over_silently(folder, monkeypatch):
    (folder / "x.heic").write_bytes(b"")
    monkeypatch.setattr("pixio_hf.photo_sources.photo_endings", lambda: (".png", ".jpg"))
    (problem,) = find_sources([folder]).problems
    assert "holds 1 photo in HEIC, such as x.heic" in problem
    assert "pip install 'pixio-hf[heic]'" in problem


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://example.org/photos/beach.jpg", "beach"),
        ("https://example.org/photos/beach.jpg?width=800#top", "beach"),
        ("https://example.org/a%20b%2Fc.png", "c"),
        ("https://example.org/..%2F..%2Fetc", "etc"),
        ("https://example.org/%00%01.png", "_"),
        ("https://example.org/", "example.org"),
        ("https://user:secret@example.org", "example.org"),
        (f"https://example.org/{'a' * 300}.jpg", "a" * 100),
    ],
)
def test_names_of_addresses_are_names_of_files(address, name):
    (source,) = find_sources([address]).sources
    assert source.result_name == name
    assert "secret" not in source.shown


def test_videos_are_known_by_their_ending(tmp_path):
    write_video(tmp_path / "clip.MP4", 3)
    save(tmp_path / "a.png")
    found = find_sources([tmp_path])
    assert [(source.result_name, source.is_video) for source in found.sources] == [("a", False), ("clip", True)]
    with pytest.raises(ValueError, match="is a video"):
        found.sources[1].open()
    assert "download it first" in find_sources(["https://example.org/clip.mp4"]).problems[0]


def test_photos_and_frames_are_read_and_nothing_stops_the_rest(tmp_path):
    save(tmp_path / "a.png", (200, 0, 0))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:50])
    write_video(tmp_path / "c.mp4", 3)
    (tmp_path / "d.mp4").write_bytes(b"no video")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "e.jpg", exif=exif)
    with running_photo_server() as server:
        server.contents["/f.png"] = (tmp_path / "a.png").read_bytes()
        inputs = [tmp_path / "absent.png", tmp_path, f"{server.url}/f.png", f"{server.url}/g.png"]
        photos = list(read_photos(inputs, allow_private=True))
        refused = list(read_photos([f"{server.url}/f.png"]))
    assert [photo.name for photo in photos] == ["", "a", "b", "c_000000", "c_000001", "c_000002", "d", "e", "f", "g"]
    problems = {photo.name: photo.problem for photo in photos if photo.problem}
    assert list(problems) == ["", "b", "d", "g"]
    for name, part in (
        ("", "does not exist"),
        ("b", "b.png"),
        ("d", "cannot be read as a video"),
        ("g", "answered 404"),
    ):
        assert part in problems[name]
    images = {photo.name: photo.image for photo in photos if photo.image is not None}
    np.testing.assert_array_equal(np.asarray(images["f"]), np.asarray(images["a"]))
    assert images["e"].size == (6, 8)
    assert images["c_000001"].size == (64, 48)
    assert "not on the public internet" in refused[0].problem
    assert refused[0].image is None
