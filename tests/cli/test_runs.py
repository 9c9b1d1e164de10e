"""Studies and reports: nothing runs before everything is checked."""

import gc
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tsprune.cli import runs
from tsprune.errors import UserError
from tsprune.places import project_root


def profile(folder: Path, text: str, name: str = "01_pruning_sweep") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_misspelt_parameter_fails_at_once_with_the_closest_name(tmp_path):
    """As a user types it, in a process of its own, with the clock running."""
    folder = profile(tmp_path / "mine", "densitys: [1.0, 0.5]\n")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tsprune", "study", str(folder), "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=project_root(),
    )
    assert time.monotonic() - started < 30  # two seconds; the bound is for a busy machine
    assert done.returncode == 2
    assert "unknown parameter 'densitys'; did you mean 'densities'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--shard", "9/2", "--plan"), "--shard 9/2: expected I/N, the I-th of N parts"),
        (("--shard", "1/2", "--budget", "0"), "--shard and --budget: give only one"),
        (("--show", "--plan"), "--show and --plan: give only one"),
        (("--plan", "--budget", "2h"), "--plan and --budget: give only one"),
        (("--show", "--budget", "2h"), "--show and --budget: give only one"),
        (("--show", "--shard", "1/2"), "--show and --shard: give only one"),
    ],
)
def test_a_part_is_checked_first_and_has_no_time_of_its_own(tsprune, more, words):
    status, _, err = tsprune("study", "smoke", *more)
    assert status == 2 and words in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs: many\n", "epochs = 'many': input should be a valid integer"),
        ("learning_rate: fast\n", "learning_rate = 'fast'"),
        ("epochs: 010\n", "line 1: 010 is not a plain number"),
        ("epochs: 1\nepochs: 2\n", "line 2: 'epochs' appears twice"),
        ("seeds: [1, 1]\n", "appears twice"),
        ("epochs: [\n", "not valid YAML"),
        ("just words\n", "expected 'name: value' lines"),
    ],
)
def test_bad_profiles_are_told_in_a_line(tsprune, tmp_path, text, words):
    code, out, err = tsprune("study", str(profile(tmp_path / "mine", text)), "--output", str(tmp_path / "out"))
    assert code == 2
    assert words in err
    assert out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("epochs=many", "-p: epochs = 'many': input should be a valid integer"),
        ("densitys=[0.5]", "unknown parameter 'densitys'; did you mean 'densities'?"),
        ("seeds=[1", "parameter 'seeds': not valid YAML"),
        ("dataset", "parameter 'dataset': expected name=value, such as dataset=ETTh2"),
    ],
)
def test_bad_parameters_on_the_command_line_are_told_in_a_line(tsprune, tmp_path, given, words):
    code, out, err = tsprune("study", "smoke", "-p", "patience=1", "-p", given, "--output", str(tmp_path / "out"))
    assert code == 2
    assert words in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_show_prints_name_origin_and_value_and_runs_nothing(tsprune, tmp_path):
    out = tmp_path / "out"
    code, text, err = tsprune(
        *("study", "paper", "--only", "05_pals,01_pruning_sweep", "--show", "--jobs", "3", "--output", str(out)),
        *("-p", "batch_size=8", "-p", "learning_rate=1e-3"),
    )
    assert (code, err) == (0, "")
    assert not out.exists()
    first, second = (block.splitlines() for block in text.rstrip().split("\n\n"))
    assert (first[0], second[0]) == ("01_pruning_sweep", "05_pals")
    rows = [line.split(maxsplit=2) for line in second[1:]]
    for row in (
        ["dataset", "file", "ETTm2"],
        ["raw", "default", "false"],
        ["seq_len", "notebook", "96"],
        ["pred_lens", "common", "[96, 192, 336, 720]"],
        ["batch_size", "-p", "8"],
        ["learning_rate", "-p", "0.001"],
        ["jobs", "--jobs", "3"],
        ["keep", "default", "all"],
    ):
        assert row in rows
    assert any(line.split() == ["store", "--output", str(out / "store")] for line in first)
    assert max(len(line) for line in text.splitlines() if str(out) not in line) <= 100


