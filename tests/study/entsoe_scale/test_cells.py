"""Study 04: every cell of shares, widths and densities; errors in units; a week beside the truth."""

# ruff: noqa: PD011  (Table.values is an array of our own)

import dataclasses
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import profiles
import pytest
import torch
from helpers import Recorder

from tsprune.data import CATALOG, load_table, make_splits
from tsprune.data.catalog import Source
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.steps import train_on
from tsprune.steps.model import MODEL_FILE
from tsprune.steps.week import WeekStep, week_of_forecasts
from tsprune.study.base.result import ABOUT_DATA
from tsprune.study.base.shared import base_steps
from tsprune.study.entsoe_scale import tables
from tsprune.study.entsoe_scale.cells import EntsoeScaleCells
from tsprune.study.entsoe_scale.config import EntsoeScale
from tsprune.study.entsoe_scale.forecasts import (
    last_week,
    mean_load,
    steps_of_week,
    typical_columns,
)
from tsprune.study.entsoe_scale.groups import scale_groups
from tsprune.training import TrainResult

ROWS, GAP = 2400, range(900, 912)
COLUMNS = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    """A load of four columns that differ in size, hourly, with half a day missing."""
    random = np.random.default_rng(1)
    hours = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    day = np.sin(2 * np.pi * hours.hour.to_numpy() / 24)
    frame = pd.DataFrame({"date": hours})
    for i, name in enumerate(COLUMNS):
        frame[name] = 10**i * (5 + day + 0.2 * random.standard_normal(ROWS).cumsum() / 10)
    path = tmp_path_factory.mktemp("data") / "load.csv"
    frame.drop(index=list(GAP)).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def other(csv, tmp_path_factory):
    """A second dataset: two of the columns, the first rows."""
    path = tmp_path_factory.mktemp("data") / "other.csv"
    pd.read_csv(csv)[["date", "a", "b"]].iloc[:400].to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def parameters(csv, other):
    changes = {"dataset": csv, "missing": "interpolate", "batch_size": 64, "learning_rate": 0.01, "jobs": 1}
    changes |= {"more_datasets": [other, csv], "seeds": [1, 2]}
    return profiles.parameters("smoke", "04_entsoe_scale") | changes


@pytest.fixture(scope="module")
def config(parameters, tmp_path_factory):
    return EntsoeScale.parse(parameters | {"store": str(tmp_path_factory.mktemp("store"))})


def run(config, make_executor):
    return EntsoeScaleCells(config).run(make_executor=make_executor, progress=Recorder())


@pytest.fixture(scope="module")
def result(config):
    return run(config, lambda: ThreadPoolExecutor(1))


@pytest.fixture(scope="module")
def plain(csv, config):
    """The table, and the first row of each test window's horizon by the rule of the documentation, counted plainly."""
    table = load_table(csv, missing="interpolate")
    begin = ROWS - int(0.2 * ROWS)
    blocked = set(GAP)
    first = [
        row
        for row in range(begin, ROWS - config.pred_lens[0] + 1)
        if not blocked & set(range(row - config.seq_len, row + config.pred_lens[0]))
    ]
    return table, first


def test_every_share_width_and_density_has_its_cells(result, config):
    assert result.failures == 0
    seeds, shares = len(config.seeds), len(config.fractions)
    each = seeds * shares
    assert result.cells.groupby("arm").size().to_dict() == {
        "dense": 2 * each,
        "dense longer": 2 * each,
        "pruned": 2 * each,
        "fine-tuned": 2 * each,
    }
    windows = result.cells.groupby("data_fraction")["windows_train"].first()
    assert windows[0.2] == round(0.2 * windows[1.0])
    pruned = result.cells[result.cells["structure"] == "structured"]
    wide = result.cells[(result.cells["arm"] == "dense") & (result.cells["width"] == config.d_model)]
    assert (abs(pruned["parameters_left"] / wide["parameters_left"].iloc[0] - 0.3) < 0.02).all()
    longer = result.cells[result.cells["arm"] == "dense longer"]
    assert set(longer["width"]) == {*config.widths, config.d_model}
    looked = result.cells["arm"] != "pruned"
    assert result.cells.loc[looked, "val_mse"].notna().all()
    naive = result.naive.set_index("model")["mse"]["SeasonalNaive"]
    assert result.cells["mse_relative"].to_numpy() == pytest.approx(result.cells["mse"] / naive)


