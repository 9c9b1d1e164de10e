"""Parameters of a notebook: what its cell tagged ``parameters`` says, read without running it."""

import ast
import json
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tsprune.errors import UserError


def default_parameters(source: Path) -> dict[str, Any]:
    """Values of a notebook's ``parameters`` cell: assignments of literals."""
    if not source.is_file():
        raise UserError(f"{source} does not exist")
    cells = json.loads(source.read_text())["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
    if len(tagged) != 1:
        raise UserError(f"{source}: expected one cell tagged 'parameters', found {len(tagged)}")
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse("".join(tagged[0]["source"])).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


PLUMBING = ("store", "jobs")
"""Parameters that say where and how wide a run was, and nothing about its numbers: not repeated in reports."""


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _parameters(notebook: NotebookNode) -> dict[str, Any]:
    """The literals assigned in the cells tagged ``parameters`` and, over them, ``injected-parameters``."""
    found: dict[str, Any] = {}
    for tag in ("parameters", "injected-parameters"):
        for cell in notebook.cells:
            if tag in _tags(cell):
                found |= _literals(cell.source)
    return {name: value for name, value in found.items() if name not in PLUMBING}


def _literals(source: str) -> dict[str, Any]:
    """Names and literals assigned in ``source``; what is no literal stands as its source text."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # such a cell fails when it runs, and that failure heads the report
        return {}
    values = {}
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value and isinstance(targets[0], ast.Name):
            try:
                values[targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                values[targets[0].id] = ast.unparse(node.value)
    return values
