"""Datasets by name: loaded, checked, listed."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tsprune.data.catalog import CATALOG, SPLITS, Entry, find_entry
from tsprune.data.catalogued import known_table, synthetic_table
from tsprune.data.files import has_known_ending
from tsprune.data.own import own_table
from tsprune.data.sources import DataUnavailable, find_local, obtain
from tsprune.data.table import Table
from tsprune.errors import UserError, unknown
from tsprune.places import locate
from tsprune.shown import listed, plain, quoted, shown_dates
from tsprune.typed import composed

MISSING = ("error", "interpolate")


@dataclass(frozen=True)
class Check:
    """What ``check_dataset`` found: ``problems`` first, then facts. Iterating gives the lines to print."""

    problems: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the dataset can be used."""
        return not self.problems

    def __iter__(self):
        return iter((*self.problems, *self.facts))


def load_table(
    name: str | os.PathLike[str],
    *,
    raw: bool = False,
    missing: str = "error",
    date_column: str | None = None,
    time_step: str | None = None,
    date_order: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] | None = None,
    fallback_to_synthetic: bool = False,
    scaled: bool = True,
) -> Table:
    """A dataset of the catalogue, or any file with a column of dates and columns of numbers: a path (with a '/', ending
    as files do that can be read, or naming an existing file; see :mod:`tsprune.data.files`).

    ``raw`` leaves values as they were published (Weather's -9999; ENTSO-E's faults and missing values, which
    ``make_splits`` then refuses), and in a file of one's own values that look like "no reading". ``columns`` keeps only
    these, in this order, before anything is checked or cleaned: a gap or text in a column that is not used is no
    matter. Otherwise a column 'OT' is moved last, where the reference has its target (``Dataset_Custom``).

    For a file of one's own: ``missing='interpolate'`` fills absent time stamps, empty cells and values that look like
    "no reading" (gaps of up to six hours, of six steps where a step is longer than an hour; no window touches longer
    ones), 'error' refuses them; more than an eighth is never filled. ``date_column``, ``time_step`` ('15min', 'B',
    'QS-JAN', 'days 1,11,21'), ``date_order`` ('ymd', 'dmy', 'mdy', 'ym', 'my') and ``encoding`` are found unless given.
    The splits are 0.7 / 0.1 / 0.2 of the rows. A file whose content is that of a dataset of the catalogue is that
    dataset, with its splits and its cleaning, and ``catalog_name`` says so.

    ``fallback_to_synthetic`` gives the whole synthetic series, with ``stands_in_for`` set, if a catalogue dataset is
    not available (``columns`` name those of the real one); a file that is there but wrong is still an error.

    ``scaled=False`` is for rows that a trained model forecasts from with its own scale: a column of a user's file may
    then be constant where the train rows would be.

    Raises UserError, with a line for every problem of a file; DataUnavailable if a catalogue dataset is not to be had.
    """
    own = {
        "missing": missing,
        "date_column": composed(date_column),
        "time_step": time_step,
        "date_order": date_order,
        "encoding": encoding,
    }
    _refuse_wrong_kinds(name, raw, columns, own)
    name, columns = os.fspath(name), None if columns is None else list(map(composed, columns))
    if is_path(name):
        return own_table(name, raw, columns, scaled, **own)
    entry = find_entry(name)
    for option, value in own.items():
        if value != ("error" if option == "missing" else None):
            raise UserError(
                f"{option} = '{value}' is only for a CSV of your own; the catalogue says how {name} is read"
            )
    if entry.source is None:
        return synthetic_table(entry, columns)
    try:
        found, content = obtain(entry)
    except DataUnavailable:
        if fallback_to_synthetic:
            return synthetic_table(CATALOG["synthetic"], None, stands_in_for=entry.name)
        raise
    return known_table(entry, entry.name, str(found), content, raw, columns)


