"""Whole or not at all, checked when read, never half."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tsprune.engine.store import Corrupt, Store
from tsprune.engine.temporary import process_gone
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
    with pytest.raises(Corrupt, match="has a hash that is not"):
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


def lies_in_place(path, what):
    """Put something at ``path`` that is no entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "file":
        path.write_text("x")
    elif what == "link to nothing":
        path.symlink_to(path.parent / "gone")
    elif what == "link to a file":
        (path.parent.parent / "file").write_text("x")
        path.symlink_to(path.parent.parent / "file")
    else:
        path.mkdir()


@pytest.mark.parametrize("what", ["file", "link to nothing", "link to a file"])
def test_what_lies_in_the_place_of_the_folder_above_gives_way_too(store, what):
    key = digest(CONFIG)
    lies_in_place(store.folder(key).parent, what)
    assert store.entries() == [] and store.row(key) is None
    assert store.put(CONFIG, ROW) == key
    assert store.row(key) == ROW


def test_a_manifest_of_brackets_in_brackets_is_damaged_and_no_crash(store):
    key = store.put(CONFIG, ROW)
    (store.folder(key) / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(Corrupt, match="RecursionError"):
        store.row(key)


@pytest.mark.parametrize("what", ["file", "link to nothing", "link to a file", "empty folder"])
def test_what_lies_in_the_place_of_an_entry_gives_way_to_it(store, what):
    path = store.folder(digest(CONFIG))
    lies_in_place(path, what)
    assert store.entries() == ([path.name] if what == "empty folder" else [])
    if what == "empty folder":
        with pytest.raises(Corrupt, match="cannot be read"):
            store.row(path.name)
    else:
        assert store.row(path.name) is None and not store.has(path.name, "row.json")
    assert store.put(CONFIG, ROW) == path.name
    assert store.row(path.name) == ROW
    assert what != "link to a file" or (store.root / "file").read_text() == "x"


def test_a_linked_entry_is_read_and_only_its_link_is_discarded(store, tmp_path):
    key = store.put(CONFIG, ROW)
    store.folder(key).rename(tmp_path / "elsewhere")
    store.folder(key).symlink_to(tmp_path / "elsewhere")
    assert store.row(key) == ROW and store.entries() == [key]
    store.discard(key)
    assert store.row(key) is None and (tmp_path / "elsewhere" / "row.json").exists()
    assert list((store.root / "tmp").iterdir()) == []


def test_stray_names_are_no_entries_and_nobodys_leftovers(store):
    key = store.put(CONFIG, ROW)
    for name in (".DS_Store", f"{key[:2]}/.DS_Store", f"{key[:2]}/{key[:2]}notes.txt", f"{key}/.DS_Store", "tmp/x-y"):
        path = store.root / name if not name.startswith(key + "/") else store.folder(key) / ".DS_Store"
        path.write_text("x")
    (store.root / "tmp" / ".DS_Store").write_text("x")
    assert store.entries() == [key] and store.row(key) == ROW
    store.verify(key)
    assert store.sweep() == 0
    assert (store.root / "tmp" / ".DS_Store").exists()


def test_sweep_removes_what_dead_processes_left_and_only_that(store):
    child = subprocess.Popen(["true"])
    child.wait()
    host = os.uname().nodename
    names = {
        f"{host}-{child.pid}-00000000": True,
        f"{host}-{os.getpid()}-00000000": False,
        f"elsewhere-{child.pid}-00000000": False,
    }
    for name in names:
        (store.root / "tmp" / name).mkdir(parents=True)
    old = store.root / "tmp" / f"elsewhere-{child.pid}-00000001"
    old.write_text("x")
    os.utime(old, (1, 1))
    assert store.sweep() == 2
    assert {path.name for path in (store.root / "tmp").iterdir()} == {name for name, gone in names.items() if not gone}


def test_a_store_that_is_only_read_makes_no_folder(tmp_path):
    store = Store(tmp_path / "store")
    assert (store.entries(), store.row("0" * 20), store.has("0" * 20, "x"), store.sweep()) == ([], None, False, 0)
    assert not store.root.exists()


def test_removing_is_as_well_done_by_another(store, monkeypatch):
    key = store.put(CONFIG, ROW)
    store.discard(key)
    store.discard(key)
    store.drop(key, "row.json")
    with pytest.raises(Corrupt):
        store.add(key, "more", lambda path: path.write_text("x"))
    child = subprocess.Popen(["true"])
    child.wait()
    (store.root / "tmp" / f"{os.uname().nodename}-{child.pid}-00000000").mkdir()
    seen = list((store.root / "tmp").iterdir())
    store.sweep()
    monkeypatch.setattr(type(store.root), "iterdir", lambda path: iter(seen))
    store.sweep()
    assert not seen[0].exists()


def test_an_entry_that_goes_while_it_is_read_is_none(store, monkeypatch):
    key = store.put(CONFIG, ROW)
    check = Store._check

    def slow(self, *given):
        check(self, *given)
        self.discard(key)

    monkeypatch.setattr(Store, "_check", slow)
    assert store.row(key) is None


def test_an_entry_that_goes_while_a_file_is_added_is_told(store):
    key = store.put(CONFIG, ROW)
    with pytest.raises(Corrupt, match="was removed while more was written"):
        store.add(key, "more", lambda path: (path.write_text("x"), store.discard(key)))
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["row.json", "model"])
def test_two_processes_that_add_to_one_entry_at_once_lose_nothing(store, name):
    key = store.put(CONFIG, ROW)
    other = Store(store.root)
    add = {
        "row.json": lambda: other.add(key, "recipe", lambda path: path.write_text("r")),
        "model": lambda: other.add(key, "model", lambda path: path.write_text("another's")),
    }[name]
    store.add(key, "model", lambda path: (path.write_text("mine"), add()))
    store.verify(key)
    assert store.row(key) == ROW
    assert store.artifact(key, "model").read_text() == {"row.json": "mine", "model": "another's"}[name]
    assert store.has(key, "recipe") == (name == "row.json")


