# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Short names in transformers: after `register_short_names` every `from_pretrained` and `pipeline` understands them.

All of them find files through a few functions of `transformers.utils.hub`. These are replaced, so it does not matter
which classes a program imports, or when. Other names are passed on unchanged.
"""

import inspect
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from huggingface_hub import (
    HfApi,
    ModelCard,
    ModelInfo,
    ResolvedRevision,
    constants,
    is_offline_mode,
    try_to_load_from_cache,
)
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import get_session
from transformers import modeling_utils
from transformers.utils import hub

from .bundled import OFFICIAL, list_short_names, resolve_name

SHORT_NAMES = frozenset(list_short_names())
PATIENCE = 5.0  # seconds to wait for the first answer of the Hub, instead of its client's minute of retries
MEMORY = 30.0  # seconds to remember whether the Hub answered: one load asks for several files

_originals: dict[tuple[Any, str], Any] = {}
_last_probe: tuple[float, str, bool] | None = None


class ShortNameApi(HfApi):
    """The API client of transformers, which knows short names."""

    def resolve_revision(self, repo_id: str, **kwargs: Any) -> ResolvedRevision:
        """Commit of a revision. Bundled checkpoints have none, like folders: ValueError."""
        target = resolve_name(repo_id)
        if target is None:
            return super().resolve_revision(repo_id, **kwargs)
        if repo_id not in OFFICIAL:
            raise ValueError(f"{repo_id} lies in the package and has no revisions.")  # transformers goes on without
        if not kwargs.get("local_files_only") and not hub_answers():
            kwargs["local_files_only"] = True
        return super().resolve_revision(target, **kwargs)

    def repo_exists(self, repo_id: str, **kwargs: Any) -> bool:
        """True for every short name, even if a folder has it; whatever is missing is reported by loading."""
        if isinstance(repo_id, str) and repo_id in SHORT_NAMES:
            return True
        return super().repo_exists(repo_id, **kwargs)

    def model_info(self, repo_id: str, **kwargs: Any) -> ModelInfo:
        """For a bundled checkpoint, what its card says, so that `pipeline` finds the task."""
        target = resolve_name(repo_id)
        if target is None or repo_id in OFFICIAL:
            return super().model_info(target or repo_id, **kwargs)
        data = ModelCard.load(Path(target) / "README.md").data
        card = {"pipeline_tag": data.get("pipeline_tag"), "library_name": data.get("library_name")}
        return ModelInfo(id=repo_id, tags=data.get("tags") or [], cardData=data.to_dict(), **card)


def register_short_names() -> None:
    """Teach transformers the short names; safe to call again."""
    if _originals:
        return
    _replace(hub, "cached_files", _find_files)
    for module in (hub, modeling_utils):
        _replace(module, "has_file", _has_file)
    module: Any = hub
    _originals[module, "HfApi"] = module.HfApi
    module.HfApi, module._hf_api = ShortNameApi, None  # the shared client is made anew at its next use


def unregister_short_names() -> None:
    """Undo `register_short_names`."""
    for (module, name), original in _originals.items():
        setattr(module, name, original)
    hub._hf_api = None
    _originals.clear()


def _replace(module: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Replace a function by `replacement(original, name, ...)`; names that are not short still reach the original."""
    original = getattr(module, name)
    first = next(iter(inspect.signature(original).parameters))

    @wraps(original)
    def resolve_first(*args: Any, **kwargs: Any) -> Any:
        source = args[0] if args else kwargs.get(first)
        if not (isinstance(source, str) and source in SHORT_NAMES):
            return original(*args, **kwargs)
        kwargs.pop(first, None)
        return replacement(original, source, *args[1:], **kwargs)

    _originals[module, name] = original
    setattr(module, name, resolve_first)


