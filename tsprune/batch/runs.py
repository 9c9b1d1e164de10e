"""Finds finished runs of studies by a report, a folder of reports, or an executed notebook."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tsprune.batch.outputs import ENDINGS
from tsprune.batch.strict_yaml import read_parameters
from tsprune.errors import UserError
from tsprune.parameters import parameters_of_run
from tsprune.places import of_home
from tsprune.report.page import read_notebook
from tsprune.study.base.cells import Cells
from tsprune.study.registry import STUDIES


@dataclass(frozen=True)
class Run:
    """A finished run of one study. ``place``: what the user named, for messages."""

    study: str
    """Name of its notebook."""
    place: str
    parameters: dict[str, Any]

    @cached_property
    def cells(self) -> Cells:
        """Nothing runs before its ``run``."""
        study = STUDIES[self.study]
        return study.cells(study.config.parse(self.parameters, where=self.place))

    def need_store(self) -> None:
        """Raise UserError where the store is not where the run had it: a page that is made anew says where it is."""
        if not (root := self.cells.store.root).is_dir():
            raise UserError(
                f"{self.place}: the store of {self.study} is no longer at {root}; if it was moved, make the page anew "
                "where it is now (tsprune study PROFILE --budget 0 --output FOLDER)"
            )


def find_runs(place: str) -> dict[str, Run]:
    """The runs at ``place``, by study: a folder of reports, or one report (its .html, .ipynb or .params.yaml), or a
    notebook that papermill or JupyterLab ran.

    Raises UserError where there is none.
    """
    path = of_home(place)
    if path.is_dir():
        names = [name for name in STUDIES if any((path / f"{name}{end}").exists() for end in ENDINGS)]
        runs = [_run(path / name, place) for name in names]
    else:
        stem = next((path.name.removesuffix(end) for end in ENDINGS if path.name.endswith(end)), None)
        runs = [_run(path.with_name(stem), place)] if stem and path.is_file() else []
    if not runs:
        below = {str(found.parent) for name in STUDIES for end in ENDINGS for found in path.glob(f"*/{name}{end}")}
        meant = " or ".join(sorted(below)) or "a folder of reports, or a report (.html, .ipynb)"
        raise UserError(f"{place}: no run of a study there; give {meant}")
    return {run.study: run for run in runs}


def _run(base: Path, place: str) -> Run:
    """``base``: path of the report without its ending. The parameters beside a report are all that it ran with."""
    beside = base.with_name(f"{base.name}.params.yaml")
    if beside.is_file():
        parameters = read_parameters(beside)
        return Run(_study_of(parameters, beside), place, parameters)
    path = base.with_name(f"{base.name}.ipynb")
    parameters = parameters_of_run(read_notebook(path))
    return Run(_study_of(parameters, path), place, parameters)


def _study_of(parameters: Mapping[str, Any], path: Path) -> str:
    """The one study that takes exactly these."""
    fitting = []
    for name, study in STUDIES.items():
        fields = study.config.model_fields
        required = {field for field, info in fields.items() if info.is_required()}
        if required <= parameters.keys() <= fields.keys():
            fitting.append(name)
    if len(fitting) != 1:
        raise UserError(f"{path}: its parameters fit no study")
    return fitting[0]
