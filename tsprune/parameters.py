"""Parameters of a notebook: what its cell tagged ``parameters`` says, read without running it.

A notebook is its JSON here, as ``json.loads`` or ``nbformat`` gives it.
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsprune.errors import UserError

PLUMBING = ("store", "jobs", "keep", "budget_hours", "executor", "scheduler", "resources")
"""Parameters that say where and how a run is carried out and nothing about its numbers: not repeated in reports."""


def read_cell(source: str) -> dict[str, ast.expr]:
    """The right-hand sides of what a parameters cell assigns, by name, in its order; other statements are skipped.

    Raises :class:`SyntaxError` if it is not Python.
    """
    return {
        target.id: node.value
        for node in ast.parse(source).body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Of a notebook's cell; none where it has none."""
    return cell["metadata"].get("tags", [])


def default_parameters(path: Path) -> dict[str, Any]:
    """Values of the ``parameters`` cell of the notebook at ``path``.

    Raises :class:`UserError`, one line, for a file that is not a notebook, has no such cell or two, a cell that is not
    Python, or a value that is no literal.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if "parameters" in tags(cell)]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UserError(f"{path} is not a Jupyter notebook") from None
    if len(sources) != 1:
        raise UserError(f"{path}: expected one cell tagged 'parameters', found {len(sources)}")
    try:
        nodes = read_cell(sources[0])
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno} of the cell 'parameters' is not Python: {error.msg}") from None
    values = {}
    for name, node in nodes.items():
        try:
            values[name] = ast.literal_eval(node)
        except (ValueError, TypeError):  # the second of a list as the key of a dict
            raise UserError(f"{path}: {name} = {ast.unparse(node)}: a parameter must be a literal") from None
    return values


def parameters_of_run(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """What an executed notebook ran with: the cells tagged ``parameters`` and, over them, ``injected-parameters``.

    What is no literal stands as its source text. A cell that is not Python says nothing here: it failed when it ran,
    and that failure heads the report.
    """
    found: dict[str, Any] = {}
    for tag in ("parameters", "injected-parameters"):
        for cell in notebook["cells"]:
            if tag in tags(cell):
                found |= _values_or_text("".join(cell["source"]))
    return found


def without_plumbing(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` without those of :data:`PLUMBING`."""
    return {name: value for name, value in parameters.items() if name not in PLUMBING}


def _values_or_text(source: str) -> dict[str, Any]:
    try:
        nodes = read_cell(source)
    except SyntaxError:
        return {}
    return {name: _value_or_text(node) for name, node in nodes.items()}


def _value_or_text(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)
