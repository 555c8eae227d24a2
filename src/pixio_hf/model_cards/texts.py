# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the cards of our own checkpoints say, and the code that shows how each kind of checkpoint is used."""

import json
from dataclasses import dataclass

from ..configuration_pixio import PixioConfig
from . import results
from .results import ResultTable, depth_table


@dataclass(frozen=True)
class OwnModel:
    """Text of the card of a checkpoint that we trained; the paragraphs of a section may be tables."""

    pipeline_tag: str
    tags: tuple[str, ...]
    summary: str
    code: str
    intended_use: str
    sections: dict[str, tuple[str | ResultTable, ...]]
    limits: str


_ROOMS = "rooms rendered by `pixio_hf.synthetic` (seeds 0 to 32767, generator version 1) at"

PIXIO_TINY = OwnModel(
    pipeline_tag="image-feature-extraction",
    tags=("masked-autoencoder", "synthetic-data"),
    summary="""\
A Pixio masked autoencoder of 5.9 million parameters: encoder 224 wide, 8 blocks, 8 class tokens; decoder 96 wide, 7 blocks;
masks in blocks of 2 x 2 patches (a quarter of the 8 x 8 grid, as 4 x 4 is of the 16 x 16 grid at 256 pixels); native size
128 x 128. Weights in bfloat16. It ships inside pixio_hf so that everything can be tried without a download. It is not one
of Meta's models, and it is far too small and too briefly trained to stand for them.""",
    code="""\
import pixio_hf
from transformers import AutoModel

model = AutoModel.from_pretrained(pixio_hf.bundled_checkpoint("pixio-tiny"))
""",
    intended_use="Trying out the package, its scripts and its tests on any machine, and starting small experiments.",
    sections={
        "Data": (
            f"""\
32,768 **synthetic** {_ROOMS}
128 x 128; for the last two stages 65,536 (seeds 0 to 65535). No photograph was used.""",
        ),
        "Training": (
            """\
Four stages, one after the other, on one core each of two-core AMD EPYC virtual machines that other work shared, bf16
autocast, torch 2.15, transformers 5.23. The first and third predict pixels normalised per patch, as the paper does; the
second and fourth go on with plain pixels, which makes better pictures. Each has a warm-up and a cosine of its own.""",
            """\
```bash
python examples/pretraining/pretrain.py --output_dir runs/stage1 --cache_dir cache --num_steps 3000 --warmup_steps 150 \\
    --batch_size 64 --base_learning_rate 3e-3 --attn_implementation eager --compile True
python examples/pretraining/pretrain.py --model runs/stage1/model --norm_pix_loss False --output_dir runs/stage2 \\
    --cache_dir cache --num_steps 1300 --warmup_steps 100 --batch_size 64 --base_learning_rate 3e-3 \\
    --attn_implementation eager --compile True --seed 1 --save_dtype bfloat16
python examples/pretraining/pretrain.py --model runs/stage2/model --output_dir runs/stage3 --cache_dir cache \\
    --num_scenes 65536 --num_steps 4000 --warmup_steps 150 --batch_size 64 --base_learning_rate 3e-3 \\
    --attn_implementation eager --compile True --num_workers 1 --seed 2
python examples/pretraining/pretrain.py --model runs/stage3/model --norm_pix_loss False --output_dir runs/stage4 \\
    --cache_dir cache --num_scenes 65536 --num_steps 1300 --warmup_steps 100 --batch_size 64 --base_learning_rate 3e-3 \\
    --attn_implementation eager --compile True --num_workers 1 --seed 3 --save_dtype bfloat16
```""",
            ResultTable(
                "",
                ("stage", "images seen", "duration", "loss at the end (training scenes)"),
                (
                    ("1, normalised pixels", "192,000", "42 min", "0.700"),
                    ("2, plain pixels", "83,200", "22 min", "0.410"),
                    ("3, normalised pixels", "256,000", "41 min", "0.675"),
                    ("4, plain pixels", "83,200", "14 min", "0.397"),
                ),
            ),
        ),
        "Measured on held-out scenes": (
            f"""\
Masked-pixel loss (plain pixels, ImageNet normalisation, {results.HELD_OUT_ROOMS}; measured with
`examples/pretraining/evaluate_reconstruction.py`):
**{results.MASKED_PIXEL_LOSS:.3f}** (after the second stage {results.MASKED_PIXEL_LOSS_STAGE_2:.3f}), where predicting \
each image's mean colour of its visible patches gives {results.MASKED_PIXEL_LOSS_OF_MEAN_COLOR:.3f}.""",
            """\
What the encoder is worth for depth, with the encoder frozen and a DPT head trained for 600 steps of 32 rooms
(`examples/depth_estimation/finetune_trainer.py --model runs/stage4/model --freeze_encoder True --max_steps 600`):""",
            depth_table(
                "frozen encoder",
                {
                    "pixio-tiny": results.FROZEN_PIXIO_TINY,
                    "pixio-tiny after the second stage": results.FROZEN_STAGE_2,
                    "random weights, same recipe": results.FROZEN_RANDOM,
                    "mean training depth everywhere": results.MEAN_DEPTH,
                },
            ),
        ),
    },
    limits="It has seen rendered rooms only. Numbers on rendered rooms say nothing about photographs.",
)

