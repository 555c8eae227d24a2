# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Both image processors: defaults equal to the official preprocessing, options, labels, masks, all kinds of photos."""

import base64
import functools
import http.server
import io
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, BitImageProcessor
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.dpt.image_processing_dpt import DPTImageProcessor

from pixio_hf.configuration_pixio import PixioConfig
from pixio_hf.image_processing_pil_pixio import PixioImageProcessorPil
from pixio_hf.image_processing_pixio import PixioImageProcessor
from pixio_hf.masking import num_kept_blocks

BACKENDS = {"torchvision": PixioImageProcessor, "pil": PixioImageProcessorPil}
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
BYTES = {"do_rescale": False, "do_normalize": False}


@pytest.fixture(params=list(BACKENDS))
def processor_class(request: pytest.FixtureRequest) -> Any:
    return BACKENDS[request.param]


def make_photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random RGB, (height, width, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def make_depth(height: int, width: int) -> np.ndarray:
    depth = np.random.default_rng(1).uniform(0.5, 10, (height, width)).astype(np.float32)
    depth[::3, ::2] = 0
    depth[1::5, 1::3] = np.nan
    return depth


def read_bytes(processor_class: Any, photo: Any, size: int = 16, **options: Any) -> np.ndarray:
    """(3, size, size) pixels as they are after resizing, before 1/255 and normalisation."""
    processor = processor_class(size=size, **BYTES)
    return np.asarray(processor(photo, return_tensors="pt", **options).pixel_values[0])


# Defaults


@pytest.mark.parametrize("shape", [(480, 640), (300, 200), (257, 255), (20, 31)])
@pytest.mark.parametrize(
    ("ours", "reference"), [(PixioImageProcessor, BitImageProcessor), (PixioImageProcessorPil, BitImageProcessorPil)]
)
def test_defaults_equal_official_preprocessing(shape: tuple[int, int], ours: Any, reference: Any) -> None:
    photo = Image.fromarray(make_photo(*shape))
    official = reference(
        size={"height": 256, "width": 256}, do_center_crop=False, image_mean=list(MEAN), image_std=list(STD)
    )
    expected = official(photo, return_tensors="pt").pixel_values
    actual = ours()(photo, return_tensors="pt").pixel_values
    assert actual.shape == (1, 3, 256, 256)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def test_normalisation_by_hand(processor_class: Any) -> None:
    photo = np.zeros((256, 256, 3), dtype=np.uint8) + np.array([0, 100, 255], dtype=np.uint8)
    pixels = processor_class()(photo, return_tensors="pt").pixel_values
    expected = (torch.tensor([0, 100, 255]) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(pixels[0].mean(dim=(1, 2)), expected, atol=2e-6, rtol=0)


def test_backends_agree_on_smooth_photos() -> None:
    # Two resampling passes, each rounded to bytes: two grey levels are 0.035 after normalisation.
    photos = [make_photo(480, 640), make_photo(97, 131, 1), make_photo(256, 256, 2)]
    first, second = (cls()(photos, return_tensors="pt").pixel_values for cls in BACKENDS.values())
    torch.testing.assert_close(first, second, atol=0.036, rtol=0)
    assert float((first - second).abs().mean()) < 1e-3
    assert torch.allclose(first[2], second[2], atol=1e-5)


def test_backends_agree_on_float_photos() -> None:
    photo = torch.rand(3, 75, 100)
    first, second = (cls(do_rescale=False)(photo, return_tensors="pt").pixel_values for cls in BACKENDS.values())
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_typo_in_option_is_refused(processor_class: Any) -> None:
    with pytest.raises(TypeError, match="keep_aspec"):
        processor_class()(make_photo(32, 32), keep_aspec_ratio=True)


# Sizes


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (100, 50), (1, 1000), (2000, 100), (300, 300)])
def test_keep_aspect_ratio_sizes_equal_dpt(shape: tuple[int, int], processor_class: Any) -> None:
    dpt = DPTImageProcessor(size={"height": 256, "width": 256}, keep_aspect_ratio=True, ensure_multiple_of=16)
    pixels = processor_class(keep_aspect_ratio=True)(make_photo(*shape), return_tensors="pt").pixel_values
    height, width = pixels.shape[-2:]
    assert height % 16 == 0
    assert width % 16 == 0
    assert min(height, width) >= 16
    if min(shape) * 256 / max(shape) >= 8:
        # DPT itself rounds a thinner side to 0 and fails.
        assert pixels.shape == dpt(make_photo(*shape).copy(), return_tensors="pt").pixel_values.shape
    assert (height, width) == {
        (480, 640): (256, 336), (640, 480): (336, 256), (100, 50): (256, 128), (1, 1000): (16, 256),
        (2000, 100): (256, 16), (300, 300): (256, 256),
    }[shape]  # fmt: skip


