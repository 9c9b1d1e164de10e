"""Tables: values and dates of one dataset, checked and cleaned, with notes on what was changed."""

import hashlib
import io
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from tsprune.data.catalog import CATALOG, SHARES, SPLITS, Entry, SplitRule, find_entry
from tsprune.data.checks import Checked, check_csv
from tsprune.data.cleaning import Cleaned, clean
from tsprune.data.files import has_known_ending, read_file, stem
from tsprune.data.large import Large, open_large
from tsprune.data.mapped import blocks, empty
from tsprune.data.scale import scale_problems
from tsprune.data.sources import DataUnavailable, find_local, obtain, sums, with_line_feeds
from tsprune.data.synthetic import synthetic_frame
from tsprune.data.timesteps import canonical, season_of
from tsprune.errors import UserError, unknown
from tsprune.places import locate
from tsprune.shown import listed, plain, quoted
from tsprune.typed import digest

MISSING = ("error", "interpolate")
# Fingerprint of a whole table -> its dataset; what a checksum vouches for is added as it is loaded.
_KNOWN = {fingerprint: entry.name for entry in CATALOG.values() for fingerprint in entry.fingerprints}


@dataclass(frozen=True, eq=False)
class Table:
    """One dataset, ready for windows: rows in order of time and, unless it was loaded raw, no value missing."""

    name: str
    values: np.ndarray  # (rows, columns) float64, in the data's own units
    columns: tuple[str, ...]
    dates: pd.DatetimeIndex  # (rows,)
    time_step: str  # as pandas writes it: '1h', '15min', '7D'; or 'days 1,11,21' of each month
    split: SplitRule
    blocked: np.ndarray  # (rows,) bool: inside a filled gap that no window may touch; (rows, columns) where pooled
    source: str  # for people, without an absolute path
    notes: tuple[str, ...] = ()  # what was changed and what is known to be wrong, one line each
    counts: dict[str, int] = field(default_factory=dict)  # how many values each cleaning step touched
    pooled: bool = False  # each column is a series of its own: a window is of one column
    stands_in_for: str | None = None  # the dataset that could not be had, if these are made-up numbers in its place
    filled: np.ndarray | None = None  # (rows, columns) bool: values made up to fill a gap; None where there are none
    fingerprint: str = field(init=False)  # sha256 of what a result depends on: values, dates, split

    def __post_init__(self):
        told = [list(self.columns), self.time_step, self.split.ends, *(["pooled"] if self.pooled else [])]
        content = hashlib.sha256(digest(told).encode())
        for array in (self.values, self.dates.to_numpy("datetime64[ns]"), self.blocked):
            content.update(repr(array.shape).encode())
            for rows in blocks(array):
                content.update(np.ascontiguousarray(array[rows]).view(np.uint8).data)
        object.__setattr__(self, "fingerprint", content.hexdigest())

    @property
    def series(self) -> int:
        """How many series windows are cut from: one of all columns, or each column."""
        return len(self.columns) if self.pooled else 1

    @property
    def width(self) -> int:
        """Columns of a window."""
        return len(self.columns) // self.series

    @property
    def season(self) -> int:
        """Time steps after which the series may be expected to repeat: a day; of daily values a week, of slower ones a
        year; 1 where none of these fits."""
        return season_of(self.time_step)

    @cached_property
    def unscaled(self) -> tuple[str, ...]:
        """Columns whose scale the train rows do not tell (:func:`scale_problems`): a line each. Of rows in a split."""
        borders = self.split.borders(len(self.values))
        return tuple(scale_problems(self.values[: borders[-1][1]], self.columns, borders[0][1])[0])

    @property
    def catalog_name(self) -> str | None:
        """The dataset of the catalogue whose content this is, whole, raw or cleaned; None where it is another's.

        Told by the fingerprint: a file of one's own called ETTh1.csv is not ETTh1, and a copy of ETTh1 under another
        name is. Chosen columns are not the dataset, nor is a file that no checksum vouches for.
        """
        return _KNOWN.get(self.fingerprint)


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
    these, in this order, before anything is checked or cleaned: a gap in a column that is not used blocks no window.
    Otherwise a column 'OT' is moved last, where the reference has its target (``Dataset_Custom``).

    For a file of one's own: ``missing='interpolate'`` fills absent time stamps, empty cells and values that look like
    "no reading" (gaps of up to six hours, of six steps where a step is longer than an hour; no window touches longer
    ones), 'error' refuses them; more than an eighth is never filled. ``date_column``, ``time_step`` ('15min', 'B',
    'QS-JAN', 'days 1,11,21'), ``date_order`` ('ymd', 'dmy', 'mdy', 'ym', 'my') and ``encoding`` are found unless given.
    The splits are 0.7 / 0.1 / 0.2 of the rows. A file whose content is that of a dataset of the catalogue is that
    dataset, with its splits and its cleaning, and ``catalog_name`` says so.

    ``fallback_to_synthetic`` gives the whole synthetic series, with ``stands_in_for`` set, where a catalogue dataset is
    not to be had (``columns`` name those of the real one); a file that is there but wrong is still an error.

    ``scaled=False`` is for rows that a trained model forecasts from, which brings the scale of its own along: a column
    of one's own file may then be constant where the train rows would be.

    Raises UserError, with a line for every problem of a file; DataUnavailable if a catalogue dataset is not to be had.
    """
    own = {
        "missing": missing,
        "date_column": date_column,
        "time_step": time_step,
        "date_order": date_order,
        "encoding": encoding,
    }
    if not isinstance(name, str | os.PathLike):
        hint = "; save a frame first: frame.to_parquet('load.parquet')" if isinstance(name, pd.DataFrame) else ""
        raise UserError(f"a {type(name).__name__} names no dataset; give a name or a path as text{hint}")
    name = os.fspath(name)
    if isinstance(columns, str):
        raise UserError(f"columns = {quoted(columns)}: a list is needed, as [{quoted(columns)}]")
    if not isinstance(raw, bool):
        raise UserError(f"raw = {quoted(str(raw))}: True or False")
    if other := [f"{option} = {value}" for option, value in own.items() if not isinstance(value, str | None)]:
        raise UserError(f"{', '.join(other)}: text is needed, as time_step='15min'")
    if missing not in MISSING:
        raise UserError(unknown("way to treat missing values", missing, MISSING))
    if empty := [option for option, value in own.items() if value == ""]:
        raise UserError(f"{', '.join(empty)}: an empty value says nothing; name one, or leave it away")
    if is_path(name):
        return _own(name, raw, columns, scaled, **own)
    entry = find_entry(name)
    for option, value in own.items():
        if value != ("error" if option == "missing" else None):
            raise UserError(f"{option} = '{value}' is for a CSV of your own; the catalogue says how {name} is treated")
    if entry.source is None:
        return _synthetic(entry, columns)
    try:
        found, content = obtain(entry)
    except DataUnavailable:
        if fallback_to_synthetic:
            return _synthetic(CATALOG["synthetic"], None, stands_in_for=entry.name)
        raise
    return _known(entry, entry.name, str(found), content, raw, columns)


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
        return Check(
            (
                f"{label}: too few rows: none of the {rows} is in the {' and the '.join(empty)} split; "
                f"a study takes {whole} rows at the very least, and more the longer its windows are",
            ),
            (),
        )
    facts = [
        f"{label}: {rows} rows x {count} columns, {table.dates[0]} to {table.dates[-1]}, step {table.time_step}",
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
    """Whether a dataset's name is that of a file, or of a folder in its place, and not one of the catalogue."""
    if not name or name in CATALOG:
        return False
    return "/" in name or has_known_ending(name) or os.path.exists(locate(name))


