"""Reads a user's file into the frame that a forecaster needs, by the same rules as a study; writes a forecast to a
file."""

import io
import os
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsprune.data import CATALOG, load_table
from tsprune.deploy.card import Card
from tsprune.deploy.files import named, need_place
from tsprune.deploy.packages import need
from tsprune.errors import UserError, unknown
from tsprune.shown import plain, quoted, shown_date
from tsprune.whole import write_whole

ENDINGS = (".csv", ".parquet")

FAR = 5.0
"""Standard deviations from the training rows, of the middle of the rows that are read, that are told: a load in GW
in the place of one in MW is no farther away than its mean is from zero."""


class Read(NamedTuple):
    """A file as a forecaster reads it."""

    frame: pd.DataFrame
    """The model's columns, dates as the index."""
    filled: np.ndarray
    """Values that were filled in, (rows, columns) bool."""
    notes: tuple[str, ...]
    """What was done to a user's own file (values filled in, times converted to UTC), a line each."""


def read_frame(name: str, card: Card, count: int, **reading: str | None) -> Read:
    """The model's columns of a file or a dataset of the catalogue. ``reading``: the options of
    :func:`tsprune.data.load_table`. Raises UserError as that does, and if one of the last ``count`` rows lies in a gap
    that was too long to fill.
    """
    table = load_table(name, columns=list(card.columns), scaled=False, **reading)
    blocked = table.blocked.reshape(len(table.dates), -1).any(1)[-count:]  # of pooled data by column
    if blocked.any():
        first, last = (shown_date(table.dates[-count:][blocked][end], table.dates) for end in (0, -1))
        raise UserError(
            f"{plain(table.name)}: rows from {first} to {last} lie in a gap that is too long to fill, and "
            f"the last {count} rows are needed; end the file at a row that has values"
        )
    frame = pd.DataFrame(table.values, index=table.dates, columns=list(table.columns))
    filled = np.zeros(frame.shape, bool) if table.filled is None else table.filled
    notes = () if name in CATALOG else table.notes
    if made_up := int(filled[-count:].sum()):
        last = shown_date(table.dates[np.flatnonzero(filled.any(1))[-1]], table.dates)
        notes = (
            *notes,
            f"in the last {count} rows, which the model reads, {made_up} values are filled in, the last at {last}",
        )
    return Read(frame, filled, (*notes, *_far(frame.to_numpy()[-count:], card)))


def _far(values: np.ndarray, card: Card) -> list[str]:
    """A note for each column that lies nowhere near the rows that the model was trained on, or never moved there and
    does now."""
    mean, std = np.array(card.mean), np.array(card.std)
    # Scaled by 1, and without errors in validation: no column that moved is both.
    constant = np.zeros(len(mean), bool) if card.intervals is None else (std == 1) & ~card.intervals.wide
    with np.errstate(over="ignore"):  # single precision, as in the file: what rounds to the same has not moved
        moved = constant & (values.astype(np.float32) != mean.astype(np.float32)).any(0)
    away = np.where(constant, 0, np.abs(np.median(values, axis=0) - mean) / std)
    return [
        f"column {quoted(card.columns[place])} was always {mean[place]:g} in the rows that the model was trained on, "
        "and is not now: its forecast follows no example, and its intervals have no width"
        for place in np.flatnonzero(moved)
    ] + [
        f"the median of column {quoted(name)} is {deviations:,.1f} standard deviations from the mean of the rows that "
        "the model was trained on: is it in another unit?"
        for name, deviations in zip(card.columns, away, strict=True)
        if deviations > FAR
    ]


def check_output(path: str | os.PathLike, endings: Sequence[str], what: str) -> None:
    """Raise :class:`UserError` for a file of another ending than ``what`` may have, or that could not be written."""
    if not os.fspath(path):
        raise UserError(f"{what}: the name of the file is empty")
    ending = Path(path).suffix
    if ending not in endings:
        raise UserError(f"{named(path)}: {unknown(f'ending of {what}', ending, endings)}")
    if ending == ".parquet":
        need("pyarrow", "what parquet files need")
    need_place(path)


def check_names(columns: Container[str]) -> None:
    """Raise :class:`UserError` where a column of values is called as that of a forecast's dates will be."""
    if "date" in columns:
        raise UserError("a column of values is called 'date', like the column of dates; rename it in the data")


def write_frame(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """As CSV or parquet, by the ending, the dates as the column ``date``. Raises :class:`UserError` as
    :func:`check_names`, and where the file cannot be written."""
    check_names(frame)
    content = io.BytesIO()
    if Path(path).suffix == ".csv":
        frame.to_csv(content)
    else:
        frame.reset_index().to_parquet(content, index=False)
    write_whole(path, content.getvalue())