def test_a_tilde_that_the_shell_has_left_is_the_users_home(tsprune, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    profile(tmp_path / "mine", "epochs: 1\n")
    code, text, err = tsprune("study", "~/mine", "--show", "--output=~/out")
    assert (code, err) == (0, "")
    assert ["store", "--output", str(tmp_path / "out" / "store")] in [line.split() for line in text.splitlines()]


def test_only_takes_several_names_repeated_or_with_commas(tsprune):
    def shown(*only):
        code, out, err = tsprune("study", "smoke", "--show", *only)
        return [block.splitlines()[0] for block in out.split("\n\n")] if code == 0 else err.splitlines()

    assert shown("--only", "02_fine_tuning") == ["02_fine_tuning"]
    assert shown("--only", "05_pals", "--only", "02_fine_tuning") == ["02_fine_tuning", "05_pals"]
    assert shown("--only", "05_pals, 02_fine_tuning,05_pals") == ["02_fine_tuning", "05_pals"]
    problems = shown("--only", "05_pal,02_fine_tuning", "--only", "6")
    assert len(problems) == 2
    assert "unknown notebook '05_pal'; did you mean '05_pals'?" in problems[0]


def test_unknown_profiles_and_notebooks_are_told_with_the_closest_name(tsprune, tmp_path):
    assert "did you mean 'quick'" in tsprune("study", "quik")[2]
    assert "did you mean '01_pruning_sweep'" in tsprune("study", "smoke", "--only", "01_pruning_sweeps")[2]
    folder = profile(tmp_path / "mine", "epochs: 1\n", name="01_prunning_sweep")
    assert "did you mean '01_pruning_sweep'" in tsprune("study", str(folder))[2]
    assert "no YAML files there" in tsprune("study", str(tmp_path))[2]


@pytest.mark.parametrize(
    ("given", "meant"), [("x.csv", "sub/x.csv"), ("../x.csv", "x.csv"), ("only_above.csv", "only_above.csv")]
)
def test_a_path_means_the_file_where_it_is_typed_and_else_the_projects(tsprune, subfolder, given, meant):
    code, text, err = tsprune("study", "smoke", "--only", "01_pruning_sweep", "--show", "-p", f"dataset={given}")
    assert (code, err) == (0, "")
    rows = [line.split() for line in text.splitlines()]
    assert ["dataset", "-p", str(subfolder.parent / meant)] in rows
    assert ["store", "--output", str(subfolder / "outputs" / "store")] in rows


def test_bad_data_are_told_before_anything_runs(tsprune, subfolder):
    (subfolder / "x.csv").write_text("date,load\n2024-01-01,1\n2024-01-02,a\n2024-01-02,b\n")
    checked = tsprune("data", "check", "x.csv")[1].splitlines()
    code, out, err = tsprune("study", "smoke", "-p", "dataset=x.csv")
    assert (code, out) == (2, "") and len(checked) == 3
    assert err.removeprefix("tsprune: ").splitlines() == checked
    assert not (subfolder / "outputs").exists()


def test_an_output_that_is_a_file_is_told_in_a_line(tsprune, subfolder):
    code, out, err = tsprune("study", "smoke", "-p", "dataset=x.csv", "--output", "x.csv")
    assert (code, out) == (2, "")
    path = subfolder / "x.csv"
    assert err == f"tsprune: {path / 'smoke'}: {path} is a file, not a folder; choose another folder with --output\n"


def test_garbage_is_collected_again_after_a_plan():
    with pytest.raises(UserError), runs._uncollected():
        assert not gc.isenabled()
        raise UserError("x")
    assert gc.isenabled()
    gc.unfreeze()


def test_an_executed_notebook_is_rendered_beside_itself_or_where_asked(tsprune, tmp_path):
    import nbformat

    verdict = nbformat.v4.new_code_cell("1", metadata={"tags": ["verdict"]})
    verdict.outputs = [nbformat.v4.new_output("display_data", {"text/markdown": "On mine, nothing is lost."})]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# About"), verdict])
    nbformat.write(notebook, tmp_path / "out.ipynb")
    page = tmp_path / "out.html"
    told = (0, f"On mine, nothing is lost.\nreport: {page}\n", "")
    assert tsprune("report", str(tmp_path / "out.ipynb")) == told
    assert "On mine, nothing is lost." in page.read_text()
    assert tsprune("report", str(tmp_path / "out.ipynb"), "--output", str(tmp_path / "other.html"))[0] == 0
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), tmp_path / "fresh.ipynb")
    code, _, err = tsprune("report", str(tmp_path / "fresh.ipynb"))
    assert code == 2 and "none of its cells has been run" in err and not (tmp_path / "fresh.html").exists()
    code, _, err = tsprune("report", str(tmp_path / "none.ipynb"))
    assert code == 2 and err == f"tsprune: notebook '{tmp_path / 'none.ipynb'}' does not exist\n"


def test_a_report_takes_the_place_of_no_notebook_and_of_nothing_that_is_no_page(tsprune, tmp_path, monkeypatch):
    import nbformat

    monkeypatch.chdir(tmp_path)
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")])
    for name in ("out.ipynb", "out.html", "other.ipynb"):
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), name)
    (tmp_path / "folder.html").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.glob("o*")}
    for typed, words in (
        (["out.ipynb", "--output", "out.ipynb"], "out.ipynb: unknown ending of a report '.ipynb'. Allowed: .html"),
        (["out.ipynb", "--output", "other.ipynb"], "unknown ending of a report '.ipynb'"),
        (["out.ipynb", "--output", "page"], "unknown ending of a report ''"),
        (["out.ipynb", "--output", ""], "a report: the name of the file is empty"),
        (["out.ipynb", "--output", "folder.html"], "folder.html is a folder; name a file"),
        (["out.ipynb", "--output", "none/out.html"], "there is no folder none"),
        (["out.html", "--output", "out.html"], "out.html is the file that is read; choose another file to write"),
        (["out.html"], "out.html is the file that is read; choose another file to write"),
    ):
        code, out, err = tsprune("report", *typed)
        assert code == 2 and out == "" and err.count("\n") == 1 and words in err
    assert {path: path.read_bytes() for path in tmp_path.glob("o*")} == before


def test_runs_that_are_not_there_are_no_runs_to_compare(tsprune, tmp_path):
    code, _, err = tsprune("compare", str(tmp_path), str(tmp_path))
    assert code == 2 and err.startswith(f"tsprune: {tmp_path}: no run of a study there") and err.count("\n") == 1