def _has_sum(name: str, table: Table) -> bool:
    source = CATALOG[name].source if name in CATALOG else None
    return source is not None and (bool(source.sha256) or table.catalog_name == name)


def _known(
    entry: Entry, name: str, source: str, content: bytes, raw: bool, columns: Sequence[str] | None, note: str = ""
) -> Table:
    """A table of the catalogue; where no checksum vouches for the file its shape and its cells are checked instead.

    ``content``: the bytes as they came."""
    vouched = bool(entry.source.sha256) or entry.source.published in sums(content)
    content = with_line_feeds(content)
    if entry.source.sha256:
        frame = pd.read_csv(io.BytesIO(content))
        dates = pd.DatetimeIndex(pd.to_datetime(frame.pop("date")))
    else:
        # Its values are those of the file, whatever they look like: that it has the right shape must do.
        checked = check_csv(content, date_column="date", time_step=entry.time_step, codes_are_kept=True)
        checked = _without_problems(checked, source)
        frame, dates = checked.frame, checked.dates
    frame = frame.drop(columns=[name for name in entry.without if name in frame])
    if frame.shape != (entry.rows, entry.columns):
        raise UserError(
            f"{source} is not the {entry.name} of the catalogue: it has {frame.shape[0]} rows x {frame.shape[1]} "
            f"columns, expected {entry.rows} x {entry.columns}; to use a CSV of your own, give its path instead"
        )
    if not vouched:
        note = note or "no checksum vouches for this file: published numbers may be of another one"
    frame, notes = _chosen(frame, columns, entry.name, entry.split)
    blocked = np.zeros(frame.shape if entry.pooled else len(frame), dtype=bool)
    cleaned = Cleaned(frame, blocked, ("raw: as published, nothing is cleaned",), {})
    if not raw:
        cleaned = clean(frame, entry.rules, pd.Timedelta(entry.time_step), entry.pooled)
    table = Table(
        name=name,
        values=_array(cleaned.frame),
        columns=tuple(frame.columns),
        dates=dates,
        time_step=entry.time_step,
        split=entry.split,
        blocked=cleaned.blocked,
        source=source,
        notes=(*([note] if note else ()), *notes, *cleaned.notes, *entry.defects),
        counts=cleaned.counts,
        pooled=entry.pooled,
        filled=cleaned.filled,
    )
    if vouched and columns is None:
        _KNOWN[table.fingerprint] = entry.name
    return table


