# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The web page of `pixio-hf demo`: one file of HTML with its style and script, readable without a server or network."""

from collections.abc import Sequence
from html import escape

from .color_maps import color_table
from .demo_sheet import DemoSample
from .panels import DEPTH_COLORS

STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2127; --pale: #5b6570; --paper: #fbfbfc; --card: #ffffff; --line: #dfe3e8; --link: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --pale: #a2abb5; --paper: #14171b; --card: #1d2227; --line: #333a42; --link: #8ab4f8; }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 1rem/1.55 system-ui, sans-serif; }
main { margin: 0 auto; max-width: 92rem; padding: 1.5rem clamp(.9rem, 3vw, 2.5rem) 4rem; }
h1 { margin: .6rem 0; font-size: clamp(1.6rem, 4vw, 2.4rem); line-height: 1.15; letter-spacing: -.02em; }
h2 { margin: 3rem 0 .3rem; } h3 { margin: 0; font-size: 1.05rem; }
p, li { max-width: 48rem; } p { margin: .5rem 0; } a { color: var(--link); } .pale { color: var(--pale); }
.sample { margin: 1.2rem 0; padding: 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .8rem; }
.about { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1.4rem; margin-bottom: .8rem; }
.about span { color: var(--pale); font-size: .9rem; font-variant-numeric: tabular-nums; }
.scale { display: inline-flex; align-items: center; gap: .5rem; }
.scale i { width: 7rem; height: .7rem; border-radius: .35rem; background: linear-gradient(90deg, COLORS); }
.pictures { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(min(9.5rem, 44%), 1fr)); }
figure { margin: 0; } figure a { display: block; }
figure img { display: block; width: 100%; height: auto; border-radius: .4rem; cursor: zoom-in; }
figcaption { margin-top: .3rem; color: var(--pale); font-size: .82rem; line-height: 1.35; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin-top: .6rem; }
th, td { padding: .3rem 1.2rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
dialog { max-width: 100vw; max-height: 100vh; width: 100%; height: 100%; padding: 1rem; border: 0; color: #f1f3f4;
  background: rgb(0 0 0 / .92); text-align: center; cursor: zoom-out; }
dialog img { width: min(100%, 130vh); height: calc(100vh - 6rem); object-fit: contain; }
dialog p { max-width: none; }
"""
# Without it a click opens the picture itself.
SCRIPT = """
const box = document.querySelector("dialog"), links = [...document.querySelectorAll("figure a")];
let shown = 0;
function show(index) {
  shown = (index + links.length) % links.length;
  const link = links[shown], picture = box.querySelector("img");
  picture.src = link.href;
  picture.alt = link.querySelector("img").alt;
  box.querySelector("p").textContent = link.dataset.sample + ": " + link.nextElementSibling.textContent;
  if (!box.open) box.showModal();
}
links.forEach((link, index) => link.addEventListener("click", event => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(index);
}));
box.addEventListener("click", () => box.close());
box.addEventListener("keydown", event => {
  if (event.key === "ArrowRight") show(shown + 1);
  if (event.key === "ArrowLeft") show(shown - 1);
});
"""


def render_demo_page(
    samples: Sequence[DemoSample], summary: str, model_name: str, depth_model_name: str, max_depth: float
) -> str:
    """The page, to lie beside demo.png and pictures/."""
    rooms = [sample for sample in samples if sample.true_depth is not None]
    photos = [sample for sample in samples if sample.true_depth is None]
    colors = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in color_table(DEPTH_COLORS)[::15].tolist())
    typical = "The first is the typical one: its abs_rel is nearest to their median. " if len(rooms) > 1 else ""
    body = f"""
<h1>What Pixio sees in single images</h1>
<p>Made by <code>pixio-hf demo</code>: depth with <code>{escape(depth_model_name)}</code>, features and reconstruction with
<code>{escape(model_name)}</code>. Click a picture to see it large; the arrow keys go on to the next one.</p>
<h2>Rendered rooms</h2>
<p class="pale">They are synthetic, from seeds that training never uses. Their true depth is exact, so the prediction can
be measured: {escape(summary)}. {typical}So few images are an illustration, not a benchmark; the model card has the
metrics over many.</p>
{"".join(make_section(room, max_depth) for room in rooms)}
<div class="scroll">{make_metrics_table(rooms)}</div>
<h2>Photos</h2>
<p class="pale">Real, and outside of the training data of the bundled models, which are tiny: what you see shows how far
these carry, not what Pixio can do at full size. The true depth is unknown: do not trust the metres.</p>
{"".join(make_section(photo, max_depth) for photo in photos)}
<h2>How to read the pictures</h2>
<ul>
<li><strong>Depth</strong>: distance along the viewing axis in metres. Red is near, blue is far, grey is unknown. The true
and the predicted depth of an image share one scale. A 16-bit PNG holds the millimetres, one number per pixel.</li>
<li><strong>Points</strong>: every pixel at its predicted depth, seen from the right and above. Edges where the depth jumps
are cut. The lens of the photos is assumed.</li>
<li><strong>Features</strong>: the three main directions of the patch tokens of all images as red, green and blue.
Like colours mean like features, also from image to image.</li>
<li><strong>Reconstruction</strong>: the model sees only the visible blocks and fills in the others. A model trained
on normalised patches predicts the pattern of a patch; its mean and contrast are taken from the image.</li>
</ul>
<p>Everything on one sheet: <a href="demo.png">demo.png</a>.</p>
"""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pixio-hf demo</title>
<style>{STYLE.replace("COLORS", colors)}</style>
</head>
<body><main>{body}</main>
<dialog aria-label="Large picture"><img alt=""><p></p></dialog>
<script>{SCRIPT}</script>
</body>
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


def make_section(sample: DemoSample, max_depth: float) -> str:
    """HTML of one image: what it is, the scale of its depth, and each of its pictures once."""
    label, stem = escape(sample.label), f"pictures/{escape(sample.name)}"
    result, (low, high) = sample.reconstruction, sample.limits(max_depth)
    scale = f"{low:.1f} m <i></i> {high:.1f} m"
    measured = ""
    if sample.metrics:
        measured = f"<span>delta1 {sample.metrics['delta1']:.3f}, abs_rel {sample.metrics['abs_rel']:.3f}</span>"
    truth = ()
    if sample.true_depth is not None:
        truth = (("true_depth_color.png", "True depth, exact"),)
    figures = (
        ("photo.jpg", "Image"),
        *truth,
        ("depth_color.png", f"Predicted depth, {low:.1f} m (red) to {high:.1f} m (blue)"),
        ("points.png", "Its points, from aside"),
        ("features.png", "Features"),
        ("visible.png", f"Visible: {1 - result.hidden_share:.0%}"),
        ("reconstruction.png", f"Reconstruction, loss {result.loss:.3f} over what was hidden"),
    )
    height, width = sample.depth.shape
    pictures = "".join(
        f'<figure><a href="{stem}_{ending}" data-sample="{label}"><img loading="lazy" src="{stem}_{ending}"'
        f' width="{width}" height="{height}" alt="{label}: {caption}"></a><figcaption>{caption}</figcaption></figure>'
        for ending, caption in figures
    )
    return f"""<section class="sample"><div class="about"><h3>{label}</h3><span class="scale">{scale}</span>{measured}
<span><a href="{stem}_depth.png">depth in millimetres</a></span></div><div class="pictures">{pictures}</div></section>
"""