def test_size_that_is_no_multiple_names_the_nearest(processor_class: Any) -> None:
    with pytest.raises(ValueError, match=r"250 x 300.*multiples of 16.*256 x 304"):
        processor_class()(make_photo(64, 64), size={"height": 250, "width": 300})
    with pytest.raises(ValueError, match="size must have height and width"):
        processor_class()(make_photo(64, 64), size={"shortest_edge": 256})
    pixels = processor_class()(make_photo(64, 64), size=28, size_divisor=14, return_tensors="np").pixel_values
    assert pixels.shape == (1, 3, 28, 28)


def test_without_resize_nothing_is_cropped(processor_class: Any) -> None:
    processor = processor_class(do_resize=False, **BYTES)
    photo = make_photo(48, 64)
    np.testing.assert_array_equal(processor(photo).pixel_values[0], photo.transpose(2, 0, 1))
    with pytest.raises(ValueError, match=r"photo of 50 x 64.*48 x 64"):
        processor(make_photo(50, 64))
    with pytest.raises(ValueError, match="neither crop nor pad"):
        processor(photo, do_center_crop=True, crop_size=32)


def test_mixed_sizes(processor_class: Any) -> None:
    photos = [Image.fromarray(make_photo(60, 40)), make_photo(31, 77), torch.from_numpy(make_photo(90, 90))]
    processor = processor_class(size=32)
    together = processor(photos, return_tensors="pt").pixel_values
    alone = [processor(photo, return_tensors="pt").pixel_values for photo in photos]
    assert together.shape == (3, 3, 32, 32)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="one by one"):
        processor(photos, keep_aspect_ratio=True, return_tensors="pt")
    shapes = [tuple(pixels.shape) for pixels in processor(photos, keep_aspect_ratio=True).pixel_values]
    assert shapes == [(3, 48, 32), (3, 32, 80), (3, 32, 32)]


# Masks


def test_masks_are_block_masks_and_reproducible() -> None:
    photos = [make_photo(64, 64, seed) for seed in range(3)]
    masks = {
        name: cls(do_mask=True, mask_seed=7)(photos, return_tensors="pt").bool_masked_pos
        for name, cls in BACKENDS.items()
    }
    mask = masks["torchvision"]
    assert torch.equal(mask, masks["pil"])
    assert mask.shape == (3, 256)
    assert mask.dtype == torch.bool
    blocks = mask.view(3, 4, 4, 4, 4).permute(0, 1, 3, 2, 4).reshape(3, 16, 16)
    assert torch.equal(blocks.all(-1), blocks.any(-1)), "blocks are masked whole"
    assert blocks.all(-1).sum(1).tolist() == [16 - num_kept_blocks(16, 0.75)] * 3
    assert not torch.equal(mask[0], mask[1])
    other = PixioImageProcessor(do_mask=True, mask_seed=8)(photos, return_tensors="pt").bool_masked_pos
    assert not torch.equal(mask, other)


