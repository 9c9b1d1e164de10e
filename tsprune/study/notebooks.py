"""A profile is a folder of YAML files, one per notebook: check them all, then run, render and index the notebooks."""

import ast
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from traitlets.config import Config as Traits

from tsprune.errors import UserError, unknown
from tsprune.report import ReportInfo, read_info, render_notebook, write_index
from tsprune.study.config import STUDIES
from tsprune.study.places import project_root
from tsprune.study.progress import LINES_VARIABLE
from tsprune.study.tables import STATUS_MIME


@dataclass(frozen=True)
class NotebookRun:
    """One notebook with its checked, effective parameters and the place of its outputs."""

    name: str
    source: Path
    folder: Path
    parameters: dict[str, Any]


def plan_profile(
    profile: str, *, only: str | None = None, jobs: int | None = None, output: str = "outputs"
) -> list[NotebookRun]:
    """The runs of a profile (a name under ``params/``, or a folder), every parameter checked; nothing is started.

    Raises :class:`UserError` with a line per problem: an unknown profile, notebook or parameter (the closest name is
    given), a wrong type, a value out of range.
    """
    root = project_root()
    folder = _profile_folder(profile, root)
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not files:
        raise UserError(f"{folder}: no YAML files there; a profile has one per notebook, named as the notebook")
    for name in files:
        if name not in STUDIES:
            raise UserError(f"{files[name]}: " + unknown("notebook", name, STUDIES))
    if only is not None:
        if only not in files:
            raise UserError(unknown("notebook", only, files))
        files = {only: files[only]}
    target = Path(output).absolute()
    runs, problems = [], []
    for name, path in files.items():
        source = root / "notebooks" / f"{name}.ipynb"
        parameters = default_parameters(source) | _yaml(path) | {"store": str(target / "store")}
        if jobs is not None:
            parameters["jobs"] = jobs
        try:
            STUDIES[name].parse(parameters, where=str(path))
        except UserError as error:
            problems.append(str(error))
        runs.append(NotebookRun(name, source, target / folder.name, parameters))
    if problems:
        raise UserError("\n".join(problems))
    return runs


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


def _profile_folder(profile: str, root: Path) -> Path:
    named = root / "params" / profile
    if named.is_dir():
        return named
    if Path(profile).is_dir():
        return Path(profile).absolute()
    known = sorted(path.name for path in (root / "params").iterdir() if path.is_dir())
    raise UserError(unknown("profile", profile, known) + ", or the path of a folder with YAML files")


def _yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'name: value' lines")
    return values


def default_parameters(source: Path) -> dict[str, Any]:
    """Values of a notebook's ``parameters`` cell: assignments of literals."""
    if not source.is_file():
        raise UserError(f"{source} does not exist")
    cells = nbformat.read(source, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    if len(tagged) != 1:
        raise UserError(f"{source}: expected one cell tagged 'parameters', found {len(tagged)}")
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(tagged[0].source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _execute(run: NotebookRun, output: Path) -> int:
    """Run the notebook; return the number of failures (the notebook's own counts as one)."""
    os.environ[LINES_VARIABLE] = "lines"
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
