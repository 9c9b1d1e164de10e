"""All methods of sparse training, by name: in any module of this folder, a class with a name of its own is one."""

import importlib
from pathlib import Path

from tsprune.errors import UserError, unknown
from tsprune.pruners.method import Method


def _named(base: type[Method]) -> dict[str, type[Method]]:
    """``base`` and the classes derived from it that have a name of their own, in the order of their definition."""
    own = {base.name: base} if "name" in vars(base) else {}
    return own | {name: method for below in base.__subclasses__() for name, method in _named(below).items()}


for _file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    if _file != Path(__file__):
        importlib.import_module(f"{__package__}.{_file.stem}")

METHODS: dict[str, type[Method]] = _named(Method)


def list_methods(asks_density: bool | None = None) -> list[str]:
    """Names of the methods; only those that are given their final density (True), or are not (False)."""
    return [name for name, cls in METHODS.items() if asks_density is None or cls.asks_density == asks_density]


def make_method(name: str, **fields) -> Method:
    """The method of this name with these fields. Raises :class:`UserError` naming the closest one that there is."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name].parse(fields, where=name)