def test_masks_without_seed_follow_the_global_generator(processor_class: Any) -> None:
    processor = processor_class(do_mask=True)
    torch.manual_seed(0)
    first = processor(make_photo(64, 64), return_tensors="pt").bool_masked_pos
    second = processor(make_photo(64, 64), return_tensors="pt").bool_masked_pos
    torch.manual_seed(0)
    again = processor(make_photo(64, 64), return_tensors="pt").bool_masked_pos
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_mask_errors(processor_class: Any) -> None:
    processor = processor_class(do_mask=True)
    with pytest.raises(ValueError, match="mask_grid_size 4 must divide"):
        processor(make_photo(64, 64), size=16 * 6)
    with pytest.raises(ValueError, match="keeps none"):
        processor(make_photo(64, 64), mask_ratio=0.99)
    with pytest.raises(ValueError, match="multiples of 14"):
        processor(make_photo(64, 64), patch_size=14)


# Labels


@pytest.mark.parametrize("shape", [(61, 83), (300, 401), (64, 64), (7, 5)])
def test_depth_labels_are_picked_by_index(shape: tuple[int, int]) -> None:
    depth, photo = make_depth(*shape), make_photo(*shape)
    rows = [int((i + 0.5) * shape[0] / 64) for i in range(64)]
    columns = [int((j + 0.5) * shape[1] / 48) for j in range(48)]
    size = {"height": 64, "width": 48}
    for cls in BACKENDS.values():
        labels = cls()(photo, depth_maps=depth, size=size, return_tensors="pt").labels
        assert labels.dtype == torch.float32
        np.testing.assert_array_equal(labels[0].numpy(), depth[rows][:, columns])


@pytest.mark.parametrize("kind", ["I;16", "I", "uint16", "int32", "tensor"])
def test_depth_in_millimetres(kind: str, processor_class: Any) -> None:
    millimetres = np.random.default_rng(0).integers(0, 60000, (32, 48)).astype(np.uint16)
    millimetres[:4] = 0
    source: Any = {
        "I;16": lambda: Image.fromarray(millimetres),
        "I": lambda: Image.fromarray(millimetres.astype(np.int32)),
        "uint16": lambda: millimetres,
        "int32": lambda: millimetres.astype(np.int32),
        "tensor": lambda: torch.from_numpy(millimetres.astype(np.int64)),
    }[kind]()
    processor = processor_class(do_resize=False, depth_scale=0.001)
    labels = processor(make_photo(32, 48), depth_maps=source, return_tensors="np").labels
    assert labels.shape == (1, 32, 48)
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels[0], (millimetres / 1000).astype(np.float32))
    assert (labels[0, :4] == 0).all()


def test_depth_of_mode_f_and_batches(processor_class: Any) -> None:
    depth = make_depth(32, 32)
    processor = processor_class(do_resize=False)
    image = processor(make_photo(32, 32), depth_maps=Image.fromarray(depth), return_tensors="np").labels
    np.testing.assert_array_equal(image[0], depth)
    batch = processor([make_photo(32, 32)] * 2, depth_maps=np.stack([depth, depth + 1]), return_tensors="np").labels
    np.testing.assert_array_equal(batch, np.stack([depth, depth + 1]))


def test_segmentation_labels(processor_class: Any) -> None:
    classes = np.random.default_rng(0).choice(np.array([0, 1, 3, 254, 255], dtype=np.uint8), (37, 53))
    processor = processor_class(size=64)
    photo = make_photo(37, 53)
    labels = processor(photo, segmentation_maps=Image.fromarray(classes), return_tensors="pt").labels
    assert labels.dtype == torch.int64
    assert labels.shape == (1, 64, 64)
    assert set(labels.unique().tolist()) == {0, 1, 3, 254, 255}
    reduced = processor(photo, segmentation_maps=classes, do_reduce_labels=True, return_tensors="pt").labels
    expected = torch.tensor([{0: 255, 1: 0, 3: 2, 254: 253, 255: 255}[v] for v in labels.flatten().tolist()])
    assert torch.equal(reduced.flatten(), expected)
    palette = Image.fromarray(classes).convert("P")
    palette.putdata(classes.flatten().tolist())
    from_palette = processor(photo, palette, return_tensors="pt").labels
    assert torch.equal(from_palette, labels)


