"""Where things are, for code that may run from the project's folder, from ``notebooks/`` or from anywhere."""

from pathlib import Path

import tsprune


def project_root() -> Path:
    """The nearest folder, from the working directory upwards, that holds ``notebooks`` and ``params``.

    Without one, the folder that holds the package (a checkout installed in place).
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder
    return Path(tsprune.__file__).resolve().parent.parent


def resolve(path: str | Path) -> Path:
    """An absolute path; a relative one counts from the project's root."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else project_root() / path
