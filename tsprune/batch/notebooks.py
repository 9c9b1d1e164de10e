"""Run, render and index the notebooks of a profile."""

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import TextIO

from tsprune.batch.budget import shared
from tsprune.batch.kernel import environment, execute
from tsprune.batch.outputs import hidden_folder, put_in_place, sweep, write_parameters
from tsprune.batch.profiles import NotebookRun
from tsprune.engine.executors import cores
from tsprune.report.index import write_index
from tsprune.report.info import ReportInfo
from tsprune.report.links import cells_linked, linked, links_of
from tsprune.report.page import read_info, render_notebook
from tsprune.report.text import counted
from tsprune.study.base.words import is_papers_size
from tsprune.study.registry import STUDIES
from tsprune.whole import alone


def run_profile(runs: list[NotebookRun], hours: float | None = None, *, only_pages: bool = False) -> int:
    """Run and render the notebooks; return how many failed or have cells without a result. One after the other, as
    their steps use every core and some are timed; side by side where ``only_pages`` are made and nothing is computed.

    No step is begun once ``hours`` are over; the pages are made of what is there.

    Everything is written aside and put in place whole. Where that fails, on a full disk, what was there stays.
    """
    folder = runs[0].folder
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    bad = 0
    with environment(), ThreadPoolExecutor(_places(runs)) as pool:
        given = shared(runs, hours)
        for failures in pool.map(_beside_others, given) if only_pages else map(_alone, given):
            bad += bool(failures)
    try:
        if _write_index(folder):
            print(f"index: {_short(folder / 'index.html')}")
    except OSError as error:
        print(f"index: not written: {_why(error, folder)}", file=sys.stderr, flush=True)
        bad += 1
    return bad


def _places(runs: Sequence[NotebookRun]) -> int:
    """How many notebooks run side by side, where they do: as many as steps of theirs would."""
    return max(run.parameters.get("jobs", 0) for run in runs) or cores()


def _alone(run: NotebookRun) -> int:
    return _make(run, sys.stdout)


def _beside_others(run: NotebookRun) -> int:
    """As :func:`_alone`; what it prints comes in one piece."""
    told = StringIO()
    failures = _make(run, told)
    print(told.getvalue(), end="", flush=True)
    return failures


def _make(run: NotebookRun, told: TextIO) -> int:
    """How many cells of the report are without a result, or 1 where it failed or could not be written."""
    started = time.monotonic()
    print(f"== {run.name} ==", file=told, flush=True)
    try:
        with hidden_folder(run.folder) as folder:
            write_parameters(run, folder)
            output = folder / f"{run.name}.ipynb"
            failed = execute(run, output, told)
            report = render_notebook(output, output.with_suffix(".html"))
            if replaced := put_in_place(run, folder):
                print(replaced, file=told, flush=True)
    except OSError as error:
        print(f"{run.name} failed, no report is written: {_why(error, run.folder)}", file=sys.stderr, flush=True)
        return 1
    failures = report.unfinished or int(failed)
    _tell(run, report, failures, time.monotonic() - started, told)
    return failures


def _why(error: OSError, folder: Path) -> str:
    """What the disk says, with a path: that of the ``folder`` where an error, as one of a full disk, tells none."""
    return str(error) if error.filename else f"{folder} cannot be written to: {error.strerror or error}"


def _write_index(folder: Path) -> bool:
    """An index of the reports that are there now: another study may have replaced one of this run's. Whether there is
    any."""
    # Alone: else this index could replace one that another study has written since, and that knows of more reports.
    with hidden_folder(folder) as hidden, alone(folder):
        if reports := reports_in(folder):
            write_index(hidden, reports, folder).replace(folder / "index.html")
    link_pages(folder, reports)
    return bool(reports)


def link_pages(folder: Path, reports: Sequence[ReportInfo]) -> None:
    """Links from each of the ``reports`` in a folder to its neighbours and to the pages that its tables name: those of
    this folder, and those at the papers' size of the folders beside it."""
    others = [
        info
        for path in sorted(folder.parent.glob("*/index.html"))
        if path.parent != folder
        for info in reports_in(path.parent)
        if is_papers_size(" ".join(info.size))
    ]
    with hidden_folder(folder) as hidden:
        for place, report in enumerate(reports):
            with alone(folder):  # no study puts a newer page there between its being read and replaced
                before = report.html.read_text(encoding="utf-8")
                page = cells_linked(linked(before, links_of(reports, place)), reports, others)
                if page != before:
                    (hidden / report.html.name).write_text(page, encoding="utf-8")
                    (hidden / report.html.name).replace(report.html)


def reports_in(folder: Path) -> list[ReportInfo]:
    """The reports in a folder by name, first what sums others up."""
    infos = {}
    for path in folder.glob("*.ipynb"):
        if path.stem in STUDIES and path.with_suffix(".html").exists():
            try:
                infos[path.stem] = read_info(path, path.with_suffix(".html"))
            except Exception as error:  # whatever is wrong with a file that this run did not write
                why = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"{_short(path)} cannot be read and is not in the index: {why}", file=sys.stderr, flush=True)
    return [infos[name] for name in sorted(infos, key=lambda name: (STUDIES[name].trains, name))]


def _tell(run: NotebookRun, report: ReportInfo, failures: int, seconds: float, told: TextIO) -> None:
    print(f"{run.name}: {report.headline or report.status} ({seconds:.0f} s)", file=told, flush=True)
    if failures:
        print(f"{run.name}: {failures} without a result; the report names them", file=sys.stderr)
    if report.not_run:
        have = f"{counted(report.not_run, 'cell')} {'has' if report.not_run == 1 else 'have'}"
        print(f"{run.name}: {have} not run yet; the report names them", file=told, flush=True)
    print(f"report: {_short(run.folder / (run.name + '.html'))}", file=told, flush=True)


def _short(path: Path) -> str:
    """Relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)
