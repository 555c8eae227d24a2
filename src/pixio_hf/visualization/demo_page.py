# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The web page of `pixio-hf demo`: plain HTML and CSS with relative links, readable without a server or network."""

from collections.abc import Sequence
from html import escape

from .demo_sheet import DemoSample

STYLE = """
:root { color-scheme: light dark;
  --ink: #22262b; --pale: #5d6670; --paper: #ffffff; --card: #f3f4f6; --link: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --pale: #a4acb5; --paper: #16191d; --card: #22272d; --link: #8ab4f8; }
}
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; } a { color: var(--link); }
p, li { max-width: 46rem; }
.note { padding: .7rem 1rem; border-left: .25rem solid #d97706; background: var(--card); }
figure { margin: 1.2rem 0; padding: .8rem; background: var(--card); border-radius: .5rem; }
figure img { display: block; max-width: 100%; height: auto; border-radius: .25rem; }
figcaption { margin-top: .5rem; color: var(--pale); font-size: .92rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .9rem .3rem 0; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def render_demo_page(samples: Sequence[DemoSample], summary: str, model_name: str, depth_model_name: str) -> str:
    """The page, to lie beside demo.png and pictures/."""
    rooms = [sample for sample in samples if sample.true_depth is not None]
    photos = [sample for sample in samples if sample.true_depth is None]
    body = f"""
<h1>Depth, reconstruction and features from single images</h1>
<p>Made by <code>pixio-hf demo</code>: depth with <code>{escape(depth_model_name)}</code>, the rest with
<code>{escape(model_name)}</code>.</p>
<p class="note">The rooms are <strong>synthetic</strong>: rendered by this package from seeds that training never uses.
The photos are <strong>real</strong>. The bundled models are tiny and were trained on synthetic rooms only, so that
photos are outside of their training data: what you see there shows how far that carries, not what Pixio can do at
full size.</p>
<figure><a href="demo.png"><img src="demo.png" alt="Contact sheet of all images and results"></a>
<figcaption>Everything on one sheet.</figcaption></figure>
<h2>Rendered rooms (synthetic, held out)</h2>
<p>True depth is exact, so the prediction can be measured: {escape(summary)}. A handful of images is an illustration,
not a benchmark; the model card has the metrics over many.</p>
{make_metrics_table(rooms)}
{"".join(map(make_sample_section, rooms))}
<h2>Photos (real, outside of the training data)</h2>
<p>Their true depth is unknown. Nothing in them resembles the rooms of the training data, in scale least of all: trust
neither metres nor shapes here.</p>
{"".join(map(make_sample_section, photos))}
<h2>How to read the pictures</h2>
<ul>
<li><strong>Depth</strong>: distance along the viewing axis in metres. Near is red, far is blue, grey is unknown. True
and predicted depth of an image share one scale. The 16-bit PNG holds millimetres, one number per pixel.</li>
<li><strong>Reconstruction</strong>: the model sees only the visible blocks and fills in the others. A model trained
on normalised patches predicts the pattern of a patch; its mean and contrast are taken from the image.</li>
<li><strong>Features</strong>: the three main directions of the patch tokens of all images as red, green and blue.
Equal colours mean similar features.</li>
</ul>
"""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pixio-hf demo</title>
<style>{STYLE}</style>
</head>
<body>{body}</body>
</html>
"""


def make_metrics_table(rooms: Sequence[DemoSample]) -> str:
    """HTML table of the metrics of each rendered image."""
    names = ("delta1", "abs_rel", "rmse")
    rows = "".join(
        f"<tr><td>{escape(room.label)}</td>"
        + "".join(f'<td class="number">{room.metrics[name]:.3f}</td>' for name in names)
        + "</tr>"
        for room in rooms
    )
    return (
        "<table><tr><th>Image</th><th>delta1 (higher is better)</th><th>abs_rel (lower is better)</th>"
        f"<th>rmse in metres (lower is better)</th></tr>{rows}</table>"
    )


def make_sample_section(sample: DemoSample) -> str:
    """HTML of one image: its three pictures with captions."""
    label, stem = escape(sample.label), f"pictures/{escape(sample.name)}"
    result = sample.reconstruction
    depth_caption = "predicted depth; the true depth is unknown"
    if sample.metrics:
        depth_caption = (
            f"true depth and predicted depth: delta1 {sample.metrics['delta1']:.3f}, abs_rel"
            f" {sample.metrics['abs_rel']:.3f}"
        )
    figures = (
        ("depth_color", f'{depth_caption} (<a href="{stem}_depth.png">16-bit PNG in millimetres</a>)'),
        (
            "reconstruction",
            f"reconstruction from {1 - result.hidden_share:.0%} of the patches, loss {result.loss:.3f} over the rest",
        ),
        ("features", "main components of the patch tokens"),
    )
    return f"<h3>{label}</h3>" + "".join(
        f'<figure><a href="{stem}_{kind}.png"><img loading="lazy" src="{stem}_{kind}.png" alt="{label}: {kind}"></a>'
        f"<figcaption>{label}: {caption}.</figcaption></figure>"
        for kind, caption in figures
    )
