"""What a page shows where a study has no rows: a line in place of a figure, a table or a sentence."""

import re
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature
from types import ModuleType, SimpleNamespace
from typing import Any, get_origin

import pandas as pd

from tsprune.report.failures import cause
from tsprune.report.frames import NoRows
from tsprune.report.status import failed, not_run
from tsprune.report.text import literal, some_of


class Line(str):
    """Markdown that a notebook shows as such, and that words may be made of."""

    def _repr_markdown_(self) -> str:
        return str(self)


def where_rows(*modules: ModuleType) -> tuple[SimpleNamespace, ...]:
    """The functions of each module, unchanged but for one thing: where one would raise :class:`NoRows`, it returns a
    line that says what is missing (in a list if the function returns one) and, where every cell has failed, why, so
    that the page goes on."""
    cells = _Cells()
    return tuple(SimpleNamespace(**_public(module, cells)) for module in modules)


class _Cells:
    """The cells that any of the functions was given last: a table of differences does not say how its cells ended."""

    def __init__(self):
        self.last = pd.DataFrame(columns=["status", "reason"])

    def note(self, given: Iterable[Any]) -> None:
        tables = (table for table in given if isinstance(table, pd.DataFrame) and {"seed", *self.last} <= {*table})
        self.last = next(tables, self.last)

    def line(self, missing: str) -> str:
        """What is missing for a reader, to whom the names of tables say nothing."""
        what = re.sub(r"^table '[^']*'(: | has no rows$)", "", missing)
        states, lost = self.last["status"], failed(self.last["status"])
        yet = " yet" if not_run(states) else ""
        text = f"Nothing to show{yet}: {what}." if what else f"Nothing to show{yet}."
        if yet or not lost or (states == "ok").any():
            return text
        reasons = self.last.loc[states != "ok", "reason"].dropna().astype(str)
        own = [reason for reason in reasons if not reason.startswith("needs ")]  # what it is for all that needs it
        why = f", the first because: {literal(cause((own or [*reasons])[0]))}" if len(reasons) else ""
        return (
            f"{text} {some_of(lost, len(states), 'cell')} failed{why}. The table of what did not finish has them all."
        )


def _public(module: ModuleType, cells: _Cells) -> dict[str, Any]:
    shown = {name: value for name, value in vars(module).items() if not name.startswith("_") and callable(value)}
    return {name: value if isinstance(value, type) else _told(value, cells) for name, value in shown.items()}


def _told(function: Callable, cells: _Cells) -> Callable:
    many = get_origin(signature(function).return_annotation) is list

    @wraps(function)
    def told(*given, **named):
        cells.note((*given, *named.values()))
        try:
            return function(*given, **named)
        except NoRows as missing:
            line = Line(f"*{cells.line(str(missing))}*")
            return [line] if many else line

    return told
