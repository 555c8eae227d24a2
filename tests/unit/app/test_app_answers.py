# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The functions behind the app's tabs, and what it refuses."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

gradio = pytest.importorskip("gradio", reason="the app needs gradio 6", exc_type=ImportError)

from pixio_hf.app.depth_answers import (  # noqa: E402
    draw_depth_map,
    predict_depth,
    read_distance,
    write_depth_files,
    write_view,
)
from pixio_hf.app.filling_in import draw_blocks, draw_pictures, fill_in, mask_photo, toggle_block  # noqa: E402
from pixio_hf.app.photo_uploads import read_upload  # noqa: E402
from pixio_hf.app.refusals import answers, hide_paths  # noqa: E402
from pixio_hf.app.scenes import cut_to_shape, make_surfaces, reconstruct_scene  # noqa: E402
from pixio_hf.app.serving import ResultsOnly, blocked_folders, results_folder  # noqa: E402
from pixio_hf.app.settings import AppSettings  # noqa: E402
from pixio_hf.app.shelf import ModelShelf  # noqa: E402
from pixio_hf.app.similarity import draw_similarity, encode, similarity_map  # noqa: E402
from pixio_hf.bundled import ASSETS  # noqa: E402
from pixio_hf.image_processing_pixio import PixioImageProcessor  # noqa: E402
from pixio_hf.modeling_pixio_reconstruction import PixioForReconstruction  # noqa: E402
from pixio_hf_cli.early_checks import check_port, is_open_to_others  # noqa: E402
from pixio_hf_cli.reconstruct import load_reconstruction_model, reconstruct_photo  # noqa: E402
from pixio_hf_cli.serve_app import make_predictors  # noqa: E402
from tests.tiny_models import randomize_weights, tiny_view_config  # noqa: E402

PHOTO = str(ASSETS / "photos" / "coffee.jpg")


@pytest.fixture(scope="module")
def shelf():
    return ModelShelf(make_predictors("cpu"), AppSettings())


def test_depth_files_hold_the_same_metres(shelf, tmp_path):
    answer = predict_depth(shelf, PHOTO, "pixio-tiny-depth")
    assert answer.metres.shape == answer.photo.shape[-2:]
    picture, scale = draw_depth_map(answer)
    assert picture.shape == (*answer.metres.shape, 3)
    assert " m</span>" in scale
    assert read_distance(answer, 10, 20) == f"**{answer.metres[20, 10]:.2f} m** away."
    files = write_depth_files(answer, 60, tmp_path)
    millimetres = np.asarray(PIL.Image.open(files.png))
    np.testing.assert_allclose(millimetres / 1000, answer.metres, atol=6e-4)
    with np.load(files.npz) as stored:
        np.testing.assert_array_equal(stored["depth"], answer.metres)
        width = answer.metres.shape[1]
        assert stored["intrinsics"][0, 0] == pytest.approx(width / 2 / np.tan(np.pi / 6))
    assert files.ply.read_bytes()[:3] == b"ply"
    assert write_view(answer, 60, tmp_path).read_bytes()[:4] == files.glb.read_bytes()[:4] == b"glTF"


def test_similarity_is_the_cosine():
    tokens = torch.tensor([[[1.0, 0], [2, 0]], [[0, 3], [-1, 0]]])
    torch.testing.assert_close(similarity_map(tokens, 0, 0), torch.tensor([[1.0, 1], [0, -1]]))


def test_a_point_of_the_photo_names_its_patch(shelf):
    answer = encode(shelf, PHOTO, "pixio-tiny", "coarse")
    height, width = answer.photo.shape[-2:]
    rows, columns = answer.tokens.shape[:2]
    assert answer.patch_at(width - 1, 0) == (0, columns - 1)
    assert answer.patch_at(-5, height + 9) == (rows - 1, 0)
    picture, _, words = draw_similarity(answer, 1, 1)
    assert picture.shape == (height, width, 3)
    assert "Patch 1 of" in words


def test_blocks_are_those_of_the_command(shelf):
    masked = mask_photo(shelf, PHOTO, "pixio-tiny", 0.75, 4, 3)
    result = fill_in(shelf, masked)
    expected = reconstruct_photo(
        load_reconstruction_model("pixio-tiny", "cpu", "float32", 0.75, 4), read_upload(PHOTO).pixels, seed=3
    )
    assert result.hidden_share == expected.hidden_share
    assert result.loss == pytest.approx(expected.loss, rel=1e-4)
    photo, seen, filled = draw_pictures(masked, result)
    assert photo.shape == seen.shape == filled.shape


