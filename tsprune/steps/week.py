"""A step that forecasts a week of the test split in the data's own units, for people to look at."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from tsprune.data import Splits, Table
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.models import create_model
from tsprune.steps.model import ModelStep

WEEK = pd.Timedelta(days=7)


class WeekStep(Step):
    """:func:`week_of_forecasts` by the model that ``of`` ends with.

    ``detail["week"]`` has its columns as lists, ``date`` as ISO 8601: :func:`week_frame` makes the table of it. So the
    figure is a row like any other, and ships where the model does not.
    """

    kind: ClassVar[str] = "week"
    of: ModelStep
    columns: tuple[int, ...]
    """Numbers of the data's columns that are shown."""

    def identity(self) -> dict:
        return {"step": self.kind, "version": RESULTS_VERSION, "of": self.of.key, "columns": list(self.columns)}

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.of,)

    @property
    def label(self) -> str:
        return f"{self.of.label}: a week of forecasts"

    def protocol(self) -> dict:
        return self.of.protocol() | {"method": "week"}

    def run(self, store: Store) -> Outcome:
        data, device = self.of.place
        data = data.every_window()  # horizons that follow each other without a gap
        week = week_of_forecasts(self.of.load(store), data.table(), data.splits(device), self.columns)
        dates = [date.isoformat() for date in week["date"]]
        return Outcome({}, {"week": week.assign(date=dates).to_dict("list")}, {})


def week_frame(row: dict) -> pd.DataFrame:
    """The table of a :class:`WeekStep`'s row; empty if it has none."""
    week = pd.DataFrame(row["detail"].get("week", {}))
    return week.assign(date=pd.to_datetime(week["date"])) if len(week) else week


def week_of_forecasts(model: nn.Module, table: Table, splits: Splits, columns: Sequence[int]) -> pd.DataFrame:
    """Seven days of the test split, forecast horizon after horizon, each from the true look-back before it.

    The week is the first that begins on a Monday at midnight and has all its windows, else the first seven days that
    do, else a single horizon. A row per column and time: ``column``, ``date``, ``truth``, ``forecast``, ``naive`` (the
    seasonal naive forecast of the same windows), in the data's units.
    """
    if not table.pooled:
        return _week(model, table, splits, None, columns)
    return pd.concat([_week(model, table, splits, column, [column]) for column in columns], ignore_index=True)


def _week(model: nn.Module, table: Table, splits: Splits, series: int | None, columns: Sequence[int]) -> pd.DataFrame:
    """:func:`week_of_forecasts` from the windows of the series of this number; None: the data are not pooled."""
    test = splits.test
    own = torch.arange(len(test)) if series is None else torch.nonzero(test.series.cpu() == series)[:, 0]
    rows_before = 0 if series is None else series * len(table.values)
    first = test.starts.cpu()[own].numpy() - rows_before + test.seq_len
    chosen, rows = _windows_of_a_week(table.dates, first, test.pred_len)
    batch = test.batch(own[chosen])
    lengths = {"seq_len": test.seq_len, "label_len": test.label_len, "pred_len": test.pred_len}
    lengths |= {"enc_in": table.width, "dec_in": table.width, "c_out": table.width}
    naive = create_model("SeasonalNaive", **lengths, season=table.season).to(batch.y.device)
    model.eval()
    with torch.inference_mode():
        lines = {
            "truth": batch.y,
            "forecast": model(*batch[:4]).float(),
            "naive": naive(*batch[:4]),
        }
    scaled = {name: values.double().flatten(0, 1)[:rows].cpu().numpy() for name, values in lines.items()}
    begin = first[chosen[0]]
    return pd.concat(
        [
            pd.DataFrame(
                {"column": table.columns[i], "date": table.dates[begin : begin + rows]}
                | {
                    name: values[:, 0 if table.pooled else i] * splits.std[i] + splits.mean[i]
                    for name, values in scaled.items()
                }
            )
            for i in columns
        ],
        ignore_index=True,
    )


def _windows_of_a_week(dates: pd.DatetimeIndex, first: np.ndarray, pred_len: int) -> tuple[list[int], int]:
    """Which windows make up the week, horizon after horizon without overlap, as places in ``first`` (the row at which
    the horizon of each window begins); and how many rows the week has."""
    number = {row: i for i, row in enumerate(first.tolist())}
    monday = (dates[first].day_of_week == 0) & (dates[first] == dates[first].normalize())
    for row in [*first[monday].tolist(), *first.tolist()]:
        rows = int(dates.searchsorted(dates[row] + WEEK)) - row
        begins = range(row, row + rows, pred_len)
        if dates[row] + WEEK <= dates[-1] and all(begin in number for begin in begins):
            return [number[begin] for begin in begins], rows
    return [0], pred_len
