"""A profile is a folder of YAML files, one per notebook: what will be run, checked before anything is.

Light imports only: a misspelt parameter is told in a second or two, before papermill and the plotting are loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tsprune.errors import UserError, unknown
from tsprune.parameters import default_parameters
from tsprune.places import project_root
from tsprune.study.registry import STUDIES


@dataclass(frozen=True)
class NotebookRun:
    """One notebook with its checked, effective parameters and the place of its outputs."""

    name: str
    source: Path
    folder: Path
    parameters: dict[str, Any]


def plan_profile(
    profile: str,
    *,
    only: str | None = None,
    replaced: Sequence[str] = (),
    jobs: int | None = None,
    output: str = "outputs",
) -> list[NotebookRun]:
    """The runs of a profile (a name under ``params/``, or a folder), every parameter checked; nothing is started.

    ``replaced``: ``name=value``, for every notebook instead of what the profile says.
    Raises :class:`UserError` with a line per problem: an unknown profile, notebook or parameter (the closest name is
    given), a wrong type, a value out of range.
    """
    root = project_root()
    folder = _profile_folder(profile, root)
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not files:
        raise UserError(f"{folder}: no YAML files there; a profile has one per notebook, named as the notebook")
    for name in files:
        if name not in STUDIES:
            raise UserError(f"{files[name]}: " + unknown("notebook", name, STUDIES))
    if only is not None:
        if only not in files:
            raise UserError(unknown("notebook", only, files))
        files = {only: files[only]}
    target, instead = Path(output).absolute(), dict(map(_assignment, replaced))
    runs, problems = [], []
    for name, path in files.items():
        source = root / "notebooks" / f"{name}.ipynb"
        parameters = default_parameters(source) | _yaml(path) | instead | {"store": str(target / "store")}
        if jobs is not None:
            parameters["jobs"] = jobs
        try:
            STUDIES[name].config.parse(parameters, where=str(path))
        except UserError as error:
            problems.append(str(error))
        runs.append(NotebookRun(name, source, target / folder.name, parameters))
    if problems:
        raise UserError("\n".join(problems))
    return runs


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UserError(f"parameter {text!r}: expected name=value, as in dataset=ETTh2")
    return name, _parsed(value, f"parameter {name!r}")


def _profile_folder(profile: str, root: Path) -> Path:
    named = root / "params" / profile
    if named.is_dir():
        return named
    if Path(profile).is_dir():
        return Path(profile).absolute()
    known = sorted(path.name for path in (root / "params").iterdir() if path.is_dir())
    raise UserError(unknown("profile", profile, known) + ", or the path of a folder with YAML files")


def _yaml(path: Path) -> dict[str, Any]:
    values = _parsed(path.read_text(), str(path))
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'name: value' lines")
    return values


def _parsed(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
