"""What a study did not get: cells without a result, or not what was asked, in one table for all studies."""

import pandas as pd
from IPython.display import Markdown
from pandas.io.formats.style import Styler

from tsprune.report.frames import need
from tsprune.report.tables import styled
from tsprune.report.text import density_labels, percent

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
"""A reason of more characters is cut: the cause stands first, the store has all of it."""


def failures_table(cells: pd.DataFrame) -> Styler | Markdown:
    """The cells that did not finish, or finished with a reason (why they missed what was asked); a sentence where none.

    Cells of one model, horizon and reason stand in one row, with what they were. A model that the paper's protocol
    breaks (status ``broken``) is a result and shown where that protocol is. Raises UserError for an empty table or a
    missing column.
    """
    need(cells, "cells", ["model", "pred_len", "seed", "status", "reason"])
    told = cells.assign(reason=cells["reason"].fillna(""))
    told = told[((told["status"] != "ok") | (told["reason"] != "")) & (told["status"] != "broken")]
    if told.empty:
        return Markdown("Every cell has a result.")
    rows = []
    for (model, pred_len, status, reason), group in told.groupby(["model", "pred_len", "status", "reason"], sort=False):
        facets = {words: _values(group[name], name) for name, words in _FACETS.items() if name in cells}
        ended = "off target" if status == "ok" else status
        rows.append(
            {"model": model, "horizon": f"{pred_len:.0f}"}
            | facets
            | {"cells": f"{len(group)}", "status": ended, "reason": cause(reason) or "not given"}
        )
    table = pd.DataFrame(rows).set_index("model").rename_axis(None)
    table = table.loc[:, (table != "").any()]
    bad = int((told["status"] != "ok").sum())
    counts = [f"{bad} of {len(cells)} cells did not finish."] if bad else []
    off = len(told) - bad
    counts += [f"{off} of {len(cells)} cells could not be pruned to what was asked."] if off else []
    return styled(table, " ".join(counts))


def cause(reason: str) -> str:
    """The first ``_LONGEST`` characters of a reason, on one line."""
    text = " ".join(reason.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def _values(column: pd.Series, name: str) -> str:
    """The values of one facet in a group, each once; those not known left out."""
    values = column.dropna().unique()
    if name == "density_asked":
        texts = density_labels(values)
        return ", ".join(texts[value] for value in sorted(values, reverse=True))
    if name == "data_fraction":
        return ", ".join(percent(value) for value in sorted(values))
    return ", ".join(f"{value:.0f}" if isinstance(value, float) else str(value) for value in values)
