"""What a study did not get: cells without a result, or not what was asked, in one table for all studies."""

from typing import TYPE_CHECKING

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.status import failed, not_run
from tsprune.report.tables import styled
from tsprune.report.text import counted, density_labels, listed, percent, some_of

if TYPE_CHECKING:
    from IPython.display import Markdown
    from pandas.io.formats.style import Styler

_FACETS = {
    "structure": "structure",
    "scope": "scope",
    "arm": "made",
    "width": "d_model",
    "depth": "layers",
    "density_asked": "density",
    "data_fraction": "data",
    "seed": "seed",
}
"""What tells cells apart beside model and horizon, where a study has it, and what the table calls it."""

_LONGEST = 240
"""A reason of more characters is cut: the cause comes first, and the store has the whole text."""


def failures_table(cells: pd.DataFrame) -> "Styler | Markdown":
    """The cells that did not finish, or finished with a reason (why they missed what was asked); a sentence where none.

    Cells of one model, horizon and reason stand in one row, with what they were. A model that torch-pruning
    breaks (status ``broken``) is a result, explained where that library is called, and counted here. A column
    ``macs_unknown`` may name the operators of a cell that the counter of multiply-adds does not know (empty: none).
    Raises UserError for an empty table or a missing column.
    """
    need(cells, "cells", ["model", "pred_len", "seed", "status", "reason"])
    uncounted = cells["macs_unknown"].fillna("") if "macs_unknown" in cells else pd.Series("", index=cells.index)
    kept = cells.assign(reason=cells["reason"].fillna(""), ended=cells["status"])
    told = kept[((kept["status"] != "ok") | (kept["reason"] != "")) & (kept["status"] != "broken")]
    told = told.assign(ended=told["status"].replace("ok", "off target"))
    low = kept[(uncounted != "") & (kept["status"] == "ok")]
    low = low.assign(ended="counted too low", reason=uncounted[low.index].map(_uncounted))
    waiting, total = not_run(told["status"]), counted(len(cells), "cell")
    counts = [f"{some_of(waiting, len(cells), 'cell')} not run yet."] if waiting else []
    counts += [
        f"{number} of {total} {words}."
        for number, words in (
            (failed(told["status"]), "did not finish"),
            (int((told["status"] == "ok").sum()), "could not be pruned to what was asked"),
            (len(low), f"{'does' if len(low) == 1 else 'do'} more multiply-adds than are counted"),
        )
        if number
    ]
    broken = kept[kept["status"] == "broken"]
    also = _broken(broken, len(cells)) if len(broken) else ""
    if not counts:
        from IPython.display import Markdown

        return Markdown(f"{also} Every other cell has a result." if also else "Every cell has a result.")
    caption = " ".join(part for part in (*counts, also) if part)
    return styled(_rows(pd.concat([told, low]), cells), caption)


def _uncounted(names: str) -> str:
    operators = [name.strip() for name in names.split(",")]
    verb = "is" if len(operators) == 1 else "are"
    return f"multiply-adds too low: operator{'' if verb == 'is' else 's'} {listed(operators)} {verb} not counted"


def _broken(broken: pd.DataFrame, total: int) -> str:
    models = listed(list(dict.fromkeys(broken["model"])))
    return f"{some_of(len(broken), total, 'cell')} no forecast: torch-pruning breaks the model ({models})."


def _rows(told: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """A row per model, horizon, end and reason, with the values of every facet in which ``cells`` differ."""
    told_apart = {name: words for name, words in _FACETS.items() if name in cells and cells[name].nunique() > 1}
    rows = []
    for (model, pred_len, ended, reason), group in told.groupby(["model", "pred_len", "ended", "reason"], sort=False):
        facets = {words: _values(group[name], name) for name, words in told_apart.items()}
        row = {"model": model, "horizon": f"{pred_len:.0f}"} | facets
        rows.append(row | {"cells": f"{len(group)}", "status": ended, "reason": cause(reason) or "not given"})
    table = pd.DataFrame(rows).set_index("model").rename_axis(None)
    table = table.drop(columns="horizon") if cells["pred_len"].nunique() == 1 else table
    return table.loc[:, (table != "").any()]


def cause(reason: str) -> str:
    """The first ``_LONGEST`` characters of a reason, on one line."""
    text = " ".join(reason.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def _values(column: pd.Series, name: str) -> str:
    """The values of one facet in a group, each once; those not known left out."""
    values = column.dropna().unique()
    if name == "seed":
        values = sorted(values)
    if name == "density_asked":
        texts = density_labels(values)
        return ", ".join(texts[value] for value in sorted(values, reverse=True))
    if name == "data_fraction":
        return ", ".join(percent(value) for value in sorted(values))
    return ", ".join(f"{value:.0f}" if isinstance(value, float) else str(value) for value in values)
