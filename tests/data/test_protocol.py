"""Windows, scaler and marks against the reference (tests/golden/data_protocol.json and .safetensors)."""

# ruff: noqa: PD011  (Table.values and Windows.values are arrays of our own)

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from tsprune.data import CATALOG, Table, make_splits

GOLDEN = Path(__file__).parents[1] / "golden"
PROTOCOL = json.loads((GOLDEN / "data_protocol.json").read_text())
RULE_OF = {"ETTh1": "ETTh1", "ETTm_from_ETTh1": "ETTm1", "ETTm_from_ETTh1_freq_t": "ETTm1", "Exchange": "Exchange"}
ROWS_AT_96 = {"Weather": (36_696, 5_175, 10_444), "ECL": (18_221, 2_537, 5_165), "Traffic": (12_089, 1_661, 3_413)}
NAMES = ("train", "val", "test")


def quarters(table: Table) -> Table:
    """ETTh1 as a 15-minute table: every row four times, as the reference numbers were made."""
    return dataclasses.replace(
        table,
        values=np.repeat(table.values, 4, axis=0),
        dates=pd.date_range(table.dates[0], periods=4 * len(table.dates), freq="15min"),
        blocked=np.repeat(table.blocked, 4),
        split=CATALOG["ETTm1"].split,
    )


@pytest.fixture
def golden_table(real_table):
    def load(name):
        if name == "Exchange":
            # The reference numbers were made from the original text file, which has the last two columns swapped.
            return real_table("Exchange", columns=["0", "1", "2", "3", "4", "5", "OT", "6"])
        table = real_table("ETTh1")
        return table if name == "ETTh1" else quarters(table)

    return load


@pytest.mark.parametrize("name", PROTOCOL["datasets"])
@pytest.mark.parametrize("pred_len", [96, 192, 336, 720])
def test_borders_give_the_reference_window_counts(name, pred_len):
    expected = PROTOCOL["datasets"][name]
    rows = expected["rows_in_file"]
    table = Table(
        name="made_up",
        values=np.random.default_rng(0).normal(size=(rows, 1)),
        columns=("x",),
        dates=pd.date_range("2016-07-01", periods=rows, freq="1h"),
        time_step="1h",
        split=CATALOG[RULE_OF[name]].split,
        blocked=np.zeros(rows, dtype=bool),
        source="made up",
    )
    splits = make_splits(table, seq_len=96, label_len=48, pred_len=pred_len)
    assert {split: len(getattr(splits, split)) for split in NAMES} == expected["lengths_by_pred_len"][str(pred_len)]


@pytest.mark.parametrize("name", ROWS_AT_96)
def test_borders_of_the_other_datasets(name):
    entry = CATALOG[name]
    (begin, train), (_, val), (start, end) = entry.split.borders(entry.rows)
    counts = (train - begin - 191, val - train + 96 - 191, end - start + 96 - 191)
    assert counts == ROWS_AT_96[name]


@pytest.mark.parametrize("name", PROTOCOL["datasets"])
def test_scaler_equals_the_reference(golden_table, name):
    splits = make_splits(golden_table(name), seq_len=96, label_len=48, pred_len=96)
    np.testing.assert_allclose(splits.mean, PROTOCOL["datasets"][name]["scaler_mean"], rtol=1e-12)
    np.testing.assert_allclose(splits.std, PROTOCOL["datasets"][name]["scaler_std"], rtol=1e-12)


@pytest.mark.parametrize("name", PROTOCOL["datasets"])
def test_windows_equal_the_reference(golden_table, name):
    expected = PROTOCOL["datasets"][name]
    stored = load_file(GOLDEN / "data_protocol.safetensors")
    table = golden_table(name)
    splits = make_splits(table, seq_len=96, label_len=48, pred_len=96, freq=expected["freq"])
    exact = (table.values - splits.mean) / splits.std
    for split in NAMES:
        windows, reference = getattr(splits, split), expected["splits"][split]
        assert len(windows) == reference["len"]
        first = int(windows.starts[0])
        rows = exact[first : first + reference["rows"]]
        np.testing.assert_allclose(rows.sum(), reference["sum_all_x"], rtol=1e-9, atol=1e-6)
        marks = windows.marks[first : first + reference["rows"]].double()
        np.testing.assert_allclose(marks.sum(), reference["sum_all_marks"], rtol=1e-6, atol=1e-3)
        for place in ("first", "middle", "last"):
            item = reference[place]["index"]
            begin = int(windows.starts[item])
            for key, span in (("seq_x", slice(begin, begin + 96)), ("seq_y", slice(begin + 48, begin + 192))):
                np.testing.assert_allclose(exact[span].sum(), reference[place]["sum"][key], rtol=1e-9, atol=1e-6)
                absolute = np.abs(exact[span]).sum()
                np.testing.assert_allclose(absolute, reference[place]["sum_abs"][key], rtol=1e-9, atol=1e-6)
        for item in reference.get("stored_windows", []):
            batch = windows.batch(torch.tensor([item]))
            of = {key: stored[f"{name}/{split}/{item}/{key}"] for key in ("seq_x", "seq_y", "seq_x_mark", "seq_y_mark")}
            np.testing.assert_allclose(batch.x_enc[0], of["seq_x"], atol=1e-6)
            np.testing.assert_allclose(batch.x_mark_enc[0], of["seq_x_mark"], atol=1e-6)
            np.testing.assert_allclose(batch.y[0], of["seq_y"][48:], atol=1e-6)
            np.testing.assert_allclose(batch.x_dec[0, :48], of["seq_y"][:48], atol=1e-6)
            assert (batch.x_dec[0, 48:] == 0).all()
            np.testing.assert_allclose(batch.x_mark_dec[0], of["seq_y_mark"], atol=1e-6)


@pytest.mark.parametrize("name", [entry.name for entry in CATALOG.values() if entry.source and entry.source.sha256])
def test_every_real_dataset_loads_with_the_shape_of_the_catalogue(real_table, name):
    table, entry = real_table(name), CATALOG[name]
    assert table.values.shape == (entry.rows, entry.columns)
    assert table.time_step == entry.time_step and not np.isnan(table.values).any()
    assert table.fingerprint != real_table(name, columns=table.columns[1:]).fingerprint
    make_splits(table, seq_len=36, label_len=18, pred_len=24)
