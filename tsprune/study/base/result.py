"""The tables every study has: from rows of the store to tidy DataFrames."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from tsprune.places import of_home
from tsprune.report.status import STATUS_MIME, failed, not_run
from tsprune.report.text import banner, counted
from tsprune.study.base.meaning import meanings
from tsprune.whole import write_whole

TOLERANCE = 0.05
"""Accuracy counts as kept while the MSE lies at most this share above dense."""

ABOUT_DATA = ("dataset", "training rows", "validation rows", "test rows", "look-back", "forecast", "scaled error of 1")
"""Lines of the protocol that a reader of the data's own field looks for first."""

_CELL = [
    "dataset",
    "model",
    "pred_len",
    "seed",
    "method",
    "structure",
    "scope",
    "density_asked",
    "density",
    "density_all",
    "density_live",
    "parameters",
    "macs_executed",
    "macs_if_zeros_skipped",
    "mse",
    "mae",
    "macs_unknown",
    "status",
    "reason",
]


class Findings:
    """What a study found, as tables that explain themselves; base of all results."""

    def __init_subclass__(cls):
        """``help(result)`` explains each field."""
        lines = "\n".join(f"{name}: {meaning}" for name, meaning in meanings(cls).items())
        cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n\n{lines}"
        cls.__repr__ = Findings.__repr__  # that of a dataclass prints every table

    def __repr__(self) -> str:
        """The line that a notebook shows too."""
        return f"<{type(self).__name__}: {self._repr_mimebundle_()['text/plain']}>"

    @property
    def tables(self) -> pd.DataFrame:
        """What tables there are: rows, columns, meaning."""
        meant = meanings(type(self))
        rows = {
            name: {"rows": len(table), "columns": table.shape[1], "meaning": meant.get(name, "")}
            for name, table in self._frames().items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("table")

    def save_csv(self, folder: str | Path) -> list[Path]:
        """Write every table as ``folder/NAME.csv`` and what they mean as ``folder/tables.csv``; returns the paths. A
        relative folder counts from the working directory and is made. Raises UserError where it cannot be written."""
        folder = of_home(folder)
        tables = {"tables": self.tables.reset_index()} | self._frames()
        written = [folder / f"{name}.csv" for name in tables]
        for path, table in zip(written, tables.values(), strict=True):
            write_whole(path, table.to_csv(index=False).encode())
        return written

    def _frames(self) -> dict[str, pd.DataFrame]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}


@dataclass(frozen=True)
class StudyResult(Findings):
    """What a study found, as tables."""

    tidy: pd.DataFrame
    """Everything: a row per cell and metric, with every column of the protocol. ``kind`` tells results from costs."""
    cells: pd.DataFrame
    """A row per cell: what was asked of which model, and its sizes, test errors and outcome."""
    naive: pd.DataFrame
    """Test errors of forecasts that learn nothing, by horizon."""
    published: pd.DataFrame
    """Errors of dense models and naive forecasts beside published ones; no row for data of one's own."""
    data_notes: tuple[str, ...]
    """What was found in the data and done to it."""
    stands_in_for: str | None
    """Name of the dataset that could not be had, when the numbers are on synthetic data instead."""
    size: str
    """At which size the models were run, beside the papers'."""
    protocol: dict[str, str]
    """How the numbers were made."""
    units: pd.DataFrame
    """Mean absolute test error of dense models and naive forecasts in the data's units: a row per ``pred_len``,
    ``model`` and ``column``."""
    unit: str | None
    """Of all columns; None where they differ or it is not known."""
    missing: str
    """How many steps have not run yet, of which kinds; empty where all have."""

    @property
    def about_data(self) -> dict[str, str]:
        """The lines of the protocol on the data: which series, when each split is, how far ahead, in what units."""
        return {name: self.protocol[name] for name in ABOUT_DATA if name in self.protocol}

    @property
    def every_cell(self) -> pd.DataFrame:
        """The rows that :attr:`failures` and the notebook's line count: ``cells``, and those of other tables where a
        study has some."""
        return self.cells

    @property
    def states(self) -> pd.Series:
        """The status of everything that is counted."""
        return pd.concat([self.every_cell["status"], self.naive["status"]])

    @property
    def failures(self) -> int:
        """Cells that ended without a result."""
        return failed(self.states)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """One line for the reader, a banner where steps are missing, and counts for whoever runs the notebook."""
        cells, waiting = self.every_cell, not_run(self.states)
        broken = int((cells["status"] == "broken").sum())
        text = f"{counted(len(cells), 'cell')}, {self.failures} without a result"
        text += f", {broken} broken by torch-pruning" if broken else ""
        text += f", {waiting} not run yet" if waiting else ""
        text += f"; {counted(len(self.tidy), 'row')} in the long table"
        shown = {"text/html": banner(self.missing).data} if self.missing else {}
        counts = {"cells": len(cells), "failures": self.failures, "not_run": waiting}
        return {"text/plain": text, STATUS_MIME: counts} | shown


def tidy(rows: Iterable[dict]) -> pd.DataFrame:
    """The long table: a row per cell and metric, with every protocol column.

    ``kind`` tells results (the same numbers from the same seed on the same machine) from costs (seconds, memory).
    A cell without a result has one row whose ``metric`` is ``none``, so that nothing disappears.
    """
    records = []
    for row in rows:
        head = {"key": row["key"], "step": row["kind"], **row["protocol"], "status": row["status"]}
        head["reason"] = row["reason"]
        numbers = [("result", *item) for item in row["result"].items()]
        numbers += [("cost", *item) for item in row["cost"].items()]
        records += [
            head | {"kind": kind, "metric": metric, "value": value}
            for kind, metric, value in numbers or [("result", "none", None)]
        ]
    table = pd.DataFrame(records)
    return table.assign(value=table["value"].astype(float)) if len(table) else table


def cell_columns(rows: Iterable[dict]) -> pd.DataFrame:
    """The wide table of the cells: a row per cell, the columns that figures and tables read."""
    frame = pd.DataFrame([row["protocol"] | row["result"] | _state(row) | _uncounted(row) for row in rows])
    frame = frame.reindex(columns=_CELL)
    numbers = ["density_asked", "density", "density_all", "density_live", "mse", "mae"]
    numbers += ["macs_executed", "macs_if_zeros_skipped"]
    return frame.astype({name: float for name in numbers})


def _uncounted(row: dict) -> dict:
    """Operators that the multiply-add counter does not know: where there are any, the row's counts are too low."""
    return {"macs_unknown": ", ".join(row["detail"].get("macs_unknown", ()))}


def _state(row: dict) -> dict:
    return {"status": row["status"], "reason": row["reason"]}
