# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Model cards of Meta's released sizes, of our bundled checkpoints, and of what was converted."""

import re
from collections.abc import Mapping
from typing import Any

from ..bundled import bundled_checkpoint, list_bundled
from ..configuration_pixio import PixioConfig
from .licences import LICENCES, Licence, meta_licence
from .rendering import PIPELINE_TAGS, card_metadata, render_card
from .results import HELD_OUT_ROOMS, PUBLISHED, RESULTS, ResultTable, measured_results, published_tables

CARD_NAMES = (*PUBLISHED, *list_bundled())
_ENCODER_FIELDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "mlp_ratio",
    "n_cls_tokens",
    "patch_size",
)


def render_checkpoint_card(name: str) -> str:
    """Signed card of one of CARD_NAMES: one of Meta's five released sizes, or a bundled checkpoint.

    Raises:
        ValueError: another name.
    """
    if name not in CARD_NAMES:
        raise ValueError(f"No card {name!r}; choose one of {', '.join(CARD_NAMES)}.")
    if name not in PUBLISHED:
        return _render_bundled_card(name)
    model = PUBLISHED[name]
    return render_card(
        "released_card.md",
        # No base_model_relation: the Hub has no value for a change of format alone.
        card_metadata("encoder", meta_licence(model.hub_id), base_model=model.hub_id),
        config=PixioConfig.preset(name),
        hub_id=model.hub_id,
        original_file=model.original_file,
        millions=model.millions,
        kind="encoder",
        folder=name,
        size=name,
        tables=published_tables(name),
    )


def _render_bundled_card(name: str) -> str:
    model = RESULTS[name]
    scores = {"model_name": name, "eval_results": measured_results(name)}
    return render_card(
        f"{name}.md",
        card_metadata(model["kind"], Licence("apache-2.0"), *model["tags"], **scores),
        config=PixioConfig.from_pretrained(bundled_checkpoint(name)),
        paper=PixioConfig(),
        held_out=HELD_OUT_ROOMS,
        model=model,
        results=RESULTS,
    )


def render_conversion_card(
    config: PixioConfig, report: Mapping[str, Any], folder_name: str, *, license: str | None = None
) -> str:
    """Signed card of a converted folder.

    Args:
        config: of the written model.
        report: content of conversion_report.json; entries may be absent.
        folder_name: name under which the card's code opens the folder.
        license: the Hub's identifier, for weights that are not Meta's nor trained from Meta's; none keeps Meta's licence.

    Raises:
        ValueError: unknown kind of checkpoint, or an identifier that is not in LICENCES.
    """
    kind = report.get("kind", "encoder")
    if kind not in PIPELINE_TAGS:
        raise ValueError(f"Unknown kind of checkpoint {kind!r}; expected one of {', '.join(PIPELINE_TAGS)}.")
    if license is not None and license not in LICENCES:
        raise ValueError(
            f"Unknown licence {license!r}; expected one of {', '.join(LICENCES)}, or none for Meta's licence."
        )
    size = _find_published_size(config) if license is None else None
    hub_id = PUBLISHED[size].hub_id if size else None
    licence = Licence(license) if license else meta_licence(hub_id)
    return render_card(
        "converted_card.md",
        card_metadata(kind, licence, "converted", base_model=hub_id),
        config=config,
        kind=kind,
        task=PIPELINE_TAGS[kind],
        own_licence=license,
        title=_as_text(folder_name),
        folder=folder_name.encode(errors="replace").decode(),
        size=size,
        tables=published_tables(size) if size and kind == "encoder" else [],
        conversion=_describe_conversion(report),
    )


def _find_published_size(config: PixioConfig) -> str | None:
    """Which of Meta's encoders a configuration describes, if one; positions may have been resized."""
    for name in PUBLISHED:
        preset = PixioConfig.preset(name)
        if all(getattr(config, field) == getattr(preset, field) for field in _ENCODER_FIELDS):
            return name
    return None


def _describe_conversion(report: Mapping[str, Any]) -> str:
    """Table and warnings of a conversion report; absent entries give no row."""
    source, verification = report.get("source", {}), report.get("verification", {})
    chosen, ignored = report.get("config", {}), report.get("ignored_keys", [])
    left_out = [_as_code(key) for key in ignored[:8]] + ([f"{len(ignored) - 8} more"] if len(ignored) > 8 else [])
    counts = [f"{report[f'num_{word}']:,} {word}" for word in ("tensors", "parameters") if f"num_{word}" in report]
    rows = {
        "source": _as_code(source.get("name")),
        "bytes": f"{source['size']:,}" if source.get("size") is not None else "",
        "sha256": _as_code(source.get("sha256")),
        "kind": report.get("kind", ""),
        "weights": ", ".join([*counts, *([report["dtype"]] if report.get("dtype") else [])]),
        "set by hand": _list_fields(chosen.get("set_by_user", {})),
        "not in the weights, taken from the size, the training arguments or defaults": _list_fields(
            chosen.get("not_in_weights", {})
        ),
        "left out": ", ".join(left_out),
        "verified": _describe_verification(verification),
        "versions": ", ".join(f"{name} {version}" for name, version in report.get("versions", {}).items()),
    }
    table = ResultTable("", ("", ""), tuple((key, value) for key, value in rows.items() if value))
    warnings = "\n".join(f"- {_as_text(warning)}" for warning in report.get("warnings", []))
    return "\n\n".join(part for part in (str(table) if table.rows else "", warnings) if part)


def _describe_verification(verification: Mapping[str, Any]) -> str:
    if verification.get("method") == "none":
        return "no (conversion was asked not to)"
    said = []
    if verification.get("tensors_identical") is not None:
        count = verification["tensors_identical"]
        said.append(f"{count:,} tensors read back, equal to the source's in the written type, bit for bit")
    if verification.get("max_absolute_difference") is not None:
        difference = verification["max_absolute_difference"]
        said.append(f"largest difference of the outputs from an independent forward of the source: {difference:.1e}")
    return "; ".join(said)


def _list_fields(values: Mapping[str, Any]) -> str:
    return ", ".join(_as_code(f"{name}={value}") for name, value in values.items())


def _as_text(text: str) -> str:
    """Text from outside, with markup escaped."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", _as_line(text))


def _as_code(text: str | None) -> str:
    """Text from outside as a code span inside a table, empty for none."""
    return f"`{_as_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def _as_line(text: str) -> str:
    """Text on one line that can be written as UTF-8, which not every file name can."""
    return " ".join(text.encode(errors="replace").decode().split())
