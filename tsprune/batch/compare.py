"""Two runs of a study side by side: the parameters in which they differ, and their errors, read from their stores."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tsprune.batch.strict_yaml import read_parameters
from tsprune.engine.progress import Progress
from tsprune.errors import UserError
from tsprune.parameters import parameters_of_run, without_plumbing
from tsprune.report.page import read_notebook
from tsprune.study.registry import STUDIES

WHAT = (
    *("model", "pred_len", "arm", "method", "structure", "scope", "width", "depth", "data_fraction"),
    *("gamma", "lam", "every", "density_asked"),
)
"""Columns that say which cells of two runs are the same, where both tables have them."""

ENDINGS = (".params.yaml", ".ipynb", ".html")


@dataclass(frozen=True)
class Run:
    study: str
    """Name of its notebook."""
    place: str
    parameters: dict[str, Any]


def find_runs(place: str) -> dict[str, Run]:
    """The runs at ``place``, by study: a folder of reports, or one report (its .html, .ipynb or .params.yaml), or a
    notebook that papermill or JupyterLab ran.

    Raises UserError where there is none.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        names = [name for name in STUDIES if any((path / f"{name}{end}").exists() for end in ENDINGS)]
        runs = [_run(path / name, place) for name in names]
    else:
        stem = next((path.name.removesuffix(end) for end in ENDINGS if path.name.endswith(end)), None)
        runs = [_run(path.with_name(stem), place)] if stem and path.is_file() else []
    if not runs:
        raise UserError(f"{place}: no run of a study there; give a folder of reports, or a report (.html, .ipynb)")
    return {run.study: run for run in runs}


def _run(base: Path, place: str) -> Run:
    """``base``: path of the report without its ending. The parameters beside a report are all that it ran with."""
    beside = base.with_name(f"{base.name}.params.yaml")
    if beside.is_file():
        parameters = read_parameters(beside)
        return Run(_study_of(parameters, beside), place, parameters)
    path = base.with_name(f"{base.name}.ipynb")
    parameters = parameters_of_run(read_notebook(path))
    return Run(_study_of(parameters, path), place, parameters)


def _study_of(parameters: Mapping[str, Any], path: Path) -> str:
    """The one study that takes exactly these."""
    fitting = []
    for name, study in STUDIES.items():
        fields = study.config.model_fields
        required = {field for field, info in fields.items() if info.is_required()}
        if required <= parameters.keys() <= fields.keys():
            fitting.append(name)
    if len(fitting) != 1:
        raise UserError(f"{path}: its parameters are those of no study")
    return fitting[0]


def compare_runs(first: str, second: str) -> str:
    """What to print of the studies that both places hold. Nothing is computed.

    Raises UserError where they hold none in common, or where a run is not finished in its store.
    """
    ours, others = find_runs(first), find_runs(second)
    both = [name for name in ours if name in others]
    if not both:
        raise UserError(f"nothing in common: {first} has {', '.join(ours)}; {second} has {', '.join(others)}")
    return "\n\n".join(_compared(ours[name], others[name]) for name in both)


def _compared(a: Run, b: Run) -> str:
    lines = [f"== {a.study} ==", f"A: {a.place}", f"B: {b.place}", "", *_differing(a, b), ""]
    table, alone = side_by_side(_cells(a), _cells(b))
    lines.append(table.to_string(index=False, na_rep="-", formatters=_FORMATS) if len(table) else "no cell in both")
    lines.append("means over the seeds; a difference within their spread is no finding")
    lines += [f"{count} more in {which} only" for which, count in alone.items() if count]
    return "\n".join(lines)


def _differing(a: Run, b: Run) -> list[str]:
    config = STUDIES[a.study].config
    values = [without_plumbing(config.parse(run.parameters, where=run.place).model_dump(mode="json")) for run in (a, b)]
    rows = [(name, values[0][name], values[1][name]) for name in values[0] if values[0][name] != values[1][name]]
    if not rows:
        return ["all parameters are the same"]
    wide = max(len(name) for name, *_ in rows)
    return ["parameters that differ", *(f"  {name:<{wide}}  A {left}  B {right}" for name, left, right in rows)]


def _cells(run: Run) -> pd.DataFrame:
    study = STUDIES[run.study]
    cells = study.cells(study.config.parse(run.parameters, where=run.place))

    def refuse() -> Executor:
        raise UserError(f"{run.place}: {run.study} is not finished in its store {cells.store.root}; run it again first")

    return cells.run(make_executor=refuse, progress=Progress()).cells


def side_by_side(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Mean test MSE over the seeds of the cells that both tables have, and how many each has for itself.

    Columns of WHAT that do not vary are left out. ``B over A`` is a relative difference, positive where B is worse;
    ``spread``: between the seeds of one run, highest less lowest over their mean, the wider of the two runs.
    """
    names = [name for name in WHAT if name in a and name in b]
    errors = [table.groupby(names, dropna=False, sort=False)["mse"].agg(["mean", "min", "max"]) for table in (a, b)]
    joined = pd.concat(errors, axis=1, keys=("A", "B"), sort=False)
    inside = [joined.index.isin(table.index) for table in errors]
    both = joined[inside[0] & inside[1]]
    spread = [(both[run, "max"] - both[run, "min"]) / both[run, "mean"] for run in ("A", "B")]
    table = pd.DataFrame(
        {
            "MSE of A": both["A", "mean"],
            "MSE of B": both["B", "mean"],
            "B over A": both["B", "mean"] / both["A", "mean"] - 1,
            "spread": pd.concat(spread, axis=1).max(axis=1),
        }
    ).reset_index()
    alone = {"A": int((inside[0] & ~inside[1]).sum()), "B": int((inside[1] & ~inside[0]).sum())}
    return table.drop(columns=[name for name in names[1:] if table[name].nunique(dropna=False) < 2]), alone


_FORMATS = {
    "MSE of A": "{:.4f}".format,
    "MSE of B": "{:.4f}".format,
    "B over A": "{:+.1%}".format,
    "spread": "{:.1%}".format,
    "density_asked": "{:.3g}".format,
}
