"""What only the data, the machine and the disk can say of the runs of a profile: told before the first one starts."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tsprune.batch.profiles import NotebookRun
from tsprune.engine.temporary import temporary_name
from tsprune.errors import UserError
from tsprune.places import resolve
from tsprune.study.base.preflight import problems
from tsprune.study.base.shared import Tables
from tsprune.study.registry import STUDIES


def check_runs(runs: Sequence[NotebookRun], begins: bool = True) -> Tables:
    """Ask of every notebook what its study asks itself (:func:`tsprune.study.base.preflight.check`), and try the
    folders that are written to; returns the datasets, each loaded once for all. Runs of which none ``begins`` a step
    need no device.

    Raises :class:`UserError` with a line per problem, and the notebooks that it is one of where these are not all.
    """
    found: dict[str, list[str]] = defaultdict(list)
    tables = Tables()
    training = [run for run in runs if STUDIES[run.name].trains]
    for run in training:
        parameters = run.parameters if begins else run.parameters | {"budget_hours": 0}
        for problem in problems(STUDIES[run.name].config.parse(parameters), tables):
            found[problem].append(run.name)
    if found:
        raise UserError("\n".join(_line(problem, names, len(training)) for problem, names in found.items()))
    folders = {run.folder: "--output" for run in runs}
    for run in runs:
        chosen_by = "--output" if run.origins["store"] == "--output" else "the parameter store"
        folders.setdefault(resolve(run.parameters["store"]), chosen_by)
    for folder, chosen_by in folders.items():
        try_folder(folder, chosen_by)
    return tables


def _line(problem: str, names: Sequence[str], of: int) -> str:
    return problem if len(set(names)) == of else f"{problem} ({', '.join(dict.fromkeys(names))})"


def try_folder(folder: Path, chosen_by: str) -> None:
    """Write a file there and take it away. Raises :class:`UserError` where that fails."""
    for part in (folder, *folder.parents):
        if os.path.exists(part) and not os.path.isdir(part):
            raise UserError(f"{folder}: {part} is a file, not a folder; {chosen_by} names another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{temporary_name()}"
        probe.write_text("x")
        probe.unlink()
    except (OSError, ValueError) as error:  # the second for a name with a NUL sign
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{folder}: cannot be written to ({why}); {chosen_by} names another folder") from None
