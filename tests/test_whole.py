"""Files are there whole or not at all, and what keeps one from being written is told in a line."""

import errno
import os
import sys

import pytest

from tsprune.errors import UserError
from tsprune.whole import alone, aside, write_whole


def test_a_file_takes_the_place_of_the_one_before_and_leaves_no_other(tmp_path):
    path = tmp_path / "new" / "folder" / "x.csv"
    for content in (b"one", b"two"):
        write_whole(path, content)
        assert path.read_bytes() == content and os.listdir(path.parent) == ["x.csv"]


def test_a_write_that_fails_leaves_the_file_before_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    write_whole(path, b"one")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match=r"x\.csv cannot be written: No space left on device$"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one" and os.listdir(tmp_path) == ["x.csv"]


def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "x.csv").symlink_to(tmp_path / "elsewhere" / "y.csv")
    write_whole(tmp_path / "x.csv", b"one")
    assert (tmp_path / "x.csv").is_symlink() and (tmp_path / "elsewhere" / "y.csv").read_bytes() == b"one"
    assert os.listdir(tmp_path / "elsewhere") == ["y.csv"]


@pytest.mark.parametrize("place", ["file/x.csv", "file/folder/x.csv"])
def test_a_file_in_the_place_of_a_folder_is_told_in_a_line(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^/.*x\.csv cannot be written: Not a directory$"):
        write_whole(tmp_path / place, b"")


@pytest.mark.parametrize("name", ["a" * 255, "\U0001f4c8" * 63])
def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path, name):
    write_whole(tmp_path / name, b"one")
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(UserError, match=r"cannot be written: File name too long$"):
        write_whole(tmp_path / (name + "\U0001f4c8"), b"one")


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(UserError, match=r"a\\x00 cannot be written: embedded null byte$"):
        write_whole(tmp_path / "a\0", b"")


def test_what_is_written_aside_stays_where_it_was_until_it_is_whole(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt), aside(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_where_folders_cannot_be_locked_the_block_runs_and_says_so(tmp_path, monkeypatch):
    with alone(tmp_path) as unlocked:
        assert unlocked == ""
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as where there is none; a folder cannot be opened there either
    monkeypatch.setattr("os.open", None)
    with alone(tmp_path) as unlocked:
        assert "fcntl" in unlocked
