"""All methods of sparse training, by name: one entry each, found here by studies and tests."""

from tsprune.errors import UserError, unknown
from tsprune.pruners.baselines import GMP, SET, Dense, GlobalGMP, GraNet, OneShot, RigL, Static
from tsprune.pruners.method import Method
from tsprune.pruners.pals import PALS

METHODS: dict[str, type[Method]] = {
    method.name: method for method in (Dense, Static, OneShot, GMP, GlobalGMP, GraNet, SET, RigL, PALS)
}


def list_methods(asks_density: bool | None = None) -> list[str]:
    """Names of the methods; only those that are told the density they come to (True), or are not (False)."""
    return [name for name, cls in METHODS.items() if asks_density is None or cls.asks_density == asks_density]


def make_method(name: str, **fields) -> Method:
    """The method of this name with these fields. Raises :class:`UserError` naming the closest one that there is."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name].parse(fields, where=name)