def _refuse_wrong_kinds(name: object, raw: object, columns: object, own: dict[str, object]) -> None:
    """Raises UserError for an argument of :func:`load_table` that is of another kind than it can be; ``own``: those for
    a file of one's own, by name."""
    if not isinstance(name, str | os.PathLike):
        hint = "; save a frame first: frame.to_parquet('load.parquet')" if isinstance(name, pd.DataFrame) else ""
        raise UserError(f"a {type(name).__name__} is not a dataset; give a name or a path as text{hint}")
    if isinstance(columns, str):
        raise UserError(f"columns = {quoted(columns)}: expected a list, such as [{quoted(columns)}]")
    if not isinstance(raw, bool):
        raise UserError(f"raw = {quoted(str(raw))}: True or False")
    if other := [f"{option} = {value}" for option, value in own.items() if not isinstance(value, str | None)]:
        raise UserError(f"{', '.join(other)}: expected text, such as time_step='15min'")
    if own["missing"] not in MISSING:
        raise UserError(unknown("way to treat missing values", own["missing"], MISSING))
    if empty := [option for option, value in own.items() if value == ""]:
        raise UserError(f"{', '.join(empty)}: the value is empty; give one, or leave it out")


def check_dataset(
    name: str | os.PathLike[str],
    *,
    raw: bool = False,
    missing: str = "error",
    date_column: str | None = None,
    time_step: str | None = None,
    date_order: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] | None = None,
) -> Check:
    """Load a dataset (options as in ``load_table``) and say what is wrong with it, or else what it is."""
    try:
        table = load_table(
            name,
            raw=raw,
            missing=missing,
            date_column=date_column,
            time_step=time_step,
            date_order=date_order,
            encoding=encoding,
            columns=columns,
        )
    except UserError as error:
        return Check(tuple(str(error).splitlines()), ())
    rows, count = len(table.dates), len(table.columns)
    splits = list(zip(SPLITS, table.split.borders(rows), strict=True))
    label = plain(table.name)
    if empty := [split for split, (begin, end) in splits if begin == end]:
        whole = next(more for more in itertools.count(rows) if all(b < e for b, e in table.split.borders(more)))
        few = (
            f"{label}: too few rows: none of the {rows} is in the {' and the '.join(empty)} split; "
            f"a study needs at least {whole} rows, and more for longer windows"
        )
        return Check((few,), ())
    ends = " to ".join(shown_dates(table.dates, [0, -1]))
    facts = [
        f"{label}: {rows} rows x {count} columns, {ends}, step {table.time_step}",
        f"source: {table.source}" + (", sha256 as in the catalogue" if _has_sum(name, table) else ""),
        f"columns: {listed(list(table.columns))}",
        "rows: " + ", ".join(f"{split} {begin} to {end - 1}" for split, (begin, end) in splits),
    ]
    return Check((), (*facts, *(f"note: {note}" for note in table.notes), "ok"))


def list_datasets() -> pd.DataFrame:
    """A row per dataset of the catalogue: name, rows, columns, frequency, split, licence, found, defects.

    ``found`` says in which place a file of that name lies ('-': none; 'parts': the files it is built from are there;
    'built in'); nothing is read or verified.
    """
    return pd.DataFrame(
        {
            "name": entry.name,
            "rows": entry.rows,
            "columns": entry.columns,
            "frequency": entry.time_step,
            "split": entry.split.text,
            "licence": entry.licence,
            "found": _whereabouts(entry),
            "defects": "; ".join(entry.defects),
        }
        for entry in CATALOG.values()
    )


def _whereabouts(entry: Entry) -> str:
    if entry.source is None:
        return "built in"
    found = find_local(entry.source)
    if found:
        return found.place
    return "parts" if entry.parts and all(find_local(part) for part in entry.parts) else "-"


def is_path(name: str) -> bool:
    """Whether a dataset's name is the path of a file (or of a folder) and not a name of the catalogue."""
    if not name or name in CATALOG:
        return False
    return "/" in name or has_known_ending(name) or os.path.exists(locate(name))


def _has_sum(name: str, table: Table) -> bool:
    source = CATALOG[name].source if name in CATALOG else None
    return source is not None and (bool(source.sha256) or table.catalog_name == name)
