"""Run, render and index the notebooks of a profile."""

import json
import logging
import os
import sys
import time
from pathlib import Path

import papermill
import yaml
from traitlets.config import Config as Traits

from tsprune.batch.profiles import NotebookRun
from tsprune.engine.progress import LINES_VARIABLE
from tsprune.places import project_root
from tsprune.report.index import write_index
from tsprune.report.page import ReportInfo, read_info, render_notebook
from tsprune.study.base.result import STATUS_MIME
from tsprune.study.registry import STUDIES


def run_profile(runs: list[NotebookRun]) -> int:
    """Run and render the notebooks, one after the other; return how many failed or have cells without a result."""
    bad, reports = 0, []
    for run in runs:
        run.folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        print(f"== {run.name} ==", flush=True)
        (run.folder / f"{run.name}.params.yaml").write_text(yaml.safe_dump(run.parameters, sort_keys=False))
        output = run.folder / f"{run.name}.ipynb"
        failures = _execute(run, output)
        report = render_notebook(output, output.with_suffix(".html"))
        reports.append(report)
        bad += bool(failures)
        _tell(run, report, failures, time.monotonic() - started)
    index = write_index(runs[0].folder, _all_reports(runs[0].folder, reports))
    print(f"index: {_short(index)}")
    return bad


def _execute(run: NotebookRun, output: Path) -> int:
    """Run the notebook; return the number of failures (the notebook's own counts as one)."""
    os.environ[LINES_VARIABLE] = "lines"
    # It warns of every parameter that stands in no cell of the notebook; those were checked against the study's config.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        papermill.execute_notebook(
            run.source,
            output,
            parameters=run.parameters,
            kernel_name="python3",
            cwd=project_root(),
            progress_bar=False,
            stdout_file=sys.stdout,
            # Keys for the kernel's sockets where it can use them; without, it warns at every start.
            config=Traits({"KernelManager": {"transport_encryption": "auto"}}),
        )
    except papermill.PapermillExecutionError as error:
        print(f"{run.name} failed: {error.ename}: {error.evalue}", file=sys.stderr, flush=True)
        return 1
    finally:
        del os.environ[LINES_VARIABLE]
    return _cell_failures(output)


def _cell_failures(output: Path) -> int:
    found = [
        item["data"][STATUS_MIME]["failures"]
        for cell in json.loads(output.read_text())["cells"]
        for item in cell.get("outputs", ())
        if STATUS_MIME in item.get("data", {})
    ]
    return sum(found)


def _all_reports(folder: Path, fresh: list[ReportInfo]) -> list[ReportInfo]:
    """The reports just made and, after ``--only``, the older ones beside them, by name."""
    infos = {info.html.stem: info for info in fresh}
    for path in folder.glob("*.ipynb"):
        if path.stem not in infos and path.stem in STUDIES:
            infos[path.stem] = read_info(path, path.with_suffix(".html"))
    return [infos[name] for name in sorted(infos)]


def _tell(run: NotebookRun, report: ReportInfo, failures: int, seconds: float) -> None:
    print(f"{run.name}: {report.headline or report.status} ({seconds:.0f} s)")
    if failures:
        print(f"{run.name}: {failures} without a result; the report names them", file=sys.stderr)
    print(f"report: {_short(run.folder / (run.name + '.html'))}", flush=True)


def _short(path: Path) -> str:
    """Relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)
