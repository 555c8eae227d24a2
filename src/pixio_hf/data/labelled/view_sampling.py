# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which views of a scene are shown together, and in which order scenes come: functions of seeds alone."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

MIN_COVISIBILITY = 0.25
NUM_RESTARTS = 4


class ViewRequest(NamedTuple):
    """A scene, how many of its views, and the seed that chooses them."""

    scene: int
    num_views: int
    seed: int


def choose_views(
    covisibility: np.ndarray,
    num_views: int,
    generator: np.random.Generator,
    min_covisibility: float = MIN_COVISIBILITY,
) -> list[int]:
    """Different views that see parts of each other: a random walk over pairs with enough in common (T3's protocol).

    The walk begins at a random view and goes on to a new one that has enough in common with the last, or, where there is
    none, with any it has met. One that ends early is begun again, up to four times; what then is missing are the views
    that have most in common with those of the longest walk.

    Args:
        covisibility: (V, V), symmetric, mean share of pixels that two views see of each other.

    Raises:
        ValueError: the scene has fewer views.
    """
    total = len(covisibility)
    if not 1 <= num_views <= total:
        raise ValueError(f"Asked for {num_views} views of a scene that has {total}.")
    enough = covisibility > min_covisibility
    longest: list[int] = []
    for _ in range(1 + NUM_RESTARTS):
        walk = _walk(enough, num_views, generator)
        longest = max(longest, walk, key=len)
        if len(longest) == num_views:
            return longest
    while len(longest) < num_views:
        common = covisibility[longest].max(axis=0)
        common[longest] = -1
        longest.append(int(common.argmax()))
    return longest


def _walk(enough: np.ndarray, num_views: int, generator: np.random.Generator) -> list[int]:
    walk = [int(generator.integers(len(enough)))]
    while len(walk) < num_views:
        unseen = np.ones(len(enough), dtype=bool)
        unseen[walk] = False
        options = np.flatnonzero(enough[walk[-1]] & unseen)
        if not len(options):
            options = np.flatnonzero(enough[walk].any(axis=0) & unseen)
        if not len(options):
            break
        walk.append(int(generator.choice(options)))
    return walk


class ViewBatches:
    """Endless batches of requests for a DataLoader's `batch_sampler`; all samples of a batch have equally many views.

    The number of views is drawn per batch between `min_views` and `max_views`, and the batch is as large as the number of
    pictures allows, at least one scene. Scenes come in another random order in each pass over the data; processes share
    the batches out, so that several do together what one does with all of their pictures. The place in the order is one
    number, so that a run goes on exactly where it stopped.

    Raises:
        ValueError: no scene, or numbers of views or pictures that make no sense.
    """

    def __init__(
        self,
        num_scenes: int,
        images_per_batch: int,
        min_views: int = 2,
        max_views: int = 2,
        seed: int = 0,
        process_index: int = 0,
        num_processes: int = 1,
    ):
        if num_scenes < 1:
            raise ValueError("There is no scene to train on.")
        if not 1 <= min_views <= max_views <= images_per_batch:
            raise ValueError(
                "Need 1 <= min_views <= max_views <= images_per_batch, got"
                f" {min_views}, {max_views} and {images_per_batch}."
            )
        self.num_scenes, self.images_per_batch = num_scenes, images_per_batch
        self.min_views, self.max_views, self.seed = min_views, max_views, seed
        self.process_index, self.num_processes = process_index, num_processes
        self.first_batch = 0

    def __iter__(self) -> Iterator[list[ViewRequest]]:
        for batch, requests in enumerate(self.all_batches()):
            if batch >= self.first_batch:
                yield requests

    def all_batches(self) -> Iterator[list[ViewRequest]]:
        """The batches of this process from the start."""
        scenes = self.scene_order()
        for batch in itertools.count():
            generator = np.random.default_rng((self.seed, 1, batch))
            num_views = int(generator.integers(self.min_views, self.max_views + 1))
            per_process = self.images_per_batch // num_views
            together = list(itertools.islice(scenes, per_process * self.num_processes))
            seeds = generator.integers(2**63, size=len(together)).tolist()
            mine = slice(self.process_index * per_process, (self.process_index + 1) * per_process)
            yield [
                ViewRequest(scene, num_views, seed) for scene, seed in zip(together[mine], seeds[mine], strict=True)
            ]

    def scene_order(self) -> Iterator[int]:
        """Every scene once per pass, in another order each."""
        for epoch in itertools.count():
            yield from np.random.default_rng((self.seed, 0, epoch)).permutation(self.num_scenes).tolist()

    def describe(self) -> dict[str, Any]:
        """What the order depends on."""
        names = ("num_scenes", "images_per_batch", "min_views", "max_views", "seed", "num_processes")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint; `first_batch` is set by the loop to the batches that are used up."""
        return {**self.describe(), "first_batch": self.first_batch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is that of another order.
        """
        for name, value in self.describe().items():
            if state.get(name) != value:
                raise ValueError(
                    f"The run was started with {name} {state.get(name)}, not {value}: go on with the same, or choose"
                    " another output folder."
                )
        self.first_batch = int(state["first_batch"])


def in_turn(num_views: int) -> Sequence[int]:
    """The first views of a scene in their own order, as synthetic pairs are evaluated."""
    return range(num_views)
