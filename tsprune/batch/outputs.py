"""The folder of reports: a report is put there whole, and does not silently replace one with other parameters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tsprune.batch.profiles import NotebookRun
from tsprune.batch.stop import undone_by_stop
from tsprune.batch.strict_yaml import read_parameters
from tsprune.engine.temporary import left_over, remove, temporary_name
from tsprune.errors import UserError
from tsprune.parameters import PLUMBING
from tsprune.whole import alone

ENDINGS = (".params.yaml", ".ipynb", ".html")
"""Of the files of a report, in the order in which they are put in place."""


@contextmanager
def hidden_folder(folder: Path) -> Iterator[Path]:
    """A folder inside ``folder`` that a listing does not show, to write files in before they are moved to their place;
    deleted at the end. Its own name is that of ``folder``, because the index shows the name of the folder that it is
    written to."""
    hidden = folder / f".{temporary_name()}"
    with undone_by_stop(partial(remove, hidden)):
        try:
            (hidden / folder.name).mkdir(parents=True)
            yield hidden / folder.name
        finally:
            remove(hidden)


def sweep(folder: Path) -> None:
    """Delete the hidden folders that killed runs left."""
    for path in folder.glob(".*"):
        if left_over(path):
            remove(path)


def write_parameters(run: NotebookRun, folder: Path) -> None:
    """The effective parameters, beside the report."""
    (folder / f"{run.name}.params.yaml").write_text(parameters_text(run.parameters))


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """Parameters as YAML, in their order."""
    return yaml.safe_dump(dict(parameters), sort_keys=False)


def put_in_place(run: NotebookRun, folder: Path) -> str | None:
    """Move the files of a report from ``folder`` to where they belong. A report there that is of other parameters is
    kept as ``NAME.previous.*``, over one that was kept before; returns a line that says so."""
    with alone(run.folder):  # a study that links the pages there would put back the one that it has read
        there = (run.folder / f"{run.name}.html").exists()
        names = other_parameters(run.folder / f"{run.name}.params.yaml", run.parameters) if there else []
        if names:
            keep_previous(run.folder, [run.name + end for end in ENDINGS])
        for end in ENDINGS:
            (folder / (run.name + end)).replace(run.folder / (run.name + end))
    if names:
        return (
            f"{run.name}: the report that was there has other parameters ({', '.join(names)}); it is kept as "
            f"{run.name}.previous.html"
        )
    return None


def other_parameters(path: Path, parameters: Mapping[str, Any]) -> list[str]:
    """Names of the parameters in which what is there differs, by its file of parameters at ``path``."""
    try:
        before = read_parameters(path)
    except UserError:
        return ["its .params.yaml cannot be read"]
    names = dict.fromkeys([*parameters, *before])
    return [name for name in names if name not in PLUMBING and before.get(name) != parameters.get(name)]


def previous(name: str) -> str:
    """What a file is called once another has its name.

    >>> previous("report.params.yaml")
    'report.previous.params.yaml'
    """
    stem, _, ending = name.partition(".")
    return f"{stem}.previous.{ending}"


def keep_previous(folder: Path, names: Sequence[str]) -> list[str]:
    """Rename the files that are there, over those that were kept before; returns the new names."""
    kept = []
    for name in names:
        with suppress(FileNotFoundError):
            (folder / name).replace(folder / previous(name))
            kept.append(previous(name))
    return kept
