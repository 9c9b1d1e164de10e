"""Options that several commands have, and the store that one of them names."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from tsprune.errors import UserError

if TYPE_CHECKING:
    from tsprune.engine.store import Store


def at_home(path: str | None) -> str | None:
    """A callback of options that name a file or folder: shells leave the ``~`` of ``--output=~/x`` to the program, and
    who wants to be rid of a folder of that name may lose all of the other."""
    return None if path is None else os.path.expanduser(path)


StoreFolder = Annotated[str, typer.Option("--store", help="Folder of results.", callback=at_home)]
Missing = Annotated[str, typer.Option(help="error: refuse gaps; interpolate: fill them by stated rules.")]
DateColumn = Annotated[str | None, typer.Option(help="Column of dates, if it cannot be detected.")]
TimeStep = Annotated[str | None, typer.Option(help="Time between rows, such as 15min, B, MS.")]
DateOrder = Annotated[
    str | None, typer.Option(help="Order of dates, if several fit: ymd, dmy, mdy, ym, my; excel: Excel's day numbers.")
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of a file that is not UTF-8, such as latin-1.")]
ColumnNames = Annotated[
    str | None, typer.Option("--columns", help="Columns to take, such as load,temp; otherwise all.", metavar="NAMES")
]


def existing_store(folder: str) -> "Store":
    """The store in ``folder``, where the command is typed or else in the project. Raises UserError where none is."""
    from tsprune.engine.store import Store
    from tsprune.places import locate, need_name, of_home

    need_name(folder, "--store")
    place = locate(folder)
    if not os.path.isdir(place):
        places = dict.fromkeys((os.path.join(os.getcwd(), of_home(folder)), str(place)))
        raise UserError(f"there is no store at {' or '.join(places)}; choose another folder with --store")
    if not os.access(place, os.R_OK | os.X_OK):  # what cannot be listed looks empty
        raise UserError(f"{place} cannot be read: no permission; choose another folder with --store")
    return Store(place)
