"""The front door: clear lines and exit status, whatever is typed and wherever it is printed."""

import errno
import os
import subprocess
import sys
from itertools import pairwise

import pytest

from tsprune import __version__, cli
from tsprune.places import project_root


def test_a_package_that_is_not_there_is_told_in_a_line(tsprune, monkeypatch):
    def app(**_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(cli, "app", app)
    assert tsprune("models") == (
        2,
        "",
        "tsprune: torch is needed and not installed; pip install tsprune installs it\n",
    )


@pytest.mark.parametrize("name", ["tsprune", "tsprune.nothing", None])
def test_a_fault_of_tsprunes_own_is_no_missing_package(monkeypatch, name):
    def app(**_):
        raise ModuleNotFoundError("No module", name=name)

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(ModuleNotFoundError):
        cli.main()


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (("forecast", "a.onnx"), "Missing argument 'DATA' (see tsprune forecast --help)"),
        (("forecsat",), "No such command 'forecsat'. Did you mean 'forecast'? Allowed: study, "),
        (("models", "lsit"), "No such command 'lsit'. Allowed: save (see tsprune models --help)"),
        (("study", "smoke", "--outptu", "x"), "unknown option '--outptu'; did you mean '--output'? Allowed: --only, "),
        (("compare", "~nobody-of-this-name/x", "y"), "~nobody-of-this-name/x: no run of a study there"),
        (("study", "smoke", "--budget"), "Option '--budget' requires an argument"),
        (("study", "smoke", "--jobs", "two"), "Invalid value for '--jobs': "),
        (("study", "params/smoke/common.yaml"), "params/smoke/common.yaml is a file; give the folder of YAML files"),
        (("study", "smoke", "--only", "01"), "unknown notebook '01'; did you mean '01_pruning_sweep'? Allowed: "),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(tsprune, monkeypatch, typed, line):
    monkeypatch.chdir(project_root())
    status, out, err = tsprune(*typed)
    assert (status, out) == (2, "") and err.startswith(f"tsprune: {line}") and err.count("\n") == 1


@pytest.mark.parametrize(
    "typed",
    [
        ("study", "smoke"),
        ("study", ".", "--plan"),
        ("site", "smoke"),
        *(("results", name) for name in ("list", "check", "verdicts")),
        ("results", "add", "."),
    ],
)
def test_what_needs_the_projects_folder_says_so_of_a_package_that_is_installed_without(
    tsprune, monkeypatch, tmp_path, typed
):
    (tmp_path / "common.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tsprune.places._HOLDER", tmp_path / "site-packages")
    status, out, err = tsprune(*typed)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tsprune: this needs the project's folder (its notebooks/, params/ and results/)")


def test_the_version_is_told(tsprune):
    assert tsprune("--version") == (0, f"tsprune {__version__}\n", "")


@pytest.mark.parametrize(
    ("into", "status", "words"),
    [
        (">/dev/full", 2, "tsprune: the output, or a temporary file, cannot be written: No space left on device\n"),
        ("| head -n 0", 1, ""),
        (">&-", 0, ""),
    ],
)
def test_what_cannot_be_printed_leaves_no_traceback(tmp_path, into, status, words):
    typed = f"'{sys.executable}' -m tsprune data list {into}; echo ${{PIPESTATUS[0]}} >'{tmp_path / 'status'}'"
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, cwd=project_root())
    assert done.stderr == words
    assert int((tmp_path / "status").read_text()) == status


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])  # the disk's limit, and that of a file (ulimit -f)
@pytest.mark.parametrize(("name", "told"), [(None, "the output, or a temporary file,"), ("/x/y", "/x/y")])
def test_a_full_disk_is_not_laid_to_the_output(tsprune, monkeypatch, name, told, number):
    def full(**_):
        raise OSError(number, os.strerror(number), name)

    monkeypatch.setattr(cli, "app", full)
    monkeypatch.setattr(cli, "_print_nowhere", lambda: None)
    status, _, err = tsprune("data", "list")
    assert (status, err) == (2, f"tsprune: {told} cannot be written: {os.strerror(number)}\n")


def test_signs_that_a_terminal_has_not_are_escaped(tmp_path):
    path = tmp_path / "load.csv"
    path.write_text("date,load \u2212 wind\n" + "".join(f"2024-01-{day:02d},{day}.5\n" for day in range(1, 31)))
    done = subprocess.run(
        [sys.executable, "-m", "tsprune", "data", "check", str(path)],
        capture_output=True,
        cwd=project_root(),
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert done.returncode == 0 and done.stderr == b"" and rb"\u2212" in done.stdout


def test_signs_of_a_name_are_shown_and_not_obeyed_by_the_terminal(tsprune):
    code, _, stderr = tsprune("models", "--store", "\x1b[31m" + "x" * 5000)
    assert code == 2 and "\x1b" not in stderr and "\\x1b[31mxxx" in stderr and stderr.count("\n") == 1


def test_help_speaks_to_users(tsprune):
    code, out, _ = tsprune("--help")
    assert code == 0 and "How far can a forecaster be pruned" in out and "Heavy imports" not in out
    assert "tsprune[deploy]" in tsprune("export", "--help")[1]


@pytest.mark.parametrize("command", ["study", "compress", "models"])
def test_a_paragraph_of_help_breaks_where_the_terminal_ends(tsprune, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "60")
    prose = tsprune(command, "--help")[1].partition("╭")[0].splitlines()
    for line, following in pairwise(line.strip() for line in prose):
        assert not following or not line or len(f"{line} {following.split()[0]}") > 58, line
