# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers in the masks of a data set, counted as they are stored, so that what they mean is judged last."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...shown_text import list_names
from .class_numbers import (
    IGNORED,
    MAX_CLASSES,
    advise_on_wrong_numbers,
    count_classes,
    numbers_without_class,
    stored_classes,
    tell_vanished_class,
)
from .pair_reading import read_stored_mask_pair
from .segmentation_datasets import SegmentationProtocol

_SHOWN_NUMBERS = 10


@dataclass
class MaskSurvey:
    """Sizes and stored numbers of the masks of a split. The protocol's num_classes is 0 until they are counted."""

    protocol: SegmentationProtocol
    sizes: Counter = field(default_factory=Counter)
    stored_pixels: Counter = field(default_factory=Counter)
    stored_images: Counter = field(default_factory=Counter)
    first_with: dict[int, str] = field(default_factory=dict)
    numbers_of_masks: dict[frozenset[int], list[str]] = field(default_factory=dict)
    counted_classes: bool = False
    vanished: str = ""
    vanished_is_problem: bool = False

    def measure(self, image: Any, mask: Any, name: str) -> dict[str, Any]:
        """Read one pair and count its numbers. Raises ValueError when it cannot be used."""
        _, stored = read_stored_mask_pair(image, mask)
        if self.protocol.has_two_kinds and self.protocol.do_reduce_labels and (stored == IGNORED).any():
            self.protocol.read_pair(image, mask)  # raises
        if stored.min() >= 0 and stored.max() < 1 << 16:
            counts = np.bincount(stored.ravel())
            numbers = np.flatnonzero(counts)
            counts = counts[numbers]
        else:
            numbers, counts = np.unique(stored, return_counts=True)
        return {
            "name": name,
            "size": stored.shape,
            "counts": dict(zip(numbers.tolist(), counts.tolist(), strict=True)),
        }

    def add(self, measured: dict[str, Any]) -> None:
        """Sum up one measurement."""
        self.sizes[measured["size"]] += 1
        for number, count in measured["counts"].items():
            self.stored_pixels[number] += count
            self.stored_images[number] += 1
            self.first_with.setdefault(number, measured["name"])
        if len(measured["counts"]) <= 2:
            self.numbers_of_masks.setdefault(frozenset(measured["counts"]), []).append(measured["name"])

    @property
    def reduces(self) -> bool:
        return bool(self.protocol.do_reduce_labels)

    def without_class(self) -> set[int]:
        """Stored numbers that mean "no class"."""
        return numbers_without_class(self.protocol.num_classes, self.reduces)

    def wrong(self) -> list[int]:
        """Stored numbers that mean nothing."""
        known = {*self.without_class(), *stored_classes(self.protocol.num_classes, self.reduces)}
        return sorted(set(self.stored_pixels) - known)

    def class_counts(self, counted: Counter) -> list[int]:
        """A count of stored numbers, class by class."""
        return [counted[number] for number in stored_classes(self.protocol.num_classes, self.reduces)]

    def known_pixels(self) -> tuple[int, int]:
        """Number of pixels with a class or none, and of those without."""
        without = sum(self.stored_pixels[number] for number in self.without_class())
        return sum(self.class_counts(self.stored_pixels)) + without, without

    def pixels_of_classes(self) -> Counter:
        """Number of pixels of every class number that occurs."""
        pixels = self.class_counts(self.stored_pixels)
        return Counter({index: count for index, count in enumerate(pixels) if count})

    def summary(self) -> dict[str, Any]:
        """Numbers for report.json."""
        total, without = self.known_pixels()
        pixels, images = self.class_counts(self.stored_pixels), self.class_counts(self.stored_images)
        return {
            "num_classes": self.protocol.num_classes,
            "do_reduce_labels": self.reduces,
            "ignored_share": without / max(total, 1),
            "classes": [
                {"id": index, "name": name, "pixel_share": pixels[index] / max(total, 1), "num_images": images[index]}
                for index, name in enumerate(self.protocol.class_names)
            ],
            "numbers_out_of_range": {str(number): self.stored_images[number] for number in self.wrong()},
        }

    def lines(self) -> list[str]:
        """The same for people."""
        total, without = self.known_pixels()
        frequent = self.pixels_of_classes().most_common()
        shown = ", ".join(
            f"{self.protocol.class_names[number]} {count / max(total, 1):.1%}" for number, count in frequent[:8]
        )
        counted = "from 1, 0 = no class" if self.reduces else f"from 0, {IGNORED} = no class"
        lines = [
            f"classes: {len(frequent)} of {self.protocol.num_classes} occur; masks count {counted}",
            f"pixels: {shown}{' ...' if len(frequent) > 8 else ''}; no class {without / max(total, 1):.1%}",
        ]
        if self.counted_classes:
            lines.append(
                f"counted {self.protocol.num_classes} classes: pass --num-classes {self.protocol.num_classes} here,"
                f" --num_classes {self.protocol.num_classes} to the training script"
            )
        return lines

    def problems(self) -> list[str]:
        """What makes training on it impossible or pointless."""
        found = [self.vanished] if self.vanished_is_problem else []
        if self.counted_classes and count_classes(self.stored_pixels, self.reduces) > MAX_CLASSES:
            found.append(
                f"The masks hold numbers up to {max(self.stored_pixels)}, but at most {MAX_CLASSES} classes can be told"
                f" apart: {IGNORED} marks pixels without one. Join or drop classes."
            )
        if wrong := self.wrong():
            numbers = ", ".join(map(str, wrong[:_SHOWN_NUMBERS]))
            numbers += f" and {len(wrong) - _SHOWN_NUMBERS} more" if len(wrong) > _SHOWN_NUMBERS else ""
            subject = f"The number {numbers} is" if len(wrong) == 1 else f"The numbers {numbers} are"
            classes = stored_classes(self.protocol.num_classes, self.reduces)
            none = " and ".join(map(str, sorted(self.without_class())))
            advice = advise_on_wrong_numbers(wrong, self.stored_pixels, self.protocol.num_classes, self.reduces)
            found.append(
                f"{subject} no class ({classes[0]} to {classes[-1]}, or {none} for none): in"
                f" {max(self.stored_images[number] for number in wrong)} images, first in {self.first_with[wrong[0]]}."
                f" {advice}"
            )
        return found

    def warnings(self) -> list[str]:
        """What may be intended."""
        found = [self.vanished] if self.vanished and not self.vanished_is_problem else []
        empty = [
            name
            for numbers, names in self.numbers_of_masks.items()
            if numbers <= self.without_class()
            for name in names
        ]
        if empty:
            found.append(f"{list_names(empty)}: no pixel has a class.")
        images = self.class_counts(self.stored_images)
        missing = [name for name, count in zip(self.protocol.class_names, images, strict=True) if not count]
        if missing and self.sizes:
            one = len(missing) == 1
            found.append(
                f"{len(missing)} class{'' if one else 'es'} never occur{'s' if one else ''}: {list_names(missing)}."
            )
            if not self.reduces and not images[0] and any(images):
                found[-1] += " If the masks count from 1, pass do_reduce_labels=True."
        return found


def settle_classes(surveys: Sequence[MaskSurvey], read_all: bool) -> None:
    """Count the classes if their number was not given, then look for one that vanishes, over all splits.

    read_all: whether every mask was read; otherwise a class that was not seen may be in the rest.
    """
    stored: Counter = sum((survey.stored_pixels for survey in surveys), Counter())
    for survey in surveys:
        if not survey.protocol.num_classes:
            counted = min(max(count_classes(stored, survey.reduces), 1), MAX_CLASSES)
            survey.protocol = survey.protocol.with_num_classes(counted)
            survey.counted_classes = True
    for survey in surveys:
        num_classes = survey.protocol.num_classes
        # If counting found a single class, a second one may be hidden.
        expected = 2 if survey.counted_classes and num_classes == 1 else num_classes
        told = tell_vanished_class(stored, expected, survey.reduces)
        if told and survey.without_class() & set(survey.stored_pixels):
            num_met = sum(number in stored for number in stored_classes(num_classes, survey.reduces))
            survey.vanished = told
            # Published data use 255 as they should, and an excerpt may lack a class.
            survey.vanished_is_problem = num_met <= 1 or (read_all and not survey.protocol.num_pairs)
