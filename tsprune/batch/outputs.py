"""The folder of reports: a report is put there whole, and does not silently take the place of another study's."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import yaml

from tsprune.batch.profiles import NotebookRun
from tsprune.batch.stop import undone_by_stop
from tsprune.batch.strict_yaml import read_parameters
from tsprune.engine.temporary import left_over, remove, temporary_name
from tsprune.errors import UserError
from tsprune.parameters import PLUMBING

ENDINGS = (".params.yaml", ".ipynb", ".html")
"""Of the files of a report, in the order in which they are put in place."""


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A hidden folder inside ``folder``, to fill and to move files from, gone at the end; it has the same name, which
    the index shows."""
    hidden = folder / f".{temporary_name()}"
    with undone_by_stop(partial(remove, hidden)):
        try:
            (hidden / folder.name).mkdir(parents=True)
            yield hidden / folder.name
        finally:
            remove(hidden)


def sweep(folder: Path) -> None:
    """Delete what killed runs left aside."""
    for path in folder.glob(".*"):
        if left_over(path):
            remove(path)


def write_parameters(run: NotebookRun, folder: Path) -> None:
    """The effective parameters, beside the report."""
    (folder / f"{run.name}.params.yaml").write_text(yaml.safe_dump(run.parameters, sort_keys=False))


def put_in_place(run: NotebookRun, folder: Path) -> str | None:
    """Move the files of a report from ``folder`` to where they belong. A report there that is of other parameters is
    kept as ``NAME.previous.*``, over one that was kept before; returns a line that says so."""
    names = _other_parameters(run)
    if names:
        for end in ENDINGS:
            with suppress(FileNotFoundError):
                (run.folder / (run.name + end)).replace(run.folder / f"{run.name}.previous{end}")
    for end in ENDINGS:
        (folder / (run.name + end)).replace(run.folder / (run.name + end))
    if names:
        return (
            f"{run.name}: the report that was there is of other parameters ({', '.join(names)}); it is kept as "
            f"{run.name}.previous.html"
        )
    return None


def _other_parameters(run: NotebookRun) -> list[str]:
    """Names of the parameters in which the report that is there differs; none where there is no report."""
    if not (run.folder / f"{run.name}.html").exists():
        return []
    try:
        before = read_parameters(run.folder / f"{run.name}.params.yaml")
    except UserError:
        return ["its .params.yaml cannot be read"]
    names = dict.fromkeys([*run.parameters, *before])
    return [name for name in names if name not in PLUMBING and before.get(name) != run.parameters.get(name)]