def test_processes_that_add_to_the_same_entries_lose_nothing(tmp_path):
    code = (
        "import sys; from tsprune.engine.store import Store; store = Store(sys.argv[1])\n"
        "for n in range(75):\n"
        "    key = store.put({'n': n}, {'status': 'ok'})\n"
        "    for name in (sys.argv[2], 'same'):\n"
        "        store.add(key, name, lambda path: path.write_text(sys.argv[2]))\n"
        "        store.verify(key); assert store.has(key, sys.argv[2])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    running = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in ("a", "b", "c")]
    assert [process.communicate()[1] for process in running] == ["", "", ""]
    store = Store(tmp_path / "store")
    for key in store.entries():
        store.verify(key)
        assert all(store.has(key, name) for name in ("a", "b", "c", "same"))


def test_a_file_whose_adding_was_killed_is_not_there_and_is_added_again(store, monkeypatch):
    key = store.put(CONFIG, ROW)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(type(store.root), "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        store.add(key, "model", lambda path: path.write_text("x"))
    store.verify(key)
    assert not store.has(key, "model") and store.row(key) == ROW
    store.add(key, "model", lambda path: path.write_text("y"))
    assert store.artifact(key, "model").read_text() == "y"


@pytest.mark.parametrize("later", [False, True])
def test_a_dropped_file_leaves_no_trace_and_may_come_again(store, later):
    files = {"model": lambda path: path.write_text("x")}
    key = store.put(CONFIG, ROW, {} if later else files)
    store.add(key, "model", files["model"])
    store.drop(key, "model")
    store.verify(key)
    assert not store.has(key, "model")
    assert {path.name for path in store.folder(key).iterdir()} == {"config.json", "row.json", "manifest.json"}
    store.add(key, "model", lambda path: path.write_text("y"))
    store.artifact(key, "model").write_text("x")  # what it was before
    with pytest.raises(Corrupt, match="was changed after it was written"):
        store.artifact(key, "model")


def test_processes_that_discard_sweep_and_put_the_same_entries_never_fail(tmp_path):
    code = (
        "import sys; from tsprune.engine.store import Store; store = Store(sys.argv[1])\n"
        "for n in range(200):\n"
        "    key = store.put({'n': n % 5}, {'status': 'ok', 'n': n % 5})\n"
        "    row = store.row(key); assert row is None or row['n'] == n % 5\n"
        "    store.sweep(); store.discard(key); store.entries()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in running] == ["", "", ""]
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_no_pickle_in_an_entry(store):
    key = store.put(CONFIG, ROW)
    assert {p.suffix for p in store.folder(key).iterdir()} == {".json"}
    assert json.loads((store.folder(key) / "config.json").read_text()) == CONFIG


@pytest.mark.skipif(not Path("/proc").exists(), reason="what has ended is seen in /proc")
def test_a_process_that_has_ended_is_gone_although_nobody_has_asked_how():
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    assert not process_gone(str(process.pid))
    process.stdin.close()
    while "\nState:\tZ" not in Path("/proc", str(process.pid), "status").read_text():
        time.sleep(0.01)
    assert process_gone(str(process.pid))
    process.wait()
    assert process_gone(str(process.pid)) and not process_gone("nobody")
