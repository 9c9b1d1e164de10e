"""Run, render and index the notebooks of a profile."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config as Traits

from tsprune.batch.budget import shared
from tsprune.batch.outputs import aside, put_in_place, sweep, write_parameters
from tsprune.batch.profiles import NotebookRun
from tsprune.batch.stop import undone_by_stop
from tsprune.engine.progress import LINES_VARIABLE
from tsprune.report.index import write_index
from tsprune.report.info import ReportInfo
from tsprune.report.links import cells_linked, linked, links_of
from tsprune.report.page import read_info, render_notebook
from tsprune.study.base.words import is_papers_size
from tsprune.study.registry import STUDIES

_LONGEST_ADDRESS = 100
"""Bytes in the address of a socket that is a file: systems allow 103 to 107, and its number comes behind."""


def run_profile(runs: list[NotebookRun], hours: float | None = None) -> int:
    """Run and render the notebooks, one after the other; return how many failed or have cells without a result.

    No step is begun once ``hours`` are over; the pages are made of what is there.

    Everything is written aside and put in place whole. Where that fails, on a full disk, what was there stays.
    """
    folder = runs[0].folder
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    bad, reports = 0, []
    for run in shared(runs, hours):
        started = time.monotonic()
        print(f"== {run.name} ==", flush=True)
        try:
            report, failures = _run(run)
        except OSError as error:
            print(f"{run.name} failed, no report is written: {error}", file=sys.stderr, flush=True)
            bad += 1
            continue
        reports.append(report)
        bad += bool(failures)
        _tell(run, report, failures, time.monotonic() - started)
    if listed := reports_in(folder, reports):
        try:
            _write_index(folder, listed)
        except OSError as error:
            print(f"index: not written: {error}", file=sys.stderr, flush=True)
            bad += 1
        else:
            print(f"index: {_short(folder / 'index.html')}")
    return bad


def _run(run: NotebookRun) -> tuple[ReportInfo, int]:
    with aside(run.folder) as folder:
        write_parameters(run, folder)
        output = folder / f"{run.name}.ipynb"
        failed = _execute(run, output)
        report = render_notebook(output, output.with_suffix(".html"))
        if told := put_in_place(run, folder):
            print(told, flush=True)
    return replace(report, html=run.folder / report.html.name), report.unfinished or int(failed)


def _write_index(folder: Path, reports: list[ReportInfo]) -> None:
    with aside(folder) as hidden:
        write_index(hidden, reports, folder).replace(folder / "index.html")
    link_pages(folder, reports)


def link_pages(folder: Path, reports: Sequence[ReportInfo]) -> None:
    """Links from each of the ``reports`` in a folder to its neighbours and to the pages that its tables name: those of
    this folder, and those at the papers' size of the folders beside it."""
    others = [
        info
        for path in sorted(folder.parent.glob("*/index.html"))
        if path.parent != folder
        for info in reports_in(path.parent)
        if is_papers_size(info.size)
    ]
    with aside(folder) as hidden:
        for place, report in enumerate(reports):
            before = report.html.read_text(encoding="utf-8")
            page = cells_linked(linked(before, links_of(reports, place)), reports, others)
            if page != before:
                (hidden / report.html.name).write_text(page, encoding="utf-8")
                (hidden / report.html.name).replace(report.html)


class _Kernel(AsyncKernelManager):
    """Is ended by Ctrl-C, and the workers with it: they leave when their parent is gone."""

    process_id: int | None = None

    async def start_kernel(self, **named) -> None:
        await super().start_kernel(**named)
        type(self).process_id = self.provisioner.pid

    async def _async_interrupt_kernel(self) -> None:
        """Nothing: to be shut down, an idle kernel need not be interrupted, and one that still answers the last
        message would tell of it as of an error."""

    @classmethod
    def kill(cls) -> None:
        if cls.process_id is not None:
            with suppress(ProcessLookupError):
                os.kill(cls.process_id, signal.SIGKILL)


