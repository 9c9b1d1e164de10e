"""What a page shows where a study has no rows yet: a line in place of a figure, a table or a sentence."""

import re
from collections.abc import Callable
from functools import wraps
from inspect import signature
from types import ModuleType, SimpleNamespace
from typing import Any, get_origin

from tsprune.report.frames import NoRows


class Line(str):
    """Markdown that a notebook shows as such, and that words may be made of."""

    def _repr_markdown_(self) -> str:
        return str(self)


def where_rows(*modules: ModuleType) -> tuple[SimpleNamespace, ...]:
    """The functions of each module, unchanged but for one thing: where one would raise :class:`NoRows`, it returns a
    line that says what is missing (in a list if the function returns one), so that the page goes on."""
    return tuple(SimpleNamespace(**_public(module)) for module in modules)


def _public(module: ModuleType) -> dict[str, Any]:
    shown = {name: value for name, value in vars(module).items() if not name.startswith("_") and callable(value)}
    return {name: value if isinstance(value, type) else _told(value) for name, value in shown.items()}


def _line(missing: str) -> str:
    """What is missing for a reader, to whom the names of tables say nothing."""
    what = re.sub(r"^table '[^']*'(: | has no rows$)", "", missing)
    return f"Nothing to show yet: {what}." if what else "Nothing to show yet."


def _told(function: Callable) -> Callable:
    many = get_origin(signature(function).return_annotation) is list

    @wraps(function)
    def told(*given, **named):
        try:
            return function(*given, **named)
        except NoRows as missing:
            line = Line(f"*{_line(str(missing))}*")
            return [line] if many else line

    return told
