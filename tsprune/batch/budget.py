"""A time limit for a profile's steps, shared among its notebooks: each gets its part of the time that those before it
left."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tsprune.batch.profiles import NotebookRun
from tsprune.errors import UserError
from tsprune.study.registry import STUDIES

_HOURS = {"h": 1.0, "m": 1 / 60, "s": 1 / 3600, "": 1.0}


def parse_hours(text: str, allowed: str = "such as 2h, 30m or 90s, or 0 to begin no step") -> float:
    """Hours, from ``1.5h``, ``30m``, ``90s`` or ``0``. Raises UserError for anything else, saying what is
    ``allowed``."""
    found = re.fullmatch(r"(\d{1,5}(?:\.\d{1,4})?)([hms]?)", text)
    if not found or (not found[2] and float(found[1])):
        raise UserError(f"--budget {text}: expected a time, {allowed}")
    return float(found[1]) * _HOURS[found[2]]


def shared(runs: Sequence[NotebookRun], hours: float | None) -> Iterator[NotebookRun]:
    """The runs, each with its part of the time that is left when it is asked for; without a time, as they are."""
    began = time.monotonic()
    waiting = sum(STUDIES[run.name].trains for run in runs)
    for run in runs:
        if hours is None or not STUDIES[run.name].trains:
            yield run
            continue
        left = max(0.0, hours - (time.monotonic() - began) / 3600)
        mine = {"budget_hours": left / waiting}
        waiting -= 1
        yield replace(run, parameters=run.parameters | mine, origins=run.origins | {"budget_hours": "--budget"})
