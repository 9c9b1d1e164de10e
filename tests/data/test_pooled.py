# ruff: noqa: PD011  (Table.values and Windows.values are arrays of our own)
"""Pooled data: each column a series of its own, windows of one column, errors by series."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.batch.compress.question import ask
from tsprune.data import CATALOG, Table, make_splits
from tsprune.data.catalog import SHARES
from tsprune.deploy.reading import read_frame
from tsprune.errors import UserError
from tsprune.models import create_model
from tsprune.steps import compare
from tsprune.steps.data import DataSpec
from tsprune.training import TrainConfig, evaluate


def table_of(rows: int, columns: int, blocked: np.ndarray | None = None, pooled: bool = True) -> Table:
    values = np.random.default_rng(rows).normal(5, 3, (rows, columns)) * 10.0 ** np.arange(columns)
    return Table(
        name="made_up",
        values=values,
        columns=tuple("abcdef"[:columns]),
        dates=pd.date_range("2021-03-04 05:00", periods=rows, freq="1h"),
        time_step="1h",
        split=SHARES,
        blocked=np.zeros((rows, columns), dtype=bool) if blocked is None else blocked,
        source="made up",
        pooled=pooled,
    )


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_pooled_windows_are_those_of_each_column_alone_in_order_of_time(data):
    rows, columns = data.draw(st.integers(90, 120)), data.draw(st.integers(2, 4))
    lengths = {"seq_len": data.draw(st.integers(1, 8)), "label_len": 1, "pred_len": data.draw(st.integers(1, 4))}
    blocked = np.zeros((rows, columns), dtype=bool)
    begin, of = data.draw(st.integers(0, rows - 9)), data.draw(st.integers(0, columns - 1))
    blocked[begin : begin + data.draw(st.integers(0, 5)), of] = True
    table = table_of(rows, columns, blocked)
    pooled = make_splits(table, **lengths)
    alone = [
        make_splits(
            dataclasses.replace(
                table, values=table.values[:, [i]], columns=(str(i),), blocked=blocked[:, i], pooled=False
            ),
            **lengths,
        )
        for i in range(columns)
    ]
    for name in ("train", "val", "test"):
        ours = getattr(pooled, name)
        at = ours.starts % rows
        order = list(zip(at.tolist(), ours.series.tolist(), strict=True))
        assert order == sorted(order)
        for i, other in enumerate(alone):
            expected = getattr(other, name)
            own = torch.nonzero(ours.series == i)[:, 0]
            assert at[own].tolist() == expected.starts.tolist()
            everything = expected.batch(torch.arange(len(expected)))
            for got, known in zip(ours.batch(own), everything, strict=True):
                torch.testing.assert_close(got, known, rtol=1e-6, atol=1e-6)
        assert pooled.left_out[name] == sum(other.left_out[name] for other in alone)
        few = ours.subset(torch.arange(3))
        assert few.series.tolist() == ours.series[:3].tolist()
    assert pooled.std.tolist() == pytest.approx([float(other.std[0]) for other in alone], rel=1e-12)


def test_that_data_are_pooled_is_part_of_what_they_are():
    pooled = table_of(100, 3)
    assert (pooled.series, pooled.width) == (3, 1)
    wide = dataclasses.replace(pooled, pooled=False, blocked=np.zeros(100, dtype=bool))
    assert (wide.series, wide.width) == (1, 3) and wide.fingerprint != pooled.fingerprint


@pytest.mark.parametrize("protocol", ["full", "as_published"])
def test_errors_are_kept_by_series(protocol):
    table = table_of(150, 3, np.arange(450).reshape(150, 3) == 400)
    test = make_splits(table, seq_len=6, label_len=3, pred_len=2).test
    model = create_model("RepeatLast", enc_in=1, dec_in=1, c_out=1, seq_len=6, label_len=3, pred_len=2)
    scores = evaluate(model, test, TrainConfig(device="cpu", eval_batch_size=7, protocol=protocol))
    batch = test.batch(torch.arange(scores.windows))
    error = (batch.x_enc[:, -1:] - batch.y).double()
    series = test.series[: scores.windows]
    assert scores.windows % 7 == 0 or protocol == "full"
    for i in range(3):
        own = error[series == i]
        assert float(scores.column_mse[i]) == pytest.approx(float(own.square().mean()))
        assert float(scores.column_mae[i]) == pytest.approx(float(own.abs().mean()))
    assert scores.mae == pytest.approx(float(error.abs().mean()))
    assert scores.window_mse.tolist() == pytest.approx(error.square().mean((1, 2)).tolist())


def test_a_stride_is_one_of_times_so_that_no_series_is_left_out():
    lengths = {"seq_len": 6, "label_len": 3, "pred_len": 2}
    every, some = (make_splits(table_of(100, 3), **lengths, eval_stride=stride) for stride in (1, 3))
    assert torch.equal(some.test.starts.view(-1, 3), every.test.starts.view(-1, 3)[::3])
    assert some.test.series.bincount().unique().numel() == 1


def test_a_stride_that_leaves_a_series_untested_is_refused():
    blocked = np.zeros((100, 3), dtype=bool)
    blocked[80, 1] = True  # where the horizon of the first test window begins
    lengths = {"seq_len": 6, "label_len": 3, "pred_len": 2}
    assert make_splits(table_of(100, 3, blocked), **lengths).test.series.unique().tolist() == [0, 1, 2]
    with pytest.raises(UserError, match=r"^made_up: eval_stride = 50 leaves series 'b' no window of the test split; "):
        make_splits(table_of(100, 3, blocked), **lengths, eval_stride=50)


def test_a_block_of_the_bootstrap_holds_all_series_of_its_time(monkeypatch):
    """Countries err together: windows of one time are never taken for independent ones."""
    monkeypatch.setattr(compare, "load_scores", lambda store, key: {"window_mse": torch.ones(9)})
    monkeypatch.setattr(compare, "paired_difference", lambda *errors, block: block)
    spec = DataSpec(
        name="x", label="x", fingerprint="f", width=1, series=5, seq_len=6, label_len=3, pred_len=2, freq="h"
    )
    step = SimpleNamespace(key="k", protocol=lambda: {"seed": 1, **spec.protocol()})
    assert compare.compare(None, {"k": {"status": "ok"}}, [step], [step]) == (6 + 2) * 5
    one = spec.model_copy(update={"series": 1})
    assert "series" not in one.protocol() and "series" not in one.identity()


def test_rows_say_their_stride_and_a_block_is_as_long_in_time():
    spec = DataSpec(name="x", label="x", fingerprint="f", width=1, seq_len=6, label_len=3, pred_len=3, freq="h")
    some = spec.model_copy(update={"eval_stride": 4})
    assert some.identity() == spec.identity() | {"eval_stride": 4}
    assert some.protocol() == spec.protocol() | {"eval_stride": 4}
    assert "eval_stride" not in spec.identity() | spec.protocol(), "rows keep the keys of before there was a choice"
    assert [compare.block_length(of.protocol()) for of in (spec, some)] == [9, 3]
    assert some.every_window() == spec


def test_models_that_were_tested_on_other_windows_are_not_paired(monkeypatch):
    spec = DataSpec(name="x", label="x", fingerprint="f", width=1, seq_len=6, label_len=3, pred_len=3, freq="h")
    ours, others = (
        SimpleNamespace(key="k", protocol=lambda of=of: {"seed": 1, **of.protocol()})
        for of in (spec, spec.model_copy(update={"eval_stride": 4}))
    )
    with pytest.raises(UserError, match="nothing to pair"):
        compare.compare(None, {"k": {"status": "ok"}}, [ours], [others])


def test_nothing_is_compressed_for_pooled_data():
    question = ask("synthetic", model=None, max_loss="2%", goal="latency", budget="10m")
    (line,) = question.does_not_suit(table_of(100, 3))
    assert line.startswith("made_up: each column is a separate series, so a model of them all has no unit")


def test_a_gap_at_the_end_of_pooled_data_is_told_where_rows_are_needed(monkeypatch):
    table = table_of(100, 3, np.arange(300).reshape(100, 3) == 297)  # the last row of the first column
    monkeypatch.setattr("tsprune.deploy.reading.load_table", lambda *_, **__: table)
    with pytest.raises(UserError, match=r"rows from 2021-03-08 08:00:00 to 2021-03-08 08:00:00 lie in a gap"):
        read_frame("made_up", SimpleNamespace(columns=table.columns), 12)


def test_the_views_of_european_load_are_of_the_same_values(real_table):
    hourly, most, pooled = (real_table(f"entsoe_{name}") for name in ("hourly", "14", "pooled"))
    assert set(hourly.columns) - set(most.columns) == {"lu"}
    assert (hourly.values[:, [hourly.columns.index(name) for name in most.columns]] == most.values).all()
    assert (pooled.values == hourly.values).all() and (pooled.blocked.any(1) == hourly.blocked).all()
    assert (pooled.series, pooled.width, pooled.values.size) == (15, 1, 734_040)
    lengths = {"seq_len": 96, "label_len": 48, "pred_len": 96}
    found = {table.name: make_splits(table, **lengths) for table in (hourly, most, pooled)}
    assert {name: len(splits.train) for name, splits in found.items()} == {
        "entsoe_hourly": 28_739,
        "entsoe_14": 29_891,
        "entsoe_pooled": 505_493,
    }
    assert found["entsoe_14"].left_out["val"] == 646
    assert hourly.dates[hourly.split.borders(48_936)[2][0]].date().isoformat() == "2019-06-20"
    assert all("lockdowns" in CATALOG[name].tested for name in found)