def test_the_loss_falls_with_the_data_on_every_dataset_once(result, config):
    scaling = result.scaling
    each = len(config.fractions) * len(config.seeds) * 2
    assert scaling.groupby("dataset", sort=False).size().to_dict() == {"load": each, "other": each}
    dense = result.cells[result.cells["arm"] == "dense"]
    assert scaling["mse"].head(each).tolist() == dense["mse"].tolist()
    assert scaling["windows_train"].head(each).tolist() == dense["windows_train"].tolist()
    windows = scaling[scaling["dataset"] == "other"].groupby("data_fraction")["windows_train"].agg(set).to_dict()
    table = load_table(config.more_datasets[0], missing="interpolate")
    every = len(make_splits(table, seq_len=config.seq_len, label_len=12, pred_len=12).train)
    assert windows == {0.2: {round(0.2 * every)}, 1.0: {every}}
    assert (scaling["status"] == "ok").all() and set(scaling["width"]) == {*config.widths, config.d_model}


def test_the_value_a_week_before_stands_beside_the_naive_forecasts(result, plain):
    table, first = plain
    train = table.values[: int(0.7 * ROWS)]
    error = [(table.values[r + s] - table.values[r + s - 168]) / train.std(0) for r in first for s in range(12)]
    row = result.naive.set_index("model").loc["LastWeek"]
    assert (row["mse"], row["mae"]) == pytest.approx((np.square(error).mean(), np.abs(error).mean()))
    assert row["dataset"] == "load" and row["status"] == "ok"


def test_windows_that_were_left_out_are_told(result, config):
    lost = len(GAP) + config.seq_len + config.pred_lens[0] - 1
    (line,) = [note for note in result.data_notes if "left out" in note]
    assert f"{lost} of 1,645 training windows" in line and "0 of" in line


def test_nothing_runs_twice_and_the_tables_are_the_same(result, config, threads, monkeypatch):
    monkeypatch.setattr("tsprune.engine.grid.execute", None)
    again = run(config, threads)
    for name in ("cells", "widths", "differences", "countries", "week"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(again, name))


def test_the_best_width_is_chosen_by_validation(result):
    dense = result.cells[result.cells["arm"] == "dense"]
    for row in result.widths.to_dict("records"):
        own = dense[dense["data_fraction"] == row["data_fraction"]].groupby("width")["val_mse"].mean()
        assert row["width"] == own.idxmin()


def test_widths_are_chosen_by_the_seeds_that_came_to_a_result_at_each(config):
    """At seed 3, where errors are twice as high, the wide one failed with 10 windows, and at every seed with 20."""
    hard = {1: 1.0, 2: 1.0, 3: 2.0}
    table = pd.DataFrame(
        {"model": "M", "pred_len": 12, "data_fraction": n / 30, "windows_train": n, "width": width, "seed": seed}
        | {"arm": "dense", "val_mse": error * hard[seed], "mse": 2 * error * hard[seed], "status": "ok"}
        for n in (10, 20, 30)
        for width, error in ((16, 1.3), (8, 1.0))
        for seed in hard
    )
    lost = (table["width"] == 16) & (
        (table["windows_train"] == 20) | (table["windows_train"] == 10) & (table["seed"] == 3)
    )
    table.loc[lost, ["val_mse", "mse", "status"]] = [np.nan, np.nan, "diverged"]
    found = EntsoeScaleCells(config).widths(table).set_index("windows_train")
    assert found["width"].tolist() == [8, 8, 8] and found["seeds"].tolist() == [2, 0, 3]
    assert found["told"].tolist() == [True, False, False] and found["by_seed"].tolist() == [(8,), (), (8,)]
    assert found["mse"].to_numpy() == pytest.approx([2.0, 8 / 3, 8 / 3])
    none = EntsoeScaleCells(config).widths(table.assign(status="failed"))
    assert none.empty and set(none) == set(found.reset_index())