def _find_files(original: Callable[..., Any], name: str, filenames: list[str], *args: Any, **kwargs: Any) -> Any:
    """`cached_files` of a short name."""
    target = resolve_name(name)
    if target is None:
        _check_folder(name, filenames, kwargs.get("subfolder"))
        return original(name, filenames, *args, **kwargs)
    if name not in OFFICIAL:
        return original(target, filenames, *args, **kwargs)
    reached = not (is_offline_mode() or kwargs.get("local_files_only"))
    # Files of a cached commit are not requested again, so the Hub is not needed.
    if reached and not (isinstance(kwargs.get("revision"), ResolvedRevision) and _is_cached(target, kwargs)):
        reached = hub_answers()
    elif reached:
        reached = _remembered_answer() is not False
    if not reached:
        kwargs["local_files_only"] = True
    try:
        found = original(target, filenames, *args, **kwargs)
    except OSError as error:
        raise OSError(_explain(name, target, filenames, error, reached)) from (error.__cause__ or error)
    if not found and not reached and not _is_cached(target, kwargs):
        # Callers that accept a missing file would report that the checkpoint lacks it.
        raise OSError(_explain(name, target, ["config.json"], OSError(), reached))
    return found


def _is_cached(repo: str, options: dict[str, Any]) -> bool:
    """Whether anything of a repository lies on this machine."""
    options = {name: options[name] for name in ("cache_dir", "revision") if options.get(name)}
    return isinstance(try_to_load_from_cache(repo, "config.json", **options), str)


def _has_file(original: Callable[..., bool], name: str, *args: Any, **kwargs: Any) -> bool:
    """`has_file` of a short name."""
    return original(resolve_name(name) or name, *args, **kwargs)


def _check_folder(name: str, filenames: list[str], subfolder: str | None) -> None:
    """Refuse a folder that has a short name and is no checkpoint: it would hide the one that is meant.

    Raises:
        OSError: it holds no .json file at all, or its configuration is asked for and not there.
    """
    folder = Path(name)
    asked = "config.json" in filenames and not subfolder
    if not any(folder.glob("*.json")) or (asked and not (folder / "config.json").is_file()):
        raise OSError(
            f"The folder {name} in {folder.resolve().parent} is no checkpoint: it holds no config.json. A local folder"
            f" comes before the checkpoint that is called {name}: rename it or work in another place."
        )


def _explain(name: str, repo: str, filenames: list[str], error: OSError, reached: bool) -> str:
    """What a short name stands for, why it cannot be loaded, and the command that downloads it."""
    cause, get_it = error.__cause__, f"`hf download {repo}`"
    meaning = f"{name} stands for {repo}"
    if isinstance(cause, GatedRepoError):
        return (
            f"{meaning}, which is gated: accept its licence at https://huggingface.co/{repo}, then `hf auth login`"
            f" and {get_it}."
        )
    if isinstance(cause, RevisionNotFoundError):
        return f"{meaning}, which has no such revision: {error}"
    if isinstance(cause, RepositoryNotFoundError):
        return (
            f"{meaning}, which {constants.ENDPOINT} does not show: it is not there, or the token is not valid. Log in"
            f" with `hf auth login`, then {get_it}."
        )
    if not reached:
        why = (
            f"{constants.ENDPOINT} does not answer"
            if not is_offline_mode() and _last_probe is not None and not _last_probe[2]
            else "the Hub must not be asked (HF_HUB_OFFLINE or local_files_only)"
        )
        return (
            f"{meaning}, of which {', '.join(filenames)} is not in the cache of this machine, and {why}. With a network:"
            f" {get_it}; it is gated: accept its licence at https://huggingface.co/{repo} and `hf auth login` first."
        )
    if isinstance(cause, HfHubHTTPError):
        return f"{meaning}, which the Hub did not hand out; try again: {get_it}. {cause}"
    return f"{meaning}. {error}"


def hub_answers() -> bool:
    """Whether the Hub answers at all, whatever it says, within PATIENCE seconds; remembered for MEMORY seconds."""
    global _last_probe
    remembered = _remembered_answer()
    if remembered is not None:
        return remembered
    module: Any = hub
    client_errors = module.httpx.HTTPError
    answers: list[bool] = []

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=PATIENCE)
            answers.append(True)
        except (OSError, client_errors):
            answers.append(False)

    # In a thread, because looking up an address has no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    answered = bool(answers and answers[0])
    _last_probe = (time.monotonic(), constants.ENDPOINT, answered)
    return answered


def _remembered_answer() -> bool | None:
    """Whether the Hub answered a moment ago; None if that is not known."""
    if _last_probe is None:
        return None
    since, endpoint, answered = _last_probe
    return answered if endpoint == constants.ENDPOINT and time.monotonic() - since < MEMORY else None
