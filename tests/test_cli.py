"""The front door: clear lines, exit status, and nothing runs before everything is checked."""

import gc
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tsprune import cli
from tsprune.errors import UserError
from tsprune.places import project_root


@pytest.fixture
def tsprune(monkeypatch, capsys):
    """Call the command line in this process; returns (exit status, stdout, stderr)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tsprune", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


def profile(folder: Path, text: str, name: str = "01_pruning_sweep") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return folder


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
    ("into", "status", "words"),
    [
        (">/dev/full", 2, "tsprune: the output cannot be printed: No space left on device\n"),
        ("| head -n 0", 1, ""),
        (">&-", 0, ""),
    ],
)
def test_what_cannot_be_printed_leaves_no_traceback(tmp_path, into, status, words):
    typed = f"'{sys.executable}' -m tsprune data list {into}; echo ${{PIPESTATUS[0]}} >'{tmp_path / 'status'}'"
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, cwd=project_root())
    assert done.stderr == words
    assert int((tmp_path / "status").read_text()) == status


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


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--shard", "9/2", "--plan"), "--shard 9/2: expected I/N, the I-th of N parts"),
        (("--shard", "1/2", "--budget", "0"), "--shard and --budget: give only one"),
        (("--show", "--plan"), "--show and --plan: give only one"),
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


def test_unknown_profiles_notebooks_and_names(tsprune, tmp_path):
    assert "did you mean 'quick'" in tsprune("study", "quik")[2]
    assert "did you mean '01_pruning_sweep'" in tsprune("study", "smoke", "--only", "01_pruning_sweeps")[2]
    folder = profile(tmp_path / "mine", "epochs: 1\n", name="01_prunning_sweep")
    assert "did you mean '01_pruning_sweep'" in tsprune("study", str(folder))[2]
    assert "no YAML files there" in tsprune("study", str(tmp_path))[2]
    code, out, _ = tsprune("data", "check", "ETTh11")
    assert code == 1
    assert "did you mean 'ETTh1'" in out
    assert "did you mean 'ETTh1'" in tsprune("data", "fetch", "ETTh11")[2]


def test_data_check_says_what_is_wrong_with_a_csv(tsprune, tmp_path):
    path = tmp_path / "mine.csv"
    hours = [f"2024-01-01 {h:02d}:00" for h in (0, 1, 2, 4, 5, 5, 6)]
    path.write_text("date,load,word\n" + "".join(f"{h},{i}.5,a{i}\n" for i, h in enumerate(hours)))
    code, out, _ = tsprune("data", "check", str(path))
    assert code == 1
    words = ("'a0' is not a number", "05:00:00 is already on line 6", "03:00:00 is missing")
    assert len(out.splitlines()) == 3
    for word in words:
        assert sum(word in line for line in out.splitlines()) == 1


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


@pytest.mark.parametrize(
    ("given", "meant"), [("x.csv", "sub/x.csv"), ("../x.csv", "sub/../x.csv"), ("only_above.csv", "only_above.csv")]
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


def test_models_are_listed_from_the_store_where_the_command_is_typed_and_strays_are_passed_over(tsprune, subfolder):
    where = subfolder / "outputs" / "store"
    assert f"there is no store at {where} or {subfolder.parent / 'outputs' / 'store'};" in tsprune("models")[2]
    for name in ("ab/.DS_Store", "ab/ab.txt", "ab/" + "ab" * 10, "cd"):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text("x")
    (where / "ef").mkdir()
    (where / "ef" / ("ef" * 10)).symlink_to(where / "nowhere")
    assert tsprune("models") == (0, "no model in outputs/store; a study puts the models that it trains there\n", "")


def test_data_list_names_every_dataset(tsprune):
    code, out, _ = tsprune("data", "list")
    assert code == 0
    for name in ("ETTh1", "Weather", "entsoe_hourly", "Traffic", "synthetic"):
        assert name in out
    assert max(map(len, out.splitlines())) <= 80, "a terminal's width"


def test_help_speaks_to_users(tsprune):
    code, out, _ = tsprune("--help")
    assert code == 0 and "How far can a forecaster be pruned" in out and "Heavy imports" not in out
    assert "tsprune[deploy]" in tsprune("export", "--help")[1]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a dense model, its pruned one, and a naive forecast."""
    from concurrent.futures import ThreadPoolExecutor

    from helpers import Recorder
    from profiles import parameters

    from tsprune.study.pruning_sweep.cells import PruningSweepCells
    from tsprune.study.pruning_sweep.config import PruningSweep

    folder = tmp_path_factory.mktemp("models") / "store"
    few = {"models": ["DLinear"], "densities": [1.0, 0.5], "scopes": ["layer"], "latency_repeats": 0}
    few |= {"two_of_four": False, "structured_densities": [], "scores": [], "authors_paper": False, "authors_steps": 0}
    few |= {"store": str(folder)}
    config = PruningSweep.parse(parameters("smoke", "01_pruning_sweep") | few)
    PruningSweepCells(config).run(make_executor=lambda: ThreadPoolExecutor(1), progress=Recorder())
    return folder


