"""Where things are, for code that may run from the project's folder, from ``notebooks/`` or from anywhere."""

import os
import tomllib
from difflib import SequenceMatcher
from pathlib import Path

import tsprune
from tsprune.errors import UserError, closest
from tsprune.shown import plain

_HOLDER = Path(tsprune.__file__).resolve().parent.parent
"""The folder that holds the package."""


def project_root() -> Path:
    """The nearest folder, from the working directory upwards, that is a checkout of this project: it holds
    ``notebooks``, ``params``, and tsprune's ``pyproject.toml`` (a folder of one's own may have the first two as well).

    Without one, the folder that holds the package (a checkout installed in place).
    """
    here = Path.cwd()
    return next(filter(_is_checkout, (here, *here.parents)), _HOLDER)


def need_checkout() -> Path:
    """The project's root, for what is in no installed package: notebooks, profiles, rows that ship with the project.

    Raises UserError where there is no checkout, as where tsprune was installed from a wheel.
    """
    root = project_root()
    if not _is_checkout(root):
        raise UserError(
            "this needs the project's folder (its notebooks/, params/ and results/), which an installed package does "
            f"not bring; looked for at and above {plain(Path.cwd(), 300)}, and at {root}. Change to a clone of it"
        )
    return root


def _is_checkout(folder: Path) -> bool:
    return (folder / "notebooks").is_dir() and (folder / "params").is_dir() and _is_ours(folder / "pyproject.toml")


def _is_ours(path: Path) -> bool:
    """Whether this ``pyproject.toml`` is tsprune's; one that cannot be read is not."""
    try:
        return tomllib.loads(path.read_text("utf-8"))["project"]["name"] == "tsprune"
    except (OSError, ValueError, LookupError, TypeError):
        return False


def need_name(folder: str, chosen_by: str) -> None:
    """Raise UserError for a folder whose name is empty: it would mean the current folder, whichever that is."""
    if not folder:
        raise UserError(f"{chosen_by}: the folder name is empty")


def resolve(path: str | os.PathLike) -> Path:
    """An absolute path; a relative one starts at the project's root."""
    path = of_home(path)
    return path if path.is_absolute() else project_root() / path


def locate(path: str | os.PathLike) -> Path:
    """The absolute path of a dataset, a store or another thing that should exist: a relative one starts at the working
    directory (of the command or of the notebook's kernel) and, if nothing is there, at the project's root."""
    here = Path.cwd() / of_home(path)
    # Of a name that is too long for a file, Path itself raises.
    return here if os.path.exists(here) or is_barred(here) else resolve(path)


def is_barred(path: str | os.PathLike) -> bool:
    """Whether a folder on the way to ``path`` may not be entered, so that nobody can say what is there."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):  # no such file, or a name that no file can have
        return False
    return False


def near_file(path: str | os.PathLike) -> str:
    """``; did you mean 'FILE'?`` for a file that does not exist, with the closest name in its folder; nothing where
    none is close.

    Names are compared without their endings: files of one kind share theirs, however different they are. Of files
    that differ in nothing else, the one with the ending that is closest to the one given comes first. Hidden files are
    nobody's data or models.
    """
    place = Path(of_home(path))
    try:
        files = [entry for entry in place.parent.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    except (OSError, ValueError):  # no such folder, or a name that no folder can have
        return ""
    files.sort(key=lambda file: (SequenceMatcher(None, file.suffix, place.suffix).ratio(), file.name))
    named = {plain(file.stem): file for file in files}
    close = closest(place.stem, named)
    return f"; did you mean '{plain(named[close].name)}'?" if close else ""


def of_home(path: str | os.PathLike) -> Path:
    """``~`` and ``~somebody`` as their folders; a ``~`` that is nobody's stays as it is."""
    return Path(os.path.expanduser(path))