def test_label_errors(processor_class: Any) -> None:
    processor, photo, depth = processor_class(), make_photo(32, 48), make_depth(32, 48)
    with pytest.raises(ValueError, match=r"depth map 0: .*48 x 32.*photo is 32 x 48"):
        processor(photo, depth_maps=depth.T)
    with pytest.raises(ValueError, match="not both"):
        processor(photo, depth_maps=depth, segmentation_maps=np.zeros((32, 48), dtype=np.uint8))
    with pytest.raises(ValueError, match="got 1 depth maps for 2 photos"):
        processor([photo, photo], depth_maps=depth)
    with pytest.raises(ValueError, match="mode RGB"):
        processor(photo, depth_maps=Image.fromarray(photo))
    with pytest.raises(ValueError, match="whole class numbers"):
        processor(photo, segmentation_maps=depth)
    with pytest.raises(ValueError, match="depth_scale"):
        processor(photo, depth_maps=depth, depth_scale=0.0)


# Photos of every kind


def test_greyscale(processor_class: Any) -> None:
    grey = make_photo(16, 16)[..., 0]
    expected = np.repeat(grey[None], 3, axis=0)
    for photo in (Image.fromarray(grey), grey, grey[None], grey[..., None], torch.from_numpy(grey.copy())):
        np.testing.assert_array_equal(read_bytes(processor_class, photo), expected)


@pytest.mark.parametrize("kind", ["I;16", "I", "uint16", "png"])
def test_16_bit_is_scaled_not_clipped(kind: str, processor_class: Any) -> None:
    wide = (np.arange(256).reshape(16, 16) * 257).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "png")
    photo: Any = {
        "I;16": lambda: Image.fromarray(wide),
        "I": lambda: Image.fromarray(wide.astype(np.int32)),
        "uint16": lambda: wide,
        "png": lambda: Image.open(buffer),
    }[kind]()
    pixels = read_bytes(processor_class, photo)
    np.testing.assert_array_equal(pixels[0].flatten(), np.arange(256))


def test_transparency_is_laid_over_white(processor_class: Any) -> None:
    rgba = np.zeros((16, 16, 4), dtype=np.uint8)
    rgba[:8] = (200, 100, 0, 255)
    rgba[8:] = (200, 100, 0, 51)
    for photo in (Image.fromarray(rgba), rgba, torch.from_numpy(rgba).permute(2, 0, 1)):
        pixels = read_bytes(processor_class, photo)
        np.testing.assert_array_equal(pixels[:, 0, 0], [200, 100, 0])
        # 255 - 0.2 * (255 - v)
        np.testing.assert_array_equal(pixels[:, 15, 0], [244, 224, 204])