def test_clicked_blocks_change_and_one_stays(shelf):
    masked = mask_photo(shelf, PHOTO, "pixio-tiny", 0.0, 8, 0)
    assert not masked.hidden.any()
    assert fill_in(shelf, masked).loss == 0
    clicked = toggle_block(masked, 1, 1)
    assert clicked.hidden[0, 0]
    assert clicked.hidden.sum() == 1
    assert fill_in(shelf, clicked).hidden_share == pytest.approx(clicked.hidden.mean())
    assert not toggle_block(clicked, 1, 1).hidden.any()
    assert draw_blocks(16, 8, 0.99, 0).sum() == 3


def test_scene_of_several_photos(tmp_path):
    config = tiny_view_config()
    model = randomize_weights(PixioForReconstruction(config))
    loaded = SimpleNamespace(model=model, processor=PixioImageProcessor.for_config(config), device="cpu")
    shelf = SimpleNamespace(get=lambda *_: loaded)
    answer = reconstruct_scene(shelf, [PHOTO, PHOTO], "x")
    assert answer.metres.shape == answer.confidence.shape == (2, 64, 96)
    assert [camera.name for camera in answer.cameras] == ["coffee", "coffee"]
    answer.usable[:] = True
    answer.metres[:] = 2.0
    whole = sum(len(shape.points) for shape in make_surfaces(answer, 0.0))
    assert whole == 2 * 64 * 96
    assert sum(len(shape.points) for shape in make_surfaces(answer, 0.5)) < whole
    with pytest.raises(ValueError, match="1 to 8 photos"):
        reconstruct_scene(shelf, [], "x")
    assert cut_to_shape(np.zeros((3, 100, 300), np.uint8), 1.0).shape == (3, 100, 100)


def test_uploads_have_limits(tmp_path, monkeypatch):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"bad\.jpg"):
        read_upload(str(bad))
    monkeypatch.setattr("pixio_hf.read_limits.MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="the limit is 1000"):
        read_upload(PHOTO)


def test_errors_show_no_path():
    assert hide_paths("The folder /home/anna/runs/x is no checkpoint.") == "The folder x is no checkpoint."
    assert hide_paths("'/home/anna b/my runs/x' fails") == "'x' fails"
    assert hide_paths(r"C:\Users\anna\x.pt fails") == "x.pt fails"
    kept = "ask at https://huggingface.co/facebook/pixio-vith16 for owner/name"
    assert hide_paths(kept) == kept

    @answers
    def fail():
        raise ValueError("no <b> in /a/b/c")

    with pytest.raises(gradio.Error, match="no &lt;b&gt; in c"):
        fail()


def test_visitors_load_listed_models_only(tmp_path):
    (tmp_path / "mine").mkdir()
    folder = str(tmp_path / "mine")
    settings = AppSettings({"depth": [folder]}, open_to_others=True)
    shelf = ModelShelf(make_predictors("cpu"), settings)
    assert shelf.names("depth")[:2] == ["mine", "pixio-tiny-depth"]
    assert shelf.find("depth", "mine") == folder
    for name in (folder, "owner/name", "/etc"):
        with pytest.raises(ValueError, match="only the models of its list"):
            shelf.find("depth", name)
    with pytest.raises(ValueError, match="No folder, Hub id"):
        ModelShelf(make_predictors("cpu"), AppSettings()).find("depth", "no-such-model")


def test_only_results_are_served(tmp_path):
    gate = ResultsOnly(None, tmp_path)
    assert gate.allows("/config")
    assert gate.allows(f"/gradio_api/file={tmp_path}/a/b.png")
    for path in ("/etc/passwd", f"{tmp_path}/../x", f"{tmp_path}/%2e%2e/x", str(tmp_path), "https://example.com/a"):
        assert not gate.allows(f"/gradio_api/file={path}"), path
    assert not gate.allows("/gradio_api/proxy=https://example.com/")


def test_results_are_removed():
    with results_folder() as folder:
        (folder / "x").write_text("x")
        assert blocked_folders(folder)
    assert not folder.exists()


def test_a_taken_port_is_told():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"Port {port} is taken.*--port 0"):
            check_port("127.0.0.1", port)
    assert check_port("127.0.0.1", 0) > 0
    assert is_open_to_others("0.0.0.0", False)
    assert is_open_to_others("127.0.0.1", True)
    assert not is_open_to_others("127.0.0.1", False)
