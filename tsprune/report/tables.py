"""Small tables for people, as pandas Stylers: read in JupyterLab, in the report and on paper alike."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from tsprune.report.frames import finished, need
from tsprune.report.text import NAIVE, NBSP, UNKNOWN_UNIT, error_text, short_number, value_text
from tsprune.typed import digest

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_WIDE = 10
"""Tables of more columns stand closer."""

_WRAPPED = 14
"""Row labels of more characters may take several lines."""

_ROOM = 112
"""Cells of a table of more characters side by side may take two lines: a page has no room for them on one."""

_JOINED = "\u2060"
"""A word joiner: no line breaks there."""

_TWO_LINES = 30
"""Row labels of no more characters take two lines at most."""

_MOST = 40
"""Columns of data that a table has at most."""

PROSE = (
    *("source", "protocol here and there", "reason", "value", "condition", "most sensitive group", "found"),
    *("the papers' size", "small models", "large minus small", "evidence", "the paper's number", "why"),
)
"""Columns of sentences: to the left, with line breaks."""


class Marked(str):
    """The text of a cell that looks unlike the others: ``look`` is a class of :func:`styled`, ``fallen`` or ``naive``.

    Nothing but the looks changes: it is a text like any other."""

    def __new__(cls, text: str, look: str = "fallen") -> "Marked":
        marked = super().__new__(cls, text)
        marked.look = look
        return marked


def claim(text: str, clear: bool) -> str:
    """``text`` of a difference; in italics where it is not ``clear`` of zero, so that nothing may be claimed."""
    return text if clear else Marked(text)


def published_table(published: pd.DataFrame) -> "Styler":
    """Published numbers beside this run's, with the difference and how the protocols differ."""
    texts = ["model", "dataset", "pred_len", "source", "protocol"]
    numbers = ["mse_published", "mse_here", "difference", "mae_published", "mae_here"]
    rows = need(published, "published", [*texts, *numbers]).to_dict("records")
    table = pd.DataFrame(
        {
            "dataset": published["dataset"].astype(str),
            "horizon": published["pred_len"].astype(str),
            "MSE published": published["mse_published"].map(_number),
            "MSE here": [number_or_state(row, "mse_here") for row in rows],
            "difference": [
                number_or_state(row, "difference")
                if pd.isna(row["difference"])
                else _difference(row["difference"], row["mse_published"])
                for row in rows
            ],
            "MAE published": published["mae_published"].map(_number),
            "MAE here": [number_or_state(row, "mae_here") for row in rows],
            "source": published["source"].astype(str),
            "protocol here and there": published["protocol"].astype(str),
        }
    ).set_axis(pd.Index([NAIVE.get(model, model) for model in published["model"]]))
    same = [name for name in ("dataset", "horizon") if table[name].nunique() == 1]
    on = "".join(f", {name} {table[name].iloc[0]}" for name in same)
    caption = f"Dense models of this run beside published numbers{on} (difference: here minus published)."
    return styled(table.drop(columns=same), caption)


def naive_table(naive: pd.DataFrame) -> "Styler":
    """The naive forecasts every model has to beat."""
    need(naive, "naive", ["dataset", "pred_len", "model", "mse", "mae"])
    table = pd.DataFrame(
        {
            "dataset": naive["dataset"].astype(str),
            "horizon": naive["pred_len"].astype(str),
            "MSE": [number_or_state(row, "mse") for row in naive.to_dict("records")],
            "MAE": [number_or_state(row, "mae") for row in naive.to_dict("records")],
        }
    ).set_axis(pd.Index([NAIVE.get(model, model) for model in naive["model"]]))
    return styled(table, "Naive forecasts on the same test split.")


def units_table(units: pd.DataFrame, unit: str | None) -> "Styler":
    """Mean absolute error by column and forecaster, in the data's units; of many columns the first ones. Rows are what
    there is more of.

    ``units`` has a row per ``pred_len``, ``model`` and ``column`` with ``mae``. Raises UserError for an empty table or
    a missing column.
    """
    need(units, "units", ["pred_len", "model", "column", "mae"])
    columns, models = units["column"].unique(), units["model"].unique()
    aside = len(columns) < len(models)  # the way round that has fewer columns is read without scrolling
    rows: dict[tuple, dict[str, str]] = {}
    for row in units[units["column"].isin(columns[:_MOST])].to_dict("records"):
        model = NAIVE.get(row["model"], row["model"])
        label, place = (model, row["column"]) if aside else (row["column"], model)
        rows.setdefault((f"{row['pred_len']}", label), {})[place] = short_number(row["mae"])
    more = f" The first {_MOST} of {len(columns)} columns." if len(columns) > _MOST else ""
    caption = (
        f"Mean absolute test error in {unit or UNKNOWN_UNIT}, by column (dense models: mean over the seeds).{more}"
    )
    return styled(labelled(rows, ["horizon", "model" if aside else "column"], units), caption)


def protocol_table(protocol: dict[str, Any]) -> "Styler":
    """What every number of the run rests on: a name and a value per row."""
    table = pd.DataFrame({"value": [value_text(v) for v in protocol.values()]}, index=list(protocol))
    return styled(need(table, "protocol", []), "").hide(axis="columns")


