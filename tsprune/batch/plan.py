"""What a profile would compute, and at what cost, before anything runs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from tsprune.batch.profiles import NotebookRun
from tsprune.engine.durations import Durations, stored_rows
from tsprune.engine.step import FINAL
from tsprune.study.base.cells import Cells
from tsprune.study.registry import STUDIES

NEVER, OTHER, FAILED = "never run", "run with other data or another recipe", "failed before"


@dataclass
class _Group:
    """Steps of one kind in one notebook."""

    steps: int = 0
    stored: int = 0
    archived: int = 0
    why: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0.0
    untold: int = 0
    """Steps to run of which no earlier run tells the time."""
    memory: float = 0.0


def plan_text(runs: Sequence[NotebookRun]) -> str:
    """A table per notebook, a row per kind of step, and what it comes to in all. Runs nothing.

    A step that several notebooks share counts in the first. Steps that depend on what others come to are not known
    yet, and are told so.
    """
    seen: set[str] = set()
    lines, totals, open_ended = [], [], []
    for run in runs:
        study = STUDIES[run.name]
        cells = study.cells(study.config.parse(run.parameters))
        groups = _groups(cells, seen)
        totals += groups.values()
        jobs = cells.jobs
        lines += [f"== {run.name}, {jobs} at a time ==", _table(groups).to_string(), ""]
        if type(cells).then is not Cells.then:
            open_ended.append(run.name)
    todo, seconds = sum(_todo(g) for g in totals), sum(g.seconds for g in totals)
    untold = sum(g.untold for g in totals)
    lines.append(
        f"in all {sum(g.steps for g in totals):,} steps: {sum(g.stored for g in totals):,} in the store, "
        f"{sum(g.archived for g in totals):,} in the archive, {todo:,} to run"
    )
    if todo > untold:
        lines.append(
            f"about {_hours(seconds / jobs)} for {todo - untold:,} of them, {jobs} at a time: medians of steps of the "
            "same kind, model and width in the store and the archive"
        )
    if untold:
        lines.append(f"for {untold:,} of them no earlier step of their kind and width tells the time")
    if open_ended:
        lines.append(f"{', '.join(open_ended)}: further steps depend on what these come to")
    return "\n".join(lines)


def _groups(cells: Cells, seen: set[str]) -> dict[str, _Group]:
    """By kind of step; ``seen`` are keys of steps counted before, which grows."""
    rows = {row["key"]: row for row in stored_rows(cells.store)}
    known = Durations([*rows.values(), *cells.archive.lines.values()])
    same = {_cell(row["kind"], row["protocol"]) for row in rows.values()}
    groups: dict[str, _Group] = defaultdict(_Group)
    for step in reversed(cells.every_step()):
        if step.key in seen:
            continue
        seen.add(step.key)
        group = groups[step.kind]
        group.steps += 1
        row = rows.get(step.key)
        if row is not None and row["status"] in FINAL:
            group.stored += 1
        elif step.key in cells.archive.lines:
            group.archived += 1
        else:
            group.why[FAILED if row else OTHER if _cell(step.kind, step.protocol()) in same else NEVER] += 1
            seconds, memory = known.costs(step, "seconds", "peak_memory_mib")
            group.seconds += seconds or 0
            group.untold += seconds is None
            group.memory = max(group.memory, memory or 0)
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
            "time": _time(group),
            "peak MiB": f"{group.memory:,.0f}" if group.memory else "-",
            "why": ", ".join(f"{count} {why}" for why, count in group.why.items()) or "-",
        }
        for kind, group in groups.items()
    }
    return pd.DataFrame.from_dict(records, orient="index")


def _time(group: _Group) -> str:
    """Of all steps of the group, one after the other."""
    told = _todo(group) - group.untold
    if not told:
        return "-" if not group.untold else "?"
    return _hours(group.seconds) + (f" + {group.untold} x ?" if group.untold else "")


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
