"""The archive of rows that ships with the project: filled from finished runs, checked, listed."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from tsprune.batch.runs import find_runs
from tsprune.engine.store import damage_told
from tsprune.errors import UserError
from tsprune.shown import more
from tsprune.steps.archive import Archive, project_archive, read
from tsprune.study.registry import STUDIES


def sound() -> Archive:
    """The archive, for what reads all of it. Raises UserError, one line, where anything is wrong with a row."""
    found = project_archive()
    if problems := found.problems():
        told = f"{problems[0]}{more(len(problems) - 1)}"
        raise UserError(f"rows that ship with the project: {told}; `tsprune results check` lists them all")
    return found


def add_runs(place: str) -> list[str]:
    """Put the results of the runs at ``place`` into the archive; returns a line per run, which says what is odd about
    its rows. Raises UserError as :func:`find_runs`, :meth:`Run.need_store` and :meth:`Archive.add`, and for a row that
    is damaged in its store."""
    lines = []
    for run in (run for run in find_runs(place).values() if STUDIES[run.study].trains):
        run.need_store()
        cells = run.cells
        before = project_archive().lines.keys()
        with damage_told():
            keys = [step.key for step in cells.every_step()]
            added, lacking = project_archive().add(run.study, cells.base.table.name, keys, cells.store)
        without = f", {lacking} have no result yet" if lacking else ""
        found = project_archive().lines
        odd = _oddities([found[key] for key in found.keys() - before], [found[key] for key in before])
        lines.append(f"{run.study}, {cells.base.table.name}: {added} of {len(keys)} steps added{without}{odd}")
    return lines


def _oddities(new: Sequence[dict], others: Sequence[dict]) -> str:
    """What whoever adds rows may not have meant: of code that no commit has, or of versions that no other row is of."""
    found = []
    if uncommitted := [line for line in new if line["made"]["commit"].endswith("-dirty")]:
        which = ", ".join(sorted({line["made"]["commit"] for line in uncommitted}))
        found.append(f"{len(uncommitted)} of them made by code that was not committed ({which})")
    known = set().union(*map(_versions, others))
    for name, number in sorted(set().union(*map(_versions, new)) - known if others else ()):
        count = sum((name, number) in _versions(line) for line in new)
        found.append(f"{count} of them by {name} {number}, as no row before")
    return "".join(f"; {told}" for told in found)


def _versions(line: dict) -> set[tuple[str, str]]:
    told = line["protocol"].items()
    return {(name.removeprefix("version_"), number) for name, number in told if name.startswith("version_")}


def check_anew(place: str) -> tuple[list[str], bool]:
    """Compare what the runs at ``place`` computed themselves with the same rows of the archive: a line per run and per
    row that differs; and whether any does. Raises UserError as :func:`find_runs` and :meth:`Run.need_store`, and for a
    row that is damaged in its store."""
    lines, differ = [], False
    for run in (run for run in find_runs(place).values() if STUDIES[run.study].trains):
        run.need_store()
        cells = run.cells
        with damage_told():
            equal, times, others = project_archive().anew([step.key for step in cells.every_step()], cells.store)
        untold = f"; {times} more hold times, which cannot be compared" if times else ""
        lines.append(
            f"{run.study}, {cells.base.table.name}: of {equal + len(others)} rows that were computed anew and are in "
            f"the archive, {equal} are equal bit for bit{untold}"
        )
        lines += others
        differ |= bool(others)
    return lines, differ


def list_results() -> pd.DataFrame:
    """A row per file: study, dataset, rows, models, d_model, seeds, hours of computing, days and machines. Raises
    UserError as :func:`sound`."""
    records = []
    for path in sound().files():
        lines = read(path)
        protocols = [line["protocol"] for line in lines]
        widths = Counter(width for line in lines if (width := _width(line)))
        days = sorted(line["made"]["date"] for line in lines)
        records.append(
            {
                "study": path.parent.name,
                "dataset": path.name.split(".")[0],
                "rows": len(lines),
                "models": len({p["model"] for p in protocols if p.get("model")}),
                "d_model": ", ".join(str(width) for width in sorted(widths)),
                "seeds": len({p["seed"] for p in protocols if p.get("seed") is not None}),
                "hours": f"{sum(line['cost'].get('seconds', 0) for line in lines) / 3600:.1f}",
                "computed": " to ".join(dict.fromkeys((days[0], days[-1]))),
                "on": " / ".join(sorted({_machine(line["made"]) for line in lines})),
                "KiB": round(path.stat().st_size / 1024),
            }
        )
    return pd.DataFrame(records)


def _width(line: dict) -> int | None:
    return line["protocol"].get("d_model") or line["config"].get("hyper", {}).get("d_model")


def _machine(made: dict) -> str:
    """What a row was computed on: the accelerator, where there was one."""
    return made["processor"] if made["accelerator"] == "none" else made["accelerator"]