def test_comparisons_are_of_the_sizes_they_name(result, config):
    cells = result.cells.set_index(["data_fraction", "arm", "structure", "width"])["mse"]
    found = result.differences.set_index(["data_fraction", "question"])
    wide, small = config.d_model, min(config.widths)
    for fraction in config.fractions:
        dense = cells[fraction].loc["dense"]
        means = dense.groupby("width").mean()
        assert found.loc[(fraction, "width"), "relative"] == pytest.approx(means[wide] / means[small] - 1)
        longer = cells[fraction].loc["dense longer"].groupby("width").mean()[small]
        for structure in ("structured", "unstructured"):
            ours = cells[fraction].loc["fine-tuned"].loc[structure].mean()
            row = found.loc[(fraction, structure)]
            assert row["relative"] == pytest.approx(ours / longer - 1)
            assert row["low"] <= row["relative"] <= row["high"]
            assert row["others"] == f"d_model {small}, trained as long" and row["density"] == 0.3
            assert row["share_others"] == pytest.approx(0.3, abs=0.1)


def test_errors_in_units_of_the_naive_forecast_by_plain_counting(result, plain, config):
    table, first = plain
    errors, loads = [], []
    for row in first:
        for step in range(config.pred_lens[0]):
            truth = table.values[row + step]
            errors.append(abs(truth - table.values[row - 24 + step % 24]))
            loads.append(abs(truth))
    mae, load = np.mean(errors, 0), np.mean(loads, 0)
    own = result.countries[result.countries["kind"] == "naive"].set_index("column")
    assert own["mae"].to_dict() == pytest.approx(dict(zip(COLUMNS, mae, strict=True)), rel=1e-5)
    assert own["load"].to_dict() == pytest.approx(dict(zip(COLUMNS, load, strict=True)))
    assert own["percent"].to_dict() == pytest.approx(dict(zip(COLUMNS, 100 * mae / load, strict=True)), rel=1e-5)
    assert result.unit is None


def test_errors_of_the_value_a_week_before_by_plain_counting(result, plain, config):
    table, first = plain
    errors = [abs(table.values[r + s] - table.values[r + s - 168]) for r in first for s in range(config.pred_lens[0])]
    own = result.countries[result.countries["kind"] == "week"].set_index("column")
    assert own["mae"].to_dict() == pytest.approx(dict(zip(COLUMNS, np.mean(errors, 0), strict=True)))
    assert list(dict.fromkeys(result.countries["kind"])) == ["naive", "week", "dense", "fine-tuned"]


