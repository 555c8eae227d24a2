# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Whole models against golden vectors on the device that is here, a GPU where there is one, in float32 and bfloat16.

The other files of this folder compare number by number on a CPU. Here every output is compared as a whole, because
kernels of a GPU add up in other orders and bfloat16 has three digits.
"""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from tests.golden import Case, load_case
from tests.parity.test_depth_model_golden import build_depth_model
from tests.parity.test_encoder_golden import build_encoder
from tests.parity.test_pretraining_golden import build_pretraining_model, read_images
from tests.parity.test_reconstruction_golden import build_model as build_reconstruction_model
from tests.parity.test_segmentation_golden import build_segmentation_model

pytestmark = pytest.mark.parity

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LARGEST_SHARE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Length of the difference as a share of the length of what is expected."""


def encode(case: Case, place: Callable[[nn.Module], nn.Module], dtype: torch.dtype) -> Mapping[str, Tensor]:
    image = case.tensors["image"].to(DEVICE, dtype)
    outputs = place(build_encoder(case))(image)
    last = max(int(key[len("block") : key.index(".")]) for key in case.tensors if key.startswith("block"))
    num_class_tokens = case.config["n_cls_tokens"]
    return {
        f"block{last}.patch_tokens_norm": outputs.last_hidden_state[:, num_class_tokens:],
        f"block{last}.cls_tokens_norm": outputs.last_hidden_state[:, :num_class_tokens],
    }


def pretrain(case: Case, place: Callable[[nn.Module], nn.Module], dtype: torch.dtype) -> Mapping[str, Tensor]:
    images, noise = read_images(case).to(DEVICE, dtype), case.tensors["noise"].to(DEVICE)
    outputs = place(build_pretraining_model(case))(images, noise=noise)
    return {"mask": outputs.mask, "pred": outputs.logits, "loss": outputs.loss}


def predict_depth(case: Case, place: Callable[[nn.Module], nn.Module], dtype: torch.dtype) -> Mapping[str, Tensor]:
    model = place(build_depth_model(case))
    depth = model(case.tensors["nonsquare.image"].to(DEVICE, dtype)).predicted_depth
    return {"nonsquare.depth": depth / model.config.max_depth}


def predict_windows(case: Case, place: Callable[[nn.Module], nn.Module], dtype: torch.dtype) -> Mapping[str, Tensor]:
    model = place(build_depth_model(case, window_size=case.config["crop_size"], max_depth=case.config["max_depth"]))
    return {"depth": model(case.tensors["image"].to(DEVICE, dtype)).predicted_depth}


def segment(case: Case, place: Callable[[nn.Module], nn.Module], dtype: torch.dtype) -> Mapping[str, Tensor]:
    model = place(build_segmentation_model(case))
    return {"nonsquare.logits": model(case.tensors["nonsquare.image"].to(DEVICE, dtype)).logits}


def reconstruct(case: Case, place: Callable[[nn.Module], nn.Module], dtype: torch.dtype) -> Mapping[str, Tensor]:
    images = case.tensors["pixel_values"].to(DEVICE, dtype)
    outputs = place(build_reconstruction_model(case, False))(images)
    return {"out.pts3d": outputs.pointmaps, "out.cam_trans": outputs.camera_translations}


CASES = {
    "encoder_native": ("", encode),
    "encoder_wide": ("", encode),
    "pretrain_grid2_ratio75_normpix": ("", pretrain),
    "depth_dpt_nonsquare": ("", predict_depth),
    "sliding_depth": ("", predict_windows),
    "seg_dpt_nonsquare": ("", segment),
    "recon_two_views_native": ("reconstruction", reconstruct),
}


@pytest.mark.parametrize("dtype", LARGEST_SHARE, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_outputs(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    # cuDNN rounds convolutions of float32 to TF32 unless told otherwise.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    folder, run = CASES[name]
    case = load_case(name, folder)
    for key, actual in run(case, lambda model: model.to(DEVICE, dtype).eval(), dtype).items():
        expected = case.tensors[key].double()
        share = (actual.double().cpu() - expected).norm() / expected.norm()
        assert share <= LARGEST_SHARE[dtype], f"{key} differs by {100 * share:.2g} %"