def _own(name: str, raw: bool, columns: Sequence[str] | None, scaled: bool, **options: str | None) -> Table:
    """The table of a user's file; UserError with a line per problem."""
    path = locate(name)
    if os.path.isdir(path):
        raise UserError(f"{plain(name)}: that is a folder; name a file in it")
    if not os.path.isfile(path):
        raise UserError(f"{plain(name)}: there is no such file")
    label = plain(path.name)
    try:
        large = open_large(path, options["date_column"])
        if large is None:
            content = read_file(path)
            known = _recognised(content, options)
            if known:
                note = f"the file is the {known.name} of the catalogue: its splits and its cleaning hold"
                return _known(known, stem(path.name), f"{label} (own file)", content, raw, columns, note)
            made, notes = _made(content, columns, raw, scaled, options)
        else:
            made, notes = _made_by_groups(large, columns, raw, scaled, options)
    except UserError as error:
        raise UserError("\n".join(f"{label}: {line}" for line in str(error).splitlines())) from None
    return _with_known_split(
        Table(name=stem(path.name), split=SHARES, source=f"{label} (own file)", notes=tuple(notes), **made)
    )


def _made(
    content: bytes | pd.DataFrame,
    columns: Sequence[str] | None,
    raw: bool,
    scaled: bool,
    options: dict[str, str | None],
) -> tuple[dict, list[str]]:
    """The fields of a table that a user's file holds, and what is to be said of them."""
    reading = {option: value for option, value in options.items() if option != "missing"}
    fill = options["missing"] == "interpolate"
    checked = check_csv(content, gaps_are_filled=fill, codes_are_kept=raw, columns=columns, scaled=scaled, **reading)
    if checked.problems:
        raise UserError("\n".join(checked.problems))
    frame, notes = (checked.frame.copy(), []) if columns else _chosen(checked.frame, None, "the file", SHARES)
    frame.index = checked.dates
    notes = [*checked.notes, *notes]
    absent = len(checked.grid) - len(frame)
    if absent:
        notes.append(f"{absent} time stamps were absent and are added")
    frame = frame.reindex(checked.grid)
    step = pd.Series(checked.grid).diff().median()
    cleaned = clean(frame, (), step)
    made = {
        "values": _array(cleaned.frame),
        "columns": tuple(frame.columns),
        "dates": checked.grid,
        "time_step": checked.time_step,
        "blocked": cleaned.blocked,
        "counts": cleaned.counts,
        "filled": cleaned.filled,
    }
    return made, [*notes, *cleaned.notes]


