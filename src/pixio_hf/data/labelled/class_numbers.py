# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the numbers in a mask mean: a class, no class, or an error; and classes that get lost as "no class"."""

from collections.abc import Collection

import numpy as np

IGNORED = 255
MAX_CLASSES = 255
"""Classes are 0 to 254, since 255 marks pixels without one."""


def numbers_without_class(num_classes: int, do_reduce_labels: bool) -> set[int]:
    """Stored numbers that mean "no class": 255; with do_reduce_labels 0, and 255 where it is not the last class."""
    if not do_reduce_labels:
        return {IGNORED}
    return {0} if num_classes == IGNORED else {0, IGNORED}


def stored_classes(num_classes: int, do_reduce_labels: bool) -> range:
    """Stored numbers of the classes, in their order."""
    return range(1, num_classes + 1) if do_reduce_labels else range(num_classes)


def to_classes(stored: np.ndarray, num_classes: int, do_reduce_labels: bool) -> np.ndarray:
    """Stored numbers (H, W) int64 -> class numbers, 255 = none.

    Raises:
        ValueError: a number that is neither a class nor "no class"; it names the numbers as they are stored.
    """
    if not do_reduce_labels:
        classes = stored
    else:
        classes = np.where(np.isin(stored, list(numbers_without_class(num_classes, True))), IGNORED, stored - 1)
    # 256 is lowered to 255, but that is not "no class".
    is_none = classes == IGNORED
    if do_reduce_labels:
        is_none &= stored <= IGNORED
    wrong = ~is_none & ((classes < 0) | (classes >= num_classes))
    if wrong.any():
        numbers, first = np.unique(stored[wrong]).tolist(), 1 if do_reduce_labels else 0
        none = " and ".join(map(str, sorted(numbers_without_class(num_classes, do_reduce_labels))))
        raise ValueError(
            f"has the numbers [{', '.join(map(str, numbers[:10]))}{', ...' if len(numbers) > 10 else ''}]; expected"
            f" classes {first} to {num_classes - 1 + first} and {none} for pixels without one"
            f" (do_reduce_labels={do_reduce_labels})."
        )
    return classes


def tell_vanished_class(stored: Collection[int], num_classes: int, do_reduce_labels: bool) -> str:
    """A warning if a class seems to be stored under a number that means "no class"; otherwise "".

    Given if "no class" occurs and either exactly one class never does, or at most one class does.
    """
    classes = stored_classes(num_classes, do_reduce_labels)
    silent = sorted(numbers_without_class(num_classes, do_reduce_labels) & set(stored))
    missing = [number for number in classes if number not in stored]
    if not silent or not missing or (len(missing) > 1 and num_classes - len(missing) > 1):
        return ""
    first = classes[0]
    shown = [number - first for number in missing]
    names = f"class {shown[0]}" if len(shown) == 1 else f"classes {', '.join(map(str, shown[:5]))}"
    names += f" (stored as {missing[0]}{', ...' if len(missing) > 1 else ''})" if do_reduce_labels else ""
    never = f"{names}{' ...' if len(shown) > 5 else ''} never occur{'s' if len(shown) == 1 else ''}"
    if 0 in silent and do_reduce_labels and missing[-1] == num_classes:
        return (
            f"0 is read as no class (do_reduce_labels=True), but {never}: if the masks count from 0, pass"
            " do_reduce_labels=False."
        )
    if IGNORED not in silent:
        return ""
    if num_classes == 2:
        return f"{IGNORED} is read as no class, but {never}: store {first} and {first + 1}."
    return f"{IGNORED} is read as no class, but {never}: if {IGNORED} marks a class, store {first} to {classes[-1]}."


def advise_on_wrong_numbers(wrong: Collection[int], stored: Collection[int], num_classes: int, reduce: bool) -> str:
    """What to do about stored numbers that are no class."""
    largest, smallest = max(wrong), min(wrong)
    if not reduce and largest == smallest == num_classes:
        if 0 not in stored:
            return "The masks seem to count from 1: pass do_reduce_labels=True, or store every number less 1."
        return f"Pass num_classes={num_classes + 1}, or do_reduce_labels=True where 0 means no class."
    if len(wrong) == 1 and (largest < 0 or largest > num_classes):
        return f"If {largest} marks pixels without a class, store {IGNORED} there."
    if smallest >= 0 and largest < MAX_CLASSES and len(wrong) <= num_classes:
        return f"If these are classes, pass num_classes={largest + (not reduce)}."
    return f"Store classes from 0 on and {IGNORED} for pixels without one; classes above 254 cannot be told from it."


def count_classes(stored: Collection[int], do_reduce_labels: bool) -> int:
    """Number of classes that masks with these stored numbers have at least: up to the largest that is not 255."""
    largest = max((number for number in stored if number != IGNORED), default=-1)
    return max(largest if do_reduce_labels else largest + 1, 0)
