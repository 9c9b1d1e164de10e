"""Before anything runs: the data as `data check` sees them, lengths, seeds, the device, the folders."""

import math
import os
import re

import pandas as pd
import pytest
import torch

from tsprune.batch.preflight import check_runs, try_folder
from tsprune.batch.profiles import plan_profile
from tsprune.data import check_dataset
from tsprune.errors import UserError


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "mine.csv"
    stamps = pd.date_range("2024-01-01", periods=300, freq="h").astype(str)
    path.write_text("date,load\n" + "".join(f"{s},{math.sin(i / 4)}\n" for i, s in enumerate(stamps)))
    return path


@pytest.fixture
def check(tmp_path, csv):
    """Plan and check notebooks of the smoke profile on the CSV, with parameters replaced."""

    def check(*replaced, only=("02_fine_tuning",), output=None):
        own = () if any(text.startswith("dataset=") for text in replaced) else (f"dataset={csv}",)
        given = [*own, *replaced]
        check_runs(plan_profile("smoke", only=only, replaced=given, output=str(output or tmp_path / "out")))

    return check


@pytest.fixture
def problems(check):
    def problems(*replaced, **more):
        with pytest.raises(UserError) as error:
            check(*replaced, **more)
        return str(error.value).splitlines()

    return problems


def test_what_is_sound_is_let_through_and_only_its_folders_are_made(check, tmp_path):
    check()
    assert sorted(p.relative_to(tmp_path).as_posix() for p in (tmp_path / "out").rglob("*")) == [
        "out/smoke",
        "out/store",
    ]


def test_data_are_checked_as_by_data_check_every_problem_at_once_and_nothing_is_made(problems, csv, tmp_path):
    lines = csv.read_text().splitlines()
    lines[5], lines[9] = lines[5].split(",")[0] + ",abc", lines[8]
    csv.write_text("\n".join(lines) + "\n")
    told = problems(only=("02_fine_tuning", "05_pals"))
    assert tuple(told) == check_dataset(str(csv)).problems
    assert len(told) == 3 and "line 6, column 'load': 'abc' is not a number" in told[0]
    assert not (tmp_path / "out").exists()


def test_options_of_reading_are_those_of_the_study(problems, check, csv):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join(lines[:50] + lines[51:]) + "\n")
    (line,) = problems()
    assert "is missing at a time step of 1h" in line
    check("missing=interpolate")


def test_other_datasets_of_a_study_are_checked_as_well(problems, tmp_path):
    (tmp_path / "other.csv").write_text("date,load\n2024-01-01,1\n")
    (line,) = problems(f"why_datasets=[{tmp_path / 'other.csv'}]", only=("01_pruning_sweep",))
    assert line.startswith("other.csv: only 1 different times")


def test_data_too_short_for_the_windows_are_refused_for_every_horizon(problems):
    told = problems("pred_lens=[12, 40, 100]")
    assert told == [
        "mine: too few rows: the val split has 30 of the 300 rows, pred_len = 40 needs 40; choose a shorter one or "
        "bring more rows",
        "mine: too few rows: the val split has 30 of the 300 rows, pred_len = 100 needs 100; choose a shorter one or "
        "bring more rows",
        "mine: too few rows: the test split has 60 of the 300 rows, pred_len = 100 needs 100; choose a shorter one or "
        "bring more rows",
    ]


