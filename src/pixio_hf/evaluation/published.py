# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth of the paper's checkpoints with a frozen encoder (arXiv 2512.15715 v1, Tables 1 and 8). Never our measurement."""

from typing import NamedTuple

from ..model_cards.results import PUBLISHED, PUBLISHED_H16


class PublishedDepth(NamedTuple):
    """RMSE in metres and delta1 in percent, as the paper prints them; delta1 is None where it gives none."""

    rmse: str
    delta1: str | None


# Table 1, the encoders that Pixio is compared with; columns as in _SETTINGS. The checkpoints are those of the names and
# sizes in the table.
_SETTINGS = (("NYUv2", "dpt"), ("KITTI", "dpt"), ("NYUv2", "linear"), ("KITTI", "linear"))
_OTHER_ENCODERS = {
    "facebook/vit-mae-huge": (".465/80.8", "2.740/90.9", ".595/70.3", "4.419/79.4"),
    "facebook/dinov2-large": (".384/88.0", "2.510/94.7", ".599/72.0", "4.928/73.7"),
    "facebook/dinov2-giant": (".355/90.1", "2.424/94.6", ".560/75.3", "4.425/78.1"),
    "facebook/dinov3-vith16plus-pretrain-lvd1689m": (".320/93.2", "2.386/95.6", ".559/76.3", "4.944/73.2"),
}


def find_published_depth(hub_id: str, data: str, head_type: str) -> PublishedDepth | None:
    """The paper's result for a checkpoint of the Hub on data "NYUv2" or "KITTI", or None where it has none."""
    if hub_id in _OTHER_ENCODERS:
        rmse, delta1 = _OTHER_ENCODERS[hub_id][_SETTINGS.index((data, head_type))].split("/")
        return PublishedDepth(f"0{rmse}" if rmse.startswith(".") else rmse, delta1)
    if hub_id == PUBLISHED["pixio-h16"].hub_id:
        head = {"dpt": "DPT", "linear": "linear"}[head_type]
        rows = {setting: (rmse, delta1) for setting, rmse, delta1 in PUBLISHED_H16[0].rows}
        return PublishedDepth(*rows[f"{data}, {head}"])
    for model in PUBLISHED.values():
        if model.hub_id == hub_id and (data, head_type) == ("NYUv2", "dpt"):
            return PublishedDepth(model.nyuv2_rmse, None)
    return None
