"""All methods of sparse training, by name: in any module of this folder, a class with a name of its own is one."""

import importlib
import pkgutil

import tsprune.pruners
from tsprune.errors import UserError, unknown
from tsprune.pruners.dynamic import Method


def _named(base: type[Method]) -> dict[str, type[Method]]:
    """``base`` and the classes derived from it that have a name of their own, in the order of their definition."""
    own = {base.name: base} if "name" in vars(base) else {}
    return own | {name: method for below in base.__subclasses__() for name, method in _named(below).items()}


for _module in pkgutil.iter_modules(tsprune.pruners.__path__):
    if _module.name != "methods":
        importlib.import_module(f"tsprune.pruners.{_module.name}")

METHODS: dict[str, type[Method]] = _named(Method)


def list_methods(asks_density: bool | None = None) -> list[str]:
    """Names of the methods; only those that are told the density they come to (True), or are not (False)."""
    return [name for name, cls in METHODS.items() if asks_density is None or cls.asks_density == asks_density]


def make_method(name: str, **fields) -> Method:
    """The method of this name with these fields. Raises :class:`UserError` naming the closest one that there is."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name].parse(fields, where=name)