def test_a_batch_that_no_split_fills_is_refused_where_incomplete_ones_are_dropped(problems, check):
    """30 rows of validation hold 19 windows of 12 steps, 60 of test 49."""
    check("eval_batch_size=19", "protocol=as_published")
    check("eval_batch_size=20")
    (line,) = problems("eval_batch_size=20", "protocol=as_published")
    assert line.startswith("eval_batch_size = 20: mine has 19 windows in the val split at pred_len = 12, not one full")
    assert len(problems("eval_batch_size=50", "protocol=as_published")) == 2
    (line,) = problems("eval_stride=2", "protocol=as_published", "eval_batch_size=2")
    assert line.endswith("eval_stride = 2: protocol = 'as_published' asks for every window, eval_stride = 1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_refused(problems):
    assert problems("device=cuda") == ["device = 'cuda': torch finds no CUDA device here; allowed: auto, cpu"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_page_of_rows_that_are_there_needs_no_device(tmp_path, csv):
    given = [f"dataset={csv}", "device=cuda"]
    runs = plan_profile("smoke", only=["01_pruning_sweep"], replaced=given, output=str(tmp_path / "out"))
    assert check_runs(runs, begins=False)


def test_a_problem_of_some_notebooks_names_them(tmp_path, csv):
    folder = tmp_path / "mine"
    folder.mkdir()
    common = f"dataset: {csv}\nseq_len: 24\nlabel_len: 12\nprotocol: as_published\n"
    common += "eval_batch_size: 20\neval_stride: 1\n"
    for name, more in (("02_fine_tuning", "pred_lens: [12, 40]"), ("05_pals", "pred_lens: [12]")):
        (folder / f"{name}.yaml").write_text(f"{common}{more}\n")
    with pytest.raises(UserError) as error:
        check_runs(plan_profile(str(folder), output=str(tmp_path / "out")))
    batch, rows = str(error.value).splitlines()
    assert batch.endswith("drops the others") and rows.endswith("bring more rows (02_fine_tuning)")


def test_a_dataset_that_cannot_be_had_is_stood_in_for_and_no_problem(check, monkeypatch):
    monkeypatch.setenv("TSPRUNE_OFFLINE", "1")
    check("dataset=Traffic")


@pytest.mark.parametrize("where", ["out", "out/smoke", "out/store"])
@pytest.mark.parametrize("found", ["a file, not a folder", "a link to nothing"])
def test_an_output_that_is_no_folder_is_told_in_a_line_and_stays_what_it_is(problems, tmp_path, where, found):
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    if found == "a link to nothing":
        path.symlink_to("disk that is not mounted")
    else:
        path.write_text("mine")
    (line,) = problems()
    of = "" if path.name != "out" else f"{path / 'smoke'}: "  # the folder asked for, where another is in its way
    assert line == f"{of}{path} is {found}; choose another folder with --output"
    assert path.is_symlink() if found == "a link to nothing" else path.read_text() == "mine"


def test_a_store_of_its_own_that_is_a_file_is_told_with_the_parameter(problems, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (line,) = problems(f"store={tmp_path / 'mine'}")
    assert line == f"{tmp_path / 'mine'} is a file, not a folder; choose another folder with the parameter store"


def test_where_nothing_is_written_no_folder_is_made_and_a_wrong_one_is_told_all_the_same(tmp_path, csv):
    def planned(output):
        runs = plan_profile("smoke", only=["01_pruning_sweep"], replaced=[f"dataset={csv}"], output=str(output))
        return check_runs(runs, writes=False)

    assert planned(tmp_path / "out" / "deep")
    assert [*tmp_path.iterdir()] == [csv]
    for output, words in ((csv, "mine.csv is a file, not a folder"), (tmp_path / ("x" * 300), "File name too long")):
        with pytest.raises(UserError, match=words):
            planned(output)


def test_a_plan_is_made_where_nothing_may_be_written(tmp_path, csv, monkeypatch):
    runs = plan_profile("smoke", only=["01_pruning_sweep"], replaced=[f"dataset={csv}"], output=str(tmp_path / "out"))
    monkeypatch.setattr(os, "access", lambda path, how: not how & os.W_OK)
    assert check_runs(runs, writes=False)
    with pytest.raises(UserError, match="no permission to write in"):
        check_runs(runs)


def test_pages_are_made_of_a_store_that_may_only_be_read_and_nothing_is_computed_into_it(tmp_path, csv, monkeypatch):
    (store := tmp_path / "theirs").mkdir()
    replaced = [f"dataset={csv}", f"store={store}"]
    runs = plan_profile("smoke", only=["01_pruning_sweep"], replaced=replaced, output=str(tmp_path / "out"))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, how: access(path, how) and not (path == store and how & os.W_OK))
    assert check_runs(runs, begins=False)
    with pytest.raises(UserError, match=r"theirs: cannot be written to .* another folder with the parameter store"):
        check_runs(runs)


def test_a_folder_that_cannot_be_written_to_leaves_nothing_of_itself(tmp_path, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_text", full)
    with pytest.raises(
        UserError, match=r"deep: cannot be written to \(No space left on device\); choose another folder with --output"
    ):
        try_folder(tmp_path / "out" / "deep", "--output")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_an_output_of_a_name_that_no_folder_has_is_told_in_a_line(problems, tmp_path, name):
    (line,) = problems(output=tmp_path / name)
    assert re.search(
        r": cannot be written to \((File name too long|embedded null byte)\); choose another folder with --output", line
    )


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="a folder that even root cannot write to")
def test_an_output_that_cannot_be_written_to_is_told_in_a_line(problems):
    (line,) = problems(output="/proc/out")
    assert line.startswith("/proc/out/smoke: cannot be written to (")
