"""What cannot be exported is refused in one sentence, before any weights are read."""

import json
from pathlib import Path

import pytest
import torch

from pixio_hf.export import PixioExportedModel, export_model, formats
from pixio_hf.export.photographs import find_photographs
from pixio_hf.export.verification import check_differences, compare


def test_a_missing_package_names_the_extra(monkeypatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"needs openvino, nncf, not installed here: pip install 'pixio-hf\[export\]'"
    ):
        formats.require_packages(formats.choose_format("openvino", "int8"), "int8")


def test_formats_name_what_they_hold() -> None:
    with pytest.raises(ValueError, match="For int8 choose format onnx or openvino"):
        formats.choose_format("torch", "int8")
    with pytest.raises(ValueError, match="choose one of onnx, openvino, torch"):
        formats.choose_format("tflite")


def test_calibration_needs_photographs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds none"):
        find_photographs(tmp_path)
    with pytest.raises(ValueError, match="is none"):
        find_photographs(tmp_path / "absent")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_views": 2}, "takes single images"),
        ({"task": "pose"}, "There is no task 'pose'"),
        ({"dtype": "int8", "format": "torch"}, "Format torch holds"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export_model("pixio-tiny-depth", tmp_path / "made", **{"format": "torch", **options})
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is no exported model"):
        export_model("pixio-tiny-depth", tmp_path, format="torch", overwrite=True)


def test_folders_that_are_no_export(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no exported model"):
        PixioExportedModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "pixio"}))
    (tmp_path / "pixio_export.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(ValueError, match="another version of pixio-hf"):
        PixioExportedModel.from_pretrained(tmp_path)


def test_differences_have_a_limit_and_infinite_numbers_none() -> None:
    ours, theirs = torch.ones(2, 3), torch.full((2, 3), 1.1)
    (difference,) = compare(["depth"], [[ours]], [[theirs]])
    assert difference.largest == pytest.approx(0.1, rel=1e-5)
    assert difference.share == pytest.approx(0.1, rel=1e-5)
    assert check_differences([difference], "float32", limit=0.2)["limit"] == 0.2
    with pytest.raises(ValueError, match="differs from torch"):
        check_differences([difference], "float32")
    with pytest.raises(ValueError, match="differs from torch"):
        check_differences(compare(["depth"], [[ours]], [[theirs / 0 * 0]]), "int8", limit=1e9)
    with pytest.raises(ValueError, match="of shape"):
        compare(["depth"], [[ours]], [[theirs[:1]]])
