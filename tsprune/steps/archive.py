"""Rows that ship with the project, so that nobody has to compute them again: one file per study and dataset.

A file holds a row per line, as JSON, sorted by key and packed; ``pandas.read_json(path, lines=True)`` reads it. Beside
the row as the store has it stand its identity (``config``) and its test errors by part
(:mod:`tsprune.steps.packed`). Weights are not kept.
"""

import gc
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json
from safetensors.torch import save_file

from tsprune.engine.step import FINAL
from tsprune.engine.store import Corrupt, Store
from tsprune.errors import UserError
from tsprune.places import resolve
from tsprune.shown import more
from tsprune.steps.artifacts import SCORES_FILE, load_scores
from tsprune.steps.packed import pack, unpack
from tsprune.steps.recipes import kinds
from tsprune.steps.sound import misshapen, problems, unusable
from tsprune.typed import canonical_json
from tsprune.whole import alone, write_whole

ENDING = ".jsonl.gz"

_ALL = "`tsprune results check` lists all that is wrong"

_TOLD = 5
"""How many of the numbers by which a row differs are named."""


class Anew(NamedTuple):
    """Rows that were computed anew, compared with those of an archive."""

    equal: int
    """How many came out bit for bit."""
    times: int
    """How many hold nothing but times, which never repeat and are not compared."""
    others: list[str]
    """A line for each of the rest, which says by what it differs."""