PIXIO_TINY_DEPTH = OwnModel(
    pipeline_tag="depth-estimation",
    tags=("metric-depth", "synthetic-data"),
    summary="""\
Metric depth of indoor scenes from one image: an encoder of pixio-tiny's size (5.0 million parameters) and a DPT head (0.8
million), trained together from the third stage of pixio-tiny, in two runs. Native size 128 x 128, depths up to 10 m,
weights in bfloat16. It ships inside pixio_hf so that the depth pipeline can be tried without a download.""",
    code="""\
import pixio_hf
from transformers import pipeline

depth = pipeline("depth-estimation", model=pixio_hf.bundled_checkpoint("pixio-tiny-depth"))
print(depth("kitchen.jpg")["predicted_depth"].shape)  # metres, at the photo's size
""",
    intended_use="Trying out the depth pipeline, the `pixio-hf depth` command and the evaluation scripts on any machine.",
    sections={
        "Data": (
            f"""\
Trained on 32,768 **synthetic** {_ROOMS}
128 x 128, mirrored at random. Evaluated on {results.HELD_OUT_ROOMS}, which no model was trained on.""",
        ),
        "Training": (
            """\
2,200 steps of 32 rooms in 35 minutes, then 800 more over the same rooms in 13 minutes at half of the rates, with a
warm-up and a cosine of their own; on one core of a two-core AMD EPYC virtual machine that other work shared, bf16 autocast,
AdamW, rates 1e-3 (head) and 5e-4 (encoder), torch 2.15, transformers 5.23.""",
            """\
```bash
python examples/depth_estimation/finetune_trainer.py --model runs/stage3/model --output_dir runs/first --cache_dir cache \\
    --max_steps 2200 --attn_implementation eager --save_dtype bfloat16
python examples/depth_estimation/finetune_trainer.py --model runs/first/model --output_dir runs/depth --cache_dir cache \\
    --max_steps 800 --eval_steps 400 --learning_rate 5e-4 --encoder_learning_rate 2.5e-4 \\
    --attn_implementation eager --save_dtype bfloat16
python examples/depth_estimation/evaluate_depth.py --model runs/depth/model
```""",
        ),
        "Measured on held-out synthetic rooms": (
            depth_table(
                "model",
                {
                    "**this checkpoint** (bfloat16 weights, evaluated in float32)": results.BUNDLED_DEPTH,
                    "its first run: from the third stage of pixio-tiny, 2,200 steps": results.FINE_TUNED_FROM_THIRD_STAGE,
                    "the same from the first stage of pixio-tiny": results.FINE_TUNED_FROM_FIRST_STAGE,
                    "fine-tuned from a random encoder, 2,200 steps, same recipe": results.FINE_TUNED_FROM_RANDOM,
                    "frozen pixio-tiny encoder, 600 steps": results.FROZEN_PIXIO_TINY,
                    "frozen random encoder, 600 steps, same recipe": results.FROZEN_RANDOM,
                    "mean training depth everywhere": results.MEAN_DEPTH,
                },
            ),
            """\
The rows below come from the first command: without `--model` the encoder is random; `--freeze_encoder True --max_steps 600`
trains the head alone (over the final pixio-tiny). One run each; seed noise was not measured. With everything trained,
delta1 after 550 and 1,100 steps is 0.781 and 0.869 from a random encoder, 0.803 and 0.875 from the first stage, 0.823 and
0.885 from the third: the short pre-training was caught up with at the end, the longer one was not.""",
        ),
    },
    limits="""\
Rendered rooms with a fixed world scale (camera at eye height, tiles and planks of real size) are much easier than
photographs: these numbers say nothing about NYUv2 or KITTI, and depth of a photograph from this model is a demonstration,
not a measurement.""",
)

