"""What a profile would compute, and at what cost, before anything runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import pandas as pd

from tsprune.batch.profiles import NotebookRun
from tsprune.batch.shard import Shard
from tsprune.engine.durations import Durations, stored_rows
from tsprune.engine.step import FINAL, Step
from tsprune.report.text import listed
from tsprune.study.base.cells import Cells, from_elsewhere, measured_here, with_needs
from tsprune.study.base.shared import Tables
from tsprune.study.registry import STUDIES
from tsprune.training import device_type

NEVER, OTHER, FAILED = "never run", "run with other data or another recipe", "failed before"
ELSEWHERE = "timed elsewhere"

_BYTES = {"model.safetensors": 4, "masks.safetensors": 1 / 8}
"""What a file takes per parameter of the model that it is of: float32, and a bit per mask."""


@dataclass
class _Group:
    """Steps of one kind in one notebook."""

    steps: int = 0
    stored: int = 0
    archived: int = 0
    why: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0.0
    jobs: int = 1
    """Steps side by side."""
    untold: int = 0
    """Steps to run of which no earlier run tells the time."""
    memory: float = 0.0
    mib: float = 0.0
    """Of the models and masks that are kept."""
    unsized: int = 0
    """Steps to run that keep a model of which no row tells the number of parameters."""


class _Past:
    """What earlier runs tell: the rows of a store, those of the archive, and what both say of times and sizes."""

    def __init__(self, cells: Cells, lengths: Mapping[str, int]):
        self.rows = {row["key"]: row for row in stored_rows(cells.store)}
        self.archived = cells.archive.lines
        every = [*self.rows.values(), *self.archived.values()]
        self.costs = Durations(every, lengths).costs
        self.asked = {_cell(row["kind"], row["protocol"]) for row in self.rows.values()}
        sizes: dict[tuple, list[int]] = defaultdict(list)
        for row in every:
            if row["kind"] == "train" and row["result"].get("parameters"):
                sizes[_size(row["protocol"])].append(row["result"]["parameters"])
        self._parameters = {size: median(found) for size, found in sizes.items()}

    def has(self, step: Step) -> bool:
        """Whether the store has a row of the step that a run would take."""
        row = self.rows.get(step.key)
        return row is not None and row["status"] in FINAL and not from_elsewhere(step, row)

    def why_run(self, step: Step) -> str:
        """Why a step is to run, of which neither the store nor the archive has a row that a run would take."""
        if step.key in self.archived:
            return ELSEWHERE
        if row := self.rows.get(step.key):
            return ELSEWHERE if from_elsewhere(step, row) else FAILED
        return OTHER if _cell(step.kind, step.protocol()) in self.asked else NEVER

    def mib(self, protocol: dict, keepsake: str) -> float | None:
        """Of the file that a step of this protocol ends with; None where no row tells how large the model is."""
        parameters = self._parameters.get(_size(protocol))
        return None if parameters is None else parameters * _BYTES[keepsake] / 2**20


def _size(protocol: dict) -> tuple:
    return tuple(protocol.get(name) for name in ("model", "d_model", "e_layers"))


def plan_text(runs: Sequence[NotebookRun], tables: Tables | None = None, part: Shard | None = None) -> str:
    """A table per notebook with a row per kind of step, and the totals by device. Runs nothing. ``tables``: datasets
    that are loaded already; ``part``: only these steps.

    A step that several notebooks share counts in the first. Steps that depend on the results of others are not known
    yet, and the text says so.
    """
    seen: set[str] = set()
    lines, open_ended, tables = [], [], tables or Tables()
    past: dict[Path, _Past] = {}
    totals: dict[str, list[_Group]] = defaultdict(list)
    planned = [(run, STUDIES[run.name]) for run in runs if STUDIES[run.name].trains]
    each = [(run, study.cells(study.config.parse(run.parameters), tables)) for run, study in planned]
    lengths = {name: length for _, cells in each for name, length in cells.lengths.items()}
    for run, cells in each:
        if cells.store.root not in past:
            past[cells.store.root] = _Past(cells, lengths)
        rows = past[cells.store.root].rows
        steps = cells.every_step(rows.get) if part is None else with_needs(part.steps(cells))
        groups = _groups(cells, steps, past[cells.store.root], seen)
        device, jobs = device_type(cells.config.device), max(1, cells.jobs)
        totals[device] += [replace(group, jobs=jobs) for group in groups.values()]
        table = _table(groups).to_string() if groups else "no steps of its own"
        lines += [f"== {run.name}, {jobs} at a time on {device} ==", table, ""]
        if type(cells).then is not Cells.then:
            open_ended.append(run.name)
    every = [group for groups in totals.values() for group in groups]
    whole = "in all" if part is None else f"part {part.number} of {part.of}:"
    lines.append(
        f"{whole} {sum(g.steps for g in every):,} steps: {sum(g.stored for g in every):,} in the store, "
        f"{sum(g.archived for g in every):,} in the archive, {sum(map(_todo, every)):,} to run"
    )
    lines += [line for device, groups in totals.items() for line in _in_all(device, groups)]
    if open_ended:
        lines.append(f"{', '.join(open_ended)}: further steps depend on the results of these")
    return "\n".join(lines)


def nothing_to_run(runs: Sequence[NotebookRun], tables: Tables) -> bool:
    """Whether the store has a result of every step."""
    training = [(STUDIES[run.name], run.parameters) for run in runs if STUDIES[run.name].trains]
    return all(study.cells(study.config.parse(parameters), tables).complete() for study, parameters in training)


def _in_all(device: str, groups: Sequence[_Group]) -> list[str]:
    todo, untold, unsized = (sum(map(of, groups)) for of in (_todo, lambda g: g.untold, lambda g: g.unsized))
    lines = []
    if todo > untold:
        jobs = listed([str(jobs) for jobs in sorted({g.jobs for g in groups})])
        hours = _hours(sum(group.seconds / group.jobs for group in groups))
        lines.append(
            f"about {hours} on {device} for {todo - untold:,} of them, {jobs} at a time: medians of steps of the same "
            "kind, model and width in the store and the archive, those on other data in proportion to its length"
        )
    if untold:
        like = f"step of their kind, model and width on {device}"
        lines.append(f"for {untold:,} of them no earlier {like} tells the time")
    if mib := sum(g.mib for g in groups):
        more = f", and {unsized:,} models of which no row tells the size" if unsized else ""
        lines.append(f"about {_disk(mib)} of models and masks will be kept{more}; `keep: dense` or `none` spares them")
    return lines


def _groups(cells: Cells, steps: Sequence[Step], past: _Past, seen: set[str]) -> dict[str, _Group]:
    """``steps`` of a study by kind; ``seen`` are keys of steps counted before, which grows."""
    groups: dict[str, _Group] = defaultdict(_Group)
    for step in reversed(steps):
        if step.key in seen:
            continue
        seen.add(step.key)
        group = groups[step.kind]
        group.steps += 1
        if past.has(step):
            group.stored += 1
        elif step.key in past.archived and not measured_here(step):
            group.archived += 1
        else:
            told = step.protocol()
            group.why[past.why_run(step)] += 1
            seconds, memory = past.costs(step.kind, told, "seconds", "peak_memory_mib")
            group.seconds += seconds or 0
            group.untold += seconds is None
            group.memory = max(group.memory, memory or 0)
            if step.keepsake and cells.keeps(step):
                mib = past.mib(told, step.keepsake)
                group.mib += mib or 0
                group.unsized += mib is None
    return dict(groups)


def _cell(kind: str, protocol: dict) -> tuple:
    """What is asked of which model, whatever the data's fingerprint, the recipe and the versions."""
    names = ("dataset", "model", "pred_len", "seed", "method", "structure", "scope", "density_asked")
    return (kind, *(protocol.get(name) for name in names))


def _todo(group: _Group) -> int:
    return group.steps - group.stored - group.archived


def _table(groups: dict[str, _Group]) -> pd.DataFrame:
    records = {
        kind: {
            "steps": group.steps,
            "in the store": group.stored,
            "archive": group.archived,
            "to run": _todo(group),
            "time": _sum(_hours(group.seconds), group.untold, _todo(group)),
            "peak MiB": f"{group.memory:,.0f}" if group.memory else "-",
            "disk": _sum(_disk(group.mib) if group.mib else "-", group.unsized, _todo(group)),
            "why": ", ".join(f"{count} {why}" for why, count in group.why.items()) or "-",
        }
        for kind, group in groups.items()
    }
    return pd.DataFrame.from_dict(records, orient="index")


def _sum(known: str, unknown: int, of: int) -> str:
    """What the steps of a group that can be told come to, one after the other, and how many cannot."""
    if unknown == of:
        return "?" if of else "-"
    return f"{known} + {unknown} x ?" if unknown else known


def _disk(mib: float) -> str:
    return f"{mib:,.0f} MiB" if mib < 10_000 else f"{mib / 1024:,.0f} GiB"


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
