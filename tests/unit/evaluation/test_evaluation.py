# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluation protocols on tiny models: same numbers as the models' own forward pass, sharing, memory, bad input."""

import json
import weakref
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch.nn import functional as F

from pixio_hf import PixioForDepthEstimation, PixioForSemanticSegmentation, PixioImageProcessor, PixioModel
from pixio_hf.evaluation import processes
from pixio_hf.evaluation.depth import evaluate_depth, predict_depth_items
from pixio_hf.evaluation.knn import center_crop, class_descriptors, evaluate_knn
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.evaluation.results import build_report, render_csv, render_json, render_markdown
from pixio_hf.evaluation.segmentation import evaluate_segmentation, predict_class_items
from pixio_hf.metrics import DEPTH_METRIC_NAMES, DepthMetrics, SegmentationMetrics
from pixio_hf.sliding_window import predict_sliding_window, tight_window_starts
from pixio_hf.visualization import cases as case_pictures
from pixio_hf.visualization.cases import Case, class_colors, draw_class_cases
from pixio_hf.visualization.worst_cases import choose_cases
from tests.tiny_models import randomize_weights, tiny_config

PROCESSOR = PixioImageProcessor(size={"height": 64, "width": 64})
SIZES = [(70, 100), (70, 100), (64, 64), (90, 40), (70, 100)]


def make_items(sizes: list[tuple[int, int]] = SIZES) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    return [
        {
            "image": generator.integers(0, 256, (*size, 3), dtype=np.uint8),
            "depth": generator.uniform(0.5, 9, size).astype(np.float32),
            "segmentation_map": generator.choice([0, 1, 2, 3, 255], size),
            "label": index % 2,
        }
        for index, size in enumerate(sizes)
    ]


@pytest.fixture(scope="module")
def depth_model() -> PixioForDepthEstimation:
    return randomize_weights(PixioForDepthEstimation(tiny_config()))


