# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Arrays as users have them have the values of the plain copy: in both processors, the metrics and target sizes."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioImageProcessor, PixioImageProcessorPil
from pixio_hf.arrays import to_array, to_class_tensor, to_tensor
from pixio_hf.metrics import DepthMetrics, KNNMetrics, SegmentationMetrics, depth_metrics_per_image


def read_only(values: np.ndarray) -> np.ndarray:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


# Each makes another array of the same values.
FORMS = {
    "negative strides": lambda values: values[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda values: np.repeat(np.repeat(values, 2, axis=0), 2, axis=1)[::2, ::2],
    "fortran": np.asfortranarray,
    "read only": read_only,
    "big endian": lambda values: values.astype(values.dtype.newbyteorder(">")),
    "little endian": lambda values: values.astype(values.dtype.newbyteorder("<")),
    "masked array": lambda values: np.ma.masked_array(values),
    "tensor": lambda values: torch.from_numpy(values.copy()),
    "strided tensor": lambda values: torch.from_numpy(np.asfortranarray(values).copy(order="K")),
}
DTYPES = [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64]
PROCESSORS = [PixioImageProcessor, PixioImageProcessorPil]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [*DTYPES, np.bool_, np.float16, np.float32, np.float64])
def test_to_array_keeps_values_and_makes_them_plain(form, dtype):
    values = RNG.integers(0, 100, (4, 6)).astype(dtype)
    plain = to_array(FORMS[form](values))
    assert type(plain) is np.ndarray
    assert plain.flags.c_contiguous
    assert plain.dtype == dtype
    assert plain.dtype.isnative
    np.testing.assert_array_equal(plain, values)
    tensor = to_tensor(FORMS[form](values))
    np.testing.assert_array_equal(tensor.numpy(), values)
    assert (tensor == tensor).all()
    assert (tensor < 100).all()


def test_what_numpy_or_torch_lacks_is_widened():
    half = torch.tensor([0.5, 3.0], dtype=torch.bfloat16)
    assert to_array(half).dtype == np.float32
    assert to_array(half).tolist() == [0.5, 3.0]
    assert to_tensor(half).dtype == torch.bfloat16
    assert to_array(np.array([0.25], np.longdouble)).dtype == np.float64
    assert to_array(np.matrix([[1, 2], [3, 4]])).tolist() == [[1, 2], [3, 4]]
    assert to_array([[torch.tensor([1, 2], dtype=torch.uint16)], [np.array([3, 4], ">u2")]]).tolist() == [
        [[1, 2]],
        [[3, 4]],
    ]
    assert to_tensor(torch.tensor([65535], dtype=torch.uint16)).dtype == torch.int64
    assert to_class_tensor(np.array([True, False])).tolist() == [1, 0]
    assert to_array(torch.tensor([1.0 + 2.0j]).conj()).tolist() == [1 - 2j]


def test_masked_values_take_a_stand_in_or_are_refused():
    masked = np.ma.masked_array(np.array([1, 2, 3], np.int8), [False, True, False])
    assert to_array(masked, masked=255).tolist() == [1, 255, 3]
    assert to_array([masked, masked], masked=0).tolist() == [[1, 0, 3], [1, 0, 3]]
    with pytest.raises(ValueError, match="1 values are masked"):
        to_array(masked)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1, None]), "dtype object"),
        (["a"], "expected numbers"),
        ([[1, 2], [3]], "shape"),
        (np.array(["2020-01-01"], "datetime64[D]"), "expected numbers"),
    ],
)
def test_what_holds_no_numbers_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        to_array(values)


def test_numbers_beyond_int64_are_refused():
    with pytest.raises(ValueError, match=r"below 2\^63"):
        to_tensor(np.array([2**63], np.uint64))


@pytest.mark.parametrize("processor_class", PROCESSORS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint64, np.bool_, np.float16])
@pytest.mark.parametrize("shape", [(40, 24), (40, 24, 1), (40, 24, 3), (3, 40, 24)])
def test_processors_see_the_plain_photo(processor_class, form, dtype, shape):
    processor = processor_class(size={"height": 32, "width": 32})
    top = 2 if dtype is np.bool_ else 256
    photo = RNG.integers(0, top, shape).astype(dtype)
    expected = processor(photo, return_tensors="pt").pixel_values
    assert torch.equal(processor(FORMS[form](photo), return_tensors="pt").pixel_values, expected)
    batch = processor([FORMS[form](photo), photo], return_tensors="pt").pixel_values
    assert torch.equal(batch, torch.cat([expected, expected]))


@pytest.mark.parametrize("processor_class", PROCESSORS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint64, np.int32, np.float16, np.float64])
def test_processors_see_the_plain_map(processor_class, form, dtype):
    processor = processor_class(size={"height": 32, "width": 32}, do_reduce_labels=True)
    photo = np.zeros((40, 24, 3), np.uint8)
    values = RNG.integers(0, 100, (40, 24)).astype(dtype)
    for kind in ("depth_maps", "segmentation_maps"):
        expected = processor(photo, return_tensors="pt", **{kind: values.astype(np.float64)}).labels
        for shaped in (values, values[..., None], values[None], [values], values[None, ..., None], values[None, None]):
            made = [FORMS[form](v) for v in shaped] if isinstance(shaped, list) else FORMS[form](shaped)
            assert torch.equal(processor(photo, return_tensors="pt", **{kind: made}).labels, expected), shaped


