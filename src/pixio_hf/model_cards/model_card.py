# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Model cards, all from model_card_template.md: of Meta's released sizes, of our checkpoints, and of what was converted."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, ModelCardData

from ..configuration_pixio import PixioConfig
from ..hub.folder import META_LICENCE
from .results import PUBLISHED, ResultTable, measured_results, published_tables
from .signature import sign_card
from .texts import OWN_MODELS, PIPELINE_TAGS, usage_code

CARD_NAMES = (*PUBLISHED, *OWN_MODELS)
# Licences that the Hub knows by these identifiers and that suit weights.
LICENCES = (
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nd-4.0",
    "openrail",
    "openrail++",
    "creativeml-openrail-m",
    "bigscience-openrail-m",
    "mpl-2.0",
    "gpl-3.0",
    "lgpl-3.0",
    "agpl-3.0",
    "unlicense",
)
_TEMPLATE = Path(__file__).with_name("model_card_template.md")
_ENCODER_FIELDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "mlp_ratio",
    "n_cls_tokens",
    "patch_size",
)
_INTENDED_USE = {
    "encoder": "Image features for dense prediction, retrieval, classification and 3D, frozen or fine-tuned.",
    "pretraining": "Reconstruction of masked images, and pre-training that goes on from here.",
    "distilled": "Image features, and distillation that goes on from here.",
    "depth": "Metric depth from one image of the kind that the head was trained on.",
    "segmentation": "Semantic segmentation into the classes that the head was trained on.",
    "reconstruction": "Points in metres and cameras from one or more photos of the same place.",
}


def render_checkpoint_card(name: str) -> str:
    """Signed card of one of CARD_NAMES: Meta's five sizes as one gets them from Meta, or a bundled checkpoint.

    Raises:
        ValueError: another name.
    """
    if name in OWN_MODELS:
        return _render_own_card(name)
    if name not in PUBLISHED:
        raise ValueError(f"No card {name!r}; choose one of {', '.join(CARD_NAMES)}.")
    model, config = PUBLISHED[name], PixioConfig.preset(name)
    how = "Trained by masked reconstruction." if name == "pixio-5b16" else "Distilled by Meta from the 5B model."
    return _render(
        _meta_data(model.hub_id, "encoder"),
        origin="release",
        title=name,
        summary=f"{_describe_encoder(config)}, {model.millions:,} million parameters\n"
        f"({4e-3 * model.millions:.1f} GB in float32, {2e-3 * model.millions:.1f} GB in bfloat16). {how}",
        hub_id=model.hub_id,
        original_file=model.original_file,
        folder=name,
        size=name,
        published=published_tables(name),
        **_describe_use("encoder", name, config),
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
    data = ModelCardData(license=license) if license else _meta_data(PUBLISHED[size].hub_id if size else None, kind)
    data.pipeline_tag, data.library_name, data.tags = PIPELINE_TAGS[kind], "transformers", ["pixio", "converted"]
    parts = {
        "encoder": "Encoder",
        "pretraining": "Encoder and pre-training decoder",
        "distilled": "Encoder and projection head of distillation",
        "depth": f"Metric depth model ({config.head_type} head)",
        "segmentation": f"Semantic segmentation model ({config.head_type} head, {config.num_labels} classes)",
        "reconstruction": "Feed-forward 3D reconstruction model",
    }
    size_text = f" of size {size}" if size else ""
    return _render(
        data,
        origin="conversion",
        own_license=license,
        title=_as_text(folder_name),
        summary=f"{parts[kind]}{size_text}, converted by pixio-hf. {_describe_encoder(config)}.",
        size=size,
        published=published_tables(size) if size and kind == "encoder" else [],
        conversion=_describe_conversion(report),
        **_describe_use(kind, folder_name.encode(errors="replace").decode(), config),
    )


def validate_card(text: str) -> None:
    """Check a card without the Hub: its metadata parse and are complete, and their values are among those the Hub knows.

    Raises:
        ValueError: names every fault.
    """
    try:
        data = ModelCard(text).data.to_dict()
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ValueError(f"The metadata of the card cannot be read: {error}") from error
    faults = [f"{key} is missing" for key in ("license", "library_name", "pipeline_tag", "tags") if not data.get(key)]
    if data.get("library_name") not in (None, "transformers"):
        faults.append(f"library_name is {data['library_name']!r} instead of 'transformers'")
    if data.get("pipeline_tag") not in (None, *PIPELINE_TAGS.values()):
        faults.append(f"unknown pipeline_tag {data['pipeline_tag']!r}")
    if data.get("license") == "other":
        faults += [f"license other needs {key}" for key in ("license_name", "license_link") if not data.get(key)]
    elif data.get("license") and data["license"] not in LICENCES:
        faults.append(f"unknown license {data['license']!r}")
    if faults:
        raise ValueError(f"The card is not valid: {'; '.join(faults)}.")


def _render_own_card(name: str) -> str:
    text = OWN_MODELS[name]
    data = ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag=text.pipeline_tag,
        tags=["pixio", *text.tags],
        model_name=name,
        eval_results=measured_results(name),
    )
    return _render(
        data,
        origin="own",
        title=name,
        summary=text.summary,
        code=text.code,
        intended_use=text.intended_use,
        sections=text.sections,
        limits=text.limits,
    )


