"""Data that do not fit in memory: the same numbers, from a file, in a bounded part of memory."""

import dataclasses
import errno
import subprocess
import sys
import unicodedata

import large
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune import measure
from tsprune.data import Table, load_table, make_splits, mapped
from tsprune.data.catalog import SHARES
from tsprune.data.scale import scale_problems, scaling
from tsprune.errors import UserError

LENGTHS = {"seq_len": 12, "label_len": 6, "pred_len": 4}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A machine whose memory holds no data at all; gives the folder that files go to."""
    monkeypatch.setattr(mapped, "memory", lambda: 0)
    monkeypatch.setattr(mapped, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def blocked_at(monkeypatch, size: int) -> None:
    monkeypatch.setattr(mapped, "BLOCK", size)
    monkeypatch.setattr("tsprune.data.large.BLOCK", size)


def frame(rows: int = 300, columns: int = 7) -> pd.DataFrame:
    values = np.random.default_rng(rows).normal(5, 2, (rows, columns)).cumsum(0)
    names = [*(f"c{i}" for i in range(columns - 2)), "OT", "last"]
    dates = pd.date_range("2021-01-01", periods=rows, freq="h")
    return pd.DataFrame(values, columns=names).assign(date=dates)[["date", *names]]


def assert_same(one: Table, other: Table) -> None:
    assert one.fingerprint == other.fingerprint, "values, dates, columns, splits and blocked rows"
    for name in ("columns", "time_step", "split", "source", "counts", "name"):
        assert getattr(one, name) == getattr(other, name), name


def is_mapped(array: np.ndarray) -> bool:
    return isinstance(array, np.memmap)


def test_what_fits_is_derived_from_memory_and_cores(monkeypatch):
    """Two datasets in each of four processes, in half of 16 GiB: 1 GiB each."""
    monkeypatch.setattr(mapped, "memory", lambda: 16 << 30)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert mapped.fits(1 << 30) and not mapped.fits((1 << 30) + 1)


def test_a_containers_limit_counts_where_it_is_lower(tmp_path, monkeypatch):
    """Of this process, or of a group that holds it: the job's, above that of the step."""
    (tmp_path / "job" / "step").mkdir(parents=True)
    monkeypatch.setattr(mapped, "_GROUPS", tmp_path)
    monkeypatch.setattr(mapped, "_OWN", tmp_path / "cgroup")
    machine = mapped.memory()
    (tmp_path / "cgroup").write_text("1:name=systemd:/other\n0::/job/step\n")
    for place in ("job/step", "job", "."):
        for text, expected in (("max\n", machine), ("123456\n", 123456), (f"{machine + 1}\n", machine)):
            (tmp_path / place / "memory.max").write_text(text)
            assert mapped.memory() == expected
        (tmp_path / place / "memory.max").unlink()


def test_small_arrays_are_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "cache_folder", lambda: tmp_path / "cache")
    assert not is_mapped(mapped.empty((3, 2), np.float32)) and not (tmp_path / "cache").exists()


def test_a_files_array_keeps_its_values_when_memory_is_handed_back_and_leaves_nothing(small):
    array = mapped.empty((1000, 3), np.float64)
    assert is_mapped(array) and array.shape == (1000, 3) and not list(small.iterdir())
    array[:] = np.arange(3000).reshape(1000, 3)
    for part in (array, array[5:], np.asarray(array)):
        mapped.release(part)
    assert (array == np.arange(3000).reshape(1000, 3)).all()


def test_a_full_disk_is_told_before_anything_is_written(small, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match=r"^30 MiB do not fit in memory .*cannot be kept in .*No space left"):
        mapped.empty((4_000_000,), np.float64)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_mean_and_deviation_are_those_of_one_pass_to_the_last_bit(data):
    rows, columns = data.draw(st.integers(1, 60)), data.draw(st.integers(2, 5))
    values = np.random.default_rng(rows).normal(3, 100, (rows, columns))
    values[:, 0] = 7.0
    with pytest.MonkeyPatch.context() as patch:
        blocked_at(patch, data.draw(st.sampled_from([8, 64, 200, 1 << 20])))
        mean, std = scaling(values)
        problems = scale_problems(np.vstack([values, values * 1e5]), [f"c{i}" for i in range(columns)], rows)
    expected = values.std(0)
    expected[values.max(0) == values.min(0)] = 1.0
    assert mean[1:].tobytes() == np.where(expected == 1, values[0], values.mean(0))[1:].tobytes()
    assert mean[0] == 7.0 and std.tobytes() == expected.tobytes()
    assert problems == scale_problems(np.vstack([values, values * 1e5]), [f"c{i}" for i in range(columns)], rows)


@pytest.mark.parametrize("block", [8, 1000, 1 << 20])
def test_windows_of_a_file_are_those_of_memory(small, monkeypatch, block):
    data = frame()
    values = np.ascontiguousarray(data.drop(columns="date"))
    options = {"name": "x", "columns": tuple(data)[1:], "time_step": "1h", "split": SHARES, "source": "made up"}
    table = Table(values=values, dates=pd.DatetimeIndex(data["date"]), blocked=np.arange(300) == 40, **options)
    with pytest.MonkeyPatch.context() as roomy:
        roomy.setattr(mapped, "memory", lambda: 1 << 40)
        expected = make_splits(table, **LENGTHS)
    blocked_at(monkeypatch, block)
    file = mapped.empty(values.shape, np.float64)
    file[:] = values
    other = dataclasses.replace(table, values=file)
    assert other.fingerprint == table.fingerprint
    splits = make_splits(other, **LENGTHS)
    for name in ("train", "val", "test"):
        ours, others = getattr(splits, name), getattr(expected, name)
        assert torch.equal(ours.starts, others.starts)
        assert all(map(torch.equal, ours.batch(torch.arange(9)), others.batch(torch.arange(9))))
        assert torch.equal(ours.values, others.values)
    assert splits.std.tobytes() == expected.std.tobytes() and splits.left_out == expected.left_out
    file[[7, 200], [3, 1]] = np.nan
    with pytest.raises(UserError, match=r"2 values are missing, the first at 2021-01-01 07:00:00 in column 'c3'"):
        make_splits(dataclasses.replace(table, values=file), **LENGTHS)