class _Engine(NBClientEngine):
    """Writes the notebook once, when it has ended, however it did. Papermill itself writes it twice a cell, which was
    most of the work beside the kernel's, to a file that lies aside until the end."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **named) -> None:
        nb_man.save = lambda: None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **named)
        finally:
            del nb_man.save


papermill_engines.register("tsprune", _Engine)


def _execute(run: NotebookRun, output: Path) -> bool:
    """Run the notebook; return whether it failed.

    In the working directory: what is found from there, data of the catalogue too, is found by the notebook.
    """
    # It warns of every parameter that stands in no cell of the notebook, which were checked against the study's config,
    # and tells of a kernel's death, as is done below.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    _Kernel.process_id = None
    try:
        with _environment(), _sockets() as sockets, undone_by_stop(_Kernel.kill):
            papermill.execute_notebook(
                run.source,
                output,
                parameters=run.parameters,
                engine_name="tsprune",
                kernel_name="python3",
                progress_bar=False,
                stdout_file=sys.stdout,
                kernel_manager_class=_Kernel,
                config=Traits({"KernelManager": sockets}),
            )
    except papermill.PapermillExecutionError as error:
        print(f"{run.name} failed: {error.ename}: {error.evalue}", file=sys.stderr, flush=True)
        return True
    except RuntimeError as error:  # the kernel, not the notebook in it: it died, or did not start in time
        died = isinstance(error, DeadKernelError)
        reason = "the process of its kernel died; out of memory?" if died else f"its kernel: {error}"
        print(f"{run.name} failed: {reason}", file=sys.stderr, flush=True)
        _mark_failed(output, type(error).__name__, reason)
        return True
    return False


@contextmanager
def _sockets() -> Iterator[dict[str, str]]:
    """Where the kernel listens: at files in a folder of its own, where the system has such sockets and the name of the
    folder is short enough. A free port may be taken by the kernel of another study before this one opens it, of which
    a kernel dies."""
    with TemporaryDirectory(prefix="tsprune-") as folder, undone_by_stop(partial(rmtree, folder)):
        address = str(Path(folder) / "kernel")
        if os.name == "posix" and len(os.fsencode(address)) <= _LONGEST_ADDRESS:
            yield {"transport": "ipc", "ip": address}
        else:
            # With keys where it can use them; without, it warns at every start.
            yield {"transport_encryption": "auto"}


@contextmanager
def _environment() -> Iterator[None]:
    """Variables for the kernel: a line per finished step, and no words on semaphores when it was killed (they are
    cleaned up by Python's own resource tracker, which warns of it)."""
    before = {name: os.environ.get(name) for name in (LINES_VARIABLE, "PYTHONWARNINGS")}
    quiet = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ[LINES_VARIABLE] = "lines"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before["PYTHONWARNINGS"], quiet)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _mark_failed(path: Path, name: str, reason: str) -> None:
    """Write the error into the cell that was running, as papermill does not where no error came from the kernel."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    cell = begun[-1] if begun else cells[0]
    cell.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=reason, traceback=[]))
    nbformat.write(notebook, path)


def reports_in(folder: Path, fresh: Sequence[ReportInfo] = ()) -> list[ReportInfo]:
    """The reports in a folder by name, first what sums others up: the ``fresh`` ones, and those that were there, as
    after ``--only``."""
    infos = {info.html.stem: info for info in fresh}
    for path in folder.glob("*.ipynb"):
        if path.stem not in infos and path.stem in STUDIES and path.with_suffix(".html").exists():
            try:
                infos[path.stem] = read_info(path, path.with_suffix(".html"))
            except Exception as error:  # whatever is wrong with a file that this run did not write
                why = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"{_short(path)} cannot be read and is not in the index: {why}", file=sys.stderr, flush=True)
    return [infos[name] for name in sorted(infos, key=lambda name: (STUDIES[name].trains, name))]


def _tell(run: NotebookRun, report: ReportInfo, failures: int, seconds: float) -> None:
    print(f"{run.name}: {report.headline or report.status} ({seconds:.0f} s)", flush=True)
    if failures:
        print(f"{run.name}: {failures} without a result; the report names them", file=sys.stderr)
    if report.not_run:
        print(f"{run.name}: {report.not_run} cells have not run yet; the report names them", flush=True)
    print(f"report: {_short(run.folder / (run.name + '.html'))}", flush=True)


def _short(path: Path) -> str:
    """Relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)
