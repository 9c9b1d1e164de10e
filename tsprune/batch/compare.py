"""Two runs of a study side by side: the parameters in which they differ, and their errors, read from their stores."""

import pandas as pd

from tsprune.batch.runs import Run, find_runs
from tsprune.engine.store import damage_told
from tsprune.errors import UserError
from tsprune.parameters import without_plumbing
from tsprune.study.registry import STUDIES

WHAT = (
    *("model", "pred_len", "arm", "method", "structure", "scope", "width", "depth", "data_fraction"),
    *("gamma", "lam", "every", "density_asked"),
)
"""Columns that say which cells of two runs are the same, where both tables have them."""


def compare_runs(first: str, second: str) -> str:
    """The text that compares the studies found in both places. Nothing is computed or written.

    Raises UserError where they hold none in common, or where a run is not finished in its store.
    """
    ours, others = find_runs(first), find_runs(second)
    both = [name for name in ours if name in others and STUDIES[name].trains]
    if not both:
        raise UserError(f"nothing in common: {first} has {', '.join(ours)}; {second} has {', '.join(others)}")
    return "\n\n".join(_compared(ours[name], others[name]) for name in both)


def _compared(a: Run, b: Run) -> str:
    lines = [f"== {a.study} ==", f"A: {a.place}", f"B: {b.place}", "", *_differing(a, b), ""]
    table, alone = side_by_side(_cells(a), _cells(b))
    lines.append(
        table.to_string(index=False, na_rep="-", formatters=_FORMATS) if len(table) else "no cell is in both runs"
    )
    lines.append("means over the seeds; a difference within their spread may be chance")
    if table["spread"].isna().any():
        lines.append("where no spread stands no run has two seeds with a result, so any difference may be chance")
    lines += [f"{count} more only in {which}" for which, count in alone.items() if count]
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
    with damage_told():
        result = run.cells.read()
    if result is None:
        run.need_store()
        place = run.cells.store.root
        raise UserError(f"{run.place}: {run.study} is not finished in its store {place}; run it again first")
    return result.cells


def side_by_side(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Mean test MSE over the seeds of the cells that both tables have, and how many each has for itself.

    Columns of WHAT that do not vary are left out. ``B over A`` is a relative difference, positive where B is worse;
    ``spread``: between the seeds of one run, highest less lowest over their mean, the wider of the two runs; of a
    single seed none is known.
    """
    names = [name for name in WHAT if name in a and name in b]
    errors = [
        table.groupby(names, dropna=False, sort=False)["mse"].agg(["mean", "min", "max", "count"]) for table in (a, b)
    ]
    joined = pd.concat(errors, axis=1, keys=("A", "B"), sort=False)
    inside = [joined.index.isin(table.index) for table in errors]
    both = joined[inside[0] & inside[1]]
    spread = [
        ((both[run, "max"] - both[run, "min"]) / both[run, "mean"]).where(both[run, "count"] > 1) for run in ("A", "B")
    ]
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
