"""Whose folder counts: the project's own, and for what is typed the one in which it is typed."""

import pytest

from tsprune.data import is_path
from tsprune.errors import UserError
from tsprune.places import locate, near_file, need_checkout, project_root, resolve

ROOT = project_root()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own that looks like the project's, and is the working directory."""
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "text", [None, "", "[project]\nname = 'mine'\n", "project = 3\n", "[tool.x]\n", "not toml", "[project]\nname = 1\n"]
)
def test_a_folder_of_ones_own_does_not_hide_the_project(own, text):
    if text is not None:
        (own / "pyproject.toml").write_text(text)
    assert project_root() == ROOT


def test_a_checkout_is_found_from_below_and_is_nearer_than_the_packages_own(own, monkeypatch):
    (own / "pyproject.toml").write_text('[project]\nname = "tsprune"\n')
    (own / "notebooks" / "deep").mkdir()
    monkeypatch.chdir(own / "notebooks" / "deep")
    assert project_root() == own


def test_a_package_without_its_checkout_says_where_it_looked(tmp_path, monkeypatch):
    assert need_checkout() == ROOT
    installed = tmp_path / "site-packages"
    monkeypatch.setattr("tsprune.places._HOLDER", installed)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"above {tmp_path}, and at {installed}. Change to a clone of it$"):
        need_checkout()


def test_what_is_there_is_found_from_the_working_directory_first(own, monkeypatch):
    (own / "pyproject.toml").write_text('[project]\nname = "tsprune"\n')
    (own / "x.csv").write_text("the project's")
    sub = own / "sub"
    sub.mkdir()
    monkeypatch.chdir(sub)
    assert locate("x.csv") == resolve("x.csv") == own / "x.csv"
    (sub / "x.csv").write_text("mine")
    assert (locate("x.csv"), resolve("x.csv")) == (sub / "x.csv", own / "x.csv")
    assert locate(own / "x.csv") == own / "x.csv"
    assert locate("nowhere.csv") == own / "nowhere.csv"
    monkeypatch.setenv("HOME", str(own))
    assert locate("~/x.csv") == own / "x.csv"


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x.csv", "x" * 10_000, "a\0b"])
def test_a_name_that_no_file_has_is_nowhere(own, name):
    assert locate(name) == resolve(name) == ROOT / name
    assert not is_path("x" * 10_000) and is_path("~nobody-of-this-name/x.csv")


def test_the_closest_file_of_the_folder_is_named_by_its_stem_and_where_it_was_looked_for(own):
    (own / "Lager Süd").mkdir()
    for name in ("load.csv", "load.onnx", "load.safetensors", "Lager Süd/Österreich.csv", ".gass.csv"):
        (own / name).write_text("x")
    assert near_file("lod.csv") == "; did you mean 'load.csv'?"
    assert near_file("lod.onnx") == near_file("load.onx") == "; did you mean 'load.onnx'?"
    assert near_file("Lager Süd/Osterreich.csv") == "; did you mean 'Österreich.csv'?"
    assert near_file(own / "lod.csv") == "; did you mean 'load.csv'?"
    for nothing in ("gas.csv", "notebook.csv", "nowhere/load.csv", "x" * 5000, "a\0b", ""):
        assert near_file(nothing) == "", nothing