@pytest.mark.parametrize("index", [None, "date", "rows"])
def test_a_parquet_file_too_large_for_memory_is_the_table_that_it_is_elsewhere(tmp_path, small, monkeypatch, index):
    data = frame()
    data.loc[[3, *range(100, 110)], "c1"] = np.nan
    data.loc[50, "last"] = np.nan
    data = data.drop(index=[20, 21])
    path = tmp_path / "mine.parquet"
    (data.set_index("date") if index == "date" else data).to_parquet(path, index=index is not None)
    with pytest.MonkeyPatch.context() as roomy:
        roomy.setattr(mapped, "memory", lambda: 1 << 40)
        expected = load_table(str(path), missing="interpolate")
        chosen = load_table(str(path), missing="interpolate", columns=["OT", "c1"])
    blocked_at(monkeypatch, 2 * 8 * len(data))  # two columns at a time
    table = load_table(str(path), missing="interpolate")
    assert is_mapped(table.values) and not is_mapped(expected.values)
    assert table.columns[-1] == "OT" and table.counts["blocked rows"] == 10 and table.counts["filled"] == 12 + 2 * 7
    assert_same(table, expected)
    assert table.filled.tolist() == expected.filled.tolist() and table.filled.sum() == table.counts["filled"]
    assert "its values are kept in a file while in use, as they do not fit in memory" in table.notes
    assert {"column 'OT' is moved last", "2 missing time stamps are added"} <= set(table.notes)
    again = load_table(str(path), missing="interpolate", columns=["OT", "c1"])
    assert_same(again, chosen)
    assert again.offered == chosen.offered == data.shape[1] - 1


def test_names_of_a_large_file_are_the_same_however_their_accents_are_written(tmp_path, small, monkeypatch):
    data = frame().rename(columns={"c1": unicodedata.normalize("NFD", "Zürich")})
    data.to_parquet(tmp_path / "mine.parquet")
    blocked_at(monkeypatch, 2 * 8 * len(data))
    table = load_table(str(tmp_path / "mine.parquet"), columns=["OT", "Zürich"], missing="interpolate")
    assert is_mapped(table.values) and table.columns == ("OT", "Zürich")


def test_every_problem_of_a_large_file_is_told_at_once(tmp_path, small, monkeypatch):
    data = frame()
    data.loc[5, "c0"], data.loc[6, "last"] = np.nan, np.inf
    data = data.drop(index=20)
    data.to_parquet(tmp_path / "mine.parquet", index=False)
    blocked_at(monkeypatch, 8 * len(data))
    with pytest.raises(UserError) as error:
        load_table(str(tmp_path / "mine.parquet"))
    lines = str(error.value).splitlines()
    assert len(lines) == 3 and all(line.startswith("mine.parquet: ") for line in lines)
    for words in ("'c0': no value", "'last': infinite", "2021-01-01 20:00"):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda f: f.assign(id=range(len(f))),
            r"counts its rows in id, .* remove it, or name .*, such as columns=\['c0'",
        ),
        (lambda f: f.assign(site="a"), r"encode the column, or name the columns to take, such as columns=\['c0'"),
        (lambda f: f.set_axis(f.index / 2), "its index holds index beside the dates; save these as columns"),
        (lambda f: f[["c0"]], "date"),
    ],
)
def test_what_a_large_file_cannot_hold_is_one_line(tmp_path, small, change, words):
    change(frame()).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(UserError, match=words):
        load_table(str(tmp_path / "mine.parquet"))


def test_what_evaluation_needs_does_not_depend_on_how_much_data_there_are(small, monkeypatch):
    """Of 61 MiB of values, which are 31 more as windows, a fifth of the latter is what is tested."""
    blocked_at(monkeypatch, 2 << 20)
    rows, columns = 40_000, 200
    values = mapped.empty((rows, columns), np.float64)
    for part in mapped.blocks(values):
        values[part] = np.random.default_rng(part.start).normal(size=(part.stop - part.start, columns))
    about = {"columns": tuple(map(str, range(columns))), "time_step": "1h", "split": SHARES, "source": "made up"}
    dates = pd.date_range("2000-01-01", periods=rows, freq="h")
    table = Table(name="x", values=values, dates=dates, blocked=np.zeros(rows, dtype=bool), **about)
    with measure.PeakMemory() as before:
        pass
    with measure.PeakMemory() as peak:
        assert large.tested(table) == 7_977
    assert peak.mib - before.mib < 40


@pytest.mark.slow
def test_a_thousand_columns_of_200_000_rows_are_evaluated_in_a_gibibyte_and_a_half(tmp_path):
    """1.5 GiB of values, 0.75 GiB more as windows: read from parquet, cut and evaluated by one process of its own."""
    command = [sys.executable, large.__file__, str(tmp_path), "200000", "1000"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(told) < 1536
