"""Steps by kind, and how to make one again from the files beside its row."""

import importlib
import json
import pkgutil
from functools import cache
from pathlib import Path

import tsprune.steps
from tsprune.engine.step import Step
from tsprune.errors import UserError, unknown


@cache
def kinds() -> dict[str, type[Step]]:
    """Every step of this folder that has a kind, by that kind; found automatically."""
    for module in pkgutil.iter_modules(tsprune.steps.__path__):
        importlib.import_module(f"tsprune.steps.{module.name}")
    return _below(Step)


def _below(base: type[Step]) -> dict[str, type[Step]]:
    own = {base.kind: base} if "kind" in vars(base) and base.__module__.startswith("tsprune.steps.") else {}
    return own | {kind: step for below in base.__subclasses__() for kind, step in _below(below).items()}


def rebuild(path: Path) -> Step:
    """The step that ``path``, the file ``step.json`` of its entry, says how to make.

    Raises :class:`UserError` where this version has no such kind of step, or its steps of that kind other fields."""
    recipe = json.loads(path.read_text())
    if recipe["kind"] not in kinds():
        raise UserError(f"{path}: " + unknown("kind of step", recipe["kind"], kinds()))
    return kinds()[recipe["kind"]].parse_json(json.dumps(recipe["fields"]), where=str(path))
