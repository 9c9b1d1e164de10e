"""Parameters from a notebook's namespace: what its parameters cells assign, and no other variables."""

from collections.abc import Collection, Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np
from pydantic.fields import FieldInfo

from tsprune.errors import UserError
from tsprune.parameters import read_cell

INJECTED = "# Parameters"
"""First line of the cell that papermill puts after the notebook's own."""

_HISTORY = "In"
"""IPython's list of the cells that have run, in their order."""


def given_parameters(namespace: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """What a notebook's ``globals()`` give the study whose parameters are ``fields``, by name.

    In a kernel these are the names that the last cell of parameters to run assigns, and papermill's cell after it, with
    the values that they have now; variables of other cells are the user's own. Elsewhere, where no history of cells is
    there, every field and every other public name that holds a literal. A range, an array, a path is the list, the
    number, the text that it stands for.

    Raises UserError where no cell that has run assigns most of the fields without a default.
    """
    if _HISTORY in namespace:
        names = _assigned(namespace[_HISTORY], {name for name, field in fields.items() if field.is_required()})
    else:
        public = (name for name in namespace if not name.startswith("_"))
        names = [name for name in public if name in fields or isinstance(namespace[name], _LITERALS)]
    return {name: plain(namespace[name]) for name in names if name in namespace}


_LITERALS = (bool, int, float, str, list, dict, tuple, type(None))


def _assigned(history: Collection[str], required: set[str]) -> list[str]:
    found: list[str] | None = None
    for source in history:
        try:
            names = [name for name in read_cell(source) if not name.startswith("_")]
        except SyntaxError:  # it ended with that error and assigned nothing
            continue
        if found is not None and source.startswith(INJECTED):
            found += names
        elif 2 * len(required.intersection(names)) > len(required):
            found = names
    if found is None:
        raise UserError("the notebook's parameters cell has not been run in this kernel; run it first")
    return list(dict.fromkeys(found))


def plain(value: Any) -> Any:
    """``value`` as the literal that it stands for; any other value is returned unchanged."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, (list, tuple, range)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value