@pytest.mark.parametrize("processor_class", PROCESSORS)
def test_masked_map_values_count_as_unknown(processor_class):
    processor = processor_class(do_resize=False)
    photo, values = np.zeros((16, 16, 3), np.uint8), np.full((16, 16), 7, np.uint8)
    masked = np.ma.masked_array(values, np.eye(16, dtype=bool))
    depth = processor(photo, depth_maps=masked, return_tensors="pt").labels[0]
    classes = processor(photo, segmentation_maps=masked, return_tensors="pt").labels[0]
    assert torch.equal(depth == 0, torch.eye(16).bool())
    assert torch.equal(classes == 255, torch.eye(16).bool())
    with pytest.raises(ValueError, match=r"photo 0: .*masked"):
        processor(np.ma.masked_array(photo, photo == 0))


@pytest.mark.parametrize("processor_class", PROCESSORS)
@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_sixteen_bit_pil_photos_keep_their_range(processor_class, byte_order):
    processor = processor_class(do_resize=False, do_normalize=False, size_divisor=1)
    grey = np.array([[0, 257, 128 * 257, 65535]])
    found = processor(PIL.Image.fromarray(grey.astype(byte_order)), return_tensors="pt").pixel_values
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([0, 1, 128, 255]) / 255)
    wide = processor(PIL.Image.fromarray(grey.astype(np.int32)), return_tensors="pt").pixel_values
    assert torch.equal(wide, found)


@pytest.mark.parametrize(
    "sizes",
    [
        np.array([[5, 7]], ">u2"),
        torch.tensor([[5, 7]], dtype=torch.uint16),
        np.array([[7, 5]])[:, ::-1],
        [torch.tensor([5, 7])],
        [(5, 7)],
        np.array([[5.0, 7.0]]),
    ],
)
def test_target_sizes_of_any_kind(sizes):
    processor = PixioImageProcessor()
    outputs = SimpleNamespace(predicted_depth=torch.rand(1, 8, 8), logits=torch.rand(1, 3, 8, 8))
    depth = processor.post_process_depth_estimation(outputs, sizes)[0]["predicted_depth"]
    expected = torch.nn.functional.interpolate(outputs.predicted_depth[None], (5, 7), mode="bilinear")[0, 0]
    assert torch.equal(depth, expected)
    assert processor.post_process_semantic_segmentation(outputs, sizes)[0].shape == (5, 7)


@pytest.mark.parametrize("sizes", [[(5, 0)], [(5.5, 7)], [(5, 7, 3)], [5], np.array([[-1, 4]])])
def test_wrong_target_sizes_are_refused(sizes):
    outputs = SimpleNamespace(predicted_depth=torch.rand(1, 8, 8))
    with pytest.raises(ValueError, match="target sizes"):
        PixioImageProcessor().post_process_depth_estimation(outputs, sizes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.uint64, np.int16, np.float16, np.float32, np.float64])
def test_metrics_see_the_plain_numbers(form, dtype):
    make = FORMS[form]
    truth, guess = RNG.integers(1, 9, (2, 12, 10)), RNG.integers(1, 9, (2, 12, 10))

    def score_depth(predictions, references):
        metric = DepthMetrics(max_depth=7.0)
        metric.add_batch(predictions=predictions, references=references)
        return metric.compute()

    expected = score_depth(guess.astype(np.float64), truth.astype(np.float64))
    assert expected["rmse"] > 0
    maps = [make(m.astype(dtype)) for m in guess], [make(m.astype(dtype)) for m in truth]
    assert score_depth(*maps) == expected
    batch = make(guess.astype(dtype)), make(truth.astype(dtype))
    assert score_depth(*batch) == expected
    mask = (truth > 3).astype(dtype)
    right, _ = depth_metrics_per_image(guess.astype(float), truth.astype(float), truth > 3)
    assert torch.equal(depth_metrics_per_image(*batch, make(mask))[0], right)
    if np.issubdtype(dtype, np.floating):
        return

    def score_classes(predictions, references):
        metric = SegmentationMetrics(9, ignore_index=8)
        metric.add_batch(predictions=predictions, references=references)
        return metric.compute()

    assert score_classes(*maps) == score_classes(*batch) == score_classes(guess, truth)


@pytest.mark.parametrize("form", ["read only", "big endian", "fortran", "masked array", "tensor"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("label_dtype", [np.uint8, np.uint16, np.uint64, np.int16])
def test_knn_sees_the_plain_numbers(form, dtype, label_dtype):
    features = RNG.normal(size=(12, 4))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(dtype)
    labels = RNG.integers(0, 3, 12)

    def score(features, labels):
        metric = KNNMetrics(features, labels, [1, 3])
        metric.add_batch(predictions=features, references=labels)
        return metric.compute()

    make = FORMS[form]
    assert score(make(features), make(labels.astype(label_dtype))) == score(torch.from_numpy(features.copy()), labels)
    assert score(features.tolist(), labels.tolist()) == score(features.astype(np.float64), labels)


def test_a_negative_ignored_class_is_ignored_in_narrow_types():
    metric = SegmentationMetrics(200, ignore_index=-100)
    values = np.full((4, 4), 156, np.uint8)  # -100 as a byte
    metric.add_batch(predictions=[values], references=[values])
    assert metric.compute()["num_pixels"] == 16


def test_masked_values_count_nowhere_in_metrics():
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    truth = np.ma.masked_array(np.full((4, 4), 2, np.uint8), mask)
    guess = np.where(mask, 1, 2)
    classes = SegmentationMetrics(3)
    classes.add_batch(predictions=[guess], references=[truth])
    assert classes.compute()["num_pixels"] == 12
    depth = DepthMetrics()
    depth.add_batch(predictions=[guess], references=[truth])
    assert depth.compute()["delta1"] == 1.0
