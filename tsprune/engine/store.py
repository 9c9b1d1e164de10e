"""The store: one folder per step under its hash, written whole or not at all, checked when read.

    <root>/<first two digits>/<key>/row.json         numbers of the step
                                    config.json      identity of the step; its hash is the key
                                    step.json        how to make the step again, where it ends with a model
                                    *.safetensors    artifacts (never pickle), traceback.txt of a failed step
                                    manifest.json    sha256 of every other file
                                    NAME.sha256-SUM  sha256 of the file NAME, where it was added later

A folder is filled under a temporary name and renamed, so a process killed anywhere leaves either a whole entry or a
temporary folder that nobody reads and that the next run sweeps away. What is added to an entry later brings its sum in
a name of its own: many processes may add at once, and none has to change, or to lock, what another writes.
"""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tsprune.engine.temporary import left_over, remove, temporary_name
from tsprune.errors import UserError
from tsprune.typed import canonical_json, digest

_TEMPORARY = "tmp"

_SUM = ".sha256-"

_KEY = re.compile("[0-9a-f]{20}")


class Corrupt(Exception):
    """An entry whose files do not match what was written; the text names the file."""


@contextmanager
def damage_told() -> Iterator[None]:
    """For commands that only read a store: inside the block damage is an error of one line that says what helps."""
    try:
        yield
    except Corrupt as damage:
        raise UserError(f"{damage}; run its study again to compute it anew") from None


