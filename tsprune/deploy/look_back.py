"""The last rows of a frame as a model reads them, and one clear line for every reason why it cannot."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsprune.data.timesteps import canonical, count_steps, detect_step, following, grid
from tsprune.deploy.card import Card
from tsprune.errors import UserError, unknown
from tsprune.shown import listed, more, plain, quoted, shown_date, shown_dates
from tsprune.typed import composed


class Rows(NamedTuple):
    """``numbers`` (rows, columns) float64 in the data's own units, ``dates`` (rows,), the last one the latest."""

    numbers: np.ndarray
    dates: pd.DatetimeIndex


def last_rows(frame: pd.DataFrame, card: Card, count: int, what: str) -> Rows:
    """The last ``count`` rows of ``frame``, whose index has the dates and whose columns are those of the model.

    Raises :class:`UserError` for other columns or another order of them, for dates that are missing, not in order or
    not a time step apart, for values that are missing, infinite or not numbers, and for too few rows; ``what`` says
    what they are needed for.
    """
    if not isinstance(frame, pd.DataFrame):
        raise UserError(f"a {type(frame).__name__} is not a frame; give a pandas.DataFrame with dates as its index")
    # First: where dates are a column, that is what to say, not that it is one too many.
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise UserError(f"the index holds {_held(frame.index)}, not dates; {_to_dates(frame, card.columns)}")
    dates = _dates(frame.index)
    _check_columns(list(map(composed, frame.columns)), card.columns)
    if len(frame) < count:
        fit = (len(frame) - card.seq_len) // card.pred_len
        rest = f"; {fit} would fit" if fit > 0 else ""
        looks = f"{card.model} looks back {card.seq_len} time steps"
        raise UserError(f"{len(frame)} rows; {what} needs {count} ({looks}){rest}")
    dates = dates[-count:]
    _check_steps(dates, card.time_step)
    return Rows(_values(frame.iloc[-count:], dates), dates)


def _check_columns(found: list, wanted: tuple[str, ...]) -> None:
    if found == list(wanted):
        return
    for name in wanted:
        if name not in found:
            raise UserError(f"the model reads column {quoted(name)}: {unknown('column', name, found)}")
    if others := [name for name in found if name not in wanted]:
        raise UserError(
            f"the model does not read column {quoted(others[0])}{more(len(others) - 1)}; "
            f"it reads {listed(list(wanted))}"
        )
    if len(found) > len(wanted):
        raise UserError(f"a column appears twice; the model reads {listed(list(wanted))}")
    raise UserError(f"the columns are in another order; the model reads {listed(list(wanted))}")


def _held(index: pd.Index) -> str:
    return "several levels" if isinstance(index, pd.MultiIndex) else str(index.dtype)


def _to_dates(frame: pd.DataFrame, wanted: tuple[str, ...]) -> str:
    """How a frame gets dates as its index: from a column that the model does not read, or from what the index holds."""
    index, how = frame.index, None
    column = next((name for name in frame if name not in wanted and _are_dates(frame[[name]].iloc[:, 0])), None)
    if column is not None:
        how = f"frame.set_index(pd.to_datetime(frame.pop({column!r})))"
    elif isinstance(index, pd.PeriodIndex):
        how = "frame.to_timestamp()"
    elif isinstance(index.dtype, pd.ArrowDtype):  # to_datetime leaves what is a time there already
        how = "frame.set_index(pd.DatetimeIndex(frame.index))"
    elif not isinstance(index, pd.MultiIndex) and _are_dates(index):
        how = "frame.set_index(pd.to_datetime(frame.index))"
    return f"make dates of it: {plain(how, 200)}" if how else "give the date of each row there, as a DatetimeIndex"


def _are_dates(cells: pd.Series | pd.Index) -> bool:
    """Whether cells are dates, or texts that pandas reads as such: their first one tells."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return True
    if not len(cells) or cells.dtype.kind in "biufcm":
        return False
    first = [str(pd.Series(cells).iloc[0])]
    number = pd.to_numeric(first, errors="coerce")[0]
    date = pd.to_datetime(first, format="mixed", errors="coerce", utc=True)[0]
    return pd.isna(number) and pd.notna(date)


def _dates(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if index.tz is not None:
        raise UserError(
            f"the dates have the zone {index.tz}, and the model's data had none; if its file had offsets, use UTC: "
            "index.tz_convert(None); else in local time: index.tz_localize(None)"
        )
    if index.hasnans:
        raise UserError(f"row {int(np.argmax(index.isna()))}: no date")
    if len(index) and not index.is_monotonic_increasing:
        row = int(np.argmax(index[1:] < index[:-1])) + 1
        late, above = shown_dates(index, [row, row - 1])
        raise UserError(f"row {row}: {late} comes after {above}; sort the rows by time")
    if not index.is_unique:
        row = int(np.argmax(index.duplicated()))
        raise UserError(f"row {row}: {shown_date(index[row], index)} appears twice")
    return index


def _check_steps(dates: pd.DatetimeIndex, step: str) -> None:
    # Counted before they are made: seconds of a century are 10^9.
    if count_steps(dates[0], dates[-1], step) <= 2 * len(dates) + 4 and dates.equals(grid(dates[0], dates[-1], step)):
        return
    step = canonical(step)
    if len(dates) > 2 and (found := detect_step(dates)) != step:
        raise UserError(f"the last {len(dates)} rows have a step of {found}; the model reads a row every {step}")
    every = f"the model reads a row every {step}"
    for row, (date, after) in enumerate(pairwise(dates)):
        due = following(date, step, 1)[0]
        if due == after:
            continue
        (first, second), expected = shown_dates(dates, [row, row + 1]), shown_date(due, dates)
        if due < after:
            raise UserError(f"the row of {expected} is missing between {first} and {second}; {every}")
        raise UserError(f"a row of {second} follows {first}; {every}, the next at {expected}")
    first, due = shown_date(dates[0], dates), shown_date(following(dates[0], step, 1)[0], dates)
    raise UserError(f"a row of {first}; {every}, the next at {due}")


def _values(frame: pd.DataFrame, dates: pd.DatetimeIndex) -> np.ndarray:
    for name, column in frame.items():
        kinds = pd.api.types
        if not kinds.is_numeric_dtype(column) or kinds.is_bool_dtype(column) or kinds.is_complex_dtype(column):
            times = kinds.is_datetime64_any_dtype(column) or kinds.is_timedelta64_dtype(column)
            how = "the model reads numbers" if times else "convert it with frame.astype(float)"
            raise UserError(f"column {quoted(name)} holds {column.dtype}, not numbers; {how}")
    values = frame.to_numpy(np.float64, na_value=np.nan)
    if not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))
        row, column = bad[0]
        what = "no value" if np.isnan(values[row, column]) else "an infinite value"
        where = f"{shown_date(dates[row], dates)}, column {quoted(frame.columns[column])}"
        raise UserError(f"{where}: {what}{more(len(bad) - 1)}")
    return values