def test_models_are_listed_and_saved(tsprune, store, tmp_path):
    from tsprune.models import load_checkpoint, read_about

    code, out, err = tsprune("models", "--store", str(store))
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 3)
    assert lines[1].split()[1:5] == ["synthetic_short", "12", "DLinear", "8x1"]
    assert "magnitude, unstructured, layer" in lines[2]
    key = lines[2].split()[0]
    code, out, _ = tsprune("models", "save", key[:8], str(tmp_path / "small.safetensors"), "--store", str(store))
    assert code == 0 and "density 0.500 by layer" in out
    assert tsprune("models", "--store", str(store), "save", key, str(tmp_path / "same.safetensors"))[::2] == (0, "")
    assert (tmp_path / "same.safetensors").read_bytes() == (tmp_path / "small.safetensors").read_bytes()
    _, masks = load_checkpoint(tmp_path / "small.safetensors")
    assert sum(int(mask.sum()) for mask in masks.values()) == sum(mask.numel() for mask in masks.values()) / 2
    about = read_about(tmp_path / "small.safetensors")
    assert about.density_achieved == 0.5 and len(about.intervals.steps[0]) == 12 and about.intervals.windows > 100
    code, out, _ = tsprune("export", key[:8], str(tmp_path / "small.onnx"), "--store", str(store))
    assert code == 0 and "small.onnx: DLinear, 600 parameters, density 0.5\n" in out


def test_a_damaged_model_is_computed_again_when_it_is_asked_for(tsprune, store, tmp_path):
    """The dense model too, which the masks are laid over; no study would look at either."""
    damaged = tmp_path / "store"
    shutil.copytree(store, damaged)
    (masks,) = damaged.glob("??/*/masks.safetensors")
    (dense,) = damaged.glob("??/*/model.safetensors")
    before = masks.read_bytes(), dense.read_bytes()
    masks.write_bytes(b"x")
    dense.unlink()
    file = str(tmp_path / "x.safetensors")
    code, out, err = tsprune("models", "save", masks.parent.name, file, "--store", str(damaged))
    assert code == 0 and "density 0.500 by layer" in out
    assert len(err.splitlines()) == 2 and all(line.endswith(" is computed again") for line in err.splitlines())
    assert all(line.startswith(str(damaged)) for line in err.splitlines()), "the line and no place in the code"
    assert (masks.read_bytes(), dense.read_bytes()) == before


def test_a_checkpoint_is_called_one_and_takes_no_other_files_place(tsprune, store, tmp_path):
    (tmp_path / "load.csv").write_text("date,load\n")
    code, _, err = tsprune("models", "save", "0", str(tmp_path / "load.csv"), "--store", str(store))
    assert code == 2 and "unknown ending of a checkpoint '.csv'. Allowed: .safetensors" in err
    assert (tmp_path / "load.csv").read_text() == "date,load\n"


def test_models_that_cannot_be_had_are_told_in_a_line(tsprune, store, tmp_path, monkeypatch):
    from tsprune.engine.store import Store

    def save(key, file="x.safetensors", folder=store):
        code, out, err = tsprune("models", "save", key, str(tmp_path / file), "--store", str(folder))
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        return err

    opened = Store(store)
    naive = next(key for key in opened.entries() if opened.row(key)["kind"] == "naive")
    assert "no entry with key 'zz'" in save("zz")
    assert "ends with numbers, not with a model" in save(naive)
    with monkeypatch.context() as patched:
        for count, told in ((2, "aa11, aa22; give"), (4, "aa11, aa22, aa33 (and 1 more); give")):
            patched.setattr(Store, "entries", lambda store, count=count: ["aa11", "aa22", "aa33", "aa44"][:count])
            assert f"key 'aa' fits {count} entries: {told} more of its characters" in save("aa")
    assert "there is no store at" in save(naive, folder=tmp_path / "nowhere")
    trained = next(key for key in opened.entries() if opened.row(key)["kind"] == "train")
    assert "no folder" in save(trained, file="no/such/folder.safetensors")


def test_signs_of_a_name_are_shown_and_not_obeyed_by_the_terminal(tsprune):
    code, _, stderr = tsprune("models", "--store", "\x1b[31m" + "x" * 5000)
    assert code == 2 and "\x1b" not in stderr and "\\x1b[31mxxx" in stderr and stderr.count("\n") == 1


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


def test_garbage_is_collected_again_after_a_plan():
    with pytest.raises(UserError), cli._uncollected():
        assert not gc.isenabled()
        raise UserError("x")
    assert gc.isenabled()
    gc.unfreeze()