OWN_MODELS = {"pixio-tiny": PIXIO_TINY, "pixio-tiny-depth": PIXIO_TINY_DEPTH}

PIPELINE_TAGS = {
    "encoder": "image-feature-extraction",
    "pretraining": "image-feature-extraction",
    "distilled": "image-feature-extraction",
    "depth": "depth-estimation",
    "segmentation": "image-segmentation",
    "reconstruction": "image-to-3d",
}


def usage_code(kind: str, folder_name: str, config: PixioConfig) -> str:
    """Python that loads a folder of this kind and applies it to a photo."""
    folder = json.dumps(folder_name, ensure_ascii=False)
    if kind in ("depth", "segmentation"):
        shown = (
            'print(run("kitchen.jpg")["predicted_depth"].shape)  # metres, at the photo\'s size'
            if kind == "depth"
            else 'print([(segment["label"], segment["mask"].size) for segment in run("kitchen.jpg")])'
        )
        return f"""\
import pixio_hf
from transformers import pipeline

run = pipeline("{PIPELINE_TAGS[kind]}", model={folder})
{shown}
"""
    if kind == "reconstruction":
        return f"""\
import torch
from PIL import Image

import pixio_hf
from transformers import AutoImageProcessor

processor = AutoImageProcessor.from_pretrained({folder})
model = pixio_hf.PixioForReconstruction.from_pretrained({folder}).eval()
photos = [Image.open("kitchen.jpg")]  # one or more of the same place
views = processor(photos, return_tensors="pt")["pixel_values"]
with torch.inference_mode():
    outputs = model(views[None])
print(outputs.pointmaps.shape)  # (1, 1, {config.image_size}, {config.image_size}, 3), a point in metres for each pixel
"""
    tokens = f"{config.n_cls_tokens} class tokens + {config.patch_grid_size**2} patches"
    if kind == "pretraining":
        load, imports = "pixio_hf.PixioForPreTraining", "AutoImageProcessor"
        shown = f"""\
    image = model.reconstruct(outputs, inputs["pixel_values"])
print(image.shape)  # (1, {config.num_channels}, {config.image_size}, {config.image_size}), masked patches as predicted"""
    else:
        load, imports = "AutoModel", "AutoImageProcessor, AutoModel"
        shown = f"""\
print(outputs.last_hidden_state.shape)  # (1, {tokens}, {config.hidden_size})
print(outputs.pooler_output.shape)  # (1, {config.hidden_size}), the mean of the class tokens"""
    return f"""\
import torch
from PIL import Image

import pixio_hf
from transformers import {imports}

processor = AutoImageProcessor.from_pretrained({folder})
model = {load}.from_pretrained({folder}).eval()
inputs = processor(Image.open("kitchen.jpg"), return_tensors="pt")
with torch.inference_mode():
    outputs = model(**inputs)
{shown}
"""
