"""From rows of the store to tidy DataFrames."""

from collections.abc import Iterable

import pandas as pd

STATUS_MIME = "application/vnd.tsprune.status+json"
"""Media type under which a study's result tells the runner of its notebook how many of its cells failed."""

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
    "status",
    "reason",
]


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
    frame = pd.DataFrame([row["protocol"] | row["result"] | _state(row) for row in rows])
    frame = frame.reindex(columns=_CELL)
    numbers = ["density_asked", "density", "density_all", "density_live", "mse", "mae"]
    numbers += ["macs_executed", "macs_if_zeros_skipped"]
    return frame.astype({name: float for name in numbers})


def _state(row: dict) -> dict:
    return {"status": row["status"], "reason": row["reason"]}
