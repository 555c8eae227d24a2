# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Run a training script once, then again and again under SIGKILL, each time until it is allowed to finish.

A script of its own: it imports everything once and forks each attempt, so that an attempt costs little more than its
training steps. Its argument is JSON: {"arguments": arguments of the script, "kills": N, "num_processes": P, "seed": S},
and for another script than pretrain.py "script" (below examples) and "arguments_class".
The undisturbed run goes to output_dir/whole, the others to output_dir/killed-0, killed-1, ..., as many as it takes until N
kills are done. Kills alternate between a random moment and one in which a checkpoint is being written. The last line it
prints is JSON: the number of kills of either kind and of runs.
"""

import importlib.util
import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import PIL.Image

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "pretrain.py"
# Seconds after which an attempt that should have come to a checkpoint, or to its end, is given up.
PATIENCE = 240
# Seconds from the first sign of a new checkpoint to the kill: a tiny model is written in about so long.
MAX_PAUSE = 0.04


def load_script(path: Path = SCRIPT) -> ModuleType:
    """A script as a module, with everything imported that it imports on its way."""
    importlib.import_module("torch.utils.tensorboard")
    PIL.Image.init()
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(
    script: ModuleType, arguments: dict, num_processes: int, arguments_class: str = "PretrainingArguments"
) -> list[int]:
    """Fork the processes of one attempt, as leaders of groups that their data loader workers join."""
    port, children = free_port(), []
    for rank in range(num_processes):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setsid()
                # Another random state in every attempt: none of it may reach the weights.
                random.seed(time.time_ns())
                if num_processes > 1:
                    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": num_processes, "MASTER_PORT": port}
                    os.environ.update({name: str(value) for name, value in names.items()})
                script.main(getattr(script, arguments_class)(**arguments))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    return children


def poll(children: list[int]) -> int | None:
    """Exit status once all processes have ended, the worst of them; None while one is running."""
    states = [os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) for child in children]
    if any(state is None for state in states):
        return None
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def kill(children: list[int]) -> None:
    for child in children:
        os.killpg(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)


def is_saving(output_dir: Path) -> bool:
    return any(output_dir.glob(".checkpoint-*.partial"))


def attempt(
    script: ModuleType, arguments: dict, num_processes: int, arguments_class: str, is_due: Callable[[float], bool]
) -> str:
    """Train until the end or until it is time to kill: "finished", "killed" or "killed while saving"."""
    children, began = start(script, arguments, num_processes, arguments_class), time.monotonic()
    while (status := poll(children)) is None:
        elapsed = time.monotonic() - began
        assert elapsed < PATIENCE, "an attempt does not come to its end"
        if is_due(elapsed):
            kill(children)
            return "killed while saving" if is_saving(Path(arguments["output_dir"])) else "killed"
        time.sleep(0.001)
    assert status == 0, f"the training ended with status {status}"
    return "finished"


def main(plan: dict) -> None:
    path = SCRIPT.parent / plan["script"] if "script" in plan else SCRIPT
    script, chance = load_script(path), random.Random(plan["seed"])
    shared = (plan["num_processes"], plan.get("arguments_class", "PretrainingArguments"))
    output_dir = Path(plan["arguments"]["output_dir"])
    began = time.monotonic()
    whole = {**plan["arguments"], "output_dir": str(output_dir / "whole")}
    attempt(script, whole, *shared, lambda elapsed: False)
    duration = time.monotonic() - began
    report = {"finished": 0, "killed": 0, "killed while saving": 0, "seconds_undisturbed": round(duration, 2)}
    while (num_kills := report["killed"] + report["killed while saving"]) < plan["kills"] or not report["finished"]:
        folder = output_dir / f"killed-{report['finished']}"
        arguments = {**plan["arguments"], "output_dir": str(folder)}
        # Half of the kills strike a while after the first sign of a new checkpoint, the others at any time.
        left_behind = set(folder.glob(".checkpoint-*.partial"))
        delay, pause = chance.uniform(0.1, 0.6) * duration, chance.uniform(0, MAX_PAUSE)

        def is_due(
            elapsed: float, num_kills=num_kills, folder=folder, old=left_behind, delay=delay, pause=pause
        ) -> bool:
            if num_kills >= plan["kills"]:
                return False
            if num_kills % 2:
                return elapsed > delay
            if not set(folder.glob(".checkpoint-*.partial")) - old:
                return False
            time.sleep(pause)
            return True

        report[attempt(script, arguments, *shared, is_due)] += 1
    print(json.dumps(report))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