def _made_by_groups(
    large: Large, columns: Sequence[str] | None, raw: bool, scaled: bool, options: dict[str, str | None]
) -> tuple[dict, list[str]]:
    """As :func:`_made`, of a file that does not fit in memory: columns are looked over and cleaned some at a time, and
    lie in a file of the cache."""
    frame, notes = _chosen(pd.DataFrame(columns=list(large.names)), columns, "the file", SHARES)
    notes.append("its values lie in a file while they are used: memory would not hold them")
    names, found, problems, made, counts = list(frame), [], [], {}, Counter()
    values = filled = None
    blocked = False
    for content, group in large.groups(names):
        try:
            made, told = _made(content, group, raw, scaled, options | {"date_column": large.date})
        except UserError as error:
            problems += str(error).splitlines()
            continue
        if values is None:
            values = empty((len(made["dates"]), len(names)), np.float64)
        places = slice(len(found), len(found) + len(made["columns"]))
        for rows in blocks(values):
            values[rows, places] = made["values"][rows]
        if made["filled"] is not None:
            if filled is None:
                filled = empty(values.shape, bool)
                filled[:] = False
            filled[:, places] = made["filled"]
        found += made["columns"]
        counts.update(made["counts"])
        blocked = blocked | made["blocked"]
        notes += told
    if not problems and len(found) < len(names):
        left = listed([name for name in names if name not in found])
        problems.append(f"it counts its rows in {left}, which is no series; take it away")
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    if "blocked rows" in counts:
        counts["blocked rows"] = int(blocked.sum())
    made |= {"values": values, "columns": tuple(found), "blocked": blocked, "counts": dict(counts), "filled": filled}
    return made, list(dict.fromkeys(notes))


def _recognised(content: bytes | pd.DataFrame, options: dict[str, str | None]) -> Entry | None:
    """The dataset of the catalogue whose very file this is; None also where an option asks to read it otherwise."""
    if not isinstance(content, bytes):
        return None
    found = set(sums(content))
    sources = ((entry, entry.source) for entry in CATALOG.values() if entry.source)
    entry = next((entry for entry, source in sources if {source.sha256, source.published} & found), None)
    if entry is None:
        return None
    if options["time_step"] and canonical(options["time_step"]) != entry.time_step:
        return None
    usual = {"date_column": "date", "date_order": "ymd", "encoding": "utf-8"}
    return entry if all(options[option] in (None, value) for option, value in usual.items()) else None


def _with_known_split(table: Table) -> Table:
    """The table itself, or with the splits of the catalogue's dataset whose content it then is."""
    for entry in CATALOG.values():
        if (len(table.dates), len(table.columns)) == (entry.rows, entry.columns) and table.time_step == entry.time_step:
            note = f"the content is that of {entry.name} in the catalogue: its splits hold"
            candidate = replace(table, split=entry.split, notes=(note, *table.notes))
            if candidate.catalog_name == entry.name:
                return candidate
    return table


def _array(frame: pd.DataFrame) -> np.ndarray:
    """The values row by row in memory, as windows read them: float64, shape (rows, columns)."""
    return np.ascontiguousarray(frame.to_numpy(np.float64))


def _without_problems(checked: Checked, source: str) -> Checked:
    if checked.problems:
        raise UserError("\n".join(f"{source}: {problem}" for problem in checked.problems))
    return checked


def _chosen(
    frame: pd.DataFrame, columns: Sequence[str] | None, name: str, split: SplitRule
) -> tuple[pd.DataFrame, list[str]]:
    """The columns asked for; without a choice all of them, the target 'OT' last where the split is by shares."""
    if columns is not None:
        for column in columns:
            if column not in frame:
                raise UserError(unknown(f"column of {name}", column, frame.columns))
        if not columns or len(set(columns)) < len(columns):
            raise UserError(f"columns = {list(columns)}: name at least one column, and each once")
        return frame[list(columns)].copy(), [f"{len(columns)} of {frame.shape[1]} columns are used"]
    if split == SHARES and "OT" in frame and frame.columns[-1] != "OT":
        return frame[[column for column in frame if column != "OT"] + ["OT"]], ["column 'OT' is moved last"]
    return frame.copy(), []


def _synthetic(entry: Entry, columns: Sequence[str] | None, stands_in_for: str | None = None) -> Table:
    values, dates, names = synthetic_frame(entry.rows)
    frame, notes = _chosen(pd.DataFrame(values, columns=list(names)), columns, entry.name, entry.split)
    return Table(
        name=entry.name,
        values=_array(frame),
        columns=tuple(frame.columns),
        dates=dates,
        time_step=entry.time_step,
        split=entry.split,
        blocked=np.zeros(len(values), dtype=bool),
        source="tsprune itself: made-up numbers",
        notes=(*notes, *entry.defects),
        stands_in_for=stands_in_for,
    )
