# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`AutoModel.from_pretrained("pixio-h16")` on a folder with the layout and true size of the official H/16 checkpoint.

The weights are random; names, shapes and configuration file are those of the official one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

HIDDEN_SIZE, NUM_LAYERS, NUM_HEADS, NUM_CLASS_TOKENS, GRID = 1280, 32, 16, 8, 16
# official name -> name in memory, inside a layer
LAYER_NAMES = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
ONE_LINE = "import pixio_hf; from transformers import AutoModel; AutoModel.from_pretrained('pixio-h16')"
COMPARE = """
import json, resource, sys
import pixio_hf
from transformers import AutoModel
model = AutoModel.from_pretrained('pixio-h16')

import torch
from safetensors import safe_open
names = json.load(open("names.json"))
state = model.state_dict()
assert set(names.values()) == set(state), set(names.values()) ^ set(state)
with safe_open("pixio-h16/model.safetensors", "pt") as stored:
    assert set(stored.keys()) == set(names)
    different = [name for name, own in names.items() if not torch.equal(stored.get_tensor(name), state[own])]
assert not different, different[:5]
with torch.inference_mode():
    outputs = model(torch.zeros(1, 3, 32, 32, dtype=model.dtype))
print(json.dumps({
    "class": f"{type(model).__module__}.{type(model).__qualname__}",
    "is_pixio_hf": type(model) is pixio_hf.PixioModel,
    "dtypes": sorted({str(parameter.dtype) for parameter in model.parameters()}),
    "num_parameters": model.num_parameters(),
    "shape": list(outputs.last_hidden_state.shape),
    "finite": bool(torch.isfinite(outputs.last_hidden_state).all()),
    "training": model.training,
    "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
}))
"""


def official_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the official H/16 checkpoint."""
    width = HIDDEN_SIZE
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, NUM_CLASS_TOKENS, width),
        "embeddings.position_embeddings": (1, NUM_CLASS_TOKENS + GRID * GRID, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, 16, 16),
        "embeddings.patch_embeddings.projection.bias": (width,),
        "layernorm.weight": (width,),
        "layernorm.bias": (width,),
    }
    matrices = {name: (width, width) for name in LAYER_NAMES if name.startswith("attention")}
    matrices |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    for layer in range(NUM_LAYERS):
        for name in LAYER_NAMES:
            shapes[f"encoder.layer.{layer}.{name}.weight"] = matrices.get(name, (width,))
            shapes[f"encoder.layer.{layer}.{name}.bias"] = matrices.get(name, (width,))[:1]
    return shapes


def name_in_memory(official: str) -> str:
    if not official.startswith("encoder.layer."):
        return official
    layer, _, rest = official.removeprefix("encoder.layer.").partition(".")
    module, _, tensor = rest.rpartition(".")
    return f"layers.{layer}.{LAYER_NAMES[module]}.{tensor}"


def write_checkpoint(folder: Path) -> None:
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)

    def random_tensor(shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.bfloat16).normal_(std=0.02, generator=generator)

    weights = {name: random_tensor(shape) for name, shape in official_shapes().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = transformers.PixioConfig(
        hidden_size=HIDDEN_SIZE, num_hidden_layers=NUM_LAYERS, num_attention_heads=NUM_HEADS
    )
    assert type(config).__module__.startswith("transformers.")
    config.architectures = ["PixioModel"]
    config.dtype = torch.bfloat16
    config.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "pixio"
    (folder / "pixio_vith16.pth").write_bytes(b"the original checkpoint lies beside it and is not read")


def run_python(code: str, folder: Path) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=400
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_checkpoint_of_the_true_h16_shape(tmp_path):
    shapes = official_shapes()
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 631_013_120
    write_checkpoint(tmp_path / "pixio-h16")
    (tmp_path / "names.json").write_text(json.dumps({name: name_in_memory(name) for name in shapes}))
    try:
        run_python(ONE_LINE, tmp_path)
        report = json.loads(run_python(COMPARE, tmp_path).splitlines()[-1])
    finally:
        (tmp_path / "pixio-h16" / "model.safetensors").unlink()  # 1.3 GB that pytest would keep
    assert report["class"] == "pixio_hf.modeling_pixio.PixioModel"
    assert report["is_pixio_hf"]
    assert report["dtypes"] == ["torch.float32"], "whatever is stored"
    assert report["num_parameters"] == 631_013_120
    assert report["shape"] == [1, NUM_CLASS_TOKENS + 4, HIDDEN_SIZE]
    assert report["finite"]
    assert not report["training"]
    assert report["peak_gib"] < 5, "weights of 1.2 GiB, mapped once from the file and held once"
