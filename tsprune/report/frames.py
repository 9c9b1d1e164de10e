"""What figures, tables and words ask of the frames that they are given: rows, columns, known scopes and levels."""

from collections.abc import Iterable

import pandas as pd

from tsprune.errors import UserError, unknown
from tsprune.report.text import SCOPES


class NoRows(UserError):
    """There is nothing to draw, to tabulate or to say yet: in a notebook a line says so (:func:`where_rows`)."""


def need(frame: pd.DataFrame, what: str, columns: Iterable[str]) -> pd.DataFrame:
    """``frame`` itself, once it has rows and every one of ``columns``.

    Raises UserError with the name of the table (``what``) and of the first column that is missing, NoRows where it has
    no rows.
    """
    if frame.empty:
        raise NoRows(f"table '{what}' has no rows")
    for column in columns:
        if column not in frame.columns:
            present = ", ".join(map(str, frame.columns))
            raise UserError(f"table '{what}': column '{column}' is missing. Present: {present}")
    return frame


def need_scopes(frame: pd.DataFrame) -> list[str]:
    """The scopes in ``frame`` in reading order (layer, global). Raises UserError for one that has no words."""
    for scope in frame["scope"].unique():
        if scope not in SCOPES:
            raise UserError(unknown("scope", scope, SCOPES))
    return [scope for scope in SCOPES if scope in set(frame["scope"])]


def finished(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that ended well and have a number relative to dense."""
    return cells[(cells["status"] == "ok") & cells["mse_relative"].notna()]


def repeat_last(naive: pd.DataFrame) -> dict[int, float]:
    """MSE of repeating the last value, by pred_len, as far as it is known."""
    need(naive, "naive", ["pred_len", "model", "mse"])
    rows = naive[(naive["model"] == "RepeatLast") & naive["mse"].notna()]
    return dict(zip(rows["pred_len"], rows["mse"], strict=True))
