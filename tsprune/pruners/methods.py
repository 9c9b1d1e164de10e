"""All methods of sparse training, by name: in any module of this folder, a class with a name of its own is one."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from tsprune.errors import UserError, unknown
from tsprune.pruners.method import Method


def named(base: type[Method]) -> dict[str, type[Method]]:
    """``base`` and the classes derived from it that have a name of their own, in the order of their definition.

    Raises :class:`UserError`, one line with its place, for a class that is no method and no base of one.
    """
    found: dict[str, type[Method]] = {}
    for cls in _and_below(base):
        where = f"{cls.__module__}.{cls.__name__}"
        if "name" not in vars(cls):
            if not cls.__subclasses__():
                raise UserError(f'{where}: a method needs a name of its own, as in name: ClassVar[str] = "mine"')
            continue
        if cls.name in found:
            there = found[cls.name]
            raise UserError(f"{where}: two methods are called {cls.name!r}; {there.__module__}.{there.__name__} is one")
        if cls.__abstractmethods__:
            raise UserError(f"{where}: a method defines {', '.join(sorted(cls.__abstractmethods__))}")
        if cls.asks_density and "density" not in cls.model_fields:
            raise UserError(f"{where}: asks_density is True, but there is no field density")
        found[cls.name] = cls
    return found


def _and_below(base: type[Method]) -> Iterator[type[Method]]:
    yield base
    for below in base.__subclasses__():
        yield from _and_below(below)


for _file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    if _file != Path(__file__):
        importlib.import_module(f"{__package__}.{_file.stem}")

METHODS: dict[str, type[Method]] = named(Method)


def list_methods(asks_density: bool | None = None) -> list[str]:
    """Names of the methods; only those that are given their final density (True), or are not (False)."""
    return [name for name, cls in METHODS.items() if asks_density is None or cls.asks_density == asks_density]


def make_method(name: str, **fields) -> Method:
    """The method of this name with these fields. Raises :class:`UserError` naming the closest one that there is."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name].parse(fields, where=name)
