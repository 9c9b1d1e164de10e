"""Where files are found: TSPRUNE_DATA, data/ in the project, ../shared/data, the user's cache; else downloaded."""

import gzip
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from tsprune.data.catalog import Entry
from tsprune.errors import UserError


class DataUnavailable(UserError):
    """A dataset of the catalogue is neither on this machine nor can it be fetched; says where it was looked for."""


@dataclass(frozen=True)
class Found:
    """A file on this machine and where it lies, in words that hold no absolute path."""

    path: Path
    place: str

    def __str__(self) -> str:
        return f"{self.path.name} ({self.place})"


def cache_folder() -> Path:
    """The user's cache of downloaded files, e.g. ~/.cache/tsprune (pooch's choice for the operating system)."""
    import pooch  # imported late: finding a file needs no download machinery

    return Path(pooch.os_cache("tsprune"))


def places() -> list[tuple[str, Path]]:
    """Folders to look in, best first: (what it is called in messages, folder).

    The project is the working directory, and the nearest folder above it that has a pyproject.toml or a params folder
    (a notebook runs in a folder of its own inside the project).
    """
    here = Path.cwd()
    project = next(
        (p for p in (here, *here.parents) if (p / "pyproject.toml").is_file() or (p / "params").is_dir()), here
    )
    folders = []
    if chosen := os.environ.get("TSPRUNE_DATA"):
        if not Path(chosen).is_dir():
            raise UserError(f"TSPRUNE_DATA = '{chosen}' is not a folder")
        folders.append(("TSPRUNE_DATA", Path(chosen)))
    for root in dict.fromkeys((here, project)):
        folders.append(("data/", root / "data"))
    for root in dict.fromkeys((here, project)):
        folders.append(("../shared/data", root.parent / "shared" / "data"))
    folders.append(("cache", cache_folder()))
    return folders


def find_local(entry: Entry) -> Found | None:
    """The entry's file, packed or not, in the first place that has it; None if there is none."""
    for place, folder in places():
        for name in (entry.file, *entry.also):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return Found(path, place)
    return None


def read_text(path: Path) -> bytes:
    """The bytes of a CSV, unpacked if it is a .gz, with LF line ends."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    return content.replace(b"\r\n", b"\n")


def verify(content: bytes, entry: Entry, path: Path) -> None:
    """Raise UserError if ``content`` is not the file the catalogue knows (entries without a checksum pass)."""
    found = hashlib.sha256(content).hexdigest()
    if entry.sha256 and found != entry.sha256:
        raise UserError(
            f"{path} is not the {entry.name} of the catalogue: its sha256 (unpacked) is {found}, expected "
            f"{entry.sha256}. Replace or remove it; to use a CSV of your own, give its path instead of '{entry.name}'"
        )
