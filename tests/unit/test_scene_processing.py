# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Lists of photos of scenes through both image processors, and back to cameras of the original photos."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioImageProcessor, PixioImageProcessorPil
from pixio_hf.view_fitting import ViewFit

PROCESSORS = [PixioImageProcessor, PixioImageProcessorPil]


def make_photo(height: int, width: int, seed: int = 0) -> PIL.Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return PIL.Image.fromarray(coarse).resize((width, height), PIL.Image.Resampling.BICUBIC)


def make_outputs(num_scenes: int, num_views: int, height: int, width: int, intrinsics: np.ndarray) -> SimpleNamespace:
    """Of a wall 2 m before every camera."""
    rows, columns = np.mgrid[:height, :width]
    rays = np.stack((columns, rows, np.ones_like(rows)), -1) @ np.linalg.inv(intrinsics).T
    points = torch.from_numpy(2 * rays).float().expand(num_scenes, num_views, height, width, 3)
    size = points.shape[:-1]
    return SimpleNamespace(
        pointmaps=points,
        predicted_depth=points[..., 2],
        confidence=torch.linspace(1, 2, height * width).view(height, width).expand(size),
        mask_logits=torch.ones(size),
        intrinsics=torch.from_numpy(intrinsics).float().expand(num_scenes, num_views, 3, 3),
        camera_to_world=torch.eye(4).expand(num_scenes, num_views, 4, 4),
        metric_scale=torch.ones(num_scenes),
    )


@pytest.mark.parametrize("make_processor", PROCESSORS)
def test_scenes_become_views_of_one_size(make_processor):
    processor = make_processor()
    inputs = processor([[make_photo(300, 400), make_photo(600, 800)], [make_photo(300, 410), make_photo(90, 120)]])
    assert [np.shape(scene) for scene in inputs["pixel_values"]] == 2 * [(2, 3, 384, 512)]
    inputs = processor(
        [[make_photo(300, 400), make_photo(600, 800)], [make_photo(300, 410), make_photo(90, 120)]],
        return_tensors="pt",
    )
    assert inputs["pixel_values"].shape == (2, 2, 3, 384, 512)
    assert inputs["original_sizes"].tolist() == [[[300, 400], [600, 800]], [[300, 410], [90, 120]]]
    assert inputs["photo_to_view"].shape == (2, 2, 3, 3)
    assert "intrinsics" not in inputs


