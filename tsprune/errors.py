"""Errors a user can act on: one clear line that says what was wrong, where, and what is allowed."""

import difflib
import re
from collections.abc import Iterable

from tsprune.shown import listed, plain


class _Line:
    """An error whose text is complete: a notebook shows it without a traceback (a hook of IPython's)."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class UserError(_Line, Exception):
    """Bad input. Its text is complete: the command line prints it without a traceback and exits with status 2."""


class Stopped(_Line, KeyboardInterrupt):
    """A run that was interrupted, with what is kept of it."""


def unknown(what: str, name: object, allowed: Iterable[object]) -> str:
    """One line for a name that does not exist: the closest match first, then what is allowed.

    >>> unknown("model", "Autofomer", ["Autoformer", "DLinear"])
    "unknown model 'Autofomer'; did you mean 'Autoformer'? Allowed: Autoformer, DLinear"
    """
    options = [str(a) for a in allowed]
    return f"unknown {what} '{plain(name)}'{meant(name, options) or '.'} Allowed: {', '.join(options) or 'none'}"


def no_column(name: object, columns: Iterable[object]) -> str:
    """One line for a column that a table lacks: whoever asks for it may be a model, so nothing was misspelt by hand."""
    columns = [plain(column) for column in columns]
    return f"there is no column '{plain(name)}'{meant(name, columns) or '.'} The columns are {listed(columns)}"


def meant(name: object, options: Iterable[str]) -> str:
    """``; did you mean 'NAME'?`` with the closest of ``options``; nothing where none is close."""
    close = closest(name, options)
    return f"; did you mean '{close}'?" if close else ""


def closest(name: object, options: Iterable[str]) -> str | None:
    """The one of ``options`` that ``name`` may be a slip of; None where none is close."""
    lowered = {o.lower(): o for o in options}
    begun = [o for o in lowered if name and o.startswith(str(name).lower())]
    close = begun if len(begun) == 1 else []
    if not close and not re.fullmatch(r"[-+.\d]+", str(name)):  # digits say nothing of how near a number is
        # Of three letters one is a third: 'gpu' is no slip of 'cpu'. 'temp' is none of 'item_4', whose ratio is 0.6.
        cutoff = 0.65 if len(str(name)) > 3 else 0.7
        close = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=cutoff)
    return lowered[close[0]] if close else None
