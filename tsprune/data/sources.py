"""Where files are found: TSPRUNE_DATA, data/ in the project, ../shared/data, the user's cache; else downloaded."""

import contextlib
import gzip
import hashlib
import os
import socket
import sys
import tempfile
import threading
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from urllib.parse import urlsplit

from tsprune.data.catalog import CATALOG, Address, Entry, Source, find_entry
from tsprune.data.entsoe import build
from tsprune.errors import UserError
from tsprune.places import locate, project_root
from tsprune.shown import plain
from tsprune.whole import write_whole

ATTEMPTS, WAIT_SECONDS = 3, 1  # transfers per address; a broken one is begun again after 1, then 2 seconds
CONNECT_SECONDS, READ_SECONDS = 3, 30  # after these a host counts as out of reach, a transfer as broken


class DataUnavailable(UserError):
    """A dataset of the catalogue is neither on this machine nor can it be fetched; says where it was looked for."""


class Found(NamedTuple):
    """A file on this machine, and the name of the place it lies in (which holds no absolute path)."""

    path: Path
    place: str

    def __str__(self) -> str:
        return f"{self.path.name} ({self.place})"


def places() -> list[tuple[str, Path]]:
    """Folders to look in, best first: (what it is called in messages, folder).

    TSPRUNE_DATA (must be a folder if it is set, see :func:`tsprune.places.locate`); then data/ and ../shared/data, seen
    from the working directory and from the project; then the user's cache.
    """
    folders = []
    if chosen := os.environ.get("TSPRUNE_DATA"):
        folder = locate(chosen)
        if not folder.is_dir():
            raise UserError(f"TSPRUNE_DATA = '{plain(chosen, 300)}' is not a folder ({plain(folder, 300)})")
        folders.append(("TSPRUNE_DATA", folder))
    roots = dict.fromkeys((Path.cwd(), project_root()))
    folders += [("data/", root / "data") for root in roots]
    folders += [("../shared/data", root.parent / "shared" / "data") for root in roots]
    return [*folders, ("cache", cache_folder())]


def cache_folder() -> Path:
    """The user's cache of downloaded files, where the operating system keeps such things (~/.cache/tsprune)."""
    return Path(_pooch().os_cache("tsprune"))


def _pooch() -> ModuleType:
    """pooch, imported when needed, without tqdm's remark that a notebook could have prettier progress bars."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import pooch
    return pooch


def find_local(source: Source) -> Found | None:
    """The file, packed (.gz) or not, in the first place that has it; None if no place has it. Nothing is verified."""
    names = [form for name in (source.file, *source.also) for form in (name, f"{name}.gz")]
    for place, folder in places():
        for name in names:
            if (folder / name).is_file():
                return Found(folder / name, place)
    return None


def read_csv_bytes(path: Path) -> bytes:
    """The bytes of a CSV, unpacked if its name ends in .gz, with LF line ends; UserError if it cannot be read."""
    return with_line_feeds(_read(path))


def with_line_feeds(content: bytes) -> bytes:
    """The bytes with LF line ends."""
    return content.replace(b"\r\n", b"\n") if b"\r" in content else content  # to look for one byte is far quicker


def sums(content: bytes) -> Iterator[str]:
    """The sha256 of the bytes as they are, with LF and with CRLF line ends."""
    yield hashlib.sha256(content).hexdigest()
    content = with_line_feeds(content)
    yield hashlib.sha256(content).hexdigest()
    yield hashlib.sha256(content.replace(b"\n", b"\r\n")).hexdigest()


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{plain(path, 300)} cannot be read: {error}") from error


def obtain(entry: Entry) -> tuple[Found, bytes]:
    """The verified bytes of a dataset's CSV, as they came, and where they are from; downloaded, or built from its
    parts, if need be.

    Raises DataUnavailable if the file is nowhere to be had, UserError if a file is there but is not the known one.
    """
    found = find_local(entry.source)
    if found:
        return found, _verified(_read(found.path), entry.source, found.path, entry.name)
    if not entry.parts:
        return (found := _fetched(entry.source, entry)), _read(found.path)
    files = {}
    for part in entry.parts:
        found = find_local(part) or _fetched(part, entry)
        content = _verified(read_csv_bytes(found.path), part, found.path, entry.name)
        files[Path(part.file).stem] = content
    content = build(files, entry.time_step)
    path = cache_folder() / entry.source.file
    _verified(content, entry.source, path, entry.name)
    write_whole(path, content)
    return Found(path, "cache, built from the files per country"), content


def fetch_dataset(name: str) -> Path:
    """The path of a catalogue dataset's verified CSV on this machine, downloaded first if it is not there yet."""
    entry = find_entry(name)
    if entry.source is None:
        allowed = ", ".join(other.name for other in CATALOG.values() if other.source)
        raise UserError(f"'{name}' is made up by tsprune; there is nothing to fetch. Allowed: {allowed}")
    return obtain(entry)[0].path


