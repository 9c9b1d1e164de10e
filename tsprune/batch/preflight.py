"""Checks of a profile's runs that need the data, the machine and the disk: made before the first one starts."""

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tsprune.batch.profiles import NotebookRun
from tsprune.engine.temporary import temporary_name
from tsprune.errors import UserError
from tsprune.places import locate
from tsprune.study.base.preflight import problems
from tsprune.study.base.shared import Tables
from tsprune.study.registry import STUDIES


def check_runs(runs: Sequence[NotebookRun], begins: bool = True, writes: bool = True) -> Tables:
    """Check for every notebook what its study checks itself (:func:`tsprune.study.base.preflight.check`), and try the
    folders that are written to, where anything ``writes``; returns the datasets, each loaded once for all. Runs of
    which none ``begins`` a step need no device, and only read a store that is there.

    Raises :class:`UserError` with a line per problem, and the notebooks that have it, unless all have.
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
        store = locate(run.parameters["store"])
        if begins or not is_readable(store):
            folders.setdefault(store, chosen_by)
    for look in (need_folder, try_folder) if writes else (need_shape,):  # none is made before all are looked at
        for folder, chosen_by in folders.items():
            look(folder, chosen_by)
    return tables


def _line(problem: str, names: Sequence[str], of: int) -> str:
    return problem if len(set(names)) == of else f"{problem} ({', '.join(dict.fromkeys(names))})"


def need_folder(folder: Path, chosen_by: str) -> None:
    """Raise :class:`UserError` if a folder could not be written to, or could not be made, as far as that can be seen
    without making anything."""
    need_shape(folder, chosen_by)
    there = next(part for part in (folder, *folder.parents) if os.path.isdir(part))
    if not os.access(there, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"no permission to write in {there}", chosen_by)


def is_readable(store: Path) -> bool:
    """Whether it is there and can be read: somebody else's, of which pages are made."""
    return os.path.isdir(store) and os.access(store, os.R_OK | os.X_OK)


def need_shape(folder: Path, chosen_by: str) -> None:
    """Raise :class:`UserError` for what can be no folder whoever asks: its name is none, or a file is in its way."""
    for part in (folder, *folder.parents):
        place = part if part == folder else f"{folder}: {part}"
        if os.path.exists(part) and not os.path.isdir(part):
            raise UserError(f"{place} is a file, not a folder; choose another folder with {chosen_by}")
        if os.path.islink(part) and not os.path.exists(part):  # as where a disk is not mounted
            raise UserError(f"{place} is a link to nothing; choose another folder with {chosen_by}")
    try:
        with suppress(FileNotFoundError):
            os.stat(folder)
    except (OSError, ValueError) as error:  # the second for a name with a NUL sign
        raise _unwritable(folder, error, chosen_by) from None


def try_folder(folder: Path, chosen_by: str) -> None:
    """Write a file there and take it away; the folder stays. Raises :class:`UserError` where that fails, and leaves
    nothing then."""
    need_folder(folder, chosen_by)
    made = [part for part in (folder, *folder.parents) if not os.path.isdir(part)]
    probe = folder / f".{temporary_name()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        for path, take_away in ((probe, Path.unlink), *((part, Path.rmdir) for part in made)):
            with suppress(OSError):
                take_away(path)
        raise _unwritable(folder, error, chosen_by) from None


def _unwritable(folder: Path, why: object, chosen_by: str) -> UserError:
    why = getattr(why, "strerror", None) or why
    return UserError(f"{folder}: cannot be written to ({why}); choose another folder with {chosen_by}")