class Store:
    """Rows and artifacts by key. Many processes may share one store; the first to finish an entry wins. Its folder is
    made when something is written."""

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)
        self._temporary = self.root / _TEMPORARY

    def folder(self, key: str) -> Path:
        """Where the entry ``key`` lies, whether or not it exists."""
        return self.root / key[:2] / key

    def row(self, key: str) -> dict | None:
        """The row of an entry, or None when there is none. Raises :class:`Corrupt` when its text was damaged."""
        if not self._is_there(key):
            return None
        try:
            self._check(key, ("config.json", "row.json"))
            config = json.loads((self.folder(key) / "config.json").read_text())
            if digest(config) != key:
                raise Corrupt(f"{self.folder(key) / 'config.json'} has a hash that is not its folder's name")
            return json.loads((self.folder(key) / "row.json").read_text())
        except (Corrupt, OSError):
            if self._is_there(key):
                raise
            return None  # another process has just removed it

    def artifact(self, key: str, name: str) -> Path:
        """Path of a file beside the row, after its checksum was compared. Raises :class:`Corrupt`."""
        self._check(key, (name,))
        return self.folder(key) / name

    def verify(self, key: str, but: str | None = None) -> None:
        """Compare every file of the entry, ``but`` one, with its checksum. Raises :class:`Corrupt`."""
        self._check(key, tuple(name for name in self._names(key) if name != but))

    def has(self, key: str, name: str) -> bool:
        """Whether there is an entry ``key`` with a file ``name``. Raises :class:`Corrupt` for a damaged manifest."""
        return self._is_there(key) and name in self._names(key)

    def put(self, config: dict, row: dict, files: Mapping[str, Callable[[Path], None]] | None = None) -> str:
        """Write an entry and return its key; ``files`` has, by name, what writes each further file of it.

        When another process finished the same entry first, that one is kept.
        """
        key = digest(config)
        with self.aside() as temporary:
            temporary.mkdir()
            (temporary / "config.json").write_text(canonical_json(config))
            (temporary / "row.json").write_text(json.dumps(row, allow_nan=False, indent=1))
            for name, write in (files or {}).items():
                write(temporary / name)
            sums = {path.name: _sha256(path) for path in sorted(temporary.iterdir())}
            (temporary / "manifest.json").write_text(json.dumps(sums, indent=1))
            for path in temporary.iterdir():
                _flush(path)
            place = self.folder(key)
            try:
                place.parent.mkdir(exist_ok=True)
                temporary.rename(place)
            except OSError:
                if not place.is_dir():
                    self._make_way(place)
                    temporary.rename(place)
            _flush(place.parent)
        return key

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """A path in the store where nothing is yet, to write at and to rename from; what is still there is removed."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        path = self._temporary / temporary_name()
        try:
            yield path
        finally:
            remove(path)

    def add(self, key: str, name: str, write: Callable[[Path], None]) -> None:
        """Add a file to an entry, unless it has one of that name. Killed in between, the entry is as it was.

        Raises :class:`Corrupt` if there is no such entry, for example because another process has just removed it.
        """
        if name in self._names(key):
            return
        with self.aside() as path:
            write(path)
            _flush(path)
            if self.has(key, name):  # another process was faster
                return
            with self._there(key, name):
                # First its sum, which says nothing as long as there is no such file.
                (self.folder(key) / f"{name}{_SUM}{_sha256(path)}").touch()
                path.replace(self.folder(key) / name)

    def drop(self, key: str, name: str) -> None:
        """Remove a file from an entry, which stays valid without it; does nothing if it has no such file."""
        if not self.has(key, name):
            return
        manifest = self._manifest(key)
        if manifest.pop(name, None):
            with self.aside() as path, self._there(key, "manifest.json"):
                path.write_text(json.dumps(manifest, indent=1))
                _flush(path)
                path.replace(self.folder(key) / "manifest.json")
        for path in (self.folder(key) / name, *self.folder(key).glob(f"{name}{_SUM}*")):
            path.unlink(missing_ok=True)

    def entries(self) -> list[str]:
        """The keys of all entries, in order."""
        found = (path.name for path in self.root.glob("??/*") if path.name.startswith(path.parent.name))
        return sorted(key for key in found if _KEY.fullmatch(key) and self._is_there(key))

    def discard(self, key: str) -> None:
        """Remove an entry, or what lies in its place: out of sight in one rename, then deleted. Nothing where another
        process was faster."""
        self._discard(self.folder(key))

    def _discard(self, path: Path) -> None:
        with self.aside() as away, suppress(FileNotFoundError):
            path.rename(away)

    def _make_way(self, place: Path) -> None:
        """Files, and links to nothing, lie where an entry's folder or the one above it should be."""
        for path in (place.parent, place):
            if not path.is_dir():
                self._discard(path)
        place.parent.mkdir(exist_ok=True)

    def sweep(self) -> int:
        """Delete what processes that are gone left unfinished; return how much there was."""
        found = [path for path in self._temporary.iterdir() if left_over(path)] if self._temporary.is_dir() else []
        for path in found:
            remove(path)
        return len(found)

    def _is_there(self, key: str) -> bool:
        """Whether an entry's folder is there; a file, or a link to nothing, in its place is none."""
        return self.folder(key).is_dir()

    def _manifest(self, key: str) -> dict[str, str]:
        path = self.folder(key) / "manifest.json"
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise Corrupt(f"{path} cannot be read ({type(error).__name__})") from None

    @contextmanager
    def _there(self, key: str, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise Corrupt(f"{self.folder(key)} was removed while {name} was written") from None

    def _names(self, key: str) -> dict[str, None]:
        """Of all files of an entry but those of sums."""
        return dict.fromkeys((*self._manifest(key), *self._added(key)))

    def _added(self, key: str) -> dict[str, list[str]]:
        """The files that were added to an entry, with the sums that each may have: several, where processes added it at
        once."""
        found, folder = defaultdict(list), self.folder(key)
        for each in os.listdir(folder) if folder.is_dir() else ():
            name, _, total = each.rpartition(_SUM)
            if name and (folder / name).is_file():
                found[name].append(total)
        return found

    def _check(self, key: str, names: tuple[str, ...]) -> None:
        manifest = self._manifest(key)
        for name in names:
            path = self.folder(key) / name
            if not path.is_file():
                raise Corrupt(f"{path} is missing")
            try:
                total = _sha256(path)
            except OSError as error:
                raise Corrupt(f"{path} cannot be read ({error.strerror})") from None
            if total != manifest.get(name) and total not in self._added(key)[name]:
                raise Corrupt(f"{path} was changed after it was written")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the file system write ``path`` (a file or a folder's list of names) to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
