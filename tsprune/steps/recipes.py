"""Steps by kind, and how one is made again from what lies beside its row."""

import importlib
import json
import pkgutil
from pathlib import Path

import tsprune.steps
from tsprune.engine.step import Step
from tsprune.errors import UserError, unknown

for _module in pkgutil.iter_modules(tsprune.steps.__path__):
    if _module.name != "recipes":
        importlib.import_module(f"tsprune.steps.{_module.name}")


def _kinds(base: type[Step]) -> dict[str, type[Step]]:
    """Every step of this folder that has a kind, by it."""
    own = {base.kind: base} if "kind" in vars(base) and base.__module__.startswith("tsprune.steps.") else {}
    return own | {kind: step for below in base.__subclasses__() for kind, step in _kinds(below).items()}


KINDS = _kinds(Step)


def rebuild(path: Path) -> Step:
    """The step that ``path``, the file ``step.json`` of its entry, says how to make. Raises :class:`UserError`."""
    recipe = json.loads(path.read_text())
    if recipe["kind"] not in KINDS:
        raise UserError(f"{path}: " + unknown("kind of step", recipe["kind"], KINDS))
    # JSON has no tuples: lists are taken for them.
    return KINDS[recipe["kind"]].model_validate_json(json.dumps(recipe["fields"]))
