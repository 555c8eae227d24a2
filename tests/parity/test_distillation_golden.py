# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Teacher, student, every loss and gradients against golden vectors of the original distillation.

See docs/specification.md 4.
"""

import pytest
import torch

from pixio_hf import PixioConfig, PixioModel
from pixio_hf.checkpoint_names import hub_to_memory_name, memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from pixio_hf.modeling_pixio_distillation import PixioForDistillation
from tests.golden import load_case, read_tensors

pytestmark = pytest.mark.parity

PROJECTION_NAMES = {"last_proj.0.": "dense_in.", "last_proj.1.": "norm.", "last_proj.3.": "dense_out."}
MASKINGS = [("nomask", 0.0), ("mask50", 0.5)]


def build_config(reference: dict, **overrides) -> PixioConfig:
    return PixioConfig(
        hidden_size=reference["embed_dim"],
        num_hidden_layers=reference["depth"],
        num_attention_heads=reference["num_heads"],
        image_size=reference["img_size"],
        n_cls_tokens=reference["n_cls_tokens"],
        **overrides,
    )


def load_encoder(model: PixioModel, reference_state: dict[str, torch.Tensor]) -> None:
    hub_state = reference_to_hub_state(reference_state)
    model.load_state_dict({hub_to_memory_name(name): tensor for name, tensor in hub_state.items()})


@pytest.fixture(scope="module")
def case():
    return load_case("distill")


@pytest.fixture
def student(case) -> PixioForDistillation:
    reference = case.config["student"]
    model = PixioForDistillation(
        build_config(reference, projection_size=reference["output_dim"], mask_grid_size=reference["mask_grid"])
    )
    # The case's state also holds deeper blocks of the teacher, under the same names.
    own = {
        name.removeprefix("state."): tensor.float()
        for name, tensor in read_tensors("distill.safetensors").items()
        if name.startswith("state.")
    }
    projection = {
        ours + name.removeprefix(original): own.pop(name)
        for original, ours in PROJECTION_NAMES.items()
        for name in list(own)
        if name.startswith(original)
    }
    load_encoder(model.pixio, own)
    model.projection.load_state_dict(projection)
    return model.eval()


def test_teacher_features(case):
    teacher = PixioModel(build_config(case.config["teacher"])).eval()
    stored = read_tensors("encoder_state.safetensors")
    load_encoder(teacher, {name.removeprefix("state."): tensor.float() for name, tensor in stored.items()})
    with torch.no_grad():
        outputs = teacher(case.tensors["images"], output_hidden_states=True)
    case.assert_close("teacher_features", outputs.hidden_states[-1])


@pytest.mark.parametrize(("masking", "mask_ratio"), MASKINGS)
@torch.no_grad()
def test_student_features(case, student, masking, mask_ratio):
    outputs = student(case.tensors["images"], noise=case.tensors["noise"], mask_ratio=mask_ratio)
    case.assert_close(f"student_features_{masking}", outputs.projected_hidden_states)
    if mask_ratio:
        assert torch.equal(outputs.ids_keep, case.tensors["ids_keep_mask50"])
    else:
        assert outputs.ids_keep is None
    assert outputs.loss is None
    assert outputs.loss_cls is None
    assert outputs.loss_patch is None


@torch.no_grad()
def test_every_loss(case, student):
    losses = [
        [
            [outputs.loss, outputs.loss_cls, outputs.loss_patch]
            for combination in case.values["combinations"]
            for outputs in [
                student(
                    case.tensors["images"],
                    teacher_hidden_states=case.tensors["teacher_features"],
                    noise=case.tensors["noise"],
                    mask_ratio=mask_ratio,
                    **combination,
                )
            ]
        ]
        for _, mask_ratio in MASKINGS
    ]
    assert len(case.values["combinations"]) == 18
    case.assert_close("losses", torch.tensor(losses))


def test_gradients(case, student):
    outputs = student(case.tensors["images"], case.tensors["teacher_features"], case.tensors["noise"], mask_ratio=0.5)
    outputs.loss.backward()
    encoder = {memory_to_hub_name(name): weight.grad for name, weight in student.pixio.named_parameters()}
    gradients = hub_to_reference_state(encoder)
    for original, ours in PROJECTION_NAMES.items():
        for name, parameter in student.projection.named_parameters():
            if name.startswith(ours):
                gradients[original + name.removeprefix(ours)] = parameter.grad
    recorded = [name for name in case.tensors if name.startswith("grad.")]
    assert len(recorded) == 5
    for name in recorded:
        case.assert_close(name, gradients[name.removeprefix("grad.")])
