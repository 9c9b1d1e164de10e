"""A working directory inside a checkout."""

import pytest

from tsprune.places import project_root


@pytest.fixture
def subfolder(tmp_path, monkeypatch):
    """A working directory inside a checkout that has a file of the same name as one here."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "tsprune"\n')
    for name in ("notebooks", "params"):
        (tmp_path / name).symlink_to(project_root() / name)
    hours = [f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00" for i in range(600)]
    for path in (tmp_path / "x.csv", tmp_path / "only_above.csv", tmp_path / "sub" / "x.csv"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("date,load\n" + "".join(f"{hour},{i % 24}\n" for i, hour in enumerate(hours)))
    monkeypatch.chdir(tmp_path / "sub")
    return tmp_path / "sub"
