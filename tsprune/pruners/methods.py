"""All methods of sparse training, by name."""

from tsprune.errors import UserError, unknown
from tsprune.pruners.baselines import GMP, SET, Dense, GraNet, OneShot, RigL, Static
from tsprune.pruners.dynamic import Method
from tsprune.pruners.pals import PALS

METHODS: dict[str, type[Method]] = {
    method.name: method for method in (Dense, Static, OneShot, GMP, GraNet, SET, RigL, PALS)
}


def make_method(name: str, **fields) -> Method:
    """The method of this name with these fields. Raises :class:`UserError` naming the closest one that there is."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name].parse(fields, where=name)