def styled(table: pd.DataFrame, caption: str) -> "Styler":
    """``table`` with a caption above, numbers to the right, cells that are :class:`Marked` as these say, and an id that
    is the same for the same content.

    Cells, labels and names are text, whatever signs are in them: a label may be the name of somebody's file."""
    from pandas.io.formats.style import Styler

    rules = [
        {"selector": "caption", "props": "caption-side:top;text-align:left;padding:0 0 .5em;opacity:.75"},
        {"selector": "td", "props": "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"},
        {"selector": "thead th.col_heading", "props": "text-align:right"},
        {"selector": "thead th[colspan]", "props": "text-align:center"},
        {"selector": "tbody tr:has(th.level0[rowspan]) > *", "props": "border-top:1px solid rgb(128 128 128 / .7)"},
        {"selector": "td.fallen", "props": "font-style:italic;opacity:.7"},
        {"selector": "td.naive", "props": "opacity:.7"},
    ]
    uuid = digest([caption, table.to_json(orient="split")], 8)
    styler = Styler(table, uuid=uuid, cell_ids=False, table_attributes='class="tsprune"', escape="html")
    for axis in ("index", "columns"):  # Styler escapes only the cells
        styler = styler.format_index(axis=axis, escape="html").format_index_names(axis=axis, escape="html")
    numbers = [column for column in table.columns if column not in PROSE]
    styler = styler.format(_held, escape="html", subset=numbers)
    for i, column in enumerate(table.columns):
        if column in PROSE:
            rules.append(
                {"selector": f"td.col{i}", "props": "text-align:left;white-space:normal;min-width:min(9em, 45vw)"}
            )
            rules.append({"selector": f"thead th.col{i}", "props": "text-align:left"})
    if _characters(table) > _ROOM:
        rules.append({"selector": "td", "props": "white-space:normal"})
    if len(table.columns) + table.index.nlevels > _WIDE:
        rules.append({"selector": "th, td", "props": "padding:.3em .38em;font-size:.95em"})
    for place in range(table.index.nlevels):
        longest = max((len(str(label)) for label in table.index.get_level_values(place)), default=0)
        if longest > _WRAPPED:  # on a narrow screen the numbers need room beside the labels
            least = 0.35 * longest if longest <= _TWO_LINES else 18
            look = f"white-space:normal;min-width:min({least:.0f}em, 32vw)"
            rules.append({"selector": f"tbody th.level{place}", "props": look})
    styler = styler.set_table_styles(rules)
    if (looks := table.map(lambda cell: getattr(cell, "look", ""))).ne("").any(axis=None):
        styler = styler.set_td_classes(looks)
    return styler.set_caption(escape(caption, quote=False)) if caption else styler


def _characters(table: pd.DataFrame) -> float:
    """How many characters side by side a table is about wide, a column's margins being one and a half."""
    levels = [table.index.get_level_values(place) for place in range(table.index.nlevels)]
    labels = (min(max(map(_length, level), default=0), _TWO_LINES) for level in levels)
    cells = (
        15 if name in PROSE else max(*map(_length, table.iloc[:, place]), *map(len, str(name).split()))
        for place, name in enumerate(table.columns)
    )
    return sum(labels) + sum(cells) + 1.5 * (len(levels) + len(table.columns))


def _length(cell: object) -> int:
    return len(str(cell))


def _held(cell: str | int) -> str:
    """``cell``, of a number with line breaks before brackets and ± and after colons alone, if a table has no room."""
    text = str(cell)
    if text[:1] not in "+−-0123456789":
        return text
    held = re.sub("([…–])", f"\\1{_JOINED}", text).replace(" ", NBSP)
    return re.sub(f"{NBSP}(?=[(±])|(?<=:){NBSP}", " ", held)


def labelled(rows: Mapping[tuple, Mapping], names: Sequence[str], frame: pd.DataFrame) -> pd.DataFrame:
    """A table of ``rows`` by their labels, whose parts are called ``names``; without the part ``horizon`` where
    ``frame``, which they were made from, has only one. What a row lacks is empty."""
    index = pd.MultiIndex.from_tuples(rows, names=names)
    table = pd.DataFrame(list(rows.values()), index=index, dtype=object).fillna("")  # as texts they would lose marks
    return table.droplevel("horizon") if frame["pred_len"].nunique() == 1 else table


def mean_and_spread(rows: pd.DataFrame, metric: str) -> str:
    """``0.412 ± 0.003`` over the rows that finished, and how many did where not all; else their states."""
    done = finished(rows)[metric]
    if rows.empty:
        return "not run"
    if done.empty:
        return " / ".join(rows["status"].unique())
    text = error_text(done.mean())
    if len(done) > 1:
        text += f" ± {error_text(done.std(), like=done.mean())}"
    return text if len(done) == len(rows) else f"{text} ({len(done)} of {len(rows)})"


def number_or_state(row: Mapping, metric: str) -> str:
    """The error of one row or, where it has none and a status that says why, that."""
    return row["status"] if pd.isna(row[metric]) and "status" in row else _number(row[metric])


def _number(value: float) -> str:
    return "not run" if pd.isna(value) else error_text(value)


def _difference(value: float, like: float) -> str:
    """With as many decimals as the error ``like`` which it is a difference of; what rounds to nothing has no sign."""
    text = error_text(abs(value), like=like)
    sign = "" if not float(text) else "+" if value > 0 else "−"
    return sign + text