def _verified(content: bytes, source: Source, path: Path, name: str) -> bytes:
    """``content`` itself; UserError if it is not the file that the catalogue knows (passes where no sum is known)."""
    found = hashlib.sha256(with_line_feeds(content)).hexdigest()
    if source.sha256 and found != source.sha256:
        raise UserError(
            f"{plain(path, 300)} is not the {source.file} of {name}: its sha256 (unpacked) is {found}, expected "
            f"{source.sha256}. Replace or remove it; to use a CSV of your own, give its path instead of '{name}'"
        )
    return content


def _fetched(source: Source, entry: Entry) -> Found:
    """The file, downloaded into the cache and verified; DataUnavailable names every place and address tried."""
    looked = ", ".join(f"{folder} ({place})" for place, folder in places())
    where = f"{entry.name} is not on this machine: no {source.file} or {source.file}.gz in {looked}."
    if not (source.sha256 or source.published):
        shape = f"{entry.rows} rows x {entry.columns} columns and a column 'date'"
        raise DataUnavailable(
            f"{where} It is not downloaded, as no checksum is known: put a file with {shape} there; see {entry.page}"
        )
    if os.environ.get("TSPRUNE_OFFLINE") == "1":
        raise DataUnavailable(f"{where} TSPRUNE_OFFLINE=1, so nothing was downloaded")
    path = cache_folder() / source.file
    failures, out_of_reach = [], set()
    for address in source.addresses:
        host = urlsplit(address.url).netloc
        if host in out_of_reach:
            continue
        try:
            _download(address, source, path, entry.name)
            return Found(path, "cache")
        except _Unreachable as error:
            out_of_reach.add(host)
            failures.append(str(error))
        except _NotThere as error:
            failures.append(str(error))
    raise DataUnavailable(f"{where} The download failed: {'; '.join(failures)}")


class _NotThere(Exception):
    """An address did not give the file."""


class _Unreachable(Exception):
    """No connection to a host: other addresses there need not be tried."""


def _download(address: Address, source: Source, path: Path, name: str) -> None:
    """Fetch one address into ``path``; a transfer that breaks or gives the wrong bytes is begun again."""
    pooch = _pooch()
    import requests
    import urllib3

    host = urlsplit(address.url)
    if not _resolves(host.hostname) and not requests.utils.get_environ_proxies(address.url):
        raise _Unreachable(f"no connection to {host.netloc}")
    pooch.get_logger().setLevel("WARNING")
    size = f" ({source.size / 2**20:,.0f} MiB)" if source.size else ""
    print(f"{name}: downloading {source.file}{size} from {address.url}", file=sys.stderr)
    get = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=(CONNECT_SECONDS, READ_SECONDS))
    reason: Exception | None = None
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * WAIT_SECONDS)
        try:
            with tempfile.TemporaryDirectory() as folder:
                # A zip has no known sum; what it unpacks to has, as has a plain CSV, and pooch checks that.
                known = None if address.member else source.sha256 or source.published
                got = pooch.retrieve(address.url, known_hash=known, fname="download", path=folder, downloader=get)
                content = _member(Path(got), address.member) if address.member else _read(Path(got))
            content = _verified(content, source, path, name)
        except requests.HTTPError as error:
            raise _NotThere(f"{address.url}: {error}") from error
        except requests.ConnectionError as error:
            if error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError):
                raise _Unreachable(f"no connection to {host.netloc}") from error
            reason = error
        except (requests.RequestException, ValueError, UserError) as error:
            reason = error
        except OSError as error:  # another transfer would meet it again
            # The system's own have a number; requests raises one without for certificates that are not where
            # REQUESTS_CA_BUNDLE says.
            cannot = "be fetched" if error.errno is None else "be kept while it is fetched"
            raise UserError(f"{source.file} cannot {cannot}: {error}") from error
        else:
            write_whole(path, content)
            return
    raise _NotThere(f"{address.url}: broken or wrong {ATTEMPTS} times, at last: {reason}")


def _resolves(host: str) -> bool:
    """Whether the host's name is known, within the time for a connection: a resolver of its own may take far longer."""
    answers = []

    def ask() -> None:
        # No answer is the answer "no"; whatever else is wrong shows when the connection is made.
        with contextlib.suppress(OSError):
            answers.append(socket.getaddrinfo(host, None))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(CONNECT_SECONDS)
    return bool(answers)


def _member(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened:
            return with_line_feeds(opened.read(name))
    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"cannot be read as a zip archive: {error}") from error
