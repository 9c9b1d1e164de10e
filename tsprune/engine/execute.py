"""Runs one step in this process and stores its row, whatever the outcome."""

import math
import multiprocessing
import os
import sys
import time
import traceback
import warnings
from dataclasses import replace

from tsprune import measure
from tsprune.engine.partial import DoesNotFit, forget_state
from tsprune.engine.step import Outcome, Step
from tsprune.engine.store import Corrupt, Store
from tsprune.errors import UserError
from tsprune.typed import canonical_json

RECIPE_FILE = "step.json"
"""Beside a row whose step ends with a model: how to make that step again."""


def execute(step: Step, root: str, keep: bool = True) -> dict:
    """Run one step in this process and store what it came to, a failure too; returns the row.

    ``keep``: store its model as well. Where the store has the row already, as when only its model is missing, the row
    stays; one whose numbers come out otherwise now (another machine, say) is replaced, with a warning. The state
    that an interrupted training would go on from is kept until there is a result.
    """
    store, started = Store(root), time.perf_counter()
    try:
        try:
            outcome = step.run(store)
        except DoesNotFit:  # the state that it went on from is gone: from the start
            outcome = step.run(store)
    except Exception as error:  # any failure of a cell is a row: recorded with its traceback, and the study goes on
        if measure.gpu_lost(error) and multiprocessing.parent_process():
            # The next steps would fail here one after the other. In a new process this one is run again.
            print(f"{step.label}: {error}; its process ends", file=sys.stderr, flush=True)
            os._exit(1)
        reason = str(error) if isinstance(error, UserError | Corrupt) else f"{type(error).__name__}: {error}"
        status = "out of memory" if measure.out_of_memory(error) else "failed"
        trace = traceback.format_exc()
        row = failure(step, reason.splitlines()[0] if reason else type(error).__name__, status)
        told = trace.encode(errors="backslashreplace")  # a file's name may be no UTF-8
        store.put(step.identity(), row, {"traceback.txt": lambda path: path.write_bytes(told)})
        return row
    finally:
        measure.share_gpu()
    outcome = _of_numbers(outcome)
    row = {
        "kind": step.kind,
        "key": step.key,
        "status": outcome.status,
        "reason": outcome.reason,
        "protocol": step.protocol(),
        "result": finite(outcome.result),
        "detail": finite(outcome.detail),
        "cost": finite(outcome.cost | {"seconds": time.perf_counter() - started}),
        "made": measure.made(),
    }
    row = _stored(step, store, row, _files(step, outcome, keep))
    forget_state(store, step.key)
    return row


def _of_numbers(outcome: Outcome) -> Outcome:
    """``outcome`` as it is; where a number of its result is NaN or infinite, as diverged and without its files."""
    lost = [name for name, value in outcome.result.items() if finite(value) != value]
    if outcome.status != "ok" or not lost:
        return outcome
    return replace(outcome, status="diverged", reason=f"{lost[0]} is not finite", files={})


def _stored(step: Step, store: Store, row: dict, files: dict) -> dict:
    """The row as the store has it from now on."""
    try:
        before = store.row(step.key)
        if before is not None and (before["status"], before["result"]) == (row["status"], row["result"]):
            for name in (step.keepsake, RECIPE_FILE):
                if name in files:
                    store.add(step.key, name, files[name])
            return before
    except Corrupt as damage:
        warnings.warn(f"{damage}; what was computed now replaces it", stacklevel=3)
        before = None
        store.discard(step.key)
    if before is not None:
        warnings.warn(f"{step.label}: its numbers differ from those in the store and replace them", stacklevel=3)
        store.discard(step.key)
    store.put(step.identity(), row, files)
    return row


def _files(step: Step, outcome: Outcome, keep: bool) -> dict:
    files = {name: write for name, write in outcome.files.items() if keep or name != step.keepsake}
    if step.keepsake and outcome.status == "ok":
        files[RECIPE_FILE] = lambda path: path.write_text(canonical_json(step.recipe()))
    return files


def finite(value):
    """JSON has no NaN and no infinity: a number that is not finite is stored as null (the status says why)."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def failure(step: Step, reason: str, status: str = "failed") -> dict:
    """The row of a step that has no numbers."""
    return {
        "kind": step.kind,
        "key": step.key,
        "status": status,
        "reason": reason,
        "protocol": step.protocol(),
        "result": {},
        "detail": {},
        "cost": {},
    }
