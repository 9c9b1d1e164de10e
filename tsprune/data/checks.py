"""Checks of a user's own CSV: every problem found at once, one line each, naming the line of the file and the
column."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tsprune.data.catalog import SHARES
from tsprune.data.cells import counts_rows, read_cells
from tsprune.data.codes import find_codes
from tsprune.data.date_column import dates_again, dates_of, far_years, year_problems
from tsprune.data.order import MADE_UP, Ordered, check_order
from tsprune.data.parsing import Parsed, parse_csv, parse_frame
from tsprune.data.scale import scale_problems
from tsprune.data.side_by_side import parts_of_a_step
from tsprune.errors import UserError, no_column
from tsprune.shown import more, quoted

KEEPS_CODES = "raw: true keeps it"
"""What helps where a value only looks like "no reading", as a study's parameter and load_table's are called; a command
that has another way says that instead."""
_EXAMPLE = 5
"""Columns at most that are named to show how columns are chosen."""


@dataclass(frozen=True)
class Checked:
    """What a CSV holds and what is wrong with it. ``frame`` has the value columns as float64 in the file's order.

    ``dates`` (rows,) may hold NaT where ``problems`` says so. ``grid``: every time stamp that should be there.
    ``offered``: how many columns of values the file has. ``problems`` make the file unusable, ``notes`` do not.
    """

    frame: pd.DataFrame
    dates: pd.DatetimeIndex
    time_step: str
    grid: pd.DatetimeIndex
    offered: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_csv(
    content: bytes | pd.DataFrame,
    *,
    date_column: str | None = None,
    time_step: str | None = None,
    gaps_are_filled: bool = False,
    codes_are_kept: bool = False,
    encoding: str | None = None,
    date_order: str | None = None,
    columns: Sequence[str] | None = None,
    asked: bool = True,
    scaled: bool = True,
) -> Checked:
    """Read a CSV (or the table of a binary file) with one column of dates, and look for everything that is wrong.

    The date column is the one given, else found (:func:`find_date_column`). How its dates are read, and which step they
    have, is chosen so that the series is even (:func:`choose_reading`, :func:`detect_step`), unless ``date_order`` and
    ``time_step`` say so. ``columns``: the value columns to look at, all unless given; not ``asked``: not the user's
    choice. With ``gaps_are_filled`` absent times and empty cells are no problem up to the share MADE_UP, and values
    that look like "no reading" (:func:`find_codes`) become empty cells; without, they are a problem unless
    ``codes_are_kept``. Not ``scaled``: no scale is learnt from these rows, so a column that gives none is fine.

    Raises UserError, with one line, if nothing can be checked: no table, no dates, no such column, no such step.
    """
    if isinstance(content, bytes):
        parsed = parse_csv(content, encoding=encoding, date_column=date_column)
    else:
        parsed = parse_frame(content, date_column=date_column)
    offered, asked = parsed.frame.shape[1] - 1, asked and columns is not None
    parsed = _only(parsed, columns)
    reading, problems, backward = dates_of(parsed, date_order, time_step)
    cells = read_cells(parsed, gaps_are_filled, asked)  # in the order of the file: numbers of rows go up in it
    if backward:
        notes = (*parsed.notes, "the newest row stands first: rows are read from the last to the first")
        parsed = replace(parsed, frame=parsed.frame[::-1], lines=parsed.lines[::-1], notes=notes)
        cells = replace(cells, frame=cells.frame[::-1])
    order = check_order(reading.dates, parsed.lines, parsed.place, time_step, gaps_are_filled)
    years = year_problems(parsed, reading, date_order)
    again = dates_again(cells.frame, parsed, reading)
    keeping = f"; {KEEPS_CODES}" if scaled else ""  # a model that is there already reads no such value
    frame, coded, taken = _codes(cells.frame, parsed, gaps_are_filled, codes_are_kept, keeping)
    empty = _made_up(frame, order) if gaps_are_filled else {}
    train = SHARES.borders(len(order.grid))[0][1] if len(order.grid) > 2 else 0
    # Train rows are counted on the whole grid, where absent rows have been added.
    gapped = order.absent and not (problems or order.problems)
    whole = frame.set_axis(reading.dates).reindex(order.grid) if gapped else frame
    unscaled, scales = scale_problems(whole.to_numpy(np.float64), list(whole), train) if scaled else ([], [])
    found = [*problems, *cells.problems, *(years or order.problems)]
    found += [*again.values(), *coded, *empty.values(), *unscaled]
    fit = [name for name in cells.frame if name not in {*cells.unfit, *again, *empty}]
    series = [name for name in fit if not counts_rows(cells.frame[name])]
    choose = "" if asked else how_to_choose(series or fit)
    unfit = {*cells.unfit.values(), *again.values(), *empty.values()}
    return Checked(
        frame,
        reading.dates,
        order.step,
        order.grid,
        offered,
        tuple(problem + choose if problem in unfit else problem for problem in found),
        tuple(
            [
                *parsed.notes,
                *reading.notes,
                *far_years(reading.dates),
                *order.notes,
                *parts_of_a_step(frame, order),
                *cells.notes,
                *taken,
                *scales,
            ]
        ),
    )


def how_to_choose(names: Sequence[str]) -> str:
    """What follows a problem of a whole column, where there are others to take instead: written as ``-p`` of a study,
    :func:`load_table` and, with blanks around the sign, a notebook take it."""
    return f", or name the columns to take, such as columns={list(names[:_EXAMPLE])}" if names else ""


def need_columns(columns: Sequence[str], there: Collection[str], name: str = "") -> None:
    """Raise UserError for a column that is not ``there`` (in the dataset ``name``), for none, and for one named
    twice."""
    for column in columns:
        if column not in there:
            raise UserError(f"{name}{': ' if name else ''}{no_column(column, there)}")
    if not columns or len(set(columns)) < len(columns):
        raise UserError(f"columns = {list(columns)}: name at least one column, and each once")


def _only(parsed: Parsed, columns: Sequence[str] | None) -> Parsed:
    """The dates and the columns asked for; UserError names one that is not there."""
    if columns is None:
        return parsed
    if parsed.date in columns:
        raise UserError(f"column {quoted(parsed.date)} holds the dates: it cannot be one of the columns of values, too")
    others = [name for name in parsed.frame if name != parsed.date]
    need_columns(columns, others)
    notes = [f"{len(columns)} of {len(others)} columns are used"] if len(columns) < len(others) else []
    return replace(parsed, frame=parsed.frame[[parsed.date, *columns]], notes=(*parsed.notes, *notes))


def _codes(
    frame: pd.DataFrame, parsed: Parsed, gaps_are_filled: bool, codes_are_kept: bool, keeping: str
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The frame without values that look like "no reading", or with them where they are kept; problems, which end
    in ``keeping``; notes."""
    if codes_are_kept:
        return frame, [], []
    problems, notes, emptied = [], [], frame.copy(deep=False)
    for name, codes in find_codes(frame).items():
        values = frame[name].copy()
        for code, rows in codes.items():
            values.iloc[rows] = np.nan
            if gaps_are_filled:
                notes.append(f"column {quoted(name)}: {len(rows)} readings of {code:.10g} are taken as missing")
                continue
            problems.append(
                f"{parsed.place} {parsed.lines[rows[0]]}, column {quoted(name)}: {code:.10g}{more(len(rows) - 1)} "
                f"looks like 'no reading'; missing: interpolate takes it as missing and fills it in{keeping}"
            )
        emptied[name] = values
    return emptied, problems, notes


def _made_up(frame: pd.DataFrame, order: Ordered) -> dict[str, str]:
    """A problem for each column, by its name, of which more would be filled in than MADE_UP."""
    whole = len(frame) + order.absent
    empty = (frame.isna().sum() + order.absent) / whole
    if order.absent > MADE_UP * whole:
        return {}  # said of the times already
    return {
        name: f"column {quoted(name)}: {share:.0%} of its values would be filled in, at most {MADE_UP:.1%} may be; "
        "remove it, or cut the file where it has none"
        for name, share in empty[empty > MADE_UP].items()
        if frame[name].notna().any()
    }