def test_cmyk_and_palette(processor_class: Any) -> None:
    colours = np.zeros((16, 16, 3), dtype=np.uint8)
    colours[:, :8], colours[:, 8:] = (255, 0, 0), (0, 0, 255)
    image = Image.fromarray(colours)
    for mode in ("CMYK", "P"):
        np.testing.assert_array_equal(read_bytes(processor_class, image.convert(mode)), colours.transpose(2, 0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, processor_class: Any, tmp_path: Any) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = Image.fromarray(make_photo(32, 48))
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    processor = processor_class(do_resize=False, **BYTES)
    expected = np.asarray(upright).transpose(2, 0, 1)
    for photo in (Image.open(tmp_path / "photo.png"), str(tmp_path / "photo.png"), tmp_path / "photo.png"):
        np.testing.assert_array_equal(processor(photo, return_tensors="np").pixel_values[0], expected)


def test_truncated_and_foreign_files(processor_class: Any, tmp_path: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("photo.jpg", "photo.png"):
        path = tmp_path / name
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ValueError, match=r"photo 1: .*truncated or damaged"):
            processor_class()([noise, Image.open(path)])
    (tmp_path / "note.txt").write_text("no photo")
    for source in (tmp_path / "note.txt", tmp_path / "absent.jpg"):
        with pytest.raises(ValueError, match="is not an image"):
            processor_class()(str(source))


def test_addresses_and_base64(processor_class: Any, tmp_path: Any) -> None:
    wide = (np.arange(256).reshape(16, 16) * 257).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "photo.png")
    encoded = base64.encodebytes((tmp_path / "photo.png").read_bytes()).decode()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        for source in (f"{address}/photo.png", encoded, f"data:image/png;base64,{encoded}"):
            np.testing.assert_array_equal(read_bytes(processor_class, source)[2].flatten(), np.arange(256))
        with pytest.raises(ValueError, match=r"absent.png.*404"):
            processor_class()(f"{address}/absent.png")
        server.shutdown()


def test_one_pixel_photos(processor_class: Any) -> None:
    colour = np.array([10, 120, 250], dtype=np.uint8)
    last, first = colour.reshape(1, 1, 3), colour.reshape(3, 1, 1)
    for photo in (Image.fromarray(last), last, first, torch.from_numpy(first)):
        pixels = read_bytes(processor_class, photo, size=32)
        np.testing.assert_array_equal(pixels, np.broadcast_to(first, (3, 32, 32)))


