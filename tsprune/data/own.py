"""The table of a user's own file, in one piece or, if it does not fit in memory, some columns at a time."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tsprune.data.catalog import CATALOG, SHARES, Entry
from tsprune.data.catalogued import chosen, known_table, offered
from tsprune.data.checks import check_csv, how_to_choose
from tsprune.data.cleaning import clean
from tsprune.data.files import read_file, stem
from tsprune.data.large import Large, open_large
from tsprune.data.mapped import blocks, empty
from tsprune.data.sources import sums
from tsprune.data.table import Table, row_by_row
from tsprune.data.timesteps import canonical
from tsprune.errors import UserError
from tsprune.places import is_barred, locate, near_file
from tsprune.shown import listed, plain


def own_table(name: str, raw: bool, columns: Sequence[str] | None, scaled: bool, **options: str | None) -> Table:
    """The table of a user's file; UserError with a line per problem."""
    path = locate(name)
    if os.path.isdir(path):
        raise UserError(f"{plain(name)}: that is a folder; name a file in it")
    if is_barred(path):
        raise UserError(f"{plain(name)}: cannot be read: no permission to enter its folder")
    if not os.path.isfile(path):
        raise UserError(f"{plain(name)}: there is no such file{near_file(name)}")
    label = plain(path.name)
    try:
        large = open_large(path, options["date_column"])
        if large is None:
            content = read_file(path)
            known = _recognised(content, options)
            if known:
                note = f"the file is the {known.name} of the catalogue: its splits and its cleaning hold"
                return known_table(known, stem(path.name), f"{label} (own file)", content, raw, columns, note)
            made, notes = _made(content, columns, raw, scaled, options, asked=columns is not None)
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
    *,
    asked: bool,
) -> tuple[dict, list[str]]:
    """The fields of a table that a user's file holds, and what is to be said of them. ``asked``: whether the columns
    are the user's choice."""
    reading = {option: value for option, value in options.items() if option != "missing"}
    fill = options["missing"] == "interpolate"
    choice = {"columns": columns, "asked": asked}
    checked = check_csv(content, gaps_are_filled=fill, codes_are_kept=raw, scaled=scaled, **choice, **reading)
    if checked.problems:
        raise UserError("\n".join(checked.problems))
    frame, notes = (checked.frame.copy(), []) if columns else chosen(checked.frame, None, "the file", SHARES)
    frame.index = checked.dates
    notes = [*checked.notes, *notes]
    absent = len(checked.grid) - len(frame)
    if absent:
        notes.append(f"{absent} missing time stamps are added")
    frame = frame.reindex(checked.grid)
    step = pd.Series(checked.grid).diff().median()
    cleaned = clean(frame, (), step)
    made = {
        "values": row_by_row(cleaned.frame),
        "columns": tuple(frame.columns),
        "dates": checked.grid,
        "time_step": checked.time_step,
        "blocked": cleaned.blocked,
        "counts": cleaned.counts,
        "filled": cleaned.filled,
        "offered": offered(frame, checked.offered) if asked else None,
    }
    return made, [*notes, *cleaned.notes]


def _made_by_groups(
    large: Large, columns: Sequence[str] | None, raw: bool, scaled: bool, options: dict[str, str | None]
) -> tuple[dict, list[str]]:
    """As :func:`_made`, of a file that does not fit in memory: columns are looked over and cleaned some at a time, and
    lie in a file of the cache."""
    frame, notes = chosen(pd.DataFrame(columns=list(large.names)), columns, "the file", SHARES)
    notes.append("its values are kept in a file while in use, as they do not fit in memory")
    names, found, problems, made, counts = list(frame), [], [], {}, Counter()
    values = filled = None
    blocked = False
    for content, group in large.groups(names):
        try:
            how = options | {"date_column": large.date}
            made, told = _made(content, group, raw, scaled, how, asked=columns is not None)
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
        problems.append(f"it counts its rows in {left}, which is not a series; remove it{how_to_choose(found)}")
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    if "blocked rows" in counts:
        counts["blocked rows"] = int(blocked.sum())
    made |= {"values": values, "columns": tuple(found), "blocked": blocked, "counts": dict(counts), "filled": filled}
    made["offered"] = offered(frame, len(large.names))
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
