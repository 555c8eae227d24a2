# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A scale under a coloured picture, as HTML: it fits any width, and dark and light pages."""

from ..visualization.color_maps import color_table

_STOPS = 17  # colours of the bar; browsers blend between them


def render_scale_bar(limits: tuple[float, float], colors: str, unit: str, low_name: str, high_name: str) -> str:
    """A bar of colours with round numbers under it.

    Args:
        limits: values at the ends of the bar.
        unit: written behind each number.
        low_name: what the low end means in a word, such as "near".
        high_name: what the high end means.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = limits
    table = color_table(colors)
    stops = ", ".join(f"#{bytes(table[round(255 * stop / (_STOPS - 1))]).hex()}" for stop in range(_STOPS))
    ticks = [value for value in MaxNLocator(5).tick_values(low, high) if low <= value <= high]
    marks = "".join(
        f'<span style="left:{100 * (value - low) / (high - low):.1f}%">{value:.4g}{unit}</span>' for value in ticks
    )
    return (
        f'<div class="scale" role="img" aria-label="Scale from {low:.3g}{unit} to {high:.3g}{unit}">'
        f'<div class="ends"><span>{low_name}</span><span>{high_name}</span></div>'
        f'<div class="bar" style="background:linear-gradient(to right, {stops})"></div>'
        f'<div class="marks">{marks}</div></div>'
    )
