"""The store: one folder per step under its hash, written whole or not at all, checked when read.

    <root>/<first two digits>/<key>/row.json         numbers of the step
                                    config.json      identity of the step; its hash is the key
                                    step.json        how to make the step again, where it ends with a model
                                    *.safetensors    artifacts (never pickle), traceback.txt of a failed step
                                    manifest.json    sha256 of every other file

A folder is filled under a temporary name and renamed, so a process killed anywhere leaves either a whole entry or a
temporary folder that nobody reads and that the next run sweeps away.
"""

import hashlib
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from tsprune.typed import canonical_json, digest

_TEMPORARY = "tmp"

_STALE_SECONDS = 24 * 3600


class Corrupt(Exception):
    """An entry whose files do not match what was written; the text names the file."""


class Store:
    """Rows and artifacts by key. Many processes may share one store; the first to finish an entry wins."""

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)
        (self.root / _TEMPORARY).mkdir(parents=True, exist_ok=True)

    def folder(self, key: str) -> Path:
        """Where the entry ``key`` lies, whether or not it exists."""
        return self.root / key[:2] / key

    def row(self, key: str) -> dict | None:
        """The row of an entry, or None when there is none. Raises :class:`Corrupt` when its text was damaged."""
        if not self.folder(key).exists():
            return None
        self._check(key, ("config.json", "row.json"))
        config = json.loads((self.folder(key) / "config.json").read_text())
        if digest(config) != key:
            raise Corrupt(f"{self.folder(key) / 'config.json'} does not hash to its folder's name")
        return json.loads((self.folder(key) / "row.json").read_text())

    def artifact(self, key: str, name: str) -> Path:
        """Path of a file beside the row, after its checksum was compared. Raises :class:`Corrupt`."""
        self._check(key, (name,))
        return self.folder(key) / name

    def verify(self, key: str, but: str | None = None) -> None:
        """Compare every file of the entry, ``but`` one, with its checksum. Raises :class:`Corrupt`."""
        self._check(key, tuple(name for name in self._manifest(key) if name != but))

    def has(self, key: str, name: str) -> bool:
        """Whether there is an entry ``key`` with a file ``name``. Raises :class:`Corrupt` for a damaged manifest."""
        return self.folder(key).exists() and name in self._manifest(key)

    def put(self, config: dict, row: dict, files: Mapping[str, Callable[[Path], None]] | None = None) -> str:
        """Write an entry and return its key; ``files`` has, by name, what writes each further file of it.

        When another process finished the same entry first, that one is kept.
        """
        key = digest(config)
        temporary = self.root / _TEMPORARY / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        try:
            (temporary / "config.json").write_text(canonical_json(config))
            (temporary / "row.json").write_text(json.dumps(row, allow_nan=False, indent=1))
            for name, write in (files or {}).items():
                write(temporary / name)
            sums = {path.name: _sha256(path) for path in sorted(temporary.iterdir())}
            (temporary / "manifest.json").write_text(json.dumps(sums, indent=1))
            for path in temporary.iterdir():
                _flush(path)
            self.folder(key).parent.mkdir(exist_ok=True)
            try:
                temporary.rename(self.folder(key))
            except OSError:
                if not self.folder(key).exists():
                    raise
            _flush(self.folder(key).parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return key

    def add(self, key: str, name: str, write: Callable[[Path], None]) -> None:
        """Add a file to an entry, unless it has one of that name. Killed in between, the entry is as it was."""
        if self.has(key, name):
            return
        path = self.root / _TEMPORARY / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            write(path)
            total = _sha256(path)
            _flush(path)
            path.replace(self.folder(key) / name)
        finally:
            path.unlink(missing_ok=True)
        self._write_manifest(key, self._manifest(key) | {name: total})

    def drop(self, key: str, name: str) -> None:
        """Take a file out of an entry, which stays valid without it; nothing where it has none of that name."""
        manifest = self._manifest(key)
        if manifest.pop(name, None) is not None:
            self._write_manifest(key, manifest)
            (self.folder(key) / name).unlink()

    def entries(self) -> list[str]:
        """The keys of all entries, in order."""
        return sorted(path.name for path in self.root.glob("??/*") if path.name.startswith(path.parent.name))

    def discard(self, key: str) -> None:
        """Remove an entry: out of sight in one rename, then deleted."""
        away = self.root / _TEMPORARY / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.folder(key).rename(away)
        shutil.rmtree(away)

    def sweep(self) -> int:
        """Delete temporary folders left by processes that are gone; return how many there were."""
        found = 0
        for path in (self.root / _TEMPORARY).iterdir():
            host, pid, _ = path.name.rsplit("-", 2)
            gone = host == socket.gethostname() and not Path(f"/proc/{pid}").exists() and Path("/proc").exists()
            if gone or time.time() - path.stat().st_mtime > _STALE_SECONDS:
                _remove(path)
                found += 1
        return found

    def _manifest(self, key: str) -> dict[str, str]:
        path = self.folder(key) / "manifest.json"
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise Corrupt(f"{path} cannot be read ({type(error).__name__})") from None

    def _write_manifest(self, key: str, sums: dict[str, str]) -> None:
        path = self.folder(key) / f"manifest.{os.getpid()}"
        path.write_text(json.dumps(sums, indent=1))
        _flush(path)
        path.replace(self.folder(key) / "manifest.json")

    def _check(self, key: str, names: tuple[str, ...]) -> None:
        manifest = self._manifest(key)
        for name in names:
            path = self.folder(key) / name
            if not path.is_file():
                raise Corrupt(f"{path} is missing")
            if manifest.get(name) != _sha256(path):
                raise Corrupt(f"{path} was changed after it was written")


def _remove(path: Path) -> None:
    """Delete a folder or a file; another process may be faster."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
