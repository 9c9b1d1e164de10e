"""Errors in the data's own units, which people know, beside those on scaled data, which papers give."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tsprune.data import CATALOG, Table
from tsprune.data.scale import scaling
from tsprune.engine.store import Store
from tsprune.steps.artifacts import load_scores
from tsprune.steps.train import NaiveStep, TrainStep


def scale_of(table: Table) -> np.ndarray:
    """The size of a scaled error of 1 in each column (C,), in the data's units: the standard deviation of the training
    rows, or 1 for a column that is constant there, as in :func:`tsprune.data.make_splits`."""
    train, *_ = table.split.borders(len(table.dates))
    return scaling(np.asarray(table.values)[slice(*train)])[1]


def unit_of(table: Table) -> str | None:
    """The unit of all columns of a catalogue dataset; None where they differ or it is not known."""
    return CATALOG[table.catalog_name].unit if table.catalog_name else None


def errors_in_units(
    store: Store, table: Table, rows: Mapping[str, dict], steps: Sequence[NaiveStep | TrainStep]
) -> pd.DataFrame:
    """Mean absolute test error of the forecasts in ``steps`` that have a result, in the data's units: a row per
    ``pred_len``, ``model`` and ``column``, ``mae`` being the mean over the seeds."""
    scale, records = scale_of(table), []
    for step in steps:
        if rows[step.key]["status"] == "ok":
            mae = load_scores(store, step.key)["column_mae"].double().cpu().numpy() * scale
            about = {"pred_len": step.data.pred_len, "model": step.model}
            records.append(pd.DataFrame(about | {"column": table.columns, "mae": mae}))
    if not records:
        return pd.DataFrame(columns=["pred_len", "model", "column", "mae"])
    return pd.concat(records).groupby(["pred_len", "model", "column"], sort=False, as_index=False)["mae"].mean()