def test_bad_pixels(processor_class: Any) -> None:
    processor = processor_class()
    broken = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    broken[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match=r"photo 0: .*NaN"):
        processor(broken)
    for shape in ((16, 16, 2), (5, 16, 16)):
        with pytest.raises(ValueError, match="1, 3 or 4 channels"):
            processor(np.zeros(shape, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"0..255"):
        processor(np.full((16, 16, 3), 300, dtype=np.int32))
    with pytest.raises(ValueError, match="is empty"):
        processor([])
    with pytest.raises(ValueError, match="image_mean has 3 numbers"):
        processor(np.zeros((16, 16, 4), dtype=np.uint8), do_convert_rgb=False)


def test_inputs_are_not_changed(processor_class: Any) -> None:
    photo, depth = make_photo(32, 32).copy(), make_depth(32, 32)
    photo_before, depth_before = photo.copy(), depth.copy()
    processor_class(do_resize=False)(photo, depth_maps=depth, depth_scale=2.0, return_tensors="pt")
    np.testing.assert_array_equal(photo, photo_before)
    np.testing.assert_array_equal(depth, depth_before)


# Post-processing


def test_post_process_depth(processor_class: Any) -> None:
    depth = torch.rand(2, 8, 8) * 9 + 1
    outputs = SimpleNamespace(predicted_depth=depth.to(torch.bfloat16))
    plain = processor_class().post_process_depth_estimation(outputs)
    assert len(plain) == 2
    assert torch.equal(plain[1]["predicted_depth"], depth[1].to(torch.bfloat16).float())
    outputs = SimpleNamespace(predicted_depth=depth)
    resized = processor_class().post_process_depth_estimation(outputs, [(20, 31), torch.tensor([1, 4])])
    assert [tuple(item["predicted_depth"].shape) for item in resized] == [(20, 31), (1, 4)]
    assert resized[0]["predicted_depth"].dtype == torch.float32
    assert resized[0]["predicted_depth"].min() >= depth[0].min()
    assert resized[0]["predicted_depth"].max() <= depth[0].max()
    expected = torch.nn.functional.interpolate(depth[:1, None], (20, 31), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resized[0]["predicted_depth"], expected[0, 0])
    with pytest.raises(ValueError, match="1 target sizes for 2 depth"):
        processor_class().post_process_depth_estimation(outputs, [(4, 4)])


def test_post_process_segmentation(processor_class: Any) -> None:
    logits = torch.randn(2, 5, 8, 8)
    outputs = SimpleNamespace(logits=logits)
    maps = processor_class().post_process_semantic_segmentation(outputs)
    assert torch.equal(torch.stack(maps), logits.argmax(1))
    scored = processor_class().post_process_semantic_segmentation(outputs, [(16, 12), (3, 3)], True)
    expected = torch.nn.functional.interpolate(logits[:1], (16, 12), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(scored[0].segmentation_scores, expected)
    assert torch.equal(scored[0].segmentation, expected.argmax(0))
    assert scored[1].segmentation.shape == (3, 3)
    with pytest.raises(ValueError, match="3 target sizes for 2 segmentation"):
        processor_class().post_process_semantic_segmentation(outputs, torch.ones(3, 2))


# Saving and loading


@pytest.mark.parametrize("saved_by", list(BACKENDS))
@pytest.mark.parametrize("loaded_as", list(BACKENDS))
def test_saved_once_loads_with_either_backend(saved_by: str, loaded_as: str, tmp_path: Any) -> None:
    options = {"size": {"height": 64, "width": 96}, "do_mask": True, "mask_ratio": 0.5, "mask_grid_size": 2,
               "mask_seed": 5, "keep_aspect_ratio": False, "depth_scale": 0.001}  # fmt: skip
    processor = BACKENDS[saved_by](**options)
    processor.save_pretrained(tmp_path)
    loaded = AutoImageProcessor.from_pretrained(tmp_path, backend=loaded_as)
    assert type(loaded) is BACKENDS[loaded_as]
    for name, value in options.items():
        assert getattr(loaded, name) == value
    expected = processor(make_photo(60, 60), depth_maps=make_depth(60, 60), return_tensors="pt")
    actual = loaded(make_photo(60, 60), depth_maps=make_depth(60, 60), return_tensors="pt")
    torch.testing.assert_close(actual.pixel_values, expected.pixel_values, atol=0.036, rtol=0)
    torch.testing.assert_close(actual.labels, expected.labels, atol=0, rtol=0, equal_nan=True)
    assert torch.equal(actual.bool_masked_pos, expected.bool_masked_pos)


def test_without_torchvision_the_name_is_the_pil_backend(tmp_path: Any) -> None:
    PixioImageProcessor(size=32).save_pretrained(tmp_path)
    script = (
        "import sys; sys.modules['torchvision'] = None\n"
        "import numpy as np\n"
        "from transformers import AutoImageProcessor\n"
        "from pixio_hf.image_processing_pil_pixio import PixioImageProcessorPil\n"
        "from pixio_hf.image_processing_pixio import PixioImageProcessor\n"
        "assert PixioImageProcessor is PixioImageProcessorPil\n"
        "loaded = AutoImageProcessor.from_pretrained(sys.argv[1])\n"
        "assert type(loaded) is PixioImageProcessorPil, type(loaded)\n"
        "pixels = loaded(np.zeros((40, 40, 3), dtype=np.uint8), return_tensors='pt').pixel_values\n"
        "assert pixels.shape == (1, 3, 32, 32), pixels.shape\n"
    )
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("processor_class", [PixioImageProcessor, PixioImageProcessorPil])
def test_a_processor_for_a_configuration_has_its_size_and_patches(processor_class):
    config = PixioConfig.preset("pixio-tiny", image_size=96, patch_size=8)
    processor = processor_class.for_config(config)
    assert dict(processor.size)["height"] == dict(processor.size)["width"] == 96
    assert processor.size_divisor == processor.patch_size == 8
    batch = processor(make_photo(50, 70), do_mask=True, mask_seed=0, return_tensors="pt")
    assert batch.pixel_values.shape == (1, 3, 96, 96)
    assert batch.bool_masked_pos.shape == (1, 144)
    assert processor_class.for_config(config, do_resize=False).do_resize is False
