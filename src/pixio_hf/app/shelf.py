# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The models of a running app: names that a browser may see, and the few that are held in memory."""

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from ..bundled import find_checkpoint
from .settings import AppSettings, LoadedModel, Predictors, Task

MODELS_HELD = 3
"""Models in memory at a time, over all tabs; the one that was used longest ago goes first."""


class ModelShelf:
    """Loads models as they are asked for. Folders of this machine are called by their last name."""

    def __init__(self, predictors: Predictors, settings: AppSettings) -> None:
        self.predictors, self.settings = predictors, settings
        self._sources = {task: _name_sources(settings.listed(task)) for task in settings.offered_tasks()}
        self._held: OrderedDict[tuple[Task, str], LoadedModel] = OrderedDict()
        self._lock = Lock()

    def names(self, task: Task) -> list[str]:
        """What a task's list shows; the first is chosen at the start."""
        return list(self._sources[task])

    def find(self, task: Task, name: str | None) -> str:
        """Folder, Hub id or short name that a chosen or typed name stands for.

        Raises:
            ValueError: nothing typed, no such checkpoint, or one that is not listed in an app that is open to others.
        """
        name = (name or "").strip()
        if name in self._sources[task]:
            return self._sources[task][name]
        if not name:
            raise ValueError("Choose a model from the list, or type a name.")
        if self.settings.open_to_others:
            raise ValueError(
                "Other people can reach this app, so it loads only the models of its list. Whoever runs it can add"
                " models when it starts (see `pixio-hf app --help`)."
            )
        return find_checkpoint(name)

    def get(self, task: Task, name: str | None) -> LoadedModel:
        """The model of a name, loaded unless it is held already. Raises ValueError where it cannot be."""
        source = self.find(task, name)
        with self._lock:
            key = (task, source)
            if key not in self._held:
                while len(self._held) >= MODELS_HELD:
                    self._held.popitem(last=False)
                self._held[key] = self.predictors.load(task, find_checkpoint(source))
            self._held.move_to_end(key)
            return self._held[key]


def _name_sources(sources: list[str]) -> dict[str, str]:
    """Names to show for models: folders by their last name, numbered where several share one."""
    named: dict[str, str] = {}
    for source in sources:
        path = Path(source).expanduser()
        shown = path.resolve().name if path.is_dir() else source
        number = 2
        unique = shown
        while unique in named:
            unique, number = f"{shown} ({number})", number + 1
        named[unique] = source
    return named
