"""A forecast has dates and units, is that of the model, needs no torch, and says what is wrong with a frame."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from tests.deploy.small import ABOUT, INTERVALS, frame, tiny
from tsprune.data import load_table, make_splits
from tsprune.data.intervals import Intervals
from tsprune.deploy import Forecaster
from tsprune.deploy.export import export_checkpoint, export_onnx
from tsprune.deploy.reading import read_frame
from tsprune.errors import UserError
from tsprune.models import About, save_checkpoint


@pytest.mark.parametrize("file", ["seasonal.onnx", "seasonal.safetensors"])
def test_the_seasonal_naive_repeats_the_last_day_with_its_dates_and_units(exported, file):
    known = frame(30)
    forecast = Forecaster.load(exported / file).predict(known)
    assert list(forecast.index) == list(pd.date_range(known.index[-1], periods=9, freq="h")[1:])
    assert forecast.index.name == "date" and list(forecast.columns) == ["load", "wind", "sun"]
    np.testing.assert_allclose(forecast.to_numpy(), known.to_numpy()[6:14], rtol=1e-6)


def test_names_of_columns_match_however_their_accents_are_written(tmp_path):
    one, two = ((unicodedata.normalize(form, "Zürich"), "wind", "sun") for form in ("NFC", "NFD"))
    about = ABOUT.model_copy(update={"columns": two})  # as files were written before
    save_checkpoint(tmp_path / "x.safetensors", tiny("DLinear"), about=about)
    forecaster = Forecaster.load(tmp_path / "x.safetensors")
    forecasts = [forecaster.predict(frame(30).set_axis(names, axis=1)) for names in (one, two)]
    frame(30).set_axis(one, axis=1).rename_axis("date").to_csv(tmp_path / "mine.csv")
    forecasts.append(forecaster.predict(read_frame(str(tmp_path / "mine.csv"), forecaster.card, 24).frame))
    assert all(list(forecast.columns) == list(one) for forecast in forecasts)
    pd.testing.assert_frame_equal(forecasts[0], forecasts[1])
    pd.testing.assert_frame_equal(forecasts[0], forecasts[2])


@pytest.mark.parametrize("name", ["linear", "tcn"])
def test_a_file_and_its_checkpoint_forecast_the_same(exported, name):
    known = frame(40, seed=3)
    onnx, torch = (Forecaster.load(exported / f"{name}.{ending}") for ending in ("onnx", "safetensors"))
    difference = (onnx.predict(known) - torch.predict(known)) / np.array(ABOUT.std)
    assert difference.abs().to_numpy().max() <= 1e-5
    assert onnx.card.model_copy(update={"opset": None, "macs": None, "difference": None}) == torch.card


@pytest.mark.parametrize("ending", ["onnx", "safetensors"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copy", "pickle"])  # noqa: S301 (our own)
def test_a_copy_forecasts_the_same_without_the_file(exported, tmp_path, ending, copied):
    file = shutil.copy(exported / f"tcn.{ending}", tmp_path)
    forecaster, known = Forecaster.load(file), frame(40)
    os.remove(file)
    other = copied(forecaster)
    pd.testing.assert_frame_equal(other.predict(known), forecaster.predict(known))
    assert other.card == forecaster.card


@pytest.mark.parametrize("ending", ["onnx", "safetensors"])
def test_workers_forecast_with_what_they_are_sent(exported, ending):
    forecaster, known = Forecaster.load(exported / f"linear.{ending}"), frame(40)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(forecaster.predict, known).result()
    pd.testing.assert_frame_equal(found, forecaster.predict(known))


def test_a_column_that_was_constant_and_still_is_stays_so(tmp_path):
    about = ABOUT.model_copy(update={"mean": (50_000.0, 8.1, -1.5), "std": (9_000.0, 1.0, 1.0)})
    save_checkpoint(tmp_path / "x.safetensors", tiny("TCN"), about=about)
    known = frame(30).assign(wind=8.1)
    known["sun"] = [-1.5] * 29 + [-1.0]
    export_checkpoint(tmp_path / "x.safetensors", tmp_path / "x.onnx")
    for ending in ("safetensors", "onnx"):
        for rows in (known, known.astype(np.float32)):  # where no value is 8.1
            found = Forecaster.load(tmp_path / f"x.{ending}").predict(rows)
            assert (found["wind"] == 8.1).all() and found["load"].nunique() == found["sun"].nunique() == len(found)


def test_a_file_by_itself_holds_what_was_constant_in_the_windows_where_it_still_is(tmp_path):
    about = ABOUT.model_copy(update={"mean": (50_000.0, 8.1, -1.5), "std": (9_000.0, 1.0, 1.0)})
    save_checkpoint(tmp_path / "x.safetensors", tiny("DLinear"), about=about)
    export_checkpoint(tmp_path / "x.safetensors", tmp_path / "x.onnx")
    values = np.stack([frame(24).assign(wind=8.1, sun=sun).to_numpy() for sun in (-1.5, -1.25)])
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    first, second = session.run(None, {"values": values})[0]
    assert (first[:, 1:] == [8.1, -1.5]).all() and (second[:, 1] == 8.1).all() and not (second[:, 2] == -1.5).any()


def test_a_forecast_is_that_of_the_windows_that_models_are_trained_on(tmp_path):
    import torch

    table = load_table("synthetic")
    splits = make_splits(table, seq_len=24, label_len=12, pred_len=8)
    sizes = {name: len(table.columns) for name in ("enc_in", "dec_in", "c_out")}
    model = tiny("Transformer", **sizes)
    about = About(columns=table.columns, mean=splits.mean, std=splits.std, time_step=table.time_step)
    save_checkpoint(tmp_path / "x.safetensors", model, about=about)
    number = len(splits.test) - 1
    with torch.no_grad():
        wanted = splits.inverse(model(*splits.test.batch(torch.tensor([number]))[:4])[0].double())
    first = int(splits.test.starts[number])
    known = pd.DataFrame(table.values, index=table.dates, columns=list(table.columns)).iloc[: first + 24]
    found = Forecaster.load(tmp_path / "x.safetensors").predict(known)
    assert list(found.index) == list(table.dates[first + 24 : first + 32])
    np.testing.assert_allclose(found.to_numpy() / splits.std, wanted.numpy() / splits.std, atol=1e-6)


def test_a_forecast_from_a_file_needs_no_torch_nor_what_reads_and_draws_other_things(exported):
    code = (
        "import json, sys; sys.modules |= dict.fromkeys(['pyarrow', 'matplotlib', 'seaborn', 'safetensors'])\n"
        "import numpy as np, pandas as pd\n"
        "from tsprune.deploy import Forecaster\n"
        "import tsprune.deploy.backtest, tsprune.deploy.reading\n"
        "index = pd.date_range('2024-02-27', periods=24, freq='h')\n"
        "rows = pd.DataFrame(np.arange(72.0).reshape(24, 3), index=index, columns=['load', 'wind', 'sun'])\n"
        "forecast = Forecaster.load(sys.argv[1]).predict(rows)\n"
        "loaded = sorted({'torch', 'onnx'} & set(sys.modules))\n"
        "print(json.dumps([forecast.iloc[0].tolist(), loaded]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, exported / "seasonal.onnx"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    values, loaded = json.loads(done.stdout)
    np.testing.assert_allclose(values, [0, 1, 2], atol=5e-3)  # of a standard deviation of 9000, in single precision
    assert loaded == []


def without(rows, *gone):
    return rows.drop(rows.index[list(gone)])


def with_value(rows, value):
    rows.iloc[-2, 1] = value
    return rows


def moved(rows, row):
    stamps = rows.index.to_list()
    stamps[row] -= pd.Timedelta("30min")
    return rows.set_axis(pd.DatetimeIndex(stamps))


GOOD = frame(30)  # to 2024-02-28 05:00
PROBLEMS = {
    "a list": ([1, 2], "a list is not a frame"),
    "too short": (GOOD.iloc[:20], "20 rows; a forecast needs 24 (SeasonalNaive looks back 24 time steps)"),
    "none": (GOOD.iloc[:0], "0 rows; a forecast needs 24"),
    "a column less": (GOOD[["load", "sun"]], "reads column 'wind': unknown column 'wind'"),
    "misspelt": (GOOD.rename(columns={"wind": "winds"}), "unknown column 'wind'; did you mean 'winds'?"),
    "a column more": (GOOD.assign(price=1.0), "does not read column 'price'; it reads load, wind, sun"),
    "another order": (GOOD[["wind", "load", "sun"]], "in another order; the model reads load, wind, sun"),
    "a column twice": (GOOD[["load", "wind", "sun", "sun"]], "a column appears twice"),
    "no dates": (
        GOOD.reset_index(drop=True),
        "the index holds int64, not dates; give the date of each row there, as a DatetimeIndex",
    ),
    "dates as a column": (GOOD.rename_axis("date").reset_index(), "frame.set_index(pd.to_datetime(frame.pop('date')))"),
    "datetimes": (GOOD.set_axis(GOOD.index.astype(object)), "frame.set_index(pd.to_datetime(frame.index))"),
    "dates in a column of another name": (
        GOOD.rename_axis("Datum").reset_index()[["load", "wind", "sun", "Datum"]],
        "frame.set_index(pd.to_datetime(frame.pop('Datum')))",
    ),
    "dates of Arrow": (
        GOOD.set_axis(GOOD.index.astype("timestamp[us][pyarrow]")),
        "make dates of it: frame.set_index(pd.DatetimeIndex(frame.index))",
    ),
    "levels": (
        GOOD.set_axis(pd.MultiIndex.from_product([GOOD.index, ["a"]])),
        "the index holds several levels, not dates; give the date of each row there",
    ),
    "hours": (GOOD.set_axis(pd.timedelta_range("0h", periods=30, freq="h")), "not dates; give the date of each row"),
    "periods": (GOOD.to_period("h"), "the index holds period[h], not dates; make dates of it: frame.to_timestamp()"),
    "texts": (GOOD.set_axis(GOOD.index.astype(str)), "make dates of it: frame.set_index(pd.to_datetime(frame.index))"),
    "a zone": (GOOD.tz_localize("Europe/Zurich"), "if its file had offsets, use UTC: index.tz_convert(None)"),
    "missing row": (without(GOOD, -3), "the row of 2024-02-28 03:00:00 is missing between 2024-02-28 02:00:00 and"),
    "a missing month": (
        without(frame(900), *range(-800, -3)),
        "the row of 2024-03-02 04:00:00 is missing between 2024-03-02 03:00",
    ),
    "a stray row": (moved(frame(30), -3), "a row of 2024-02-28 02:30:00 follows 2024-02-28 02:00:00; the"),
    "twice": (pd.concat([GOOD, GOOD.iloc[-1:]]), "row 30: 2024-02-28 05:00:00 appears twice"),
    "backwards": (GOOD[::-1], "row 1: 2024-02-28 04:00:00 comes after 2024-02-28 05:00:00"),
    "half hours": (frame(30, "30min"), "a step of 30min; the model reads a row every 1h"),
    "two hours": (frame(30, "2h"), "a step of 2h; the model reads a row every 1h"),
    "years": (frame(30, "YS"), "a step of YS; the model reads a row every 1h"),
    "no value": (with_value(frame(30), np.nan), "2024-02-28 04:00:00, column 'wind': no value"),
    "infinite": (with_value(frame(30), np.inf), "2024-02-28 04:00:00, column 'wind': an infinite value"),
    "words": (GOOD.assign(wind="calm"), "column 'wind' holds str, not numbers"),
    "switches": (GOOD.assign(wind=True), "column 'wind' holds bool, not numbers; convert it with frame.astype(float)"),
    "times": (GOOD.assign(wind=GOOD.index), "column 'wind' holds datetime64[us], not numbers; the model reads numbers"),
    "no columns": (GOOD[[]], "unknown column 'load'. Allowed: none"),
    "complex numbers": (GOOD.assign(wind=1j), "column 'wind' holds complex128, not numbers"),
    "no date": (GOOD.set_axis([pd.NaT, *GOOD.index[1:]]), "row 0: no date"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_of_a_frame_is_one_clear_line(exported, name):
    given, say = PROBLEMS[name]
    with pytest.raises(UserError) as error:
        Forecaster.load(exported / "seasonal.onnx").predict(given)
    assert say in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("value", [1e300, -1.7e308])
@pytest.mark.parametrize("file", ["linear.onnx", "linear.safetensors"])
def test_a_value_that_is_too_large_for_the_model_is_named(exported, file, value):
    with pytest.raises(UserError) as error:
        Forecaster.load(exported / file).predict(with_value(frame(30), value))
    assert str(error.value).endswith(f"3 finite values: column 'wind' holds {value:g}; is that a reading?")


def test_what_was_wrong_before_the_look_back_does_not_matter(exported):
    forecaster = Forecaster.load(exported / "seasonal.onnx")
    rows = with_value(frame(60)[::-1], np.nan)[::-1]
    assert forecaster.predict(rows).equals(forecaster.predict(rows.iloc[-24:]))


@pytest.mark.parametrize("step", ["15min", "1D", "B", "MS", "QE-DEC"])
def test_dates_go_on_in_the_models_own_step(tmp_path, step):
    about = ABOUT.model_copy(update={"time_step": step})
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=about)
    stamps = pd.date_range("2020-01-01", periods=32, freq=step)
    known = frame(24).set_axis(stamps[:24])
    forecast = Forecaster.load(tmp_path / "x.safetensors").predict(known)
    assert list(forecast.index) == list(stamps[24:])
    np.testing.assert_allclose(forecast.to_numpy(), np.repeat(known.to_numpy()[-1:], 8, 0), rtol=1e-6)


def test_what_is_wrong_with_days_is_said_of_days(tmp_path):
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=ABOUT.model_copy(update={"time_step": "1D"}))
    forecaster, days = Forecaster.load(tmp_path / "x.safetensors"), pd.date_range("2020-01-01", periods=25)
    stray = days[:24].insert(24, days[23] + pd.Timedelta("6h"))
    for stamps, say in (
        (days.delete(20), "the row of 2020-01-21 is missing between 2020-01-20 and 2020-01-22; the model"),
        (days[::-1], "row 1: 2020-01-24 comes after 2020-01-25; sort"),
        (days.insert(25, days[24]), "row 25: 2020-01-25 appears twice"),
        (stray, "a row of 2020-01-24 06:00:00 follows 2020-01-24 00:00:00; the"),
    ):
        with pytest.raises(UserError, match=say):
            forecaster.predict(frame(len(stamps)).set_axis(stamps))


def test_a_look_back_of_one_row_off_the_models_steps_is_refused_in_a_line(tmp_path):
    model = tiny("RepeatLast", seq_len=1, label_len=0)
    save_checkpoint(tmp_path / "x.safetensors", model, about=ABOUT.model_copy(update={"time_step": "MS"}))
    known = frame(1, start="2020-01-15")
    said = "a row of 2020-01-15; the model reads a row every MS, the next at 2020-02-01"
    with pytest.raises(UserError, match=f"^{said}$"):
        Forecaster.load(tmp_path / "x.safetensors").predict(known)


@pytest.mark.parametrize(
    ("about", "say"),
    [
        (None, "does not say columns, mean and std"),
        (ABOUT.model_copy(update={"time_step": None}), "does not say the time step"),
        (ABOUT.model_copy(update={"time_step": "often"}), "'often': not a time step"),
        (ABOUT.model_copy(update={"time_step": "99999999999h"}), "a time step has a hundred years at most"),
    ],
)
def test_a_checkpoint_that_says_too_little_is_refused(tmp_path, about, say):
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=about)
    with pytest.raises(UserError, match=say) as error:
        Forecaster.load(tmp_path / "x.safetensors")
    assert "x.safetensors" in str(error.value) or about is None


def test_dates_that_pandas_cannot_hold_are_told(tmp_path):
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=ABOUT)
    last = pd.Timestamp.max.floor("h") - pd.Timedelta(hours=3)
    known = frame(24).set_axis(pd.date_range(end=last, periods=24, freq="h"))
    with pytest.raises(UserError, match=f"8 steps of '1h' after {last} end later than any date that pandas"):
        Forecaster.load(tmp_path / "x.safetensors").predict(known)


def test_a_bare_network_is_refused_with_what_helps(tmp_path):
    export_onnx(tiny("RepeatLast"), tmp_path / "x.onnx", "scaled", about=ABOUT)
    with pytest.raises(
        UserError, match="was exported in scaled units and cannot read your data; export it with --units real"
    ):
        Forecaster.load(tmp_path / "x.onnx")


def test_a_runtime_that_is_missing_is_told_with_what_brings_it(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed; pip install 'tsprune\[deploy\]'"):
        Forecaster.load(exported / "linear.onnx")


def test_a_network_that_does_not_do_what_its_card_says_is_refused(exported, monkeypatch):
    loaded = Forecaster.load(exported / "tcn.onnx")
    for calendar in (("hour",), ("second", "minute", "hour", "day")):
        with pytest.raises(UserError, match=r"^x\.onnx: calendar = .*: not the fields of freq = 'h'$"):
            Forecaster(loaded.card.model_copy(update={"calendar": calendar}), None, "x.onnx")
    for dtype in (np.float32, bool, object):
        forecaster = Forecaster(loaded.card, lambda _, dtype=dtype: np.ones((1, 8, 3), dtype), "x.onnx")
        with pytest.raises(UserError, match=r"^x\.onnx: the forecast is not 8 rows of 3 finite values$"):
            forecaster.predict(frame(30))


def banded(tmp_path, **changes):
    """A checkpoint of the last value with intervals."""
    about = ABOUT.model_copy(update={"intervals": INTERVALS} | changes)
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=about)
    return tmp_path / "x.safetensors"


def test_intervals_leave_with_the_model_and_lie_about_its_forecast(tmp_path):
    export_checkpoint(banded(tmp_path), tmp_path / "x.onnx")
    forecaster = Forecaster.load(tmp_path / "x.onnx")
    found = forecaster.predict(frame(24), level=0.9)
    assert list(found.columns[:4]) == ["load", "load_low", "load_high", "wind"]
    assert found[["load", "wind", "sun"]].equals(forecaster.predict(frame(24)))
    half = np.arange(2.0, 18.0, 2.0)
    np.testing.assert_allclose(found["load_high"] - found["load"], half * 9_000)
    np.testing.assert_allclose(found["sun"] - found["sun_low"], half * 2 * 0.25)
    assert "| within the 90% intervals | 87.0% of the test split's values |" in (tmp_path / "x.md").read_text()


def test_intervals_that_are_not_there_are_told(tmp_path, exported):
    with pytest.raises(UserError, match="has no prediction intervals"):
        Forecaster.load(exported / "linear.onnx").predict(frame(24), level=0.9)
    with pytest.raises(UserError, match=r"unknown level of intervals '0.8'.* Allowed: 0.5, 0.9"):
        Forecaster.load(banded(tmp_path)).predict(frame(24), level=0.8)
    for level in ("0.9", [0.9]):
        with pytest.raises(UserError, match=r"^level = '.*0.9.*': not a number; allowed: 0.5, 0.9$"):
            Forecaster.load(banded(tmp_path)).predict(frame(24), level=level)
    names = {"columns": ("load", "load_low", "sun")}
    with pytest.raises(UserError, match="_low"):
        Forecaster.load(banded(tmp_path, **names)).predict(frame(24).set_axis(names["columns"], axis=1), level=0.9)


def test_intervals_of_another_horizon_are_refused(tmp_path):
    other = Intervals(levels=(0.5,), steps=((1.0,),), columns=(1.0,) * 3, coverage=(0.5,), windows=9)
    with pytest.raises(UserError, match="RepeatLast: intervals are of 1 time steps and 3 columns"):
        Forecaster.load(banded(tmp_path, intervals=other))