def native(item: dict[str, Any]) -> torch.Tensor:
    return PROCESSOR(item["image"], do_resize=False, size_divisor=1, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_windows_are_those_of_the_models_own_forward_pass(depth_model, batch_size):
    items = make_items()
    windowed = PixioForDepthEstimation(tiny_config(window_size=64)).eval()
    windowed.load_state_dict(depth_model.state_dict())
    options = PredictionOptions(window_size=64, batch_size=batch_size)
    predicted = [*predict_depth_items(depth_model, PROCESSOR, enumerate(items), options)]
    assert [index for index, _, _ in predicted] == [0, 1, 2, 3, 4]
    metric = DepthMetrics()
    for _, item, depth in predicted:
        with torch.no_grad():
            expected = windowed(native(item)).predicted_depth[0]
        torch.testing.assert_close(depth, expected, atol=1e-4, rtol=1e-5)
        metric.add(prediction=depth, reference=item["depth"])
    result = evaluate_depth(depth_model, PROCESSOR, items, options, progress=False)
    expected_metrics = metric.compute()
    assert expected_metrics is not None
    assert result.metrics == pytest.approx(expected_metrics)
    assert [row["index"] for row in result.rows] == [0, 1, 2, 3, 4]
    assert result.metrics["rmse"] == pytest.approx(np.mean([row["rmse"] for row in result.rows]))


@torch.no_grad()
@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_only_the_parts_inside_the_image_are_predicted_and_their_numbers_stay(head_type):
    """Against every window predicted whole, padding included, and against a model that can do nothing else."""
    model = randomize_weights(PixioForDepthEstimation(tiny_config(head_type=head_type))).eval()
    plain = SimpleNamespace(
        predict_logits=model.predict_logits,
        config=model.config,
        device=model.device,
        dtype=model.dtype,
        eval=model.eval,
    )
    items = [*enumerate(make_items())]
    options = PredictionOptions(window_size=64, batch_size=4)
    for predictor in (model, plain):
        for _, item, depth in predict_depth_items(predictor, PROCESSOR, items, options):
            whole_windows = predict_sliding_window(
                lambda windows: model.predict_logits(windows)[0].sigmoid(), native(item), window_size=64
            )
            torch.testing.assert_close(depth, model.config.max_depth * whole_windows[0, 0], rtol=1e-5, atol=1e-4)


@torch.no_grad()
def test_whole_images_are_resized_for_the_model_and_back(depth_model):
    items = make_items()
    options = PredictionOptions(window_size=None, batch_size=2)
    for index, item, depth in predict_depth_items(depth_model, PROCESSOR, enumerate(items), options):
        outputs = depth_model(**PROCESSOR(item["image"], return_tensors="pt"))
        expected = PROCESSOR.post_process_depth_estimation(outputs, target_sizes=[SIZES[index]])
        torch.testing.assert_close(depth, expected[0]["predicted_depth"], atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_flip_test_averages_with_the_mirrored_image(depth_model):
    items = make_items()[:2]
    plain = PredictionOptions(window_size=64)
    flipped = [{"image": item["image"][:, ::-1].copy()} for item in items]
    once, mirrored = (predict_depth_items(depth_model, PROCESSOR, enumerate(i), plain) for i in (items, flipped))
    both = predict_depth_items(depth_model, PROCESSOR, enumerate(items), PredictionOptions(64, flip_test=True))
    for (_, _, a), (_, _, b), (_, _, average) in zip(once, mirrored, both, strict=True):
        assert (a - average).abs().max() > 1e-3
        torch.testing.assert_close(average, (a + b.flip(-1)) / 2, atol=1e-4, rtol=1e-5)


def test_tight_windows_stay_inside(depth_model):
    assert tight_window_starts(426, 170, 256) == [0, 170]
    assert tight_window_starts(560, 170, 256) == [0, 170, 304]
    assert tight_window_starts(256, 170, 256) == tight_window_starts(100, 170, 256) == [0]
    item = make_items([(64, 100)])[0]
    options = PredictionOptions(window_size=64, tight_windows=True)
    ((_, _, depth),) = predict_depth_items(depth_model, PROCESSOR, [(0, item)], options)
    with torch.no_grad():
        right = depth_model(native(item)[..., 36:]).predicted_depth[0]
    torch.testing.assert_close(depth[:, 64:], right[:, 28:], atol=1e-4, rtol=1e-5)  # only the last window is here


def test_segmentation_counts_the_predicted_classes():
    model = randomize_weights(PixioForSemanticSegmentation(tiny_config(num_labels=4)))
    items, options = make_items(), PredictionOptions(window_size=64, batch_size=5)
    result = evaluate_segmentation(model, PROCESSOR, items, options, progress=False)
    predicted = [classes for _, _, classes in predict_class_items(model, PROCESSOR, enumerate(items), options)]
    expected = SegmentationMetrics(4).compute(
        predictions=predicted, references=[item["segmentation_map"] for item in items]
    )
    assert result.metrics == expected
    assert result.metrics["num_pixels"] == sum(int((item["segmentation_map"] != 255).sum()) for item in items)


def test_knn_finds_copies_of_training_images():
    model = randomize_weights(PixioModel(tiny_config()))
    train = make_items()
    result = evaluate_knn(model, PROCESSOR, train, train[::-1], [1, 5], batch_size=2, progress=False)
    assert result.metrics["k1_top1"] == 100.0
    assert (result.metrics["num_images"], result.metrics["num_train_images"]) == (5, 5)
    pixel_values = torch.randn(2, 3, 64, 64)
    descriptors = class_descriptors(model, pixel_values)
    recorded = []
    hook = model.layernorm.register_forward_pre_hook(lambda _, inputs: recorded.append(inputs[0]))
    with torch.no_grad():
        model(pixel_values)
    hook.remove()
    torch.testing.assert_close(descriptors, F.normalize(recorded[0][:, :3].mean(dim=1), dim=1))
    with pytest.raises(ValueError, match="k = 6 neighbours need as many training images; there are 5"):
        evaluate_knn(model, PROCESSOR, train, train, [6], progress=False)


@pytest.mark.parametrize("size", [(100, 71), (64, 64), (30, 47)])
def test_center_crop_is_torchvisions(size):
    v2 = pytest.importorskip("torchvision.transforms.v2")
    photo = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8))
    expected = v2.CenterCrop(64)(v2.Resize(64, interpolation=v2.InterpolationMode.BICUBIC)(photo))
    assert np.array_equal(np.asarray(center_crop(photo, 64)), np.asarray(expected))


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_processes_share_items_without_counting_one_twice(monkeypatch, count):
    monkeypatch.setattr(processes, "num_processes", lambda: 3)
    for items in ([*range(count)], (number for number in range(3 * count))):
        shared = []
        for index in range(3):
            monkeypatch.setattr(processes, "process_index", lambda index=index: index)
            stream = items if isinstance(items, list) else iter(range(count))
            shared += processes.share_items(stream, progress=False)
        assert sorted(shared) == [(number, number) for number in range(count)]