@pytest.mark.parametrize("make_processor", PROCESSORS)
@pytest.mark.parametrize("photo_size", [(75, 100), (400, 300), (201, 333)])
def test_views_are_those_of_the_fit(make_processor, photo_size):
    photo = make_photo(*photo_size)
    inputs = make_processor(view_size=128)([[photo]], return_tensors="pt")
    fit = ViewFit.plan(photo_size, tuple(inputs["pixel_values"].shape[-2:]))
    mean, std = (torch.tensor(values)[:, None, None] for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    pixels = (inputs["pixel_values"][0, 0] * std + mean) * 255
    np.testing.assert_allclose(pixels.permute(1, 2, 0), np.asarray(fit.resize_photo(photo)), atol=0.01)
    assert max(inputs["pixel_values"].shape[-2:]) == 128


@pytest.mark.parametrize("make_processor", PROCESSORS)
def test_floats_are_resized_as_floats(make_processor):
    photo = np.asarray(make_photo(64, 64)).astype(np.float32) / 255
    whole = make_processor(view_size=32)([[make_photo(64, 64)]], return_tensors="pt").pixel_values
    floats = make_processor(view_size=32, do_rescale=False)([[photo]], return_tensors="pt").pixel_values
    assert (whole - floats).abs().max() < 0.05  # bytes are rounded, twice


@pytest.mark.parametrize("make_processor", PROCESSORS)
def test_flat_lists_stay_what_they_were(make_processor):
    photos = [make_photo(30, 40), make_photo(50, 50)]
    processor = make_processor()
    flat, single = processor(photos, return_tensors="pt"), processor(photos[0], return_tensors="pt")
    assert flat["pixel_values"].shape == (2, 3, 256, 256)
    assert list(flat) == ["pixel_values"]
    assert torch.equal(flat["pixel_values"][:1], single["pixel_values"])
    mixed = processor([photos, photos[0]], return_tensors="pt")  # neither all lists nor none: flattened, as ever
    assert mixed["pixel_values"].shape == (3, 3, 256, 256)


@pytest.mark.parametrize("make_processor", PROCESSORS)
@pytest.mark.parametrize("photo_size", [(480, 640), (640, 480), (333, 500), (37, 91)])
def test_cameras_of_photos_there_and_back(make_processor, photo_size):
    height, width = photo_size
    photos = [[make_photo(*photo_size), make_photo(*photo_size, seed=1)]]
    original = np.array([[0.9 * width, 0, 0.49 * width], [0, 0.91 * width, 0.52 * height], [0, 0, 1]])
    vector = [original[0, 0], original[1, 1], original[0, 2], original[1, 2]]
    processor = make_processor()
    inputs = processor(photos, intrinsics=[[original, vector]], return_tensors="pt")
    of_views = inputs["intrinsics"]
    assert of_views.shape == (1, 2, 3, 3)
    torch.testing.assert_close(of_views[:, 0], of_views[:, 1])
    torch.testing.assert_close(
        of_views[0], inputs["photo_to_view"][0] @ torch.from_numpy(original).float(), rtol=1e-5, atol=1e-3
    )
    view_height, view_width = inputs["pixel_values"].shape[-2:]
    outputs = make_outputs(1, 2, view_height, view_width, of_views[0, 0].double().numpy())
    (scene,) = processor.post_process_reconstruction(
        outputs, inputs["original_sizes"], mask_edges=False, photo_to_view=inputs["photo_to_view"]
    )
    np.testing.assert_allclose(scene["intrinsics"][0], original, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(scene["view_intrinsics"], of_views[0])
    # A point of the wall falls onto the pixel of the photo that the view's pixel was made of.
    seen = scene["intrinsics"][1].double() @ scene["pointmaps"][1, 5, 7].double()
    in_view = inputs["photo_to_view"][0, 1].double() @ (seen / seen[2])
    torch.testing.assert_close(in_view[:2], torch.tensor([7.0, 5.0]).double(), atol=2e-3, rtol=0)


def test_target_sizes_are_enough_without_given_cameras():
    processor = PixioImageProcessorPil()
    inputs = processor([[make_photo(300, 410), make_photo(90, 120)]], return_tensors="pt")
    height, width = inputs["pixel_values"].shape[-2:]
    camera = np.array([[500.0, 0, width / 2], [0, 500, height / 2], [0, 0, 1]])
    outputs = make_outputs(1, 2, height, width, camera)
    (sized,) = processor.post_process_reconstruction(outputs, inputs["original_sizes"])
    (listed,) = processor.post_process_reconstruction(outputs, [[(300, 410), (90, 120)]])
    (mapped,) = processor.post_process_reconstruction(outputs, photo_to_view=inputs["photo_to_view"])
    (plain,) = processor.post_process_reconstruction(outputs)
    assert torch.equal(sized["intrinsics"], listed["intrinsics"])
    torch.testing.assert_close(sized["intrinsics"], mapped["intrinsics"], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(plain["intrinsics"], plain["view_intrinsics"])
    assert sized["intrinsics"][0, 0, 0] > 3 * sized["intrinsics"][1, 0, 0]


def test_what_is_left_out():
    processor = PixioImageProcessorPil()
    camera = np.array([[40.0, 0, 16], [0, 40, 12], [0, 0, 1]])
    outputs = make_outputs(1, 2, 24, 32, camera)
    outputs.mask_logits = outputs.mask_logits.clone()
    outputs.mask_logits[0, 1, :12] = -1
    (scene,) = processor.post_process_reconstruction(outputs, confidence_percentile=25, mask_edges=False)
    assert scene["mask"][0].float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert not scene["mask"][1, :12].any()
    assert (scene["pointmaps"][~scene["mask"]] == 0).all()
    assert (scene["predicted_depth"][~scene["mask"]] == 0).all()
    (scene,) = processor.post_process_reconstruction(outputs)
    assert scene["mask"][0].all()  # a flat wall has no edges


@pytest.mark.parametrize("make_processor", PROCESSORS)
@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([[(30, 40)], []], {}, "scene 1 has no photo"),
        ([[(30, 40)], [(30, 40), (30, 40)]], {}, "different numbers of photos"),
        ([[(32, 48), (48, 32)]], {"do_resize": False}, "different sizes"),
        ([[(30, 40), (30, 40)]], {"do_resize": False}, "multiples of 16"),
        ([[(30, 40)]], {"do_mask": True}, "no masks"),
        ([[(30, 40)]], {"view_size": 8}, "view_size"),
        ([[(30, 40)]], {"intrinsics": [[[float("nan"), 30, 20, 15]]]}, "scene 0, view 0: intrinsics must hold finite"),
        ([[(30, 40)]], {"intrinsics": [[[-30.0, 30, 20, 15]]]}, "above 0"),
        ([[(30, 40)]], {"intrinsics": [[[30.0, 30, 20, 15]] * 2]}, "one camera for each photo"),
        ([(30, 40)], {"intrinsics": [[30.0, 30, 20, 15]]}, "go with scenes"),
    ],
)
def test_refusals(make_processor, images, options, message):
    def photos(entry):
        return make_photo(*entry) if isinstance(entry, tuple) else [photos(item) for item in entry]

    with pytest.raises(ValueError, match=message):
        make_processor()(photos(images), return_tensors="pt", **options)


def test_sizes_that_do_not_fit_the_outputs():
    processor, outputs = PixioImageProcessorPil(), make_outputs(1, 2, 24, 32, np.diag([40.0, 40, 1]))
    for sizes in ([[(24, 32)]], [(24, 32)] * 2, [[(24, 32), (0, 32)]], [[(24, 32), (24, 32, 3)]]):
        with pytest.raises(ValueError, match="target"):
            processor.post_process_reconstruction(outputs, sizes)
    with pytest.raises(ValueError, match="confidence_percentile"):
        processor.post_process_reconstruction(outputs, confidence_percentile=100)