def _find_published_size(config: PixioConfig) -> str | None:
    """Which of Meta's encoders a configuration describes, if one; positions may have been resized."""
    for name in PUBLISHED:
        preset = PixioConfig.preset(name)
        if all(getattr(config, field) == getattr(preset, field) for field in _ENCODER_FIELDS):
            return name
    return None


def _meta_data(hub_id: str | None, kind: str) -> ModelCardData:
    # No base_model_relation: the Hub has no value for a change of format alone.
    return ModelCardData(
        license="other",
        license_name=META_LICENCE,
        license_link=f"https://huggingface.co/{hub_id or PUBLISHED['pixio-h16'].hub_id}",
        library_name="transformers",
        pipeline_tag=PIPELINE_TAGS[kind],
        tags=["pixio"],
        base_model=hub_id,
    )


def _render(data: ModelCardData, *, published: list[ResultTable] | None = None, **fields: Any) -> str:
    optional = {"sections": {}, "conversion": "", "own_license": None}
    card = ModelCard.from_template(
        data, template_path=str(_TEMPLATE), **{**optional, **fields, "published": published or []}
    )
    validate_card(str(card))
    return sign_card(str(card))


def _describe_encoder(config: PixioConfig) -> str:
    return (
        "A vision transformer of Pixio\n([arXiv 2512.15715](https://arxiv.org/abs/2512.15715)): "
        f"{config.num_hidden_layers} blocks, width {config.hidden_size}, {config.num_attention_heads} heads,"
        f" {config.n_cls_tokens} class tokens,\npatches of {config.patch_size} x {config.patch_size} pixels, native size"
        f" {config.image_size} x {config.image_size}"
    )


def _describe_use(kind: str, folder_name: str, config: PixioConfig) -> dict[str, Any]:
    return {
        "kind": kind,
        "code": usage_code(kind, folder_name, config),
        "intended_use": _INTENDED_USE[kind],
        "min_depth": f"{config.min_depth:g}",
        "max_depth": f"{config.max_depth:g}",
        "patch_size": config.patch_size,
        "image_size": config.image_size,
    }


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
    """Text from outside that starts no markup."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", _as_line(text))


def _as_code(text: str | None) -> str:
    """Text from outside as a code span inside a table, empty for none."""
    return f"`{_as_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def _as_line(text: str) -> str:
    """Text on one line that can be written as UTF-8, which not every file name can."""
    return " ".join(text.encode(errors="replace").decode().split())