@pytest.mark.parametrize("window_size", [64, None])
def test_no_more_images_are_held_when_there_are_more(depth_model, window_size):
    def most_alive(count: int) -> int:
        alive: weakref.WeakSet = weakref.WeakSet()
        most = 0

        class Pixels(np.ndarray):
            """An array that a weak set can hold by identity."""

            __hash__ = object.__hash__

        def stream():
            nonlocal most
            for item in make_items([(70, 80)] * 2) * (count // 2):
                image, depth = (item[key].copy().view(Pixels) for key in ("image", "depth"))
                alive.add(image)
                alive.add(depth)
                yield {"image": image, "depth": depth}
                del image, depth
                most = max(most, len(alive))

        result = evaluate_depth(
            depth_model, PROCESSOR, stream(), PredictionOptions(window_size, batch_size=4), progress=False
        )
        assert result.metrics["num_images"] == count
        return most

    few = most_alive(8)
    assert 2 <= few <= 12
    assert most_alive(48) == few


def test_bad_items_and_options_are_named(depth_model):
    items = make_items()
    options = PredictionOptions(window_size=64)
    for broken, message in (
        ({"depth": None}, 'item 1: there is no "depth"'),
        ({"depth": items[2]["depth"]}, "item 1: .*64 x 64.*70 x 100"),
        ({"image": np.full((70, 100, 3), np.nan, np.float32)}, "item 1: .*NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_depth(depth_model, PROCESSOR, [items[0], {**items[1], **broken}], options, progress=False)
    with pytest.raises(ValueError, match="data set is empty"):
        evaluate_depth(depth_model, PROCESSOR, [], options, progress=False)
    for wrong, message in (
        ({"window_size": 50}, "multiple of the patch size 16, got 50"),
        ({"window_size": None, "tight_windows": True}, "need windows"),
        ({"batch_size": 0}, "batch_size"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_depth(depth_model, PROCESSOR, items, PredictionOptions(**wrong), progress=False)


def test_cases_are_the_best_the_median_and_the_worst():
    rows = [{"index": index, "used": index != 3, "error": (7 * index) % 20} for index in range(20)]
    cases = choose_cases(rows, "error", True, 3)
    values = {kind: [row["error"] for row in chosen] for kind, chosen in cases.items()}
    assert values == {"best": [0, 2, 3], "median": [9, 10, 11], "worst": [17, 18, 19]} or values["median"][1] in (
        9,
        10,
    )
    assert values["best"][0] == 0
    assert values["worst"][-1] == 19
    for count in range(1, 8):
        few = choose_cases(rows[4 : 4 + count], "error", False, 4)
        chosen = [row["index"] for kind in few.values() for row in kind]
        assert len(chosen) == len(set(chosen)) == count
    assert len({tuple(color) for color in class_colors(150)}) > 140


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (40, 120)])
def test_class_pictures_are_full_of_panels_and_no_text_covers_another(monkeypatch, size):
    finished = []
    monkeypatch.setattr(case_pictures, "_finish_page", lambda figure: finished.append(figure) or b"")
    predicted = np.arange(size[0] * size[1]).reshape(size) % 100
    truth = predicted.copy()
    cases = [Case(f"{index} (images/{'long' * 9}.jpg)", np.zeros((*size, 3)), predicted, truth) for index in range(3)]
    draw_class_cases("Best", cases, [f"class {index}" for index in range(150)])
    truth[0, :9] = 255
    draw_class_cases("Best", cases, [f"class {index}" for index in range(150)])
    for figure, last in zip(finished, ("class 99", "does not count"), strict=True):
        figure.canvas.draw()
        rows = [figure.axes[start : start + 4] for start in range(0, 12, 4)]
        assert all(axis.get_window_extent().width > 0.2 * figure.bbox.width for axis in figure.axes)
        for above, below in pairwise(rows):
            assert above[0].xaxis.label.get_window_extent().y0 > below[0]._left_title.get_window_extent().y1
        (legend,) = figure.legends
        assert rows[-1][0].xaxis.label.get_window_extent().y0 > legend.get_window_extent().y1
        assert [text.get_text() for text in legend.texts][-1] == last
        assert len(legend.texts) == 100 + (last == "does not count")
    # Classes that are not shown have no entry, and the names are those of the numbers.
    few = [Case("a", np.zeros((*size, 3)), np.full(size, 3), np.full(size, 7))]
    draw_class_cases("Best", few, [f"class {index}" for index in range(150)])
    assert [text.get_text() for text in finished[-1].legends[0].texts] == ["class 3", "class 7"]


def test_reports():
    metrics = dict.fromkeys(DEPTH_METRIC_NAMES, 0.5) | {"silog": float("nan"), "num_images": 4}
    report = build_report("depth", {"model": "m", "data": "a|b"}, metrics, 2.0, num_processes=2)
    assert json.loads(render_json(report))["metrics"]["silog"] is None
    page = render_markdown(report, ["best.png"])
    for part in (
        "# Depth of m on a\\|b",
        "| delta1 | 0.5000 |",
        "| silog | - |",
        "a\\|b",
        "2 processes (2.00 images/s)",
    ):
        assert part in page
    assert "![best](best.png)" in page
    knn = build_report("k-NN classification", {"model": "m", "data": "d"}, {"num_images": 4}, 2.0)
    assert render_markdown(knn).startswith("# K-NN classification of m on d")
    assert render_csv([{"index": 0, "name": "a,b"}]) == 'index,name\n0,"a,b"\n'