@pytest.mark.parametrize("pred_len", [1, 3, 4, 9])
def test_beyond_a_week_the_last_value_of_the_same_time_that_is_known_is_taken(pred_len):
    values = np.random.default_rng(0).normal(size=(40, 2))
    windows = SimpleNamespace(starts=torch.tensor([14, 15, 18, 20]), seq_len=2, pred_len=pred_len, count=1)
    errors = [
        abs(values[start + 2 + step] - values[start + 2 + step - 4 * (step // 4 + 1)])
        for start in windows.starts.tolist()
        for step in range(pred_len)
    ]
    week = last_week(values, windows, 4)
    np.testing.assert_allclose(week.mae, np.mean(errors, 0))
    np.testing.assert_allclose(week.mse, np.mean(np.square(errors), 0))
    assert week.scaled(np.array([1.0, 2.0])) == pytest.approx(
        (week.mse @ [0.5, 0.125], week.mae @ [0.5, 0.25]), rel=1e-12
    )
    early = SimpleNamespace(starts=torch.tensor([1, 20]), seq_len=2, pred_len=pred_len, count=1)
    assert last_week(values, early, 4) is None, "nothing is known a week before"


@pytest.mark.parametrize(
    ("freq", "steps"), [("1h", 168), ("15min", 672), ("1D", 7), ("7D", None), ("5h", None), ("MS", None)]
)
def test_a_week_has_a_whole_number_of_time_steps_or_none(freq, steps):
    assert steps_of_week(pd.date_range("2021-01-01", periods=20, freq=freq)) == steps


def test_errors_in_units_stand_on_every_page(result, plain):
    naive = result.units[result.units["model"] == "SeasonalNaive"].set_index("column")["mae"]
    own = result.countries[result.countries["kind"] == "naive"].set_index("column")["mae"]
    assert naive.to_dict() == pytest.approx(own.to_dict(), rel=1e-5)
    assert set(result.units["model"]) == {"RepeatLast", "SeasonalNaive", "iTransformer"}
    assert list(result.about_data) == list(ABOUT_DATA)


def test_errors_in_units_of_the_best_models_are_scaled_errors_times_the_deviation(result, config, plain):
    table, _ = plain
    base = base_steps(config)
    (group,) = [group for group in scale_groups(config, base) if group.fraction == 1]
    width = result.widths.set_index("data_fraction")["width"][1.0]
    splits = make_splits(table, seq_len=config.seq_len, label_len=config.label_len, pred_len=config.pred_lens[0])
    batch = splits.test.batch(torch.arange(len(splits.test)))
    maes = []
    for step in group.longer[width]:
        with torch.inference_mode():
            forecast = step.load(Store(config.store)).eval()(*batch[:4])
        error = splits.inverse(forecast.double().numpy()) - splits.inverse(batch.y.double().numpy())
        maes.append(abs(error).mean((0, 1)))
    own = result.countries[result.countries["kind"] == "dense"]
    assert own["mae"].to_numpy() == pytest.approx(np.mean(maes, 0), rel=1e-5)
    assert set(own["forecaster"]) == {f"iTransformer {width}, dense, trained as long"}
    pruned = result.countries[result.countries["kind"] == "fine-tuned"]
    assert (
        len(pruned) == 4 and pruned["forecaster"].str.fullmatch(r"iTransformer 16, \w+, 3\d % kept, fine-tuned").all()
    )
    assert (pruned["percent_low"] <= pruned["percent"]).all() and (pruned["percent"] <= pruned["percent_high"]).all()


def test_the_week_is_the_tables_own(result, plain):
    table, _ = plain
    frame = pd.DataFrame(table.values, index=table.dates, columns=table.columns)
    assert list(result.week["column"].unique()) == ["d", "b", "a"]  # the largest, the median, the smallest load
    for column, rows in result.week.groupby("column"):
        assert len(rows) == 7 * 24
        assert rows["date"].iloc[0].day_of_week == 0 and rows["date"].iloc[0].hour == 0
        assert rows["date"].diff().dropna().eq(pd.Timedelta("1h")).all()
        assert rows["truth"].to_numpy() == pytest.approx(frame.loc[rows["date"], column].to_numpy(), rel=1e-5)
        before = frame.loc[rows["date"] - pd.Timedelta("24h"), column]
        assert rows["naive"].to_numpy() == pytest.approx(before.to_numpy(), rel=1e-5)
        assert not np.allclose(rows["forecast"], rows["truth"])
    assert result.week["forecaster"].str.contains("seed").all()


@pytest.mark.parametrize("whole", [True, False])
def test_the_page_is_made_of_rows_alone_where_there_is_no_time(result, config, threads, tmp_path, monkeypatch, whole):
    """As where the rows come out of the archive: no model is trained for the week, which is a row or is not shown."""
    shutil.copytree(config.store, tmp_path / "store")
    store = Store(tmp_path / "store")
    for key in store.entries():
        store.drop(key, MODEL_FILE)
        if not whole and store.row(key)["kind"] == WeekStep.kind:
            store.discard(key)
    monkeypatch.setattr("tsprune.engine.grid.execute", None)
    monkeypatch.setattr("tsprune.steps.model.execute", None)
    again = run(config.model_copy(update={"store": str(store.root), "budget_hours": 0.0}), threads)
    pd.testing.assert_frame_equal(again.cells[again.cells["arm"] != "week"], result.cells, check_dtype=False)
    if whole:
        pd.testing.assert_frame_equal(again.week, result.week)
        assert again.missing == ""
    else:
        assert again.week.empty and "(1 of 1 week)" in again.missing


def test_a_week_that_fails_is_a_cell_without_a_result(result, config, threads, tmp_path, monkeypatch):
    shutil.copytree(config.store, tmp_path / "store")
    store = Store(tmp_path / "store")
    for key in store.entries():
        if store.row(key)["kind"] == WeekStep.kind:
            store.discard(key)

    def fails(*_):
        raise ValueError("no such week")

    monkeypatch.setattr("tsprune.steps.week.week_of_forecasts", fails)
    again = run(config.model_copy(update={"store": str(store.root)}), threads)
    assert again.failures == 1 and again.week.empty
    lost = again.cells[again.cells["status"] != "ok"]
    assert lost["arm"].tolist() == ["week"] and "no such week" in lost["reason"].iloc[0]
    pd.testing.assert_frame_equal(again.differences, result.differences)
    pd.testing.assert_frame_equal(tables.scale(again.cells).data, tables.scale(result.cells).data)


class Last(torch.nn.Module):
    """Repeats the last value for twelve steps."""

    def forward(self, x_enc, *rest):
        return x_enc[:, -1:].repeat(1, 12, 1)


def test_the_weeks_forecast_follows_the_truth_before_it(plain):
    """A model that repeats the last value shows where each horizon begins."""
    table, _ = plain
    splits = make_splits(table, seq_len=24, label_len=0, pred_len=12)
    week = week_of_forecasts(Last(), table, splits, [2])
    place = table.dates.get_loc(week["date"].iloc[0])
    expected = np.repeat(table.values[place - 1 : place - 1 + 7 * 24 : 12, 2], 12)
    assert week["forecast"].to_numpy() == pytest.approx(expected, rel=1e-5)


def test_a_split_shorter_than_a_week_shows_one_horizon(csv, tmp_path):
    path = tmp_path / "short.csv"
    pd.read_csv(csv).iloc[:600].to_csv(path, index=False)
    table = load_table(str(path))
    splits = make_splits(table, seq_len=24, label_len=0, pred_len=12)
    week = week_of_forecasts(Last(), table, splits, [0, 1])
    assert week.groupby("column").size().to_dict() == {"a": 12, "b": 12}


def test_the_mean_load_counts_rows_as_windows_do(plain):
    table, first = plain
    splits = make_splits(table, seq_len=24, label_len=0, pred_len=12)
    by_hand = np.mean([abs(table.values[row : row + 12]).mean(0) for row in first[:7]], 0)
    assert mean_load(table.values, splits.test, 7) == pytest.approx(by_hand)
    assert typical_columns(np.array([3.0, 9.0, 1.0, 5.0])) == (1, 0, 2)
    assert typical_columns(np.array([3.0, 9.0])) == (1, 0)


def test_a_fine_tuning_that_diverges_is_a_row_and_no_comparison(parameters, tmp_path, threads, monkeypatch):
    bad = TrainResult(status="diverged", reason="loss not finite at epoch 1, step 7")
    monkeypatch.setattr(train_on, "train", lambda *a, **k: bad)
    changes = {"fractions": [1.0], "seeds": [1], "store": str(tmp_path / "store")}
    result = run(EntsoeScale.parse(parameters | changes), threads)
    states = result.cells.groupby("arm")["status"].agg(set).to_dict()
    assert states == {"dense": {"ok"}, "pruned": {"ok"}, "fine-tuned": {"diverged"}, "dense longer": {"diverged"}}
    assert "step 7" in result.cells.loc[result.cells["arm"] == "fine-tuned", "reason"].iloc[0]
    rows = result.differences.set_index("question")
    assert rows.loc[["structured", "unstructured"], "relative"].isna().all() and not rows["clear"].any()
    assert set(result.countries["kind"]) == {"naive", "week", "dense"}


def test_the_density_closest_to_the_smallest_models_share_is_compared(parameters):
    config = EntsoeScale.parse(parameters | {"densities": [0.9, 0.35, 0.05], "store": "x"})
    group = scale_groups(config, base_steps(config))[0]
    share = group.sizes[8] / group.sizes[16]
    assert group.nearest(share) == 8 and group.nearest(0.99) == 16 and group.nearest(1e-6) == 8
    middle = math.sqrt(share)  # as far from both by ratio
    assert group.nearest(middle * 1.01) == 16 and group.nearest(middle / 1.01) == 8
    assert group.density == min([0.9, 0.35, 0.05], key=lambda density: abs(math.log(density / share))) == 0.35


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": ["DLinear"]}, "nothing in DLinear can be narrowed"),
        ({"densities": [1.0]}, "densities.0 = 1.0: input should be less than 1"),
        ({"densities": [0.5, 0.5]}, "appears twice"),
        ({"widths": [16]}, "16 is not below d_model = 16"),
    ],
)
def test_what_cannot_be_compared_is_refused(parameters, change, words):
    with pytest.raises(UserError) as error:
        EntsoeScale.parse(parameters | {"store": "x"} | change)
    assert words in str(error.value)


def test_a_look_back_below_a_season_is_refused_before_anything_runs(parameters, tmp_path):
    config = EntsoeScale.parse(parameters | {"store": str(tmp_path / "store"), "seq_len": 12})
    with pytest.raises(
        UserError, match="seq_len = 12, no seasonal naive forecast: a season has 24 time steps, the look-back 12"
    ):
        EntsoeScaleCells(config).run(progress=Recorder())
    assert not (tmp_path / "store").exists()


def test_a_study_of_pooled_data_keeps_errors_in_units_by_column(csv, parameters, tmp_path, threads, monkeypatch):
    (tmp_path / "data").mkdir()
    pd.read_csv(csv)[["date", *COLUMNS]].head(500).to_csv(tmp_path / "data" / "tiny.csv", index=False)
    entry = dataclasses.replace(
        CATALOG["entsoe_pooled"], name="tiny", source=Source("tiny.csv"), rows=500, columns=4, rules=(), fingerprints=()
    )
    monkeypatch.setitem(CATALOG, "tiny", entry)
    monkeypatch.setenv("TSPRUNE_DATA", str(tmp_path / "data"))
    changes = {"dataset": "tiny", "missing": "error", "more_datasets": [], "seeds": [1], "fractions": [1.0]}
    config = EntsoeScale.parse(parameters | changes | {"store": str(tmp_path / "store"), "pred_lens": [12]})
    result = run(config, threads)
    table = load_table("tiny")
    test = make_splits(table, seq_len=24, label_len=12, pred_len=12).test
    assert result.failures == 0 and result.naive["mse"].notna().all()
    assert len(test) == 4 * (100 - 12 + 1) and result.cells["windows_train"].unique() == [4 * (350 - 36 + 1)]
    for kind, back in (("naive", 24), ("week", 168)):
        own = result.countries[result.countries["kind"] == kind].set_index("column")
        errors = [
            abs(table.values[row + s] - table.values[row + s - back]) for row in range(400, 489) for s in range(12)
        ]
        assert own["mae"].to_dict() == pytest.approx(dict(zip(COLUMNS, np.mean(errors, 0), strict=True)), rel=1e-5)
    assert result.about_data["dataset"].startswith("tiny, 500 rows x 4 columns, each a series of its own, from")
    frame = pd.DataFrame(table.values, index=table.dates, columns=table.columns)
    for column, rows in result.week.groupby("column"):
        assert rows["truth"].to_numpy() == pytest.approx(frame.loc[rows["date"], column].to_numpy(), rel=1e-5)
