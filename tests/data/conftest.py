"""Places for data tests: a machine with no data at all, and the real files where they can be found."""

import pytest

from tsprune.data import CATALOG, load_table
from tsprune.data.sources import find_local


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A project without data, without a cache and without network; gives the project's folder."""
    project = tmp_path / "work" / "project"
    for folder in ("params", "notebooks"):
        (project / folder).mkdir(parents=True)
    (project / "pyproject.toml").write_text('[project]\nname = "tsprune"\n')
    monkeypatch.chdir(project)
    monkeypatch.delenv("TSPRUNE_DATA", raising=False)
    monkeypatch.setenv("TSPRUNE_OFFLINE", "1")
    monkeypatch.setattr("tsprune.data.sources.cache_folder", lambda: tmp_path / "cache")
    return project


@pytest.fixture
def real_table():
    """load_table for datasets that are on this machine; the test is skipped, and says so, where they are not."""

    def load(name, **options):
        source = CATALOG[name].source
        if source and find_local(source) is None:
            pytest.skip(f"{source.file} is not on this machine: set TSPRUNE_DATA to its folder")
        return load_table(name, **options)

    return load