class Archive:
    """The rows under one folder, by key; read when first asked for. A folder that is not there is empty.

    All archives of a process share the lines of a file as long as the file is unchanged: do not modify them.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def lines(self) -> dict[str, dict]:
        """Raises UserError for a file that cannot be read, or has a line that is no row."""
        found = {}
        for path in self.files():
            for at, line in enumerate(read(path), 1):
                if wrong := misshapen(line):
                    raise UserError(f"{path}, line {at}: {wrong}; {_ALL}")
                found[line["key"]] = line
        return found

    def files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*/*{ENDING}"))

    def restore(self, key: str, store: Store) -> bool:
        """Put the row ``key`` and its errors into ``store``, marked as ``archived``; False where there is none.

        Raises UserError for a row of another key, or whose errors cannot be read."""
        line = self.lines.get(key)
        if line is None:
            return False
        if wrong := unusable(line):
            raise UserError(f"{self.folder}, row {key}: {wrong}; {_ALL}")
        row = {name: value for name, value in line.items() if name not in ("config", "errors")}
        errors = unpack(line["errors"]) if line["errors"] else {}
        files = {SCORES_FILE: lambda path: save_file(errors, path)} if errors else {}
        store.put(line["config"], row | {"archived": True}, files)
        return True

    def add(self, study: str, dataset: str, keys: Iterable[str], store: Store) -> tuple[int, int]:
        """Write the rows ``keys`` of ``store`` that are results and not here yet. Returns how many were added, and how
        many of the others have no result. Refuses an old row that does not say on what machine it was made."""
        with _alone(self.folder):
            self.__dict__.pop("lines", None)
            return self._add(self.folder / study / f"{dataset}{ENDING}", keys, store)

    def _add(self, path: Path, keys: Iterable[str], store: Store) -> tuple[int, int]:
        mine = {line["key"]: line for line in read(path)} if path.exists() else {}
        added = lacking = 0
        for key in keys:
            row = store.row(key)
            if row is None or row["status"] not in FINAL:
                lacking += 1
            elif key not in self.lines and key not in mine and not row.get("archived"):
                if "made" not in row:
                    raise UserError(f"{store.folder(key)}: a row without its machine and date; compute it again")
                mine[key] = _line(store, key, row)
                added += 1
        if added:
            write(path, mine.values())
            self.__dict__.pop("lines", None)
        return added, lacking

    def anew(self, keys: Iterable[str], store: Store) -> Anew:
        """Compare the rows ``keys`` that are here with what ``store`` has computed itself, in all that repeats:
        results, details, and test errors by part, packed as they are kept here."""
        equal, times, others = 0, 0, []
        for key in keys:
            row, line = store.row(key), self.lines.get(key)
            if line is None or row is None or row.get("archived"):
                continue
            if _only_times(row):
                times += 1
            elif apart := _apart(_line(store, key, row), line):
                others.append(f"{_named(row)}: {apart}")
            else:
                equal += 1
        return Anew(equal, times, others)

    def problems(self) -> list[str]:
        """A line for each row that something is wrong with."""
        found, rows = [], []
        for path in self.files():
            name = path.relative_to(self.folder)
            try:
                rows += [(f"{name}, line {at}", line) for at, line in enumerate(read(path), 1)]
            except UserError as error:
                found.append(str(error))
        by_key, seen = {line["key"]: line for _, line in rows}, {}
        for place, line in rows:
            wrong = list(problems(line, by_key))
            if line["key"] in seen:
                wrong.append(f"key {line['key']} is also in {seen[line['key']]}")
            seen[line["key"]] = place
            if wrong:
                found.append(f"{place}: {'; '.join(wrong)}")
        return found


def project_archive() -> Archive:
    """The rows that ship with the project."""
    return Archive(resolve("results"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Inside the block no other process adds to the archive: of two, the later would write its file without the rows of
    the other. Where no lock can be had, a line says so."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unlocked = stack.enter_context(alone(folder))
        except OSError as error:
            raise UserError(f"{folder} cannot be written to: {error.strerror}") from None
        if unlocked:
            print(f"{folder} cannot be locked ({unlocked}): let no other process add rows meanwhile", file=sys.stderr)
        yield


def _line(store: Store, key: str, row: dict) -> dict[str, Any]:
    config = json.loads((store.folder(key) / "config.json").read_text())
    try:
        errors = pack(load_scores(store, key))
    except Corrupt:  # checked with the row: it has none
        errors = None
    return row | {"config": config, "errors": errors}


def _only_times(row: dict) -> bool:
    step = kinds().get(row["kind"])
    return step is not None and step.alone


def _apart(new: dict, old: dict) -> str:
    """By what a step that was computed anew differs from its line here; nothing where all its numbers are equal."""
    if new["status"] != old["status"]:
        return f"{new['status']} now, {old['status']} in the archive"
    found = [*_differences(new["result"], old["result"]), *_differences(new["detail"], old["detail"])]
    if new["errors"] and old["errors"]:
        found += _differences(*({"errors": _parts(of["errors"])} for of in (new, old)))
    if not found:
        return ""
    theirs = old["made"]["processor"]
    where = "" if new.get("made", {}).get("processor") == theirs else f", there on {theirs}"
    return f"{'; '.join(found[:_TOLD])}{more(max(0, len(found) - _TOLD))}{where}"


def _differences(new: Any, old: Any, name: str = "") -> Iterator[str]:
    """What is not the same in two values of JSON, a few words each with its ``name``; places in lists count from 1."""
    if isinstance(new, dict) and isinstance(old, dict):
        for key in old | new:
            yield from _differences(new.get(key), old.get(key), f"{name} {key}".lstrip())
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for place, pair in enumerate(zip(new, old, strict=True), start=1):
            yield from _differences(*pair, f"{name} {place}")
    elif new != old:
        yield f"{name} {_short(new)} now, {_short(old)} in the archive"


def _short(value: Any) -> str:
    return f"{len(value)} long" if isinstance(value, dict | list) else str(value)


def _parts(errors: dict[str, Any]) -> dict[str, list]:
    """Packed errors as numbers."""
    return {name: values.tolist() for name, values in unpack(errors).items()}


def _named(row: dict) -> str:
    told = (row["protocol"].get(name) for name in ("model", "dataset", "pred_len", "method", "density_asked", "seed"))
    return " ".join([row["kind"], *(str(value) for value in told if value is not None), f"({row['key'][:8]})"])


def read(path: Path) -> list[dict]:
    """The lines of a file, shared by all that read it: do not modify them. All that ship take a second, and each study
    asks for them, the page of each twice. Raises UserError, one line, for a file that cannot be read."""
    about = path.stat() if path.exists() else None
    return _read(path.absolute(), about and (about.st_mtime_ns, about.st_size))


@lru_cache(maxsize=256)
def _read(path: Path, stamp: tuple[int, int] | None) -> list[dict]:
    try:
        with _nothing_is_garbage():
            lines = [from_json(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path}: not an archive of rows ({type(error).__name__}: {error})") from None
    if not lines:
        raise UserError(f"{path}: not an archive of rows (it holds none)")
    if not all(isinstance(line, dict) and isinstance(line.get("key"), str) for line in lines):
        raise UserError(f"{path}: not an archive of rows (a line without a key)")
    return lines


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """Inside the block Python does not search for garbage, which takes half the time of reading millions of values."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def write(path: Path, lines: Iterable[dict]) -> None:
    """Equal lines give equal bytes, in whatever order and whenever they are written. Raises UserError as
    :func:`write_whole`."""
    text = "".join(f"{canonical_json(line)}\n" for line in sorted(lines, key=lambda line: line["key"]))
    write_whole(path, gzip.compress(text.encode(), 9, mtime=0))
