"""Whole or not at all, checked when read, never half."""

import json
import os
import subprocess

import pytest

from tsprune.engine.store import Corrupt, Store
from tsprune.typed import digest

CONFIG, ROW = {"a": 1, "b": [0.1, None]}, {"status": "ok", "result": {"mse": 0.1 + 0.2}}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_what_is_put_is_found_bit_for_bit(store):
    key = store.put(CONFIG, ROW, {"weights.bin": lambda path: path.write_bytes(b"1234")})
    assert key == digest(CONFIG)
    assert store.row(key) == ROW
    assert store.artifact(key, "weights.bin").read_bytes() == b"1234"
    assert store.row(digest({"other": 1})) is None


@pytest.mark.parametrize("name", ["row.json", "config.json", "weights.bin", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_every_damaged_file_is_detected_and_named(store, name, harm):
    key = store.put(CONFIG, ROW, {"weights.bin": lambda path: path.write_bytes(b"1234")})
    path = store.folder(key) / name
    content = path.read_bytes()
    if harm == "flip":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    with pytest.raises(Corrupt, match=name.replace(".", r"\.")):
        store.verify(key)
        store.artifact(key, name)
    if name in ("row.json", "config.json", "manifest.json"):
        with pytest.raises(Corrupt):
            store.row(key)


def test_a_row_moved_under_another_key_is_not_believed(store):
    key = store.put(CONFIG, ROW)
    other = digest({"other": 1})
    store.folder(other).parent.mkdir(exist_ok=True)
    store.folder(key).rename(store.folder(other))
    with pytest.raises(Corrupt, match="does not hash"):
        store.row(other)


def test_a_failing_writer_leaves_nothing(store):
    with pytest.raises(OSError, match="full"):
        store.put(CONFIG, ROW, {"weights.bin": lambda path: (_ for _ in ()).throw(OSError("disk full"))})
    assert store.row(digest(CONFIG)) is None
    assert list((store.root / "tmp").iterdir()) == []


def test_a_row_with_nan_is_refused(store):
    with pytest.raises(ValueError, match="JSON"):
        store.put(CONFIG, {"mse": float("nan")})
    assert store.row(digest(CONFIG)) is None


def test_the_first_writer_wins(store):
    key = store.put(CONFIG, ROW)
    store.put(CONFIG, {"status": "late"})
    assert store.row(key) == ROW


def test_discard_and_put_again(store):
    key = store.put(CONFIG, ROW)
    store.discard(key)
    assert store.row(key) is None
    assert store.put(CONFIG, {"status": "new"}) == key
    assert store.row(key) == {"status": "new"}


def test_sweep_removes_what_dead_processes_left_and_only_that(store):
    child = subprocess.Popen(["true"])
    child.wait()
    host = os.uname().nodename
    dead = store.root / "tmp" / f"{host}-{child.pid}-0000"
    alive = store.root / "tmp" / f"{host}-{os.getpid()}-0000"
    dead.mkdir()
    alive.mkdir()
    assert store.sweep() == 1
    assert alive.exists()
    assert not dead.exists()


def test_no_pickle_in_an_entry(store):
    key = store.put(CONFIG, ROW)
    assert {p.suffix for p in store.folder(key).iterdir()} == {".json"}
    assert json.loads((store.folder(key) / "config.json").read_text()) == CONFIG
